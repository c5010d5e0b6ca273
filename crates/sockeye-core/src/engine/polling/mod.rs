//! What only long-polling needs of a session; nothing of it is in a build without the feature.

pub(super) mod cookies;

use core::time::Duration;

use crate::Instant;
use crate::config::{EIO3, POLLING};
#[cfg(feature = "eio3")]
use crate::packet::payload3::Reader;
use cookies::Jar;

/// A connection that was used within this time cannot have been closed by the server for being idle: if it breaks, the
/// network has broken it, or something between, and the server may have taken the request. (The shortest limit of the
/// servers in use is 1 s; somebody may have set a shorter one.)
const RESTED: Duration = Duration::from_millis(50);

/// A POST that was written whole is sent again when so much time has passed since its connection broke and the session
/// stands: what breaks the connections of both requests is not the server closing an idle one.
pub(super) const GRACE: Duration = Duration::from_millis(100);

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
    /// The POST under way is to be sent again on a new connection, from this time on: the server had closed the old one.
    again: Option<Instant>,
    /// When a POST was answered last.
    answered: Instant,
    /// The connection of the POST under way had been idle for a while.
    rested: bool,
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
        again: None,
        answered: Instant::ZERO,
        rested: false,
        skipped: None,
        ended: false,
        #[cfg(feature = "eio3")]
        reader: Reader::NEW,
    };

    /// A session begins; cookies stay.
    pub(super) const fn reset(&mut self) {
        self.lead = Lead::Nothing;
        self.lead_unwritten = false;
        self.again = None;
        self.skipped = None;
        self.ended = false;
        #[cfg(feature = "eio3")]
        {
            self.reader = Reader::NEW;
        }
    }

    /// A POST goes out.
    pub(super) fn begin(&mut self, now: Instant) {
        self.again = None;
        self.rested = now >= self.answered + RESTED;
    }

    /// A POST has been answered.
    pub(super) const fn answered(&mut self, now: Instant) {
        self.answered = now;
    }

    /// Whether the server may have closed the connection for being idle, as the POST under way went out.
    pub(super) const fn is_rested(&self) -> bool {
        self.rested
    }

    /// The POST under way is sent again, if the session still stands at that time.
    pub(super) const fn repeat(&mut self, at: Instant) {
        self.again = Some(at);
    }

    /// The session ends: nothing is sent again.
    pub(super) const fn forget_repetition(&mut self) {
        self.again = None;
    }

    /// Whether a POST is to be sent again, now or in a moment.
    pub(super) const fn is_repeating(&self) -> bool {
        POLLING && self.again.is_some()
    }

    /// When a POST may be sent again that has to wait for it.
    pub(super) fn repeats_at(&self, now: Instant) -> Option<Instant> {
        self.again.filter(|at| now < *at)
    }
}
