//! What applications do: acknowledgements, commands in handlers, `auth`, cancelled and volatile packets.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use embassy_futures::join::join;
use sockeye_embedded::{
    AckError, AnswerError, ArgsError, Auth, BinRef, EmitError, EmitOptions, Event, Handler, Socket,
    Text,
};
use support::config;
use support::exec::{TestClock, sleep};
use support::net::{Manners, Net};
use support::peer::Frame;
use support::play::{Log, URL, play, poll_once};

#[test]
fn handlers_may_do_anything_while_they_hold_the_event() {
    let net = Net::new(Manners::GOOD);
    let log = Log::default();
    let entries = log.clone();
    let handler = move |socket: &Socket, event: &Event<'_>| {
        entries.write(event);
        if let Event::Message(message) = event {
            let name = |text: &str| message.name == text;
            if name("leave") {
                socket.disconnect();
            } else if name("again") {
                socket.reconnect();
            } else if name("more") {
                socket.namespace("/more").unwrap();
            }
            // The event is still whole.
            assert_eq!(message.args.parse::<(&str,)>(), Ok(("payload",)));
        }
    };
    play(&net, config(URL), handler, |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.join().await;
            wire.text(r#"42["more","payload"]"#);
            wire.expect("40/more,").await;
            wire.text(r#"40/more,{"sid":"other"}"#);
            // What lies behind it in the same read is void with the connection.
            let mut both = support::peer::text(r#"42["again","payload"]"#);
            both.extend(support::peer::text(r#"42["lost","payload"]"#));
            wire.send(&both);
            let wire = net.wire(1).await;
            wire.shake_hands().await;
            wire.expect("40").await;
            wire.expect("40/more,").await;
            wire.text(r#"40{"sid":"new"}"#);
            socket.ready().await;
            wire.text(r#"42["leave","payload"]"#);
            wire.expect("41").await;
            assert!(!socket.connected() && !socket.active());
        }
    });
    assert_eq!(
        log.take(),
        [
            "opened websocket",
            "connect recovered=false",
            "more [\"payload\"]",
            "connect recovered=false",
            "again [\"payload\"]",
            "closed opened=true retry=true: closed by the application",
            "disconnect forced close: closed by the application",
            "disconnect forced close: closed by the application",
            "opened websocket",
            "connect recovered=false",
            "leave [\"payload\"]",
            "disconnect io client disconnect: closed by the application",
        ]
    );
}

#[test]
fn answers_go_to_their_tasks_in_any_order() {
    let net = Net::new(Manners::GOOD);
    let log = Log::default();
    play(&net, config(URL), log.handler(), |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.join().await;
            socket.ready().await;
            // Both are under way; the second is awaited first.
            let mut first = socket.emit_with_ack::<_, (u8,)>("a", ());
            let mut second = socket.emit_with_ack::<_, (u8,)>("b", ());
            assert!(poll_once(&mut first).await.is_none());
            assert!(poll_once(&mut second).await.is_none());
            wire.expect(r#"420["a"]"#).await;
            wire.expect(r#"421["b"]"#).await;
            wire.text("430[1]");
            wire.text("431[2]");
            assert_eq!(second.await, Ok((2,)));
            assert_eq!(first.await, Ok((1,)));

            // Answers of different lengths, taken out of the middle of their memory.
            let ask = || socket.emit_with_ack_read("len", (), |args| Ok(args.json().to_owned()));
            let mut three = [ask(), ask(), ask()];
            for (future, id) in three.iter_mut().zip(2..) {
                assert!(poll_once(future).await.is_none());
                wire.expect(&format!(r#"42{id}["len"]"#)).await;
            }
            wire.text("432[\"one\"]");
            wire.text("433[\"twenty-two\"]");
            wire.text("434[3]");
            sleep(Duration::from_millis(1)).await;
            let [one, two, three] = three;
            assert_eq!(one.await.unwrap(), "[\"one\"]");
            assert_eq!(three.await.unwrap(), "[3]");
            assert_eq!(two.await.unwrap(), "[\"twenty-two\"]");

            // Its time is up; the late answer is nobody's.
            let before = TestClock::elapsed();
            let late = socket
                .emit_with_ack::<_, ()>("c", ())
                .timeout(Duration::from_secs(5))
                .await;
            assert_eq!(
                late,
                Err(AnswerError::Ack(AckError::Timeout { sent: true }))
            );
            assert_eq!(TestClock::elapsed() - before, Duration::from_secs(5));
            wire.expect(r#"425["c"]"#).await;
            wire.text("435[]");

            // Dropped futures free their places at once, again and again: there are four.
            for n in 6..30 {
                let mut dropped = socket.emit_with_ack::<_, ()>("d", ());
                assert!(poll_once(&mut dropped).await.is_none());
                wire.expect(&format!(r#"42{n}["d"]"#)).await;
                drop(dropped);
                wire.text(&format!("43{n}[]"));
            }

            // A fifth has no place.
            let mut four = [(); 4].map(|()| socket.emit_with_ack::<_, ()>("e", ()));
            for future in &mut four {
                assert!(poll_once(future).await.is_none());
            }
            let fifth = socket.emit_with_ack::<_, ()>("e", ()).await;
            assert_eq!(fifth, Err(AnswerError::Emit(EmitError::TooManyAcks)));
            for n in 30..34 {
                wire.expect(&format!(r#"42{n}["e"]"#)).await;
            }
            drop(four);

            // Answers of the wrong type, and too large for their place.
            let answer = |answer: String| {
                let wire = wire.clone();
                async move {
                    let Frame::Text(text) = wire.next().await else {
                        panic!("a text")
                    };
                    let id = text[2..].split('[').next().unwrap();
                    wire.text(&format!("43{id}{answer}"));
                }
            };
            let wrong = join(
                socket.emit_with_ack::<_, (u8,)>("f", ()),
                answer("[\"text\"]".into()),
            )
            .await
            .0;
            assert!(
                matches!(
                    wrong,
                    Err(AnswerError::Args(ArgsError::Invalid { index: 0, .. }))
                ),
                "{wrong:?}"
            );
            let large = format!("[\"{}\"]", "x".repeat(300));
            let refused = join(
                socket.emit_with_ack::<_, ()>("g", ()),
                answer(large.clone()),
            )
            .await
            .0;
            assert_eq!(refused, Err(AnswerError::NoRoom(304)));
            // Read by borrow.
            let len = socket.emit_with_ack_read("h", (), |args| {
                args.parse().map(|(text,): (&str,)| text.len())
            });
            assert_eq!(join(len, answer("[\"four\"]".into())).await.0, Ok(4));
            // The handler has no limit but the receive buffer's.
            let id = socket.emit_with("i", &(), EmitOptions::ACK).unwrap();
            assert!(id.is_some());
            answer(large).await;
            sleep(Duration::from_millis(1)).await;
        }
    });
    let lines = log.take();
    assert_eq!(lines.len(), 3);
    assert!(lines[2].starts_with("ack [\"xxx"), "{lines:?}");
}

#[test]
fn answers_with_binary_are_kept_for_their_tasks() {
    let net = Net::new(Manners::DRIPPING);
    play(&net, config(URL), Log::default().handler(), |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.join().await;
            let bytes = [0u8, 1, 2, 255];
            let sum = socket.emit_with_ack_read("photo", ("jpeg", BinRef(&bytes)), |args| {
                let (name, data): (Text<'_>, BinRef<'_>) = args.parse()?;
                Ok(name == "back" && *data == [9, 8, 7])
            });
            let server = async {
                wire.expect(r#"451-0["photo","jpeg",{"_placeholder":true,"num":0}]"#)
                    .await;
                assert_eq!(wire.next().await, Frame::Binary(bytes.to_vec()));
                wire.text(r#"461-0["back",{"_placeholder":true,"num":0}]"#);
                wire.binary(&[9, 8, 7]);
            };
            assert_eq!(join(sum, server).await.0, Ok(true));
        }
    });
}

struct Token {
    counter: u32,
    json: String,
    later: bool,
    errors: Rc<Cell<u32>>,
}

impl Handler for Token {
    fn auth(&mut self, _: &Socket) -> Auth<'_> {
        self.counter += 1;
        if self.later {
            return Auth::Later;
        }
        self.json = format!(r#"{{"token":{}}}"#, self.counter);
        Auth::Json(&self.json)
    }

    fn on_connect_error(&mut self, socket: &Socket, error: &sockeye_embedded::Refusal<'_>) {
        self.errors.set(self.errors.get() + 1);
        if error.message == "expired" {
            socket.connect();
        }
    }
}

#[test]
fn auth_is_asked_for_at_every_connect() {
    let net = Net::new(Manners::GOOD);
    let errors = Rc::new(Cell::new(0));
    let token = |later| Token {
        counter: 0,
        json: String::new(),
        later,
        errors: errors.clone(),
    };
    play(&net, config(URL), token(false), |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.shake_hands().await;
            wire.expect(r#"40{"token":1}"#).await;
            wire.text(r#"44{"message":"expired"}"#);
            wire.gone().await;
            let wire = net.wire(1).await;
            wire.shake_hands().await;
            wire.expect(r#"40{"token":2}"#).await;
            wire.text(r#"40{"sid":"x"}"#);
            socket.ready().await;
            wire.reset();
            let wire = net.wire(2).await;
            wire.shake_hands().await;
            wire.expect(r#"40{"token":3}"#).await;
        }
    });
    assert_eq!(errors.get(), 1);
    // A token that takes its time.
    let net = Net::new(Manners::GOOD);
    play(&net, config(URL), token(true), |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.shake_hands().await;
            sleep(Duration::from_secs(7)).await;
            assert!(wire.is_quiet());
            #[derive(serde::Serialize)]
            struct Auth<'a> {
                user: &'a str,
                pin: u16,
            }
            socket
                .provide_auth_value(&Auth {
                    user: "board",
                    pin: 7,
                })
                .unwrap();
            wire.expect(r#"40{"user":"board","pin":7}"#).await;
        }
    });
}

#[test]
fn an_auth_payload_that_cannot_be_sent_is_a_connect_error() {
    struct Bad(&'static str, Log);
    impl Handler for Bad {
        fn auth(&mut self, _: &Socket) -> Auth<'_> {
            Auth::Json(self.0)
        }
        fn handle(&mut self, _: &Socket, event: &Event<'_>) {
            self.1.write(event);
        }
    }
    let long: &'static str =
        Box::leak(format!(r#"{{"token":"{}"}}"#, "x".repeat(2000)).into_boxed_str());
    for (json, words) in [
        ("[1]", "connect_error the auth payload is not a JSON object"),
        (
            long,
            "connect_error the auth payload does not fit the send buffer: enlarge TX of the storage",
        ),
    ] {
        let net = Net::new(Manners::GOOD);
        let log = Log::default();
        play(&net, config(URL), Bad(json, log.clone()), |socket| {
            let net = net.clone();
            async move {
                let wire = net.wire(0).await;
                wire.shake_hands().await;
                // The last namespace is given up: so is the connection.
                wire.next().await;
                assert!(!socket.active());
            }
        });
        assert_eq!(log.take()[1], words);
    }
}

#[test]
fn volatile_and_cancelled_packets_are_not_sent_later() {
    let net = Net::new(Manners::GOOD);
    play(&net, config(URL), Log::default().handler(), |socket| {
        let net = net.clone();
        async move {
            assert_eq!(
                socket.volatile().emit("no", ()),
                Err(EmitError::NotWritable)
            );
            let volatile = socket.volatile().emit_with_ack::<_, ()>("no", ()).await;
            assert_eq!(volatile, Err(AnswerError::Emit(EmitError::NotWritable)));
            let mut cancelled = socket.emit_with_ack::<_, ()>("no", ());
            assert!(poll_once(&mut cancelled).await.is_none());
            drop(cancelled);
            socket.emit("no", ()).unwrap();
            socket.clear_send_buffer();
            socket.emit("yes", ()).unwrap();
            let wire = net.wire(0).await;
            wire.join().await;
            wire.expect(r#"42["yes"]"#).await;
        }
    });
}
