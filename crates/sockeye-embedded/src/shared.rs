//! What handles and runner share: the core behind a lock that is only ever held between awaits.

use core::cell::RefCell;
use core::fmt;
use core::task::Waker;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_sync::waitqueue::{MultiWakerRegistration, WakerRegistration};
use sockeye_core::{Client, Instant, NamespaceId};

use crate::waiters::Waiters;

/// Tasks that can wait for [`Socket::ready`](crate::Socket::ready) or [`Socket::flush`](crate::Socket::flush) at one
/// time without waking each other needlessly.
const TASKS: usize = 8;

pub(crate) struct Shared<M: RawMutex> {
    cell: Mutex<M, RefCell<Inner>>,
    now: fn() -> Instant,
    /// The namespace of the first socket.
    pub(crate) first: NamespaceId,
}

pub(crate) struct Inner {
    pub(crate) core: Client<'static>,
    pub(crate) waiters: Waiters,
    runner: WakerRegistration,
    tasks: MultiWakerRegistration<TASKS>,
    /// A command has been given: the runner has to look.
    work: bool,
    pub(crate) stop: bool,
}

impl<M: RawMutex> fmt::Debug for Shared<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl<M: RawMutex> Shared<M> {
    pub(crate) const fn new(
        core: Client<'static>,
        waiters: Waiters,
        now: fn() -> Instant,
        first: NamespaceId,
    ) -> Self {
        let inner = Inner {
            core,
            waiters,
            runner: WakerRegistration::new(),
            tasks: MultiWakerRegistration::new(),
            work: true,
            stop: false,
        };
        Self {
            cell: Mutex::new(RefCell::new(inner)),
            now,
            first,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        (self.now)()
    }

    /// A look at the core, or an input of the runner.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        self.cell.lock(|cell| f(&mut cell.borrow_mut()))
    }

    /// A command: the time is passed on, so that the core notices what a sleep has made of its deadlines, and the
    /// runner is woken.
    pub(crate) fn command<R>(&self, f: impl FnOnce(&mut Inner, Instant) -> R) -> R {
        let now = self.now();
        self.with(|inner| {
            let result = f(inner, now);
            inner.work = true;
            inner.runner.wake();
            result
        })
    }
}

impl Inner {
    /// To be called at every poll of the runner: whether there is work.
    pub(crate) fn attend(&mut self, waker: &Waker) -> bool {
        self.runner.register(waker);
        core::mem::take(&mut self.work)
    }

    /// Has the runner polled again.
    pub(crate) fn again(&mut self) {
        self.runner.wake();
    }

    /// Has `waker` woken when something may have changed.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        self.tasks.register(waker);
    }

    /// Something may have changed.
    pub(crate) fn changed(&mut self) {
        self.tasks.wake();
    }
}
