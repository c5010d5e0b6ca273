//! What must hold whatever happens: generated runs.

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_core::packet::BinRef;
use sockeye_core::{
    Config, EmitError, EmitOptions, Link, NspOptions, Storage, Transport, Transports,
};
use sockeye_testkit::{Opening, Pieces, Rig, Seeded, Server, Settings, config, frame, fuzz};

type Roomy = Storage<16384, 16384, 64, 256, 4, 1024>;

/// So many cases, or as many as `PROPTEST_CASES` says.
fn proptest_config(cases: u32) -> ProptestConfig {
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

/// What happens between emits.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Nothing,
    Pass(u16),
    Cut(u8),
    Break,
    Refuse(bool),
    Write(u8, u8),
    Reconnect,
    Leave(u16),
    Sleep(u8),
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        4 => Just(Trouble::Nothing),
        3 => (0u16..4000).prop_map(Trouble::Pass),
        2 => (0u8..3).prop_map(Trouble::Cut),
        1 => Just(Trouble::Break),
        1 => any::<bool>().prop_map(Trouble::Refuse),
        3 => (0u8..3, 0u8..60).prop_map(|(link, most)| Trouble::Write(link, most)),
        1 => Just(Trouble::Reconnect),
        1 => (0u16..3000).prop_map(Trouble::Leave),
        1 => any::<u8>().prop_map(Trouble::Sleep),
    ]
}

/// Events are emitted through all kinds of trouble on a network that loses nothing that was written: each arrives
/// exactly once and in order, and the server has nothing to complain about.
fn nothing_is_lost(
    config: Config<'static>,
    rig: &mut Rig<'_>,
    script: &[(u8, Trouble)],
) -> Result<(), TestCaseError> {
    let settings = Settings {
        ping_interval: 2_000,
        ping_timeout: 1_500,
        max_payload: 200,
        ..Settings::default()
    };
    rig.server = Some(Server::new(settings));
    let nsp = rig.namespace("/room", NspOptions::default());
    rig.client.connect(rig.now(), nsp);
    rig.drain();
    let mut expected = Vec::new();
    let mut acks = 0;
    for (i, (kind, trouble)) in script.iter().enumerate() {
        let bytes = vec![i as u8; usize::from(kind >> 2)];
        let options = if kind & 1 > 0 {
            EmitOptions::ACK
        } else {
            EmitOptions::PLAIN
        };
        let result = if kind & 2 > 0 {
            rig.emit(nsp, "e", &(i, BinRef(&bytes)), options)
        } else {
            rig.emit(nsp, "e", &(i, bytes.len()), options)
        };
        match result {
            Ok(id) => {
                acks += usize::from(id.is_some());
                expected.push(i.to_string());
            }
            Err(error) => prop_assert!(
                matches!(error, EmitError::Full | EmitError::TooManyAcks),
                "{error:?}"
            ),
        }
        match *trouble {
            Trouble::Nothing => (),
            Trouble::Pass(ms) => rig.pass(ms.into()),
            Trouble::Cut(link) => rig.cut(Link::ALL[usize::from(link)]),
            Trouble::Break => rig.break_all(),
            Trouble::Refuse(refuse) => {
                rig.opening = if refuse {
                    Opening::Refuse
                } else {
                    Opening::Accept
                }
            }
            Trouble::Write(link, 0) => rig.write[usize::from(link)] = 0,
            Trouble::Write(link, most) => rig.writable(Link::ALL[usize::from(link)], most.into()),
            Trouble::Reconnect => {
                rig.client.reconnect(rig.now());
                rig.drain();
            }
            Trouble::Leave(ms) => {
                rig.disconnect(nsp);
                rig.pass(ms.into());
                rig.client.connect(rig.now(), nsp);
                rig.drain();
            }
            Trouble::Sleep(n) => rig.sleep(u64::from(n) * 20),
        }
    }
    rig.opening = Opening::Accept;
    for link in Link::ALL {
        rig.writable(link, usize::MAX);
    }
    rig.pass(120_000);
    let log = rig.take_log();
    let server = rig.server.as_ref().unwrap();
    prop_assert_eq!(&server.violations, &Vec::<String>::new(), "{}", log);
    let received: Vec<String> = server
        .received
        .iter()
        .map(|line| line.split([',', ']']).nth(1).unwrap_or("").to_owned())
        .collect();
    if config.transports.allows(Transport::Polling) && server.unknown > 0 {
        // The server has ended the session while a POST was under way: nobody can tell whether it was read. It is not
        // sent twice.
        let mut rest = expected.iter();
        prop_assert!(
            received.iter().all(|one| rest.any(|other| other == one)),
            "{:?}\n{}",
            received,
            log
        );
    } else {
        prop_assert_eq!(received, expected, "{:?}\n{}", config.transports, log);
    }
    let resolved = log.lines().filter(|line| line.starts_with("ack #")).count();
    prop_assert_eq!(resolved, acks, "{}", log);
    prop_assert!(rig.client.is_connected(nsp), "{}", log);
    prop_assert_eq!(rig.client.send_queue_len(), 0);
    Ok(())
}

proptest! {
    #![proptest_config(proptest_config(64))]

    #[test]
    fn every_event_arrives_once_and_in_order(
        script in vec((any::<u8>(), trouble()), 1..40),
        transports in prop_oneof![
            Just(Transports::WEBSOCKET),
            Just(Transports::POLLING),
            Just(Transports::POLLING_FIRST),
        ],
    ) {
        let config = config(transports);
        let mut storage = Box::new(Roomy::new());
        nothing_is_lost(config.clone(), &mut Rig::new(config.clone(), storage.memory()), &script)?;
        let mut storage = Box::new(crate::Small::new());
        let mut rig = Rig::new(config.clone(), storage.memory());
        rig.detached = true;
        nothing_is_lost(config.clone(), &mut rig, &script)?;
        #[cfg(feature = "alloc")]
        {
            let memory = sockeye_core::Memory::growable(&config.limits);
            nothing_is_lost(config.clone(), &mut Rig::new(config, memory), &script)?;
        }
    }

    #[test]
    fn acks_resolve_exactly_once_whatever_happens(script in vec(any::<u8>(), 0..400)) {
        fuzz::client(&script);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..600)) {
        for (_, target) in fuzz::TARGETS {
            target(&bytes);
        }
    }
}
