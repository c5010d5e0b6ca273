//! What a server can make a client hold, whatever it sends: its limits, and little beside them.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::cost::processes;
use super::peer::{JOINED, OPEN, Peer, listen, text};
use super::{MEASURED, open, open_with, until};
use crate::scenarios::{Driver, PATIENCE, Way};
use crate::{frame, response};

/// What a step may take beside the limit: some of the allocator's own, and of this server's.
const SLACK: usize = 2 << 20;

/// What an attack brings, several times as much as it may take.
const MUCH: usize = 24 << 20;

/// The resident memory of these processes.
fn resident(processes: &[u32]) -> usize {
    let of = |process: &u32| {
        let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        pages.map_or(0, |pages: usize| pages * 4096)
    };
    processes.iter().map(of).sum()
}

/// Where the server waits until the client has come so far, and its memory has been looked at.
#[derive(Clone, Default)]
struct Gate(Arc<(AtomicBool, AtomicBool)>);

impl Gate {
    /// The server has come here, and waits.
    fn pass(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        wait_for(&self.0.1);
    }

    /// Waits until the server is there.
    fn is_reached(&self) {
        wait_for(&self.0.0);
    }

    fn open(&self) {
        self.0.1.store(true, Ordering::SeqCst);
    }
}

fn wait_for(flag: &AtomicBool) {
    let end = Instant::now() + PATIENCE;
    while !flag.load(Ordering::SeqCst) && Instant::now() < end {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs a step, and looks at the memory all the while; what it took at most.
fn most(processes: Vec<u32>, step: impl FnOnce()) -> usize {
    let before = resident(&processes);
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    let looking = thread::spawn(move || {
        let mut most = 0;
        while !end.load(Ordering::Relaxed) {
            most = most.max(resident(&processes));
            thread::sleep(Duration::from_millis(1));
        }
        most.max(resident(&processes))
    });
    step();
    ended.store(true, Ordering::Relaxed);
    let most = looking.join().expect("no panic");
    most.saturating_sub(before)
}

/// What may wait for handlers in a host's queue, 4 MiB, twice (one batch of it is being handled), in buffers that grow by
/// doubling.
const QUEUED: usize = 16 << 20;

/// Writes what a step took, and holds it against the bound.
fn judge(driver: &dyn Driver, what: &str, held: usize) {
    println!("{MEASURED}{}, {what}: {} KiB", driver.name(), held >> 10);
    let queued = if what.starts_with("events") {
        QUEUED
    } else {
        0
    };
    let bound = super::LIMIT + SLACK + queued;
    assert!(held < bound, "{what}: {held} bytes, of {bound}");
}

/// One piece of an attack, by its number, at the end of the bytes; whether there was one.
type Pieces = fn(&mut Vec<u8>, usize) -> bool;

/// What it is, whether the connection is given up after it, and its pieces.
const ATTACKS: &[(&str, bool, Pieces)] = &[
    ("a frame of 24 MB", false, |out, piece| {
        if piece == 0 {
            out.extend([0x82, 127]);
            out.extend((MUCH as u64).to_be_bytes());
        }
        filler(out, piece)
    }),
    ("a length of 2^62", true, |out, piece| {
        if piece == 0 {
            out.extend([0x81, 127]);
            out.extend((1u64 << 62).to_be_bytes());
        }
        filler(out, piece)
    }),
    ("half a million fragments", false, |out, piece| {
        match piece {
            0 => out.extend(frame(0x01, b"42[\"many\",\"")),
            1..500_000 => out.extend(frame(0x00, if piece % 2 == 0 { b"x" } else { b"" })),
            500_000 => out.extend(frame(0x80, b"\"]")),
            _ => return false,
        }
        true
    }),
    ("pings whose answers nobody reads", false, |out, piece| {
        out.extend(frame(0x89, &[b'x'; 125]));
        piece < 50_000
    }),
    (
        "heartbeats whose answers nobody reads",
        false,
        |out, piece| {
            out.extend(frame(0x81, b"2"));
            piece < 50_000
        },
    ),
    ("attachments over the limit", false, |out, piece| {
        if piece % 11 == 0 {
            let places: Vec<String> = (0..10)
                .map(|n| format!("{{\"_placeholder\":true,\"num\":{n}}}"))
                .collect();
            let text = format!("4510-[\"b\",{}]", places.join(","));
            out.extend(frame(0x81, text.as_bytes()));
        } else {
            out.extend(frame(0x82, &[b'x'; 60_000]));
        }
        piece < 11 * 40 - 1
    }),
    (
        "events of namespaces that nobody joined",
        false,
        |out, piece| {
            out.extend(frame(0x81, format!("42/n{piece},[\"e\"]").as_bytes()));
            piece < 100_000
        },
    ),
    (
        "joins of namespaces that nobody wants",
        false,
        |out, piece| {
            let text = format!("40/n{piece},{{\"sid\":\"S{piece}\"}}");
            out.extend(frame(0x81, text.as_bytes()));
            piece < 100_000
        },
    ),
    ("answers that nobody asked for", false, |out, piece| {
        out.extend(frame(0x81, format!("43{piece}[1]").as_bytes()));
        piece < 100_000
    }),
    ("events that nobody listens to", false, |out, piece| {
        let text = format!("42[\"e{piece}\",\"{}\"]", "x".repeat(2000));
        out.extend(frame(0x81, text.as_bytes()));
        piece < 20_000
    }),
];

fn filler(out: &mut Vec<u8>, piece: usize) -> bool {
    const PIECE: usize = 64 << 10;
    out.resize(out.len() + PIECE, b'x');
    piece + 1 < MUCH / PIECE
}

/// The server's side of one attack, then an event that the client still hears: on this connection, or on the next one if
/// the server hangs up.
fn attack(n: usize, peer: &mut Peer, gate: &Gate, hangs_up: bool, pieces: Pieces) -> Option<()> {
    peer.join()?;
    gate.pass();
    if n == 0 {
        let mut batch = Vec::new();
        for piece in 0.. {
            let more = pieces(&mut batch, piece);
            if batch.len() > 60_000 || !more {
                peer.write(&batch).then_some(())?;
                batch.clear();
            }
            if !more {
                break;
            }
        }
        if hangs_up {
            return None;
        }
    }
    peer.say("42[\"end\"]");
    peer.linger();
    Some(())
}

/// Messages that are too long, too many, or nobody's.
pub(super) fn memory_is_bounded_whatever_messages_say(driver: &dyn Driver) {
    for &(what, hangs_up, pieces) in ATTACKS {
        let gate = Gate::default();
        let there = gate.clone();
        let url = listen(0, move |n, mut peer| {
            let _ = attack(n, &mut peer, &gate, hangs_up, pieces);
        });
        let (mut client, log) = open(driver, &url, Way::WebSocket);
        client.on("/", "end", None);
        until(&log, "joined /");
        there.is_reached();
        let held = most(processes(client.as_ref()), || {
            there.open();
            until(&log, "event / end []");
        });
        client.end();
        judge(driver, what, held);
    }
}

/// Answers to requests that never end, and a jar of cookies that is filled with every answer.
pub(super) fn memory_is_bounded_whatever_answers_say(driver: &dyn Driver) {
    for (what, endless) in [
        (
            "a header line without an end",
            &b"HTTP/1.1 200 OK\r\nX: "[..],
        ),
        ("a body without an end", b"HTTP/1.1 200 OK\r\n\r\n0"),
        (
            "a body as long as it says",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n0",
        ),
        (
            "a chunk as long as it says",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n99999999\r\n0{",
        ),
        (
            "an error without an end",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
        ),
        (
            "an upgrade without an end",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX: ",
        ),
    ] {
        for way in [Way::Polling, Way::WebSocket] {
            let gate = Gate::default();
            let there = gate.clone();
            let url = listen(0, move |_, mut peer| {
                let _ = peer.request();
                gate.pass();
                peer.write(endless);
                let filler = vec![b'x'; 64 << 10];
                let mut left = MUCH / filler.len();
                while left > 0 && peer.stream.write_all(&filler).is_ok() {
                    left -= 1;
                }
            });
            let options = |options: &mut crate::scenarios::Options| options.reconnection = false;
            let (client, log) = open_with(driver, &url, way, options);
            there.is_reached();
            let held = most(processes(client.as_ref()), || {
                there.open();
                log.expect(&["failed"]);
            });
            client.end();
            judge(driver, &format!("{what}, {way:?}"), held);
        }
    }
    cookies(driver);
}

/// Every answer sets other cookies.
fn cookies(driver: &dyn Driver) {
    let answers = AtomicUsize::new(0);
    let gate = Gate::default();
    let there = gate.clone();
    let url = listen(0, move |_, mut peer| {
        while let Some(request) = peer.request() {
            gate.pass();
            let n = answers.fetch_add(1, Ordering::Relaxed);
            let body = match (request.method(), request.query("sid")) {
                ("GET", None) => OPEN,
                ("GET", _) if n < 4 => JOINED,
                ("GET", _) if n < 2000 => "6",
                ("GET", _) => "42[\"end\"]",
                _ => "ok",
            };
            let ends = body.starts_with("42");
            let set: String = (0..20)
                .map(|at| format!("Set-Cookie: c{n}x{at}={}\r\n", "y".repeat(20)))
                .collect();
            if ends {
                peer.write(&text(body));
                peer.linger();
            } else {
                peer.write(&response("200 OK", &set, body.as_bytes()));
            }
        }
    });
    let (mut client, log) = open(driver, &url, Way::Polling);
    client.on("/", "end", None);
    there.is_reached();
    let held = most(processes(client.as_ref()), || {
        there.open();
        until(&log, "event / end []");
    });
    client.end();
    judge(driver, "forty thousand cookies", held);
}
