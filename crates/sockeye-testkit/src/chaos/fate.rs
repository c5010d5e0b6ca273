//! What becomes of a connection, and the seed that says it.

use std::time::Duration;

use crate::Seeded;

/// How a connection ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Both sides get RST; what they had not read is lost.
    Reset,
    /// Both sides get FIN, after what was forwarded; the rest of what was under way is lost.
    Finish,
    /// Only the receiver of this direction gets FIN; the other direction goes on for this long, then come RSTs.
    HalfClose(Duration),
    /// Nothing passes any more in either direction, without a sign; after this long come RSTs.
    Stall(Duration),
    /// The server gets FIN at once; the client hears nothing any more, and gets RST after this long.
    Dark(Duration),
}

/// The direction in which bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What ends a connection before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where bytes are counted.
    pub way: Way,
    /// So many bytes are still forwarded.
    pub after: u64,
    /// How it ends then.
    pub end: End,
}

/// What the proxy does with one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Each read waits this long before it is forwarded.
    pub delay: Duration,
    /// Bytes are forwarded in pieces of at most this size …
    pub piece: usize,
    /// … with such a pause between two.
    pub pause: Duration,
    /// The server's WebSocket messages come as fragments of at most so many bytes, 0 < n < 65536, with a ping in front of
    /// every fourth.
    pub fragments: Option<usize>,
    /// How it ends, if it is not left to its two sides.
    pub fault: Option<Fault>,
}

impl Fate {
    /// Everything passes at once.
    pub const FAIR: Self = Self {
        delay: Duration::ZERO,
        piece: usize::MAX,
        pause: Duration::ZERO,
        fragments: None,
        fault: None,
    };

    /// Nothing is amiss but this.
    pub const fn broken(way: Way, after: u64, end: End) -> Self {
        Self {
            fault: Some(Fault { way, after, end }),
            ..Self::FAIR
        }
    }

    /// For how long one direction goes on alone.
    pub(super) const fn half_close(&self) -> Option<Duration> {
        match self.fault {
            Some(Fault {
                end: End::HalfClose(still),
                ..
            }) => Some(still),
            _ => None,
        }
    }
}

/// Fates drawn from a seed: every connection is broken sooner or later.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Print it where a test fails: the same seed gives every connection the same fate.
    pub seed: u64,
    /// A connection is broken after at most so many bytes; small numbers are as likely as large ones.
    pub most: u64,
    /// Connections may also end in ways that the server is not told: half-closed, or silent. Then it learns of the end
    /// by its heartbeat at the latest.
    pub silent: bool,
    /// Bytes are delayed, split and throttled as well.
    pub rough: bool,
}

impl Weather {
    /// What becomes of connection `number`, counted from 0.
    pub fn fate(&self, number: u64) -> Fate {
        let mut seeded = Seeded::new(self.seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        let way = if seeded.below(2) == 0 {
            Way::Up
        } else {
            Way::Down
        };
        // As many below 64 bytes as between 64 and 4096: handshakes are hit as often as what follows them.
        let bits = 1 + seeded.below(self.most.max(2).ilog2() as usize);
        let after = (seeded.next() & ((2 << bits) - 1)).min(self.most);
        let short = Duration::from_millis(1 + seeded.below(40) as u64);
        let end = match seeded.below(if self.silent { 8 } else { 6 }) {
            0..=2 => End::Reset,
            3..=5 => End::Finish,
            6 => End::HalfClose(short),
            _ => End::Stall(short),
        };
        let mut fate = Fate::broken(way, after, end);
        if self.rough {
            match seeded.below(8) {
                0 => fate.piece = 1 + seeded.below(16),
                1 => fate.delay = Duration::from_millis(seeded.below(8) as u64),
                2 => {
                    fate.piece = 32 + seeded.below(200);
                    fate.pause = Duration::from_millis(1);
                }
                _ => (),
            }
        }
        fate
    }
}
