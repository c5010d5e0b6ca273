//! What only long-polling needs of a session; nothing of it is in a build without the feature.

pub(super) mod cookies;

use crate::config::EIO3;
#[cfg(feature = "eio3")]
use crate::packet::payload3::Reader;
use cookies::Jar;

/// What stands in front of the packets in the body of a POST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lead {
    #[default]
    Nothing,
    /// An Engine.IO pong; in Engine.IO 3 a ping.
    Pong,
    /// An Engine.IO close packet, which goes alone: a server that finds it behind a DISCONNECT packet in one body sees
    /// the connection end before the namespace is left.
    Close,
}

impl Lead {
    /// Its bytes, in Engine.IO 3 with what goes in front of each packet there.
    pub(super) const fn bytes(self, v3: bool) -> &'static [u8] {
        match self {
            Self::Pong if EIO3 && v3 => b"\x00\x01\xff2",
            Self::Close if EIO3 && v3 => b"\x00\x01\xff1",
            Self::Nothing => b"",
            Self::Pong => b"3",
            Self::Close => b"1",
        }
    }
}

#[derive(Debug)]
pub(super) struct Polling {
    pub(super) cookies: Jar,
    /// What leads the POST under way.
    pub(super) lead: Lead,
    /// It has not been written yet.
    pub(super) lead_unwritten: bool,
    /// The POST under way is to be sent again on a new connection: the server had closed the old one.
    pub(super) again: bool,
    /// A polled message that does not fit is being skipped: whether it is binary, and its bytes so far.
    pub(super) skipped: Option<(bool, u64)>,
    /// The response has ended; its last packet has been handed over.
    pub(super) ended: bool,
    /// How far the payload of an Engine.IO 3 server has been read.
    #[cfg(feature = "eio3")]
    pub(super) reader: Reader,
}

impl Polling {
    pub(super) const NEW: Self = Self {
        cookies: Jar::EMPTY,
        lead: Lead::Nothing,
        lead_unwritten: false,
        again: false,
        skipped: None,
        ended: false,
        #[cfg(feature = "eio3")]
        reader: Reader::NEW,
    };

    /// A session begins; cookies stay.
    pub(super) const fn reset(&mut self) {
        self.lead = Lead::Nothing;
        self.lead_unwritten = false;
        self.again = false;
        self.skipped = None;
        self.ended = false;
        #[cfg(feature = "eio3")]
        {
            self.reader = Reader::NEW;
        }
    }
}
