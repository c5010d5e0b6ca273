//! What the seam between handles, driver and dispatchers is made of: locks, atomics, and the place of a waker.
//!
//! They are the standard library's. In the crate `sockeye-interleavings`, which compiles these sources once more, they are
//! loom's: there the tests run the seam in every order in which its threads may meet (see `interleavings`).

#[cfg(not(loom))]
pub(crate) use {
    atomic_waker::AtomicWaker,
    std::sync::{Mutex, MutexGuard, atomic},
};

#[cfg(loom)]
pub(crate) use {
    loom::sync::{Mutex, MutexGuard, atomic},
    slot::AtomicWaker,
};

#[cfg(all(feature = "blocking", loom))]
pub(crate) use loom::sync::Condvar;
#[cfg(all(feature = "blocking", not(loom)))]
pub(crate) use std::sync::Condvar;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::AtomicU64;
/// Chips of 32 bits have none of their own.
#[cfg(all(not(loom), not(target_has_atomic = "64")))]
pub(crate) use portable_atomic::AtomicU64;
#[cfg(all(not(loom), target_has_atomic = "64"))]
pub(crate) use std::sync::atomic::AtomicU64;

/// The same for statics: the standard library's also in the models, whose atomics cannot be static.
#[cfg(not(target_has_atomic = "64"))]
pub(crate) use portable_atomic::AtomicU64 as StaticU64;
#[cfg(target_has_atomic = "64")]
pub(crate) use std::sync::atomic::AtomicU64 as StaticU64;

/// The same for what only one side of the seam knows: more atomics that meet nobody would make the models slow.
#[cfg(feature = "tokio")]
pub(crate) use std::sync::atomic::AtomicBool as OwnBool;

#[cfg(feature = "tokio")]
use std::future::Future;

/// Starts a task on a runtime. (In the models: as a thread of loom's.)
#[cfg(all(feature = "tokio", not(loom)))]
pub(crate) fn start(
    runtime: &tokio::runtime::Handle,
    task: impl Future<Output = ()> + Send + 'static,
) {
    runtime.spawn(task);
}

/// As above, for the models.
#[cfg(loom)]
pub(crate) fn start(_: &tokio::runtime::Handle, task: impl Future<Output = ()> + Send + 'static) {
    crate::interleavings::start(task);
}

/// Starts a thread, with so many bytes of stack or the platform's default. (In the models: one of loom's.)
#[cfg(all(feature = "blocking", not(loom)))]
pub(crate) fn start_thread(
    name: &str,
    stack_size: Option<usize>,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<()> {
    let mut builder = std::thread::Builder::new().name(name.into());
    if let Some(size) = stack_size {
        builder = builder.stack_size(size);
    }
    builder.spawn(run).map(drop)
}

/// As above, for the models.
#[cfg(all(feature = "blocking", loom))]
pub(crate) fn start_thread(
    _: &str,
    _: Option<usize>,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<()> {
    crate::interleavings::start_thread(run);
    Ok(())
}

#[cfg(loom)]
mod slot {
    use std::task::Waker;

    use super::Mutex;

    /// What the crate `atomic-waker` promises, by a lock: a wake that meets a registration wakes the one or the other.
    #[derive(Debug)]
    pub(crate) struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(None))
        }

        pub(crate) fn register(&self, waker: &Waker) {
            let old = self.0.lock().map(|mut slot| slot.replace(waker.clone()));
            drop(old);
        }

        pub(crate) fn wake(&self) {
            let waker = self.0.lock().map(|mut slot| slot.take());
            if let Ok(Some(waker)) = waker {
                waker.wake();
            }
        }
    }
}
