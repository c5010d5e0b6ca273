//! Test tools of Sockeye, unpublished.
//!
//! [`Rig`] drives one [`sockeye_core::Client`] over three simulated byte streams with a clock of its own: it never
//! sleeps, it jumps from deadline to deadline, and writes one line of text for everything that happens. A test
//! compares these lines as a whole. The other side is either the test itself, which answers request by request
//! ([`Rig::get_reply`], [`Rig::ws`], …), or a [`Server`], a small scripted Engine.IO and Socket.IO server that also
//! notes everything a client must not do.
//!
//! `scenarios` (a feature) is the list of scenarios that every driver plays, over TCP, and `contract` what every driver owes
//! on a bad network and to a hostile server; `host` is the scripted server on a TCP port.
//!
//! [`fuzz`] has the fuzz targets as plain functions; the fuzz workspace calls them, and so does a smoke test.

#[cfg(feature = "certificates")]
pub mod certificates;
#[cfg(feature = "chaos")]
pub mod chaos;
#[cfg(feature = "scenarios")]
pub mod contract;
pub mod fuzz;
#[cfg(feature = "scenarios")]
pub mod host;
mod http;
#[cfg(feature = "relay")]
pub mod relay;
mod rig;
#[cfg(feature = "scenarios")]
pub mod scenarios;
mod server;
pub mod transcript;
mod words;
mod ws;

pub use http::{Request, accept_key, response};
pub use rig::{Opening, Pieces, Rig, config};
pub use server::{Act, Server, Settings};
#[cfg(feature = "msgpack")]
pub use server::{OWN_PARSER, OwnParser, pack};
pub use words::hex;
pub use ws::{Frame, frame};

/// Whether [`Rig`] and [`Server`] speak MessagePack with a client that does.
pub const PACKS: bool = cfg!(feature = "msgpack");

/// A small seeded generator (SplitMix64): the same seed gives the same run everywhere.
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// A generator for one run.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n` (0 if `n` is 0).
    pub const fn below(&mut self, n: usize) -> usize {
        if n == 0 {
            0
        } else {
            (self.next() % n as u64) as usize
        }
    }
}
