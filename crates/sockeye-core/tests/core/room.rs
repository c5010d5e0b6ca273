//! A send buffer that is full is a matter of time: CONNECT always gets room, and no namespace starves another.

use std::time::Duration;

use sockeye_core::{EmitError, EmitOptions, Link, NamespaceId, NspOptions, Storage, Transports};
use sockeye_testkit::{Opening, Rig, Server, Settings, config};

use crate::{as_text, both};

/// Emits until nothing more is taken: how many were.
fn fill(rig: &mut Rig<'_>, nsp: NamespaceId, bytes: usize) -> usize {
    let text = "x".repeat(bytes);
    (0..)
        .take_while(|_| {
            rig.emit(nsp, "e", &(text.as_str(),), EmitOptions::PLAIN)
                .is_ok()
        })
        .count()
}

fn auth(bytes: usize) -> String {
    format!("{{\"token\":\"{}\"}}", "t".repeat(bytes - 12))
}

/// A client that was joined, was filled while it was offline, and comes back. Accepted packets, and what became of them.
fn refilled(rig: &mut Rig<'_>, auth_bytes: usize, event: usize) {
    rig.server = Some(Server::new(Settings::default()));
    rig.auth = Some(auth(auth_bytes));
    let mut options = NspOptions::default();
    options.auth = true;
    let nsp = rig.namespace("/", options);
    rig.client.connect(rig.now(), nsp);
    rig.drain();
    assert!(rig.client.is_connected(nsp), "{}", rig.take_log());
    rig.opening = Opening::Refuse;
    rig.break_all();
    let kept = fill(rig, nsp, event);
    assert!(kept > 0, "there is room for events all the same");
    rig.opening = Opening::Accept;
    rig.take_log();
    rig.pass(60_000);
    let log = rig.take_log();
    assert!(rig.client.is_connected(nsp), "{log}");
    let server = rig.server.as_ref().unwrap();
    assert_eq!(server.violations, Vec::<String>::new());
    assert_eq!(
        server.received.len() + log.matches("unsent / e of").count(),
        kept,
        "{log}"
    );
    assert_eq!(
        log.matches("unsent").count(),
        0,
        "the room was set apart: {log}"
    );
}

#[test]
fn an_auth_payload_that_fits_only_an_empty_buffer() {
    fn play<const TX: usize>(auth_bytes: usize, event: usize) {
        println!("TX {TX}, auth of {auth_bytes} bytes, events of {event}");
        let mut storage = Box::new(Storage::<2048, TX, 8, 16, 2, 512>::new());
        let mut rig = Rig::new(config(Transports::WEBSOCKET), storage.memory());
        refilled(&mut rig, auth_bytes, event);
    }
    play::<1024>(312, 60);
    play::<1024>(612, 60);
    play::<512>(262, 60);
    play::<256>(132, 10);
    both(
        || config(Transports::WEBSOCKET),
        |rig| refilled(rig, 600, 60),
    );
}

#[test]
fn an_auth_payload_that_is_larger_than_the_last_one() {
    let mut storage = Box::new(Storage::<2048, 1024, 8, 16, 2, 512>::new());
    let mut rig = Rig::new(config(Transports::WEBSOCKET), storage.memory());
    let mut options = NspOptions::default();
    options.auth = true;
    let nsp = rig.namespace("/", options);
    rig.client.connect(rig.now(), nsp);
    rig.drain();
    let kept = fill(&mut rig, nsp, 60);
    rig.opened_ws();
    // Nothing can leave before it has been sent: what waits makes room, the newest first, and is told.
    rig.auth = Some(auth(612));
    rig.client.provide_auth(rig.now(), nsp, &auth(612)).unwrap();
    rig.drain();
    rig.auth = None;
    let log = rig.take_log();
    let told = log.matches("unsent / e of 70 bytes: NoRoom\n").count();
    // No more than needed: one more event of 78 bytes would not have fitted beside it.
    assert!(told > 0 && (kept - told + 1) * 78 + 650 > 1024, "{log}");
    assert!(log.contains("ws> 40{\"token\""), "{log}");
    rig.ws("40{\"sid\":\"S1\"}");
    assert_eq!(rig.take_log().matches("ws> 42[\"e\"").count(), kept - told);
    // What can never fit says so, and another may be given.
    rig.cut(Link::WebSocket);
    rig.pass(1_000);
    rig.opened_ws();
    let error = rig.client.provide_auth(rig.now(), nsp, &auth(1_100));
    assert_eq!(error, Err(EmitError::TooLarge));
    rig.client.provide_auth(rig.now(), nsp, "{}").unwrap();
    rig.drain();
    assert!(rig.take_log().ends_with("ws> 40{}\n"));
}

#[test]
fn connect_is_asked_for_again_when_there_is_room() {
    let mut storage = Box::new(Storage::<2048, 1024, 8, 16, 2, 512>::new());
    let mut rig = Rig::new(config(Transports::WEBSOCKET), storage.memory());
    let main = rig.joined_ws();
    rig.write[Link::WebSocket.index()] = 0;
    fill(&mut rig, main, 60);
    let mut options = NspOptions::default();
    options.auth = true;
    let chat = rig.namespace("/chat", options);
    rig.client.connect(rig.now(), chat);
    rig.drain();
    rig.client
        .provide_auth(rig.now(), chat, &auth(612))
        .unwrap();
    rig.drain();
    rig.pass(10_000);
    rig.take_log();
    // More leaves: it is only a matter of time, and nothing is given up.
    rig.auth = Some(auth(612));
    rig.writable(Link::WebSocket, usize::MAX);
    let log = rig.take_log();
    assert!(
        !log.contains("unsent") && log.contains("auth /chat\n"),
        "{log}"
    );
    assert!(log.contains("ws> 40/chat,{\"token\""), "{log}");
}

/// Two namespaces of which one was filled before the connection: both join, and what was accepted arrives.
fn two(rig: &mut Rig<'_>, to_second: bool, event: usize) {
    rig.server = Some(Server::new(Settings::default()));
    rig.opening = Opening::Refuse;
    let main = rig.connect("/");
    let b = rig.connect("/b");
    let (filled, other) = if to_second { (b, main) } else { (main, b) };
    let kept = fill(rig, filled, event);
    assert!(kept > 0);
    // The other one is not starved.
    rig.emit(other, "o", &(), EmitOptions::PLAIN).unwrap();
    rig.opening = Opening::Accept;
    rig.pass(30_000);
    let log = rig.take_log();
    assert!(
        rig.client.is_connected(main) && rig.client.is_connected(b),
        "{log}"
    );
    let server = rig.server.as_ref().unwrap();
    assert_eq!(server.violations, Vec::<String>::new());
    assert_eq!(server.received.len(), kept + 1, "{log}");
}

#[test]
fn one_namespace_does_not_starve_another() {
    for to_second in [false, true] {
        let mut storage = Box::new(Storage::<512, 512, 2, 4, 2, 256>::new());
        two(
            &mut Rig::new(config(Transports::WEBSOCKET), storage.memory()),
            to_second,
            5,
        );
        let mut storage = Box::new(Storage::<2048, 1024, 8, 16, 2, 512>::new());
        two(
            &mut Rig::new(config(Transports::WEBSOCKET), storage.memory()),
            to_second,
            5,
        );
        let mut storage = Box::new(Storage::<2048, 1024, 8, 16, 2, 512>::new());
        two(
            &mut Rig::new(config(Transports::POLLING_FIRST), storage.memory()),
            to_second,
            50,
        );
    }
}

#[test]
fn answers_find_room_beside_events() {
    let mut storage = Box::new(Storage::<2048, 1024, 8, 16, 2, 512>::new());
    let mut rig = Rig::new(config(Transports::WEBSOCKET), storage.memory());
    let nsp = rig.joined_ws();
    rig.write[Link::WebSocket.index()] = 0;
    for event in [5, 60] {
        fill(&mut rig, nsp, event);
        rig.ws("425[\"q\"]");
        rig.ws("2");
        rig.answer(&(1,)).unwrap();
        rig.writable(Link::WebSocket, usize::MAX);
        let log = rig.take_log();
        assert!(
            log.contains("ws> 3\n") && log.ends_with("ws> 435[1]\n"),
            "{log}"
        );
        rig.write[Link::WebSocket.index()] = 0;
    }
}

#[test]
fn timeouts_and_cancelling_while_offline() {
    for retries in [None, Some(2)] {
        both(
            || config(Transports::WEBSOCKET),
            |rig| {
                let mut options = NspOptions::default();
                options.retries = retries;
                let nsp = rig.namespace("/", options);
                // Eight at a time is all that a device can wait for: dropped ones make room.
                for _ in 0..40 {
                    let id = rig.emit(nsp, "dropped", &(), EmitOptions::ACK).unwrap();
                    rig.client.cancel_ack(id.unwrap());
                }
                assert_eq!(rig.client.send_queue_len(), 0);
                let options = EmitOptions::ACK.timeout(Duration::from_secs(1));
                rig.emit(nsp, "timed", &(), options).unwrap();
                rig.emit(nsp, "kept", &(), EmitOptions::ACK).unwrap();
                rig.pass(999);
                rig.expect("");
                rig.pass(1);
                rig.expect("@1000\nack #41 timeout unsent");
                rig.client.connect(rig.now(), nsp);
                rig.drain();
                rig.opened_ws();
                rig.take_log();
                rig.ws("40{\"sid\":\"S1\"}");
                // The id of a packet of the `retries` queue is that of the try, others have theirs from the emit on.
                let id = if retries.is_some() { 0 } else { 41 };
                rig.ws(&format!("43{id}[1]"));
                let log = rig.take_log();
                assert!(log.contains(&format!("ws> 42{id}[\"kept\"]")), "{log}");
                assert!(log.ends_with("ack #42 [1]\n"), "{log}");
            },
        );
    }
}

#[test]
fn a_flush_waits_for_what_was_emitted_before_it() {
    as_text(
        || config(Transports::WEBSOCKET),
        |rig| {
            let nsp = rig.joined_ws();
            let link = Link::WebSocket;
            rig.write[link.index()] = 0;
            for n in 0..3 {
                rig.emit(nsp, "e", &(n,), EmitOptions::PLAIN).unwrap();
            }
            let mark = rig.client.send_mark();
            // Others go on emitting meanwhile.
            rig.emit(nsp, "later", &(), EmitOptions::PLAIN).unwrap();
            let mut left = 3 * (6 + "42[\"e\",0]".len());
            while left > 0 {
                assert!(rig.client.written_mark() < mark);
                let n = rig.client.transmit(link).len().min(5).min(left);
                let bytes = rig.client.transmit(link)[..n].to_vec();
                rig.wrote(link, &bytes);
                rig.client.transmitted(link, n);
                left -= n;
                rig.emit(nsp, "later", &(), EmitOptions::PLAIN).unwrap();
            }
            assert_eq!(rig.client.written_mark(), mark);
        },
    );
}

#[test]
fn names_with_brackets() {
    both(
        || config(Transports::WEBSOCKET),
        |rig| {
            rig.joined_ws();
            rig.client.report_outgoing(true);
            let nsp = rig.connect("/room[1]");
            rig.ws("40/room[1],{\"sid\":\"R\"}");
            rig.take_log();
            rig.emit(nsp, "e", &([1, 2],), EmitOptions::PLAIN).unwrap();
            if rig.detached {
                // Outgoing packets lie in the send memory: they are never detached.
                return;
            }
            rig.expect("outgoing /room[1] [\"e\",[1,2]]\nws> 42/room[1],[\"e\",[1,2]]");
        },
    );
}

#[test]
fn stale_handles_never_name_another_namespace() {
    let mut storage = Box::new(crate::Small::new());
    let mut rig = Rig::new(config(Transports::WEBSOCKET), storage.memory());
    let first = rig.client.namespace("/n", NspOptions::default()).unwrap();
    rig.client.forget(rig.now(), first);
    for _ in 0..70_000 {
        let next = rig.client.namespace("/n", NspOptions::default()).unwrap();
        assert_ne!(next, first);
        rig.client.forget(rig.now(), next);
    }
    assert!(rig.emit(first, "x", &(), EmitOptions::PLAIN).is_err());
    rig.expect("");
}
