//! The moments of each exchange with a node, for tests: the process may end at each, or the connection break.

use std::cell::RefCell;
use std::sync::Arc;

/// What comes of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    GoesOn,
    /// The connection breaks.
    Breaks,
    /// Nothing is heard any more: the process is over.
    Never,
}

/// Told of the node, of what is asked, and whether it was answered.
pub type Told = Arc<dyn Fn(&str, &str, bool) -> Next>;

thread_local! {
    /// A process of a test is a thread.
    static TOLD: RefCell<Option<Told>> = const { RefCell::new(None) };
}

/// From now on this thread's moments are told.
pub fn tell(told: Told) {
    TOLD.set(Some(told));
}

pub fn of(node: &str, asked: &str, answered: bool) -> Next {
    let told = TOLD.with_borrow(Option::clone);
    told.map_or(Next::GoesOn, |told| told(node, asked, answered))
}
