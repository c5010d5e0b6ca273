//! Scenarios, point by point: each runs over fixed and over growable memory, and must read the same.

mod accounting;
mod acks;
mod autobahn;
#[cfg(feature = "deflate")]
mod deflate;
mod drive;
#[cfg(feature = "eio3")]
mod eio3;
mod forgotten;
mod handshake;
mod heartbeat;
mod held;
mod http;
mod limits;
#[cfg(feature = "msgpack")]
mod msgpack;
mod namespaces;
mod offline;
mod packets;
#[cfg(feature = "msgpack")]
mod parser;
mod polling;
mod properties;
mod reconnect;
mod recovery;
#[cfg(feature = "redirects")]
mod redirects;
mod rejoin;
mod retries;
mod room;
mod servers;
mod split;
mod states;
#[cfg(feature = "alloc")]
mod steps;
mod storage;
mod transcripts;
mod undeliverable;
mod upgrade;
mod websocket;
mod year;

use sockeye_core::{Config, Memory, Storage};
use sockeye_testkit::Rig;

/// Fixed memory as a device may have it.
type Small = Storage<4096, 4096, 8, 32, 4, 1024>;

/// Runs a scenario over both kinds of memory, by both ways of polling, and with MessagePack.
pub fn both(config: impl Fn() -> Config<'static>, scenario: impl Fn(&mut Rig<'_>)) {
    as_text(&config, &scenario);
    packed(config(), scenario);
}

/// The same without MessagePack: for scenarios that look at the bytes of text packets, or count them.
pub fn as_text(config: impl Fn() -> Config<'static>, scenario: impl Fn(&mut Rig<'_>)) {
    let mut storage = Box::new(Small::new());
    fixed(config(), storage.memory(), &scenario);
    growable(config(), &scenario);
    println!("-- fixed memory, detached events");
    let mut storage = Box::new(Small::new());
    let mut rig = Rig::new(config(), storage.memory());
    rig.detached = true;
    scenario(&mut rig);
}

/// The same with MessagePack, in growable memory.
#[cfg(feature = "msgpack")]
fn packed(mut config: Config<'_>, scenario: impl Fn(&mut Rig<'_>)) {
    if !sockeye_testkit::PACKS {
        return;
    }
    println!("-- MessagePack");
    config.parser = sockeye_core::Parser::MessagePack;
    growable(config.clone(), &scenario);
    println!("-- a parser of the application's own");
    config.parser = sockeye_core::Parser::Custom(&sockeye_testkit::OWN_PARSER);
    growable(config, scenario);
}

#[cfg(not(feature = "msgpack"))]
fn packed(_: Config<'_>, _: impl Fn(&mut Rig<'_>)) {}

fn fixed(config: Config<'_>, memory: Memory<'_>, scenario: impl Fn(&mut Rig<'_>)) {
    println!("-- fixed memory");
    scenario(&mut Rig::new(config, memory));
}

#[cfg(feature = "alloc")]
fn growable(config: Config<'_>, scenario: impl Fn(&mut Rig<'_>)) {
    println!("-- growable memory");
    let memory = Memory::growable(&config.limits);
    scenario(&mut Rig::new(config, memory));
}

#[cfg(not(feature = "alloc"))]
fn growable(_: Config<'_>, _: impl Fn(&mut Rig<'_>)) {}
