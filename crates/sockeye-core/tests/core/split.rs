//! A packet that goes out in portions: several POSTs, then the WebSocket that has taken over. It is one packet all the
//! same.

use sockeye_core::packet::BinRef;
use sockeye_core::{EmitOptions, Link, NamespaceId, Transports};
use sockeye_testkit::{Rig, config};

use crate::as_text;

/// A polling session at a server that accepts 60 bytes in a POST, unless one packet has more.
fn joined(rig: &mut Rig<'_>) -> NamespaceId {
    let nsp = rig.connect("/");
    opened(rig);
    rig.get_reply("40{\"sid\":\"S1\"}");
    rig.post_reply();
    rig.take_log();
    nsp
}

fn opened(rig: &mut Rig<'_>) {
    rig.get_reply(
        "0{\"sid\":\"E1\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":60}",
    );
}

/// Emits a packet of which the text and the first attachment have left, and one behind it.
fn begun(rig: &mut Rig<'_>, nsp: NamespaceId, options: EmitOptions) {
    let parts = (BinRef(&[1; 30]), BinRef(&[2; 30]), BinRef(&[3; 10]));
    rig.emit(nsp, "pic", &parts, options).unwrap();
    rig.emit(nsp, "next", &(), EmitOptions::PLAIN).unwrap();
    rig.post_reply();
}

/// The WebSocket takes over when the last POST has been answered; it takes nothing yet.
fn upgraded(rig: &mut Rig<'_>) {
    rig.ws_accept();
    rig.ws("3probe");
    rig.get_reply("6");
    rig.write[Link::WebSocket.index()] = 0;
    rig.take_log();
    rig.post_reply();
}

#[test]
fn over_posts_alone() {
    as_text(
        || config(Transports::POLLING),
        |rig| {
            let nsp = joined(rig);
            begun(rig, nsp, EmitOptions::PLAIN);
            for _ in 0..3 {
                rig.post_reply();
            }
            let log = rig.take_log();
            let posts: Vec<&str> = log
                .lines()
                .filter_map(|line| line.strip_prefix("post> "))
                .collect();
            assert!(posts[0].starts_with("453-[\"pic\","), "{log}");
            assert_eq!(posts[1], "bAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB");
            assert_eq!(
                posts[2],
                "bAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC|bAwMDAwMDAwMDAw=="
            );
            assert_eq!(posts[3], "42[\"next\"]");
            assert_eq!(posts.len(), 4);
        },
    );
}

#[test]
fn the_rest_over_the_websocket() {
    as_text(
        || config(Transports::POLLING_FIRST),
        |rig| {
            let nsp = joined(rig);
            begun(rig, nsp, EmitOptions::PLAIN);
            upgraded(rig);
            rig.writable(Link::WebSocket, 7);
            rig.expect(
                r#"
                post< ok
                close get
                close post
                upgraded
                ws> 5
                ws> <020202020202020202020202020202020202020202020202…(30 bytes, sum 9afe73c0)>
                ws> <03030303030303030303>
                ws> 42["next"]
                "#,
            );
            assert_eq!(
                (rig.client.send_queue_len(), rig.client.send_queue_bytes()),
                (0, 0)
            );
        },
    );
}

#[test]
fn cut_at_every_byte_of_the_rest() {
    for at in 0..70 {
        as_text(
            || config(Transports::POLLING_FIRST),
            |rig| {
                let nsp = joined(rig);
                begun(rig, nsp, EmitOptions::PLAIN);
                upgraded(rig);
                let mut left = at;
                while left > 0 {
                    let n = rig.client.transmit(Link::WebSocket).len().min(left);
                    if n == 0 {
                        break;
                    }
                    rig.client.transmitted(Link::WebSocket, n);
                    left -= n;
                }
                rig.cut(Link::WebSocket);
                rig.write[Link::WebSocket.index()] = usize::MAX;
                assert!(!rig.take_events().contains("unsent"));
                // It has begun: it comes once more, from its start, unless it was written whole.
                rig.pass(1_000);
                opened(rig);
                rig.post_reply();
                rig.get_reply("40{\"sid\":\"S2\"}");
                for _ in 0..6 {
                    if rig.request(Link::Post).is_some() {
                        rig.post_reply();
                    }
                }
                let log = rig.take_log();
                // `5`, two frames of binary, `next`.
                let (pic, next) = (at < 7 + 36 + 16, at < 7 + 36 + 16 + 16);
                assert_eq!(log.contains("post> 453-[\"pic\""), pic, "{at}: {log}");
                assert_eq!(
                    log.matches("|bAwMDAwMDAwMDAw==").count(),
                    usize::from(pic),
                    "{at}: {log}"
                );
                assert_eq!(
                    log.matches("[\"next\"]").count(),
                    usize::from(next),
                    "{at}: {log}"
                );
                assert_eq!(
                    (rig.client.send_queue_len(), rig.client.send_queue_bytes()),
                    (0, 0)
                );
            },
        );
    }
}

#[test]
fn cut_between_two_posts() {
    as_text(
        || config(Transports::POLLING),
        |rig| {
            let nsp = joined(rig);
            begun(rig, nsp, EmitOptions::PLAIN);
            for round in 0..2 {
                rig.break_all();
                let events = rig.take_events();
                assert_eq!(events.contains("unsent / pic of "), round == 1, "{events}");
                rig.pass(1_000);
                opened(rig);
                rig.post_reply();
                rig.get_reply("40{\"sid\":\"S2\"}");
                if round == 0 {
                    rig.post_reply();
                }
            }
            assert!(rig.take_log().ends_with("post> 42[\"next\"]\n"));
        },
    );
}

#[test]
fn thrown_out_between_two_posts() {
    as_text(
        || config(Transports::POLLING),
        |rig| {
            let nsp = joined(rig);
            rig.connect("/b");
            rig.post_reply();
            rig.get_reply("40/b,{\"sid\":\"B\"}");
            begun(rig, nsp, EmitOptions::PLAIN);
            rig.take_log();
            rig.get_reply("41");
            // The server waits for the attachments of the text that it has: they still come, what is behind does not.
            rig.post_reply();
            rig.post_reply();
            rig.expect(
                r#"
                get< 41
                disconnected / io server disconnect [ServerDisconnect]
                get>
                post< ok
                post> bAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC|bAwMDAwMDAwMDAw==
                post< ok
                "#,
            );
            assert_eq!(rig.client.send_queue_len(), 1);
        },
    );
}
