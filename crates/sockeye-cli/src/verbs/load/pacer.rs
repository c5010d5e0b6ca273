//! A timer that keeps to the microsecond what tokio's keeps to the millisecond: what is due is due.
//!
//! One thread sleeps until the next moment and wakes whoever waits for it. Tests use tokio's clock instead, which they can
//! stop.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

/// Where moments come from.
#[derive(Clone)]
pub(crate) enum Clock {
    /// The timer of this module.
    Precise(Arc<Pacer>),
    /// Tokio's, for tests with a stopped clock.
    #[cfg(test)]
    Tokio,
}

impl Clock {
    /// Completes at this moment, or at once if it is past.
    pub(crate) fn until(&self, due: Instant) -> Until {
        match self {
            Self::Precise(pacer) => Until::Precise {
                pacer: Arc::clone(pacer),
                due,
                entry: None,
            },
            #[cfg(test)]
            Self::Tokio => Until::Tokio(Box::pin(tokio::time::sleep_until(due))),
        }
    }
}

/// A wait: see [`Clock::until`].
pub(crate) enum Until {
    Precise {
        pacer: Arc<Pacer>,
        due: Instant,
        entry: Option<Arc<AtomicWaker>>,
    },
    #[cfg(test)]
    Tokio(Pin<Box<tokio::time::Sleep>>),
}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.get_mut() {
            Self::Precise { pacer, due, entry } => {
                if Instant::now() >= *due {
                    return Poll::Ready(());
                }
                match entry {
                    Some(entry) => entry.register(cx.waker()),
                    None => {
                        let waker = Arc::new(AtomicWaker::new());
                        waker.register(cx.waker());
                        pacer.add(*due, Arc::clone(&waker));
                        *entry = Some(waker);
                    }
                }
                // The thread may have looked between the two.
                if Instant::now() >= *due {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }
            #[cfg(test)]
            Self::Tokio(sleep) => sleep.as_mut().poll(cx),
        }
    }
}

struct Entry {
    due: Instant,
    waker: Arc<AtomicWaker>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.due.cmp(&other.due)
    }
}

#[derive(Default)]
struct Queue {
    entries: BinaryHeap<Reverse<Entry>>,
    ended: bool,
}

/// What the thread and the waits share. Dropping the last clone of the [`Clock`] ends the thread.
#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// The timer; one thread.
pub(crate) struct Pacer {
    shared: Arc<Shared>,
}

impl Pacer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start() -> std::io::Result<Arc<Self>> {
        let shared = Arc::<Shared>::default();
        let own = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("pacer".to_owned())
            .spawn(move || own.run())?;
        Ok(Arc::new(Self { shared }))
    }

    fn add(&self, due: Instant, waker: Arc<AtomicWaker>) {
        let mut queue = self.shared.lock();
        let first = queue
            .entries
            .peek()
            .is_none_or(|Reverse(first)| due < first.due);
        queue.entries.push(Reverse(Entry { due, waker }));
        drop(queue);
        if first {
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut due = Vec::new();
        let mut queue = self.lock();
        while !queue.ended {
            let now = Instant::now();
            let is_due = |queue: &Queue| {
                let next = queue.entries.peek();
                next.is_some_and(|Reverse(next)| next.due <= now)
            };
            while is_due(&queue) {
                due.extend(queue.entries.pop());
            }
            if !due.is_empty() {
                drop(queue);
                for Reverse(entry) in due.drain(..) {
                    entry.waker.wake();
                }
                queue = self.lock();
                continue;
            }
            let next = queue.entries.peek().map(|Reverse(next)| next.due - now);
            queue = match next {
                Some(rest) => {
                    let waited = self.changed.wait_timeout(queue, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = self.changed.wait(queue);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn waits_end_when_they_are_due_and_in_order() {
        let clock = Clock::Precise(Pacer::start().unwrap());
        let start = Instant::now();
        let wait = |ms| {
            let clock = clock.clone();
            async move {
                let due = start + Duration::from_millis(ms);
                clock.until(due).await;
                assert!(Instant::now() >= due);
                ms
            }
        };
        use futures_util::StreamExt as _;
        let waits: futures_util::stream::FuturesUnordered<_> =
            [30, 10, 20, 0].map(wait).into_iter().collect();
        assert_eq!(waits.collect::<Vec<_>>().await, [0, 10, 20, 30]);
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_disturbs_nobody() {
        let clock = Clock::Precise(Pacer::start().unwrap());
        let soon = Instant::now() + Duration::from_millis(5);
        let mut given_up = clock.until(soon);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut given_up).poll(&mut cx).is_pending());
        drop(given_up);
        clock.until(soon + Duration::from_millis(5)).await;
    }
}
