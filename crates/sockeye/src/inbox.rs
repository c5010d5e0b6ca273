//! What handles ask of the driver: commands and packets, in one order, and what the driver shows of the connection.

mod encode;

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use futures_channel::oneshot;
use sockeye_core::{AckId, AckRequest, EmitError, Limits, NspOptions, Reconnection};

use crate::Transport;
use crate::client::close::CloseError;
use crate::client::options::{AuthSource, nsp_options};
use crate::namespace::Namespaces;
pub(crate) use crate::namespace::NspShared;
#[cfg(feature = "tokio")]
use crate::sync::OwnBool;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use crate::sync::{AtomicWaker, Mutex, MutexGuard};
pub(crate) use crate::waiters::AckSender;
use crate::waiters::Milestone;
pub(crate) use encode::{Encoded, encode};

/// A poisoned lock still guards sound data here: no user code runs under any of them.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rare requests, in order with the packets.
pub(crate) enum Command {
    Connect {
        nsp: usize,
        /// Calls with tickets below this wait for what comes of it.
        upto: u64,
        /// It goes on trying whatever the first attempt comes to.
        keep_trying: bool,
    },
    Disconnect {
        nsp: usize,
    },
    /// Leaves a namespace after what was emitted before has been written.
    Close {
        nsp: usize,
        done: oneshot::Sender<Result<(), CloseError>>,
    },
    /// Tells when all that has been told the namespace so far has reached its listeners.
    Told {
        nsp: usize,
        done: oneshot::Sender<()>,
    },
    Forget {
        nsp: usize,
    },
    Options {
        nsp: usize,
        options: NspOptions,
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
    /// Nobody waits for this answer any more.
    CancelAck(AckId),
}

/// The head of one entry of the inbox.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Head {
    Command,
    Emit {
        nsp: u32,
        ack: bool,
        volatile: bool,
        /// It is not compressed, whatever has been agreed on. Without the feature `deflate` nothing is.
        uncompressed: bool,
        timeout: Option<Duration>,
    },
    Ack(AckRequest),
}

/// A packet in the inbox: `json` bytes, then `records` bytes of attachments. Where the parser is MessagePack the first are
/// in that, binary values are among them, and there are no records.
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
    /// Places in the core's table of acknowledgements that its packets will take.
    pub(crate) ack_places: usize,
}

/// Where handles leave what they ask for.
#[derive(Default)]
pub(crate) struct Mailbox {
    /// Made when something comes: connections may be many, of which most have little to say.
    pub(crate) inbox: Option<Box<Inbox>>,
    /// Packets accepted in the life of the connection.
    pub(crate) accepted: u64,
    /// The driver has ended: nothing is taken any more.
    pub(crate) closed: bool,
}

/// What all handles of a connection share with its driver.
pub(crate) struct Shared {
    pub(crate) mailbox: Mutex<Mailbox>,
    pub(crate) waker: AtomicWaker,
    /// There is something in the inbox: the driver has been woken and has not come yet.
    pub(crate) mail: AtomicBool,
    /// Something may have come of the driver's links. (Not of the seam: the driver and its links know it, no handle.)
    #[cfg(feature = "tokio")]
    pub(crate) stirred: OwnBool,
    pub(crate) nsps: Mutex<Namespaces>,
    /// Some packet has been given up, at some time.
    pub(crate) gave_up: AtomicBool,
    /// What concerns the whole connection is told on this: a namespace in all but the name, that the server does not know.
    /// Made when somebody listens.
    manager: OnceLock<Arc<NspShared>>,
    /// Bytes the core keeps for sending.
    pub(crate) queued: AtomicUsize,
    /// Messages the core keeps for sending.
    pub(crate) queued_packets: AtomicUsize,
    /// Acknowledgements the core waits for.
    pub(crate) waiting_acks: AtomicUsize,
    /// Advances when there is room for packets again, …
    pub(crate) room: Milestone,
    /// … if somebody waits for it.
    pub(crate) room_wanted: AtomicBool,
    /// Up to which accepted packet everything has been written or dropped.
    pub(crate) written: Milestone,
    pub(crate) limits: Limits,
    /// Attachments travel as base64.
    pub(crate) base64: bool,
    /// The parser is MessagePack: arguments are encoded as that.
    pub(crate) packed: bool,
    /// `connect` waits for a server that is not there.
    pub(crate) wait_for_server: bool,
    pub(crate) close_timeout: Duration,
    /// What the server has agreed on of the offered compression.
    #[cfg(feature = "deflate")]
    pub(crate) agreed: Mutex<Option<sockeye_core::AgreedCompression>>,
    /// User handles alive, over all namespaces.
    pub(crate) handles: AtomicUsize,
    /// 0: none, 1: polling, 2: websocket.
    transport: AtomicU8,
    /// How many namespaces have listeners to outgoing events.
    outgoing: Mutex<usize>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("transport", &self.transport())
            .finish_non_exhaustive()
    }
}

/// The driver, woken by a handler, waits in a slot of the handler's thread that no other thread takes from: if the
/// handler then blocked, heartbeats would stop. Another task in that slot pushes it into the queue that all share.
#[cfg(feature = "tokio")]
fn make_stealable() {
    use tokio::runtime::{Handle, RuntimeFlavor};
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
    pub(crate) fn new(
        limits: Limits,
        (base64, packed): (bool, bool),
        wait_for_server: bool,
        close_timeout: Duration,
    ) -> Self {
        Self {
            mailbox: Mutex::default(),
            waker: AtomicWaker::new(),
            mail: AtomicBool::new(false),
            #[cfg(feature = "tokio")]
            stirred: OwnBool::new(true),
            nsps: Mutex::default(),
            gave_up: AtomicBool::new(false),
            manager: OnceLock::new(),
            queued: AtomicUsize::new(0),
            queued_packets: AtomicUsize::new(0),
            waiting_acks: AtomicUsize::new(0),
            room: Milestone::default(),
            room_wanted: AtomicBool::new(false),
            written: Milestone::default(),
            limits,
            base64,
            packed,
            wait_for_server,
            close_timeout,
            #[cfg(feature = "deflate")]
            agreed: Mutex::new(None),
            handles: AtomicUsize::new(0),
            transport: AtomicU8::new(0),
            outgoing: Mutex::new(0),
        }
    }

    /// Where listeners to what concerns the whole connection are registered.
    pub(crate) fn manager(&self) -> &Arc<NspShared> {
        self.manager.get_or_init(|| {
            Arc::new(NspShared::new(
                usize::MAX,
                "(manager)",
                nsp_options(),
                AuthSource::None,
            ))
        })
    }

    /// The same, if it has been made: if not, nobody listens.
    pub(crate) fn known_manager(&self) -> Option<&Arc<NspShared>> {
        self.manager.get()
    }

    /// Has the driver look into the inbox.
    pub(crate) fn wake(&self) {
        if !self.mail.swap(true, Ordering::AcqRel) {
            self.waker.wake();
            #[cfg(feature = "tokio")]
            make_stealable();
        }
    }

    /// Asks for something; `false` if the driver has ended.
    pub(crate) fn command(&self, command: Command) -> bool {
        let mut mailbox = lock(&self.mailbox);
        if mailbox.closed {
            return false;
        }
        mailbox.inbox().push_command(command);
        drop(mailbox);
        self.wake();
        true
    }

    /// Asks for a namespace to be connected; `false` if the driver has ended. `ticket`: a call that waits for it.
    pub(crate) fn connect(&self, nsp: &NspShared, ticket: Option<u64>, keep_trying: bool) -> bool {
        let mut mailbox = lock(&self.mailbox);
        if mailbox.closed {
            return false;
        }
        let inbox = mailbox.inbox();
        let upto = ticket.map_or(0, |ticket| ticket + 1);
        // The same again in a row is one: calls that are dropped at once leave nothing behind.
        let last = match inbox.entries.last().map(|entry| entry.head) {
            Some(Head::Command) => inbox.commands.back_mut(),
            _ => None,
        };
        match last {
            Some(Command::Connect {
                nsp: index,
                upto: last,
                keep_trying: keep,
            }) if *index == nsp.index => {
                *last = upto.max(*last);
                *keep |= keep_trying;
            }
            _ => inbox.push_command(Command::Connect {
                nsp: nsp.index,
                upto,
                keep_trying,
            }),
        }
        drop(mailbox);
        self.wake();
        true
    }

    /// How arguments are encoded here: binary values that they may have, and whether as MessagePack.
    pub(crate) const fn encoding(&self) -> (u16, bool) {
        (self.limits.attachments, self.packed)
    }

    /// Takes a packet in.
    pub(crate) fn packet(
        &self,
        nsp: &NspShared,
        head: Head,
        json: &[u8],
        records: &[u8],
        count: usize,
        ack: Option<AckSender>,
    ) -> Result<(), EmitError> {
        // At least what it will take in the core, so that what is accepted here is accepted there.
        let binary = if self.base64 {
            records.len().div_ceil(3) * 4
        } else {
            records.len()
        };
        // Binary values in MessagePack are no messages of their own, but what stands around the arguments is longer.
        let (attachments, entry) = if self.packed {
            (0, PACKED_ENTRY)
        } else {
            (count, ENTRY)
        };
        // (The name is there twice when a packet may be sent again.)
        let size = json.len() + binary + 2 * nsp.name.len() + entry * (1 + attachments);
        if size > self.limits.send
            || 1 + attachments > self.limits.packets
            || size > u32::MAX as usize / 2
        {
            return Err(EmitError::TooLarge);
        }
        let ack_places = match head {
            Head::Emit { ack, .. } => usize::from(ack),
            Head::Command | Head::Ack(_) => 0,
        };
        let mut mailbox = lock(&self.mailbox);
        if mailbox.closed {
            return Err(EmitError::Closed);
        }
        let inbox = mailbox.inbox();
        let bytes = inbox.size + self.queued.load(Ordering::Relaxed);
        let packets = inbox.packets + self.queued_packets.load(Ordering::Relaxed);
        if bytes + size > self.limits.send || packets + 1 + attachments > self.limits.packets {
            return Err(EmitError::Full);
        }
        let acks = inbox.ack_places + self.waiting_acks.load(Ordering::Relaxed);
        if ack_places > 0 && acks >= self.limits.acks {
            return Err(EmitError::TooManyAcks);
        }
        inbox.ack_places += ack_places;
        inbox.size += size;
        inbox.packets += 1 + attachments;
        inbox.bytes.extend_from_slice(json);
        inbox.bytes.extend_from_slice(records);
        inbox.entries.push(Entry {
            head,
            json: json.len() as u32,
            records: records.len() as u32,
            attachments: count as u16,
        });
        if let Some(ack) = ack {
            inbox.acks.push_back(ack);
        }
        mailbox.accepted += 1;
        drop(mailbox);
        self.wake();
        Ok(())
    }

    pub(crate) fn has_mail(&self) -> bool {
        self.mail.load(Ordering::Acquire)
    }

    /// The driver takes everything; `taken` is empty and gives its memory for what comes next. The number of the packet
    /// accepted last.
    pub(crate) fn take_inbox(&self, taken: &mut Box<Inbox>) -> u64 {
        // Before the look inside: what comes after it wakes again. Not a plain store: whoever found the mark set, and so did
        // not wake, has written something before (what is waited for, say), which is seen from here on.
        self.mail.swap(false, Ordering::AcqRel);
        let mut mailbox = lock(&self.mailbox);
        if let Some(inbox) = &mut mailbox.inbox
            && !inbox.entries.is_empty()
        {
            std::mem::swap(inbox, taken);
            // Counted without a gap, until the driver tells what the core really keeps.
            self.queued.fetch_add(taken.size, Ordering::Relaxed);
            self.queued_packets
                .fetch_add(taken.packets, Ordering::Relaxed);
            self.waiting_acks
                .fetch_add(taken.ack_places, Ordering::Relaxed);
        }
        mailbox.accepted
    }

    /// The number of the packet accepted last.
    pub(crate) fn accepted(&self) -> u64 {
        lock(&self.mailbox).accepted
    }

    /// Waits until listeners know of all packets that have been given up so far.
    pub(crate) async fn told(&self) {
        if !self.gave_up.load(Ordering::Acquire) {
            return;
        }
        let untold = |nsp: &&Arc<NspShared>| nsp.untold.load(Ordering::Acquire) > 0;
        let nsps: Vec<_> = lock(&self.nsps).iter().filter(untold).cloned().collect();
        for nsp in nsps {
            let (done, told) = oneshot::channel();
            if self.command(Command::Told {
                nsp: nsp.index,
                done,
            }) {
                // An error: the connection has ended, and with it whatever could be waited for.
                let _ = told.await;
            }
        }
    }

    /// Whether less than half of what may be kept for sending is in use, or nothing is sent any more.
    pub(crate) fn has_room(&self) -> bool {
        let mailbox = lock(&self.mailbox);
        let inbox = mailbox.inbox.as_ref();
        let (size, packets) = inbox.map_or((0, 0), |inbox| (inbox.size, inbox.packets));
        mailbox.closed
            || size + self.queued.load(Ordering::Relaxed) <= self.limits.send / 2
                && packets + self.queued_packets.load(Ordering::Relaxed) <= self.limits.packets / 2
    }

    /// Whether the driver has ended.
    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.mailbox).closed
    }

    /// Messages that wait for being sent.
    pub(crate) fn queued_packets(&self) -> usize {
        let mailbox = lock(&self.mailbox);
        let waiting = mailbox.inbox.as_ref().map_or(0, |inbox| inbox.packets);
        waiting + self.queued_packets.load(Ordering::Relaxed)
    }

    /// Counts the namespaces with listeners to outgoing events anew after those of `nsp` may have changed.
    pub(crate) fn sync_outgoing(&self, nsp: &NspShared) {
        let mut count = lock(&self.outgoing);
        let any = nsp.handlers.has_outgoing();
        if nsp.outgoing.swap(any, Ordering::AcqRel) == any {
            return;
        }
        let before = *count;
        *count = if any {
            before + 1
        } else {
            before.saturating_sub(1)
        };
        if (before == 0) != (*count == 0) {
            // Under the lock, so that the last command is the last word.
            self.command(Command::ReportOutgoing(*count > 0));
        }
    }

    pub(crate) fn transport(&self) -> Option<Transport> {
        match self.transport.load(Ordering::Relaxed) {
            1 => Some(Transport::Polling),
            2 => Some(Transport::WebSocket),
            _ => None,
        }
    }

    pub(crate) fn set_transport(&self, transport: Option<Transport>) {
        let number = match transport {
            None => 0,
            Some(Transport::Polling) => 1,
            Some(Transport::WebSocket) => 2,
        };
        self.transport.store(number, Ordering::Relaxed);
    }
}

impl Mailbox {
    #[inline]
    fn inbox(&mut self) -> &mut Inbox {
        self.inbox.get_or_insert_default()
    }

    /// Gives the memory back of an inbox that is empty.
    pub(crate) fn shrink(&mut self) {
        self.inbox.take_if(|inbox| inbox.entries.is_empty());
    }
}

impl Inbox {
    fn push_command(&mut self, command: Command) {
        self.entries.push(Entry {
            head: Head::Command,
            json: 0,
            records: 0,
            attachments: 0,
        });
        self.commands.push_back(command);
    }
}

/// What one packet costs beside its bytes, about: framing and tables.
const ENTRY: usize = 64;

/// The same of one in MessagePack, whose members have names: twice, when it may be sent again.
const PACKED_ENTRY: usize = 160;
