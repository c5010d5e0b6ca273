//! Events as types: sent, asked and handled, with the acknowledgement that stands at the type.

use serde::{Deserialize, Serialize};
use sockeye::{
    AckError, ArgsError, Bin, Event, Notice, Reply, Responder, Socket, StreamOptions, TypedEvent,
};

use super::handlers::{joined, settled};
use crate::support::{Host, Log, client, within};

#[derive(Debug, Event, Serialize, Deserialize)]
#[event(ack = (bool,))]
struct Led {
    on: bool,
}

#[derive(Event)]
#[event(ack = (i64, String))]
struct Sum(i64, i64);

#[derive(Debug, PartialEq, Event)]
struct Picture(u32, Bin);

const PICTURE: &str = r#"["picture",5,{"_placeholder":true,"num":0}]"#;

#[derive(Event, Serialize)]
#[event(name = "a reading")]
struct Reading<'a> {
    sensor: &'a str,
}

#[derive(Event)]
#[event(ack = ())]
struct Ping;

#[tokio::test]
async fn typed_events_are_sent_under_their_names() {
    let host = Host::start();
    let socket = joined(&host).await;
    let sensor = String::from("roof");
    socket.emit_event(&Reading { sensor: &sensor }).unwrap();
    socket.emit_event(&Sum(1, 2)).unwrap();
    socket.emit_event(&Picture(1, vec![1, 2].into())).unwrap();
    socket.volatile().emit_event(&Ping).unwrap();
    socket.compress(false).emit_event(&Ping).unwrap();
    assert_eq!(
        host.received(5).await,
        [
            r#"/ ["a reading",{"sensor":"roof"}]"#,
            r#"/ ["sum",1,2]"#,
            r#"/ ["picture",1,{"_placeholder":true,"num":0}] <0102>"#,
            r#"/ ["ping"]"#,
            r#"/ ["ping"]"#,
        ]
    );
}

/// The server's answer is the event as it came, its name first.
#[derive(Event)]
#[event(ack = (String, i64))]
struct Echo(i64);

#[derive(Event)]
#[event(name = "echo", ack = (i64,))]
struct Wrong;

#[tokio::test]
async fn a_request_gives_the_acknowledgement_of_its_type() {
    let host = Host::start();
    let socket = joined(&host).await;
    let later = socket.request(&Echo(1)).send();
    let (name, n) = within("an answer", socket.request(&Echo(2))).await.unwrap();
    assert_eq!((name.as_str(), n), ("echo", 2));
    let (name, n) = within("an answer", later).await.unwrap();
    assert_eq!((name.as_str(), n), ("echo", 1));
    let wrong = within("an answer", socket.request(&Wrong)).await;
    assert!(
        matches!(
            wrong,
            Err(AckError::Answer(ArgsError::Invalid { index: 0, .. }))
        ),
        "{wrong:?}"
    );
    // An answer without any argument asked for: whatever comes will do.
    let pong = socket.volatile().request(&Ping);
    let () = within("an answer", pong).await.unwrap();
    let pong = socket.compress(false).request(&Ping);
    let () = within("an answer", pong).await.unwrap();
}

#[tokio::test]
async fn handlers_answer_with_what_stands_at_the_type() {
    let host = Host::start();
    let builder = client(&host).on_event(|led: Led| (led.on,));
    let socket = within("connect", builder.connect()).await.unwrap();
    let mut notices = socket.notices();
    socket.on_event(|Sum(a, b)| async move {
        tokio::task::yield_now().await;
        if b == 0 {
            Err("nothing to add")
        } else {
            Ok((a + b, "sync".to_owned()))
        }
    });
    socket.on_event(|_: Ping| ());
    for packet in [
        r#"421["led",{"on":true}]"#,
        r#"422["sum",20,22]"#,
        r#"423["ping"]"#,
        r#"424["sum",1,0]"#,
        r#"42["led",{"on":true}]"#,
        r#"425["led",true]"#,
    ] {
        host.send(packet);
    }
    settled(&host, &socket).await;
    assert_eq!(
        host.received(3).await,
        ["/ ack 1 [true]", r#"/ ack 2 [42,"sync"]"#, "/ ack 3 []"]
    );
    let Notice::HandlerFailed { event, error } = within("a notice", notices.next()).await.unwrap()
    else {
        panic!("another notice")
    };
    assert_eq!((event.as_str(), error.as_str()), ("sum", "nothing to add"));
    let Notice::Mismatch { event, error } = within("a notice", notices.next()).await.unwrap()
    else {
        panic!("another notice")
    };
    assert_eq!(event, "led");
    assert!(matches!(error, ArgsError::Invalid { index: 0, .. }));
}

#[tokio::test]
async fn a_reply_answers_later_or_leaves_it_to_another_handler() {
    let host = Host::start();
    let socket = joined(&host).await;
    let log = Log::new();
    let out = log.clone();
    socket.on_event(move |_: Led, reply: Reply<Led>| {
        out.push(format!("{} {:?}", reply.is_requested(), reply.ack_id()));
    });
    socket.on_event(|led: Led, reply: Reply<Led>| async move {
        tokio::task::yield_now().await;
        reply.ack((!led.on,)).map_err(|error| error.to_string())
    });
    let out = log.clone();
    socket.on_event(move |_: Led, untyped: Responder| {
        out.push(format!("answered: {}", untyped.is_answered()));
    });
    let out = log.clone();
    socket.once_event(move |_: Picture| out.push("once"));
    socket.on_event_concurrent(2, |led: Led| async move { (led.on,) });
    socket.on_event(|_: Picture| -> () { unimplemented!("as in a first draft") });
    socket.on_event(|_: Picture| unimplemented!("as in a first draft"));
    host.send(r#"427["led",{"on":false}]"#);
    host.emit_binary("/", PICTURE, &[&[1, 2]]);
    host.emit_binary("/", PICTURE, &[&[1, 2]]);
    assert_eq!(
        log.wait(3).await,
        ["true Some(7)", "answered: true", "once"]
    );
    settled(&host, &socket).await;
    assert_eq!(host.received(1).await, ["/ ack 7 [true]"]);
}

#[tokio::test]
async fn a_stream_gives_the_type_and_events_are_looked_at_as_one() {
    let host = Host::start();
    let socket = joined(&host).await;
    let mut all = socket.events();
    let mut leds = socket.stream_event::<Led>();
    let mut few = socket.stream_event_with::<Picture>(StreamOptions::new().capacity(1));
    host.emit("/", r#"["led",{"on":true}]"#);
    host.emit_binary("/", PICTURE, &[&[1, 2]]);
    assert!(within("a led", leds.next()).await.unwrap().on);
    let event = within("an event", all.next()).await.unwrap();
    assert!(event.typed::<Led>().unwrap().unwrap().on);
    assert!(event.typed::<Picture>().is_none());
    let picture = within("a picture", few.next()).await;
    assert_eq!(picture, Some(Picture(5, vec![1, 2].into())));
}

/// A type that is called so means an event of the server's; names that no event can have are refused, also by hand.
#[tokio::test]
async fn names_are_refused_as_elsewhere() {
    #[derive(Event)]
    struct Error(String);

    #[derive(Debug)]
    struct Disconnect;
    impl TypedEvent for Disconnect {
        const NAME: &'static str = "disconnect";
        type Ack = sockeye::NoAck;
    }
    impl<'a> sockeye::FromArgs<'a> for Disconnect {
        fn from_args(_: &mut sockeye::ArgsReader<'a>) -> Result<Self, ArgsError> {
            Ok(Self)
        }
    }

    let host = Host::start();
    let socket: Socket = joined(&host).await;
    let log = Log::new();
    let out = log.clone();
    socket.on_event(move |Error(text)| out.push(text));
    host.emit("/", r#"["error","it burns"]"#);
    assert_eq!(log.wait(1).await, ["it burns"]);
    socket.on_event(|_: Disconnect| ());
    let error = socket.connect().await.unwrap_err();
    assert!(error.message().contains("on_disconnect"), "{error}");
}
