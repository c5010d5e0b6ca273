//! GET and POST: order, batches, binary (facts 33–36 of docs/protocol.md).

use sockeye_core::packet::BinRef;
use sockeye_core::{EmitError, EmitOptions, Link, Transports};
use sockeye_testkit::{Server, Settings, config};

use crate::{as_text, both};

#[test]
fn one_post_at_a_time_and_at_most_sixteen_packets() {
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            for i in 0..20 {
                rig.emit(nsp, "n", &(i,), EmitOptions::PLAIN).unwrap();
            }
            rig.expect("post> 42[\"n\",0]");
            rig.post_reply();
            let log = rig.take_log();
            let body = log.lines().nth(1).unwrap();
            assert_eq!(body.split('|').count(), 16, "{body}");
            assert!(
                body.starts_with("post> 42[\"n\",1]|") && body.ends_with("|42[\"n\",16]"),
                "{body}"
            );
            rig.post_reply();
            rig.expect("post< ok\npost> 42[\"n\",17]|42[\"n\",18]|42[\"n\",19]");
            rig.post_reply();
            rig.expect("post< ok");
        },
    );
}

#[test]
fn max_payload_is_kept() {
    as_text(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.connect("/");
            rig.get_reply("0{\"sid\":\"E1\",\"maxPayload\":26}");
            rig.post_reply();
            rig.get_reply("40{\"sid\":\"S1\"}");
            rig.emit(nsp, "first", &(), EmitOptions::PLAIN).unwrap();
            rig.take_log();
            // 11 bytes each: two and a separator make 23.
            for i in 0..5 {
                rig.emit(nsp, "abc", &(i,), EmitOptions::PLAIN).unwrap();
            }
            // Too large by itself: it is sent alone all the same.
            rig.emit(
                nsp,
                "abc",
                &("ddddddddddddddddddddddddddddd",),
                EmitOptions::PLAIN,
            )
            .unwrap();
            // Characters count as bytes: 42["é",1] is 10, and binary as base64.
            rig.emit(nsp, "é", &(1,), EmitOptions::PLAIN).unwrap();
            rig.emit(nsp, "é", &(2,), EmitOptions::PLAIN).unwrap();
            for _ in 0..6 {
                rig.post_reply();
            }
            rig.expect(
                r#"
                post< ok
                post> 42["abc",0]|42["abc",1]
                post< ok
                post> 42["abc",2]|42["abc",3]
                post< ok
                post> 42["abc",4]
                post< ok
                post> 42["abc","ddddddddddddddddddddddddddddd"]
                post< ok
                post> 42["é",1]|42["é",2]
                post< ok
                "#,
            );
        },
    );
}

/// An attachment counts with the length of its base64 text and the letter before it.
#[test]
fn max_payload_counts_binary_as_base64() {
    const HEADER: &str = "451-[\"b\",{\"_placeholder\":true,\"num\":0}]";
    // 30 bytes are 40 letters. Header, separator, `b` and 40 letters fit exactly, or do not.
    let whole = HEADER.len() + 1 + 41;
    for (max, fits) in [(whole, true), (whole - 1, false)] {
        as_text(
            || config(Transports::POLLING),
            |rig| {
                rig.connect("/");
                rig.get_reply(&format!("0{{\"sid\":\"E1\",\"maxPayload\":{max}}}"));
                rig.post_reply();
                rig.get_reply("40{\"sid\":\"S1\"}");
                let nsp = rig.namespace("/", sockeye_core::NspOptions::default());
                rig.emit(nsp, "hold", &(), EmitOptions::PLAIN).unwrap();
                rig.emit(nsp, "b", &(BinRef(&[7; 30]),), EmitOptions::PLAIN)
                    .unwrap();
                rig.take_log();
                rig.post_reply();
                rig.post_reply();
                let log = rig.take_log();
                let posts: Vec<usize> = log
                    .lines()
                    .filter_map(|line| line.strip_prefix("post> "))
                    .map(|body| body.split('|').count())
                    .collect();
                assert_eq!(
                    posts,
                    if fits { vec![2] } else { vec![1, 1] },
                    "{max}: {log}"
                );
            },
        );
    }
}

/// A pong that leaves no room for the rest of a packet goes alone, and the rest follows.
#[test]
fn a_pong_between_a_header_and_an_attachment_without_room_for_both() {
    const HEADER: &str = "451-[\"b\",{\"_placeholder\":true,\"num\":0}]";
    for answered in [true, false] {
        as_text(
            || config(Transports::POLLING),
            |rig| {
                rig.connect("/");
                // The attachment fits by itself: `b` and 40 letters. With a pong and a separator it does not.
                rig.get_reply("0{\"sid\":\"E1\",\"maxPayload\":41}");
                rig.post_reply();
                rig.get_reply("40{\"sid\":\"S1\"}");
                let nsp = rig.namespace("/", sockeye_core::NspOptions::default());
                rig.emit(nsp, "b", &(BinRef(&[7; 30]),), EmitOptions::PLAIN)
                    .unwrap();
                rig.emit(nsp, "after", &(), EmitOptions::PLAIN).unwrap();
                rig.take_log();
                rig.get_reply("2");
                rig.post_reply();
                let letters = "BwcH".repeat(10);
                let sent = |log: &str| {
                    let posts = log.lines().filter_map(|line| line.strip_prefix("post> "));
                    posts.map(str::to_owned).collect::<Vec<_>>()
                };
                assert_eq!(sent(&rig.take_log()), ["3"]);
                if answered {
                    rig.post_reply();
                    rig.post_reply();
                    let rest = format!("b{letters}");
                    assert_eq!(sent(&rig.take_log()), [&*rest, "42[\"after\"]"]);
                } else {
                    // The packet has begun to leave: like any that was interrupted it goes again, and whole.
                    rig.cut(Link::Post);
                    rig.take_log();
                    rig.pass(10_000);
                    rig.get_reply("0{\"sid\":\"E2\"}");
                    rig.post_reply();
                    rig.get_reply("40{\"sid\":\"S2\"}");
                    let log = rig.take_log();
                    let again = format!("{HEADER}|b{letters}");
                    assert!(sent(&log).contains(&again), "{log}");
                }
            },
        );
    }
}

#[test]
fn binary_out_is_base64() {
    as_text(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            // Short writes cut the body anywhere.
            rig.write[Link::Post.index()] = 7;
            let long: Vec<u8> = (0..600).map(|i| i as u8).collect();
            rig.emit(nsp, "hold", &(), EmitOptions::PLAIN).unwrap();
            rig.emit(
                nsp,
                "b",
                &(BinRef(&[1, 2, 3, 4]), "x", BinRef(&[])),
                EmitOptions::PLAIN,
            )
            .unwrap();
            rig.emit(nsp, "long", &(BinRef(&long),), EmitOptions::PLAIN)
                .unwrap();
            rig.take_log();
            rig.post_reply();
            let request = rig.request(Link::Post).unwrap().clone();
            let packets: Vec<&str> = request.text().split('\u{1e}').collect();
            assert_eq!(
                packets[..4],
                [
                    "452-[\"b\",{\"_placeholder\":true,\"num\":0},\"x\",{\"_placeholder\":true,\"num\":1}]",
                    "bAQIDBA==",
                    "b",
                    "451-[\"long\",{\"_placeholder\":true,\"num\":0}]",
                ]
            );
            assert_eq!(packets.len(), 5);
            assert_eq!(packets[4].len(), 801);
            assert!(
                packets[4].starts_with("bAAECAwQF") && packets[4].ends_with("VVZX"),
                "{}",
                packets[4]
            );
        },
    );
}

#[test]
fn binary_in_is_base64_over_several_gets() {
    as_text(
        || config(Transports::POLLING),
        |rig| {
            rig.joined_polling("[]");
            rig.get_reply(
                "452-[\"b\",{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":0}]",
            );
            rig.get_reply("2|bAQID");
            rig.get_reply("bBAU=|42[\"next\"]");
            rig.post_reply();
            rig.expect(
                r#"
                get< 452-["b",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]
                get>
                get< 2|bAQID
                ping
                get>
                post> 3
                get< bBAU=|42["next"]
                message / b [{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}] <010203> <0405>
                message / next []
                get>
                post< ok
                "#,
            );
        },
    );
}

#[test]
fn bad_base64() {
    for bad in ["b*", "bAQI", "bA===", "bAQID BAU="] {
        as_text(
            || config(Transports::POLLING),
            |rig| {
                rig.joined_polling("[]");
                rig.get_reply(&format!(
                    "451-[\"b\",{{\"_placeholder\":true,\"num\":0}}]|{bad}"
                ));
                let events = rig.take_events();
                // Missing padding is tolerated, as decoders in servers' languages do; the rest is a parse error.
                if bad == "bAQI" {
                    assert!(events.starts_with("message / b "), "{events}");
                } else {
                    assert!(
                        events.starts_with("closed parse error [Packet(Encoding)"),
                        "{bad}: {events}"
                    );
                }
            },
        );
    }
}

// The official client does so too: a server that is not told keeps the session until its ping timeout, beside the next one.
#[test]
fn a_server_that_writes_nonsense_is_told_that_the_session_ends() {
    for (nonsense, reason) in [
        ("42{}", "parse error"),
        ("4x", "parse error"),
        ("b*", "parse error"),
        ("x", "transport error"),
    ] {
        both(
            || config(Transports::POLLING),
            |rig| {
                let nsp = rig.joined_polling("[]");
                // This one is under way, and that one waits for its answer.
                rig.emit(nsp, "n", &(0,), EmitOptions::PLAIN).unwrap();
                rig.emit(nsp, "n", &(1,), EmitOptions::PLAIN).unwrap();
                rig.take_log();
                rig.get_reply(&format!("42[\"before\"]|{nonsense}|42[\"behind\"]"));
                let log = rig.take_log();
                assert!(
                    log.contains("message / before []") && !log.contains("message / behind"),
                    "{log}"
                );
                assert!(log.contains(&format!("closed {reason} [")), "{log}");
                assert!(log.contains("reconnecting #1"), "{log}");
                rig.post_reply();
                rig.expect("post< ok\npost> 1");
                rig.post_reply();
                rig.expect("post< ok\nclose get\nclose post");
                // The next session begins after its delay, with what was left.
                rig.pass(1_500);
                rig.opened_polling("[]");
                rig.get_reply("40{\"sid\":\"S2\"}");
                rig.post_reply();
                let log = rig.take_log();
                assert!(
                    log.ends_with("post> 42[\"n\",1]\n") && !log.contains("[\"n\",0]"),
                    "{log}"
                );
            },
        );
    }
}

// Its answer does not come: the next session does not wait for it.
#[test]
fn a_server_that_writes_nonsense_and_takes_no_goodbye() {
    both(
        || config(Transports::POLLING),
        |rig| {
            rig.joined_polling("[]");
            rig.get_reply("42{}");
            assert!(rig.take_log().contains("post> 1\n"));
            rig.pass(299);
            rig.expect("");
            rig.pass(1);
            rig.expect("@300\nclose get\nclose post");
            rig.pass(1_500);
            assert!(rig.take_log().contains("open get"));
        },
    );
}

#[test]
fn a_link_that_stalls_and_recovers() {
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            rig.write[Link::Post.index()] = 0;
            for i in 0..3 {
                rig.emit(nsp, "n", &(i,), EmitOptions::PLAIN).unwrap();
            }
            assert!(!rig.client.is_writable());
            assert_eq!(
                rig.emit(nsp, "v", &(), EmitOptions::VOLATILE),
                Err(EmitError::NotWritable)
            );
            rig.expect("");
            rig.writable(Link::Post, 5);
            rig.expect("post> 42[\"n\",0]");
            rig.post_reply();
            rig.expect("post< ok\npost> 42[\"n\",1]|42[\"n\",2]");
            rig.post_reply();
            assert!(rig.client.is_writable());
            rig.emit(nsp, "v", &(), EmitOptions::VOLATILE).unwrap();
            rig.expect("post< ok\npost> 42[\"v\"]");
        },
    );
}

#[test]
fn a_server_that_judges() {
    // Hundreds of events both ways: nothing overlaps, nothing is lost, the order is kept.
    for latency in [0, 3, 40] {
        both(
            || config(Transports::POLLING),
            |rig| {
                let settings = Settings {
                    upgrades: false,
                    max_payload: 300,
                    ..Settings::default()
                };
                rig.server = Some(Server::new(settings));
                rig.latency = std::time::Duration::from_millis(latency);
                let nsp = rig.connect("/");
                for i in 0..300 {
                    let mut result =
                        rig.emit(nsp, "echo", &(i, BinRef(&[i as u8])), EmitOptions::PLAIN);
                    while result == Err(EmitError::Full) {
                        rig.pass(10);
                        result =
                            rig.emit(nsp, "echo", &(i, BinRef(&[i as u8])), EmitOptions::PLAIN);
                    }
                    result.unwrap();
                    rig.pass(1);
                }
                rig.pass(20_000);
                let server = rig.server.as_ref().unwrap();
                assert_eq!(server.violations, Vec::<String>::new());
                assert_eq!(server.sessions(), 1);
                let expected: Vec<String> = (0..300)
                    .map(|i| {
                        format!(
                            "/ [\"echo\",{i},{{\"_placeholder\":true,\"num\":0}}] <{:02x}>",
                            i as u8
                        )
                    })
                    .collect();
                assert_eq!(server.received, expected);
                let events = rig.take_events();
                let echoes: Vec<&str> = events
                    .lines()
                    .filter(|line| line.starts_with("message / echo"))
                    .collect();
                assert_eq!(echoes.len(), 300);
                assert!(
                    echoes
                        .iter()
                        .enumerate()
                        .all(|(i, line)| line.contains(&format!(" echo [{i},")))
                );
            },
        );
    }
}

#[test]
fn a_post_link_that_cannot_be_had() {
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.connect("/");
            rig.opening = sockeye_testkit::Opening::Refuse;
            rig.opened_polling("[]");
            rig.emit(nsp, "kept", &(), EmitOptions::PLAIN).unwrap();
            rig.expect(
                r#"
                open get
                get> handshake
                get< 0{"sid":"E1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
                opened polling E1
                get>
                open post
                close get
                closed transport error [Dial "connection refused"], retry
                reconnecting #1 in 1000 ms
                "#,
            );
        },
    );
}
