//! Which resources may move: what stands on something waits for it, and is held where it ends badly.

use std::collections::HashMap;

use super::work::Work;
use crate::kinds::{Key, Need};
use crate::plan::ResourcePlan;

/// Who stands on whom, by place.
pub(super) struct Order<'a> {
    /// What each stands on, and for which of its fields.
    stands: Vec<Vec<(usize, &'a Need)>>,
    /// What each waits for as a whole. A circle (two that need all of each other) is broken at the need that closes it, so that somebody goes first.
    needs: Vec<Vec<usize>>,
    /// By place, which circle it is in: two of the same number stand on each other, by way of others or not.
    circles: Vec<usize>,
    /// All places, each after what it waits for.
    sorted: Vec<usize>,
}

impl<'a> Order<'a> {
    pub(super) fn new(resources: &'a [ResourcePlan]) -> Order<'a> {
        let places: HashMap<&Key, usize> = resources.iter().enumerate().map(|(place, one)| (&one.key, place)).collect();
        let every = |kind: &'a str| resources.iter().enumerate().filter(move |(_, one)| one.key.kind == kind).map(|(place, _)| place);
        let on = |need: &'a Need| match need.key.id == Need::EVERY {
            true => every(&need.key.kind).map(|place| (place, need)).collect(),
            false => Vec::from_iter(places.get(&need.key).map(|place| (*place, need))),
        };
        let stands: Vec<Vec<(usize, &Need)>> = resources.iter().map(|one| one.needs.iter().flat_map(on).collect()).collect();
        let all: Vec<Vec<usize>> = stands.iter().map(|stands| stands.iter().map(|(place, _)| *place).collect()).collect();
        let circles = circles(&all, &walk(&mut all.clone()));
        let mut order = Order { stands, needs: Vec::new(), circles, sorted: Vec::new() };
        let whole = |(place, stands): (usize, &Vec<(usize, &Need)>)| {
            stands.iter().filter(|(on, need)| !order.is_of_steps(place, *on, need)).map(|(on, _)| *on).collect()
        };
        let mut needs: Vec<Vec<usize>> = order.stands.iter().enumerate().map(whole).collect();
        order.sorted = walk(&mut needs);
        order.needs = needs;
        order
    }

    /// Whether only the steps that the need concerns wait for it, and the others go on: in a circle, a bucket is made before the one that its log goes
    /// to, and that one's policy, are as declared.
    fn is_of_steps(&self, place: usize, on: usize, need: &Need) -> bool {
        !need.fields.is_empty() && self.circles.get(place) == self.circles.get(on)
    }

    /// The resources that may move: not ended, and nothing that they stand on is still under way.
    pub(super) fn ready(&self, works: &[Work<'_>]) -> Vec<usize> {
        let open = |place: &usize| works.get(*place).is_some_and(|work| !work.ended());
        // What the step that is about to be begun waits for, where others of the circle are under way.
        let waits = |place: usize| {
            let fields = works.get(place).and_then(Work::next_fields).unwrap_or_default();
            let stands = self.stands.get(place).into_iter().flatten();
            stands.filter(move |(on, need)| self.is_of_steps(place, *on, need) && need.concerns(fields)).map(|(on, _)| *on).filter(open)
        };
        let parked: Vec<bool> = (0..works.len()).map(|place| waits(place).next().is_some()).collect();
        let is_parked = |place: &usize| parked.get(*place) == Some(&true);
        let same = |place: usize, on: &usize| self.circles.get(place) == self.circles.get(*on);
        let free = |place: &usize| {
            let whole = self.needs.get(*place).into_iter().flatten();
            // One that waits in the same circle has done all that it can; where all wait for each other, they go on.
            whole.into_iter().all(|on| !open(on) || same(*place, on) && is_parked(on)) && waits(*place).all(|on| is_parked(&on))
        };
        (0..works.len()).filter(|place| open(place) && free(place)).collect()
    }

    /// Holds what stands on something that ended badly, down the line. Whoever has nothing else to do ends with it.
    pub(super) fn hold_needy(&self, works: &mut [Work<'_>]) {
        for place in &self.sorted {
            if works.get(*place).is_none_or(Work::ended) {
                continue;
            }
            for (on, need) in self.stands.get(*place).into_iter().flatten().filter(|(_, need)| !need.order_only) {
                let bad = works.get(*on).is_some_and(|on| on.fails(need));
                // What an exception keeps as it is ends well, and is still not what this one asked of it.
                let kept = works.get(*on).zip(works.get(*place)).is_some_and(|(on, needy)| on.plan.keeps_from(&needy.plan, need));
                if let Some(work) = works.get_mut(*place).filter(|_| bad || kept) {
                    work.wait_for(need);
                }
            }
        }
    }
}

/// All places, each after what it needs. A need that closes a circle is taken out.
fn walk(needs: &mut [Vec<usize>]) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        /// On the way from the one that the walk began with: whoever needs it closes a circle.
        Open,
        Sorted,
    }
    let mut marks = vec![Mark::New; needs.len()];
    let mut sorted = Vec::with_capacity(needs.len());
    for start in 0..needs.len() {
        // In depth, without recursion: chains may be long.
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
    sorted
}

/// A number for each place, the same for those that need each other: what is reached against the needs, from the last of the walk on, and was not
/// reached before. (Kosaraju's way to find strongly connected components.)
fn circles(needs: &[Vec<usize>], sorted: &[usize]) -> Vec<usize> {
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (place, on) in needs.iter().enumerate().flat_map(|(place, needs)| needs.iter().map(move |on| (place, *on))) {
        if let Some(needed_by) = needed_by.get_mut(on) {
            needed_by.push(place);
        }
    }
    let mut circles: Vec<Option<usize>> = vec![None; needs.len()];
    for start in sorted.iter().rev() {
        let mut way = vec![*start];
        while let Some(place) = way.pop() {
            if circles.get(place) != Some(&None) {
                continue;
            }
            set(&mut circles, place, Some(*start));
            way.extend(needed_by.get(place).into_iter().flatten());
        }
    }
    circles.into_iter().flatten().collect()
}

fn set<T>(all: &mut [T], place: usize, new: T) {
    if let Some(old) = all.get_mut(place) {
        *old = new;
    }
}
