//! Waiting with a bound, and records of what happened.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Between two looks at a condition.
pub(crate) const POLL: Duration = Duration::from_millis(5);

/// More than any single step takes on a busy machine.
const BOUND: Duration = Duration::from_secs(20);

/// The future's output, or a panic that names what did not happen.
pub(crate) async fn within<F: IntoFuture>(what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(BOUND, future.into_future()).await else {
        panic!("not within {} s: {what}", BOUND.as_secs());
    };
    output
}

/// Waits until the condition holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let held = async {
        while !condition() {
            tokio::time::sleep(POLL).await;
        }
    };
    within(what, held).await;
}

/// What handlers saw, in order. Clones share it.
pub(crate) struct Seen<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone + Debug> Seen<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn push(&self, item: T) {
        self.0.lock().unwrap().push(item);
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Waits for at least `n`, and returns all of them.
    pub(crate) async fn wait_for(&self, n: usize) -> Vec<T> {
        let reached = async {
            while self.len() < n {
                tokio::time::sleep(POLL).await;
            }
        };
        if tokio::time::timeout(BOUND, reached).await.is_err() {
            let all = self.all();
            let tail = &all[all.len().saturating_sub(10)..];
            panic!(
                "not within {} s: {n} items; there are {}, ending in {tail:?}",
                BOUND.as_secs(),
                all.len()
            );
        }
        self.all()
    }

    /// Waits for the first item, and returns it.
    pub(crate) async fn first(&self) -> T {
        self.wait_for(1).await.swap_remove(0)
    }
}
