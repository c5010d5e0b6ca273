//! Between the driver and user code: one ordered queue and one dispatcher for each namespace.
//!
//! # Order
//! The events, answers (of acknowledgements and of `connect`) and notices of a namespace reach user code in the order
//! in which they arrived. So an answer resolves after the handlers of all earlier events have been called, and awaited
//! if they are async. Two things may be overtaken, for else user code could wait for itself:
//! - while a handler is pending, answers pass: it may be waiting for one of them;
//! - while a stream is full, answers and notices pass: nobody may be reading it.
//!
//! When nothing waits, an answer goes straight from the driver to who awaits it, without the dispatcher.
//!
//! Namespaces know nothing of each other here: a slow handler of one delays no other. Only what waits in all of them
//! together is bounded, by [`Outlet`].
//!
//! Nothing here is of a particular runtime: [`Outlet`] is told how to spawn.

pub(crate) mod channel;
mod dispatcher;
mod entries;
pub(crate) mod guard;
pub(crate) mod handler;
pub(crate) mod handlers;
pub(crate) mod notices;
pub(crate) mod queue;
pub(crate) mod typed;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use sockeye_core::{Message, Outgoing, PlainEvent};

use crate::client::error::{ConnectError, Notice};
use crate::inbox::{NspShared, Shared};
use crate::sync::AtomicWaker;
use crate::sync::atomic::{AtomicIsize, Ordering};
pub(crate) use notices::Kind;
pub(crate) use queue::Answer;
use queue::Call;

/// The driver stops reading when so many bytes wait for user code, over all namespaces. An event counts with
/// [`queue::ENTRY`] bytes beside its text, so that the bound is one on their number as well: 65 536.
const MAX_BYTES: isize = 4 << 20;

/// What one read usually brings.
const LITTLE: usize = 256 << 10;

/// What the driver writes into the queues of namespaces, until it hands that over.
#[derive(Default)]
pub(crate) struct Batch {
    /// The namespaces whose dispatchers have to be called.
    touched: Vec<Arc<NspShared>>,
    bytes: usize,
}

impl Batch {
    fn wrote(&mut self, nsp: &Arc<NspShared>, (bytes, first): (usize, bool)) {
        self.bytes += bytes;
        if first {
            self.touched.push(Arc::clone(nsp));
        }
    }

    pub(crate) fn message(&mut self, nsp: &Arc<NspShared>, message: &Message<'_>) {
        self.wrote(nsp, nsp.queue.message(message));
    }

    #[inline]
    pub(crate) fn plain(&mut self, nsp: &Arc<NspShared>, event: &PlainEvent<'_>) {
        self.wrote(nsp, nsp.queue.plain(event));
    }

    pub(crate) fn outgoing(&mut self, nsp: &Arc<NspShared>, outgoing: &Outgoing<'_>) {
        if let Some(wrote) = nsp.queue.outgoing(outgoing) {
            self.wrote(nsp, wrote);
        }
    }

    /// Tells a notice to those who listen to its kind. If nobody does, nothing is made of it.
    pub(crate) fn notice(&mut self, nsp: &Arc<NspShared>, notice: &Notice) {
        if nsp.handlers.wants(Kind::of(notice)) {
            if matches!(notice, Notice::Unsent { .. }) {
                nsp.untold.fetch_add(1, Ordering::Release);
            }
            self.wrote(nsp, nsp.queue.notice(notice));
        }
    }

    /// Tells the calls of `connect` that the driver has seen what they came to, in its turn.
    pub(crate) fn connected(&mut self, nsp: &Arc<NspShared>, result: Result<(), ConnectError>) {
        let answer = Answer::Connect {
            nsp: Arc::clone(nsp),
            upto: nsp.connects.seen(),
            result,
        };
        self.answer(nsp, answer);
    }

    /// Gives an answer to who awaits it: at once, unless something of the namespace that came before has to be told
    /// first.
    pub(crate) fn answer(&mut self, nsp: &Arc<NspShared>, answer: Answer) {
        match nsp.queue.answer(answer) {
            Ok(wrote) => self.wrote(nsp, wrote),
            Err(answer) => answer.send(),
        }
    }

    /// Whether there is nothing to hand over.
    pub(crate) fn is_empty(&self) -> bool {
        self.touched.is_empty() && self.bytes == 0
    }
}

/// How a task is started.
pub(crate) type Spawn = Box<dyn Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync>;

/// What the dispatchers of a connection have in common: the bound of what waits, and where they run.
pub(crate) struct Outlet {
    /// Bytes that wait or are being worked through. (Below zero for a moment when a dispatcher was faster than the
    /// driver's handing over.)
    bytes: AtomicIsize,
    /// Woken when the dispatchers have caught up after they had held the driver up.
    pub(crate) driver: AtomicWaker,
    shared: Weak<Shared>,
    spawn: Spawn,
}

impl Outlet {
    pub(crate) fn new(shared: Weak<Shared>, spawn: Spawn) -> Self {
        Self {
            bytes: AtomicIsize::new(0),
            driver: AtomicWaker::new(),
            shared,
            spawn,
        }
    }

    /// Hands over what has been written; whether the dispatchers are too far behind.
    pub(crate) fn hand_over(self: &Arc<Self>, batch: &mut Batch) -> bool {
        self.bytes.fetch_add(batch.bytes as isize, Ordering::AcqRel);
        batch.bytes = 0;
        for nsp in batch.touched.drain(..) {
            match nsp.queue.written() {
                Call::No => (),
                Call::Wake => nsp.queue.waker.wake(),
                Call::Start => (self.spawn)(Box::pin(dispatcher::run(Arc::clone(self), nsp))),
                Call::Flush => dispatcher::flush(&nsp, self),
            }
        }
        if batch.touched.capacity() > 64 {
            batch.touched = Vec::new();
        }
        self.is_behind()
    }

    /// Starts a task that is none of a dispatcher's.
    pub(crate) fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        (self.spawn)(Box::pin(task));
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.bytes.load(Ordering::Acquire) > MAX_BYTES
    }

    /// Whether the bound is passed with what has not been handed over yet. (A little that has not is not looked at.)
    pub(crate) fn would_be_behind(&self, batch: &Batch) -> bool {
        batch.bytes > LITTLE
            && self.bytes.load(Ordering::Relaxed) + batch.bytes as isize > MAX_BYTES
    }

    /// So many bytes have been worked through; whether that lets the driver read again. (Then it waits for a thread, perhaps
    /// for the dispatcher's own: yield before user code that may block it.)
    fn worked(&self, bytes: usize) -> bool {
        let bytes = bytes as isize;
        let before = self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        let caught_up = before > MAX_BYTES && before - bytes <= MAX_BYTES;
        if caught_up {
            self.driver.wake();
        }
        caught_up
    }

    /// A namespace, or the connection, has ended: its dispatcher does what is left and then ends as well.
    pub(crate) fn end(&self, nsp: &Arc<NspShared>) {
        if nsp.queue.end() {
            dispatcher::flush(nsp, self);
        }
    }
}
