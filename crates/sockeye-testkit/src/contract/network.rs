//! A network that splits, stalls and breaks, and clients that are closed meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::peer::{JOINED, OPEN, Peer, listen, text};
use super::{open, until};
use crate::frame;
use crate::scenarios::{Args, Client, Driver, PATIENCE, Way};

/// An event with an attachment of 300 bytes, as frames.
fn binary_event() -> Vec<u8> {
    let mut message = frame(0x81, b"451-[\"b\",{\"_placeholder\":true,\"num\":0}]");
    message.extend(frame(0x82, &[7; 300]));
    message
}

/// How it is written down.
fn binary_line() -> String {
    let bytes = crate::words::hex(&[7; 300]);
    format!("event / b [{{\"_placeholder\":true,\"num\":0}}] <{bytes}>")
}

/// Emits, however long it takes to be accepted.
fn emit_patiently(client: &mut dyn Client, event: &str, args: Args<'_>) {
    let end = Instant::now() + PATIENCE;
    while !client.emit("/", event, args) {
        assert!(Instant::now() < end, "no room for {event}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The server writes byte by byte: the handshakes, fragments that split a character, pings in between, attachments.
pub(super) fn split_reads(driver: &dyn Driver) {
    let (sender, answers) = mpsc::channel();
    let url = listen(0, move |_, mut peer| {
        let Some(hello) = peer.hello() else { return };
        peer.drip(&hello);
        if peer.text().as_deref() != Some("40") {
            return;
        }
        let mut bytes = frame(0x81, JOINED.as_bytes());
        bytes.extend(frame(0x89, b"are you there?"));
        let text = "42[\"e\",\"größer\"]".as_bytes();
        let split = text.iter().position(|byte| *byte == 0xc3).expect("an ö") + 1;
        bytes.extend(frame(0x01, &text[..split]));
        bytes.extend(frame(0x89, b""));
        bytes.extend(frame(0x80, &text[split..]));
        bytes.extend(frame(
            0x81,
            b"451-7[\"b\",{\"_placeholder\":true,\"num\":0}]",
        ));
        bytes.extend(frame(0x81, b"2"));
        bytes.extend(frame(0x02, &[7]));
        bytes.extend(frame(0x00, &[]));
        bytes.extend(frame(0x80, &[7; 299]));
        // Not before the client has said what it listens to.
        thread::sleep(Duration::from_millis(100));
        peer.drip(&bytes);
        while let Some(frame) = peer.frame() {
            let _ = sender.send((frame.first, frame.payload));
        }
    });
    let (mut client, log) = open(driver, &url, Way::WebSocket);
    client.on("/", "e", None);
    client.on("/", "b", Some("[1]"));
    log.expect(&["joined /", "event / e [\"größer\"]", &binary_line()]);
    let mut wanted = vec![
        (0x8a, b"are you there?".to_vec()),
        (0x8a, Vec::new()),
        (0x81, b"3".to_vec()),
        (0x81, b"437[1]".to_vec()),
    ];
    while !wanted.is_empty() {
        let answer = answers.recv_timeout(PATIENCE);
        let answer = answer.unwrap_or_else(|error| panic!("{error}, without {wanted:?}"));
        let place = wanted.iter().position(|wanted| *wanted == answer);
        wanted.remove(place.unwrap_or_else(|| panic!("nobody waits for {answer:?}")));
    }
    client.end();
}

/// The server takes a few bytes now and then: writes are cut anywhere.
pub(super) fn short_writes_to_a_slow_reader(driver: &dyn Driver) {
    const EVENTS: usize = 300;
    let (sender, frames) = mpsc::channel();
    let url = listen(4096, move |_, mut peer| {
        if peer.join().is_none() {
            return;
        }
        let mut reads = 0usize;
        loop {
            while let Some((frame, len)) = crate::Frame::parse(&peer.buffer) {
                peer.buffer.drain(..len);
                let _ = sender.send((frame.first, frame.payload));
            }
            let mut chunk = [0; 1777];
            let room = 1 + reads % chunk.len();
            reads += 31;
            if reads.is_multiple_of(50) {
                thread::sleep(Duration::from_millis(1));
            }
            match std::io::Read::read(&mut peer.stream, &mut chunk[..room]) {
                Ok(n) if n > 0 => peer.buffer.extend_from_slice(&chunk[..n]),
                _ => return,
            }
        }
    });
    let (mut client, log) = open(driver, &url, Way::WebSocket);
    log.expect(&["joined /"]);
    let filler = "y".repeat(1500);
    for n in 0..EVENTS {
        if n % 10 == 0 {
            let json = format!("[{n},{{\"_placeholder\":true,\"num\":0}}]");
            let attachments: &[&[u8]] = &[&[n as u8; 1000]];
            let args = Args {
                json: &json,
                attachments,
            };
            emit_patiently(client.as_mut(), "b", args);
        } else {
            let json = format!("[{n},\"{}\"]", &filler[..n * 5]);
            emit_patiently(client.as_mut(), "e", json.as_str().into());
        }
    }
    for n in 0..EVENTS {
        let next = || frames.recv_timeout(PATIENCE).expect("a frame in time");
        let (first, payload) = next();
        let text = String::from_utf8(payload).expect("a text");
        if n % 10 == 0 {
            assert!(text.starts_with(&format!("451-[\"b\",{n},")), "{text}");
            assert_eq!(next(), (0x82, vec![n as u8; 1000]));
        } else {
            let wanted = format!("42[\"e\",{n},\"{}\"]", &filler[..n * 5]);
            assert_eq!((first, text), (0x81, wanted));
        }
    }
    client.end();
}

/// The server reads nothing for a while: what it says is heard meanwhile, and nothing that was accepted is lost.
pub(super) fn stalled_reads(driver: &dyn Driver) {
    let (go, stalled) = mpsc::channel::<()>();
    let (sender, frames) = mpsc::channel();
    let stalled = std::sync::Mutex::new(stalled);
    let url = listen(4096, move |_, mut peer| {
        if peer.join().is_none() {
            return;
        }
        let stalled = stalled.lock().expect("one connection");
        let _ = stalled.recv();
        peer.say("42[\"meanwhile\"]");
        let _ = stalled.recv();
        while let Some(text) = peer.text() {
            let _ = sender.send(text);
        }
    });
    let (mut client, log) = open(driver, &url, Way::WebSocket);
    client.on("/", "meanwhile", None);
    log.expect(&["joined /"]);
    // Until nothing was accepted for a while: the buffers of both sockets are full, and the client's own.
    let filler = "y".repeat(3000);
    let (mut accepted, mut last) = (0usize, Instant::now());
    while last.elapsed() < Duration::from_millis(200) && accepted < 5000 {
        let json = format!("[{accepted},\"{filler}\"]");
        if client.emit("/", "e", json.as_str().into()) {
            (accepted, last) = (accepted + 1, Instant::now());
        } else {
            thread::sleep(Duration::from_millis(1));
        }
    }
    go.send(()).expect("the server waits");
    log.expect(&["event / meanwhile []"]);
    go.send(()).expect("the server waits");
    for n in 0..accepted {
        let text = frames.recv_timeout(PATIENCE).expect("a frame in time");
        assert!(
            text.starts_with(&format!("42[\"e\",{n},\"y")),
            "{n}: {}",
            &text[..20]
        );
    }
    log.is_read();
    client.end();
}

/// Connections end by RST and by FIN in the middle of a message, each a little further on; the last one brings all of it.
pub(super) fn broken_messages(driver: &dyn Driver) {
    const CUTS: [usize; 13] = [0, 1, 2, 20, 41, 42, 43, 44, 45, 46, 47, 200, 339];
    let length = binary_event().len();
    assert!(CUTS.iter().all(|cut| *cut < length), "{length} bytes");
    let url = listen(0, |n, mut peer| {
        let message = binary_event();
        if peer.join().is_none() {
            return;
        }
        let Some(cut) = CUTS.get(n) else {
            thread::sleep(Duration::from_millis(50));
            peer.write(&message);
            return peer.linger();
        };
        peer.write(&message[..*cut]);
        if n % 2 == 0 {
            peer.reset();
        }
    });
    let (mut client, log) = open(driver, &url, Way::WebSocket);
    client.on("/", "b", None);
    let lines = until(&log, &binary_line());
    let is_sound = |line: &String| {
        line == "joined /" || line == "failed" || line.starts_with("left / transport ")
    };
    assert!(lines.iter().all(is_sound), "{lines:?}");
    // (A reset may overtake the join.)
    assert!(lines.len() >= CUTS.len(), "{lines:?}");
    log.is_read();
    client.end();
}

/// Connections end before, within and right after the handshakes.
pub(super) fn broken_handshakes(driver: &dyn Driver) {
    let url = listen(0, |n, mut peer| {
        match n {
            0 => return peer.reset(),
            1 => return,
            _ => (),
        }
        let Some(hello) = peer.hello() else { return };
        match n {
            2 => peer.reset(),
            3 => drop(peer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n")),
            4 => {
                peer.write(&hello[..hello.len() - 10]);
                peer.reset();
            }
            5 => {
                peer.write(&hello);
                let _ = peer.text();
                peer.reset();
            }
            _ => {
                peer.write(&hello);
                let _ = peer.text();
                peer.say(JOINED);
                peer.linger();
            }
        }
    });
    let (client, log) = open(driver, &url, Way::WebSocket);
    let before = until(&log, "joined /");
    assert!(before.iter().all(|line| line == "failed"), "{before:?}");
    assert!(before.len() >= 5, "{before:?}");
    log.is_read();
    client.end();
}

/// Answers to polling that are too short, never end, or come in chunks of a byte.
pub(super) fn broken_polling(driver: &dyn Driver) {
    let url = listen(0, |n, mut peer| match n {
        0 => {
            let _ = peer.request();
            let whole = text(OPEN);
            peer.write(&whole[..whole.len() - 5]);
        }
        1 => {
            let _ = peer.request();
            peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0{\"si");
            peer.reset();
        }
        2 => {
            let _ = peer.request();
            peer.write(b"HTTP/1.1 200 OK\r\n");
            for _ in 0..3000 {
                peer.write(b"X-More: and more and more and more and more\r\n");
            }
            peer.linger();
        }
        _ => chunks(&mut peer),
    });
    let (mut client, log) = open(driver, &url, Way::Polling);
    client.on("/", "e", None);
    let before = until(&log, "joined /");
    assert_eq!(before, ["failed"; 3]);
    client.end();
}

/// A sound session, in chunks, one byte at a time.
fn chunks(peer: &mut Peer) {
    while let Some(request) = peer.request() {
        let body = match (request.method(), request.query("sid")) {
            ("GET", None) => OPEN,
            ("GET", _) => JOINED,
            _ => "ok",
        };
        let (a, b) = body.split_at(1);
        let chunked = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{a}\r\n{:x};ext=1\r\n{b}\r\n0\r\nTrailer: x\r\n\r\n",
            b.len()
        );
        peer.drip(chunked.as_bytes());
        if body == JOINED {
            peer.linger();
        }
    }
}

/// What closing may take, in any state: a close timeout of two seconds is the longest wait in it.
const CLOSING: Duration = Duration::from_secs(8);

/// A client that is closed while the server does not answer: to its request, to its join, to a long poll.
pub(super) fn close_while_a_handshake_stands_still(driver: &dyn Driver) {
    for (way, stage) in [
        (Way::WebSocket, "request"),
        (Way::WebSocket, "join"),
        (Way::Polling, "request"),
        (Way::Polling, "join"),
    ] {
        let (sender, told) = mpsc::channel();
        let url = listen(0, move |_, mut peer| {
            let there = match (way, stage) {
                (_, "request") => peer.request().is_some(),
                (Way::WebSocket, _) => peer.hello().is_some_and(|hello| {
                    peer.write(&hello);
                    peer.text().is_some()
                }),
                // The GET of the session is left without an answer; the POST has its own connection.
                _ => peer.poll(),
            };
            if there {
                let _ = sender.send("stalled");
                let left = peer.is_left_within(CLOSING);
                let _ = sender.send(if left { "left" } else { "held" });
            }
        });
        let (client, _log) = open(driver, &url, way);
        assert_eq!(
            told.recv_timeout(PATIENCE),
            Ok("stalled"),
            "{way:?} {stage}"
        );
        let begun = Instant::now();
        client.end();
        let took = begun.elapsed();
        assert!(took < CLOSING, "{way:?} {stage}: closing took {took:?}");
        let end = told.recv_timeout(PATIENCE);
        assert_eq!(end, Ok("left"), "{way:?} {stage}: the connection");
    }
}

/// A client that is closed while all buffers are full.
pub(super) fn close_while_the_server_reads_nothing(driver: &dyn Driver) {
    let (sender, told) = mpsc::channel();
    let (go, closed) = mpsc::channel::<()>();
    let closed = std::sync::Mutex::new(closed);
    let once = AtomicBool::new(false);
    let url = listen(4096, move |_, mut peer| {
        if peer.join().is_none() || once.swap(true, Ordering::SeqCst) {
            return;
        }
        let _ = closed.lock().expect("one connection").recv();
        let left = peer.is_left_within(PATIENCE);
        let _ = sender.send(left);
    });
    let (mut client, log) = open(driver, &url, Way::WebSocket);
    log.expect(&["joined /"]);
    let json = format!("[\"{}\"]", "y".repeat(3000));
    let (mut accepted, mut last) = (0usize, Instant::now());
    while last.elapsed() < Duration::from_millis(200) && accepted < 5000 {
        if client.emit("/", "e", json.as_str().into()) {
            (accepted, last) = (accepted + 1, Instant::now());
        } else {
            thread::sleep(Duration::from_millis(1));
        }
    }
    let begun = Instant::now();
    client.end();
    let took = begun.elapsed();
    assert!(took < CLOSING, "closing took {took:?}");
    go.send(()).expect("the server waits");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(true), "the connection ends");
}
