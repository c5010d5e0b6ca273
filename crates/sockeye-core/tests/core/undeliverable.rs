//! A packet that cannot be delivered does not hold the connection hostage: what was never begun is kept; what was begun
//! is sent once more; then it is given up, told, and what is behind it goes on.

#[cfg(feature = "alloc")]
use sockeye_core::Memory;
use sockeye_core::packet::BinRef;
use sockeye_core::{EmitOptions, Link, NamespaceId, Transports};
use sockeye_testkit::{Rig, config, response};

use crate::{as_text, both};

const WS: usize = Link::WebSocket.index();

/// The link takes `n` bytes more, then nothing; then it breaks. How many it took.
fn cut_after(rig: &mut Rig<'_>, link: Link, n: usize) -> usize {
    let mut left = n;
    while left > 0 {
        let n = rig.client.transmit(link).len().min(left);
        if n == 0 {
            break;
        }
        rig.client.transmitted(link, n);
        left -= n;
    }
    rig.cut(link);
    n - left
}

/// Another session, with a link that takes nothing more from the reply to CONNECT on.
fn again(rig: &mut Rig<'_>) {
    rig.write[WS] = usize::MAX;
    rig.pass(1_000);
    rig.opened_ws();
    rig.write[WS] = 0;
    rig.ws("40{\"sid\":\"S\"}");
}

/// What leaves when the link works again.
fn rest(rig: &mut Rig<'_>) -> String {
    rig.take_log();
    rig.writable(Link::WebSocket, usize::MAX);
    rig.take_log()
}

fn emit_both(rig: &mut Rig<'_>, nsp: NamespaceId, size: usize, options: EmitOptions) {
    rig.write[WS] = 0;
    let bytes = vec![b'x'; size];
    let text = core::str::from_utf8(&bytes).unwrap();
    if size.is_multiple_of(2) {
        rig.emit(nsp, "big", &(text,), options).unwrap();
    } else {
        rig.emit(nsp, "big", &(BinRef(&bytes),), options).unwrap();
    }
    rig.emit(nsp, "next", &(), EmitOptions::PLAIN).unwrap();
}

fn scenario(rig: &mut Rig<'_>, size: usize) {
    let nsp = rig.joined_ws();
    // Never begun: kept, however often.
    emit_both(rig, nsp, size, EmitOptions::PLAIN);
    for _ in 0..3 {
        assert_eq!(cut_after(rig, Link::WebSocket, 0), 0);
        again(rig);
    }
    let log = rest(rig);
    assert!(
        log.contains("[\"big\"") && log.ends_with("ws> 42[\"next\"]\n"),
        "{log}"
    );
    // Begun, in each kind of byte: in the header, in the text, between text and attachment, in the last byte.
    let all = [1, size / 2 + 20, 2, 3, 9, 20, 60, 70, size];
    let classes = if size > 1 << 16 { &all[..2] } else { &all[..] };
    for (i, at) in classes.iter().copied().enumerate() {
        emit_both(rig, nsp, size, EmitOptions::PLAIN);
        assert_eq!(cut_after(rig, Link::WebSocket, at), at);
        again(rig);
        assert!(!rig.take_events().contains("unsent"));
        if i % 2 == 0 {
            let log = rest(rig);
            assert!(
                log.contains("[\"big\"") && log.ends_with("ws> 42[\"next\"]\n"),
                "{log}"
            );
            continue;
        }
        // Once more: given up, and told in front of the reconnection.
        cut_after(rig, Link::WebSocket, classes[i - 1]);
        let events = rig.take_events();
        let told = events
            .lines()
            .position(|line| line.starts_with("unsent / big of "));
        let told = told.unwrap_or_else(|| panic!("{size} cut at {at}: {events}"));
        assert!(
            events
                .lines()
                .nth(told)
                .unwrap()
                .ends_with("bytes: Interrupted")
        );
        again(rig);
        assert_eq!(rest(rig), "ws> 42[\"next\"]\n");
        assert_eq!(
            (rig.client.send_queue_len(), rig.client.send_queue_bytes()),
            (0, 0)
        );
        assert_eq!(rig.client.written_mark(), rig.client.send_mark());
    }
    // The end of one that is waited for is told by its acknowledgement alone.
    emit_both(rig, nsp, size, EmitOptions::ACK);
    for told in [0, 1] {
        cut_after(rig, Link::WebSocket, size / 2);
        let events = rig.take_events();
        assert_eq!(events.matches("ack #").count(), told, "{events}");
        assert_eq!(
            events.matches(" disconnected unsent\n").count(),
            told,
            "{events}"
        );
        assert!(!events.contains("\nunsent"), "{events}");
        again(rig);
    }
    assert_eq!(rest(rig), "ws> 42[\"next\"]\n");
}

#[test]
fn on_a_device() {
    for size in [100, 101, 1024, 1025, 2001] {
        both(|| config(Transports::WEBSOCKET), |rig| scenario(rig, size));
    }
}

#[cfg(feature = "alloc")]
#[test]
fn of_any_size() {
    for size in [1 << 10, 70_001, (1 << 20) + 1, 16 << 20] {
        let config = config(Transports::WEBSOCKET);
        let memory = Memory::growable(&config.limits);
        scenario(&mut Rig::new(config, memory), size);
    }
}

#[test]
fn slower_than_the_heartbeat() {
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            emit_both(rig, nsp, 2_000, EmitOptions::PLAIN);
            for round in 0..2 {
                // 20 bytes a second, until the server's patience ends.
                while rig.is_open(Link::WebSocket) {
                    let n = rig.client.transmit(Link::WebSocket).len().min(20);
                    rig.client.transmitted(Link::WebSocket, n);
                    rig.pass(1_000);
                }
                let events = rig.take_events();
                assert!(events.contains("closed ping timeout"), "{events}");
                assert_eq!(
                    events.contains("unsent / big of 2012 bytes: Interrupted"),
                    round == 1,
                    "{events}"
                );
                again(rig);
            }
            assert_eq!(rest(rig), "ws> 42[\"next\"]\n");
            assert_eq!(rig.client.written_mark(), rig.client.send_mark());
        },
    );
}

#[test]
fn by_polling() {
    let post_again = |rig: &mut Rig<'_>| {
        rig.write[Link::Post.index()] = usize::MAX;
        rig.pass(1_000);
        rig.opened_polling("[]");
        rig.post_reply();
        rig.get_reply("40{\"sid\":\"S\"}");
    };
    as_text(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            rig.emit(
                nsp,
                "big",
                &("x".repeat(1_500).as_str(),),
                EmitOptions::PLAIN,
            )
            .unwrap();
            rig.emit(nsp, "next", &(), EmitOptions::PLAIN).unwrap();
            // The server refuses packets of this size: they would be refused for ever.
            rig.reply(Link::Post, &response("413 Payload Too Large", "", b""));
            let events = rig.take_events();
            assert!(
                events.contains("unsent / big of 1512 bytes: TooLarge\n"),
                "{events}"
            );
            post_again(rig);
            assert!(rig.take_log().ends_with("post> 42[\"next\"]\n"));
            rig.post_reply();
            // Broken off twice.
            for round in 0..2 {
                if round == 0 {
                    rig.write[Link::Post.index()] = 0;
                    rig.emit(
                        nsp,
                        "big",
                        &("x".repeat(1_000).as_str(),),
                        EmitOptions::PLAIN,
                    )
                    .unwrap();
                    rig.emit(nsp, "next", &(), EmitOptions::PLAIN).unwrap();
                }
                let head = head_len(rig.client.transmit(Link::Post));
                cut_after(rig, Link::Post, head + 100);
                // On a connection that was used before, the POST is sent again.
                let head = head_len(rig.client.transmit(Link::Post));
                if rig.is_open(Link::Post) {
                    cut_after(rig, Link::Post, head + 100);
                }
                let events = rig.take_events();
                assert_eq!(events.contains("unsent / big"), round == 1, "{events}");
                rig.write[Link::Post.index()] = usize::MAX;
                rig.pass(1_000);
                rig.opened_polling("[]");
                rig.post_reply();
                rig.write[Link::Post.index()] = 0;
                rig.get_reply("40{\"sid\":\"S\"}");
            }
            rig.take_log();
            rig.writable(Link::Post, usize::MAX);
            rig.expect("post> 42[\"next\"]");
        },
    );
}

#[test]
fn what_has_not_begun_is_taken_back() {
    as_text(
        || config(Transports::POLLING),
        |rig| {
            rig.joined_polling("[]");
            let b = rig.connect("/b");
            rig.post_reply();
            rig.get_reply("40/b,{\"sid\":\"B\"}");
            rig.take_log();
            rig.write[Link::Post.index()] = 0;
            rig.client
                .emit(rig.now(), b, "e", &(), EmitOptions::PLAIN)
                .unwrap();
            // One POST of the pong and the event, of which nothing has left when the server throws the client out.
            let payload = response("200 OK", "", "2\u{1e}41/b,".as_bytes());
            let (pinged, rest) = payload.split_at(payload.len() - 5);
            rig.reply(Link::Poll, pinged);
            rig.feed(Link::Poll, rest);
            rig.take_log();
            rig.writable(Link::Post, usize::MAX);
            rig.expect("post> 3");
            rig.post_reply();
            rig.client.connect(rig.now(), b);
            rig.drain();
            rig.post_reply();
            rig.get_reply("40/b,{\"sid\":\"B2\"}");
            assert!(rig.take_log().ends_with("post> 42/b,[\"e\"]\n"));
        },
    );
    // A batch of frames, the first of which has begun: that is finished, the others wait.
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            let b = rig.connect("/b");
            rig.ws("40/b,{\"sid\":\"B\"}");
            rig.write[WS] = 0;
            for n in 0..3 {
                rig.client
                    .emit(rig.now(), b, "e", &(n,), EmitOptions::PLAIN)
                    .unwrap();
            }
            rig.drain();
            let bytes = rig.client.transmit(Link::WebSocket)[..5].to_vec();
            rig.wrote(Link::WebSocket, &bytes);
            rig.client.transmitted(Link::WebSocket, 5);
            rig.ws("41/b,");
            rig.take_log();
            rig.writable(Link::WebSocket, 3);
            rig.expect("ws> 42/b,[\"e\",0]");
            rig.client.connect(rig.now(), b);
            rig.drain();
            rig.take_log();
            rig.ws("40/b,{\"sid\":\"B2\"}");
            assert!(
                rig.take_log()
                    .ends_with("ws> 42/b,[\"e\",1]\nws> 42/b,[\"e\",2]\n")
            );
        },
    );
}

/// Bytes of the request's head: the beginning of its body leaves with it.
fn head_len(request: &[u8]) -> usize {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n");
    end.map_or(request.len(), |at| at + 4)
}

/// Also when its namespace has been left meanwhile.
#[test]
fn refused_by_http_behind_a_goodbye() {
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            rig.emit(nsp, "large", &(1,), EmitOptions::PLAIN).unwrap();
            rig.client.disconnect(rig.now(), nsp);
            rig.drain();
            rig.reply(
                Link::Post,
                b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n",
            );
            let log = rig.take_log();
            assert!(log.contains("unsent / large"), "{log}");
        },
    );
}
