//! What handles and the driver share: the inbox, and one record for each namespace.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atomic_waker::AtomicWaker;
use sockeye_core::packet::{EmitArgs, EncodeError, encode_args_to_vec};
use sockeye_core::{AckRequest, EmitError, Limits, NspOptions, Reconnection};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use crate::Transport;
use crate::client::ack::AckError;
use crate::client::args::Args;
use crate::client::error::ConnectError;
use crate::client::options::AuthSource;
use crate::dispatch::handlers::Handlers;
use crate::dispatch::queue::Queue;

/// A poisoned lock still guards sound data here: no user code runs under any of them.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) type AckSender = oneshot::Sender<Result<Args, AckError>>;
pub(crate) type Waiter = oneshot::Sender<Result<(), ConnectError>>;

/// Rare requests, in order with the packets.
pub(crate) enum Command {
    Connect {
        nsp: usize,
        waiter: Option<Waiter>,
    },
    Disconnect {
        nsp: usize,
    },
    Forget {
        nsp: usize,
    },
    Reconnect,
    /// What the `auth` function came to that was called under this number.
    Auth {
        nsp: usize,
        call: u64,
        auth: Result<String, String>,
    },
    Query(String),
    Headers(String),
    Reconnection(Reconnection),
    ReportOutgoing(bool),
    Clear {
        nsp: usize,
    },
    /// Told when everything accepted before has been written.
    Flush(oneshot::Sender<()>),
    /// Told when the send buffer has room again.
    Ready(oneshot::Sender<()>),
}

/// The head of one entry of the inbox.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Head {
    Command,
    Emit {
        nsp: u32,
        ack: bool,
        volatile: bool,
        timeout: Option<Duration>,
    },
    Ack(AckRequest),
}

/// A packet in the inbox: `json` bytes, then `records` bytes of attachments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) head: Head,
    pub(crate) json: u32,
    pub(crate) records: u32,
    pub(crate) attachments: u16,
}

/// What handles ask for, until the driver takes it: entries, and the bytes, commands and senders that belong to them.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) entries: Vec<Entry>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) commands: VecDeque<Command>,
    pub(crate) acks: VecDeque<AckSender>,
    /// What its packets will take in the core, at most.
    pub(crate) size: usize,
    pub(crate) packets: usize,
    /// The driver has ended: nothing is taken any more.
    pub(crate) closed: bool,
}

pub(crate) const IDLE: u8 = 0;
pub(crate) const ACTIVE: u8 = 1;
pub(crate) const JOINED: u8 = 2;

/// One namespace.
pub(crate) struct NspShared {
    pub(crate) index: usize,
    pub(crate) name: Box<str>,
    pub(crate) options: NspOptions,
    pub(crate) auth: Mutex<AuthSource>,
    /// [`IDLE`], [`ACTIVE`] or [`JOINED`].
    pub(crate) state: AtomicU8,
    pub(crate) recovered: AtomicBool,
    pub(crate) id: Mutex<Option<Box<str>>>,
    pub(crate) handlers: Handlers,
    /// What waits for its dispatcher.
    pub(crate) queue: Queue,
    /// User handles alive.
    pub(crate) handles: AtomicUsize,
    /// Forgotten: the record is dead, a new one takes its place.
    pub(crate) gone: AtomicBool,
}

impl NspShared {
    pub(crate) fn is_joined(&self) -> bool {
        self.state.load(Ordering::Acquire) == JOINED
    }
}

pub(crate) struct Shared {
    pub(crate) inbox: Mutex<Box<Inbox>>,
    pub(crate) waker: AtomicWaker,
    /// There is something in the inbox: the driver has been woken and has not come yet.
    pub(crate) mail: AtomicBool,
    pub(crate) nsps: Mutex<Vec<Arc<NspShared>>>,
    /// Bytes the core keeps for sending.
    pub(crate) queued: AtomicUsize,
    /// Messages the core keeps for sending.
    pub(crate) queued_packets: AtomicUsize,
    pub(crate) limits: Limits,
    /// Attachments travel as base64.
    pub(crate) base64: bool,
    /// User handles alive, over all namespaces.
    pub(crate) handles: AtomicUsize,
    /// 0: none, 1: polling, 2: websocket.
    pub(crate) transport: AtomicU8,
    /// Namespaces with outgoing listeners.
    pub(crate) outgoing: AtomicUsize,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("transport", &self.transport())
            .finish_non_exhaustive()
    }
}

thread_local! {
    /// Memory for encoding, kept from one emit to the next. It is taken out while in use, so that user code that runs
    /// during serialization may emit as well.
    static SCRATCH: Cell<(Vec<u8>, Vec<u8>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

/// More scratch than this is not kept.
const KEEP: usize = 64 << 10;

/// Encodes arguments, and calls `then` with JSON, attachment records, and their count.
pub(crate) fn encode<A: EmitArgs + ?Sized, R>(
    event: Option<&str>,
    args: &A,
    limit: u16,
    then: impl FnOnce(&[u8], &[u8], usize) -> Result<R, EmitError>,
) -> Result<R, EmitError> {
    let (mut json, mut records) = SCRATCH.take();
    json.clear();
    records.clear();
    let mut count = 0usize;
    let mut attach = |bytes: &[u8]| {
        count += 1;
        if count > usize::from(limit) {
            return Err(EncodeError::TooManyAttachments {
                limit: limit.into(),
            });
        }
        let len = u32::try_from(bytes.len()).map_err(|_| EncodeError::BufferTooSmall)?;
        records.extend_from_slice(&len.to_le_bytes());
        records.extend_from_slice(bytes);
        Ok(())
    };
    let result = match encode_args_to_vec(event, args, &mut json, &mut attach) {
        Ok(count) => then(&json, &records, count),
        Err(error) => Err(error.into()),
    };
    if json.capacity() <= KEEP && records.capacity() <= KEEP {
        SCRATCH.set((json, records));
    }
    result
}

/// The driver, woken by a handler, waits in a slot of the handler's thread that no other thread takes from: if the
/// handler then blocked, heartbeats would stop. Another task in that slot pushes it into the queue that all share.
fn make_stealable() {
    if !crate::dispatch::guard::in_handler() {
        return;
    }
    if let Ok(runtime) = Handle::try_current()
        && runtime.runtime_flavor() == RuntimeFlavor::MultiThread
    {
        runtime.spawn(std::future::ready(()));
    }
}

impl Shared {
    fn wake(&self, inbox: MutexGuard<'_, Box<Inbox>>) {
        drop(inbox);
        if !self.mail.swap(true, Ordering::AcqRel) {
            self.waker.wake();
            make_stealable();
        }
    }

    pub(crate) fn command(&self, command: Command) {
        let mut inbox = lock(&self.inbox);
        if inbox.closed {
            return;
        }
        inbox.entries.push(Entry {
            head: Head::Command,
            json: 0,
            records: 0,
            attachments: 0,
        });
        inbox.commands.push_back(command);
        self.wake(inbox);
    }

    /// Takes a packet in.
    pub(crate) fn packet(
        &self,
        nsp: &NspShared,
        head: Head,
        json: &[u8],
        records: &[u8],
        attachments: usize,
        ack: Option<AckSender>,
    ) -> Result<(), EmitError> {
        // At least what it will take in the core, so that what is accepted here is accepted there.
        let binary = if self.base64 {
            records.len().div_ceil(3) * 4
        } else {
            records.len()
        };
        // (The name is there twice when a packet may be sent again.)
        let size = json.len() + binary + 2 * nsp.name.len() + ENTRY * (1 + attachments);
        if size > self.limits.send
            || 1 + attachments > self.limits.packets
            || size > u32::MAX as usize / 2
        {
            return Err(EmitError::TooLarge);
        }
        let mut inbox = lock(&self.inbox);
        if inbox.closed {
            return Err(EmitError::Closed);
        }
        let bytes = inbox.size + self.queued.load(Ordering::Relaxed);
        let packets = inbox.packets + self.queued_packets.load(Ordering::Relaxed);
        if bytes + size > self.limits.send || packets + 1 + attachments > self.limits.packets {
            return Err(EmitError::Full);
        }
        inbox.size += size;
        inbox.packets += 1 + attachments;
        inbox.bytes.extend_from_slice(json);
        inbox.bytes.extend_from_slice(records);
        inbox.entries.push(Entry {
            head,
            json: json.len() as u32,
            records: records.len() as u32,
            attachments: attachments as u16,
        });
        if let Some(ack) = ack {
            inbox.acks.push_back(ack);
        }
        self.wake(inbox);
        Ok(())
    }

    pub(crate) fn has_mail(&self) -> bool {
        self.mail.load(Ordering::Acquire)
    }

    /// The driver takes everything; `taken` is empty and gives its memory for what comes next.
    pub(crate) fn take_inbox(&self, taken: &mut Box<Inbox>) {
        // Before the look inside: what comes after it wakes again.
        self.mail.store(false, Ordering::Release);
        let mut inbox = lock(&self.inbox);
        if !inbox.entries.is_empty() {
            std::mem::swap(&mut *inbox, taken);
            inbox.closed = taken.closed;
            // Counted without a gap, until the driver tells what the core really keeps.
            self.queued.fetch_add(taken.size, Ordering::Relaxed);
            self.queued_packets
                .fetch_add(taken.packets, Ordering::Relaxed);
        }
    }

    pub(crate) fn transport(&self) -> Option<Transport> {
        match self.transport.load(Ordering::Relaxed) {
            1 => Some(Transport::Polling),
            2 => Some(Transport::WebSocket),
            _ => None,
        }
    }
}

/// What one packet costs beside its bytes, about: framing and tables.
const ENTRY: usize = 64;
