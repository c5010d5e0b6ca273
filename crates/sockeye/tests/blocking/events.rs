//! Events as types, waited for.

use std::sync::mpsc;

use sockeye::blocking::Socket;
use sockeye::{Event, Reply, StreamOptions};

use crate::support::{Host, PATIENCE};
use crate::{client, eventually, run};

#[derive(Debug, PartialEq, Event)]
#[event(name = "ask", ack = (String, i64))]
struct Echo(i64);

#[derive(Debug, PartialEq, Event)]
#[event(ack = ())]
struct Ping;

#[test]
fn typed_events_both_ways() {
    let host = Host::start();
    let (pings, pinged) = mpsc::channel();
    let socket = client(&host)
        .on_event(move |_: Ping| pings.send(()).map_err(|error| error.to_string()))
        .connect()
        .unwrap();
    let limit = StreamOptions::new().capacity(4);
    let mut few = socket.stream_event_with::<Echo>(limit);
    let mut echoes = socket.stream_event::<Echo>();
    // It waits for an answer from inside of a handler.
    socket.on_event_concurrent(2, |Echo(n), reply: Reply<Echo>| {
        let socket: Socket = reply.blocking_socket().ok_or("it is gone")?;
        let (name, m) = socket.request(&Echo(n)).send().map_err(|_| "no answer")?;
        reply.ack((name, m + 1)).map_err(|_| "not sent")
    });
    let (once, first) = mpsc::channel();
    socket.once_event(move |Echo(n): Echo| {
        let _ = once.send(n);
        ("first".to_owned(), n)
    });
    assert_eq!(
        socket.request(&Echo(1)).send().unwrap(),
        ("ask".to_owned(), 1)
    );
    socket.volatile().request(&Ping).send().unwrap();
    socket
        .compress(false)
        .request(&Ping)
        .begin()
        .wait()
        .unwrap();
    socket.emit_event(&Ping).unwrap();
    socket.volatile().emit_event(&Ping).unwrap();
    socket.compress(true).emit_event(&Ping).unwrap();
    run(host.received(6));
    host.send(r#"425["ping"]"#);
    pinged.recv_timeout(PATIENCE).unwrap();
    host.send(r#"42["ask",7]"#);
    assert_eq!(first.recv_timeout(PATIENCE), Ok(7));
    assert_eq!(echoes.recv_timeout(PATIENCE).unwrap(), Echo(7));
    assert_eq!(few.recv_timeout(PATIENCE).unwrap(), Echo(7));
    host.send(r#"426["ask",8]"#);
    eventually("both answers", || {
        host.state(|state| {
            let has = |line: &str| state.server.received.iter().any(|it| it == line);
            has("/ ack 5 []") && has(r#"/ ack 6 ["ask",9]"#)
        })
    });
    let other = socket.namespace("/other").on_event(|_: Ping| ());
    let other = other.connect().unwrap();
    assert!(other.has_handlers("ping"));
    other.close().unwrap();
}
