//! What gives way while a namespace is not joined, and the room that is kept for its join.

#[cfg(feature = "alloc")]
use sockeye_core::EmitError;
use sockeye_core::{EmitOptions, Link, NspOptions, Offline, Transports};
use sockeye_testkit::{Opening, Rig, Server, Settings, config};

use crate::both;

/// Joined once, then offline until [`back`].
fn away(rig: &mut Rig<'_>, options: NspOptions) -> sockeye_core::NamespaceId {
    rig.server = Some(Server::new(Settings::default()));
    let nsp = rig.namespace("/", options);
    rig.client.connect(rig.now(), nsp);
    rig.drain();
    assert!(rig.client.is_connected(nsp), "{}", rig.take_log());
    rig.opening = Opening::Refuse;
    rig.break_all();
    rig.take_log();
    nsp
}

/// Online again: what the server has received.
fn back(rig: &mut Rig<'_>) -> Vec<String> {
    rig.opening = Opening::Accept;
    rig.pass(60_000);
    let server = rig.server.as_ref().unwrap();
    assert_eq!(server.violations, Vec::<String>::new());
    server.received.clone()
}

fn options(offline: Offline) -> NspOptions {
    let mut options = NspOptions::default();
    options.offline = offline;
    options
}

/// So that growable memory is as tight as a device's.
fn tight() -> sockeye_core::Config<'static> {
    let mut config = config(Transports::WEBSOCKET);
    config.limits.send = 4096;
    config.limits.packets = 32;
    config
}

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[test]
fn the_oldest_give_way() {
    both(tight, |rig| {
        let nsp = away(rig, options(Offline::DropOldest));
        let mut log = String::new();
        for n in 0..100u32 {
            let sent = rig.emit(nsp, "e", &(n, text(200).as_str()), EmitOptions::PLAIN);
            assert_eq!(sent, Ok(None), "{n}");
            log += &rig.take_log();
        }
        let told = log.matches("dropped / 1").count();
        let received = back(rig);
        assert!(received.len() > 10, "{received:?}");
        assert_eq!(told + received.len(), 100, "each is sent or told: {log}");
        for (n, event) in (told..).zip(&received) {
            assert!(event.contains(&format!("[\"e\",{n},")), "{event}");
        }
    });
}

#[test]
fn as_many_give_way_as_it_takes_and_their_acknowledgements_fail() {
    both(tight, |rig| {
        let nsp = away(rig, options(Offline::DropOldest));
        for _ in 0..6 {
            rig.emit(nsp, "asked", &(text(300).as_str(),), EmitOptions::ACK)
                .unwrap();
        }
        rig.take_log();
        let sent = rig.emit(nsp, "large", &(text(2500).as_str(),), EmitOptions::PLAIN);
        assert_eq!(sent, Ok(None));
        let log = rig.take_log();
        let failed = log.lines().filter(|line| line.starts_with("ack ")).count();
        assert!(failed > 0 && failed < 6, "{log}");
        assert_eq!(log.matches("dropped\n").count(), failed, "{log}");
        assert!(log.contains(&format!("dropped / {failed}")), "{log}");
        assert_eq!(back(rig).len(), 7 - failed);
    });
}

/// Where its size is known before it is kept: in growable memory.
#[cfg(feature = "alloc")]
#[test]
fn what_never_fits_drops_nothing() {
    let config = tight();
    let memory = sockeye_core::Memory::growable(&config.limits);
    let mut rig = Rig::new(config, memory);
    let rig = &mut rig;
    let nsp = away(rig, options(Offline::DropOldest));
    rig.emit(nsp, "small", &(1,), EmitOptions::PLAIN).unwrap();
    let sent = rig.emit(nsp, "e", &(text(5000).as_str(),), EmitOptions::PLAIN);
    assert_eq!(sent, Err(EmitError::TooLarge));
    // A volatile event is not kept, and needs no room.
    let sent = rig.emit(nsp, "v", &(), EmitOptions::VOLATILE);
    assert_eq!(sent, Err(EmitError::NotWritable));
    assert!(!rig.take_log().contains("dropped"));
    assert_eq!(back(rig), ["/ [\"small\",1]"]);
}

#[test]
fn nothing_gives_way_unasked() {
    both(tight, |rig| {
        let nsp = away(rig, NspOptions::default());
        let mut kept = 0;
        while rig
            .emit(nsp, "e", &(text(200).as_str(),), EmitOptions::PLAIN)
            .is_ok()
        {
            kept += 1;
        }
        assert!(!rig.take_log().contains("dropped"));
        assert_eq!(back(rig).len(), kept);
    });
}

#[test]
fn the_latest_of_each_event_is_kept() {
    both(tight, |rig| {
        let nsp = away(rig, options(Offline::KeepLatest));
        for n in 0..200u32 {
            for event in ["temperature", "temp", "quo\"te"] {
                rig.emit(nsp, event, &(n,), EmitOptions::PLAIN).unwrap();
            }
        }
        assert_eq!(rig.take_log().matches("dropped / 1").count(), 3 * 199);
        assert_eq!(
            back(rig),
            [
                "/ [\"temperature\",199]",
                "/ [\"temp\",199]",
                "/ [\"quo\\\"te\",199]"
            ]
        );
    });
}

#[test]
fn a_hello_finds_room_after_a_long_outage() {
    both(tight, |rig| {
        let mut options = options(Offline::Refuse);
        options.spare_bytes = 600;
        options.spare_packets = 2;
        let nsp = rig.namespace("/", options);
        rig.client.connect(rig.now(), nsp);
        rig.drain();
        rig.opened_ws();
        let mut kept = 0;
        let filler = text(100);
        while rig
            .emit(nsp, "e", &(filler.as_str(),), EmitOptions::PLAIN)
            .is_ok()
        {
            kept += 1;
        }
        assert!(kept > 5, "{kept}");
        // Joined, and nothing has left yet.
        rig.write = [0; 3];
        rig.ws("40{\"sid\":\"S1\"}");
        assert!(rig.client.is_connected(nsp));
        for _ in 0..2 {
            rig.emit(nsp, "hello", &(text(250).as_str(),), EmitOptions::PLAIN)
                .unwrap();
        }
        rig.take_log();
        rig.writable(Link::WebSocket, usize::MAX);
        let log = rig.take_log();
        assert_eq!(log.matches("[\"e\",").count(), kept, "{log}");
        assert_eq!(log.matches("[\"hello\",").count(), 2, "{log}");
    });
}

/// After `disconnect`, also while the goodbye is still under way: it goes with the next join, and its answer comes then.
#[test]
fn what_is_emitted_after_leaving_goes_with_the_next_join() {
    for polling in [false, true] {
        let transports = if polling {
            Transports::POLLING
        } else {
            Transports::WEBSOCKET
        };
        both(
            || config(transports),
            |rig| {
                let nsp = if polling {
                    rig.joined_polling("[]")
                } else {
                    rig.joined_ws()
                };
                rig.take_log();
                rig.disconnect(nsp);
                rig.emit(nsp, "after", &(1,), EmitOptions::ACK).unwrap();
                if polling {
                    rig.post_reply();
                    rig.post_reply();
                } else {
                    rig.ws_frame(0x88, b"");
                }
                assert!(rig.client.is_down());
                let log = rig.take_log();
                assert!(!log.contains("after") && !log.contains("ack #"), "{log}");
                rig.client.connect(rig.now(), nsp);
                rig.drain();
                if polling {
                    rig.opened_polling("[]");
                    rig.post_reply();
                    rig.get_reply("40{\"sid\":\"S2\"}");
                    rig.get_reply("430[\"yes\"]");
                } else {
                    rig.opened_ws();
                    rig.ws("40{\"sid\":\"S2\"}");
                    rig.ws("430[\"yes\"]");
                }
                let log = rig.take_log();
                assert_eq!(log.matches("> 420[\"after\",1]").count(), 1, "{log}");
                assert!(log.contains("ack #1 [\"yes\"]\n"), "{log}");
            },
        );
    }
}
