//! What fits into storage of a given size, as the documentation of `Storage` says; and that it never stands still.

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_core::{Link, Memory, Storage, Transports};
use sockeye_testkit::{Pieces, Rig, Seeded, config, frame, response};

use crate::properties::proptest_config;

const HEADER: &str = "51-[\"b\",{\"_placeholder\":true,\"num\":0}]";

/// Brings a client to a joined session.
fn rig(transports: Transports, memory: Memory<'_>) -> Rig<'_> {
    let mut rig = Rig::new(config(transports), memory);
    if transports == Transports::WEBSOCKET {
        rig.joined_ws();
    } else {
        rig.joined_polling("[]");
    }
    rig
}

/// Whether a packet of `bytes` is received: text alone, or a text and one attachment, together.
fn fits(rig: &mut Rig<'_>, bytes: usize, attachment: bool, pieces: &Pieces) -> bool {
    rig.pieces = pieces.clone();
    rig.take_log();
    let polling = rig.is_open(Link::Poll);
    let (text, binary) = if attachment {
        let len = bytes - HEADER.len();
        (HEADER.to_owned(), Some(vec![7; len]))
    } else {
        (format!("2[\"a\",\"{}\"]", "x".repeat(bytes - 8)), None)
    };
    if polling {
        use base64::Engine as _;
        let mut body = format!("4{text}");
        if let Some(binary) = &binary {
            body.push_str("\u{1e}b");
            body.push_str(&base64::engine::general_purpose::STANDARD.encode(binary));
        }
        rig.reply(Link::Poll, &response("200 OK", "", body.as_bytes()));
    } else {
        rig.feed(Link::WebSocket, &frame(0x81, format!("4{text}").as_bytes()));
        if let Some(binary) = &binary {
            rig.feed(Link::WebSocket, &frame(0x82, binary));
        }
    }
    let events = rig.take_events();
    assert!(
        events.starts_with("message ") != events.starts_with("refused "),
        "{bytes}: {events}"
    );
    events.starts_with("message ")
}

/// The largest packet that arrives, however it is cut.
fn largest(rig: &mut Rig<'_>, attachment: bool, up_to: usize) -> usize {
    let (mut most, mut too_much) = (HEADER.len(), up_to);
    while most + 1 < too_much {
        let middle = usize::midpoint(most, too_much);
        if fits(rig, middle, attachment, &Pieces::Whole) {
            most = middle;
        } else {
            too_much = middle;
        }
    }
    for pieces in [Pieces::Of(1), Pieces::Of(7), Pieces::Of(97)] {
        assert!(fits(rig, most, attachment, &pieces), "{pieces:?}");
        assert!(!fits(rig, most + 1, attachment, &pieces), "{pieces:?}");
    }
    most
}

macro_rules! figures {
    ($($rx:literal),*) => {
        [$({
            let all = |transports| {
                let mut storage = Box::new(Storage::<$rx, 1024>::new());
                let mut rig = rig(transports, storage.memory());
                [false, true].map(|attachment| largest(&mut rig, attachment, $rx + 1))
            };
            ($rx, all(Transports::WEBSOCKET), all(Transports::POLLING))
        }),*]
    };
}

#[test]
fn the_documentation_says_what_fits() {
    let documentation = include_str!("../../src/storage.rs");
    for (rx, [text, with], [polled, polled_with]) in figures!(512, 1024, 2048) {
        let row = format!("/// | {rx} | {text} | {with} | {polled} | {polled_with} |\n");
        assert!(documentation.contains(&row), "it is {row}");
        assert_eq!([text, with], [rx - 6, rx - 176]);
    }
}

/// What a server may answer, in parts that are put together at random: sound, odd, or nonsense.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        // Chunk heads up to the longest that are read, and bodies.
        (0usize..260, 0usize..40).prop_map(|(extension, n)| {
            format!("{n:x};{}\r\n{}\r\n", "x".repeat(extension), "y".repeat(n)).into_bytes()
        }),
        Just(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()),
        (0usize..400).prop_map(|n| format!("X-Long: {}\r\n", "z".repeat(n)).into_bytes()),
        (0usize..400).prop_map(|n| format!("Set-Cookie: c={}\r\n", "z".repeat(n)).into_bytes()),
        (0usize..3000).prop_map(|n| response(
            "200 OK",
            "",
            format!("6\u{1e}42[\"a\",\"{}\"]", "b".repeat(n)).as_bytes()
        )),
        (0usize..600).prop_map(|n| response("413 No", "", "e".repeat(n).as_bytes())),
        (0usize..130).prop_map(|n| frame(0x89, &vec![b'p'; n.min(125)])),
        (0usize..3000, any::<bool>())
            .prop_map(|(n, last)| frame(if last { 0x82 } else { 0x02 }, &vec![1; n])),
        (0usize..3000)
            .prop_map(|n| frame(0x81, format!("42[\"a\",\"{}\"]", "b".repeat(n)).as_bytes())),
        Just(frame(
            0x81,
            b"452-[\"b\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]"
        )),
        Just(frame(0x81, b"42/held,[\"held\"]")),
        vec(any::<u8>(), 0..50),
        Just(b"\r\n0\r\n\r\n".to_vec()),
    ];
    vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

/// Feeds everything to every link. The rig holds that an open link always has room for the next read.
fn never_full(memory: Memory<'_>, transports: Transports, bytes: &[u8], pieces: &Pieces) {
    let upgrades = transports == Transports::POLLING_FIRST;
    let mut rig = Rig::new(config(transports), memory);
    rig.strict = false;
    let nsp = if transports == Transports::WEBSOCKET {
        rig.joined_ws()
    } else {
        rig.joined_polling(if upgrades { "[\"websocket\"]" } else { "[]" })
    };
    rig.connect("/held");
    let _ = rig.emit(nsp, "x", &(1,), sockeye_core::EmitOptions::ACK);
    rig.pieces = pieces.clone();
    for link in [Link::WebSocket, Link::Post, Link::Poll] {
        rig.feed(link, bytes);
        for link in Link::ALL {
            let open = rig.is_open(link);
            assert!(
                !open || !rig.client.receive_buf(link).is_empty(),
                "{link:?}"
            );
        }
    }
}

macro_rules! all_sizes {
    ($test:expr; $($rx:literal)*) => {
        $({
            let mut storage = Box::new(Storage::<$rx, 512, 2, 4, 2, 256>::new());
            $test(storage.memory());
        })*
    };
}

proptest! {
    #![proptest_config(proptest_config(24))]

    #[test]
    fn an_open_link_has_room_for_the_next_read(
        bytes in stream(),
        pieces in prop_oneof![
            Just(Pieces::Whole),
            (1usize..200).prop_map(Pieces::Of),
            any::<u64>().prop_map(|seed| Pieces::Random(Seeded::new(seed))),
        ],
    ) {
        for transports in [Transports::WEBSOCKET, Transports::POLLING, Transports::POLLING_FIRST] {
            let test = |memory: Memory<'_>| never_full(memory, transports, &bytes, &pieces);
            all_sizes!(test; 512 513 515 520 544 576 600 639 640 641 700 768 900 1000 1024 1100 1500 2048 4096 6000);
        }
    }
}
