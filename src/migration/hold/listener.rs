//! Hearing of changes in a hold, where there must be none (rule 13): a connection with tracking on, beside the sentinel.
//!
//! What expires in a hold is not removed, and not pushed, on 6.2 and newer: a push is a write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::{PushInfo, PushKind};
use tokio::sync::watch;

use super::nodes::{ASKING, NodeLink, is_ok};
use super::sentinel::Broken;
use crate::migration::wire::{Link, Name, Pushes, WireError};

/// A connection that hears of changes on one primary.
pub(super) struct Listener {
    _link: Link,
}

impl Listener {
    /// Begins to listen; nothing where the node does not push changes.
    pub(super) async fn begin(
        at: &NodeLink,
        name: &Name,
        broken: watch::Sender<Option<Broken>>,
        over: Arc<AtomicBool>,
    ) -> Result<Option<Listener>, WireError> {
        let node = at.link.node().to_owned();
        let pushes: Pushes = Arc::new(move |push: PushInfo| {
            let why = match push.kind {
                PushKind::Invalidate => "a key changed in the hold",
                PushKind::Disconnection => "the connection that would hear of changes is lost",
                _ => return,
            };
            if !over.load(Ordering::SeqCst) {
                Broken::tell(&broken, &node, why.to_owned());
            }
        });
        let link = Link::connect(&at.endpoint, 0, &name.for_role("listener"), Some(pushes)).await?;
        match link.ask(redis::cmd("CLIENT").arg("TRACKING").arg("ON").arg("BCAST"), ASKING).await {
            Ok(answer) if is_ok(&answer) => Ok(Some(Listener { _link: link })),
            Ok(_) | Err(WireError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
