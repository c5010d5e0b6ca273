//! The life of connections: the run loop on a clock that the tests own, over a network that behaves badly on purpose.

mod support;

use std::time::Duration;

use embassy_futures::join::join;
use embassy_futures::select::select;
use sockeye_embedded::core_api::Link;
use sockeye_embedded::{
    ConnectError, EmitError, Handlers, Socket, Storage, Transports, new_with_clock,
};
use support::exec::{TestClock, block_on, sleep};
use support::net::{Manners, Net};
use support::peer::Frame;
use support::play::{Log, MINUTE, URL, play};
use support::{Small, config, storage};

#[test]
fn speaks_whatever_the_network_does_to_the_bytes() {
    for manners in [
        Manners::GOOD,
        Manners::DRIPPING,
        Manners {
            read: 7,
            write: 3,
            ..Manners::GOOD
        },
    ] {
        let net = Net::new(manners);
        let log = Log::default();
        let entries = log.clone();
        let handler = Handlers::new()
            .on_any(move |_: &Socket, event| entries.write(event))
            .on("led", |socket, event| {
                let (on,): (bool,) = event.args.parse()?;
                socket.emit("switched", (on,))?;
                Ok(socket.reply(event, ("done", on))?)
            });
        play(
            &net,
            config("http://server:3000/?token=a%20b"),
            handler,
            |socket| {
                let net = net.clone();
                async move {
                    let wire = net.wire(0).await;
                    assert_eq!(
                        wire.shake_hands().await,
                        "GET /socket.io/?EIO=4&transport=websocket&token=a%20b HTTP/1.1"
                    );
                    wire.expect("40").await;
                    assert!(!socket.connected());
                    wire.text(r#"40{"sid":"the-id"}"#);
                    socket.ready().await;
                    assert!(socket.id(|id| id == Some("the-id")));
                    socket.emit("hello", ("w\u{f6}rld \"1\"", 2.5)).unwrap();
                    wire.expect(r#"42["hello","wörld \"1\"",2.5]"#).await;
                    wire.text(r#"427["led",true]"#);
                    wire.expect(r#"42["switched",true]"#).await;
                    wire.expect(r#"437["done",true]"#).await;
                    let question = socket.emit_with_ack::<_, (u32, bool)>("sum", (1, 2));
                    let server = async {
                        wire.expect(r#"420["sum",1,2]"#).await;
                        wire.text("430[3,true]");
                    };
                    assert_eq!(join(question, server).await.0, Ok((3, true)));
                    wire.text("2");
                    wire.expect("3").await;
                    assert_eq!((wire.reads_cut.get(), wire.writes_cut.get()), (0, 0));
                    assert_eq!(net.targets().len(), 1);
                    let target = net.targets()[0];
                    assert_eq!(
                        (target.host, target.port, target.tls),
                        ("server", 3000, false)
                    );
                }
            },
        );
        assert_eq!(
            log.take(),
            ["opened websocket", "connect recovered=false", "led [true]"],
            "{manners:?}"
        );
    }
}

#[test]
fn a_reset_in_the_middle_of_a_frame_is_followed_by_a_reconnection() {
    // Every place where the connection can break, up to the middle of the event.
    for cut in (150..330).step_by(9) {
        let net = Net::new(Manners {
            reset_after: Some(cut),
            ..Manners::DRIPPING
        });
        let log = Log::default();
        play(&net, config(URL), log.handler(), |socket| {
            let net = net.clone();
            async move {
                let wire = net.wire(0).await;
                socket.emit("kept", (1,)).unwrap();
                let server = async {
                    wire.shake_hands().await;
                    wire.expect("40").await;
                    wire.text(r#"40{"sid":"first"}"#);
                    wire.text(&format!(r#"42["{}"]"#, "x".repeat(200)));
                    std::future::pending::<()>().await;
                };
                select(wire.gone(), server).await;
                assert!(wire.writes_cut.get() <= 1, "the write that was under way");
                net.set_manners(Manners::DRIPPING);
                let wire = net.wire(1).await;
                wire.join().await;
                socket.ready().await;
                socket.emit("later", ()).unwrap();
                let first = wire.next().await;
                if first == Frame::Text(r#"42["kept",1]"#.into()) {
                    wire.expect(r#"42["later"]"#).await;
                } else {
                    assert_eq!(first, Frame::Text(r#"42["later"]"#.into()));
                }
            }
        });
        let lines = log.take();
        let closed = lines
            .iter()
            .find(|line| line.starts_with("closed"))
            .expect("told");
        assert!(
            closed.ends_with("the connection broke: connection reset"),
            "{closed}"
        );
        assert!(
            lines.contains(&"reconnecting 1".into()) && lines.contains(&"reconnected 1".into()),
            "{lines:?}"
        );
    }
}

#[test]
fn a_server_that_does_not_read_holds_back_and_loses_nothing() {
    let net = Net::new(Manners {
        window: 400,
        ..Manners::GOOD
    });
    play(&net, config(URL), Log::default().handler(), |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.join().await;
            socket.ready().await;
            let mut sent = 0;
            let full = loop {
                match socket.emit("n", (sent, "some ballast that fills the buffer")) {
                    Ok(()) => sent += 1,
                    Err(error) => break error,
                }
                sleep(Duration::from_millis(1)).await;
            };
            assert_eq!(full, EmitError::Full);
            assert!(sent > 10);
            // Reading is not held up meanwhile, and what cannot wait is refused.
            assert_eq!(socket.volatile().emit("n", ()), Err(EmitError::NotWritable));
            wire.read_on(usize::MAX);
            for n in 0..sent {
                wire.expect(&format!(
                    r#"42["n",{n},"some ballast that fills the buffer"]"#
                ))
                .await;
            }
            socket.flush().await;
            assert_eq!(socket.send_queue_len(), 0);
            socket.volatile().emit("now", ()).unwrap();
            wire.expect(r#"42["now"]"#).await;
            assert_eq!((wire.reads_cut.get(), wire.writes_cut.get()), (0, 0));
        }
    });
}

#[test]
fn refused_and_dead_servers_are_tried_again() {
    let net = Net::new(Manners {
        dead: true,
        ..Manners::GOOD
    });
    let log = Log::default();
    let mut config = config(URL);
    config.core.connect_timeout = Some(Duration::from_secs(3));
    play(&net, config, log.handler(), |socket| {
        let net = net.clone();
        async move {
            sleep(Duration::from_secs(3)).await;
            assert_eq!((net.attempts(), net.connects_cut()), (1, 1));
            net.set_manners(Manners::GOOD);
            net.refuse(Some(ConnectError::Refused));
            while net.attempts() < 3 {
                sleep(Duration::from_millis(100)).await;
            }
            net.refuse(None);
            // It need not wait for the next attempt.
            let before = TestClock::elapsed();
            socket.reconnect();
            net.wire(0).await.join().await;
            socket.ready().await;
            assert_eq!(TestClock::elapsed(), before);
        }
    });
    let refused = "closed opened=false retry=true: could not connect: connection refused: is the server running on that port?";
    assert_eq!(
        log.take(),
        [
            "closed opened=false retry=true: no Socket.IO handshake within the connect timeout",
            "reconnecting 1",
            "attempt 1",
            refused,
            "reconnecting 2",
            "attempt 2",
            refused,
            "reconnecting 3",
            "attempt 3",
            "opened websocket",
            "reconnected 3",
            "connect recovered=false",
        ]
    );
}

#[test]
fn a_light_sleep_past_the_heartbeat_is_noticed_at_the_next_emit() {
    let net = Net::new(Manners::GOOD);
    let log = Log::default();
    play(&net, config(URL), log.handler(), |socket| {
        let net = net.clone();
        async move {
            let old = net.wire(0).await;
            old.join().await;
            socket.ready().await;
            TestClock::skip(Duration::from_secs(50));
            // Neither sent on the dead connection, nor taken as volatile.
            assert_eq!(
                socket.volatile().emit("now", ()),
                Err(EmitError::NotWritable)
            );
            socket.emit("after the sleep", ()).unwrap();
            let wire = net.wire(1).await;
            assert!(old.is_quiet(), "nothing more goes to the old connection");
            wire.join().await;
            wire.expect(r#"42["after the sleep"]"#).await;
        }
    });
    assert!(log.take()[2].contains("no ping from the server"));
}

#[test]
fn stop_says_goodbye_and_ends_the_run() {
    let net = Net::new(Manners::DRIPPING);
    let (socket, mut runner) =
        new_with_clock(config(URL), storage(Small::new()), TestClock).unwrap();
    block_on(MINUTE, async {
        let script = async {
            let wire = net.wire(0).await;
            wire.join().await;
            socket.ready().await;
            socket.emit("last", (1,)).unwrap();
            socket.stop();
            wire.expect(r#"42["last",1]"#).await;
            wire.expect("41").await;
            while wire.next().await != Frame::Close {}
            wire.send(&[0x88, 0]);
            wire.gone().await;
            assert!(wire.closed.get(), "closed in order");
        };
        join(runner.run(&net, Log::default().handler()), script).await;
        // And it can begin anew.
        let again = async {
            socket.connect();
            net.wire(1).await.join().await;
            socket.ready().await;
        };
        select(runner.run(&net, Log::default().handler()), again).await;
        assert!(socket.connected());
    });
}

#[test]
fn stop_before_the_run_counts_and_connect_revokes_it() {
    let net = Net::new(Manners::GOOD);
    let (socket, mut runner) =
        new_with_clock(config(URL), storage(Small::new()), TestClock).unwrap();
    block_on(MINUTE, async {
        socket.stop();
        runner.run(&net, Log::default().handler()).await;
        assert_eq!(net.attempts(), 0);
        socket.stop();
        socket.connect();
        select(runner.run(&net, Log::default().handler()), async {
            net.wire(0).await.join().await;
            socket.ready().await;
        })
        .await;
        assert!(socket.connected());
    });
}

#[test]
fn a_run_that_is_dropped_can_be_run_again() {
    let net = Net::new(Manners::GOOD);
    let log = Log::default();
    let (socket, mut runner) =
        new_with_clock(config(URL), storage(Small::new()), TestClock).unwrap();
    block_on(MINUTE, async {
        select(runner.run(&net, log.handler()), async {
            net.wire(0).await.join().await;
            socket.ready().await;
        })
        .await;
        assert!(net.wire(0).await.dropped.get());
        socket.emit("kept", ()).unwrap();
        select(runner.run(&net, log.handler()), async {
            let wire = net.wire(1).await;
            wire.join().await;
            wire.expect(r#"42["kept"]"#).await;
        })
        .await;
    });
    assert!(log.take().contains(
        &"disconnect transport close: the connection broke: the run loop was ended".into()
    ));
}

#[test]
fn a_message_larger_than_the_storage_is_skipped_and_told() {
    let net = Net::new(Manners {
        read: 100,
        ..Manners::GOOD
    });
    let log = Log::default();
    play(&net, config(URL), log.handler(), |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.join().await;
            wire.text(&format!(r#"42["big","{}"]"#, "x".repeat(8192)));
            wire.text(r#"42["small"]"#);
            wire.text("2");
            wire.expect("3").await;
            assert!(socket.connected());
        }
    });
    assert_eq!(log.take()[2..], ["refused 8204", "small []"]);
}

#[test]
fn a_storage_for_one_link_says_so_when_polling_is_wanted() {
    let net = Net::new(Manners::GOOD);
    let log = Log::default();
    let mut config = config(URL);
    config.core.transports = Transports::POLLING_FIRST;
    config.core.reconnection.enabled = false;
    play(&net, config, log.handler(), |_| {
        sleep(Duration::from_secs(1))
    });
    let words = "polling needs a storage with LINKS = 3, or set the transports to WEBSOCKET";
    assert_eq!(
        log.take(),
        [format!(
            "closed opened=false retry=false: could not connect: {words}"
        )]
    );
    assert_eq!(net.attempts(), 0);
}

#[test]
fn polling_upgrades_to_websocket_on_three_links() {
    type Big = Storage<
        4096,
        1024,
        embassy_sync::blocking_mutex::raw::NoopRawMutex,
        4,
        256,
        16,
        2,
        512,
        128,
        3,
    >;
    let net = Net::new(Manners::DRIPPING);
    let log = Log::default();
    let mut config = config(URL);
    config.core.transports = Transports::POLLING_FIRST;
    let (socket, mut runner) = new_with_clock(config, storage(Big::new()), TestClock).unwrap();
    block_on(MINUTE, async {
        let script = async {
            let get = net.wire(0).await;
            assert!(
                get.request()
                    .await
                    .0
                    .starts_with("GET /socket.io/?EIO=4&transport=polling&t=")
            );
            get.respond(r#"0{"sid":"engine","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#);
            // The next poll, the CONNECT, and the WebSocket, in whichever order they come.
            while net.connections() < 3 {
                sleep(Duration::from_millis(1)).await;
            }
            let targets = net.targets();
            let at = |link| {
                targets
                    .iter()
                    .position(|target| target.link == link)
                    .unwrap()
            };
            let (post, ws) = (
                net.wire(at(Link::Post)).await,
                net.wire(at(Link::WebSocket)).await,
            );
            let (head, body) = post.request().await;
            assert!(head.starts_with("POST /socket.io/?EIO=4&transport=polling&t="));
            assert_eq!(body, "40");
            post.respond("ok");
            get.request().await;
            get.respond(r#"40{"sid":"polled"}"#);
            socket.ready().await;
            assert!(ws.upgrade().await.contains("&sid=engine"));
            get.request().await;
            ws.expect("2probe").await;
            ws.text("3probe");
            get.respond("6");
            ws.expect("5").await;
            ws.text(r#"42["hi"]"#);
            socket.emit("over", ()).unwrap();
            ws.expect(r#"42["over"]"#).await;
            get.gone().await;
            post.gone().await;
        };
        select(runner.run(&net, log.handler()), script).await;
    });
    assert_eq!(
        log.take(),
        [
            "opened polling",
            "connect recovered=false",
            "upgraded",
            "hi []"
        ]
    );
}
