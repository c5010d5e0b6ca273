//! Events as types, without a heap: sent, asked, handled, borrowed from the receive buffer.

mod support;

use std::cell::RefCell;
use std::rc::Rc;

use embassy_futures::join::join;
use sockeye_embedded::{
    AnswerError, ArgsError, BinRef, EmitError, Event, HandlerError, Handlers, Reply, Socket,
    TypedEvent,
};
use support::config;
use support::net::{Manners, Net};
use support::play::{URL, play, poll_once};

#[derive(Event)]
#[event(ack = (bool,))]
struct Led(bool);

#[derive(Event)]
struct News<'a>(&'a str, Option<u32>);

#[derive(Event, serde::Serialize)]
#[event(ack = (u32, bool))]
struct Reading<'a> {
    sensor: &'a str,
    celsius: f32,
}

#[derive(Event)]
struct Frame<'a>(u32, BinRef<'a>);

#[derive(Event)]
#[event(ack = ())]
struct Ping;

#[test]
fn typed_events_are_sent_and_asked() {
    let net = Net::new(Manners::GOOD);
    play(&net, config(URL), Handlers::new(), |socket| {
        let net = net.clone();
        async move {
            assert_eq!(
                socket.volatile().emit_event(&Ping),
                Err(EmitError::NotWritable)
            );
            let wire = net.wire(0).await;
            wire.join().await;
            socket.emit_event(&News("hi", None)).unwrap();
            wire.expect(r#"42["news","hi",null]"#).await;
            socket.emit_event(&Frame(7, BinRef(&[1, 2]))).unwrap();
            wire.expect(r#"451-["frame",7,{"_placeholder":true,"num":0}]"#)
                .await;
            assert!(matches!(
                wire.next().await,
                support::peer::Frame::Binary(bytes) if bytes == [1, 2]
            ));
            let reading = Reading {
                sensor: "roof",
                celsius: 21.5,
            };
            let server = async {
                wire.expect(r#"420["reading",{"sensor":"roof","celsius":21.5}]"#)
                    .await;
                wire.text("430[7,true]");
                wire.expect(r#"421["led",true]"#).await;
                wire.text("431[1]");
            };
            let client = async {
                let (n, ok) = socket.request(&reading).await.unwrap();
                assert!(ok && n == 7);
                let wrong = socket.request(&Led(true)).await;
                assert!(
                    matches!(
                        wrong,
                        Err(AnswerError::Args(ArgsError::Invalid { index: 0, .. }))
                    ),
                    "{wrong:?}"
                );
            };
            join(server, client).await;
            // It goes out at the first poll.
            let mut ping = socket.volatile().request(&Ping);
            assert!(poll_once(&mut ping).await.is_none());
            wire.expect(r#"422["ping"]"#).await;
        }
    });
}

#[test]
fn typed_handlers_answer_at_once_or_later() {
    let net = Net::new(Manners::GOOD);
    let heard = Rc::new(RefCell::new(Vec::new()));
    let later: Rc<RefCell<Option<Reply<Led>>>> = Rc::default();
    let (said, kept) = (Rc::clone(&heard), Rc::clone(&later));
    let handlers = Handlers::new()
        .on_event(|_, _: Ping| ())
        .on_event_reply(move |_, Led(on), reply: Reply<Led>| {
            if on {
                *kept.borrow_mut() = Some(reply);
            } else {
                reply.ack((false,))?;
            }
            Ok::<_, HandlerError>(())
        })
        .on(News::NAME, move |_, event| {
            let News(title, n) = event.args.parse()?;
            said.borrow_mut().push(format!("{title} {n:?}"));
            Ok(())
        });
    play(&net, config(URL), handlers, |socket: Socket| {
        let (net, heard, later) = (net.clone(), Rc::clone(&heard), Rc::clone(&later));
        async move {
            let wire = net.wire(0).await;
            wire.join().await;
            socket.ready().await;
            wire.text(r#"421["ping"]"#);
            wire.expect("431[]").await;
            wire.text(r#"422["led",false]"#);
            wire.expect("432[false]").await;
            // Neither is called, nor is anything answered: they are not of the type.
            wire.text(r#"423["led","on"]"#);
            wire.text(r#"42["news",1]"#);
            wire.text(r#"42["news","late",3]"#);
            wire.text(r#"424["led",true]"#);
            wire.text(r#"425["ping"]"#);
            wire.expect("435[]").await;
            let reply = later.borrow_mut().take().expect("the answer was kept");
            assert!(reply.is_requested());
            reply.ack((true,)).unwrap();
            wire.expect("434[true]").await;
            assert_eq!(heard.take(), ["late Some(3)"]);
        }
    });
}

#[test]
fn handlers_may_fail_and_messages_are_looked_at_as_types() {
    use sockeye_embedded::Event as Incoming;

    let net = Net::new(Manners::GOOD);
    let handlers = Handlers::new()
        .on_event(|_, Led(on): Led| {
            if on {
                Ok((on,))
            } else {
                Err(HandlerError::Emit(EmitError::Full))
            }
        })
        .on_any(|socket: &Socket, event: &Incoming<'_>| {
            let Incoming::Message(message) = event else {
                return;
            };
            assert!(message.typed::<Ping>().is_none());
            let line = match message.typed::<News<'_>>() {
                None => return,
                Some(Ok(News(title, _))) => title,
                Some(Err(_)) => "of another type",
            };
            socket.emit("got", (line,)).unwrap();
        });
    play(&net, config(URL), handlers, |socket: Socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.join().await;
            socket.ready().await;
            wire.text(r#"421["led",false]"#);
            wire.text(r#"422["led",true]"#);
            wire.expect("432[true]").await;
            wire.text(r#"42["news","hi"]"#);
            wire.expect(r#"42["got","hi"]"#).await;
            wire.text(r#"42["news",1]"#);
            wire.expect(r#"42["got","of another type"]"#).await;
        }
    });
}
