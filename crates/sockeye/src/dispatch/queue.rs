//! The queue of a namespace: its events, answers and notices, in the order in which they arrived.
//!
//! The driver writes, the namespace's dispatcher reads. What lies between them is one [`Load`], swapped as a whole, so
//! that neither waits for the other and a burst costs no allocation for each event.

use std::sync::Arc;

use sockeye_core::packet::{Args as ArgsRef, Attachments};
use sockeye_core::{AckRequest, Message, Outgoing, PlainEvent};

use crate::client::ack::AckError;
use crate::client::args::Args;
use crate::client::error::{ConnectError, Notice};
use crate::inbox::{AckSender, NspShared, lock};
use crate::sync::{AtomicWaker, Mutex};

/// What each entry of a queue is counted for, beside its text and attachments.
pub(crate) const ENTRY: usize = 64;
/// More memory than this is not kept for the next load. What one read brings (64 KiB) takes less, so that a steady
/// flow of events costs no allocations.
const KEEP: usize = 256 << 10;

/// Something that user code waits for by a future.
pub(crate) enum Answer {
    Ack(AckSender, Result<Args, AckError>),
    /// What calls of `connect` with tickets below `upto` came to.
    Connect {
        nsp: Arc<NspShared>,
        upto: u64,
        result: Result<(), ConnectError>,
    },
    /// Something of the driver's own, to be done when its turn comes.
    Call(Box<dyn FnOnce() + Send>),
}

impl Answer {
    pub(crate) fn send(self) {
        // The receiver may be gone: then nobody cares.
        match self {
            Self::Ack(sender, result) => drop(sender.send(result)),
            Self::Connect { nsp, upto, result } => nsp.connects.resolve_upto(upto, &result),
            Self::Call(call) => call(),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Ack(_, Ok(args)) => args.size(),
            _ => 0,
        }
    }
}

/// A notice, told so many times: a server may send any number of pings in one read, which are one entry then.
pub(crate) struct Told {
    pub(crate) notice: Notice,
    pub(crate) times: u32,
}

/// What the bytes of an event are: so many are its name, and so on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    pub(crate) name: u32,
    pub(crate) args: ArgsPart,
    pub(crate) records: u32,
}

/// The arguments of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ArgsPart {
    /// So many bytes of text, with so many attachments, which are the records.
    Text { len: u32, attachments: u16 },
    /// So many arguments in MessagePack: they are the records.
    #[cfg(feature = "msgpack")]
    Packed { count: u32 },
}

impl Parts {
    /// Bytes of all of them.
    pub(crate) const fn size(&self) -> usize {
        let text = match self.args {
            ArgsPart::Text { len, .. } => len as usize,
            #[cfg(feature = "msgpack")]
            ArgsPart::Packed { .. } => 0,
        };
        self.name as usize + text + self.records as usize
    }
}

pub(crate) enum Item {
    Message {
        parts: Parts,
        ack: Option<AckRequest>,
    },
    Outgoing(Box<(Box<str>, Args)>),
    /// The next of the answers, and its size. It may have been let through already.
    Answer(u32),
    /// The next of the notices. It may have been told already.
    Notice,
}

/// What may be taken out before its turn.
pub(crate) struct Early<T> {
    list: Vec<Option<T>>,
    /// Those before this one are gone.
    from: usize,
    /// Those before this one have had their turn.
    turn: usize,
}

// (Not derived: that would ask for `T: Default`.)
impl<T> Default for Early<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Early<T> {
    const fn new() -> Self {
        Self {
            list: Vec::new(),
            from: 0,
            turn: 0,
        }
    }

    fn push(&mut self, item: T) {
        self.list.push(Some(item));
    }

    /// The next one, before its turn.
    pub(crate) fn next_early(&mut self) -> Option<T> {
        let item = self.list.get_mut(self.from)?.take();
        self.from += 1;
        item
    }

    /// The turn of one has come: if it has not been taken before.
    pub(crate) fn take_turn(&mut self) -> Option<T> {
        let at = self.turn;
        self.turn += 1;
        if at < self.from {
            return None;
        }
        self.from = at + 1;
        self.list.get_mut(at)?.take()
    }

    fn is_spent(&self) -> bool {
        self.from >= self.list.len()
    }

    fn clear(&mut self) {
        self.list.clear();
        (self.from, self.turn) = (0, 0);
    }
}

/// What happened, in order. Bytes of events lie end to end.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) items: Vec<Item>,
    /// Names and arguments: UTF-8, which is checked again when it becomes text, for all at once.
    bytes: Vec<u8>,
    /// The same in a load that has been taken.
    pub(crate) text: String,
    /// Attachments, and arguments in MessagePack.
    pub(crate) records: Vec<u8>,
    /// May overtake others. Those of a load in hand are in [`Queue::hand`].
    pub(crate) answers: Early<Answer>,
    /// May overtake others.
    pub(crate) notices: Early<Told>,
}

impl Load {
    /// Empties it. The memory of a burst goes back.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        if self.bytes.capacity() == 0 {
            self.bytes = std::mem::take(&mut self.text).into_bytes();
        }
        self.text.clear();
        self.bytes.clear();
        self.records.clear();
        self.answers.clear();
        self.notices.clear();
        let size = self.text.capacity()
            + self.bytes.capacity()
            + self.records.capacity()
            + self.items.capacity() * size_of::<Item>()
            + self.answers.list.capacity() * size_of::<Answer>()
            + self.notices.list.capacity() * size_of::<Told>();
        if size > KEEP {
            *self = Self::default();
        }
    }

    fn message(&mut self, message: &Message<'_>) -> usize {
        let before = self.bytes.len();
        match message.name.as_plain() {
            Some(name) => self.bytes.extend_from_slice(name.as_bytes()),
            None => self
                .bytes
                .extend_from_slice(message.name.to_cow().as_bytes()),
        }
        let name = (self.bytes.len() - before) as u32;
        let (args, records) = self.args(&message.args);
        let parts = Parts {
            name,
            args,
            records: records as u32,
        };
        self.items.push(Item::Message {
            parts,
            ack: message.ack,
        });
        parts.size()
    }

    /// Takes arguments as they came: what they are, and bytes of records.
    fn args(&mut self, args: &ArgsRef<'_>) -> (ArgsPart, usize) {
        #[cfg(feature = "msgpack")]
        if let Some((items, count)) = args.as_packed() {
            self.records.extend_from_slice(items);
            return (ArgsPart::Packed { count }, items.len());
        }
        let (json, attachments) = (args.json(), args.attachments());
        self.bytes.extend_from_slice(json.as_bytes());
        self.records.extend_from_slice(attachments.as_records());
        let part = ArgsPart::Text {
            len: json.len() as u32,
            attachments: attachments.len() as u16,
        };
        (part, attachments.as_records().len())
    }

    #[inline]
    fn plain(&mut self, event: &PlainEvent<'_>) -> usize {
        let (name, args) = (event.name, event.args);
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(args);
        let parts = Parts {
            name: name.len() as u32,
            args: ArgsPart::Text {
                len: args.len() as u32,
                attachments: 0,
            },
            records: 0,
        };
        self.items.push(Item::Message { parts, ack: None });
        name.len() + args.len()
    }

    /// It has been taken: its bytes are read as text.
    fn read(&mut self) {
        self.text = text(std::mem::take(&mut self.bytes));
    }
}

/// Bytes as text: the parts of it stay where they are, whatever the bytes.
///
/// Each part was found to be text when it arrived, and is an event that must not be lost should that ever be wrong: a byte
/// that is none of any character becomes a question mark, which only who reads this very part meets.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| mended(&error.into_bytes()))
}

#[cold]
fn mended(bytes: &[u8]) -> String {
    tracing::error!("an event is not UTF-8, although it was checked: a bug in this library");
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

/// What the dispatcher of a namespace is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is none yet: it is started with the first entry.
    Unborn,
    /// It waits for entries.
    Idle,
    /// It works through what it has taken.
    Busy,
    /// It awaits a handler: answers pass.
    Awaiting,
    /// It waits for room in a stream: answers and notices pass.
    Full,
    /// It is gone: the namespace or the connection has ended, or the runtime.
    Dead,
}

/// Whether a dispatcher has to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    No,
    Wake,
    Start,
    /// There is none any more: what is left goes to the streams.
    Flush,
}

struct Inner {
    /// Made with the first entry: most connections of many have nothing to tell.
    load: Option<Box<Load>>,
    phase: Phase,
    /// The driver is writing, and has not called the dispatcher yet. What it writes is taken after that: until then it
    /// has not shown handles what the entries tell (that the namespace is joined, say).
    touched: bool,
    ended: bool,
}

impl Inner {
    #[inline]
    fn load(&mut self) -> &mut Load {
        self.load.get_or_insert_default()
    }

    fn is_empty(&self) -> bool {
        self.load.as_ref().is_none_or(|load| load.items.is_empty())
    }
}

pub(crate) struct Queue {
    inner: Mutex<Inner>,
    /// The answers among what the dispatcher is working through: here, so that a handler that blocks its thread can let
    /// them pass.
    hand: Mutex<Early<Answer>>,
    pub(crate) waker: AtomicWaker,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                load: None,
                phase: Phase::Unborn,
                touched: false,
                ended: false,
            }),
            hand: Mutex::new(Early::new()),
            waker: AtomicWaker::new(),
        }
    }

    /// Writes an entry: its size, and whether it is the first one since the dispatcher was last called.
    #[inline]
    fn write(&self, write: impl FnOnce(&mut Load) -> usize) -> (usize, bool) {
        let mut inner = lock(&self.inner);
        let size = ENTRY + write(inner.load());
        (size, !std::mem::replace(&mut inner.touched, true))
    }

    pub(crate) fn message(&self, message: &Message<'_>) -> (usize, bool) {
        self.write(|load| load.message(message))
    }

    #[inline]
    pub(crate) fn plain(&self, event: &PlainEvent<'_>) -> (usize, bool) {
        self.write(|load| load.plain(event))
    }

    pub(crate) fn outgoing(&self, outgoing: &Outgoing<'_>) -> Option<(usize, bool)> {
        let event = outgoing_event(outgoing)?;
        Some(self.write(|load| {
            let size = event.0.len() + event.1.size();
            load.items.push(Item::Outgoing(Box::new(event)));
            size
        }))
    }

    pub(crate) fn notice(&self, notice: &Notice) -> (usize, bool) {
        let mut inner = lock(&self.inner);
        let load = inner.load();
        if matches!(notice, Notice::Ping)
            && matches!(load.items.last(), Some(Item::Notice))
            && let Some(Some(last)) = load.notices.list.last_mut()
            && matches!(last.notice, Notice::Ping)
        {
            last.times = last.times.saturating_add(1);
            return (0, false);
        }
        load.items.push(Item::Notice);
        load.notices.push(Told {
            notice: notice.clone(),
            times: 1,
        });
        (ENTRY, !std::mem::replace(&mut inner.touched, true))
    }

    /// Takes an answer in if earlier entries have to come first. Otherwise it is given back: it may go straight.
    pub(crate) fn answer(&self, answer: Answer) -> Result<(usize, bool), Answer> {
        let mut inner = lock(&self.inner);
        match inner.phase {
            // All answers before it have passed when one of these began.
            Phase::Awaiting | Phase::Full | Phase::Dead => return Err(answer),
            Phase::Unborn | Phase::Idle if inner.is_empty() => return Err(answer),
            Phase::Unborn | Phase::Idle | Phase::Busy => (),
        }
        let size = answer.size();
        let load = inner.load();
        load.items.push(Item::Answer(size as u32));
        load.answers.push(answer);
        Ok((ENTRY + size, !std::mem::replace(&mut inner.touched, true)))
    }

    /// The driver has written what there is for now.
    pub(crate) fn written(&self) -> Call {
        let mut inner = lock(&self.inner);
        inner.touched = false;
        match inner.phase {
            Phase::Unborn => {
                inner.phase = Phase::Busy;
                Call::Start
            }
            // (It may have come by itself and taken everything.)
            Phase::Idle if inner.is_empty() => Call::No,
            Phase::Idle => {
                inner.phase = Phase::Busy;
                Call::Wake
            }
            Phase::Full => Call::Wake,
            Phase::Busy | Phase::Awaiting => Call::No,
            Phase::Dead => Call::Flush,
        }
    }

    /// Nothing more will be written. Whether there is no dispatcher that would do the last things.
    pub(crate) fn end(&self) -> bool {
        let mut inner = lock(&self.inner);
        inner.ended = true;
        let alone = matches!(inner.phase, Phase::Unborn | Phase::Dead);
        if alone {
            inner.phase = Phase::Dead;
        }
        drop(inner);
        self.waker.wake();
        alone
    }

    // ---- the dispatcher's side ----

    /// Exchanges the empty `load` for what there is; `None` at the end, `false` if there is nothing (the dispatcher is
    /// idle then).
    pub(crate) fn take(&self, load: &mut Load) -> Option<bool> {
        let mut inner = lock(&self.inner);
        if inner.is_empty() && inner.ended {
            return None;
        }
        if inner.is_empty() || inner.touched {
            inner.phase = Phase::Idle;
            return Some(false);
        }
        inner.phase = Phase::Busy;
        std::mem::swap(inner.load(), load);
        std::mem::swap(&mut *lock(&self.hand), &mut load.answers);
        drop(inner);
        load.read();
        Some(true)
    }

    /// The turn of an answer in hand has come: if it has not passed before.
    pub(crate) fn take_turn(&self) -> Option<Answer> {
        lock(&self.hand).take_turn()
    }

    /// Takes the answers in hand back.
    pub(crate) fn take_hand(&self) -> Early<Answer> {
        std::mem::take(&mut *lock(&self.hand))
    }

    /// A handler is awaited, or (`full`) a stream has no room: answers pass from now on, after those in hand.
    pub(crate) fn let_pass(&self, full: bool) {
        let mut passing = Vec::new();
        loop {
            while let Some(answer) = self.next_in_hand() {
                answer.send();
            }
            passing.drain(..).for_each(Answer::send);
            let mut inner = lock(&self.inner);
            let waiting = &mut inner.load().answers;
            if waiting.is_spent() {
                inner.phase = if full { Phase::Full } else { Phase::Awaiting };
                return;
            }
            // Sent without the lock, and before the phase tells the driver that later ones may pass.
            while let Some(answer) = waiting.next_early() {
                passing.push(answer);
            }
        }
    }

    fn next_in_hand(&self) -> Option<Answer> {
        lock(&self.hand).next_early()
    }

    /// A handler blocks the dispatcher's thread: answers pass meanwhile. Whether they did not before: then
    /// [`go_on`](Self::go_on) follows.
    #[cfg(feature = "blocking")]
    pub(crate) fn let_pass_blocked(&self) -> bool {
        let busy = lock(&self.inner).phase == Phase::Busy;
        if busy {
            self.let_pass(false);
        }
        busy
    }

    /// Answers wait for their turn again.
    pub(crate) fn go_on(&self) {
        lock(&self.inner).phase = Phase::Busy;
    }

    /// The next notice before its turn.
    pub(crate) fn early_notice(&self) -> Option<Told> {
        let mut inner = lock(&self.inner);
        if inner.touched {
            return None;
        }
        inner.load.as_mut()?.notices.next_early()
    }

    /// The dispatcher is gone: what it has not taken.
    pub(crate) fn take_rest(&self) -> (Load, bool) {
        let mut inner = lock(&self.inner);
        inner.phase = Phase::Dead;
        let mut rest = std::mem::take(inner.load());
        rest.read();
        (rest, inner.ended)
    }
}

/// Name and arguments of an event that is being sent.
fn outgoing_event(outgoing: &Outgoing<'_>) -> Option<(Box<str>, Args)> {
    let mut records = Vec::new();
    let mut count = 0;
    for attachment in outgoing.attachments() {
        records.extend_from_slice(&(attachment.len() as u32).to_le_bytes());
        records.extend_from_slice(attachment);
        count += 1;
    }
    let attachments = Attachments::from_records(&records, count).unwrap_or(Attachments::EMPTY);
    // Written by this client: the check of what servers write does not let a value pass that only looks like the place of an
    // attachment, and the event would not be told.
    let mut all = ArgsRef::from_checked(outgoing.data(), attachments);
    let name = all.next_text().ok()?.to_cow().into();
    let rest: Vec<&str> = all.iter_raw().skip(1).collect();
    let json = format!("[{}]", rest.join(","));
    let args = ArgsRef::from_checked(&json, attachments);
    Some((name, Args::from_ref(&args)))
}

#[cfg(test)]
#[path = "tests_queue.rs"]
mod tests;
