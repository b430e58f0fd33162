//! Pure work on many things, on every core.

use std::thread;

/// From so many things on it is worth a thread.
const WORTH_IT: usize = 1000;

/// Does `one` to the items, in as many parts as there are cores; the answers stand in the parts' order. Few items are one part.
pub(super) fn side_by_side<'a, T: Sync, R: Send>(items: &'a [T], one: impl Fn(&'a [T]) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if items.len() < WORTH_IT || cores == 1 {
        return vec![one(items)];
    }
    let parts: Vec<&[T]> = items.chunks(items.len().div_ceil(cores)).collect();
    let one = &one;
    thread::scope(|scope| {
        let begun: Vec<_> = parts.iter().map(|part| thread::Builder::new().spawn_scoped(scope, move || one(part))).collect();
        // Where no thread is to be had, or one ended by a panic, it is done here: a panic shows again.
        let done = |(begun, part): (std::io::Result<thread::ScopedJoinHandle<'_, R>>, &&'a [T])| {
            begun.ok().and_then(|begun| begun.join().ok()).unwrap_or_else(|| one(part))
        };
        begun.into_iter().zip(&parts).map(done).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_and_in_its_place() {
        for many in [0, 1, WORTH_IT - 1, WORTH_IT, 10 * WORTH_IT + 7] {
            let items: Vec<usize> = (0..many).collect();
            let done = side_by_side(&items, |part| part.iter().map(|item| item * 2).collect::<Vec<_>>());
            assert_eq!(done.concat(), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}
