//! Dynamic values: with binary data inside, and with what JavaScript sends and other JSON readers refuse.

use sockeye::{Args, Value, json};

use crate::support::{Host, Log, client, within};

#[tokio::test]
async fn a_value_holds_binary_both_ways() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let sent = json!({ "name": "cat.png", "data": sockeye::Bin::from([1, 2, 3]) });
    let log = Log::new();
    let (out, expected) = (log.clone(), sent.clone());
    socket.on("echo", move |(back,): (Value,)| {
        out.push(format!("{} {back}", back == expected));
    });
    socket.emit("echo", (&sent,)).unwrap();
    assert_eq!(
        log.wait(1).await,
        [r#"true {"data":"<3 bytes>","name":"cat.png"}"#]
    );
}

/// One odd value does not change the others, wherever it is met.
#[tokio::test]
async fn half_an_emoji_and_1e400_change_nothing_else() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let out = log.clone();
    socket.on("odd", move |args: Args| {
        out.push(format!("{} {:?}", args.json(), args.values()));
    });
    let out = log.clone();
    socket.on(
        "odd",
        move |(one, text, two): (u8, String, Option<Value>)| {
            out.push(format!("{one} {text} {two:?}"));
        },
    );
    host.send(r#"42["odd",1,"cut \ud83d",{"a":1e400}]"#);
    assert_eq!(
        log.wait(2).await,
        [
            "[1,\"cut \\ud83d\",{\"a\":1e400}] [Number(1), String(\"cut \u{fffd}\"), Object {\"a\": Null}]",
            "1 cut \u{fffd} Some(Object({\"a\": Number(inf)}))",
        ]
    );
}

#[tokio::test]
async fn the_data_of_a_refusal_is_read_alike() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let log = Log::new();
    let out = log.clone();
    socket.on_connect_error(move |_: sockeye::Socket, error: sockeye::ConnectError| {
        out.push(format!("{:?}", error.data()));
    });
    host.send(r#"44{"message":"no","data":{"code":7,"who":"\ud83d"}}"#);
    assert_eq!(
        log.wait(1).await,
        ["Some(Object {\"code\": Number(7), \"who\": String(\"\u{fffd}\")})"]
    );
}
