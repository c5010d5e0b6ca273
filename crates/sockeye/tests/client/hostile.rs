//! The driver's contract with the network: short writes, single bytes, stalls, resets at any moment.

use std::time::Duration;

use sockeye::{Args, Bin, Limits, Notice, Transport};
use sockeye_testkit::{Frame, frame, response};
use tokio::io::AsyncReadExt as _;

use crate::support::raw::{OPEN, connected, listen, ws};
use crate::support::{Log, client_at, eventually, quick, within};

#[tokio::test]
async fn one_byte_at_a_time() {
    let address = listen(0, |_, mut peer| async move {
        let Some(hello) = peer.hello().await else {
            return;
        };
        peer.drip(&hello).await;
        assert_eq!(peer.text().await.as_deref(), Some("40"));
        let mut bytes = frame(0x81, b"40{\"sid\":\"S\"}");
        bytes.extend(frame(0x89, b"are you there?"));
        // Fragments, with a ping of each kind in between, split inside a character.
        let text = "42[\"e\",\"größer\"]".as_bytes();
        let split = text.iter().position(|b| *b == 0xc3).unwrap() + 1;
        bytes.extend(frame(0x01, &text[..split]));
        bytes.extend(frame(0x89, b""));
        bytes.extend(frame(0x80, &text[split..]));
        bytes.extend(frame(
            0x81,
            b"451-[\"b\",{\"_placeholder\":true,\"num\":0}]",
        ));
        bytes.extend(frame(0x81, b"2"));
        bytes.extend(frame(0x02, &[1]));
        bytes.extend(frame(0x00, &[]));
        bytes.extend(frame(0x80, &[2; 200]));
        peer.drip(&bytes).await;
        let mut answers = Vec::new();
        while let Some(frame) = peer.frame().await {
            answers.push((frame.first, frame.payload.clone()));
            if answers.len() == 4 {
                break;
            }
        }
        // The WebSocket pongs, and the Engine.IO pong.
        assert!(
            answers.contains(&(0x8a, b"are you there?".to_vec())),
            "{answers:?}"
        );
        assert!(answers.contains(&(0x81, b"3".to_vec())), "{answers:?}");
        assert!(
            answers.contains(&(0x81, b"42[\"seen\"]".to_vec())),
            "{answers:?}"
        );
        peer.say("42[\"done\"]").await;
        peer.linger().await;
    });
    let log = Log::new();
    let (one, two, three) = (log.clone(), log.clone(), log.clone());
    let builder = ws(address)
        .on("e", move |(text,): (String,)| one.push(text))
        .on("b", move |(bin,): (Bin,), reply: sockeye::Responder| {
            two.push(format!("{} {}", bin[0], bin.len()));
            reply.socket().unwrap().emit("seen", ()).unwrap();
        })
        .on("done", move |()| three.push("done"));
    let _socket = connected(builder).await;
    assert_eq!(log.wait(3).await, ["größer", "1 201", "done"]);
}

#[tokio::test]
async fn short_writes_and_a_slow_reader() {
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let address = listen(4096, move |_, mut peer| {
        let sender = sender.clone();
        async move {
            let Some(()) = peer.join().await else { return };
            // Reads of a few bytes, and none at all now and then.
            let mut chunk = [0; 1777];
            let mut reads = 0usize;
            loop {
                while let Some((frame, len)) = Frame::parse(&peer.buffer) {
                    peer.buffer.drain(..len);
                    let _ = sender.send((frame.first, frame.payload));
                }
                let room = 1 + reads % chunk.len();
                reads += 31;
                if reads.is_multiple_of(50) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                match peer.stream.read(&mut chunk[..room]).await {
                    Ok(n) if n > 0 => peer.buffer.extend_from_slice(&chunk[..n]),
                    _ => return,
                }
            }
        }
    });
    let socket = connected(ws(address)).await;
    for n in 0..300u32 {
        if n % 10 == 0 {
            socket
                .emit("b", (n, Bin::from(vec![n as u8; 3000])))
                .unwrap();
        } else {
            socket.emit("e", (n, "y".repeat(n as usize * 5))).unwrap();
        }
    }
    for n in 0..300u32 {
        let (first, payload) = within("a frame", lines.recv()).await.unwrap();
        assert_eq!(first, 0x81);
        let text = String::from_utf8(payload).unwrap();
        if n % 10 == 0 {
            assert!(text.starts_with(&format!("451-[\"b\",{n},")), "{text}");
            let (first, payload) = within("an attachment", lines.recv()).await.unwrap();
            assert_eq!((first, payload), (0x82, vec![n as u8; 3000]));
        } else {
            assert_eq!(
                text,
                format!("42[\"e\",{n},\"{}\"]", "y".repeat(n as usize * 5))
            );
        }
    }
}

#[tokio::test]
async fn reset_and_end_at_every_place_of_a_message() {
    // Each connection ends a little further into the same bytes; the last one stays.
    let mut message = frame(0x81, b"451-[\"b\",{\"_placeholder\":true,\"num\":0}]");
    message.extend(frame(0x82, &[7; 300]));
    let length = message.len();
    let cuts: Vec<usize> = vec![0, 1, 2, 20, 41, 42, 43, 44, 45, 46, 47, 200, length - 1];
    let last = cuts.len();
    let address = listen(0, move |n, mut peer| {
        let (cuts, message) = (cuts.clone(), message.clone());
        async move {
            let Some(()) = peer.join().await else { return };
            match cuts.get(n) {
                Some(cut) => {
                    peer.write(&message[..*cut]).await;
                    if n % 2 == 0 {
                        peer.reset();
                    }
                }
                None => {
                    peer.write(&message).await;
                    peer.linger().await;
                }
            }
        }
    });
    let log = Log::new();
    let (one, two) = (log.clone(), log.clone());
    let builder = ws(address)
        .on("b", move |(bin,): (Bin,)| {
            one.push(format!("whole {}", bin.len()));
        })
        .on_disconnect(move |_, why| two.push(why.reason.to_string()));
    let _socket = builder.connect_background().unwrap();
    log.wait_for("whole 300").await;
    let lines = log.lines();
    // A reset may overtake the join; nothing is delivered but the whole message, once.
    assert!(lines.len() <= last + 1);
    assert!(
        lines[..lines.len() - 1]
            .iter()
            .all(|line| line.starts_with("transport ")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn resets_during_the_handshake() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n";
    let address = listen(0, move |n, mut peer| async move {
        match n {
            0 => peer.reset(),
            1 => drop(peer),
            2 => {
                let _ = peer.request().await;
                peer.reset();
            }
            3 => {
                let _ = peer.request().await;
                peer.write(head.as_bytes()).await;
            }
            4 => {
                let Some(hello) = peer.hello().await else {
                    return;
                };
                peer.write(&hello[..hello.len() - 10]).await;
                peer.reset();
            }
            5 => {
                let Some(hello) = peer.hello().await else {
                    return;
                };
                peer.write(&hello).await;
                let _ = peer.text().await;
                peer.reset();
            }
            _ => {
                let _ = peer.join().await;
                peer.linger().await;
            }
        }
    });
    let log = Log::new();
    let errors = log.clone();
    let builder = ws(address)
        .wait_for_server(true)
        .on_connect_error(move |_, error| errors.push(error.to_string()));
    let socket = connected(builder).await;
    assert!(socket.connected());
    let lines = log.lines();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains('\n')));
}

#[tokio::test]
async fn polling_answers_that_break_off() {
    let ok = |body: &str| response("200 OK", "Content-Type: text/plain\r\n", body.as_bytes());
    let whole = ok(OPEN);
    let address = listen(0, move |n, mut peer| {
        let whole = whole.clone();
        async move {
            match n {
                // A body shorter than it promised; chunks without an end; a head that never ends.
                0 => {
                    let _ = peer.request().await;
                    peer.write(&whole[..whole.len() - 5]).await;
                }
                1 => {
                    let _ = peer.request().await;
                    peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0{\"si")
                        .await;
                    peer.reset();
                }
                2 => {
                    let _ = peer.request().await;
                    peer.write(b"HTTP/1.1 200 OK\r\n").await;
                    for _ in 0..3000 {
                        peer.write(b"X-More: and more and more and more and more\r\n")
                            .await;
                    }
                    peer.linger().await;
                }
                _ => {
                    // In chunks, one byte at a time.
                    while let Some(request) = peer.request().await {
                        let body = match (request.method(), request.query("sid")) {
                            ("GET", None) => OPEN.to_owned(),
                            ("GET", _) => "40{\"sid\":\"S\"}".to_owned(),
                            _ => "ok".to_owned(),
                        };
                        let (a, b) = body.split_at(1);
                        let chunked = format!(
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{a}\r\n{:x};ext=1\r\n{b}\r\n0\r\nTrailer: x\r\n\r\n",
                            b.len()
                        );
                        peer.drip(chunked.as_bytes()).await;
                        if body.starts_with("40") {
                            peer.linger().await;
                        }
                    }
                }
            }
        }
    });
    let builder = quick(client_at(format!("http://{address}")).transports([Transport::Polling]));
    let socket = builder.open().unwrap();
    let log = Log::new();
    let errors = log.clone();
    socket.on_connect_error(move |_, error| errors.push(error.to_string()));
    socket.connect_background();
    eventually("joined", || socket.connected()).await;
    let lines = log.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
}

#[tokio::test]
async fn messages_over_the_limit_are_skipped() {
    let address = listen(0, |_, mut peer| async move {
        let Some(()) = peer.join().await else { return };
        peer.say(&format!("42[\"large\",\"{}\"]", "x".repeat(300_000)))
            .await;
        peer.say("42[\"small\"]").await;
        peer.linger().await;
    });
    let mut limits = Limits::default();
    limits.receive = 100_000;
    let socket = ws(address).limits(limits).open().unwrap();
    let mut notices = socket.manager().notices();
    let mut events = socket.events();
    within("connect", socket.connect()).await.unwrap();
    assert_eq!(
        within("an event", events.next()).await.unwrap().name(),
        "small"
    );
    loop {
        if let Notice::TooLarge { bytes, limit } = within("a notice", notices.next()).await.unwrap()
        {
            assert!(
                bytes >= 300_000 && (100_000..200_000).contains(&limit),
                "{bytes} {limit}"
            );
            break;
        }
    }
    assert!(socket.connected());
}

#[tokio::test]
async fn lies_about_lengths_are_no_reason_to_reserve_memory() {
    // 2^62 bytes announced: the connection is kept or given up, but nothing of that size is allocated.
    let address = listen(0, |n, mut peer| async move {
        let Some(()) = peer.join().await else { return };
        if n == 0 {
            peer.write(&[0x81, 127, 0x40, 0, 0, 0, 0, 0, 0, 0]).await;
            peer.write(&[b'x'; 1000]).await;
            return;
        }
        if n == 1 {
            peer.say("44999999999999-[\"e\"]").await;
            peer.say("459999999999999999999-[\"e\"]").await;
            peer.linger().await;
            return;
        }
        peer.say("42[\"end\"]").await;
        peer.linger().await;
    });
    let log = Log::new();
    let out = log.clone();
    let _socket = connected(ws(address).on("end", move |_: Args| out.push("end"))).await;
    log.wait(1).await;
}

#[tokio::test]
async fn a_failed_upgrade_stays_on_polling() {
    let address = listen(0, |_, mut peer| async move {
        while let Some(request) = peer.request().await {
            let open = OPEN.replace("[]", "[\"websocket\"]");
            let body = match (
                request.method(),
                request.query("transport"),
                request.query("sid"),
            ) {
                (_, Some("websocket"), _) => return peer.reset(),
                ("GET", _, None) => open,
                ("GET", ..) if request.query("t").is_some() => {
                    // The first GET brings the reply, later ones wait.
                    static FIRST: std::sync::atomic::AtomicBool =
                        std::sync::atomic::AtomicBool::new(true);
                    if FIRST.swap(false, std::sync::atomic::Ordering::SeqCst) {
                        "40{\"sid\":\"S\"}".into()
                    } else {
                        return peer.linger().await;
                    }
                }
                _ => "ok".into(),
            };
            peer.write(&response("200 OK", "", body.as_bytes())).await;
        }
    });
    let socket = quick(client_at(format!("http://{address}")))
        .open()
        .unwrap();
    let mut notices = socket.manager().notices();
    within("connect", socket.connect()).await.unwrap();
    let words = within("the failure", async {
        loop {
            if let Notice::UpgradeFailed(words) = notices.next().await.unwrap() {
                return words;
            }
        }
    })
    .await;
    assert!(!words.is_empty() && !words.contains('\n'), "{words}");
    assert!(socket.connected());
    assert_eq!(socket.transport(), Some(Transport::Polling));
    socket.emit("on polling", ()).unwrap();
    within("written", socket.flush()).await;
}
