//! What the server says: however it is cut, and whatever it is.

use sockeye_testkit::frame;

use super::{BINARY, COMPRESSED, FIN, Session, TEXT, compressing, long};

/// The same events, wherever the bytes are cut; and in as many frames as the server likes.
#[test]
fn every_split() {
    let (mut session, _) = Session::agreed();
    let mut bytes = Vec::new();
    let first = session.compressed(b"42[\"x\",\"caf\xc3\xa9 caf\xc3\xa9\"]");
    bytes.extend(frame(FIN | COMPRESSED | TEXT, &first));
    // It refers to the one before, comes in three frames, and a ping lies between two of them.
    let second =
        session.compressed(b"451-[\"x\",\"caf\xc3\xa9\",{\"_placeholder\":true,\"num\":0}]");
    let (a, b) = second.split_at(second.len() / 2);
    bytes.extend(frame(COMPRESSED | TEXT, a));
    bytes.extend(frame(0x89, b"p"));
    bytes.extend(frame(0, b""));
    bytes.extend(frame(FIN, b));
    let attachment = session.compressed(&[7; 300]);
    bytes.extend(frame(FIN | COMPRESSED | BINARY, &attachment));
    bytes.extend(frame(FIN | TEXT, b"42[\"x\",\"plain\"]"));
    let expected = [
        "x [\"caf\u{e9} caf\u{e9}\"]".to_owned(),
        format!(
            "x [\"caf\u{e9}\",{{\"_placeholder\":true,\"num\":0}}] [{:?}]",
            [7u8; 300]
        ),
        "x [\"plain\"]".to_owned(),
    ];
    for cut in 0..=bytes.len() {
        let (mut session, _) = Session::agreed();
        let (a, b) = bytes.split_at(cut);
        session.feed(a);
        session.feed(b);
        assert_eq!(session.log, expected, "cut at {cut}");
        session.heard();
        assert_eq!(session.pongs, 1);
    }
    for size in [1, 2, 3] {
        let (mut session, _) = Session::agreed();
        for piece in bytes.chunks(size) {
            session.feed(piece);
        }
        assert_eq!(session.log, expected);
    }
}

/// Small messages in, as much out as anyone likes: refused as soon as it is more than may be received.
#[test]
fn bombs() {
    for answer in [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover",
    ] {
        let mut config = compressing();
        config.limits.receive = 50_000;
        let (mut session, _) = Session::joined(config, answer);
        // What just fits is no bomb.
        let fits = format!("42[\"x\",\"{}\"]", "0".repeat(50_000 - 10));
        session.say_compressed(TEXT, fits.as_bytes());
        assert_eq!(session.log.len(), 1);
        session.log.clear();
        session.say_compressed(TEXT, &[b'0'; 20_000_000]);
        session.heard();
        let log = session.log.join("\n");
        assert!(log.contains("close frame [3, 241]"), "{log}");
        assert!(
            log.contains(
                "closed: a compressed message of the server is larger than can be received"
            ),
            "{log}"
        );
    }
    // Too large even compressed: the next ones may refer to what nobody has seen.
    let mut config = compressing();
    config.limits.receive = 500;
    let (mut session, _) = Session::joined(config, "permessage-deflate");
    let noise: Vec<u8> = (0..4000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    session.say_compressed(BINARY, &noise);
    session.heard();
    assert!(
        session.log.join("\n").contains("close frame [3, 241]"),
        "{:?}",
        session.log
    );
    // What is not compressed is skipped, as ever.
    let mut config = compressing();
    config.limits.receive = 500;
    let (mut session, _) = Session::joined(config, "permessage-deflate");
    session.say(TEXT, &[b'4'; 4000]);
    session.say(TEXT, b"42[\"x\",\"hello\"]");
    assert_eq!(session.log, ["too large: 4000 of 500", "x [\"hello\"]"]);
}

#[test]
fn no_deflate() {
    for payload in [
        // A block of the reserved type; stored with a wrong length; a tree that is none.
        &b"\xff\xff\xff\xff"[..],
        b"\x00\x05\x00\x05\x00hello",
        b"\x04\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let (mut session, _) = Session::agreed();
        session.feed(&frame(FIN | COMPRESSED | TEXT, payload));
        session.heard();
        let log = session.log.join("\n");
        assert!(log.contains("close frame [3, 239]"), "{payload:x?}: {log}");
        assert!(
            log.contains("closed: the server's compressed data cannot be read"),
            "{log}"
        );
    }
    // Cut short: whatever comes of it, it is no event.
    let (mut session, _) = Session::agreed();
    let payload = session.compressed(format!("42[\"x\",\"{}\"]", long(3000)).as_bytes());
    for n in 0..payload.len() {
        let (mut session, _) = Session::agreed();
        session.feed(&frame(FIN | COMPRESSED | TEXT, &payload[..n]));
        session.heard();
        let log = session.log.join("\n");
        assert!(!log.contains("x ["), "{n} bytes: {log}");
    }
}

#[test]
fn reserved_bits() {
    let reserved = "closed: WebSocket protocol error: frame with reserved bits";
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    for (answer, bytes) in [
        ("", frame(FIN | COMPRESSED | TEXT, hello)),
        ("permessage-deflate", frame(FIN | 0x20 | TEXT, hello)),
        ("permessage-deflate", frame(FIN | 0x60 | TEXT, hello)),
        ("permessage-deflate", frame(FIN | COMPRESSED | 0x9, b"p")),
        ("permessage-deflate", frame(FIN | COMPRESSED | 0x8, b"")),
        (
            "permessage-deflate",
            [
                frame(COMPRESSED | TEXT, b"\xf2"),
                frame(FIN | COMPRESSED, &hello[1..]),
            ]
            .concat(),
        ),
    ] {
        let (mut session, _) = Session::joined(compressing(), answer);
        session.feed(&bytes);
        assert!(
            session.log.join("\n").contains(reserved),
            "{answer} {bytes:x?}: {:?}",
            session.log
        );
    }
}
