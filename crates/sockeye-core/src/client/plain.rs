//! The shortest way: plain events and answers, past the description of a packet.

use super::Client;
use super::acks::NO_ID;
use super::event::Message;
use crate::features::RECOVERY;
use crate::handle::{AckId, NamespaceId};
use crate::memory::Index;
use crate::packet::socket::may_be_reserved;
use crate::packet::{Args, Attachments, Text, json};
use crate::slices;

/// An event of the plainest kind, as bytes: of the main namespace, with a name in which nothing is escaped, without
/// attachments, and nobody waits for an acknowledgement. The bytes are UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainEvent<'c> {
    /// The main namespace.
    pub nsp: NamespaceId,
    /// The name, without its quotes.
    pub name: &'c [u8],
    /// The arguments: a JSON array, as [`Args::json`] gives it.
    pub args: &'c [u8],
}

impl<'c> PlainEvent<'c> {
    /// The same event as [`Client::poll_output`] tells it.
    pub fn message(&self) -> Message<'c> {
        // (Checked when it arrived; `str` wants to know again.)
        let text = |bytes| core::str::from_utf8(bytes).unwrap_or_default();
        Message {
            nsp: self.nsp,
            name: Text::from_raw(text(self.name)),
            args: Args::from_checked(text(self.args), Attachments::EMPTY),
            ack: None,
        }
    }
}

/// An acknowledgement of the plainest kind, as bytes: of the main namespace, without attachments, of a packet that is not sent
/// again (`retries`). The bytes are UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainAnswer<'c> {
    /// What the emit gave out.
    pub id: AckId,
    /// The arguments: a JSON array, as [`Args::json`] gives it.
    pub args: &'c [u8],
}

impl<'c> PlainAnswer<'c> {
    /// The arguments as [`Client::poll_output`] tells them.
    pub fn args(&self) -> Args<'c> {
        // (As for events.)
        let text = core::str::from_utf8(self.args).unwrap_or_default();
        Args::from_checked(text, Attachments::EMPTY)
    }
}

/// Whether a packet's text can be read: it has to be UTF-8. Most is ASCII, which is seen sooner.
#[inline(always)]
fn is_text(text: &[u8]) -> bool {
    text.is_ascii() || core::str::from_utf8(text).is_ok()
}

/// The id on the wire of a plain answer, and where in the packet its arguments begin; `None` if it is no plain one, for
/// whatever reason.
#[inline(always)]
fn find_answer(text: &[u8]) -> Option<(u64, usize)> {
    let ([b'3', b'0'..=b'9', ..], [.., b']']) = (text, text) else {
        return None;
    };
    let (id, from) = slices::digits(text, 1);
    let array = text.get(from..)?;
    let plain = array.first() == Some(&b'[') && is_text(array) && json::check_value(array).is_ok();
    id.filter(|id| plain && *id != NO_ID).map(|id| (id, from))
}

/// Where in a packet a plain event has what it consists of: from here to there.
struct Places {
    name: (usize, usize),
    /// The comma behind the name, if arguments follow, and the end of the array.
    args: Option<(usize, usize)>,
    /// The inside of the last argument, if it is a string.
    last_text: Option<(usize, usize)>,
}

impl Places {
    /// Looks through the text of a packet; `None` if it is no plain event, for whatever reason.
    #[inline(always)]
    fn find(text: &[u8]) -> Option<Self> {
        let array @ [b'[', b'"', ..] = text.strip_prefix(b"2")? else {
            return None;
        };
        if !is_text(text) {
            return None;
        }
        let scan = json::scan_array(array).ok()?;
        // Places in the text: it has one byte more in front than the array. Of a string, the inside.
        let inside = |from: u32, to: u32| (from as usize + 2, to as usize);
        let name = inside(scan.first.start, scan.first.end);
        let raw = text.get(name.0..name.1)?;
        if may_be_reserved(raw) || !json::is_plain(raw) {
            return None;
        }
        let is_text = RECOVERY && array.get(scan.last.start as usize) == Some(&b'"');
        Some(Self {
            name,
            args: scan.rest.map(|comma| (comma as usize + 1, scan.end + 1)),
            last_text: (is_text && scan.count > 1).then(|| inside(scan.last.start, scan.last.end)),
        })
    }
}

impl Client<'_> {
    /// The next event from the server, if it is a plain one and nothing else is to be told or done before it: what
    /// [`poll_output`](Self::poll_output) would tell next, at less cost. `None` says nothing: poll for an output then.
    /// What the event borrows is released by the next of either.
    #[inline]
    pub fn poll_plain(&mut self) -> Option<PlainEvent<'_>> {
        let nsp = self.plain_way()?;
        let (places, text) = self.engine.next_text_if(Places::find)?;
        self.inbound.whole_text();
        if let Some(last) = places.last_text
            && let Some(entry) = self.namespaces.get_mut(nsp)
            && entry.recovery.is_on()
            && let Some(Ok(offset)) = text.get(last.0..last.1).map(core::str::from_utf8)
        {
            entry.recovery.received(offset);
        }
        // The comma behind the name becomes the bracket of the arguments: they are one JSON array in place.
        if let Some((comma, _)) = places.args
            && let Some(byte) = text.get_mut(comma)
        {
            *byte = b'[';
        }
        Some(PlainEvent {
            nsp,
            name: text.get(places.name.0..places.name.1).unwrap_or_default(),
            args: match places.args {
                Some((from, to)) => text.get(from..to).unwrap_or_default(),
                None => b"[]",
            },
        })
    }
    /// The next acknowledgement from the server, likewise: of those that [`pending_acks`](Self::pending_acks) counts.
    #[inline]
    pub fn poll_plain_answer(&mut self) -> Option<PlainAnswer<'_>> {
        if self.acks.asked() == 0 {
            return None;
        }
        let nsp = self.plain_way()?;
        let acks = &self.acks;
        let ((id, place, from), _) = self.engine.next_text_if(|text| {
            let (wire, from) = find_answer(text)?;
            let place: Index = acks.find(nsp, wire)?;
            // One whose packet may be sent again has consequences, and one that nobody waits for is not told.
            let waited_for = acks
                .at(place)
                .is_some_and(|entry| !entry.silent && !entry.is_retry());
            Some((acks.id_at(place).filter(|_| waited_for)?, place, from))
        })?;
        self.inbound.whole_text();
        self.resolved(nsp, place, id);
        self.agenda.keep(true);
        Some(PlainAnswer {
            id,
            args: self.engine.message().get(from..).unwrap_or_default(),
        })
    }

    /// The main namespace, if the next packet may be taken the shortest way. What the last event has borrowed is released
    /// then.
    #[inline(always)]
    fn plain_way(&mut self) -> Option<NamespaceId> {
        if !self.engine.has_inputs() || !self.agenda.is_settled() {
            return None;
        }
        let nsp = self.namespaces.joined_main()?;
        if self.inbound.is_partial() || self.outbox.has_reports() {
            return None;
        }
        #[cfg(feature = "msgpack")]
        if self.engine.config().parser.packs() {
            return None;
        }
        self.release();
        Some(nsp)
    }
}
