//! The shortest way: plain events, past the description of a packet.

use super::Client;
use super::event::Message;
use crate::features::RECOVERY;
use crate::handle::NamespaceId;
use crate::packet::socket::may_be_reserved;
use crate::packet::{Args, Attachments, Text, json};

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
        // Most is ASCII, which is seen sooner.
        if !text.is_ascii() && core::str::from_utf8(text).is_err() {
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
        if !self.engine.has_inputs() || !self.quiet.is_settled() || !self.notices.is_empty() {
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
}
