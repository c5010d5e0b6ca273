//! What listens: entries of the table of handlers, how they are called, and what that comes to.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sockeye_core::packet::ArgsError;

use crate::client::args::Event;
use crate::client::error::Notice;
use crate::client::responder::Responder;
use crate::dispatch::channel::Channel;
use crate::dispatch::guard::{BoxFuture, Join, guard};
use crate::dispatch::handler::{Delivery, EventFn, Settled};
use crate::dispatch::handlers::{HandlerId, Handlers};
use crate::dispatch::notices::Kind;
use crate::inbox::lock;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

pub(crate) type AnyFn = dyn Fn(&Event) + Send + Sync;
pub(crate) type NoticeFn = dyn Fn(&Notice, &Responder) -> Settled + Send + Sync;
/// An event for a typed stream: whether it did not fit, and then how to wait for room.
pub(crate) type StreamFn =
    dyn Fn(&Delivery<'_>, &Handlers) -> Result<Option<BoxFuture<()>>, ArgsError> + Send + Sync;

/// What listens to one event.
pub(crate) enum Call {
    /// Called, and awaited if it is async.
    Handler(Box<EventFn>),
    /// Called, and spawned if it is async: so many at a time.
    Concurrent(Box<EventFn>, Arc<Places>),
    Stream(Box<StreamFn>),
}

pub(crate) struct EventEntry {
    pub(crate) id: u64,
    once: bool,
    /// Removed, or called once and for all: it is not called again, also by who has copied it before.
    spent: AtomicBool,
    call: Call,
}

pub(crate) struct NoticeEntry {
    pub(crate) kind: Kind,
    pub(crate) call: Box<NoticeFn>,
}

/// What listens to one event: a copy, made anew when another event comes or the handlers change.
#[derive(Default)]
pub(crate) struct Listening {
    pub(crate) version: u64,
    pub(crate) name: String,
    pub(crate) entries: Vec<Arc<EventEntry>>,
    pub(crate) any: Vec<Arc<AnyFn>>,
    pub(crate) streams: Vec<Arc<Channel<Event>>>,
}

impl Listening {
    pub(crate) fn load(&mut self, handlers: &Handlers, event: &str) {
        if self.version != handlers.version() || self.name != *event {
            handlers.listeners(event, self);
        }
    }

    /// Handlers and streams that are removed while nothing comes are not kept by this copy.
    pub(crate) fn clear(&mut self) {
        self.version = 0;
        self.name.clear();
        self.entries.clear();
        self.any.clear();
        self.streams.clear();
    }
}

/// What calling a listener came to.
pub(crate) enum Called {
    Done,
    /// The handler is to be awaited.
    Await(BoxFuture),
    /// The handler is to be spawned when there is a place.
    Spawn(BoxFuture, Arc<Places>),
    /// The stream is full.
    Full(BoxFuture<()>),
}

impl EventEntry {
    pub(crate) fn new(id: u64, once: bool, call: Call) -> Self {
        Self {
            id,
            once,
            spent: AtomicBool::new(false),
            call,
        }
    }

    /// Whether it is a stream, which is its holder's, and no handler.
    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self.call, Call::Stream(_))
    }

    pub(crate) fn spend(&self) {
        self.spent.store(true, Ordering::Release);
    }

    /// Writes the event to a stream, whether there is room or not; handlers are not called any more.
    pub(crate) fn call_last(&self, handlers: &Handlers, delivery: &Delivery<'_>) {
        if self.is_stream() {
            // (What waits for room writes when it is given up.)
            drop(self.call(handlers, delivery));
        }
    }

    pub(crate) fn call(&self, handlers: &Handlers, delivery: &Delivery<'_>) -> Called {
        if self.once {
            if self.spent.swap(true, Ordering::AcqRel) {
                return Called::Done;
            }
            handlers.off(HandlerId(self.id));
        } else if self.spent.load(Ordering::Acquire) {
            return Called::Done;
        }
        let (call, places) = match &self.call {
            Call::Handler(call) => (call, None),
            Call::Concurrent(call, places) => (call, Some(places)),
            Call::Stream(call) => {
                // (Decoding runs user code: `Deserialize` of its types.)
                return match guard(delivery.name, None, || call(delivery, handlers)) {
                    Some(Ok(Some(room))) => Called::Full(room),
                    Some(Err(error)) => {
                        handlers.mismatch(delivery.name, error);
                        Called::Done
                    }
                    _ => Called::Done,
                };
            }
        };
        match guard(delivery.name, None, || call(delivery)) {
            Some(Ok(Settled::Later(future))) => match places {
                None => Called::Await(future),
                Some(places) => Called::Spawn(future, Arc::clone(places)),
            },
            Some(Ok(Settled::Now(Err(error)))) => {
                handlers.failed(delivery.name, error);
                Called::Done
            }
            Some(Err(error)) => {
                handlers.mismatch(delivery.name, error);
                Called::Done
            }
            Some(Ok(Settled::Now(Ok(())))) | None => Called::Done,
        }
    }
}

impl NoticeEntry {
    /// The future, if it is to be awaited.
    pub(crate) fn call(
        &self,
        handlers: &Handlers,
        notice: &Notice,
        responder: &Responder,
        join: Option<&Arc<Join>>,
    ) -> Option<BoxFuture> {
        let name = self.kind.name();
        match guard(name, join, || (self.call)(notice, responder))? {
            Settled::Later(future) => Some(future),
            Settled::Now(Ok(())) => None,
            Settled::Now(Err(error)) => {
                handlers.failed(name, error);
                None
            }
        }
    }
}

/// Waits until a full stream has room for an item, or nobody reads it any more. When it is given up, because the runtime
/// ends, the item is written all the same: nothing can be held up any more.
pub(crate) struct Room<T> {
    channel: Arc<Channel<T>>,
    item: Option<T>,
}

impl<T> Room<T> {
    pub(crate) const fn new(channel: Arc<Channel<T>>, item: T) -> Self {
        Self {
            channel,
            item: Some(item),
        }
    }
}

impl<T> Unpin for Room<T> {}

impl<T> Future for Room<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.channel.poll_push(cx, &mut this.item)
    }
}

impl<T> Drop for Room<T> {
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            self.channel.push_last(item);
        }
    }
}

/// As many handlers as may run at the same time.
pub(crate) struct Places {
    state: Mutex<(usize, Option<Waker>)>,
}

impl Places {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new((limit.max(1), None)),
        }
    }

    /// Takes a place. Only the dispatcher of the namespace waits.
    pub(crate) fn poll_take(self: &Arc<Self>, cx: &Context<'_>) -> Poll<Taken> {
        let mut state = lock(&self.state);
        if state.0 > 0 {
            state.0 -= 1;
            return Poll::Ready(Taken(Arc::clone(self)));
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A place that is given back when it is dropped.
pub(crate) struct Taken(Arc<Places>);

impl Drop for Taken {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.0 += 1;
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
