//! The dispatcher: runs user code, one event after another, in a task of its own.

pub(crate) mod handlers;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;

use atomic_waker::AtomicWaker;
use sockeye_core::packet::{Args as ArgsRef, Attachments};
use sockeye_core::{AckRequest, Message, Outgoing};

use crate::client::args::{Args, Event};
use crate::client::error::Notice;
use crate::client::responder::Responder;
use crate::dispatch::handlers::{Delivery, Guarded, Table};
use crate::inbox::{NspShared, Shared, lock};

/// The driver stops reading when so many bytes of events wait for handlers, …
const MAX_BYTES: usize = 4 << 20;
/// … or so many events. One read more (64 KiB, or one large message) may still join them.
const MAX_ITEMS: usize = 1 << 16;

/// What happened, in order. Bytes of events lie end to end, so that a batch costs no allocation in steady state.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) items: Vec<Item>,
    /// Names and arguments.
    text: String,
    /// Attachments.
    records: Vec<u8>,
}

pub(crate) enum Item {
    Message {
        nsp: Arc<NspShared>,
        name: u32,
        args: u32,
        records: u32,
        count: u16,
        ack: Option<AckRequest>,
    },
    Outgoing {
        nsp: Arc<NspShared>,
        event: Box<(Box<str>, Args)>,
    },
    Notice {
        nsp: Arc<NspShared>,
        notice: Box<Notice>,
    },
    End,
}

impl Batch {
    pub(crate) fn message(&mut self, nsp: &Arc<NspShared>, message: &Message<'_>) {
        let before = self.text.len();
        match message.name.as_plain() {
            Some(name) => self.text.push_str(name),
            None => self.text.push_str(&message.name.to_cow()),
        }
        let name = (self.text.len() - before) as u32;
        let json = message.args.json();
        self.text.push_str(json);
        let attachments = message.attachments();
        let records = attachments.as_records();
        self.records.extend_from_slice(records);
        self.items.push(Item::Message {
            nsp: Arc::clone(nsp),
            name,
            args: json.len() as u32,
            records: records.len() as u32,
            count: attachments.len() as u16,
            ack: message.ack,
        });
    }

    pub(crate) fn outgoing(&mut self, nsp: &Arc<NspShared>, outgoing: &Outgoing<'_>) {
        let mut records = Vec::new();
        let mut count = 0;
        for attachment in outgoing.attachments() {
            records.extend_from_slice(&(attachment.len() as u32).to_le_bytes());
            records.extend_from_slice(attachment);
            count += 1;
        }
        let attachments = Attachments::from_records(&records, count).unwrap_or(Attachments::EMPTY);
        let Ok(mut all) = ArgsRef::new(outgoing.data(), attachments) else {
            return;
        };
        let Ok(name) = all.next_text() else { return };
        let name: Box<str> = name.to_cow().into();
        let rest: Vec<&str> = all.iter_raw().skip(1).collect();
        let json = format!("[{}]", rest.join(","));
        if let Ok(args) = ArgsRef::new(&json, attachments) {
            let event = Box::new((name, Args::from_ref(&args)));
            self.items.push(Item::Outgoing {
                nsp: Arc::clone(nsp),
                event,
            });
        }
    }

    pub(crate) fn notice(&mut self, nsp: &Arc<NspShared>, notice: Notice) {
        self.items.push(Item::Notice {
            nsp: Arc::clone(nsp),
            notice: Box::new(notice),
        });
    }

    fn is_large(&self) -> bool {
        self.text.len() + self.records.len() > MAX_BYTES || self.items.len() > MAX_ITEMS
    }

    fn clear(&mut self) {
        self.items.clear();
        self.text.clear();
        self.records.clear();
        if self.text.capacity() + self.records.capacity() > MAX_BYTES {
            self.text = String::new();
            self.records = Vec::new();
        }
    }
}

/// Between driver and dispatcher.
pub(crate) struct Outlet {
    waiting: Mutex<Batch>,
    dispatcher: AtomicWaker,
    /// Woken when the dispatcher has taken a batch that had held the driver up.
    pub(crate) driver: AtomicWaker,
    /// The driver is gone.
    ended: AtomicBool,
}

impl Outlet {
    pub(crate) const fn new() -> Self {
        Self {
            waiting: Mutex::new(Batch {
                items: Vec::new(),
                text: String::new(),
                records: Vec::new(),
            }),
            dispatcher: AtomicWaker::new(),
            driver: AtomicWaker::new(),
            ended: AtomicBool::new(false),
        }
    }

    /// The last batch has been handed over.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.dispatcher.wake();
    }

    /// Awaits `future` unless the driver ends before: whether it came to its end.
    async fn unless_ended(&self, future: impl Future<Output = ()>) -> bool {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            if future.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            self.dispatcher.register(cx.waker());
            if self.ended.load(Ordering::Acquire) {
                Poll::Ready(false)
            } else {
                Poll::Pending
            }
        })
        .await
    }

    /// Hands a batch over, and empties it; whether the dispatcher is too far behind.
    pub(crate) fn hand_over(&self, batch: &mut Batch) -> bool {
        let mut waiting = lock(&self.waiting);
        if !batch.items.is_empty() {
            if waiting.items.is_empty() {
                std::mem::swap(&mut *waiting, batch);
                drop(waiting);
                batch.clear();
                self.dispatcher.wake();
                waiting = lock(&self.waiting);
            } else {
                waiting.items.append(&mut batch.items);
                waiting.text.push_str(&batch.text);
                waiting.records.extend_from_slice(&batch.records);
                batch.clear();
            }
        }
        waiting.is_large()
    }

    pub(crate) fn is_behind(&self) -> bool {
        lock(&self.waiting).is_large()
    }

    /// Waits for a batch; `taken` gives its memory in exchange.
    async fn take(&self, taken: &mut Batch) {
        std::future::poll_fn(|cx| {
            self.dispatcher.register(cx.waker());
            let mut waiting = lock(&self.waiting);
            if waiting.items.is_empty() {
                return Poll::Pending;
            }
            let behind = waiting.is_large();
            std::mem::swap(&mut *waiting, taken);
            drop(waiting);
            if behind {
                self.driver.wake();
            }
            Poll::Ready(())
        })
        .await;
    }
}

/// Handlers of the namespace that had the last event: looked up again only when they change.
struct Cached {
    nsp: Option<Arc<NspShared>>,
    version: u64,
    table: Arc<Table>,
    responder: Option<Responder>,
}

impl Cached {
    fn load(&mut self, nsp: &Arc<NspShared>, shared: &Weak<Shared>) {
        let same = self
            .nsp
            .as_ref()
            .is_some_and(|cached| Arc::ptr_eq(cached, nsp));
        if !same {
            self.nsp = Some(Arc::clone(nsp));
            self.responder = Some(Responder {
                shared: Weak::clone(shared),
                nsp: Arc::clone(nsp),
                request: None,
            });
        }
        if !same || self.version != nsp.handlers.version() {
            (self.version, self.table) = nsp.handlers.table();
        }
    }
}

/// The dispatcher's task. It ends with the driver.
pub(crate) async fn run(outlet: Arc<Outlet>, shared: Weak<Shared>) {
    let mut batch = Batch::default();
    let nobody: Arc<Table> = Arc::default();
    let mut cached = Cached {
        nsp: None,
        version: 0,
        table: Arc::clone(&nobody),
        responder: None,
    };
    loop {
        batch.clear();
        outlet.take(&mut batch).await;
        let (mut at, mut record_at) = (0, 0);
        let mut spent = 0;
        for item in &batch.items {
            match item {
                Item::End => return,
                Item::Message {
                    nsp,
                    name,
                    args,
                    records,
                    count,
                    ack,
                } => {
                    let mut part = |len: u32| {
                        let from = at;
                        at += len as usize;
                        batch.text.get(from..at).unwrap_or("")
                    };
                    let (name, args) = (part(*name), part(*args));
                    let attachments = match *count {
                        0 => None,
                        n => {
                            let records = &batch.records[record_at..record_at + *records as usize];
                            record_at += records.len();
                            Attachments::from_records(records, n.into())
                        }
                    };
                    cached.load(nsp, &shared);
                    let Some(responder) = &mut cached.responder else {
                        continue;
                    };
                    responder.request = *ack;
                    let delivery = Delivery {
                        name,
                        args: ArgsRef::from_checked(
                            args,
                            attachments.unwrap_or(Attachments::EMPTY),
                        ),
                        responder,
                    };
                    let table = &cached.table;
                    if table.has_any() {
                        let told = table.any_event(&nsp.handlers, &delivery);
                        // A full stream that nobody reads does not keep this task when the last handle is gone.
                        if !outlet.unless_ended(told).await {
                            return;
                        }
                    }
                    let mut from = 0;
                    while let Some((i, future)) = table.event(&nsp.handlers, &delivery, from) {
                        Guarded {
                            name: delivery.name,
                            future,
                        }
                        .await;
                        from = i + 1;
                    }
                }
                Item::Outgoing { nsp, event } => {
                    cached.load(nsp, &shared);
                    let (name, args) = (event.0.clone(), event.1.clone());
                    let responder = Responder {
                        shared: Weak::clone(&shared),
                        nsp: Arc::clone(nsp),
                        request: None,
                    };
                    cached.table.outgoing(&Event {
                        name,
                        args,
                        responder,
                    });
                }
                Item::Notice { nsp, notice } => {
                    cached.load(nsp, &shared);
                    if let Some(responder) = &mut cached.responder {
                        responder.request = None;
                        cached.table.notice(&nsp.handlers, notice, responder);
                    }
                }
            }
            // A long batch of quick handlers lets other tasks run now and then.
            spent += 1;
            if spent % 256 == 0 {
                tokio::task::coop::consume_budget().await;
            }
        }
        cached.nsp = None;
        cached.responder = None;
        // Handlers and streams that are removed meanwhile end at once, not with the next event.
        cached.table = Arc::clone(&nobody);
    }
}
