//! The handlers and streams of a namespace: registered and removed at any time, in O(log n). The dispatcher copies what
//! listens to one event, never the whole table, and no lock is held while user code runs.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sockeye_core::packet::ArgsError;

use crate::client::args::Event;
use crate::client::error::{ConnectError, Notice};
use crate::dispatch::channel::{Channel, Overflow, Pushed};
use crate::dispatch::entries::{
    AnyFn, Call, EventEntry, Listening, NoticeEntry, NoticeFn, Places, Room, StreamFn,
};
use crate::dispatch::guard::{BoxFuture, guard};
use crate::dispatch::handler::{Delivery, EventFn};
use crate::dispatch::notices::{Kind, Wanted};
use crate::inbox::lock;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{AtomicU64, Mutex, StaticU64};

/// A registered handler: for [`Socket::off`](crate::Socket::off).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(pub(crate) u64);

/// A stream that can be told its end, whatever it carries.
trait Ends: Send + Sync {
    fn end(&self);
}

impl<T: Send> Ends for Channel<T> {
    fn end(&self) {
        Self::end(self);
    }
}

/// Where a handler stands.
enum Place {
    Event(Arc<str>),
    Any(i64),
    Outgoing(i64),
    Notice(Kind),
    EventStream,
    NoticeStream,
}

/// A list that grows at both ends; each entry keeps its key.
type Listeners = BTreeMap<i64, Arc<AnyFn>>;

struct Table {
    /// By name, then in the order of registration.
    events: BTreeMap<Arc<str>, BTreeMap<u64, Arc<EventEntry>>>,
    any: Listeners,
    outgoing: Listeners,
    notices: BTreeMap<u64, Arc<NoticeEntry>>,
    event_streams: BTreeMap<u64, Arc<Channel<Event>>>,
    notice_streams: BTreeMap<u64, Arc<Channel<Notice>>>,
    /// All streams: also the typed ones, which stand among the events.
    streams: BTreeMap<u64, Arc<dyn Ends>>,
    places: BTreeMap<u64, Place>,
    wanted: Wanted,
    /// A registration that was refused, until `connect` tells it.
    refused: Option<ConnectError>,
    /// The connection is gone for good: new streams end at once.
    ended: bool,
}

impl Default for Table {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Table {
    const EMPTY: Self = Self {
        events: BTreeMap::new(),
        any: BTreeMap::new(),
        outgoing: BTreeMap::new(),
        notices: BTreeMap::new(),
        event_streams: BTreeMap::new(),
        notice_streams: BTreeMap::new(),
        streams: BTreeMap::new(),
        places: BTreeMap::new(),
        wanted: Wanted::NOBODY,
        refused: None,
        ended: false,
    };
}

/// A table that takes no memory until something is registered: most connections have no listeners of their own, and there
/// may be many.
#[derive(Default)]
struct LazyTable(Option<Box<Table>>);

impl Deref for LazyTable {
    type Target = Table;

    fn deref(&self) -> &Table {
        static EMPTY: Table = Table::EMPTY;
        self.0.as_deref().unwrap_or(&EMPTY)
    }
}

impl DerefMut for LazyTable {
    fn deref_mut(&mut self) -> &mut Table {
        self.0.get_or_insert_default()
    }
}

/// What has been removed: dropped outside the lock, since captures of a handler may run code when they are dropped.
#[derive(Default)]
struct Removed {
    _events: Vec<Arc<EventEntry>>,
    _any: Option<Arc<AnyFn>>,
    _notice: Option<Arc<NoticeEntry>>,
}

pub(crate) struct Handlers {
    table: Mutex<LazyTable>,
    /// Changes with every change of the table.
    version: AtomicU64,
    /// The kinds of notices that somebody listens to.
    wanted: AtomicU32,
}

static NEXT_ID: StaticU64 = StaticU64::new(1);

impl Handlers {
    pub(crate) fn new() -> Self {
        Self {
            table: Mutex::default(),
            version: AtomicU64::new(1),
            wanted: AtomicU32::new(0),
        }
    }

    fn change<R>(&self, change: impl FnOnce(&mut Table) -> R) -> R {
        let mut table = lock(&self.table);
        let result = change(&mut table);
        self.version.fetch_add(1, Ordering::Release);
        self.wanted.store(table.wanted.mask(), Ordering::Release);
        result
    }

    /// Adds to the table. (The number is taken under the lock, so that the order of numbers is that of registration.)
    fn add(&self, add: impl FnOnce(&mut Table, u64) -> Place) -> HandlerId {
        self.change(|table| {
            let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
            let place = add(table, id);
            table.places.insert(id, place);
            HandlerId(id)
        })
    }

    fn add_event(&self, event: &str, once: bool, call: Call) -> HandlerId {
        self.add(|table, id| table.insert(event, id, once, call))
    }

    pub(crate) fn on(&self, event: &str, handler: Box<EventFn>, once: bool) -> HandlerId {
        self.listen(event, reserved(event), once, Call::Handler(handler))
    }

    /// As [`on`](Self::on), for a name that stands at a type. There, `error` is meant.
    pub(crate) fn on_typed(&self, event: &str, handler: Box<EventFn>, once: bool) -> HandlerId {
        self.listen(event, meant(event), once, Call::Handler(handler))
    }

    pub(crate) fn on_concurrent(
        &self,
        event: &str,
        limit: usize,
        handler: Box<EventFn>,
    ) -> HandlerId {
        let places = Arc::new(Places::new(limit));
        let call = Call::Concurrent(handler, places);
        self.listen(event, reserved(event), false, call)
    }

    pub(crate) fn on_typed_concurrent(
        &self,
        event: &str,
        limit: usize,
        handler: Box<EventFn>,
    ) -> HandlerId {
        let places = Arc::new(Places::new(limit));
        let call = Call::Concurrent(handler, places);
        self.listen(event, meant(event), false, call)
    }

    /// Adds a handler, unless its name is refused.
    fn listen(&self, event: &str, refused: Option<&str>, once: bool, call: Call) -> HandlerId {
        match refused {
            None => self.add_event(event, once, call),
            Some(instead) => {
                self.refuse(event, instead);
                HandlerId(NEXT_ID.fetch_add(1, Ordering::Relaxed))
            }
        }
    }

    /// Tells that nothing will ever come under this name: in the log, to the streams of notices, and by the next
    /// `connect`.
    fn refuse(&self, event: &str, instead: &str) {
        let error = format!("a handler of {event:?} would never be called: {instead}");
        tracing::error!(event, "{error}");
        self.change(|table| table.refused = Some(ConnectError::config(error.clone())));
        self.tell(|| Notice::HandlerFailed {
            event: event.to_owned(),
            error,
        });
    }

    /// The registration that was refused since this was last asked for.
    pub(crate) fn take_refused(&self) -> Option<ConnectError> {
        let mut table = lock(&self.table);
        table.refused.as_ref()?;
        table.refused.take()
    }

    pub(crate) fn on_any(&self, outgoing: bool, prepend: bool, call: Box<AnyFn>) -> HandlerId {
        self.add(|table, _| {
            let list = if outgoing {
                &mut table.outgoing
            } else {
                &mut table.any
            };
            let key = if prepend {
                list.first_key_value().map_or(0, |(key, _)| key - 1)
            } else {
                list.last_key_value().map_or(0, |(key, _)| key + 1)
            };
            list.insert(key, call.into());
            if outgoing {
                Place::Outgoing(key)
            } else {
                Place::Any(key)
            }
        })
    }

    pub(crate) fn on_notice(&self, kind: Kind, call: Box<NoticeFn>) -> HandlerId {
        self.add(|table, id| {
            table.wanted.add(kind);
            table
                .notices
                .insert(id, Arc::new(NoticeEntry { kind, call }));
            Place::Notice(kind)
        })
    }

    pub(crate) fn event_stream(
        &self,
        capacity: usize,
        overflow: Overflow,
    ) -> (HandlerId, Arc<Channel<Event>>) {
        let channel = Arc::new(Channel::new(capacity, overflow));
        let id = self.add(|table, id| {
            table.event_streams.insert(id, Arc::clone(&channel));
            table.stream(id, &channel);
            Place::EventStream
        });
        (id, channel)
    }

    pub(crate) fn notice_stream(&self, capacity: usize) -> (HandlerId, Arc<Channel<Notice>>) {
        let channel = Arc::new(Channel::new(capacity, Overflow::DropOldest));
        let id = self.add(|table, id| {
            table.notice_streams.insert(id, Arc::clone(&channel));
            table.stream(id, &channel);
            table.wanted.add_all();
            Place::NoticeStream
        });
        (id, channel)
    }

    /// A stream of one event's arguments, decoded by `decode`.
    pub(crate) fn typed_stream<T: Send + 'static>(
        &self,
        event: &str,
        capacity: usize,
        overflow: Overflow,
        decode: fn(&Delivery<'_>) -> Result<T, ArgsError>,
    ) -> (HandlerId, Arc<Channel<T>>) {
        if let Some(instead) = meant(event) {
            self.refuse(event, instead);
        }
        let channel = Arc::new(Channel::new(capacity, overflow));
        let writer = Arc::clone(&channel);
        let call: Box<StreamFn> = Box::new(move |delivery, handlers| {
            let item = decode(delivery)?;
            Ok(match handlers.push(&writer, item, Some(delivery.name)) {
                None => None,
                Some(item) => {
                    let room: BoxFuture<()> = Box::pin(Room::new(Arc::clone(&writer), item));
                    Some(room)
                }
            })
        });
        let id = self.add(|table, id| {
            table.stream(id, &channel);
            table.insert(event, id, false, Call::Stream(call))
        });
        (id, channel)
    }

    /// Removes one handler or stream of any kind; whether it was there.
    pub(crate) fn off(&self, id: HandlerId) -> bool {
        let removed = self.change(|table| table.remove(id.0));
        removed.is_some()
    }

    pub(crate) fn off_event(&self, event: &str) {
        let removed = self.change(|table| {
            let list = table.events.get(event)?;
            // A stream of this event is no handler of it: it is dropped by who holds it.
            let handlers = list.values().filter(|entry| !entry.is_stream());
            let ids: Vec<u64> = handlers.map(|entry| entry.id).collect();
            Some(
                ids.into_iter()
                    .map(|id| table.remove(id))
                    .collect::<Vec<_>>(),
            )
        });
        drop(removed);
    }

    /// Removes every handler and ends every stream.
    pub(crate) fn clear(&self) {
        let old = self.change(|table| {
            table
                .events
                .values()
                .flat_map(BTreeMap::values)
                .for_each(|entry| entry.spend());
            let fresh = Table {
                ended: table.ended,
                refused: table.refused.take(),
                ..Table::default()
            };
            std::mem::replace(table, fresh)
        });
        old.streams.values().for_each(|stream| stream.end());
    }

    /// The connection is gone for good: streams end after what they hold.
    pub(crate) fn end(&self) {
        let streams = self.change(|table| {
            table.ended = true;
            std::mem::take(&mut table.streams)
        });
        streams.values().for_each(|stream| stream.end());
    }

    pub(crate) fn off_any(&self, outgoing: bool) {
        let removed = self.change(|table| {
            table.places.retain(|_, place| match place {
                Place::Any(_) => outgoing,
                Place::Outgoing(_) => !outgoing,
                _ => true,
            });
            std::mem::take(if outgoing {
                &mut table.outgoing
            } else {
                &mut table.any
            })
        });
        drop(removed);
    }

    pub(crate) fn has(&self, event: &str) -> bool {
        let table = lock(&self.table);
        let list = table.events.get(event);
        list.is_some_and(|list| list.values().any(|entry| !entry.is_stream()))
    }

    pub(crate) fn has_outgoing(&self) -> bool {
        !lock(&self.table).outgoing.is_empty()
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether somebody listens to this kind of notice: if not, none is made.
    pub(crate) fn wants(&self, kind: Kind) -> bool {
        Wanted::contains(self.wanted.load(Ordering::Acquire), kind)
    }

    /// Copies what listens to one event.
    pub(crate) fn listeners(&self, event: &str, into: &mut Listening) {
        into.clear();
        let table = lock(&self.table);
        into.version = self.version();
        into.name.push_str(event);
        if let Some(list) = table.events.get(event) {
            into.entries.extend(list.values().cloned());
        }
        into.any.extend(table.any.values().cloned());
        into.streams.extend(table.event_streams.values().cloned());
        drop(table);
        (0..into.entries.len() + into.any.len() + into.streams.len()).for_each(|_| step());
    }

    /// Gives an item to a stream; what did not fit comes back. A loss is told.
    pub(crate) fn push<T>(&self, channel: &Channel<T>, item: T, event: Option<&str>) -> Option<T> {
        match channel.push(item) {
            Pushed::Done => None,
            Pushed::Full(item) => Some(item),
            Pushed::Dropped { total, first } => {
                if first {
                    tracing::warn!(
                        event,
                        total,
                        "a stream is not read fast enough: events are dropped"
                    );
                    self.tell(|| Notice::EventsDropped {
                        event: event.map(str::to_owned),
                        total,
                    });
                }
                None
            }
        }
    }

    /// Gives a notice to the streams of notices at once: for what is told while an event is worked through. (There are
    /// no handlers of these.)
    pub(crate) fn tell(&self, notice: impl FnOnce() -> Notice) {
        if self.wants(Kind::Other) {
            self.tell_streams(&notice(), 1);
        }
    }

    /// Gives a notice to the streams of notices, so many times.
    pub(crate) fn tell_streams(&self, notice: &Notice, times: u32) {
        let streams: Vec<_> = lock(&self.table).notice_streams.values().cloned().collect();
        for stream in streams {
            for _ in 0..times {
                // Pings are of the least interest, and the only ones that a server can send by the million.
                if matches!(notice, Notice::Ping) && stream.is_half_full() {
                    break;
                }
                stream.push(notice.clone());
            }
        }
    }

    /// The handlers of a notice.
    pub(crate) fn notice_handlers(&self, kind: Kind) -> Vec<Arc<NoticeEntry>> {
        let table = lock(&self.table);
        let handlers = table.notices.values().filter(|entry| entry.kind == kind);
        handlers.cloned().collect()
    }

    pub(crate) fn outgoing(&self, event: &Event) {
        let listeners: Vec<_> = lock(&self.table).outgoing.values().cloned().collect();
        for listener in listeners {
            guard(&event.name, None, || listener(event));
        }
    }

    /// A handler has returned an error, or its answer was not sent.
    pub(crate) fn failed(&self, event: &str, error: String) {
        tracing::warn!(event, error, "a handler failed");
        self.tell(|| Notice::HandlerFailed {
            event: event.to_owned(),
            error,
        });
    }

    pub(crate) fn mismatch(&self, event: &str, error: ArgsError) {
        // The error quotes the arguments, which are nobody's business above debug level.
        let argument = match &error {
            ArgsError::Missing { index } | ArgsError::Invalid { index, .. } => Some(*index),
            _ => None,
        };
        tracing::warn!(
            event,
            argument,
            "the arguments do not fit the handler, which is not called"
        );
        tracing::debug!(event, %error, "the arguments do not fit");
        self.tell(|| Notice::Mismatch {
            event: event.to_owned(),
            error,
        });
    }
}

impl Table {
    fn insert(&mut self, event: &str, id: u64, once: bool, call: Call) -> Place {
        step();
        let entry = Arc::new(EventEntry::new(id, once, call));
        let name = match self.events.get_key_value(event) {
            Some((name, _)) => Arc::clone(name),
            None => event.into(),
        };
        let list = self.events.entry(Arc::clone(&name)).or_default();
        list.insert(id, entry);
        Place::Event(name)
    }

    fn stream<T: Send + 'static>(&mut self, id: u64, channel: &Arc<Channel<T>>) {
        if self.ended {
            channel.end();
        } else {
            let stream: Arc<dyn Ends> = Arc::<Channel<T>>::clone(channel);
            self.streams.insert(id, stream);
        }
    }

    fn remove(&mut self, id: u64) -> Option<Removed> {
        step();
        self.streams.remove(&id);
        let mut removed = Removed::default();
        match self.places.remove(&id)? {
            Place::Event(name) => {
                let list = self.events.get_mut(&name)?;
                if let Some(entry) = list.remove(&id) {
                    entry.spend();
                    removed._events.push(entry);
                }
                if list.is_empty() {
                    self.events.remove(&name);
                }
            }
            Place::Any(key) => removed._any = self.any.remove(&key),
            Place::Outgoing(key) => removed._any = self.outgoing.remove(&key),
            Place::Notice(kind) => {
                self.wanted.remove(kind);
                removed._notice = self.notices.remove(&id);
            }
            Place::EventStream => drop(self.event_streams.remove(&id)),
            Place::NoticeStream => {
                self.wanted.remove_all();
                drop(self.notice_streams.remove(&id));
            }
        }
        Some(removed)
    }
}

/// The method that takes the place of a handler of this name, which no event can have.
fn reserved(event: &str) -> Option<&'static str> {
    match event {
        "connect" => Some("use on_connect"),
        "connect_error" => Some("use on_connect_error"),
        "disconnect" => Some("use on_disconnect"),
        // Not reserved by the protocol, but what handlers of this name are meant for has another one since Socket.IO 3.
        "error" => Some(
            "use on_connect_error for trouble with the connection; an event that the server itself emits under this name is read with stream(\"error\") or on_any",
        ),
        _ if sockeye_core::packet::is_reserved_event(event) => {
            Some("the name is reserved by Socket.IO")
        }
        _ => None,
    }
}

/// As [`reserved`], where `error` can only be an event of the server's.
fn meant(event: &str) -> Option<&'static str> {
    reserved(event).filter(|_| event != "error")
}

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts, in tests, how often an entry is touched.
#[inline]
fn step() {
    #[cfg(test)]
    STEPS.set(STEPS.get() + 1);
}

#[cfg(test)]
#[path = "tests_handlers.rs"]
mod tests;
