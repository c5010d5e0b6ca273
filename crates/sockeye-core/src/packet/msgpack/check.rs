//! Looks through a packet without making anything of it: what can be read where it lies.

use alloc::vec::Vec;

use super::read::{Head, MARK, Reader, is_date};
use crate::packet::json::{self, MAX_DEPTH};
use crate::packet::socket::{Kind, Parsed, Span, is_reserved, may_be_reserved};
use crate::packet::text::Text;

/// An event or an acknowledgement whose arguments are read where they lie, as places in the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InPlace {
    /// As if it had come as text; `data` is the array of name and arguments, to its end.
    pub(crate) parsed: Parsed,
    /// Where the first argument begins.
    pub(crate) from: u32,
    /// How many there are.
    pub(crate) count: u32,
    /// The last argument is a text that JSON would escape: as an offset for recovery it has to be.
    pub(crate) odd_last: bool,
}

/// An array or a map that has been begun: the values that are still to come, or pairs of them.
#[derive(Clone, Copy, Debug)]
struct Open {
    left: u32,
    map: bool,
}

/// Looks through packets. The memory is used again.
#[derive(Debug)]
pub(crate) struct Check {
    open: Vec<Open>,
}

/// What has been seen of the arguments.
#[derive(Default)]
struct Seen {
    binaries: u32,
    /// At least as many bytes as text and attachments would have together.
    bytes: usize,
}

/// The places of `data`.
struct Data {
    /// The name of an event, or the first argument of an acknowledgement.
    first: usize,
    second: usize,
    count: u32,
    start: usize,
    end: usize,
    last: usize,
    seen: Seen,
}

fn span(start: usize, end: usize) -> Span {
    Span {
        start: start as u32,
        end: end as u32,
    }
}

/// Whether it is a text in which JSON would escape nothing.
#[inline]
fn is_plain_text(text: &[u8]) -> bool {
    json::is_plain_ascii(text) || json::is_plain(text) && core::str::from_utf8(text).is_ok()
}

impl Check {
    pub(crate) const fn new() -> Self {
        Self { open: Vec::new() }
    }

    /// The packet, if it is an event or an acknowledgement as the official parsers send them, within the limits. `None`
    /// for all others, whatever the reason: what is to become of those, and what is wrong with them, [`super::decode`]
    /// knows, which makes them text. So nothing is accepted here that is refused there.
    pub(crate) fn in_place(&mut self, message: &[u8], limit: usize, most: u16) -> Option<InPlace> {
        let mut reader = Reader::new(message, 0);
        let Ok(Head::Map(members)) = reader.head() else {
            return None;
        };
        let (mut kind, mut nsp, mut id, mut data) = (None, None, None, None);
        for _ in 0..members {
            let Ok(Head::Str(name)) = reader.head() else {
                return None;
            };
            // Of equal members the last one counts: that is for the slow way.
            match name {
                b"type" if kind.is_none() => kind = Some(reader.head().ok()?.as_u64()?),
                b"nsp" if nsp.is_none() => {
                    let Ok(Head::Str(name)) = reader.head() else {
                        return None;
                    };
                    let end = reader.position();
                    nsp = Some((name, span(end - name.len(), end)));
                }
                b"id" if id.is_none() => {
                    id = Some(match reader.head().ok()? {
                        Head::Nil | Head::Undefined => None,
                        number => Some(number.as_u64()?),
                    });
                }
                b"data" if data.is_none() => data = Some(self.data(&mut reader, limit, most)?),
                b"type" | b"nsp" | b"id" | b"data" => return None,
                _ => reader.skip().ok()?,
            }
        }
        if !reader.is_at_end() {
            return None;
        }
        let ((nsp, nsp_span), id, data) = (nsp?, id.flatten(), data?);
        let kind = match kind? {
            2 | 5 => Kind::Event,
            3 | 6 if id.is_some() => Kind::Ack,
            _ => return None,
        };
        let named = nsp == b"/"
            || nsp.first() == Some(&b'/')
                && !nsp.contains(&b',')
                && core::str::from_utf8(nsp).is_ok();
        if !named {
            return None;
        }
        // The text would have in front of the data: type, number of attachments, namespace, id.
        if data.seen.bytes.saturating_add(1 + 6 + nsp.len() + 1 + 20) > limit {
            return None;
        }
        let mut parsed = Parsed {
            kind,
            nsp: if nsp == b"/" { Span::EMPTY } else { nsp_span },
            id,
            attachments: data.seen.binaries,
            data: span(data.start, data.end),
            ..Parsed::EMPTY
        };
        let (mut from, mut count) = (data.first, data.count);
        if kind == Kind::Event {
            let Ok(Head::Str(name)) = Reader::new(message, data.first).head() else {
                return None;
            };
            // One that JSON would escape is for the slow way, because a name is told as JSON spells it.
            if !is_plain_text(name) {
                return None;
            }
            if may_be_reserved(name)
                && core::str::from_utf8(name).is_ok_and(|name| is_reserved(&Text::from_raw(name)))
            {
                return None;
            }
            (from, count) = (data.second, data.count.checked_sub(1)?);
            parsed.name = span(from - name.len(), from);
        }
        let mut odd_last = false;
        if count > 0
            && let Ok(Head::Str(last)) = Reader::new(message, data.last).head()
        {
            odd_last = !json::is_plain(last);
            parsed.last_text = span(data.end - last.len(), data.end);
        }
        Some(InPlace {
            parsed,
            from: from as u32,
            count,
            odd_last,
        })
    }

    /// Looks through the array of name and arguments.
    fn data(&mut self, reader: &mut Reader<'_>, limit: usize, most: u16) -> Option<Data> {
        let start = reader.position();
        let Ok(Head::Array(count)) = reader.head() else {
            return None;
        };
        let first = reader.position();
        let (mut second, mut last) = (first, first);
        let mut seen = Seen {
            binaries: 0,
            bytes: 2,
        };
        for n in 0..count {
            last = reader.position();
            self.value(reader, &mut seen)?;
            if n == 0 {
                second = reader.position();
            }
            if seen.bytes > limit || seen.binaries > most.into() {
                return None;
            }
        }
        Some(Data {
            first,
            second,
            count,
            start,
            end: reader.position(),
            last,
            seen,
        })
    }

    /// Looks through one argument.
    fn value(&mut self, reader: &mut Reader<'_>, seen: &mut Seen) -> Option<()> {
        self.open.clear();
        loop {
            let head = reader.head().ok()?;
            if let Head::Array(left) | Head::Map(left) = head {
                if self.open.len() >= MAX_DEPTH as usize {
                    return None;
                }
                seen.bytes += 3;
                let map = matches!(head, Head::Map(_));
                self.open.push(Open { left, map });
            } else {
                seen.single(head)?;
            }
            // On to the next value.
            loop {
                let Some(last) = self.open.last_mut() else {
                    return Some(());
                };
                let Some(left) = last.left.checked_sub(1) else {
                    self.open.pop();
                    continue;
                };
                last.left = left;
                if last.map {
                    // Keys that JSON would escape, or that are no text, are for the slow way.
                    let Ok(Head::Str(key)) = reader.head() else {
                        return None;
                    };
                    if !is_plain_text(key) {
                        return None;
                    }
                    // One that looks like a placeholder's has another in front of it.
                    let mark = if key == MARK { 24 } else { 3 };
                    seen.bytes += key.len() + mark;
                }
                break;
            }
        }
    }

    /// Gives large memory back.
    pub(crate) fn tidy(&mut self) {
        if self.open.capacity() > 2 * MAX_DEPTH as usize {
            self.open = Vec::new();
        }
    }
}

impl Seen {
    /// A value without elements. `None` for what no official parser sends, and what is no Unicode.
    fn single(&mut self, head: Head<'_>) -> Option<()> {
        self.bytes = self.bytes.saturating_add(match head {
            Head::Nil | Head::Undefined | Head::Bool(_) => 6,
            Head::Uint(_) | Head::Int(_) => 21,
            Head::Float(_) => 32,
            Head::Date(time) if is_date(time) => 32,
            Head::Str(text) if json::is_plain_ascii(text) => text.len().checked_add(3)?,
            Head::Str(text) => {
                core::str::from_utf8(text).ok()?;
                // A control character has six.
                let most = if json::is_plain(text) { 1 } else { 6 };
                text.len().checked_mul(most)?.checked_add(3)?
            }
            Head::Bin(bytes) => {
                self.binaries += 1;
                // A placeholder, and the length of the record.
                bytes.len().checked_add(48)?
            }
            Head::Date(_) | Head::Ext(..) | Head::Array(_) | Head::Map(_) => return None,
        });
        Some(())
    }
}
