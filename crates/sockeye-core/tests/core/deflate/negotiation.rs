//! What is offered, and what comes of the answer.

use sockeye_core::{Client, Compression, Instant, Link, NspOptions, Output, Storage, Transports};
use sockeye_testkit::config;

use super::{COMPRESSED, FIN, Session, TEXT, compressing, long};

#[test]
fn what_is_offered() {
    let (session, _) = Session::agreed();
    assert_eq!(
        session.request,
        "permessage-deflate, permessage-deflate; client_max_window_bits"
    );
    let mut config = compressing();
    config.compression = Some(
        Compression::DEFAULT
            .client_no_context_takeover(true)
            .server_no_context_takeover(true),
    );
    let answer = "permessage-deflate; server_no_context_takeover";
    let (session, _) = Session::joined(config, answer);
    let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(
        session.request,
        format!("{both}, {both}; client_max_window_bits")
    );
    let agreed = session.client.compression().unwrap();
    assert!(
        agreed.sending && agreed.client_no_context_takeover && agreed.server_no_context_takeover
    );
    // Not asked for; and where messages cannot grow.
    let (session, _) = Session::joined(self::config(Transports::WEBSOCKET), "");
    assert_eq!(
        (session.request.as_str(), session.client.compression()),
        ("", None)
    );
    let mut storage = Box::new(Storage::<4096, 4096, 8, 32, 4, 1024>::new());
    let mut client = Client::new(compressing(), storage.memory());
    let nsp = client.namespace("/", NspOptions::default()).unwrap();
    client.connect(Instant::ZERO, nsp);
    while !matches!(client.poll_output(), Output::Transmit(_)) {
        client.handle_opened(Instant::ZERO, Link::WebSocket);
    }
    let head = String::from_utf8_lossy(client.transmit(Link::WebSocket)).into_owned();
    assert!(
        head.contains("Upgrade") && !head.contains("Extensions"),
        "{head}"
    );
}

#[test]
fn what_is_agreed_on() {
    for (answer, sent) in [
        ("", TEXT),
        ("permessage-deflate", COMPRESSED | TEXT),
        (
            "permessage-deflate; client_max_window_bits=15",
            COMPRESSED | TEXT,
        ),
        (
            "permessage-deflate; server_max_window_bits=9",
            COMPRESSED | TEXT,
        ),
        (
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
            COMPRESSED | TEXT,
        ),
        // A window that the compressor does not have: nothing is compressed, and the server's messages are read.
        ("permessage-deflate; client_max_window_bits=10", TEXT),
    ] {
        let (mut session, nsp) = Session::joined(compressing(), answer);
        let agreed = session.client.compression();
        assert_eq!(
            agreed.map(|agreed| agreed.sending),
            (!answer.is_empty()).then_some(sent != TEXT)
        );
        for _ in 0..2 {
            session.emit(nsp, "x", &long(5000));
            let heard = session.heard();
            assert_eq!(heard.len(), 1);
            let (first, message, _) = &heard[0];
            assert_eq!(*first, FIN | sent, "{answer}");
            assert_eq!(message, format!("42[\"x\",\"{}\"]", long(5000)).as_bytes());
            if !answer.is_empty() {
                session.say_compressed(TEXT, b"42[\"x\",\"hello\"]");
                session.hears("hello");
            }
        }
    }
}

#[test]
fn answers_that_are_none() {
    let plain = config(Transports::WEBSOCKET);
    for (config, answer) in [
        (plain.clone(), "permessage-deflate"),
        (compressing(), "x-webkit-deflate-frame"),
        (compressing(), "permessage-deflate; unheard_of"),
        (
            compressing(),
            "permessage-deflate; server_max_window_bits=7",
        ),
        (compressing(), "permessage-deflate, permessage-deflate"),
        (
            compressing(),
            "permessage-deflate\r\nSec-WebSocket-Extensions: permessage-deflate",
        ),
    ] {
        let mut session = Session::new(config);
        let nsp = session
            .client
            .namespace("/", NspOptions::default())
            .unwrap();
        session.client.connect(session.now, nsp);
        session.shake_hands(answer);
        let log = session.log.join("\n");
        assert!(
            log.contains("closed: the server did not accept the WebSocket"),
            "{answer}: {log}"
        );
        assert_eq!(session.client.compression(), None);
    }
}
