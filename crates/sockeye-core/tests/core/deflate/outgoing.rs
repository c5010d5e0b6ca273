//! What the client says: what is compressed, in how many frames, and what becomes of it when the connection breaks.

use proptest::prelude::*;
use sockeye_core::packet::BinRef;
use sockeye_core::{Compression, EmitOptions, Link, NspOptions, Output};
use sockeye_testkit::frame;

use super::{BINARY, COMPRESSED, FIN, Session, TEXT, compressing, long};

#[test]
fn only_what_is_long_enough() {
    let (mut session, nsp) = Session::agreed();
    // The type, the brackets, the name and the quotes take 10 bytes.
    for (n, first) in [(1013, FIN | TEXT), (1014, FIN | COMPRESSED | TEXT)] {
        session.emit(nsp, "x", &long(n));
        let heard = session.heard();
        assert_eq!((heard[0].0, heard[0].1.len()), (first, n + 10));
    }
    let options = EmitOptions::PLAIN.compress(false);
    let text = long(5000);
    session
        .client
        .emit(session.now, nsp, "x", &(&*text,), options)
        .unwrap();
    let options = options.compress(true);
    session
        .client
        .emit(session.now, nsp, "x", &(&*text,), options)
        .unwrap();
    let firsts: Vec<_> = session.heard().iter().map(|heard| heard.0).collect();
    assert_eq!(firsts, [FIN | TEXT, FIN | COMPRESSED | TEXT]);
    // Each message for itself: the text of a packet, and its attachments.
    let (small, large) = ([1u8; 100], [2u8; 3000]);
    session
        .client
        .emit(
            session.now,
            nsp,
            "x",
            &(BinRef(&small), BinRef(&large), BinRef(&[])),
            EmitOptions::PLAIN,
        )
        .unwrap();
    session.emit(nsp, "x", "after");
    let heard = session.heard();
    let firsts: Vec<_> = heard.iter().map(|heard| heard.0).collect();
    assert_eq!(
        firsts,
        [
            FIN | TEXT,
            FIN | BINARY,
            FIN | COMPRESSED | BINARY,
            FIN | BINARY,
            FIN | TEXT
        ]
    );
    assert_eq!(
        (heard[1].1.as_slice(), heard[2].1.as_slice()),
        (&small[..], &large[..])
    );
}

/// What earlier messages taught is used, or not, as has been agreed on.
#[test]
fn context_takeover() {
    let noise: String = {
        let mut x = 1u32;
        std::iter::repeat_with(|| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + (x >> 24) as u8 % 26)
        })
        .take(4000)
        .collect()
    };
    for (answer, remembers) in [
        ("permessage-deflate", true),
        ("permessage-deflate; client_no_context_takeover", false),
    ] {
        let (mut session, nsp) = Session::joined(compressing(), answer);
        let mut sizes = Vec::new();
        for _ in 0..2 {
            session.emit(nsp, "x", &noise);
            session.drain();
            sizes.push(session.unread.len());
            let heard = session.heard();
            assert_eq!(heard[0].1, format!("42[\"x\",\"{noise}\"]").as_bytes());
        }
        assert_eq!(sizes[1] < sizes[0] / 10, remembers, "{answer}: {sizes:?}");
    }
}

/// A large message leaves in pieces, with nothing in between, and what comes behind it is in order.
#[test]
fn large_messages_leave_in_pieces() {
    let (mut session, nsp) = Session::agreed();
    session.write = 1000;
    let text = long(300_000);
    session.emit(nsp, "x", &text);
    session.emit(nsp, "x", "after");
    session
        .client
        .emit(
            session.now,
            nsp,
            "x",
            &(BinRef(&[9; 200_000]),),
            EmitOptions::PLAIN,
        )
        .unwrap();
    // It has to be answered, but by a message of its own.
    session.say(TEXT, b"2");
    session.say(0x9, b"ping");
    let heard = session.heard();
    let texts: Vec<_> = heard
        .iter()
        .map(|(first, message, frames)| (*first, message.len(), *frames))
        .collect();
    let pong = texts
        .iter()
        .position(|heard| *heard == (FIN | TEXT, 1, 1))
        .expect("a pong");
    let mut rest = texts.clone();
    rest.remove(pong);
    assert_eq!(
        rest,
        [
            (COMPRESSED | TEXT, 300_010, 5),
            (FIN | TEXT, 15, 1),
            (FIN | TEXT, 39, 1),
            (COMPRESSED | BINARY, 200_000, 4),
        ],
        "{texts:?}"
    );
    assert_eq!(session.pongs, 1);
    assert_eq!(
        heard
            .iter()
            .find(|heard| heard.1.len() == 300_010)
            .unwrap()
            .1,
        format!("42[\"x\",\"{text}\"]").as_bytes()
    );
}

/// What was interrupted is compressed anew for the next connection, and whole.
#[test]
fn interrupted_and_sent_again() {
    for cut in [0, 1, 10, 300] {
        let (mut session, nsp) = Session::agreed();
        session.emit(nsp, "x", &long(200_000));
        session.heard();
        // Blocked after some bytes.
        session.write = cut;
        session.emit(nsp, "x", &long(100_000));
        loop {
            match session.client.poll_output() {
                Output::Transmit(link) => {
                    let n = session.client.transmit(link).len().min(session.write);
                    session.client.transmitted(link, n);
                    session.write = 0;
                }
                Output::Idle(_) => break,
                _ => (),
            }
        }
        session.write = usize::MAX;
        session.lose();
        session.pass(1000);
        session.shake_hands("permessage-deflate");
        session.say(TEXT, b"40{\"sid\":\"S2\"}");
        let heard = session.heard();
        let lens: Vec<_> = heard.iter().map(|heard| heard.1.len()).collect();
        assert_eq!(lens, [2, 100_010], "cut at {cut}");
        assert_eq!(heard[1].0, COMPRESSED | TEXT);
    }
}

/// A packet that is taken back has been compressed, and the server never sees it: nothing may refer to it.
#[test]
fn taken_back() {
    let (mut session, main) = Session::agreed();
    let other = session
        .client
        .namespace("/o", NspOptions::default())
        .unwrap();
    session.client.connect(session.now, other);
    session.say(TEXT, b"40/o,{\"sid\":\"S2\"}");
    session.heard();
    session.write = 0;
    session.emit(other, "x", &long(3000));
    session.drain();
    // The namespace is left before anything was written.
    session.say(TEXT, b"41/o,");
    session.write = usize::MAX;
    session.client.handle_writable(session.now, Link::WebSocket);
    session.emit(main, "x", &long(3000));
    let heard = session.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(
        heard[0].1,
        format!("42[\"x\",\"{}\"]", long(3000)).as_bytes()
    );
}

/// A quiet connection gives the compressor's memory back; what comes next is understood all the same.
#[test]
fn after_a_quiet_time() {
    let (mut session, nsp) = Session::agreed();
    for _ in 0..3 {
        session.emit(nsp, "x", &long(3000));
        assert_eq!(session.heard()[0].1.len(), 3010);
        session.say_compressed(TEXT, b"42[\"x\",\"hello\"]");
        session.hears("hello");
        for _ in 0..3 {
            session.pass(20_000);
            session.say(TEXT, b"2");
            assert_eq!(session.heard()[0].1, b"3");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Any messages, any threshold, any agreement, any pieces: both sides understand each other.
    #[test]
    fn both_sides_understand_each_other(
        answer in 0usize..4,
        threshold in prop::sample::select(vec![0, 1, 50, 1024]),
        write in prop::sample::select(vec![1, 3, 100, usize::MAX]),
        piece in prop::sample::select(vec![1, 5, 1000, usize::MAX]),
        messages in prop::collection::vec((any::<bool>(), any::<bool>(), prop::collection::vec("[ab]{0,3}|\\PC{0,20}", 0..60), prop::collection::vec(any::<u8>(), 0..2000)), 1..12),
    ) {
        let answer = [
            "permessage-deflate",
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover; server_max_window_bits=15",
        ][answer];
        let mut config = compressing();
        config.compression = Some(Compression::DEFAULT.threshold(threshold));
        let (mut session, nsp) = Session::joined(config, answer);
        session.write = write;
        for (ours, compress, words, bytes) in messages {
            let text = words.concat();
            if ours {
                let options = EmitOptions::PLAIN.compress(compress);
                session.client.emit(session.now, nsp, "x", &(&*text, BinRef(&bytes)), options).unwrap();
                let heard = session.heard();
                prop_assert_eq!(heard.len(), 2);
                let json: serde_json::Value = serde_json::from_slice(&heard[0].1[4..]).unwrap();
                prop_assert_eq!(json[1].as_str(), Some(&*text));
                prop_assert_eq!(&heard[1].1, &bytes);
                for (first, message, _) in &heard {
                    prop_assert_eq!(first & COMPRESSED != 0, compress && message.len() >= threshold);
                }
            } else {
                let packet = format!("42[\"x\",{}]", serde_json::to_string(&text).unwrap());
                let payload = if compress {
                    frame(FIN | COMPRESSED | TEXT, &session.compressed(packet.as_bytes()))
                } else {
                    frame(FIN | TEXT, packet.as_bytes())
                };
                for piece in payload.chunks(piece.min(payload.len())) {
                    session.feed(piece);
                }
                let log = std::mem::take(&mut session.log);
                prop_assert_eq!(log, [format!("x [{}]", serde_json::to_string(&text).unwrap())]);
            }
        }
    }
}
