//! The plan that a resource under way follows.

use std::ops::Deref;

use crate::plan::ResourcePlan;

/// The run's plan of a resource; its own where it was planned anew, or where steps of it came to be held.
pub(super) struct Planned<'a> {
    of_the_run: &'a ResourcePlan,
    /// Most resources of a run never have one.
    own: Option<Box<ResourcePlan>>,
}

impl<'a> Planned<'a> {
    pub(super) fn of_the_run(plan: &'a ResourcePlan) -> Planned<'a> {
        Planned { of_the_run: plan, own: None }
    }

    pub(super) fn to_mut(&mut self) -> &mut ResourcePlan {
        self.own.get_or_insert_with(|| Box::new(self.of_the_run.clone()))
    }

    /// Follows another plan from now on.
    pub(super) fn replace(&mut self, plan: ResourcePlan) {
        self.own = Some(Box::new(plan));
    }
}

impl Deref for Planned<'_> {
    type Target = ResourcePlan;

    fn deref(&self) -> &ResourcePlan {
        self.own.as_deref().unwrap_or(self.of_the_run)
    }
}
