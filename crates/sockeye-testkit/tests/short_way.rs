//! What a client tells and writes does not depend on whether it takes the short way for packets on a settled connection.

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_core::{Link, Memory, Transports};
use sockeye_testkit::{Pieces, Rig, config, frame, fuzz};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(100),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn in_a_conversation(script in vec(any::<u8>(), 0..600)) {
        fuzz::dialogue(&script);
    }

    #[test]
    fn whatever_happens(script in vec(any::<u8>(), 0..600)) {
        fuzz::client(&script);
    }
}

/// What is told of these packets, which one read brings, or pieces of so many bytes.
fn told(packets: &[&str], piece: Option<usize>, thorough: bool) -> String {
    let config = config(Transports::WEBSOCKET);
    let mut rig = Rig::new(config.clone(), Memory::growable(&config.limits));
    rig.thorough = thorough;
    rig.joined_ws();
    rig.take_log();
    let mut bytes = Vec::new();
    for packet in packets {
        let (first, payload) = match packet.strip_prefix('b') {
            Some(payload) => (0x82, payload.as_bytes()),
            None => (0x81, packet.as_bytes()),
        };
        // (No byte of this text is meant to stay.)
        let payload: Vec<u8> = payload
            .iter()
            .map(|b| if *b == b'~' { 0xff } else { *b })
            .collect();
        bytes.extend(frame(first, &payload));
    }
    if let Some(piece) = piece {
        rig.pieces = Pieces::Of(piece);
    }
    rig.feed(Link::WebSocket, &bytes);
    rig.take_log()
}

#[test]
fn what_is_no_plain_event_among_plain_ones() {
    let plain = "42[\"plain\",{\"a\":[1,\"x\"]},\"last\"]";
    let odd: &[&[&str]] = &[
        &[plain],
        &["42[\"\"]"],
        &["42[\"alone\"]"],
        &["42[\"space\" , 1 ] "],
        &["42 [\"space\"]"],
        &["42[ \"space\"]"],
        &["42[\"é\",\"ü\"]"],
        &["42[\"\\u0061\",1]"],
        &["42[7,1]"],
        &["42[]"],
        &["42"],
        &["421[\"ask\",1]"],
        &["42/other,[\"event\"]"],
        &["42/,[\"event\"]"],
        &["42[\"connect\"]"],
        &["42[\"disconnect\",1]"],
        &["42[\"custom\"]"],
        &["42[\"bad\",]"],
        &["42[\"bad\",1"],
        &["42[\"bad\"] x"],
        &["42[\"bad\",\"~\"]"],
        &["42{\"bad\":1}"],
        &["430[1]"],
        &["451-[\"bin\",{\"_placeholder\":true,\"num\":0}]", "bABC"],
        &["451-[\"bin\",{\"_placeholder\":true,\"num\":0}]", plain],
        &["451-[\"bin\",{\"_placeholder\":true,\"num\":1}]", "bABC"],
        &["bABC"],
        &["2"],
        &["1"],
        &["41"],
        &["40{\"sid\":\"again\"}"],
        &["44{\"message\":\"no\"}"],
        &["x"],
    ];
    for odd in odd {
        let packets = [&[plain, plain], *odd, &[plain, plain]].concat();
        for piece in [None, Some(1), Some(7), Some(50)] {
            let quick = told(&packets, piece, false);
            assert_eq!(quick, told(&packets, piece, true), "{odd:?}, {piece:?}");
            assert!(quick.matches("plain").count() >= 2, "{odd:?}: {quick}");
        }
    }
}
