//! What the documentation promises: of dropped futures, of times, of `stop`, of the first packet of a connection.

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use sockeye_embedded::{
    AckError, AnswerError, Config, ConnectError, EmitError, EmitOptions, Event, Socket,
    new_with_clock, storage,
};
use support::exec::{TestClock, block_on, sleep};
use support::net::{Manners, Net};
use support::peer::Frame;
use support::play::{Log, MINUTE, URL, play};
use support::{Small, config, storage};

type TwoAcks = storage!(rx: 1024, tx: 1024, acks: 2);

/// A namespace without retries, and one with.
fn with_retries(retries: Option<u32>) -> Config {
    let mut config = config(URL);
    config.options.retries = retries;
    config
}

const RETRIES: [Option<u32>; 2] = [None, Some(3)];

#[test]
fn a_dropped_emit_with_ack_is_not_sent_and_frees_its_place() {
    for retries in RETRIES {
        let net = Net::new(Manners::GOOD);
        net.refuse(Some(ConnectError::Refused));
        let memory = storage(TwoAcks::new());
        let (socket, mut runner) =
            new_with_clock(with_retries(retries), memory, TestClock).unwrap();
        let script = async {
            sleep(Duration::from_millis(50)).await;
            let second = Duration::from_secs(1);
            for n in 0..2 {
                // Given up after 100 ms, offline.
                let dropped = socket.emit_with_ack::<_, (u32,)>("dropped", (n,));
                select(dropped, sleep(second / 10)).await;
            }
            // Two acknowledgements have places: both are free again.
            let kept = socket.emit_with_ack::<_, (u32,)>("kept", (3,));
            let server = async {
                sleep(second).await;
                net.refuse(None);
                let wire = net.wire(0).await;
                wire.join().await;
                let mut seen = Vec::new();
                while let Either::First(Frame::Text(text)) =
                    select(wire.next(), sleep(second)).await
                {
                    let id: String = text[2..].chars().take_while(char::is_ascii_digit).collect();
                    wire.text(&format!("43{id}[1]"));
                    seen.push(text);
                }
                seen
            };
            let (answer, seen) = join(kept, server).await;
            assert_eq!(answer, Ok((1,)), "retries {retries:?}");
            assert!(
                seen.len() == 1 && seen[0].ends_with(r#"["kept",3]"#),
                "retries {retries:?}: {seen:?}"
            );
        };
        block_on(10 * MINUTE, select(runner.run(&net, quiet), script));
    }
}

fn quiet(_: &Socket, _: &Event<'_>) {}

#[test]
fn a_timeout_counts_from_the_emit_on_also_offline() {
    for retries in RETRIES {
        let net = Net::new(Manners::GOOD);
        net.refuse(Some(ConnectError::Refused));
        let memory = storage(Small::new());
        let (socket, mut runner) =
            new_with_clock(with_retries(retries), memory, TestClock).unwrap();
        let script = async {
            sleep(Duration::from_millis(50)).await;
            let before = TestClock::elapsed();
            let answer = socket
                .emit_with_ack::<_, (u32,)>("x", (1,))
                .timeout(Duration::from_secs(1));
            let Either::First(answer) = select(answer, sleep(MINUTE)).await else {
                panic!("retries {retries:?}: nothing for a minute")
            };
            assert_eq!(
                answer,
                Err(AnswerError::Ack(AckError::Timeout { sent: false }))
            );
            assert_eq!(TestClock::elapsed() - before, Duration::from_secs(1));
        };
        block_on(10 * MINUTE, select(runner.run(&net, quiet), script));
    }
}

#[test]
fn another_namespace_after_stop_revokes_it() {
    let net = Net::new(Manners::GOOD);
    let (socket, mut runner) =
        new_with_clock(config(URL), storage(Small::new()), TestClock).unwrap();
    let server = async {
        for n in 0.. {
            let wire = net.wire(n).await;
            wire.shake_hands().await;
            loop {
                let next = async { select(wire.gone(), wire.next()).await };
                match next.await {
                    Either::First(()) => break,
                    Either::Second(Frame::Text(text)) if text.starts_with("40/b") => {
                        wire.text(r#"40/b,{"sid":"b"}"#);
                    }
                    Either::Second(Frame::Text(text)) if text.starts_with("40") => {
                        wire.text(r#"40{"sid":"a"}"#);
                    }
                    Either::Second(Frame::Close) => wire.send(&[0x88, 0]),
                    Either::Second(_) => (),
                }
            }
        }
    };
    let client = async {
        socket.ready().await;
        socket.stop();
        let b = socket.namespace("/b").unwrap();
        b.ready().await;
        // Minutes later the last namespace is left: that is no reason for the run to end.
        sleep(5 * MINUTE).await;
        b.disconnect();
        sleep(MINUTE).await;
        b.connect();
        b.ready().await;
    };
    let run = select(runner.run(&net, quiet), select(server, client));
    match block_on(10 * MINUTE, run) {
        Either::First(()) => panic!("the run ended by itself"),
        Either::Second(_) => (),
    }
}

/// What an acknowledgement's handler emits while the end of the connection is told.
fn emits_again(
    log: &Rc<RefCell<Vec<Result<(), EmitError>>>>,
) -> impl Fn(&Socket, &Event<'_>) + use<> {
    let log = log.clone();
    move |socket: &Socket, event: &Event<'_>| {
        if let Event::Ack { result: Err(_), .. } = event {
            log.borrow_mut().push(socket.emit("again", (1,)));
        }
    }
}

#[test]
fn nothing_leaves_before_connect_after_a_light_sleep_or_a_new_run() {
    for again in [false, true] {
        let net = Net::new(Manners::GOOD);
        let emits = Rc::new(RefCell::new(Vec::new()));
        let (socket, mut runner) =
            new_with_clock(config(URL), storage(Small::new()), TestClock).unwrap();
        let second = Duration::from_secs(1);
        let script = async {
            let wire = net.wire(0).await;
            wire.join().await;
            socket.ready().await;
            sleep(second / 100).await;
            let options = EmitOptions::ACK.timeout(second);
            socket.emit_with("e", &(1,), options).unwrap();
            sleep(second / 100).await;
            if !again {
                TestClock::skip(2 * second);
                wire.reset();
                std::future::pending::<()>().await;
            }
        };
        let next = async {
            let wire = net.wire(1).await;
            wire.shake_hands().await;
            wire.expect("40").await;
            wire.text(r#"40{"sid":"socket"}"#);
            if !emits.borrow().is_empty() {
                wire.expect(r#"42["again",1]"#).await;
            }
        };
        block_on(MINUTE, async {
            if again {
                select(runner.run(&net, emits_again(&emits)), script).await;
                TestClock::skip(2 * second);
                select(runner.run(&net, emits_again(&emits)), next).await;
            } else {
                let run = select(runner.run(&net, emits_again(&emits)), script);
                select(run, next).await;
            }
        });
        assert_eq!(emits.take(), [Ok(())], "run again: {again}");
    }
}

/// The official server handles DISCONNECT on its next tick: a CONNECT that comes in the same segment meets the old
/// socket, and the whole connection is closed.
#[test]
fn a_namespace_is_joined_again_only_after_the_server_has_seen_it_left() {
    let net = Net::new(Manners::GOOD);
    let log = Log::default();
    play(&net, config(URL), log.handler(), |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.join().await;
            let chat = socket.namespace("/chat").unwrap();
            wire.expect("40/chat,").await;
            wire.text(r#"40/chat,{"sid":"one"}"#);
            chat.ready().await;
            for answers in [true, false] {
                chat.disconnect();
                chat.connect();
                wire.expect("41/chat,").await;
                assert_eq!(wire.next().await, Frame::Ping);
                assert!(wire.is_quiet(), "nothing in the same segment");
                // The server's tick is over when it answers the ping, or after a while.
                if answers {
                    wire.send(&[0x8a, 0]);
                } else {
                    sleep(Duration::from_millis(200)).await;
                }
                wire.expect("40/chat,").await;
                wire.text(r#"40/chat,{"sid":"two"}"#);
                chat.ready().await;
            }
            assert!(socket.connected() && net.connections() == 1);
        }
    });
}
