//! What real servers write, and what they can read: ids of any kind, odd CONNECT replies, cookies in one line, POSTs in
//! large pieces, packets that cannot be read.

use sockeye_core::packet::BinRef;
use sockeye_core::{EmitOptions, ID_MAX, Link, NspOptions, Transports, text};
use sockeye_testkit::{Rig, config, response};

use crate::{as_text, both};

/// JSON strings that are ids, and what they say.
const IDS: [(&str, &str); 5] = [
    ("ab\\/c\\u003d\\u003D", "ab/c=="),
    ("a\\u002Bb c", "a+b c"),
    ("\u{e4}\\u00e4", "\u{e4}\u{e4}"),
    ("\\ud83d\\ude00", "\u{1f600}"),
    (
        "0123456789012345678901234567890123456789012345678901234567890123",
        "0123456789012345678901234567890123456789012345678901234567890123",
    ),
];

#[test]
fn any_json_string_is_a_session_id() {
    let encoded = |id: &str| {
        id.bytes().fold(String::new(), |mut all, byte| {
            if byte.is_ascii_alphanumeric() {
                all.push(char::from(byte));
            } else {
                all.push_str(&format!("%{byte:02X}"));
            }
            all
        })
    };
    for (raw, id) in IDS {
        both(
            || config(Transports::POLLING),
            |rig| {
                rig.connect("/");
                rig.get_reply(&format!("0{{\"sid\":\"{raw}\",\"upgrades\":[]}}"));
                assert_eq!(rig.client.engine_id(), Some(id));
                let sent = encoded(id);
                for link in [Link::Poll, Link::Post] {
                    let request = rig.request(link).unwrap();
                    assert_eq!(request.query("sid"), Some(&*sent));
                }
            },
        );
    }
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.connect("/");
            rig.ws_accept();
            rig.ws(&format!("0{{\"sid\":\"{}\"}}", "x".repeat(ID_MAX)));
            assert!(rig.take_events().starts_with("opened websocket xxxx"));
            rig.cut(Link::WebSocket);
            rig.pass(1_000);
            rig.ws_accept();
            rig.take_log();
            rig.ws(&format!("0{{\"sid\":\"{}\"}}", "x".repeat(ID_MAX + 1)));
            let events = rig.take_events();
            assert!(
                events.starts_with("closed attempt transport error [IdTooLong"),
                "{events}"
            );
        },
    );
}

#[test]
fn any_json_string_is_a_socket_id() {
    for (raw, id) in IDS {
        both(
            || config(Transports::WEBSOCKET),
            |rig| {
                let nsp = rig.connect("/");
                rig.opened_ws();
                rig.ws(&format!("40{{\"sid\":\"{raw}\"}}"));
                assert_eq!(rig.client.id(nsp), Some(id));
            },
        );
    }
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.connect("/");
            rig.opened_ws();
            rig.take_log();
            rig.ws(&format!("40{{\"sid\":\"{}\"}}", "x".repeat(ID_MAX + 1)));
            let events = rig.take_events();
            assert!(
                events
                    .starts_with("connect error / \"the socket id that the server gave is longer"),
                "{events}"
            );
            assert!(!rig.client.is_active(nsp));
        },
    );
}

#[test]
fn pid_and_offset_go_back_as_they_came() {
    for (raw, _) in IDS {
        as_text(
            || config(Transports::WEBSOCKET),
            |rig| {
                rig.connect("/");
                rig.opened_ws();
                rig.ws(&format!("40{{\"sid\":\"S1\",\"pid\":\"{raw}\"}}"));
                rig.ws(&format!("42[\"e\",\"{raw}\"]"));
                rig.cut(Link::WebSocket);
                rig.pass(1_000);
                rig.opened_ws();
                let log = rig.take_log();
                let connect = format!("ws> 40{{\"pid\":\"{raw}\",\"offset\":\"{raw}\"}}\n");
                assert!(log.ends_with(&connect), "{log}");
                rig.ws(&format!("40{{\"sid\":\"S1\",\"pid\":\"{raw}\"}}"));
                assert!(rig.take_events().contains("connected / recovered"));
            },
        );
    }
    // An offset that cannot be kept: an older one would bring events twice.
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.connect("/");
            rig.opened_ws();
            rig.ws("40{\"sid\":\"S1\",\"pid\":\"P\"}");
            rig.ws("42[\"e\",\"1\"]");
            rig.ws(&format!("42[\"e\",\"{}\"]", "x".repeat(ID_MAX + 1)));
            rig.cut(Link::WebSocket);
            rig.pass(1_000);
            rig.opened_ws();
            assert!(rig.take_log().ends_with("ws> 40\n"));
        },
    );
}

#[test]
fn a_reply_before_the_question() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            let mut options = NspOptions::default();
            options.auth = true;
            let nsp = rig.namespace("/", options);
            rig.client.connect(rig.now(), nsp);
            rig.drain();
            rig.opened_ws();
            rig.emit(nsp, "x", &(), EmitOptions::PLAIN).unwrap();
            rig.take_log();
            // A bare one says nothing, one with an id counts when the question has been asked.
            rig.ws("40");
            rig.ws("40{\"sid\":\"early\"}");
            rig.ws("42[\"e\"]");
            assert!(!rig.client.is_connected(nsp));
            rig.client.provide_auth(rig.now(), nsp, "{}").unwrap();
            rig.drain();
            rig.ws("40{\"sid\":\"late\"}");
            rig.expect(
                r#"
                ws< 40
                ws< 40{"sid":"early"}
                ws< 42["e"]
                message / e []
                connected / id=early
                ws> 40{}
                ws> 42["x"]
                ws< 40{"sid":"late"}
                "#,
            );
            assert_eq!(rig.client.id(nsp), Some("late"));
        },
    );
}

#[test]
fn cookies_of_both_sides_are_one_line() {
    both(
        || {
            let mut config = config(Transports::POLLING_FIRST);
            config.headers = text("X-One: 1\r\ncookie: session=u; b=2\r\nX-Two: 2\r\n");
            config
        },
        |rig| {
            rig.connect("/");
            let lines = |rig: &Rig<'_>, link| {
                let head = rig.request(link).unwrap().head.clone();
                let line = |line: &&str| line.to_ascii_lowercase().starts_with("cookie:");
                head.lines()
                    .filter(line)
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            assert_eq!(lines(rig, Link::Poll), ["Cookie: session=u; b=2"]);
            rig.reply(
                Link::Poll,
                &response(
                    "200 OK",
                    "Set-Cookie: LB=abc; Path=/\r\n",
                    b"0{\"sid\":\"E1\",\"upgrades\":[\"websocket\"]}",
                ),
            );
            for link in Link::ALL {
                assert_eq!(
                    lines(rig, link),
                    ["Cookie: session=u; b=2; LB=abc"],
                    "{link:?}"
                );
                let request = rig.request(link).unwrap();
                assert_eq!(
                    (request.header("x-one"), request.header("x-two")),
                    (Some("1"), Some("2"))
                );
            }
        },
    );
}

/// Devices keep one, which is what load balancers need.
#[cfg(feature = "alloc")]
#[test]
fn several_cookies_are_one_line_too() {
    let config = config(Transports::POLLING);
    let memory = sockeye_core::Memory::growable(&config.limits);
    let mut rig = Rig::new(config, memory);
    rig.connect("/");
    rig.reply(
        Link::Poll,
        &response(
            "200 OK",
            "Set-Cookie: 1=1; Max-Age=100\r\nSet-Cookie: 2=2\r\n",
            b"0{\"sid\":\"E1\"}",
        ),
    );
    for link in [Link::Poll, Link::Post] {
        let head = &rig.request(link).unwrap().head;
        assert_eq!(head.matches("ookie:").count(), 1, "{head}");
        assert!(head.contains("\r\nCookie: 1=1; 2=2\r\n"), "{head}");
    }
}

#[cfg(feature = "alloc")]
#[test]
fn a_large_post_leaves_in_large_pieces() {
    let config = config(Transports::POLLING);
    let memory = sockeye_core::Memory::growable(&config.limits);
    let mut rig = Rig::new(config, memory);
    let nsp = rig.joined_polling("[]");
    rig.write[Link::Post.index()] = 0;
    let bytes = vec![7; 400_000];
    rig.emit(nsp, "pic", &(BinRef(&bytes),), EmitOptions::PLAIN)
        .unwrap();
    let mut writes = 0;
    let mut all = Vec::new();
    loop {
        let piece = rig.client.transmit(Link::Post).to_vec();
        if piece.is_empty() {
            break;
        }
        rig.client.transmitted(Link::Post, piece.len());
        all.extend(piece);
        writes += 1;
    }
    let body = all.len();
    assert!(body > 400_000 * 4 / 3, "{body}");
    assert!(
        writes <= 2 + body.div_ceil(16 << 10),
        "{writes} writes of {body} bytes"
    );
    rig.wrote(Link::Post, &all);
    let log = rig.take_log();
    assert!(
        log.contains("post> 451-[\"pic\",{\"_placeholder\":true,\"num\":0}]|bBwcH"),
        "{log}"
    );
}

#[test]
fn a_post_that_meets_the_end_of_an_idle_connection_is_sent_again_whole() {
    for taken in [0, 1, 40, 300, 360, 400] {
        both(
            || config(Transports::POLLING),
            |rig| {
                let nsp = rig.joined_polling("[]");
                rig.pass(1_000);
                rig.write[Link::Post.index()] = 0;
                rig.emit(nsp, "pic", &(BinRef(&[7; 90]), 1), EmitOptions::PLAIN)
                    .unwrap();
                rig.emit(nsp, "next", &(), EmitOptions::PLAIN).unwrap();
                let mut left = taken;
                while left > 0 {
                    let n = rig.client.transmit(Link::Post).len().min(left);
                    if n == 0 {
                        break;
                    }
                    rig.client.transmitted(Link::Post, n);
                    left -= n;
                }
                rig.write[Link::Post.index()] = usize::MAX;
                rig.take_log();
                rig.cut(Link::Post);
                rig.pass(100);
                rig.post_reply();
                rig.post_reply();
                let log = rig.take_log();
                assert_eq!(log.matches("[\"pic\",").count(), 1, "{taken}: {log}");
                assert_eq!(log.matches("[\"next\"]").count(), 1, "{taken}: {log}");
                assert!(!log.contains("closed"), "{taken}: {log}");
                assert_eq!(rig.client.send_queue_len(), 0);
                rig.pass(10_000);
                rig.expect("");
            },
        );
    }
}

#[test]
fn parse_errors_name_the_event() {
    for (packet, name) in [
        ("42[\"temperature\",1", "temperature"),
        ("42/room,17[\"quote\\\"d\",nan]", "quote\\\"d"),
        ("4212[\"connect\",1]", "connect"),
        ("451-[\"pic\",{\"_placeholder\":true,\"num\":3}]", "pic"),
    ] {
        as_text(
            || config(Transports::WEBSOCKET),
            |rig| {
                rig.joined_ws();
                rig.ws(packet);
                if packet.starts_with("45") {
                    rig.ws_binary(&[1]);
                }
                let events = rig.take_events();
                let line = events.lines().next().unwrap();
                assert!(line.starts_with("closed parse error [Packet("), "{line}");
                assert!(line.contains(name), "{line}");
            },
        );
    }
}

#[test]
fn a_loop_of_parse_errors_backs_off() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            for delay in [1_000, 2_000, 4_000, 5_000, 5_000] {
                rig.ws("42[\"connect\",1]");
                let events = rig.take_events();
                assert!(events.ends_with(&format!(" in {delay} ms\n")), "{events}");
                rig.pass(delay);
                rig.opened_ws();
                rig.ws("40{\"sid\":\"S\"}");
            }
            // One that has worked for a while begins anew.
            for _ in 0..3 {
                rig.pass(20_000);
                rig.ws("2");
            }
            rig.take_log();
            rig.ws("42[\"connect\",1]");
            assert!(rig.take_events().ends_with(" in 1000 ms\n"));
        },
    );
}

/// Also of memory that is fixed: the oldest make way.
#[test]
fn cookies_that_do_not_fit_a_request_do_not_end_the_session() {
    both(
        || config(Transports::POLLING),
        |rig| {
            rig.connect("/");
            rig.expect("open get\nget> handshake");
            let set: String = (0..20)
                .map(|n| format!("Set-Cookie: c{n}={}\r\n", "y".repeat(20 + 8 * n)))
                .collect();
            rig.keep_raw = true;
            let open =
                "0{\"sid\":\"E1\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}";
            rig.reply(Link::Poll, &response("200 OK", &set, open.as_bytes()));
            let log = rig.take_log();
            assert!(!log.contains("closed"), "{log}");
            let sent = String::from_utf8_lossy(&rig.raw[Link::Poll.index()]).into_owned();
            assert!(
                sent.contains("Cookie: ") && sent.contains("c19=yyy"),
                "{sent}"
            );
        },
    );
}
