//! Connections that end, that are used again, and requests that are or are not repeated.

use super::*;

#[test]
fn a_post_that_was_certainly_not_taken_is_sent_again() {
    for (status, body, again) in [
        (
            "400 Bad Request",
            "{\"code\":1,\"message\":\"Session ID unknown\"}",
            true,
        ),
        ("502 Bad Gateway", "", true),
        ("503 Service Unavailable", "", true),
        (
            "400 Bad Request",
            "{\"code\":3,\"message\":\"Bad request\"}",
            false,
        ),
        ("413 Payload Too Large", "", false),
        ("500 Internal Server Error", "", false),
    ] {
        both(
            || config(Transports::POLLING),
            |rig| {
                let nsp = rig.joined_polling("[]");
                rig.emit(nsp, "a", &(1,), EmitOptions::ACK).unwrap();
                rig.reply(Link::Post, &response(status, "", body.as_bytes()));
                assert_eq!(
                    rig.take_events().contains("ack #1 disconnected"),
                    !again,
                    "{status}"
                );
                rig.pass(1_000);
                rig.opened_polling("[]");
                rig.post_reply();
                rig.get_reply("40{\"sid\":\"S2\"}");
                let log = rig.take_log();
                assert_eq!(log.contains("post> 420[\"a\",1]"), again, "{status}: {log}");
                if again {
                    rig.get_reply("430[\"answer\"]");
                    assert_eq!(rig.take_events(), "ack #1 [\"answer\"]\n");
                }
            },
        );
    }
}

/// A proxy answers 502 whenever the server falls over one event: that event must not keep all others for ever.
#[test]
fn a_post_that_is_never_taken_is_given_up() {
    for status in [
        "404 Not Found",
        "502 Bad Gateway",
        "503 Service Unavailable",
    ] {
        both(
            || config(Transports::POLLING),
            |rig| {
                let nsp = rig.joined_polling("[]");
                rig.emit(nsp, "good", &(1,), EmitOptions::PLAIN).unwrap();
                rig.emit(nsp, "bad", &(2,), EmitOptions::PLAIN).unwrap();
                rig.emit(nsp, "late", &(3,), EmitOptions::ACK).unwrap();
                let (mut arrived, mut events) = (String::new(), String::new());
                for _ in 0..20 {
                    loop {
                        let log = rig.take_log();
                        events += &log;
                        let posted = log.lines().filter(|line| line.starts_with("post> 42"));
                        let posted: Vec<_> = posted.map(str::to_owned).collect();
                        if posted.iter().any(|line| line.contains("bad")) {
                            break;
                        }
                        if posted.is_empty() {
                            break;
                        }
                        for line in posted {
                            arrived += &line;
                        }
                        rig.post_reply();
                    }
                    if rig.client.send_queue_len() == 0 {
                        break;
                    }
                    rig.reply(Link::Post, &response(status, "", b""));
                    rig.pass(10_000);
                    rig.opened_polling("[]");
                    rig.post_reply();
                    rig.get_reply("40{\"sid\":\"S2\"}");
                }
                assert_eq!(events.matches("unsent").count(), 1, "{status}: {events}");
                assert!(
                    arrived.contains("good") && arrived.contains("late"),
                    "{status}: {arrived}"
                );
            },
        );
    }
}

#[test]
fn an_answer_before_the_request_is_complete() {
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            rig.write[Link::Post.index()] = 0;
            rig.emit(nsp, "a", &(1,), EmitOptions::PLAIN).unwrap();
            rig.take_log();
            rig.feed(Link::Post, &response("200 OK", "", b"ok"));
            let log = rig.take_log();
            assert!(log.contains("closed transport error [BadHttp("), "{log}");
            // Nothing of it has left: it goes out on the next session.
            rig.write = [usize::MAX; 3];
            rig.pass(1_000);
            rig.opened_polling("[]");
            rig.post_reply();
            rig.get_reply("40{\"sid\":\"S2\"}");
            assert!(rig.take_log().contains("post> 42[\"a\",1]"));
        },
    );
}

#[test]
fn connections_are_used_again() {
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            // The server's patience is 5 s: after 4 s a new connection is made, before that the old one serves.
            let reply = response(
                "200 OK",
                "Connection: keep-alive\r\nKeep-Alive: timeout=5, max=10\r\n",
                b"ok",
            );
            for (wait, expected) in [
                (3_900, "@3900\npost> 42[\"a\"]\n"),
                (3_900, "@7800\npost> 42[\"a\"]\n"),
                (4_000, "@11800\nclose post\nopen post\npost> 42[\"a\"]\n"),
            ] {
                if rig.request(Link::Post).is_none() {
                    rig.emit(nsp, "first", &(), EmitOptions::PLAIN).unwrap();
                }
                rig.reply(Link::Post, &reply);
                rig.pass(wait);
                rig.take_log();
                rig.line("");
                rig.take_log();
                rig.emit(nsp, "a", &(), EmitOptions::PLAIN).unwrap();
                let log = rig.take_log();
                assert_eq!(
                    log.lines().collect::<Vec<_>>(),
                    expected.lines().skip(1).collect::<Vec<_>>()
                );
            }
            // `Connection: close`.
            rig.reply(
                Link::Post,
                &response("200 OK", "Connection: Close\r\n", b"ok"),
            );
            rig.take_log();
            rig.emit(nsp, "a", &(), EmitOptions::PLAIN).unwrap();
            rig.expect("open post\npost> 42[\"a\"]");
        },
    );
}

#[test]
fn an_idle_connection_that_the_server_closes() {
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            rig.cut(Link::Post);
            rig.expect("close post");
            rig.emit(nsp, "a", &(), EmitOptions::PLAIN).unwrap();
            rig.expect("open post\npost> 42[\"a\"]");
            rig.post_reply();
            // The same, announced as some proxies do.
            rig.take_log();
            rig.feed(
                Link::Post,
                &response("408 Request Timeout", "Connection: close\r\n", b""),
            );
            rig.expect("close post");
            // A POST that meets the end of the connection is sent again on a new one.
            rig.emit(nsp, "b", &(), EmitOptions::PLAIN).unwrap();
            rig.post_reply();
            rig.pass(50);
            rig.emit(nsp, "c", &(), EmitOptions::PLAIN).unwrap();
            rig.take_log();
            rig.cut(Link::Post);
            rig.expect("close post\nopen post");
            // (Not at once: see the test about a network that breaks both connections.)
            rig.pass(99);
            rig.expect("");
            rig.pass(1);
            rig.expect("@150\npost> 42[\"c\"]");
            // But not for ever: the new connection must bring an answer.
            rig.cut(Link::Post);
            assert!(
                rig.take_events()
                    .starts_with("closed transport error [Eof], retry\n")
            );
        },
    );
}

/// The end of the session, told; and that no POST is sent once more.
const ENDED: &str = "close get\nclose post\nclosed transport error [Eof], retry\n\
                     disconnected / transport error [Eof]\nreconnecting #1 in 1000 ms";

#[test]
fn a_post_that_the_server_may_have_taken_is_not_sent_again() {
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            rig.emit(nsp, "a", &(), EmitOptions::PLAIN).unwrap();
            rig.post_reply();
            // No server takes a connection for idle that was used just now.
            rig.pass(49);
            rig.emit(nsp, "b", &(), EmitOptions::PLAIN).unwrap();
            rig.take_log();
            rig.cut(Link::Post);
            rig.expect(ENDED);
        },
    );
    // Unless it was not written whole.
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            rig.emit(nsp, "a", &(), EmitOptions::PLAIN).unwrap();
            rig.post_reply();
            rig.write[Link::Post.index()] = 0;
            rig.emit(nsp, "b", &(), EmitOptions::PLAIN).unwrap();
            rig.take_log();
            rig.cut(Link::Post);
            rig.write[Link::Post.index()] = usize::MAX;
            rig.writable(Link::Post, usize::MAX);
            rig.expect("close post\nopen post\npost> 42[\"b\"]");
        },
    );
}

#[test]
fn a_network_that_breaks_both_connections_is_no_server_that_closes_an_idle_one() {
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            rig.emit(nsp, "a", &(), EmitOptions::PLAIN).unwrap();
            rig.post_reply();
            rig.pass(1000);
            rig.emit(nsp, "b", &(), EmitOptions::PLAIN).unwrap();
            rig.take_log();
            // The end of the POST's connection is seen first; that of the GET's a moment later.
            rig.cut(Link::Post);
            rig.pass(99);
            rig.cut(Link::Poll);
            let log = rig.take_log();
            assert!(!log.contains("post>"), "{log}");
            assert!(
                log.contains("disconnected / transport error [Eof]"),
                "{log}"
            );
        },
    );
}

#[test]
fn a_get_whose_answer_may_be_lost_is_not_asked_again() {
    both(
        || config(Transports::POLLING),
        |rig| {
            rig.joined_polling("[]");
            rig.get_reply("6");
            rig.take_log();
            // The request was written whole: an event may have been lost with its answer. The end of the session tells
            // that, and recovery brings it back.
            rig.cut(Link::Poll);
            rig.expect(
                "close get\nclose post\nclosed transport error [Eof], retry\n\
                 disconnected / transport error [Eof]\nreconnecting #1 in 1000 ms",
            );
        },
    );
    both(
        || config(Transports::POLLING),
        |rig| {
            rig.joined_polling("[]");
            rig.write[Link::Poll.index()] = 0;
            rig.get_reply("6");
            rig.take_log();
            // It was not: the server cannot have answered it.
            rig.cut(Link::Poll);
            rig.write[Link::Poll.index()] = usize::MAX;
            let log = rig.take_log();
            assert!(log.starts_with("close get\nopen get\n"), "{log}");
        },
    );
}

#[test]
fn a_get_that_breaks_off() {
    as_text(
        || config(Transports::POLLING),
        |rig| {
            rig.joined_polling("[]");
            rig.feed(
                Link::Poll,
                b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n42[\"a\"]\x1e42[\"b\"",
            );
            rig.break_link(Link::Poll, "connection reset");
            assert_eq!(
                rig.take_events(),
                "message / a []\nclosed transport error [Io \"connection reset\"], retry\n\
                 disconnected / transport error [Io \"connection reset\"]\nreconnecting #1 in 1000 ms\n"
            );
        },
    );
}

#[test]
fn request_timeout() {
    both(
        || {
            let mut config = config(Transports::POLLING);
            config.request_timeout = Some(std::time::Duration::from_secs(3));
            config
        },
        |rig| {
            rig.joined_polling("[]");
            rig.pass(2_000);
            rig.get_reply("6");
            rig.take_log();
            rig.pass(3_000);
            let events = rig.take_log();
            assert!(
                events.starts_with(
                    "@5000\nclose get\nclose post\nclosed transport error [RequestTimeout], retry\n"
                ),
                "{events}"
            );
        },
    );
}

#[test]
fn cookies() {
    both(
        || config(Transports::POLLING_FIRST),
        |rig| {
            rig.connect("/");
            assert_eq!(rig.request(Link::Poll).unwrap().header("cookie"), None);
            let open = "0{\"sid\":\"E1\",\"upgrades\":[\"websocket\"]}";
            rig.reply(
                Link::Poll,
                &response(
                    "200 OK",
                    "Set-Cookie: LB=abc; Path=/; HttpOnly\r\n",
                    open.as_bytes(),
                ),
            );
            for link in Link::ALL {
                assert_eq!(
                    rig.request(link).unwrap().header("cookie"),
                    Some("LB=abc"),
                    "{link:?}"
                );
            }
            rig.reply(
                Link::Post,
                &response("200 OK", "set-cookie: LB=def; Max-Age=5\r\n", b"ok"),
            );
            rig.get_reply("6");
            assert_eq!(
                rig.request(Link::Poll).unwrap().header("cookie"),
                Some("LB=def")
            );
            rig.pass(5_000);
            rig.get_reply("6");
            assert_eq!(rig.request(Link::Poll).unwrap().header("cookie"), None);
        },
    );
    both(
        || {
            let mut config = config(Transports::POLLING);
            config.cookies = false;
            config
        },
        |rig| {
            rig.connect("/");
            rig.reply(
                Link::Poll,
                &response("200 OK", "Set-Cookie: LB=abc\r\n", OPEN.as_bytes()),
            );
            assert_eq!(rig.request(Link::Poll).unwrap().header("cookie"), None);
        },
    );
}
