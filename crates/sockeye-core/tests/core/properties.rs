//! What must hold whatever happens: generated runs.

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_core::packet::BinRef;
use sockeye_core::{EmitError, EmitOptions, Link, Storage, Transports};
use sockeye_testkit::{Pieces, Rig, Seeded, Server, Settings, config, frame, fuzz, hex};

pub(crate) type Roomy = Storage<16384, 16384, 64, 256, 4, 1024>;

/// So many cases, or as many as `PROPTEST_CASES` says.
pub(crate) fn proptest_config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(cases);
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A packet from the server, or several that belong together.
#[derive(Clone, Debug)]
enum FromServer {
    Text(String),
    Event {
        args: Vec<u32>,
        attachments: Vec<Vec<u8>>,
        id: Option<u8>,
    },
    Ping,
    WsPing(Vec<u8>),
    Ack(u8),
}

fn from_server() -> impl Strategy<Value = FromServer> {
    prop_oneof![
        "[a-zé😀\\\\\"]{0,200}".prop_map(FromServer::Text),
        (
            vec(any::<u32>(), 0..4),
            vec(vec(any::<u8>(), 0..300), 0..4),
            proptest::option::of(any::<u8>())
        )
            .prop_map(|(args, attachments, id)| FromServer::Event {
                args,
                attachments,
                id
            }),
        Just(FromServer::Ping),
        vec(any::<u8>(), 0..126).prop_map(FromServer::WsPing),
        (0u8..4).prop_map(FromServer::Ack),
    ]
}

/// The messages of a packet: `true` for binary.
fn messages(packet: &FromServer) -> Vec<(bool, Vec<u8>)> {
    match packet {
        FromServer::Text(text) => {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            vec![(false, format!("42[\"text\",\"{escaped}\"]").into_bytes())]
        }
        FromServer::Event {
            args,
            attachments,
            id,
        } => {
            let mut json = String::from("[\"event\"");
            for arg in args {
                json.push_str(&format!(",{arg}"));
            }
            for i in 0..attachments.len() {
                json.push_str(&format!(",{{\"_placeholder\":true,\"num\":{i}}}"));
            }
            json.push(']');
            let id = id.map_or(String::new(), |id| id.to_string());
            let head = if attachments.is_empty() {
                "42".into()
            } else {
                format!("45{}-", attachments.len())
            };
            let mut all = vec![(false, format!("{head}{id}{json}").into_bytes())];
            all.extend(attachments.iter().map(|bytes| (true, bytes.clone())));
            all
        }
        FromServer::Ping => vec![(false, b"2".to_vec())],
        FromServer::Ack(id) => vec![(false, format!("43{id}[{id}]").into_bytes())],
        FromServer::WsPing(_) => Vec::new(),
    }
}

/// As WebSocket frames, some of them in fragments with pings between.
fn as_frames(packets: &[FromServer], seeded: &mut Seeded) -> Vec<u8> {
    let mut out = Vec::new();
    for packet in packets {
        if let FromServer::WsPing(payload) = packet {
            out.extend(frame(0x89, payload));
        }
        for (binary, message) in messages(packet) {
            let opcode = if binary { 0x02 } else { 0x01 };
            if seeded.below(3) > 0 {
                out.extend(frame(0x80 | opcode, &message));
                continue;
            }
            let (a, b) = message.split_at(seeded.below(message.len() + 1));
            out.extend(frame(opcode, a));
            if seeded.below(2) > 0 {
                out.extend(frame(0x89, b"?"));
            }
            out.extend(frame(0x80, b));
        }
    }
    out
}

/// As one polling response, chunked or not.
fn as_response(packets: &[FromServer], seeded: &mut Seeded) -> Vec<u8> {
    use base64::Engine as _;
    let mut parts: Vec<Vec<u8>> = vec![b"6".to_vec()];
    for (binary, message) in packets.iter().flat_map(messages) {
        parts.push(if binary {
            format!(
                "b{}",
                base64::engine::general_purpose::STANDARD.encode(&message)
            )
            .into_bytes()
        } else {
            message
        });
    }
    let body = parts.join(&0x1e);
    if seeded.below(2) == 0 {
        return sockeye_testkit::response("200 OK", "X-Filler: yes\r\n", &body);
    }
    let mut out = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let mut rest = &body[..];
    while !rest.is_empty() {
        let (chunk, tail) = rest.split_at(1 + seeded.below(rest.len()));
        out.extend(format!("{:x}\r\n", chunk.len()).bytes());
        out.extend(chunk);
        out.extend(b"\r\n");
        rest = tail;
    }
    out.extend(b"0\r\n\r\n");
    out
}

fn events(transports: Transports, bytes: &[u8], pieces: Pieces, small: bool) -> String {
    let mut storage = Box::new(Roomy::new());
    let mut smaller = Box::new(crate::Small::new());
    let memory = if small {
        smaller.memory()
    } else {
        storage.memory()
    };
    let mut rig = Rig::new(config(transports), memory);
    let link = if transports == Transports::POLLING {
        Link::Poll
    } else {
        Link::WebSocket
    };
    let nsp = if link == Link::Poll {
        rig.joined_polling("[]")
    } else {
        rig.joined_ws()
    };
    for _ in 0..3 {
        rig.emit(nsp, "asks", &(), EmitOptions::ACK).unwrap();
    }
    rig.take_log();
    rig.pieces = pieces;
    if link == Link::Poll {
        rig.reply(link, bytes);
    } else {
        rig.feed(link, bytes);
    }
    let mut events = rig.take_events();
    events.push_str(&format!("wanted {:?}", rig.wanted));
    events
}

proptest! {
    #![proptest_config(proptest_config(48))]

    #[test]
    fn any_split_gives_the_same_events(packets in vec(from_server(), 1..12), seed in any::<u64>(), piece in 1usize..80) {
        for transports in [Transports::WEBSOCKET, Transports::POLLING] {
            let mut seeded = Seeded::new(seed);
            let bytes = if transports == Transports::POLLING {
                as_response(&packets, &mut seeded)
            } else {
                as_frames(&packets, &mut seeded)
            };
            let whole = events(transports, &bytes, Pieces::Whole, false);
            let expected = packets.iter().filter(|p| !matches!(p, FromServer::WsPing(_) | FromServer::Ack(3))).count();
            prop_assert!(whole.lines().count() <= expected + 1);
            for pieces in [Pieces::Of(1), Pieces::Of(piece), Pieces::Random(Seeded::new(seed))] {
                prop_assert_eq!(&events(transports, &bytes, pieces.clone(), false), &whole);
                // Less memory may refuse something, but it reads on.
                let small = events(transports, &bytes, pieces, true);
                prop_assert!(small == whole || small.contains("refused "), "{}\n{}", small, whole);
            }
        }
    }
}

proptest! {
    #![proptest_config(proptest_config(64))]

    #[test]
    fn acks_resolve_exactly_once_whatever_happens(script in vec(any::<u8>(), 0..400)) {
        fuzz::client(&script);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..600)) {
        for &(_, target) in fuzz::TARGETS {
            target(&bytes);
        }
    }
}

/// An event to emit: the sizes of its attachments, and the milliseconds until the next one.
type Emitted = (Vec<usize>, u64);

/// What a server that judges every request has received, in order, and what it should have.
fn posted(rig: &mut Rig<'_>, settings: Settings, script: &[Emitted]) -> (Vec<String>, Vec<String>) {
    rig.server = Some(Server::new(settings));
    let nsp = rig.connect("/");
    let mut expected = Vec::new();
    for (n, (sizes, pause)) in script.iter().enumerate() {
        let bytes: Vec<Vec<u8>> = sizes.iter().map(|size| vec![n as u8; *size]).collect();
        let parts: Vec<BinRef<'_>> = bytes.iter().map(|bytes| BinRef(bytes)).collect();
        let emit = |rig: &mut Rig<'_>| match parts.as_slice() {
            [] => rig.emit(nsp, "e", &(n,), EmitOptions::PLAIN),
            [a] => rig.emit(nsp, "e", &(n, a), EmitOptions::PLAIN),
            [a, b, ..] => rig.emit(nsp, "e", &(n, a, b), EmitOptions::PLAIN),
        };
        let mut tries = 0;
        loop {
            match emit(rig) {
                Ok(_) => break,
                Err(error) => assert_eq!(error, EmitError::Full),
            }
            tries += 1;
            assert!(tries < 1000, "no room for event {n}");
            rig.pass(10);
        }
        let mut event = format!("/ [\"e\",{n}");
        for at in 0..bytes.len() {
            event.push_str(&format!(",{{\"_placeholder\":true,\"num\":{at}}}"));
        }
        event.push(']');
        for bytes in &bytes {
            event.push_str(&format!(" <{}>", hex(bytes)));
        }
        expected.push(event);
        rig.pass(*pause);
    }
    rig.pass(20_000);
    let server = rig.server.as_ref().expect("it was set");
    assert_eq!(server.violations, Vec::<String>::new());
    assert_eq!(server.sessions(), 1);
    (server.received.clone(), expected)
}

proptest! {
    #![proptest_config(proptest_config(64))]

    /// Over polling, whatever the server takes at once: pongs, headers and attachments share POST bodies, or do not, and each
    /// body is as long as its request says.
    #[test]
    fn bodies_are_as_long_as_they_say(
        script in vec((vec(0usize..300, 0..3), prop_oneof![Just(0u64), 0u64..60]), 1..30),
        max_payload in 20usize..600,
        ping_interval in 20u64..300,
        latency in 0u64..40,
        piece in prop_oneof![Just(usize::MAX), 1usize..200],
        upgrades in any::<bool>(),
    ) {
        let settings = Settings { upgrades, ping_interval, max_payload, ..Settings::default() };
        let transports = if upgrades { Transports::POLLING_FIRST } else { Transports::POLLING };
        let mut storage = Box::new(Roomy::new());
        #[cfg_attr(not(feature = "alloc"), allow(unused_mut, reason = "without a heap there is one kind"))]
        let mut memories = vec![storage.memory()];
        #[cfg(feature = "alloc")]
        memories.push(sockeye_core::Memory::growable(&sockeye_core::Limits::DEFAULT));
        for memory in memories {
            let mut rig = Rig::new(config(transports), memory);
            rig.latency = std::time::Duration::from_millis(latency);
            rig.write = [piece; 3];
            let (received, expected) = posted(&mut rig, settings.clone(), &script);
            prop_assert_eq!(received, expected);
        }
    }
}
