//! HTTP as servers and proxies speak it: bodies, connections, cookies, refusals (fact 45 of docs/protocol.md).

mod connections;

use sockeye_core::{EmitOptions, Link, Transports};
use sockeye_testkit::{Pieces, config, response};

use crate::{as_text, both};

const OPEN: &str = "0{\"sid\":\"E1\"}";

fn chunked(body: &str, size: usize, trailer: &str) -> Vec<u8> {
    let mut out = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.as_bytes().chunks(size) {
        out.extend(format!("{:X};ext=1\r\n", chunk.len()).bytes());
        out.extend(chunk);
        out.extend(b"\r\n");
    }
    out.extend(format!("0\r\n{trailer}\r\n").bytes());
    out
}

#[test]
fn chunked_bodies() {
    for (size, trailer, pieces) in [
        (1, "", Pieces::Whole),
        (7, "X: y\r\n", Pieces::Of(1)),
        (1000, "", Pieces::Of(3)),
    ] {
        as_text(
            || config(Transports::POLLING),
            |rig| {
                rig.pieces = pieces.clone();
                rig.connect("/");
                rig.reply(Link::Poll, &chunked(OPEN, size, trailer));
                rig.post_reply();
                rig.reply(
                    Link::Poll,
                    &chunked("40{\"sid\":\"S1\"}\u{1e}42[\"é\"]\u{1e}bAQI", size, trailer),
                );
                let events = rig.take_events();
                assert_eq!(
                    events,
                    "opened polling E1\nconnected / id=S1\nmessage / é []\nclosed parse error [Packet(UnexpectedBinary)], retry\n\
                     disconnected / parse error [Packet(UnexpectedBinary)]\nreconnecting #1 in 1000 ms\n"
                );
            },
        );
    }
}

#[test]
fn bodies_that_end_with_the_connection() {
    as_text(
        || config(Transports::POLLING),
        |rig| {
            rig.connect("/");
            rig.reply(
                Link::Poll,
                format!("HTTP/1.1 200 OK\r\n\r\n{OPEN}\u{1e}6").as_bytes(),
            );
            rig.cut(Link::Poll);
            rig.post_reply();
            rig.reply(Link::Poll, b"HTTP/1.0 200 OK\r\n\r\n40{\"sid\":\"S1\"}");
            rig.cut(Link::Poll);
            rig.expect(
                r#"
                open get
                get> handshake
                get< HTTP/1.1 200 OK\r\n\r\n0{"sid":"E1"}|6
                opened polling E1
                open post
                post> 40
                close get
                open get
                get>
                post< ok
                get< HTTP/1.0 200 OK\r\n\r\n40{"sid":"S1"}
                connected / id=S1
                close get
                open get
                get>
                "#,
            );
        },
    );
}

#[test]
fn interim_responses_and_odd_heads() {
    both(
        || config(Transports::POLLING),
        |rig| {
            rig.connect("/");
            let head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200\r\n\
                        X-Long: ";
            let mut bytes = head.as_bytes().to_vec();
            bytes.extend("y".repeat(9000).bytes());
            bytes.extend(
                format!(
                    "\r\ncontent-LENGTH:   {}  \r\nno colon here\r\n\r\n{OPEN}",
                    OPEN.len()
                )
                .bytes(),
            );
            rig.reply(Link::Poll, &bytes);
            assert!(rig.take_events().contains("opened polling E1"));
        },
    );
}

#[test]
fn not_http() {
    for (bytes, cause) in [
        (
            &b"SSH-2.0-OpenSSH_9\r\n"[..],
            "the server does not speak HTTP/1.1 (is the port right? is it TLS?)",
        ),
        (
            b"\x15\x03\x01\x00\x02\x02\x46\n",
            "the server does not speak HTTP/1.1 (is the port right? is it TLS?)",
        ),
        (
            b"HTTP/2 200\r\n\r\n",
            "the server does not speak HTTP/1.1 (is the port right? is it TLS?)",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            "bad Content-Length",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n",
            "bad Content-Length",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "unsupported Transfer-Encoding",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n",
            "unsupported Transfer-Encoding or Content-Encoding",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "malformed chunk",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
            "malformed chunk",
        ),
    ] {
        both(
            || config(Transports::POLLING),
            |rig| {
                rig.connect("/");
                rig.take_log();
                rig.reply(Link::Poll, bytes);
                let events = rig.take_events();
                assert!(
                    events.contains(&format!(
                        "closed attempt transport error [BadHttp(\"{cause}"
                    )),
                    "{events}"
                );
            },
        );
    }
}

#[test]
fn heads_without_end_are_refused() {
    both(
        || config(Transports::POLLING),
        |rig| {
            rig.connect("/");
            rig.take_log();
            let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
            for i in 0..4000 {
                bytes.extend(format!("X-{i}: yyyyyyyyyyyy\r\n").bytes());
            }
            rig.reply(Link::Poll, &bytes);
            assert!(rig.take_events().contains(
                "closed attempt transport error [BadHttp(\"the HTTP response head is too long"
            ));
        },
    );
}

#[test]
fn refusals() {
    for (status, headers, body, expected) in [
        (
            "400 Bad Request",
            "",
            r#"{"code":0,"message":"Transport unknown"}"#,
            r#"[Http { status: 400, code: Some(0) } "Transport unknown"]"#,
        ),
        (
            "400 Bad Request",
            "",
            r#"{"code":1,"message":"Session ID unknown"}"#,
            r#"[Http { status: 400, code: Some(1) } "Session ID unknown"]"#,
        ),
        (
            "400 Bad Request",
            "",
            r#"{"code":2,"message":"Bad handshake method"}"#,
            r#"[Http { status: 400, code: Some(2) } "Bad handshake method"]"#,
        ),
        (
            "400 Bad Request",
            "",
            r#"{"code":3,"message":"Bad request"}"#,
            r#"[Http { status: 400, code: Some(3) } "Bad request"]"#,
        ),
        (
            "403 Forbidden",
            "",
            r#"{"code":4,"message":"not you"}"#,
            r#"[Http { status: 403, code: Some(4) } "not you"]"#,
        ),
        (
            "400 Bad Request",
            "",
            r#"{"code":5,"message":"Unsupported protocol version"}"#,
            r#"[Http { status: 400, code: Some(5) } "Unsupported protocol version"]"#,
        ),
        (
            "400 Bad Request",
            "",
            r#""a text""#,
            r#"[Http { status: 400, code: None } "a text"]"#,
        ),
        (
            "400 Bad Request",
            "",
            "plain",
            r#"[Http { status: 400, code: None } "plain"]"#,
        ),
        (
            "401 Unauthorized",
            "",
            "",
            "[Http { status: 401, code: None }]",
        ),
        (
            "404 Not Found",
            "Content-Type: text/html\r\n",
            "<html>nothing here</html>",
            "[Http { status: 404, code: None }]",
        ),
        (
            "413 Payload Too Large",
            "",
            "",
            "[Http { status: 413, code: None }]",
        ),
        (
            "502 Bad Gateway",
            "",
            "<h1>nginx</h1>",
            "[Http { status: 502, code: None }]",
        ),
        (
            "301 Moved Permanently",
            "Location: https://h/socket.io/\r\n",
            "gone",
            r#"[Redirect(301) "https://h/socket.io/"]"#,
        ),
        ("307 Temporary Redirect", "", "", "[Redirect(307)]"),
        (
            "200 OK",
            "Content-Type: text/html; charset=utf-8\r\n",
            "<html>It works!</html>",
            r#"[Html(200) "<html>It works!</html>"]"#,
        ),
        ("200 OK", "Content-Type: TEXT/HTML\r\n", "", "[Html(200)]"),
        (
            "204 No Content",
            "",
            "",
            "[Http { status: 204, code: None }]",
        ),
    ] {
        both(
            || config(Transports::POLLING),
            |rig| {
                rig.connect("/");
                rig.take_log();
                rig.reply(Link::Poll, &response(status, headers, body.as_bytes()));
                let events = rig.take_events();
                let expected = format!(
                    "closed attempt transport error {expected}, retry\nreconnecting #1 in 1000 ms\n"
                );
                assert_eq!(events, expected, "{status}");
            },
        );
        if !status.starts_with("200") {
            both(
                || config(Transports::WEBSOCKET),
                |rig| {
                    rig.connect("/");
                    rig.take_log();
                    rig.reply(Link::WebSocket, &response(status, headers, body.as_bytes()));
                    let events = rig.take_events();
                    // Behind a proxy that does not pass upgrades on, the official server says just that.
                    let lost = expected.starts_with("[Http { status: 400, code: None")
                        || expected.starts_with("[Http { status: 400, code: Some(3)");
                    let shown = expected.split_once('}').map_or("]", |(_, words)| words);
                    let expected = match lost {
                        true => format!("[WebSocketRefused{shown}"),
                        false => (*expected).to_string(),
                    };
                    let expected = format!(
                        "closed attempt transport error {expected}, retry\nreconnecting #1 in 1000 ms\n"
                    );
                    assert_eq!(events, expected, "{status}");
                },
            );
        }
    }
}

#[test]
fn refusals_within_a_session() {
    both(
        || config(Transports::POLLING),
        |rig| {
            rig.joined_polling("[]");
            let body = br#"{"code":1,"message":"Session ID unknown"}"#;
            rig.reply(Link::Poll, &response("400 Bad Request", "", body));
            let events = rig.take_events();
            assert_eq!(
                events,
                "closed transport error [Http { status: 400, code: Some(1) } \"Session ID unknown\"], retry\n\
                 disconnected / transport error [Http { status: 400, code: Some(1) } \"Session ID unknown\"]\n\
                 reconnecting #1 in 1000 ms\n"
            );
        },
    );
    // A POST that is too large for the server.
    both(
        || config(Transports::POLLING),
        |rig| {
            let nsp = rig.joined_polling("[]");
            let id = rig
                .emit(nsp, "big", &("x",), EmitOptions::ACK)
                .unwrap()
                .unwrap();
            rig.take_log();
            rig.reply(Link::Post, &response("413 Payload Too Large", "", b""));
            assert_eq!(id.get(), 1);
            assert_eq!(
                rig.take_events(),
                "closed transport error [Http { status: 413, code: None }], retry\n\
                 disconnected / transport error [Http { status: 413, code: None }]\n\
                 ack #1 disconnected unsent\nreconnecting #1 in 1000 ms\n"
            );
        },
    );
}
