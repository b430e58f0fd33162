//! Which resources may move: what stands on something waits for it, and is held where it ends badly.

use std::collections::HashMap;

use super::work::Work;
use crate::kinds::{Key, Need};
use crate::plan::ResourcePlan;

/// Who stands on whom, by place.
pub(super) struct Order<'a> {
    /// What each stands on, and for which of its fields.
    stands: Vec<Vec<(usize, &'a Need)>>,
    /// What each waits for until it has ended. A circle (two buckets that log into each other) is broken at the need that closes it, so that somebody goes first.
    needs: Vec<Vec<usize>>,
    /// All places, each after what it stands on.
    sorted: Vec<usize>,
}

impl<'a> Order<'a> {
    pub(super) fn new(resources: &'a [ResourcePlan]) -> Order<'a> {
        let places: HashMap<&Key, usize> = resources.iter().enumerate().map(|(place, one)| (&one.key, place)).collect();
        let place = |need: &'a Need| Some((places.get(&need.key).copied()?, need));
        let stands: Vec<Vec<(usize, &Need)>> = resources.iter().map(|one| one.needs.iter().filter_map(place).collect()).collect();
        let mut needs: Vec<Vec<usize>> = stands.iter().map(|stands| stands.iter().map(|(place, _)| *place).collect()).collect();
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            /// On the way from the one that the walk began with: whoever needs it closes a circle.
            Open,
            Sorted,
        }
        let mut marks = vec![Mark::New; resources.len()];
        let mut sorted = Vec::with_capacity(resources.len());
        for start in 0..resources.len() {
            // A walk in depth, without recursion: chains may be long.
            let mut way = vec![(start, 0)];
            while let Some((place, at)) = way.pop() {
                if at == 0 && marks.get(place) != Some(&Mark::New) {
                    continue;
                }
                set(&mut marks, place, Mark::Open);
                match needs.get(place).and_then(|needs| needs.get(at)).copied() {
                    None => {
                        set(&mut marks, place, Mark::Sorted);
                        sorted.push(place);
                    }
                    Some(need) if marks.get(need) == Some(&Mark::Open) => {
                        if let Some(needs) = needs.get_mut(place) {
                            needs.remove(at);
                        }
                        // Nothing was followed yet where `at` is 0: the mark would make the walk leave it.
                        if at == 0 {
                            set(&mut marks, place, Mark::New);
                        }
                        way.push((place, at));
                    }
                    Some(need) => {
                        way.push((place, at + 1));
                        way.push((need, 0));
                    }
                }
            }
        }
        return Order { stands, needs, sorted };

        fn set(marks: &mut [Mark], place: usize, mark: Mark) {
            if let Some(old) = marks.get_mut(place) {
                *old = mark;
            }
        }
    }

    /// The resources that may move: not ended, and nothing that they stand on is still under way.
    pub(super) fn ready(&self, works: &[Work<'_>]) -> Vec<usize> {
        let open = |place: &usize| works.get(*place).is_some_and(|work| !work.ended());
        let free = |place: &usize| self.needs.get(*place).is_none_or(|needs| !needs.iter().any(&open));
        (0..works.len()).filter(|place| open(place) && free(place)).collect()
    }

    /// Holds what stands on something that ended badly, down the line. Whoever has nothing else to do ends with it.
    pub(super) fn hold_needy(&self, works: &mut [Work<'_>]) {
        for place in &self.sorted {
            if works.get(*place).is_none_or(Work::ended) {
                continue;
            }
            for (on, need) in self.stands.get(*place).into_iter().flatten() {
                let bad = works.get(*on).is_some_and(|on| on.fails(need));
                if let Some(work) = works.get_mut(*place).filter(|_| bad) {
                    work.wait_for(need);
                }
            }
        }
    }
}
