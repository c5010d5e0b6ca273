//! A server that says everything wrong that can be said, once each, and then something sound.

use std::thread;
use std::time::Duration;

use super::open;
use super::peer::{JOINED, OPEN, Peer, listen, text};
use crate::scenarios::{Client, Driver, Log, Way};
use crate::{Seeded, frame, response};

/// How far a connection is when the bytes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Instead of an answer to the request.
    Answer,
    /// Instead of the handshake of Engine.IO, as they are.
    Open,
    /// Instead of the handshake of Engine.IO, as a text frame.
    OpenText,
    /// After the join, as they are.
    Frames,
    /// After the join, as a text frame.
    Text,
}

/// What is wrong, and where. Bytes that are a sound beginning of something are wrong because nothing follows.
const WRONG: &[(Stage, &[u8])] = &[
    // HTTP.
    (Stage::Answer, b""),
    (Stage::Answer, b"\0"),
    (Stage::Answer, b"\r\n\r\n"),
    (Stage::Answer, b"hello?\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 \r\n\r\n"),
    (Stage::Answer, b"HTTP/9.9 101 X\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 99999 X\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 -1 X\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 200 OK\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 204 \r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 500 \x1b[2J\r\nContent-Length: 3\r\n\r\n\x07\x08\x09"),
    (Stage::Answer, b"HTTP/1.1 400 Bad Request\r\nContent-Length: -3\r\n\r\nno"),
    (Stage::Answer, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nno"),
    (Stage::Answer, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 99999999999999999999\r\n\r\nno"),
    (Stage::Answer, b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
    (Stage::Answer, b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
    (Stage::Answer, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: bm8=\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 101 X\r\n: no name\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 101 X\r\nno colon\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 101 X\r\n folded\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 101 X\r\n\xff\xfe: \xff\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 302 Found\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 302 Found\r\nLocation: gopher://\r\n\r\n"),
    (Stage::Answer, b"HTTP/1.1 302 Found\r\nLocation: /round/and/round\r\nContent-Length: 0\r\n\r\n"),
    (Stage::Answer, b"\x16\x03\x01\x02\x00\x01\x00"),
    // WebSocket, before and after the join.
    (Stage::Open, b"\x00\x00"),
    (Stage::Open, b"\x80\x00"),
    (Stage::Open, b"\xff\xff"),
    (Stage::Open, b"\x81\x85\x00\x00\x00\x00hello"),
    (Stage::Open, b"\x88\x00"),
    (Stage::Open, b"\x82\x05hello"),
    (Stage::Frames, b"\x83\x00"),
    (Stage::Frames, b"\x8b\x00"),
    (Stage::Frames, b"\x8f\x05hello"),
    (Stage::Frames, b"\xc1\x05hello"),
    (Stage::Frames, b"\xa1\x00"),
    (Stage::Frames, b"\x91\x00"),
    (Stage::Frames, b"\x09\x00"),
    (Stage::Frames, b"\x89\x7e\x00\x80"),
    (Stage::Frames, b"\x88\x01\x03"),
    (Stage::Frames, b"\x88\x02\x00\x00"),
    (Stage::Frames, b"\x88\x02\xff\xff"),
    (Stage::Frames, b"\x88\x04\x03\xe8\xff\xfe"),
    (Stage::Frames, b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"),
    (Stage::Frames, b"\x81\x7e\x00\x01a"),
    (Stage::Frames, b"\x80\x00"),
    (Stage::Frames, b"\x01\x01a\x01\x01b"),
    (Stage::Frames, b"\x01\x01a\x81\x01b"),
    (Stage::Frames, b"\x81\x04\xc3\x28ab"),
    (Stage::Frames, b"\x81\x03\xed\xa0\x80"),
    (Stage::Frames, b"\x82\x03\x01\x02\x03"),
    (Stage::Frames, b"\x82\x00"),
    (Stage::Frames, b"HTTP/1.1 200 OK\r\n\r\n"),
    // Engine.IO.
    (Stage::OpenText, b""),
    (Stage::OpenText, b"0"),
    (Stage::OpenText, b"0null"),
    (Stage::OpenText, b"0[]"),
    (Stage::OpenText, b"0{}"),
    (Stage::OpenText, b"0{\"sid\":1}"),
    (Stage::OpenText, b"0{\"sid\":\"\"}"),
    (Stage::OpenText, b"0{\"sid\":\"E\",\"pingInterval\":-1,\"pingTimeout\":-1}"),
    (Stage::OpenText, b"0{\"sid\":\"E\",\"pingInterval\":1e999,\"pingTimeout\":\"\"}"),
    (Stage::OpenText, b"0{\"sid\":\"E\",\"upgrades\":{}"),
    (Stage::OpenText, b"0{\"sid\":\"E\""),
    (Stage::OpenText, b"4"),
    (Stage::OpenText, b"40{\"sid\":\"S\"}"),
    (Stage::OpenText, b"1"),
    (Stage::OpenText, b"6"),
    (Stage::OpenText, b"9"),
    (Stage::Text, b""),
    (Stage::Text, b"0"),
    (Stage::Text, b"0{\"sid\":\"F\"}"),
    (Stage::Text, b"1"),
    (Stage::Text, b"3"),
    (Stage::Text, b"3probe"),
    (Stage::Text, b"5"),
    (Stage::Text, b"6"),
    (Stage::Text, b"7"),
    (Stage::Text, b"\x1e"),
    (Stage::Text, b"2\x1e2"),
    (Stage::Text, b"bAQID"),
    (Stage::Text, b"b!"),
    (Stage::Text, b"hello?"),
    // Socket.IO.
    (Stage::Text, b"4"),
    (Stage::Text, b"47"),
    (Stage::Text, b"4x"),
    (Stage::Text, b"40"),
    (Stage::Text, b"40null"),
    (Stage::Text, b"40{}"),
    (Stage::Text, b"40/strange,{\"sid\":\"S\"}"),
    (Stage::Text, b"40{\"sid\":\"S\""),
    (Stage::Text, b"41"),
    (Stage::Text, b"41/strange,"),
    (Stage::Text, b"42"),
    (Stage::Text, b"42null"),
    (Stage::Text, b"42{}"),
    (Stage::Text, b"42[]"),
    (Stage::Text, b"42[1]"),
    (Stage::Text, b"42[null]"),
    (Stage::Text, b"42[\"e\""),
    (Stage::Text, b"42[\"e\",]"),
    (Stage::Text, b"42[\"e\"]]"),
    (Stage::Text, b"42[\"e\",01]"),
    (Stage::Text, b"42[\"e\",\"\\ud800\"]"),
    (Stage::Text, b"42[\"e\",\"\\x\"]"),
    (Stage::Text, b"42[\"connect\"]"),
    (Stage::Text, b"42[\"disconnect\",1]"),
    (Stage::Text, b"42/strange,[\"e\"]"),
    (Stage::Text, b"42/strange"),
    (Stage::Text, b"4299999999999999999999[\"e\"]"),
    (Stage::Text, b"43[1]"),
    (Stage::Text, b"437[1]"),
    (Stage::Text, b"437{}"),
    (Stage::Text, b"4318446744073709551616[1]"),
    (Stage::Text, b"44"),
    (Stage::Text, b"44null"),
    (Stage::Text, b"44\"\\u001b[2J\\u0007\""),
    (Stage::Text, b"44{\"message\":1}"),
    (Stage::Text, b"44{\"message\":\"\\u0000\\u0007\"}"),
    (Stage::Text, b"45"),
    (Stage::Text, b"45-[\"b\"]"),
    (Stage::Text, b"451[\"b\"]"),
    (Stage::Text, b"450-[\"b\"]"),
    (Stage::Text, b"451-[\"b\"]"),
    (Stage::Text, b"451-[\"b\",{\"_placeholder\":true,\"num\":1}]"),
    (Stage::Text, b"451-[\"b\",{\"_placeholder\":true,\"num\":-1}]"),
    (Stage::Text, b"451-[\"b\",{\"_placeholder\":true}]"),
    (Stage::Text, b"4599999999999999999999-[\"b\"]"),
    (Stage::Text, b"461-7[{\"_placeholder\":true,\"num\":0}]"),
];

/// Seeded variations of a sound session, beside what [`WRONG`] lists.
const VARIATIONS: usize = 60;

/// What the server says on this connection after the stage that comes before it.
fn say(n: usize, peer: &mut Peer) -> Option<()> {
    let (stage, bytes) = WRONG[n];
    if stage == Stage::Answer {
        peer.request()?;
        peer.write(bytes);
        return Some(());
    }
    let switch = peer.switch()?;
    peer.write(&switch);
    match stage {
        Stage::Answer => {}
        Stage::Open => {
            peer.write(bytes);
        }
        Stage::OpenText => {
            peer.write(&frame(0x81, bytes));
        }
        Stage::Frames | Stage::Text => {
            peer.say(OPEN);
            peer.text()?;
            peer.say(JOINED);
            if stage == Stage::Text {
                peer.write(&frame(0x81, bytes));
            } else {
                peer.write(bytes);
            }
            // What follows something wrong is heard, or the connection is given up: both are sound.
            peer.say("42[\"after\"]");
        }
    }
    Some(())
}

/// A sound session with one thing changed: a byte, a piece left out, a piece twice.
fn vary(seed: u64, peer: &mut Peer) -> Option<()> {
    let mut seeded = Seeded::new(seed);
    let mut bytes = peer.switch()?;
    let keep = if seeded.below(2) == 0 { bytes.len() } else { 0 };
    for text in [
        OPEN,
        JOINED,
        "42[\"e\",{\"a\":[1,null]}]",
        "2",
        "451-[\"b\",{\"_placeholder\":true,\"num\":0}]",
    ] {
        bytes.extend(frame(0x81, text.as_bytes()));
    }
    bytes.extend(frame(0x82, &[1, 2, 3]));
    let at = keep + seeded.below(bytes.len() - keep);
    let len = (1 + seeded.below(20)).min(bytes.len() - at);
    match seeded.below(4) {
        0 => bytes[at] ^= 1 << seeded.below(8),
        1 => bytes[at] = seeded.next() as u8,
        2 => drop(bytes.drain(at..at + len)),
        _ => {
            let piece = bytes[at..at + len].to_vec();
            bytes.splice(at..at, piece);
        }
    }
    peer.write(&bytes);
    Some(())
}

/// Waits for the sound session that comes last, whatever was told before. No words of ours have control characters; the
/// message of a refusal is the server's, and data as arguments are.
fn outlive(client: &mut dyn Client, log: &Log) {
    loop {
        let line = log.next();
        let is_ours = !line.starts_with("refused / ");
        assert!(!is_ours || !line.contains(char::is_control), "{line:?}");
        if line == "event / done []" {
            return;
        }
        // The server's word, however strange: who wants to go on says so.
        if line == "left / io server disconnect" || line.starts_with("refused / ") {
            client.join("/");
        }
    }
}

/// The client may hang up first, but need not.
const HELD: Duration = Duration::from_millis(20);

/// Everything wrong on WebSocket, at every stage, and seeded variations of what is right.
pub(super) fn malformed_everything(driver: &dyn Driver) {
    let url = listen(0, |n, mut peer| {
        let said = if n < WRONG.len() {
            say(n, &mut peer)
        } else if n < WRONG.len() + VARIATIONS {
            vary(n as u64, &mut peer)
        } else {
            if peer.join().is_some() {
                thread::sleep(Duration::from_millis(20));
                peer.say("42[\"done\"]");
                peer.linger();
            }
            return;
        };
        if said.is_some() {
            peer.is_left_within(HELD);
        }
        if n % 2 == 0 {
            peer.reset();
        }
    });
    let (mut client, log) = open(driver, &url, Way::WebSocket);
    client.on("/", "done", None);
    outlive(client.as_mut(), &log);
    client.end();
}

/// Bodies of answers to GETs, with their heads sound.
const BODIES: &[&[u8]] = &[
    b"",
    b"\x1e",
    b"\x1e\x1e\x1e",
    b"0",
    b"0{}\x1e40",
    b"\xff\xfe",
    b"4\x1e4\x1e4",
    b"42[\"e\"\x1e]",
    b"451-[\"b\",{\"_placeholder\":true,\"num\":0}]",
    b"451-[\"b\",{\"_placeholder\":true,\"num\":0}]\x1eb!!!",
    b"451-[\"b\",{\"_placeholder\":true,\"num\":0}]\x1e42[\"e\"]",
    b"bAQID",
    b"b",
    b"1",
    b"6\x1e6\x1e6",
    b"2:40",
    b"<html>\x1b[2J</html>",
    b"null",
];

/// Everything wrong in answers to polling: instead of the handshake, and after it.
pub(super) fn malformed_answers_to_polling(driver: &dyn Driver) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    /// What a POST may be answered with.
    const POSTS: [&str; 4] = ["ok", "no", "", "\u{1b}[2J"];
    let sessions = AtomicUsize::new(0);
    let url = listen(0, move |_, mut peer| {
        while let Some(request) = peer.request() {
            let is_get = request.method() == "GET";
            let begins = request.query("sid").is_none();
            let n = if begins {
                sessions.fetch_add(1, Ordering::SeqCst)
            } else {
                sessions.load(Ordering::SeqCst).saturating_sub(1)
            };
            // Each body twice: at once, and after the handshake.
            let Some(body) = BODIES.get(n / 2) else {
                match (is_get, begins) {
                    (true, true) => peer.write(&text(OPEN)),
                    (true, false) => peer.write(&text(&format!("{JOINED}\x1e42[\"done\"]"))),
                    _ => peer.write(&text("ok")),
                };
                if is_get && !begins {
                    peer.linger();
                }
                continue;
            };
            let wrong = response("200 OK", "", body);
            match (is_get, begins) {
                (true, true) if n % 2 == 0 => peer.write(&wrong),
                (true, true) => peer.write(&text(OPEN)),
                (true, false) => {
                    peer.write(&wrong);
                    peer.is_left_within(HELD);
                    return;
                }
                _ => peer.write(&text(POSTS[n % POSTS.len()])),
            };
            if begins {
                peer.is_left_within(HELD);
            }
        }
    });
    let (mut client, log) = open(driver, &url, Way::Polling);
    client.on("/", "done", None);
    outlive(client.as_mut(), &log);
    client.end();
}
