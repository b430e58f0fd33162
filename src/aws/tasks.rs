//! What a step has begun and what goes on between passes: a copy of data, a hold. It lives in this process alone; after a restart it is begun again, and
//! nothing is believed of it (contract 5).

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

type Shared = Arc<dyn Any + Send + Sync>;

/// The tasks of a connection, by type and name. One that is taken out ends where nobody else holds it.
#[derive(Default)]
pub struct Tasks(Mutex<HashMap<(TypeId, String), Shared>>);

impl Tasks {
    pub fn get<T: Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        let tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.get(&(TypeId::of::<T>(), name.to_owned()))?.clone().downcast().ok()
    }

    /// Those of a type, by their names.
    pub fn all<T: Send + Sync + 'static>(&self) -> Vec<(String, Arc<T>)> {
        let tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = tasks.iter().filter(|((of, _), _)| *of == TypeId::of::<T>());
        all.filter_map(|((_, name), task)| Some((name.clone(), task.clone().downcast().ok()?))).collect()
    }

    /// Puts a task in the place of the one that was there.
    pub fn put<T: Send + Sync + 'static>(&self, name: &str, task: Arc<T>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((TypeId::of::<T>(), name.to_owned()), task);
    }

    pub fn end<T: Send + Sync + 'static>(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(TypeId::of::<T>(), name.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_found_by_its_type_and_name_until_it_is_ended() {
        let tasks = Tasks::default();
        tasks.put("a", Arc::new(1_u8));
        tasks.put("a", Arc::new("other".to_owned()));
        assert_eq!((tasks.get::<u8>("a").as_deref(), tasks.get::<u8>("b")), (Some(&1), None));
        tasks.put("a", Arc::new(2_u8));
        assert_eq!(tasks.get::<u8>("a").as_deref(), Some(&2));
        tasks.put("c", Arc::new(3_u8));
        let mut all: Vec<(String, u8)> = tasks.all::<u8>().into_iter().map(|(name, task)| (name, *task)).collect();
        all.sort();
        assert_eq!(all, [("a".to_owned(), 2), ("c".to_owned(), 3)]);
        tasks.end::<u8>("a");
        assert_eq!((tasks.get::<u8>("a"), tasks.get::<String>("a").as_deref().map(String::as_str)), (None, Some("other")));
    }
}
