//! Binary messages of Engine.IO 3: their type goes in front of them, as a byte.
//!
//! In a WebSocket frame there is no room for it between header and payload, and in version 4 there must be none. So it
//! leaves as a first fragment of its own, one byte long, and the frame that lies in the area is the second and last one.
//! A packet with such messages is a write of its own.

use super::{Outbox, Write};
use crate::memory::Index;
use crate::wire::ws;

/// The first fragment of a binary message, with the type of a MESSAGE. What is known to everybody needs no key to hide it.
const FRAGMENT: &[u8] = &[ws::BINARY, 0x81, 0, 0, 0, 0, 4];

/// How far the packet under way has been written.
#[cfg(feature = "eio3")]
#[derive(Debug)]
pub(super) struct Typed {
    /// The session speaks Engine.IO 3.
    v3: bool,
    /// A packet with binary messages is being written.
    writing: bool,
    /// Where the next binary message begins, or the packet ends: as the `pos` of the write.
    next: usize,
    /// Bytes of the fragment that have been written there.
    fragment: usize,
    /// The fragment has been written whole, and the rest of its message is to follow.
    rest: bool,
}

#[cfg(feature = "eio3")]
impl Typed {
    pub(super) const OFF: Self = Self {
        v3: false,
        writing: false,
        next: 0,
        fragment: 0,
        rest: false,
    };

    pub(super) const fn is_writing(&self) -> bool {
        self.writing
    }

    /// Whether some of a message has been written, and not all of it.
    pub(super) const fn is_in_message(&self) -> bool {
        self.fragment > 0 || self.rest
    }

    /// The write has ended.
    pub(super) const fn end(&mut self) {
        *self = Self {
            v3: self.v3,
            ..Self::OFF
        };
    }

    /// What is written next at `pos`: the fragment, or the packet's own bytes up to a place. `pause` as for
    /// [`Outbox::ws_bytes`].
    pub(super) fn next(&self, pos: usize, pause: bool) -> Result<&'static [u8], usize> {
        if pos == self.next {
            let begun = self.fragment > 0 || !pause;
            return Ok(FRAGMENT
                .get(self.fragment..)
                .filter(|_| begun)
                .unwrap_or_default());
        }
        // Between fragment and rest only control frames may stand, and others come in between as well.
        if pause && pos == 0 && !self.rest {
            return Err(pos);
        }
        Err(self.next)
    }

    /// `n` bytes of what is next at `pos` have been written; the frame that begins there ends at `end`. Whether they were the
    /// fragment's.
    pub(super) const fn written(&mut self, pos: usize, n: usize, end: usize) -> bool {
        if pos == self.next {
            self.fragment += n;
            if self.fragment >= FRAGMENT.len() {
                self.fragment = 0;
                self.rest = true;
                self.next = end;
            }
            return true;
        }
        if pos + n >= self.next {
            self.rest = false;
        }
        false
    }
}

/// There are no such messages without the feature.
#[cfg(not(feature = "eio3"))]
#[derive(Debug)]
pub(super) struct Typed;

#[cfg(not(feature = "eio3"))]
#[allow(clippy::unused_self, reason = "as with the feature")]
impl Typed {
    pub(super) const OFF: Self = Self;

    pub(super) const fn is_writing(&self) -> bool {
        false
    }

    pub(super) const fn is_in_message(&self) -> bool {
        false
    }

    pub(super) const fn end(&mut self) {}

    pub(super) const fn next(&self, _pos: usize, _pause: bool) -> Result<&'static [u8], usize> {
        Ok(FRAGMENT)
    }

    pub(super) const fn written(&mut self, _pos: usize, _n: usize, _end: usize) -> bool {
        false
    }
}

impl Outbox<'_> {
    /// A session begins: whether it speaks Engine.IO 3.
    #[cfg(feature = "eio3")]
    pub(crate) const fn set_v3(&mut self, v3: bool) {
        self.typed.v3 = v3;
    }

    /// Whether the session speaks Engine.IO 3.
    #[allow(clippy::unused_self, reason = "as with the feature")]
    pub(super) const fn is_v3(&self) -> bool {
        #[cfg(feature = "eio3")]
        return self.typed.v3;
        #[cfg(not(feature = "eio3"))]
        return false;
    }

    /// The opcode of the frame in which a binary message lies.
    pub(super) const fn binary_opcode(&self) -> u8 {
        if self.is_v3() {
            ws::CONTINUATION
        } else {
            ws::BINARY
        }
    }

    /// Whether the packet has binary messages that have to say their type.
    pub(super) fn is_typed(&self, i: Index) -> bool {
        self.is_v3()
            && self.packets.get(i).is_some_and(|packet| {
                self.packs_binary() || packet.attachments() > 0 && !packet.by_post.is_base64()
            })
    }

    /// Where the frame ends that begins `at` bytes behind the first frame of the packet under way; as a `pos` of the write.
    pub(super) fn frame_behind(&self, at: usize) -> usize {
        let Write::Frames { skip, .. } = self.write else {
            return at;
        };
        let packet = self.writing.head().and_then(|i| self.packets.get(i));
        let header = packet
            .and_then(|packet| self.mem.get().get(packet.frame() + at..))
            .and_then(ws::read_header);
        header.map_or(at, |(header, len, _)| at + header + len) - skip
    }

    /// A typed packet has been framed, from `skip` on.
    #[cfg(feature = "eio3")]
    pub(super) fn begin_typed(&mut self, i: Index, skip: usize) {
        let text = !self.packs_binary()
            && self
                .packets
                .get(i)
                .is_some_and(|packet| packet.first() == 0);
        self.typed.end();
        self.typed.writing = true;
        self.typed.next = if text { self.frame_behind(skip) } else { 0 };
    }

    #[cfg(not(feature = "eio3"))]
    #[allow(clippy::unused_self, reason = "as with the feature")]
    pub(super) const fn begin_typed(&mut self, _i: Index, _skip: usize) {}
}
