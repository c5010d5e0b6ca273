//! What handlers take and return: own types, single arguments, acknowledgements, errors; and names that are refused.

use sockeye::{Args, EmitError, Notice, Responder};

use super::handlers::{joined, settled};
use crate::support::{Host, Log, client, within};

#[tokio::test]
async fn an_event_is_acknowledged_once() {
    let host = Host::start();
    let socket = joined(&host).await;
    let log = Log::new();
    let out = log.clone();
    socket.on("twice", move |(): (), reply: Responder| {
        let clone = reply.clone();
        reply.ack((1,)).unwrap();
        assert!(clone.is_answered());
        let error = clone.ack((2,)).unwrap_err();
        assert_eq!(error, EmitError::AlreadyAnswered);
        out.push(error.to_string());
    });
    // Another handler of the same event, later.
    let out = log.clone();
    socket.on("twice", move |(): (), reply: Responder| {
        let out = out.clone();
        async move {
            tokio::task::yield_now().await;
            out.push(format!("{:?}", reply.ack((3,))));
        }
    });
    let mut notices = socket.notices();
    socket.on("twice", |()| ("a third",));
    for n in 0..3 {
        host.send(&format!("42{n}[\"twice\"]"));
    }
    let lines = log.wait(6).await;
    assert_eq!(
        lines[..2],
        [
            "the event has been answered already: it has one acknowledgement",
            "Err(AlreadyAnswered)"
        ]
    );
    let Notice::HandlerFailed { event, error } = within("a notice", notices.next()).await.unwrap()
    else {
        panic!("another notice")
    };
    assert_eq!(event, "twice");
    assert!(error.contains("answered already"), "{error}");
    settled(&host, &socket).await;
    assert_eq!(
        host.received(3).await,
        ["/ ack 0 [1]", "/ ack 1 [1]", "/ ack 2 [1]"]
    );
}

/// An answer that cannot be sent leaves the event unanswered.
#[tokio::test]
async fn an_answer_that_is_too_large_may_be_followed_by_another() {
    let host = Host::start();
    let mut limits = sockeye::Limits::default();
    limits.send = 1000;
    let builder = client(&host).limits(limits);
    let socket = within("connect", builder.connect()).await.unwrap();
    socket.on("ask", |(): (), reply: Responder| {
        let clone = reply.clone();
        assert_eq!(reply.ack(("x".repeat(2000),)), Err(EmitError::TooLarge));
        clone.ack(("short",)).unwrap();
    });
    host.send("427[\"ask\"]");
    assert_eq!(host.received(1).await, ["/ ack 7 [\"short\"]"]);
}

#[tokio::test]
async fn what_a_handler_returns_is_its_acknowledgement() {
    let host = Host::start();
    let socket = joined(&host).await;
    let mut notices = socket.notices();
    socket.on("sum", |(a, b): (i64, i64)| (a + b,));
    socket.on("async", |(n,): (u32,)| async move { (n + 1, "async") });
    socket.on("parse", |(text,): (String,)| {
        text.parse::<u32>().map(|n| (n,))
    });
    socket.on("later", |(text,): (String,)| async move {
        tokio::task::yield_now().await;
        text.parse::<u32>().map(drop)
    });
    socket.on("list", |()| vec![1, 2, 3]);
    socket.on("null", |()| ((),));
    socket.on("nothing", |()| ());
    host.send("421[\"sum\",20,22]");
    host.send("422[\"async\",1]");
    host.send("423[\"parse\",\"7\"]");
    host.send("424[\"list\"]");
    host.send("425[\"null\"]");
    // These are not answered: nothing is returned, or an error.
    host.send("426[\"nothing\"]");
    host.send("427[\"parse\",\"seven\"]");
    host.send("428[\"later\",\"x\"]");
    // And this one was not asked for.
    host.send("42[\"sum\",1,2]");
    settled(&host, &socket).await;
    assert_eq!(
        host.received(5).await,
        [
            "/ ack 1 [42]",
            "/ ack 2 [2,\"async\"]",
            "/ ack 3 [7]",
            "/ ack 4 [1,2,3]",
            "/ ack 5 [null]"
        ]
    );
    for name in ["parse", "later"] {
        let Notice::HandlerFailed { event, error } =
            within("a notice", notices.next()).await.unwrap()
        else {
            panic!("another notice")
        };
        assert_eq!(
            (event.as_str(), error.as_str()),
            (name, "invalid digit found in string")
        );
    }
}

#[derive(Debug, PartialEq)]
struct Login {
    name: String,
    age: Option<u8>,
}

impl<'a> sockeye::FromArgs<'a> for Login {
    fn from_args(args: &mut sockeye::ArgsReader<'a>) -> Result<Self, sockeye::ArgsError> {
        Ok(Self {
            name: args.next()?,
            age: args.next()?,
        })
    }
}

#[tokio::test]
async fn own_types_read_the_arguments_and_single_ones_are_read_by_index() {
    let host = Host::start();
    let socket = joined(&host).await;
    let log = Log::new();
    let out = log.clone();
    socket.on("login", move |login: Login| out.push(format!("{login:?}")));
    let out = log.clone();
    socket.on("any", move |args: Args| {
        let first: String = args.get(0).unwrap();
        let third: Option<u8> = args.get(2).unwrap();
        out.push(format!(
            "{first} {third:?} {} {}",
            args.get::<u8>(1).unwrap_err(),
            args.get::<u8>(9).unwrap_err()
        ));
        assert_eq!(args.get::<&str>(0).unwrap(), "a");
    });
    host.emit("/", "[\"login\",\"ann\",30]");
    host.emit("/", "[\"login\",\"bob\"]");
    host.emit("/", "[\"any\",\"a\",true]");
    let lines = log.wait(3).await;
    assert_eq!(lines[0], "Login { name: \"ann\", age: Some(30) }");
    assert_eq!(lines[1], "Login { name: \"bob\", age: None }");
    assert!(
        lines[2].starts_with("a None argument 1: ") && lines[2].contains("argument 2 is missing"),
        "{}",
        lines[2]
    );
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_told() {
    let host = Host::start();
    let socket = joined(&host).await;
    let mut notices = socket.notices();
    socket.on("e", |_: (String, u32)| ());
    host.emit("/", "[\"e\",\"a\",\"b\"]");
    let Notice::Mismatch { event, error } = within("a notice", notices.next()).await.unwrap()
    else {
        panic!("another notice")
    };
    assert_eq!(event, "e");
    assert!(matches!(
        error,
        sockeye::ArgsError::Invalid { index: 1, .. }
    ));
}

#[tokio::test]
async fn names_that_no_event_can_have_are_refused_with_the_method_to_use() {
    for (name, method) in [
        ("connect", "on_connect"),
        ("disconnect", "on_disconnect"),
        ("connect_error", "on_connect_error"),
        ("error", "on_connect_error"),
        ("newListener", "reserved"),
    ] {
        let host = Host::start();
        // By the builder, before anything is tried.
        let error = client(&host)
            .on(name, |()| ())
            .connect_background()
            .unwrap_err();
        assert_eq!(error.kind(), sockeye::ConnectErrorKind::Config);
        assert!(
            error.message().contains(name) && error.message().contains(method),
            "{error}"
        );
        // By the next `connect`.
        let socket = client(&host).open().unwrap();
        let mut notices = socket.notices();
        let id = socket.on(name, |()| ());
        assert!(!socket.has_handlers(name) && !socket.off(id));
        let error = socket.connect().await.unwrap_err();
        assert!(error.message().contains(method), "{error}");
        assert_eq!(host.state(|state| state.accepted), 0);
        assert!(matches!(
            within("a notice", notices.next()).await,
            Some(Notice::HandlerFailed { event, error }) if event == name && error.contains(method)
        ));
        if name != "error" {
            let _stream = socket.stream::<()>(name);
            socket.connect().await.unwrap_err();
        }
        // It is told once; what is registered well works.
        within("connect", socket.connect()).await.unwrap();
    }
}

/// `unimplemented!()` is a handler: the function's type says that it does not return.
#[tokio::test]
async fn handlers_that_do_not_return_compile() {
    let host = Host::start();
    let socket = joined(&host).await;
    socket.on("e", |()| unimplemented!("as in a first draft"));
    socket.on("e", |()| async { unimplemented!("as in a first draft") });
    host.emit("/", "[\"e\"]");
    settled(&host, &socket).await;
}
