//! Handlers of events and of what happens to the connection: registered and removed at any time, called by the
//! dispatcher in the order of registration. No lock is held while user code runs.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use sockeye_core::packet::{Args as ArgsRef, ArgsError, FromArgs};
use tokio::sync::mpsc;

use crate::client::args::{Args, Event};
use crate::client::error::Notice;
use crate::client::responder::Responder;
use crate::inbox::lock;

/// A registered handler: for [`Socket::off`](crate::Socket::off).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(pub(crate) u64);

/// An event on its way to handlers.
pub(crate) struct Delivery<'a> {
    pub(crate) name: &'a str,
    pub(crate) args: ArgsRef<'a>,
    pub(crate) responder: &'a Responder,
}

impl Delivery<'_> {
    pub(crate) fn to_event(&self) -> Event {
        Event {
            name: self.name.into(),
            args: Args::from_ref(&self.args),
            responder: self.responder.clone(),
        }
    }
}

pub(crate) type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
/// What calling a handler came to: done, or a future to await, or arguments that do not fit.
pub(crate) type Called = Result<Option<BoxFuture>, ArgsError>;
type EventFn = dyn Fn(&Delivery<'_>) -> Called + Send + Sync;
type AnyFn = dyn Fn(&Event) + Send + Sync;
type NoticeFn = dyn Fn(&Notice, &Responder) + Send + Sync;

mod marker {
    //! How a handler looks, so that one `on` takes all kinds.
    pub struct Sync<A>(A);
    pub struct SyncReply<A>(A);
    pub struct Async<A, F>(A, F);
    pub struct AsyncReply<A, F>(A, F);
}

/// A function that handles an event: sync or async, with typed arguments as a tuple (or [`Args`]), and optionally a
/// [`Responder`] as its second parameter.
///
/// ```
/// # use sockeye::{Responder, Socket, Args};
/// # fn f(socket: &Socket) {
/// socket.on("news", |(title, n): (String, u32)| println!("{title} {n}"));
/// socket.on("led", |(on,): (bool,), reply: Responder| { let _ = reply.ack((on,)); });
/// socket.on("job", |(id,): (u64,), reply: Responder| async move {
///     // … work …
///     let _ = reply.ack((id, "done"));
/// });
/// socket.on("anything", |args: Args| println!("{}", args.json()));
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "this function cannot handle an event",
    note = "a handler takes its arguments as one tuple with types, `|(name, age): (String, u32)|`, and optionally a `Responder`; it returns `()` or is async"
)]
pub trait Handler<M>: Send + Sync + 'static {
    #[doc(hidden)]
    fn into_fn(self) -> HandlerFn;
}

#[doc(hidden)]
pub struct HandlerFn(Box<EventFn>);

impl<H, A> Handler<marker::Sync<A>> for H
where
    H: Fn(A) + Send + Sync + 'static,
    A: for<'a> FromArgs<'a>,
{
    fn into_fn(self) -> HandlerFn {
        HandlerFn(Box::new(move |delivery| {
            self(delivery.args.parse()?);
            Ok(None)
        }))
    }
}

impl<H, A> Handler<marker::SyncReply<A>> for H
where
    H: Fn(A, Responder) + Send + Sync + 'static,
    A: for<'a> FromArgs<'a>,
{
    fn into_fn(self) -> HandlerFn {
        HandlerFn(Box::new(move |delivery| {
            self(delivery.args.parse()?, delivery.responder.clone());
            Ok(None)
        }))
    }
}

impl<H, A, F> Handler<marker::Async<A, F>> for H
where
    H: Fn(A) -> F + Send + Sync + 'static,
    A: for<'a> FromArgs<'a>,
    F: Future<Output = ()> + Send + 'static,
{
    fn into_fn(self) -> HandlerFn {
        HandlerFn(Box::new(move |delivery| {
            Ok(Some(Box::pin(self(delivery.args.parse()?))))
        }))
    }
}

impl<H, A, F> Handler<marker::AsyncReply<A, F>> for H
where
    H: Fn(A, Responder) -> F + Send + Sync + 'static,
    A: for<'a> FromArgs<'a>,
    F: Future<Output = ()> + Send + 'static,
{
    fn into_fn(self) -> HandlerFn {
        HandlerFn(Box::new(move |delivery| {
            Ok(Some(Box::pin(self(
                delivery.args.parse()?,
                delivery.responder.clone(),
            ))))
        }))
    }
}

struct EventEntry {
    id: u64,
    once: bool,
    spent: AtomicBool,
    call: Box<EventFn>,
}

struct AnyEntry {
    id: u64,
    call: Box<AnyFn>,
}

struct NoticeEntry {
    id: u64,
    call: Box<NoticeFn>,
}

/// All handlers of a namespace: copied when it changes, so that the dispatcher never holds a lock.
#[derive(Clone, Default)]
pub(crate) struct Table {
    /// Sorted by name.
    events: Vec<(Box<str>, Vec<Arc<EventEntry>>)>,
    any: Vec<Arc<AnyEntry>>,
    any_outgoing: Vec<Arc<AnyEntry>>,
    notices: Vec<Arc<NoticeEntry>>,
    event_streams: Vec<mpsc::Sender<Event>>,
    notice_streams: Vec<mpsc::UnboundedSender<Notice>>,
}

pub(crate) struct Handlers {
    table: Mutex<Arc<Table>>,
    version: AtomicU64,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Handlers {
    pub(crate) fn new() -> Self {
        Self {
            table: Mutex::new(Arc::default()),
            version: AtomicU64::new(0),
        }
    }

    fn change<R>(&self, change: impl FnOnce(&mut Table) -> R) -> R {
        let mut table = lock(&self.table);
        let mut copy = Table::clone(&table);
        let result = change(&mut copy);
        let old = std::mem::replace(&mut *table, Arc::new(copy));
        self.version.fetch_add(1, Ordering::Release);
        drop(table);
        // A handler's captures may run code when they are dropped: not under the lock.
        drop(old);
        result
    }

    pub(crate) fn on(&self, event: &str, handler: HandlerFn, once: bool) -> HandlerId {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let entry = Arc::new(EventEntry {
            id,
            once,
            spent: AtomicBool::new(false),
            call: handler.0,
        });
        self.change(|table| {
            match table
                .events
                .binary_search_by(|(name, _)| (**name).cmp(event))
            {
                Ok(i) => table.events[i].1.push(entry),
                Err(i) => table.events.insert(i, (event.into(), vec![entry])),
            }
        });
        HandlerId(id)
    }

    pub(crate) fn on_any(&self, outgoing: bool, prepend: bool, call: Box<AnyFn>) -> HandlerId {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        self.change(|table| {
            let list = if outgoing {
                &mut table.any_outgoing
            } else {
                &mut table.any
            };
            let at = if prepend { 0 } else { list.len() };
            list.insert(at, Arc::new(AnyEntry { id, call }));
        });
        HandlerId(id)
    }

    pub(crate) fn on_notice(&self, call: Box<NoticeFn>) -> HandlerId {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        self.change(|table| table.notices.push(Arc::new(NoticeEntry { id, call })));
        HandlerId(id)
    }

    pub(crate) fn event_stream(&self, capacity: usize) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(capacity);
        self.change(|table| table.event_streams.push(sender));
        receiver
    }

    pub(crate) fn notice_stream(&self) -> mpsc::UnboundedReceiver<Notice> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.change(|table| table.notice_streams.push(sender));
        receiver
    }

    /// Removes one handler of any kind; whether it was there.
    pub(crate) fn off(&self, id: HandlerId) -> bool {
        self.change(|table| {
            let before = table.size();
            for (_, list) in &mut table.events {
                list.retain(|entry| {
                    let keep = entry.id != id.0;
                    if !keep {
                        entry.spent.store(true, Ordering::Release);
                    }
                    keep
                });
            }
            table.events.retain(|(_, list)| !list.is_empty());
            table.any.retain(|entry| entry.id != id.0);
            table.any_outgoing.retain(|entry| entry.id != id.0);
            table.notices.retain(|entry| entry.id != id.0);
            table.size() < before
        })
    }

    pub(crate) fn off_event(&self, event: &str) {
        self.change(|table| {
            table.events.retain(|(name, list)| {
                let keep = **name != *event;
                if !keep {
                    list.iter()
                        .for_each(|entry| entry.spent.store(true, Ordering::Release));
                }
                keep
            });
        });
    }

    /// Removes every handler and ends every stream.
    pub(crate) fn clear(&self) {
        self.change(|table| {
            for (_, list) in &table.events {
                list.iter()
                    .for_each(|entry| entry.spent.store(true, Ordering::Release));
            }
            *table = Table::default();
        });
    }

    pub(crate) fn off_any(&self, outgoing: bool) {
        self.change(|table| {
            if outgoing {
                table.any_outgoing.clear();
            } else {
                table.any.clear();
            }
        });
    }

    pub(crate) fn has(&self, event: &str) -> bool {
        let table = Arc::clone(&lock(&self.table));
        table
            .events
            .binary_search_by(|(name, _)| (**name).cmp(event))
            .is_ok()
    }

    pub(crate) fn has_outgoing(&self) -> bool {
        !lock(&self.table).any_outgoing.is_empty()
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn table(&self) -> (u64, Arc<Table>) {
        let table = lock(&self.table);
        (self.version(), Arc::clone(&table))
    }
}

impl Table {
    fn size(&self) -> usize {
        self.events
            .iter()
            .map(|(_, list)| list.len())
            .sum::<usize>()
            + self.any.len()
            + self.any_outgoing.len()
            + self.notices.len()
    }

    fn find(&self, event: &str) -> &[Arc<EventEntry>] {
        match self
            .events
            .binary_search_by(|(name, _)| (**name).cmp(event))
        {
            Ok(i) => &self.events[i].1,
            Err(_) => &[],
        }
    }

    /// Tells those who listen to every event. A full stream holds everything up: that is the back-pressure.
    pub(crate) async fn any_event(&self, owner: &Handlers, delivery: &Delivery<'_>) {
        let event = delivery.to_event();
        for entry in &self.any {
            guard(delivery.name, || (entry.call)(&event));
        }
        let mut closed = false;
        for stream in &self.event_streams {
            closed |= stream.send(event.clone()).await.is_err();
        }
        if closed {
            owner.change(|table| table.event_streams.retain(|stream| !stream.is_closed()));
        }
    }

    /// Whether somebody listens to every event.
    pub(crate) fn has_any(&self) -> bool {
        !self.any.is_empty() || !self.event_streams.is_empty()
    }

    /// Runs the handlers of an event from number `from` on, up to one that has to be awaited: its number and future.
    pub(crate) fn event(
        &self,
        owner: &Handlers,
        delivery: &Delivery<'_>,
        from: usize,
    ) -> Option<(usize, BoxFuture)> {
        for (i, entry) in self.find(delivery.name).iter().enumerate().skip(from) {
            if let Some(future) = self.call(owner, entry, delivery) {
                return Some((i, future));
            }
        }
        None
    }

    fn call(
        &self,
        owner: &Handlers,
        entry: &Arc<EventEntry>,
        delivery: &Delivery<'_>,
    ) -> Option<BoxFuture> {
        if entry.once {
            if entry.spent.swap(true, Ordering::AcqRel) {
                return None;
            }
            owner.off(HandlerId(entry.id));
        } else if entry.spent.load(Ordering::Acquire) {
            return None;
        }
        match guard(delivery.name, || (entry.call)(delivery)) {
            Some(Ok(future)) => future,
            Some(Err(error)) => {
                // The error quotes the arguments, which are nobody's business above debug level.
                let argument = match &error {
                    ArgsError::Missing { index } | ArgsError::Invalid { index, .. } => Some(*index),
                    _ => None,
                };
                tracing::warn!(
                    event = delivery.name,
                    argument,
                    "the arguments do not fit the handler, which is not called"
                );
                tracing::debug!(event = delivery.name, %error, "the arguments do not fit");
                None
            }
            None => None,
        }
    }

    pub(crate) fn outgoing(&self, event: &Event) {
        for entry in &self.any_outgoing {
            guard(&event.name, || (entry.call)(event));
        }
    }

    pub(crate) fn notice(&self, owner: &Handlers, notice: &Notice, responder: &Responder) {
        let mut closed = false;
        for stream in &self.notice_streams {
            closed |= stream.send(notice.clone()).is_err();
        }
        if closed {
            owner.change(|table| table.notice_streams.retain(|stream| !stream.is_closed()));
        }
        for entry in &self.notices {
            guard("connection event", || (entry.call)(notice, responder));
        }
    }
}

thread_local! {
    static IN_HANDLER: Cell<bool> = const { Cell::new(false) };
}

/// Whether a handler runs on this thread.
pub(crate) fn in_handler() -> bool {
    IN_HANDLER.get()
}

/// Runs user code, and catches its panics.
fn caught<R>(call: impl FnOnce() -> R) -> std::thread::Result<R> {
    IN_HANDLER.set(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    IN_HANDLER.set(false);
    result
}

/// Runs user code; a panic in it is logged and does not end the dispatcher.
fn guard<R>(name: &str, call: impl FnOnce() -> R) -> Option<R> {
    caught(call).map_err(|panic| report(name, &*panic)).ok()
}

fn report(name: &str, panic: &(dyn Any + Send)) {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(
        event = name,
        panic = words.unwrap_or("(no message)"),
        "a handler panicked"
    );
}

/// A handler's future; a panic in it ends it.
pub(crate) struct Guarded<'n> {
    pub(crate) name: &'n str,
    pub(crate) future: BoxFuture,
}

impl Future for Guarded<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        match caught(|| this.future.as_mut().poll(cx)) {
            Ok(poll) => poll,
            Err(panic) => {
                report(this.name, &*panic);
                Poll::Ready(())
            }
        }
    }
}
