//! Ctrl-C and SIGTERM.

use super::super::tell;
use crate::execute::Interrupt;
use crate::exit::Exit;

/// The first Ctrl-C or SIGTERM finishes the request under way; the second leaves at once.
pub(super) fn listen(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    tokio::spawn(async move {
        if wait_for_signal().await {
            tell("\nstopping: the request under way is finished and recorded; once more leaves at once\n");
            interrupt.stop();
            if wait_for_signal().await {
                tell("left at once: what was sent goes on at AWS, and the next run asks how it went\n");
                // Safe at any point: every intent is on disk before its effect, and the next run asks AWS.
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
        }
    });
}

/// Says whether a signal came; false where none can be listened for.
async fn wait_for_signal() -> bool {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut term) = signal(SignalKind::terminate()) else { return tokio::signal::ctrl_c().await.is_ok() };
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.is_ok(),
            _ = term.recv() => true,
        }
    }
    #[cfg(not(unix))]
    {
        tokio::signal::ctrl_c().await.is_ok()
    }
}
