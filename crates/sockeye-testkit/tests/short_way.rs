//! What a client tells and writes does not depend on whether it takes the short way for packets on a settled connection.

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_core::{EmitOptions, Link, Memory, Transports};
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

/// What is told of these packets, which one read brings, or pieces of so many bytes. Some acknowledgements are waited for,
/// 0 to 9; nobody wants that of 5 any more.
fn told(packets: &[&str], piece: Option<usize>, thorough: bool) -> String {
    let config = config(Transports::WEBSOCKET);
    let mut rig = Rig::new(config.clone(), Memory::growable(&config.limits));
    rig.thorough = thorough;
    let nsp = rig.joined_ws();
    for n in 0..10 {
        let asked = rig.emit(nsp, "ask", &(n,), EmitOptions::ACK);
        let id = asked.unwrap().unwrap();
        if n == 5 {
            rig.client.cancel_ack(id);
            rig.drain();
        }
    }
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
    format!(
        "{}{} waited for\n",
        rig.take_log(),
        rig.client.pending_acks()
    )
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
        &["430[1]", "430[2]", "431[3]"],
        &["439[1]", plain, "432[\"é\",{\"a\":[]}]", "430[]"],
        &["430"],
        &["43[1]"],
        &["4300[1]"],
        &["430[1] "],
        &["430 [1]"],
        &["430{\"a\":1}"],
        &["430[1"],
        &["430[1]]"],
        &["430[\"~\"]"],
        &["435[1]"],
        &["4310[1]"],
        &["4318446744073709551615[1]"],
        &["4318446744073709551616[1]"],
        &["43/,0[1]"],
        &["43/other,0[1]"],
        &["461-0[{\"_placeholder\":true,\"num\":0}]", "bABC"],
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
            let slow = told(&packets, piece, true);
            assert_eq!(quick, slow, "{odd:?}, {piece:?}");
            assert!(quick.matches("plain").count() >= 2, "{odd:?}: {quick}");
        }
    }
}
