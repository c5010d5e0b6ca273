//! The client cases of the Autobahn test suite, by their numbers, against the WebSocket of the core.
//!
//! Autobahn's server expects an echo, which a Socket.IO client does not give. What stands for it here: a message has
//! arrived as an event. Text is the Socket.IO packet around the case's text, `42["e","…"]`, and where a case has binary
//! messages, an attachment. Not here: 9 (speed), 12 and 13 (compression: `deflate/`), 6.4 (failing fast on text that is
//! not UTF-8 is optional; it is refused when the message is whole), and cases that send U+0000 in text, which is no JSON.

mod utf8;

use sockeye_core::{Link, Transports};
use sockeye_testkit::{Pieces, Rig, config, frame};

use crate::{as_text, growable};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// Without FIN.
const TEXT_PART: u8 = 0x01;
const BINARY_PART: u8 = 0x02;
const MORE: u8 = 0x00;
const LAST: u8 = 0x80;

/// How a case ends.
enum End<'e> {
    /// The connection works: an event that follows arrives.
    Open,
    /// The connection is dropped, and this is told.
    Fails(&'e str),
    /// The close frame is answered by one with this payload.
    Closed(&'e str),
}

/// `first` and payload of each frame.
type Frames<'f> = &'f [(u8, &'f [u8])];

fn bytes(frames: Frames<'_>) -> Vec<u8> {
    frames
        .iter()
        .flat_map(|(first, payload)| frame(*first, payload))
        .collect()
}

/// What is left of a log: messages, pongs, close frames, the end.
fn seen(rig: &mut Rig<'_>) -> Vec<String> {
    let log = rig.take_log();
    let kept = |line: &&str| {
        ["message", "ws> pong", "ws> close", "closed "]
            .iter()
            .any(|start| line.starts_with(start))
    };
    log.lines().filter(kept).map(str::to_owned).collect()
}

/// Feeds the bytes in one piece, octet by octet, and in pieces of random sizes.
fn case(id: &str, bytes: &[u8], expected: &[&str], end: &End<'_>) {
    for pieces in [
        Pieces::Whole,
        Pieces::Of(1),
        Pieces::Random(sockeye_testkit::Seeded::new(7)),
    ] {
        as_text(
            || config(Transports::WEBSOCKET),
            |rig| check(rig, id, bytes, &pieces, expected, end),
        );
    }
}

fn check(
    rig: &mut Rig<'_>,
    id: &str,
    bytes: &[u8],
    pieces: &Pieces,
    expected: &[&str],
    end: &End<'_>,
) {
    rig.joined_ws();
    rig.pieces = pieces.clone();
    rig.feed(Link::WebSocket, bytes);
    let mut lines = seen(rig);
    match end {
        End::Open => {
            assert_eq!(lines, expected, "{id}, {pieces:?}");
            rig.ws("42[\"alive\"]");
            assert_eq!(seen(rig), ["message / alive []"], "{id}, {pieces:?}");
        }
        End::Fails(cause) => {
            let closed = lines.pop().unwrap_or_default();
            assert!(
                closed.starts_with("closed ") && closed.contains(cause),
                "{id}, {pieces:?}: {closed}"
            );
            assert_eq!(lines, expected, "{id}, {pieces:?}");
        }
        End::Closed(payload) => {
            let mut expected: Vec<String> = expected.iter().map(|&line| line.to_owned()).collect();
            expected.push(format!("ws> close {payload}"));
            lines.retain(|line| !line.starts_with("closed transport close"));
            assert_eq!(lines, expected, "{id}, {pieces:?}");
        }
    }
}

fn frames(id: &str, frames: Frames<'_>, expected: &[&str], end: &End<'_>) {
    case(id, &bytes(frames), expected, end);
}

const VIOLATION: End<'_> = End::Fails("WebSocketProtocol");

/// A Socket.IO packet of exactly `len` bytes.
fn text_of(len: usize) -> Vec<u8> {
    let frame = "42[\"e\",\"\"]".len();
    format!("42[\"e\",\"{}\"]", "*".repeat(len - frame)).into_bytes()
}

/// The line about it.
fn line_of(len: usize) -> String {
    let text = String::from_utf8(text_of(len)).unwrap();
    text.replace("42[\"e\",", "message / e [")
}

#[test]
fn case_1_messages_of_all_sizes() {
    // 1.1.1, an empty text message, is no packet: see `case_6_1`.
    for len in [10, 125, 126, 127, 128] {
        frames(
            "1.1",
            &[(TEXT, &text_of(len))],
            &[&line_of(len)],
            &End::Open,
        );
    }
    for len in [65_535, 65_536] {
        for pieces in [Pieces::Whole, Pieces::Of(997)] {
            growable(config(Transports::WEBSOCKET), |rig| {
                rig.joined_ws();
                rig.pieces = pieces.clone();
                rig.feed(Link::WebSocket, &frame(TEXT, &text_of(len)));
                let [line] = &seen(rig)[..] else {
                    panic!("1.1: one message of {len} bytes")
                };
                // Long lines are cut, and say how long they were.
                let characters = line.split_once('(').map(|(_, rest)| rest.split(' ').next());
                let wanted = (len - "42[\"e\",".len() + "[".len()).to_string();
                assert_eq!(characters, Some(Some(wanted.as_str())), "1.1: {line}");
            });
        }
    }
    let header = &b"451-[\"b\",{\"_placeholder\":true,\"num\":0}]"[..];
    for len in [0, 125, 126, 127, 128, 65_535, 65_536] {
        for pieces in [Pieces::Whole, Pieces::Of(997)] {
            growable(config(Transports::WEBSOCKET), |rig| {
                rig.joined_ws();
                rig.pieces = pieces.clone();
                rig.feed(
                    Link::WebSocket,
                    &bytes(&[(TEXT, header), (BINARY, &vec![0xfe; len])]),
                );
                let [line] = &seen(rig)[..] else {
                    panic!("1.2: one message with {len} bytes")
                };
                let attachment = line.rsplit_once('<').map_or("", |(_, rest)| rest);
                let right = if len == 0 {
                    attachment == ">"
                } else {
                    attachment.contains(&format!("({len} bytes"))
                };
                assert!(right, "1.2: {line}");
            });
        }
    }
}

#[test]
fn case_2_pings_and_pongs() {
    let longest = [0xfe; 125];
    frames("2.1", &[(PING, b"")], &["ws> pong "], &End::Open);
    frames(
        "2.2",
        &[(PING, b"Hello, world!")],
        &["ws> pong Hello, world!"],
        &End::Open,
    );
    frames(
        "2.3",
        &[(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")],
        &["ws> pong \\u{0}\\xff\\xfe\\xfd\\xfc\\xfb\\u{0}\\xff"],
        &End::Open,
    );
    let pong = format!("ws> pong {}", "\\xfe".repeat(125));
    for pieces in [Pieces::Whole, Pieces::Of(1)] {
        as_text(
            || config(Transports::WEBSOCKET),
            |rig| {
                rig.joined_ws();
                rig.keep_raw = true;
                rig.pieces = pieces.clone();
                rig.feed(Link::WebSocket, &frame(PING, &longest));
                // 2.4, 2.6: the line is cut, so the length is looked at: a header of six bytes, and the payload.
                assert_eq!(rig.raw[Link::WebSocket.index()].len(), 6 + 125);
                assert!(pong.len() > 400 && rig.take_log().contains("ws> pong"));
            },
        );
    }
    case("2.5", &frame(PING, &[0xfe; 126]), &[], &VIOLATION);
    frames("2.7", &[(PONG, b"")], &[], &End::Open);
    frames(
        "2.8",
        &[(PONG, b"unsolicited pong payload")],
        &[],
        &End::Open,
    );
    frames(
        "2.9",
        &[(PONG, b"unsolicited"), (PING, b"ping payload")],
        &["ws> pong ping payload"],
        &End::Open,
    );
    // 2.10, 2.11: ten at once, the answers in order.
    let payloads: Vec<String> = (0..10).map(|n| format!("payload-{n}")).collect();
    let pings: Vec<u8> = payloads
        .iter()
        .flat_map(|payload| frame(PING, payload.as_bytes()))
        .collect();
    let pongs: Vec<String> = payloads
        .iter()
        .map(|payload| format!("ws> pong {payload}"))
        .collect();
    let pongs: Vec<&str> = pongs.iter().map(String::as_str).collect();
    case("2.10", &pings, &pongs, &End::Open);
}

/// RFC 6455 section 5.5.3 lets a client answer the latest ping alone, when it could not answer the earlier ones in time.
#[test]
fn pings_that_come_faster_than_pongs_leave() {
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.write[Link::WebSocket.index()] = 0;
            for n in 0..40 {
                rig.ws_frame(PING, format!("payload-{n}").as_bytes());
            }
            rig.ws_frame(PING, &[b'x'; 125]);
            rig.ws_frame(PING, b"last");
            rig.ws("2");
            rig.writable(Link::WebSocket, usize::MAX);
            let log = rig.take_log();
            let written: Vec<&str> = log
                .lines()
                .filter(|line| line.starts_with("ws> "))
                .collect();
            assert_eq!(written.first(), Some(&"ws> pong payload-0"), "{log}");
            assert!(
                written.contains(&"ws> pong last"),
                "the latest ping is answered: {log}"
            );
            assert!(
                written.contains(&"ws> 3"),
                "the Engine.IO ping is answered: {log}"
            );
        },
    );
}

#[test]
fn case_3_reserved_bits() {
    let hello = &text_of(20)[..];
    let line = &line_of(20)[..];
    frames("3.1", &[(TEXT | 0x10, hello)], &[], &VIOLATION);
    frames(
        "3.2",
        &[(TEXT, hello), (TEXT | 0x20, hello), (PING, b"")],
        &[line],
        &VIOLATION,
    );
    frames(
        "3.3",
        &[(TEXT, hello), (TEXT | 0x30, hello), (PING, b"")],
        &[line],
        &VIOLATION,
    );
    frames(
        "3.4",
        &[(TEXT, hello), (TEXT | 0x40, hello), (PING, b"")],
        &[line],
        &VIOLATION,
    );
    frames("3.5", &[(BINARY | 0x50, hello)], &[], &VIOLATION);
    frames("3.6", &[(PING | 0x60, hello)], &[], &VIOLATION);
    frames("3.7", &[(CLOSE | 0x70, hello)], &[], &VIOLATION);
}

#[test]
fn case_4_reserved_opcodes() {
    let hello = &text_of(20)[..];
    let line = &line_of(20)[..];
    for opcode in (3..=7).chain(11..=15) {
        frames("4.1, 4.2", &[(0x80 | opcode, b"")], &[], &VIOLATION);
        frames("4.1, 4.2", &[(0x80 | opcode, b"reserved")], &[], &VIOLATION);
        frames(
            "4.1, 4.2",
            &[(TEXT, hello), (0x80 | opcode, b""), (PING, b"")],
            &[line],
            &VIOLATION,
        );
    }
}

#[test]
fn case_5_fragments() {
    let hello = &text_of(20)[..];
    let line = &line_of(20)[..];
    let (a, b) = hello.split_at(9);
    frames("5.1", &[(0x09, b"frag"), (LAST, b"ment")], &[], &VIOLATION);
    frames("5.2", &[(0x0a, b"frag"), (LAST, b"ment")], &[], &VIOLATION);
    frames("5.3-5", &[(TEXT_PART, a), (LAST, b)], &[line], &End::Open);
    frames(
        "5.6-8",
        &[(TEXT_PART, a), (PING, b"ping"), (LAST, b)],
        &["ws> pong ping", line],
        &End::Open,
    );
    for first in [LAST, MORE] {
        frames(
            "5.9-14",
            &[(first, b"no message"), (TEXT, hello)],
            &[],
            &VIOLATION,
        );
    }
    frames(
        "5.15",
        &[(TEXT_PART, a), (LAST, b), (MORE, b"none"), (TEXT, hello)],
        &[line],
        &VIOLATION,
    );
    frames(
        "5.16",
        &[
            (MORE, b"none"),
            (TEXT, hello),
            (MORE, b"none"),
            (TEXT, hello),
        ],
        &[],
        &VIOLATION,
    );
    frames(
        "5.17",
        &[
            (LAST, b"none"),
            (TEXT, hello),
            (LAST, b"none"),
            (TEXT, hello),
        ],
        &[],
        &VIOLATION,
    );
    frames("5.18", &[(TEXT_PART, a), (TEXT, b)], &[], &VIOLATION);
    frames("5.18", &[(TEXT_PART, a), (BINARY, b)], &[], &VIOLATION);
    frames(
        "5.19, 5.20",
        &[
            (TEXT_PART, &hello[..4]),
            (MORE, &hello[4..8]),
            (PING, b"first"),
            (MORE, &hello[8..12]),
            (MORE, &hello[12..16]),
            (PING, b"second"),
            (LAST, &hello[16..]),
        ],
        &["ws> pong first", "ws> pong second", line],
        &End::Open,
    );
    frames(
        "5, parts of nothing",
        &[(TEXT_PART, b""), (MORE, a), (MORE, b""), (LAST, b)],
        &[line],
        &End::Open,
    );
    let header = &b"451-[\"b\",{\"_placeholder\":true,\"num\":0}]"[..];
    frames(
        "5, an attachment",
        &[
            (TEXT, header),
            (BINARY_PART, &[1]),
            (PING, b""),
            (MORE, &[]),
            (LAST, &[2]),
        ],
        &[
            "ws> pong ",
            "message / b [{\"_placeholder\":true,\"num\":0}] <0102>",
        ],
        &End::Open,
    );
}

/// An empty message is none of Engine.IO's: the reference ends the connection, too.
#[test]
fn case_6_1_empty_messages() {
    let hello = &text_of(20)[..];
    frames(
        "6.1.1",
        &[(TEXT, b"")],
        &[],
        &End::Fails("transport error [Packet(Type)]"),
    );
    frames(
        "6.1.2",
        &[(TEXT_PART, b""), (MORE, b""), (LAST, b"")],
        &[],
        &End::Fails("transport error [Packet(Type)]"),
    );
    frames(
        "6.1.3",
        &[(TEXT_PART, b""), (MORE, hello), (LAST, b"")],
        &[&line_of(20)],
        &End::Open,
    );
}

#[test]
fn case_7_closing() {
    let hello = &text_of(20)[..];
    let line = &line_of(20)[..];
    let (a, b) = hello.split_at(9);
    let normal = &b"\x03\xe8"[..];
    frames(
        "7.1.1",
        &[(TEXT, hello), (CLOSE, normal)],
        &[line],
        &End::Closed("03e8"),
    );
    frames(
        "7.1.2",
        &[(CLOSE, normal), (CLOSE, normal)],
        &[],
        &End::Closed("03e8"),
    );
    frames(
        "7.1.3",
        &[(CLOSE, normal), (PING, b"")],
        &[],
        &End::Closed("03e8"),
    );
    frames(
        "7.1.4",
        &[(CLOSE, normal), (TEXT, hello)],
        &[],
        &End::Closed("03e8"),
    );
    frames(
        "7.1.5",
        &[(TEXT_PART, a), (CLOSE, normal), (LAST, b)],
        &[],
        &End::Closed("03e8"),
    );
    frames("7.3.1", &[(CLOSE, b"")], &[], &End::Closed(""));
    frames("7.3.2", &[(CLOSE, b"a")], &[], &VIOLATION);
    frames("7.3.3", &[(CLOSE, normal)], &[], &End::Closed("03e8"));
    frames(
        "7.3.4",
        &[(CLOSE, b"\x03\xe8Hello World!")],
        &[],
        &End::Closed("03e8"),
    );
    let longest = [normal, &[b'*'; 123]].concat();
    frames("7.3.5", &[(CLOSE, &longest)], &[], &End::Closed("03e8"));
    let too_long = [normal, &[b'*'; 124]].concat();
    frames("7.3.6", &[(CLOSE, &too_long)], &[], &VIOLATION);
    let not_utf8 = [
        normal,
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    ]
    .concat();
    frames("7.5.1", &[(CLOSE, &not_utf8)], &[], &VIOLATION);
}

#[test]
fn case_7_close_codes() {
    for code in [
        1000u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
        4000, 4999,
    ] {
        let payload = code.to_be_bytes();
        frames(
            "7.7",
            &[(CLOSE, &payload)],
            &[],
            &End::Closed(&format!("{code:04x}")),
        );
    }
    for code in [
        0u16, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        let payload = code.to_be_bytes();
        frames("7.9, 7.13", &[(CLOSE, &payload)], &[], &VIOLATION);
        frames(
            "7.9, 7.13",
            &[(CLOSE, &[&payload[..], b"reason"].concat())],
            &[],
            &VIOLATION,
        );
    }
}

#[test]
fn case_10_many_fragments() {
    growable(config(Transports::WEBSOCKET), |rig| {
        rig.joined_ws();
        let text = text_of(65_536);
        let mut bytes = Vec::new();
        let parts = text.chunks(1300).count();
        for (i, part) in text.chunks(1300).enumerate() {
            let first = if i == 0 { TEXT_PART } else { MORE };
            bytes.extend(frame(
                if i + 1 == parts { first | 0x80 } else { first },
                part,
            ));
        }
        rig.feed(Link::WebSocket, &bytes);
        let [line] = &seen(rig)[..] else {
            panic!("10.1.1: one message")
        };
        assert!(line.contains("(65530 characters"), "10.1.1: {line}");
    });
}
