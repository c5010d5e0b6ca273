//! Fuzz targets as plain functions: each takes any bytes and must return. The fuzz workspace calls them with the
//! bytes that it finds interesting; a smoke test calls them with generated ones and with the committed seeds.

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

/// A whole client between a server, a network that fails, and an application, all of which follow the bytes.
pub fn client(data: &[u8]) {
    client_of(data, false);
}

fn client_of(data: &[u8], packs: bool) {
    let mut script = Script(data);
    let transports = match script.next() % 4 {
        0 => Transports::WEBSOCKET,
        1 => Transports::POLLING,
        2 => Transports::WEBSOCKET_FIRST,
        _ => Transports::POLLING_FIRST,
    };
    let flags = script.next();
    let mut config = config(transports);
    config.try_all_transports = flags & 1 > 0;
    config.remember_upgrade = flags & 2 > 0;
    config.force_base64 = flags & 4 > 0;
    config.limits.receive = if flags & 8 > 0 { 200 } else { 1 << 16 };
    config.limits.send = 4096;
    config.limits.packets = 24;
    config.limits.acks = 6;
    config.limits.namespaces = 2;
    config.reconnection.attempts = (flags & 16 > 0).then_some(2);
    config.request_timeout = (flags & 32 > 0).then_some(Duration::from_secs(7));
    #[cfg(feature = "msgpack")]
    if packs {
        config.parser = sockeye_core::Parser::MessagePack;
    }
    let rest = script.0;
    let detached = flags & 64 > 0;
    let meddle = (flags & 128 > 0).then(|| Seeded::new(rest.len() as u64));
    memories(&config, |mut rig| {
        rig.detached = detached;
        rig.meddle.clone_from(&meddle);
        play(&mut rig, Script(rest), packs);
    });
}

#[derive(Clone, Copy)]
struct Script<'d>(&'d [u8]);

impl<'d> Script<'d> {
    fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn take(&mut self, n: usize) -> &'d [u8] {
        let (front, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        front
    }
}

fn link(n: u8) -> Link {
    Link::ALL[usize::from(n) % 3]
}

/// Plays the script, then ends everything, and checks what must hold in the end.
fn play(rig: &mut Rig<'_>, mut script: Script<'_>, packs: bool) {
    const NAMES: [&str; 2] = ["/", "/chat"];
    let settings = Settings {
        ping_interval: 3_000,
        ping_timeout: 2_000,
        max_payload: 400,
        #[cfg(feature = "msgpack")]
        msgpack: packs,
        ..Settings::default()
    };
    let _ = packs;
    rig.server = Some(Server::new(settings));
    rig.latency = Duration::from_millis(u64::from(script.next() % 4) * 7);
    // Every ack that was given out, and how often it has been resolved.
    let mut acks: BTreeMap<u64, u32> = BTreeMap::new();
    let mut cancelled: Vec<u64> = Vec::new();
    let mut nsps: [Option<NamespaceId>; 2] = [None; 2];
    let mut ids = Vec::new();
    let mut mark = 0;
    while !script.0.is_empty() {
        let op = script.next();
        let arg = script.next();
        let which = usize::from(arg & 1);
        let now = rig.now();
        match op % 24 {
            0 | 1 => {
                if let Ok(nsp) = rig.client.namespace(NAMES[which], NspOptions::default()) {
                    rig.namespace(NAMES[which], NspOptions::default());
                    nsps[which] = Some(nsp);
                    rig.client.connect(now, nsp);
                }
            }
            2 => {
                if let Some(nsp) = nsps[which] {
                    rig.client.disconnect(now, nsp);
                }
            }
            3..=6 => {
                if let Some(nsp) = nsps[which] {
                    let mut options = if arg & 2 > 0 {
                        EmitOptions::ACK
                    } else {
                        EmitOptions::PLAIN
                    };
                    options.volatile = arg & 0x1c == 0x1c;
                    if arg & 32 > 0 {
                        options = options.timeout(Duration::from_millis(u64::from(arg) * 10));
                    }
                    let name = if arg & 64 > 0 { "echo" } else { "e" };
                    let bytes = script.take(usize::from(arg >> 3));
                    let result = match op % 24 {
                        3 => rig.client.emit(now, nsp, name, &(arg,), options),
                        4 => rig.client.emit(
                            now,
                            nsp,
                            name,
                            &(BinRef(bytes), 1, BinRef(b"x")),
                            options,
                        ),
                        5 => rig.client.emit(
                            now,
                            nsp,
                            name,
                            &(String::from_utf8_lossy(bytes).as_ref(),),
                            options,
                        ),
                        _ => rig.client.emit(now, nsp, name, &[BinRef(b"y"); 3], options),
                    };
                    if let Ok(Some(id)) = result {
                        assert!(acks.insert(id.get(), 0).is_none(), "an ack id twice");
                        ids.push(id);
                    }
                }
            }
            7 | 8 => rig.pass(u64::from(arg)),
            9 => rig.pass(u64::from(arg) * 100),
            10 => rig.sleep(u64::from(arg) * 50),
            11 => rig.cut(link(arg)),
            12 => rig.break_link(link(arg), "gone"),
            13 => rig.feed(link(arg), script.take(usize::from(arg >> 2))),
            14 => {
                rig.opening = [
                    Opening::Accept,
                    Opening::Refuse,
                    Opening::Hold,
                    Opening::Accept,
                ][usize::from(arg % 4)];
                if arg & 16 > 0 {
                    rig.opened(link(arg >> 5));
                } else {
                    rig.refused(link(arg >> 5));
                }
            }
            15 => {
                let most = [0, 1, 5, 20, 100, usize::MAX][usize::from(arg % 6)];
                if most == 0 {
                    rig.write[link(arg >> 4).index()] = 0;
                } else {
                    rig.writable(link(arg >> 4), most);
                }
            }
            16 => {
                let raw = String::from_utf8_lossy(script.take(usize::from(arg >> 3))).into_owned();
                let valid = [
                    "42[\"s\",1]",
                    "420[\"q\"]",
                    "6",
                    "2",
                    "1",
                    "41",
                    "41/chat,",
                    "42/chat,[\"c\"]",
                ];
                match arg % 9 {
                    8 => rig.serve(|server| server.send_raw(&raw)),
                    n => rig.serve(|server| server.send_raw(valid[usize::from(n)])),
                }
            }
            17 => {
                let bytes = script.take(usize::from(arg >> 3));
                rig.serve(|server| {
                    server.emit(
                        NAMES[which],
                        "[\"b\",{\"_placeholder\":true,\"num\":0}]",
                        &[bytes],
                    )
                });
            }
            18 => {
                if !rig.wanted.is_empty() {
                    let _ = rig.answer(&(BinRef(script.take(usize::from(arg >> 4))), arg));
                }
            }
            19 => match arg % 4 {
                0 => rig.client.reconnect(now),
                1 => rig.client.disconnect_all(now),
                2 => rig.serve(Server::drop_session),
                _ => rig.client.reconnection_mut().enabled = arg & 8 == 0,
            },
            20 => {
                if let Some(nsp) = nsps[which] {
                    if arg & 4 > 0 {
                        rig.client.clear_send_buffer(nsp);
                    } else {
                        rig.client.forget(now, nsp);
                        nsps[which] = None;
                    }
                }
            }
            21 => {
                if let Some(id) = ids.get(usize::from(arg)).or(ids.last()) {
                    rig.client.cancel_ack(*id);
                    cancelled.push(id.get());
                }
            }
            22 => {
                if let Some(nsp) = nsps[which] {
                    let mut options = NspOptions::default();
                    options.retries = (arg & 2 > 0).then_some(u32::from(arg >> 5));
                    options.ack_timeout =
                        (arg & 4 > 0).then_some(Duration::from_millis(u64::from(arg)));
                    options.auth = arg & 8 > 0;
                    rig.client.set_options(nsp, options);
                    rig.auth = (arg & 16 > 0).then(|| "{\"a\":1}".to_owned());
                }
            }
            _ => match arg % 8 {
                0 => rig.pause_reading(arg & 8 > 0),
                1 => {
                    if let Some(nsp) = nsps[which] {
                        let _ = rig.client.provide_auth(now, nsp, "{\"late\":true}");
                    }
                }
                2 => rig.client.report_outgoing(arg & 8 > 0),
                3 => {
                    if let Some(nsp) = nsps[which] {
                        rig.client.refuse_auth(now, nsp);
                    }
                }
                4 => {
                    rig.client.set_query(text("room=1"));
                    rig.client
                        .set_headers(text("Cookie: own=1\r\nX-Own: 1\r\n"));
                }
                5 => {
                    if let Some(nsp) = nsps[which] {
                        let packet = RawPacket {
                            json: b"[\"raw\",1]",
                            attachments: Attachments::EMPTY,
                        };
                        let _ = rig.client.emit_raw(now, nsp, packet, EmitOptions::PLAIN);
                    }
                }
                6 => {
                    if let Some(request) = rig.wanted.pop_front() {
                        let packet = RawPacket {
                            json: b"[1]",
                            attachments: Attachments::EMPTY,
                        };
                        let _ = rig.client.ack_raw(now, request, packet);
                    }
                }
                _ => rig.serve(|server| server.kick(NAMES[which])),
            },
        }
        if op & 0x80 == 0 {
            rig.drain();
        }
        count(rig, &mut acks);
        let (written, sent) = (rig.client.written_mark(), rig.client.send_mark());
        assert!(mark <= written && written <= sent, "marks only grow");
        mark = written;
    }
    rig.pause_reading(false);
    // Everything is forgotten: what was still waited for resolves now.
    rig.meddle = None;
    for nsp in nsps.into_iter().flatten() {
        let now = rig.now();
        rig.client.forget(now, nsp);
    }
    rig.write = [usize::MAX; 3];
    rig.drain();
    rig.pass(30_000);
    count(rig, &mut acks);
    for (id, times) in acks {
        if cancelled.contains(&id) {
            assert!(times <= 1, "ack #{id} was resolved {times} times");
        } else {
            assert_eq!(times, 1, "ack #{id}");
        }
    }
    assert!(rig.client.is_down(), "nothing is wanted any more");
    assert_eq!(
        (rig.client.send_queue_len(), rig.client.send_queue_bytes()),
        (0, 0),
        "nothing is kept"
    );
}

fn count(rig: &mut Rig<'_>, acks: &mut BTreeMap<u64, u32>) {
    acks.extend(rig.meddled.drain(..).map(|id| (id.get(), 0)));
    let log = rig.take_log();
    for line in log.lines() {
        let id = line
            .strip_prefix("ack #")
            .and_then(|rest| rest.split(' ').next())
            .and_then(|id| id.parse().ok());
        if let Some(times) = id.and_then(|id: u64| acks.get_mut(&id)) {
            *times += 1;
        }
    }
}
