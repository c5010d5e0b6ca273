//! The dispatcher of a namespace: runs its user code, one thing after another.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use sockeye_core::packet::{Args as ArgsRef, Attachments};

use crate::client::args::Event;
use crate::client::error::Notice;
use crate::client::responder::Responder;
use crate::dispatch::Outlet;
use crate::dispatch::channel::Channel;
use crate::dispatch::entries::{Called, EventEntry, Listening, Places, Room, Taken};
#[cfg(feature = "blocking")]
use crate::dispatch::guard;
use crate::dispatch::guard::{BoxFuture, Guarded, Join, Outcome, guard};
use crate::dispatch::handler::Delivery;
use crate::dispatch::handlers::Handlers;
use crate::dispatch::notices::Kind;
use crate::dispatch::queue::{ArgsPart, ENTRY, Early, Item, Load, Parts, Queue, Told};
use crate::inbox::NspShared;

/// So often it is asked whether other tasks are to run: whenever so many entries have been worked through.
const ENTRIES: usize = 128;
/// They run after so many bytes of events. That is more than the driver reads in a turn of its own: else what waits on a
/// runtime of one thread would grow until no more may wait.
const TURN: usize = 32 << 10;
/// They also run when handlers have taken so long.
const TURN_TIME: Duration = Duration::from_millis(10);
/// What has been worked through is told to the driver in pieces of at least this many bytes.
const PIECE: usize = 64 << 10;

/// The dispatcher's task. It ends with its namespace, or with the connection.
///
/// (Not an `async fn`: a runtime that is ending drops the task before it has run at all, and what waits is for its
/// streams all the same.)
pub(super) fn run(outlet: Arc<Outlet>, nsp: Arc<NspShared>) -> impl Future<Output = ()> + Send {
    #[cfg(feature = "blocking")]
    let place = Arc::clone(&nsp);
    let mut work = Work {
        outlet,
        nsp,
        load: Load::default(),
        at: Cursor::default(),
    };
    let run = async move {
        let mut user = User {
            responder: Responder {
                shared: Weak::clone(&work.outlet.shared),
                nsp: Arc::clone(&work.nsp),
                request: None,
                answered: Arc::default(),
            },
            listening: Listening::default(),
        };
        while work.take(&mut user).await {
            work.through(&mut user).await;
        }
    };
    // A handler that waits on this thread finds its queue.
    #[cfg(feature = "blocking")]
    let run = guard::OnQueue::new(place, run);
    run
}

/// Where the text of an event's arguments lies that came as something else, if somebody asks for it.
#[cfg(feature = "msgpack")]
type Shown = sockeye_core::packet::msgpack::ArgsText;
#[cfg(not(feature = "msgpack"))]
struct Shown;

#[cfg(not(feature = "msgpack"))]
impl Shown {
    const fn new() -> Self {
        Self
    }
}

/// What has been done since other tasks ran.
#[derive(Default)]
struct Turn {
    entries: usize,
    bytes: usize,
    /// When it was asked first. (The clock is not read for a few entries.)
    since: Option<Instant>,
}

impl Turn {
    /// An entry has been worked through; whether the turn of others has come.
    #[inline]
    fn is_over(&mut self, bytes: usize) -> bool {
        self.entries += 1;
        self.bytes += bytes;
        if !self.entries.is_multiple_of(ENTRIES) {
            return false;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let over = self.bytes >= TURN || since.elapsed() >= TURN_TIME;
        if over {
            *self = Self::default();
        }
        over
    }
}

/// What the dispatcher keeps from one event to the next.
struct User {
    responder: Responder,
    listening: Listening,
}

/// Where the dispatcher is in a load.
#[derive(Default)]
struct Cursor {
    item: usize,
    text: usize,
    record: usize,
    /// Bytes worked through that the driver does not know of yet.
    worked: usize,
}

impl Cursor {
    /// Name and arguments of the next event. In `shown` lies the text of these, if somebody asks for it.
    fn message<'l>(
        &mut self,
        text: &'l str,
        records: &'l [u8],
        parts: &Parts,
        shown: &'l Shown,
    ) -> (&'l str, ArgsRef<'l>) {
        let mut part = |len: u32| {
            let from = self.text;
            self.text += len as usize;
            text.get(from..self.text).unwrap_or("")
        };
        let mut records = || {
            let from = self.record;
            self.record += parts.records as usize;
            records.get(from..self.record).unwrap_or(&[])
        };
        #[cfg(not(feature = "msgpack"))]
        let Shown = shown;
        let name = part(parts.name);
        let args = match parts.args {
            ArgsPart::Text {
                len,
                attachments: 0,
            } => ArgsRef::from_checked(part(len), Attachments::EMPTY),
            ArgsPart::Text { len, attachments } => {
                let attachments = Attachments::from_records(records(), attachments.into());
                ArgsRef::from_checked(part(len), attachments.unwrap_or(Attachments::EMPTY))
            }
            #[cfg(feature = "msgpack")]
            ArgsPart::Packed { count } => ArgsRef::from_packed(records(), count, shown),
        };
        (name, args)
    }
}

struct Work {
    outlet: Arc<Outlet>,
    nsp: Arc<NspShared>,
    load: Load,
    at: Cursor,
}

impl Work {
    /// Waits for something to do; `false` at the end.
    async fn take(&mut self, user: &mut User) -> bool {
        // Both at once: what has been worked through is not left for `drop`.
        let done = std::mem::take(&mut self.at);
        self.load.answers = self.nsp.queue.take_hand();
        self.load.clear();
        if self.outlet.worked(done.worked) {
            yield_now().await;
        }
        let queue = &self.nsp.queue;
        std::future::poll_fn(|cx| {
            match queue.take(&mut self.load) {
                None => return Poll::Ready(false),
                Some(true) => return Poll::Ready(true),
                Some(false) => (),
            }
            // Handlers and streams that are removed meanwhile end at once, not with the next event.
            user.listening.clear();
            queue.waker.register(cx.waker());
            // Something may have been written before the waker was known.
            match queue.take(&mut self.load) {
                None => Poll::Ready(false),
                Some(true) => Poll::Ready(true),
                Some(false) => Poll::Pending,
            }
        })
        .await
    }

    async fn through(&mut self, user: &mut User) {
        let Self {
            outlet,
            nsp,
            load,
            at,
        } = self;
        let nsp: &Arc<NspShared> = nsp;
        let Load {
            items,
            text,
            records,
            notices,
            ..
        } = load;
        let mut turn = Turn::default();
        while let Some(item) = items.get(at.item) {
            at.item += 1;
            let mut size = ENTRY;
            match item {
                Item::Message { parts, ack } => {
                    size += parts.size();
                    let shown = Shown::new();
                    let (name, args) = at.message(text, records, parts, &shown);
                    user.responder.begin(*ack);
                    let delivery = Delivery {
                        name,
                        args,
                        responder: &user.responder,
                    };
                    user.listening.load(&nsp.handlers, name);
                    // The copy stays while its handlers run, whatever they register or remove.
                    let mut calling = Calling {
                        entries: user.listening.entries.iter(),
                        handlers: &nsp.handlers,
                        delivery: &delivery,
                    };
                    if !user.listening.any.is_empty() || !user.listening.streams.is_empty() {
                        any(outlet, nsp, notices, &user.listening, &delivery).await;
                    }
                    for entry in calling.entries.by_ref() {
                        match entry.call(&nsp.handlers, &delivery) {
                            Called::Done => (),
                            Called::Await(future) => {
                                await_handler(nsp, name, None, future).await;
                            }
                            Called::Spawn(future, places) => {
                                spawn(outlet, nsp, name, future, &places).await;
                            }
                            Called::Full(room) => {
                                await_room(outlet, nsp, notices, room).await;
                            }
                        }
                    }
                }
                Item::Outgoing(event) => {
                    let (name, args) = (**event).clone();
                    size += name.len() + args.size();
                    user.responder.begin(None);
                    let responder = user.responder.clone();
                    nsp.handlers.outgoing(&Event {
                        name,
                        args,
                        responder,
                    });
                }
                Item::Answer(len) => {
                    size += *len as usize;
                    if let Some(answer) = nsp.queue.take_turn() {
                        answer.send();
                        if !matches!(items.get(at.item), None | Some(Item::Answer(_))) {
                            // Who has been answered comes first, before handlers of what came later; one that blocks
                            // this thread would hold it up otherwise.
                            yield_now().await;
                        }
                    }
                }
                Item::Notice => {
                    if let Some(told) = notices.take_turn() {
                        tell(outlet, nsp, &told).await;
                    }
                }
            }
            at.worked += size;
            let caught_up = at.worked >= PIECE && outlet.worked(std::mem::take(&mut at.worked));
            if turn.is_over(size - ENTRY) || caught_up {
                yield_now().await;
            }
        }
    }
}

/// The runtime may end before the work does: what is left reaches streams and those who wait for answers.
impl Drop for Work {
    fn drop(&mut self) {
        let mut load = std::mem::take(&mut self.load);
        load.answers = self.nsp.queue.take_hand();
        flush_load(&self.nsp, &self.outlet, load, &mut self.at);
        flush(&self.nsp, &self.outlet);
    }
}

/// Gives what waits in the queue of a namespace without a dispatcher to its streams, and ends them if that is all.
pub(super) fn flush(nsp: &Arc<NspShared>, outlet: &Outlet) {
    let (load, ended) = nsp.queue.take_rest();
    flush_load(nsp, outlet, load, &mut Cursor::default());
    if ended {
        nsp.handlers.end();
    }
}

fn flush_load(nsp: &Arc<NspShared>, outlet: &Outlet, mut load: Load, at: &mut Cursor) {
    let mut responder = Responder {
        shared: Weak::clone(&outlet.shared),
        nsp: Arc::clone(nsp),
        request: None,
        answered: Arc::default(),
    };
    let mut listening = Listening::default();
    while let Some(item) = load.items.get(at.item) {
        at.item += 1;
        at.worked += ENTRY;
        match item {
            Item::Message { parts, ack } => {
                at.worked += parts.size();
                let shown = Shown::new();
                let (name, args) = at.message(&load.text, &load.records, parts, &shown);
                responder.begin(*ack);
                let delivery = Delivery {
                    name,
                    args,
                    responder: &responder,
                };
                listening.load(&nsp.handlers, name);
                for stream in &listening.streams {
                    stream.push_last(delivery.to_event());
                }
                for entry in &listening.entries {
                    entry.call_last(&nsp.handlers, &delivery);
                }
            }
            Item::Answer(len) => {
                at.worked += *len as usize;
                if let Some(answer) = load.answers.take_turn() {
                    answer.send();
                }
            }
            Item::Notice => {
                if let Some(told) = load.notices.take_turn() {
                    tell_streams(nsp, &told);
                }
            }
            Item::Outgoing(event) => at.worked += event.0.len() + event.1.size(),
        }
    }
    outlet.worked(std::mem::take(&mut at.worked));
}

/// An event on its way to its handlers and typed streams. When that is given up, because the runtime ends, the streams
/// get it all the same.
struct Calling<'l> {
    entries: std::slice::Iter<'l, Arc<EventEntry>>,
    handlers: &'l Handlers,
    delivery: &'l Delivery<'l>,
}

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        for entry in self.entries.by_ref() {
            entry.call_last(self.handlers, self.delivery);
        }
    }
}

/// Tells those who listen to every event.
async fn any(
    outlet: &Arc<Outlet>,
    nsp: &Arc<NspShared>,
    notices: &mut Early<Told>,
    listening: &Listening,
    delivery: &Delivery<'_>,
) {
    let event = delivery.to_event();
    for listener in &listening.any {
        guard(delivery.name, None, || listener(&event));
    }
    let mut telling = Telling {
        event,
        streams: listening.streams.iter(),
    };
    for stream in telling.streams.by_ref() {
        let event = telling.event.clone();
        if let Some(event) = nsp.handlers.push(stream, event, None) {
            let room = Room::new(Arc::clone(stream), event);
            await_room(outlet, nsp, notices, room).await;
        }
    }
}

/// An event on its way to streams. When that is given up, because the runtime ends, the others get it all the same.
struct Telling<'s> {
    event: Event,
    streams: std::slice::Iter<'s, Arc<Channel<Event>>>,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        for stream in self.streams.by_ref() {
            stream.push_last(self.event.clone());
        }
    }
}

/// Awaits a handler. Meanwhile answers pass: it may be waiting for one.
async fn await_handler(
    nsp: &Arc<NspShared>,
    name: &str,
    join: Option<Arc<Join>>,
    future: BoxFuture,
) {
    let future = Guarded { name, join, future };
    let outcome: Outcome = passing(&nsp.queue, future).await;
    if let Err(error) = outcome {
        nsp.handlers.failed(name, error);
    }
}

/// Awaits something, and lets answers pass if it takes time.
async fn passing<T>(queue: &Queue, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut pending = false;
    let output = std::future::poll_fn(|cx| {
        let poll = future.as_mut().poll(cx);
        if poll.is_pending() && !std::mem::replace(&mut pending, true) {
            queue.let_pass(false);
        }
        poll
    })
    .await;
    if pending {
        queue.go_on();
    }
    output
}

/// Spawns a handler that may overlap with others, when there is a place for it.
async fn spawn(
    outlet: &Arc<Outlet>,
    nsp: &Arc<NspShared>,
    name: &str,
    future: BoxFuture,
    places: &Arc<Places>,
) {
    let place: Taken = passing(&nsp.queue, std::future::poll_fn(|cx| places.poll_take(cx))).await;
    let (nsp, name) = (Arc::clone(nsp), Box::<str>::from(name));
    (outlet.spawn)(Box::pin(async move {
        let future = Guarded {
            name: &name,
            join: None,
            future,
        };
        if let Err(error) = future.await {
            nsp.handlers.failed(&name, error);
        }
        drop(place);
    }));
}

/// Waits for room in a stream. Meanwhile answers and notices pass: nobody may be reading it.
async fn await_room(
    outlet: &Arc<Outlet>,
    nsp: &Arc<NspShared>,
    notices: &mut Early<Told>,
    room: impl Future<Output = ()>,
) {
    let mut room = pin!(room);
    let queue = &nsp.queue;
    loop {
        queue.let_pass(true);
        let early = std::future::poll_fn(|cx| {
            if room.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            queue.waker.register(cx.waker());
            let next = notices.next_early();
            match next.or_else(|| queue.early_notice()) {
                Some(told) => Poll::Ready(Some(told)),
                None => Poll::Pending,
            }
        })
        .await;
        queue.go_on();
        match early {
            None => return,
            Some(told) => tell(outlet, nsp, &told).await,
        }
    }
}

/// Tells a notice to streams and handlers.
async fn tell(outlet: &Arc<Outlet>, nsp: &Arc<NspShared>, told: &Told) {
    let handlers = &nsp.handlers;
    tell_streams(nsp, told);
    let kind = Kind::of(&told.notice);
    if kind == Kind::Other {
        return;
    }
    let join = match &told.notice {
        Notice::Connected { id, .. } => Some(Arc::new(Join {
            nsp: Arc::as_ptr(nsp) as usize,
            id: id.as_str().into(),
        })),
        _ => None,
    };
    let responder = Responder {
        shared: Weak::clone(&outlet.shared),
        nsp: Arc::clone(nsp),
        request: None,
        answered: Arc::default(),
    };
    let entries = handlers.notice_handlers(kind);
    for _ in 0..told.times {
        for entry in &entries {
            if let Some(future) = entry.call(handlers, &told.notice, &responder, join.as_ref()) {
                await_handler(nsp, kind.name(), join.clone(), future).await;
            }
        }
    }
}

fn tell_streams(nsp: &Arc<NspShared>, told: &Told) {
    nsp.handlers.tell_streams(&told.notice, told.times);
    if matches!(told.notice, Notice::Unsent { .. }) {
        nsp.untold.fetch_sub(1, Ordering::Release);
    }
}

/// Lets other tasks run.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
