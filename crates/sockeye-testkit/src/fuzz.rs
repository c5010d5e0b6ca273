//! Fuzz targets as plain functions: each takes any bytes and must return. The fuzz workspace calls them with the
//! bytes that it finds interesting; a smoke test calls them with generated ones and with the committed seeds.

mod client;
mod dialogue;
#[cfg(feature = "differential")]
mod differential;
#[cfg(feature = "differential")]
mod msgpack;
#[cfg(feature = "eio3")]
mod older;

use std::collections::BTreeMap;
use std::time::Duration;

#[cfg(feature = "alloc")]
use sockeye_core::packet::Value;
use sockeye_core::packet::{Args, Attachments, BinRef, Packet, ValueRef};
use sockeye_core::{
    Config, EmitOptions, Link, Memory, NamespaceId, NspOptions, RawPacket, Storage, Transports,
    text,
};

use crate::rig::{Opening, Pieces, Rig, config};
use crate::server::{Server, Settings};
use crate::{Seeded, frame, response};

use client::Script;
pub use client::client;
#[cfg(feature = "msgpack")]
use client::client_of;
pub use dialogue::dialogue;
#[cfg(feature = "differential")]
pub use differential::{http_head, json, ws_frames};
#[cfg(feature = "differential")]
pub use msgpack::msgpack;
#[cfg(feature = "eio3")]
pub use older::older;

/// A name and a target.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("http", http),
    ("websocket", websocket),
    ("polling", polling),
    #[cfg(feature = "eio3")]
    ("older", older),
    ("packets", packets),
    ("client", client),
    #[cfg(feature = "deflate")]
    ("deflate", deflate),
    #[cfg(feature = "msgpack")]
    ("packed", packed),
    #[cfg(feature = "differential")]
    ("msgpack", msgpack),
    ("dialogue", dialogue),
    #[cfg(feature = "differential")]
    ("json", json),
    #[cfg(feature = "differential")]
    ("http_head", http_head),
    #[cfg(feature = "differential")]
    ("ws_frames", ws_frames),
];

/// Memory as a small device has it.
type Small = Storage<1024, 1024, 4, 8, 2, 512>;
/// Hardly enough of everything.
type Tiny = Storage<512, 256, 1, 2, 1, 256>;

/// Runs `test` over both kinds of memory.
fn memories(config: &Config<'static>, mut test: impl FnMut(Rig<'_>)) {
    let mut small = Box::new(Small::new());
    test(lenient(Rig::new(config.clone(), small.memory())));
    let mut tiny = Box::new(Tiny::new());
    test(lenient(Rig::new(config.clone(), tiny.memory())));
    #[cfg(feature = "alloc")]
    test(lenient(Rig::new(
        config.clone(),
        Memory::growable(&config.limits),
    )));
    #[cfg(not(feature = "alloc"))]
    let _: fn(Memory<'_>) = |_| ();
}

/// Lets the same happen to a client that takes the short way for packets on a settled connection, and to one that does
/// not.
///
/// # Panics
/// If the two have not told and written the same, at the same times.
#[cfg(feature = "alloc")]
fn both_ways(config: &Config<'static>, happen: impl Fn(&mut Rig<'_>)) {
    let [quick, thorough] = [false, true].map(|thorough| {
        let mut rig = Rig::new(config.clone(), Memory::growable(&config.limits));
        rig.thorough = thorough;
        rig.history = Some(String::new());
        happen(&mut rig);
        rig.history
    });
    assert_eq!(quick, thorough, "the short way leads elsewhere");
}

fn lenient(mut rig: Rig<'_>) -> Rig<'_> {
    rig.strict = false;
    rig
}

/// The size of the pieces, from the first byte.
fn pieces(data: &[u8]) -> (Pieces, &[u8]) {
    match data.split_first() {
        Some((0..=63, rest)) => (Pieces::Whole, rest),
        Some((n @ 64..=191, rest)) => (Pieces::Of(usize::from(n - 63)), rest),
        Some((n, rest)) => (Pieces::Random(Seeded::new((*n).into())), rest),
        None => (Pieces::Whole, data),
    }
}

/// Anything in the place of the responses to the handshake, to a GET and to a POST.
pub fn http(data: &[u8]) {
    let (pieces, data) = pieces(data);
    memories(&config(Transports::POLLING), |mut rig| {
        rig.pieces = pieces.clone();
        rig.connect("/");
        rig.feed(Link::Poll, data);
        rig.cut(Link::Poll);
        rig.pass(60_000);
    });
    memories(&config(Transports::POLLING_FIRST), |mut rig| {
        let nsp = rig.connect("/");
        rig.opened_polling("[\"websocket\"]");
        rig.pieces = pieces.clone();
        rig.feed(Link::WebSocket, data);
        rig.feed(Link::Post, data);
        rig.feed(Link::Poll, data);
        let _ = rig.emit(nsp, "x", &(1,), EmitOptions::ACK);
        for link in Link::ALL {
            rig.cut(link);
        }
        rig.pass(60_000);
    });
}

/// Anything on a WebSocket: before the handshake, during the session, during a probe.
pub fn websocket(data: &[u8]) {
    let (pieces, data) = pieces(data);
    memories(&config(Transports::WEBSOCKET), |mut rig| {
        let nsp = rig.joined_ws();
        rig.pieces = pieces.clone();
        rig.feed(Link::WebSocket, data);
        let _ = rig.emit(nsp, "x", &(BinRef(b"123"),), EmitOptions::ACK);
        rig.cut(Link::WebSocket);
        rig.pass(60_000);
    });
    memories(&config(Transports::WEBSOCKET), |mut rig| {
        rig.connect("/");
        rig.ws_accept();
        rig.pieces = pieces.clone();
        rig.feed(Link::WebSocket, data);
        rig.pass(60_000);
    });
    memories(&config(Transports::POLLING_FIRST), |mut rig| {
        rig.joined_polling("[\"websocket\"]");
        rig.ws_accept();
        rig.pieces = pieces.clone();
        rig.feed(Link::WebSocket, data);
        rig.pass(60_000);
    });
}

/// Anything as the answer to an offer of compression; as frames where it has been agreed on; and as what a compressed message
/// is, in frames of the sizes that the second byte says.
#[cfg(feature = "deflate")]
pub fn deflate(data: &[u8]) {
    let (pieces, data) = pieces(data);
    let mut config = config(Transports::WEBSOCKET);
    config.compression = Some(sockeye_core::Compression::DEFAULT.threshold(0));
    config.limits.receive = 4096;
    let begin = |rig: &mut Rig<'_>, answer: &str| {
        rig.connect("/");
        rig.ws_accept_with(answer);
        rig.ws("0{\"sid\":\"E1\"}");
        rig.ws("40{\"sid\":\"S1\"}");
    };
    let answer: String = data
        .iter()
        .map(|byte| char::from(*byte))
        .filter(|c| matches!(c, ' '..='~'))
        .collect();
    memories(&config, |mut rig| {
        begin(
            &mut rig,
            &format!("Sec-WebSocket-Extensions: permessage-deflate{answer}\r\n"),
        );
        rig.pass(60_000);
    });
    for answer in ["", "; server_no_context_takeover"] {
        memories(&config, |mut rig| {
            let answer = format!("Sec-WebSocket-Extensions: permessage-deflate{answer}\r\n");
            begin(&mut rig, &answer);
            rig.pieces = pieces.clone();
            rig.feed(Link::WebSocket, data);
            rig.pass(60_000);
        });
        memories(&config, |mut rig| {
            let answer = format!("Sec-WebSocket-Extensions: permessage-deflate{answer}\r\n");
            begin(&mut rig, &answer);
            rig.pieces = pieces.clone();
            let Some((size, data)) = data.split_first() else {
                return;
            };
            let mut parts = data.chunks(usize::from(*size).max(1)).peekable();
            let mut first = 0x41;
            while let Some(part) = parts.next() {
                let last = if parts.peek().is_none() { 0x80 } else { 0 };
                rig.feed(Link::WebSocket, &frame(first | last, part));
                first = 0;
            }
            rig.pass(60_000);
        });
    }
}

/// Anything as a packet in MessagePack, by both ways in; and the whole client at a server that speaks it.
#[cfg(feature = "msgpack")]
pub fn packed(data: &[u8]) {
    let (pieces, data) = pieces(data);
    let mut packed = config(Transports::WEBSOCKET);
    packed.parser = sockeye_core::Parser::MessagePack;
    packed.limits.receive = 2048;
    let join = |text: &str| crate::server::pack(text, &[]).expect("a packet");
    memories(&packed, |mut rig| {
        let nsp = rig.connect("/");
        rig.opened_ws();
        let _ = rig.emit(nsp, "x", &(), EmitOptions::ACK);
        rig.pieces = pieces.clone();
        rig.feed(Link::WebSocket, &frame(0x82, data));
        rig.feed(Link::WebSocket, &frame(0x82, &join("40{\"sid\":\"S1\"}")));
        rig.feed(Link::WebSocket, &frame(0x82, data));
        rig.feed(Link::WebSocket, &frame(0x82, data));
        rig.pass(60_000);
    });
    packed.transports = Transports::POLLING;
    memories(&packed, |mut rig| {
        rig.connect("/");
        rig.opened_polling("[]");
        let join = crate::http::base64(&join("40{\"sid\":\"S1\"}"));
        let body = format!("b{join}\u{1e}b{}", crate::http::base64(data));
        rig.pieces = pieces.clone();
        rig.feed(Link::Poll, &response("200 OK", "", body.as_bytes()));
        rig.pass(60_000);
    });
    client_of(data, true);
}

/// Anything as the body of polling responses, before and after the handshake; and as frames, one for each record.
pub fn polling(data: &[u8]) {
    let (pieces, data) = pieces(data);
    memories(&config(Transports::POLLING), |mut rig| {
        rig.connect("/");
        rig.pieces = pieces.clone();
        rig.feed(Link::Poll, &response("200 OK", "", data));
        rig.pass(60_000);
    });
    memories(&config(Transports::POLLING), |mut rig| {
        rig.joined_polling("[]");
        rig.pieces = pieces.clone();
        rig.feed(Link::Poll, &response("200 OK", "", data));
        rig.feed(Link::Poll, &response("200 OK", "", data));
        rig.pass(60_000);
    });
    memories(&config(Transports::WEBSOCKET), |mut rig| {
        let nsp = rig.connect("/");
        rig.opened_ws();
        let _ = rig.emit(nsp, "x", &(), EmitOptions::ACK);
        rig.pieces = pieces.clone();
        for (i, record) in data.split(|b| *b == 0x1e).enumerate() {
            if i == 3 {
                rig.feed(
                    Link::WebSocket,
                    &frame(0x81, b"40{\"sid\":\"S1\",\"pid\":\"P\"}"),
                );
            }
            let first = if record.first() == Some(&b'b') {
                0x82
            } else {
                0x81
            };
            rig.feed(Link::WebSocket, &frame(first, record));
        }
        rig.pass(60_000);
    });
}

/// The packet parser and the arguments by themselves.
pub fn packets(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let packet = match Packet::parse(text, 10) {
        Ok(packet) => packet,
        Err(error) => {
            assert!(error.at().is_none_or(|at| at as usize <= text.len()));
            return;
        }
    };
    assert!(text.contains(packet.data));
    let Ok(args) = Args::new(packet.data, Attachments::EMPTY) else {
        return;
    };
    let count = args.len();
    assert_eq!(args.iter_raw().count(), count);
    let mut one_by_one = args;
    for raw in args.iter_raw() {
        assert_eq!(one_by_one.next_raw(), Some(raw));
    }
    let mut values = args;
    for raw in args.iter_raw() {
        let value: ValueRef<'_> = values.next().expect("every argument is a value");
        assert_eq!(value.raw(), raw);
        look_into(value);
    }
    let mut args2 = args;
    let _ = args2.next::<&str>();
    let _ = args2.next::<Option<f64>>();
    let _ = args2.next_text().map(|text| text.chars().count());
    let _ = args.parse::<(bool, i64, BinRef<'_>)>();
    let _ = args.parse::<((u8, u8), Option<[f32; 2]>)>();
}

/// Whatever has been accepted can be looked into where it lies, and an owned value says the same of it.
fn look_into(value: ValueRef<'_>) {
    value.items().for_each(look_into);
    value.members().for_each(|(_, value)| look_into(value));
    #[cfg(feature = "alloc")]
    same(value, &value.read().expect("it is a value"));
}

#[cfg(feature = "alloc")]
fn same(value: ValueRef<'_>, owned: &Value) {
    match owned {
        Value::Null => assert!(value.is_null()),
        Value::Bool(owned) => assert_eq!(value.as_bool(), Some(*owned)),
        Value::Number(owned) => {
            assert!(!owned.as_f64().is_finite() || value.as_f64() == Some(owned.as_f64()));
            assert!(value.as_u64().is_none_or(|n| owned.as_u64() == Some(n)));
        }
        Value::String(owned) => assert!(value.as_text().is_some_and(|text| text == **owned)),
        Value::Array(owned) => {
            assert_eq!(value.items().count(), owned.len());
        }
        Value::Object(owned) => {
            assert!(value.members().count() >= owned.len());
            assert!(owned.keys().all(|name| value.get(name).is_some()));
        }
        Value::Binary(_) => panic!("there were no attachments"),
    }
}
