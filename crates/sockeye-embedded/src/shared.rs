//! What handles and runner share: the core behind a lock that is only ever held between awaits.

use core::cell::RefCell;
use core::fmt;
use core::task::Waker;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_sync::waitqueue::WakerRegistration;
use sockeye_core::{Client, EmitError, Instant, Link, NamespaceId};

use crate::queue::WaitQueue;
use crate::waiters::Waiters;

pub(crate) struct Shared<M: RawMutex> {
    cell: Mutex<M, RefCell<Inner>>,
    now: fn() -> Instant,
    /// The namespace of the first socket.
    pub(crate) first: NamespaceId,
}

pub(crate) struct Inner {
    pub(crate) core: Client<'static>,
    pub(crate) waiters: Waiters,
    pub(crate) tasks: WaitQueue,
    pub(crate) auths: Auths,
    /// Packets and bytes that the send buffer holds.
    room: (usize, usize),
    runner: WakerRegistration,
    /// A command has been given: the runner has to look.
    work: bool,
    pub(crate) stop: bool,
    /// Links, by bit, whose bytes have been taken from the core and not been written yet.
    taken: u8,
    /// Links, by bit, whose bytes may not have left the device yet.
    unsent: u8,
    /// A task waits for them to leave.
    flush: bool,
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
        auths: Auths,
        room: (usize, usize),
        now: fn() -> Instant,
        first: NamespaceId,
    ) -> Self {
        let inner = Inner {
            core,
            waiters,
            tasks: WaitQueue::new(),
            auths,
            room,
            runner: WakerRegistration::new(),
            work: true,
            stop: false,
            taken: 0,
            unsent: 0,
            flush: false,
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
        self.cell.lock(|cell| match cell.try_borrow_mut() {
            Ok(mut inner) => f(&mut inner),
            Err(_) => entered_twice(),
        })
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

/// One panic for all places that look at the core.
#[cold]
#[inline(never)]
fn entered_twice() -> ! {
    panic!("what a client lends must be read without the client")
}

const fn bit(link: Link) -> u8 {
    1 << link.index()
}

impl Inner {
    /// To be called at every poll of the runner: whether there is work, and whether a task waits for bytes to leave.
    pub(crate) fn attend(&mut self, waker: &Waker) -> (bool, bool) {
        self.runner.register(waker);
        (core::mem::take(&mut self.work), self.flush)
    }

    /// Has the runner polled again.
    pub(crate) fn again(&mut self) {
        self.runner.wake();
    }

    /// Bytes for `link` have been taken from the core.
    pub(crate) const fn take(&mut self, link: Link) {
        self.taken |= bit(link);
        self.unsent |= bit(link);
        self.auths.has_room();
    }

    /// What was taken for `link` has been written to it.
    pub(crate) const fn written(&mut self, link: Link) {
        self.taken &= !bit(link);
    }

    /// What was written to `link` has left the device, or is lost with the connection.
    #[inline(never)] // Called in several places: less flash.
    pub(crate) fn sent(&mut self, link: Link) {
        self.taken &= !bit(link);
        self.unsent &= !bit(link);
        self.flush &= self.unsent != 0;
        self.tasks.wake_all();
    }

    /// Whether a task waits for what was written to `link`.
    pub(crate) const fn is_awaited(&self, link: Link) -> bool {
        self.flush && self.unsent & bit(link) != 0
    }

    /// Whether bytes that were taken from the core have not been written yet.
    pub(crate) const fn is_writing(&self) -> bool {
        self.taken != 0
    }

    /// Whether at least half of the send buffer is free.
    pub(crate) fn has_room(&self) -> bool {
        let (packets, bytes) = self.room;
        self.core.send_queue_len() * 2 <= packets && self.core.send_queue_bytes() * 2 <= bytes
    }

    /// Packets for which the send buffer has places.
    pub(crate) fn places(&self) -> usize {
        self.room.0.saturating_sub(self.core.send_queue_len())
    }

    /// Whether everything that was emitted has left the device, or has been dropped. If not, it is to be hurried.
    pub(crate) fn is_flushed(&mut self) -> bool {
        if self.core.send_queue_len() == 0 && self.unsent == 0 {
            return true;
        }
        if !core::mem::replace(&mut self.flush, true) {
            self.runner.wake();
        }
        false
    }
}

/// `auth` payloads that could not be sent yet.
pub(crate) struct Auths {
    /// By the index of the namespace: those whose payload did not fit beside what waits in the send buffer. The
    /// application is asked again when something has left the buffer.
    full: &'static mut [Option<NamespaceId>],
    /// Where to look for the next of them that is to be asked: from the first one when something has left the buffer,
    /// behind the last one when all have been asked since, or there are none.
    begin: usize,
    /// Whether there may be any.
    any: bool,
    /// Why the payload was not taken that the handler has given while it was asked.
    pub(crate) error: Option<AuthError>,
}

/// What is to be told of an [`EmitError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthError {
    /// It finds no room now, and is asked for again.
    Full,
    /// It is not a JSON object.
    Malformed,
    /// It will never find room.
    TooLarge,
}

impl Auths {
    pub(crate) const fn new(full: &'static mut [Option<NamespaceId>]) -> Self {
        Self {
            begin: full.len(),
            full,
            any: false,
            error: None,
        }
    }

    /// What has become of a payload.
    pub(crate) fn note(&mut self, nsp: NamespaceId, result: &Result<(), EmitError>) {
        if let Some(full) = self.full.get_mut(nsp.index()) {
            *full = matches!(result, Err(EmitError::Full)).then_some(nsp);
            self.any |= full.is_some();
        }
        self.error = match result {
            Ok(()) => None,
            Err(EmitError::Full) => Some(AuthError::Full),
            Err(EmitError::Auth | EmitError::Encode(_)) => Some(AuthError::Malformed),
            Err(_) => Some(AuthError::TooLarge),
        };
    }

    /// Something has left the send buffer: all may be asked again.
    pub(crate) const fn has_room(&mut self) {
        if self.any {
            self.begin = 0;
        }
    }

    /// A namespace whose application is to be asked again.
    pub(crate) fn next(&mut self) -> Option<NamespaceId> {
        while let Some(full) = self.full.get_mut(self.begin) {
            self.begin += 1;
            if full.is_some() {
                return full.take();
            }
        }
        None
    }
}
