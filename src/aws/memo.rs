//! One read of AWS per fact per pass: what several resources ask for (every instance of the account, say) is read once.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::CallError;

type Shared = Arc<dyn Any + Send + Sync>;
type Cell = Arc<OnceCell<Result<Shared, CallError>>>;

/// What was read in this pass, by type and key. A new pass has a new one.
#[derive(Default)]
pub struct Memo(Mutex<HashMap<(TypeId, String), Cell>>);

impl Memo {
    /// The value under `key`: read by whoever asks first, while the others wait for it. A failure is remembered too: within one pass
    /// the same question gets the same answer.
    pub async fn once<T, F>(&self, key: String, read: impl FnOnce() -> F) -> Result<Arc<T>, CallError>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, CallError>>,
    {
        let cell = {
            let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry((TypeId::of::<T>(), key)).or_default())
        };
        let answer = cell.get_or_init(|| async { read().await.map(|value| Arc::new(value) as Shared) }).await;
        shared(answer)
    }

    /// The value under `key`, where somebody has read it.
    pub fn known<T: Send + Sync + 'static>(&self, key: &str) -> Option<Arc<T>> {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared(cells.get(&(TypeId::of::<T>(), key.to_owned()))?.get()?).ok()
    }

    /// The value under `key` for whoever asks last: it is kept no longer, and where nobody asked before it is never kept.
    pub async fn take<T, F>(&self, key: String, read: impl FnOnce() -> F) -> Result<Arc<T>, CallError>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, CallError>>,
    {
        let cell = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(TypeId::of::<T>(), key));
        match cell.as_ref().and_then(|cell| cell.get()) {
            Some(answer) => shared(answer),
            None => read().await.map(Arc::new),
        }
    }
}

fn shared<T: Send + Sync + 'static>(answer: &Result<Shared, CallError>) -> Result<Arc<T>, CallError> {
    // Two kinds that keep different things of one answer each have theirs.
    answer.clone().and_then(|value| value.downcast::<T>().map_err(|_| CallError::mixed_up()))
}
