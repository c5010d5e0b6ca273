//! Bad input: one line that says what is wrong and what to do.

use serde_json::json;
use sockeye::{ClientBuilder, ConnectErrorKind, Transport};

use crate::support::{Host, client, client_at, within};

const URL: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn bad_urls_and_options() {
    let cases: Vec<(ClientBuilder, &str)> = vec![
        (client_at(""), "it is empty"),
        (client_at("localhost:3000"), "no scheme"),
        (client_at("ftp://h"), "scheme ftp is unknown"),
        (client_at("http://"), "bad URL"),
        (client_at("wss://"), "bad URL"),
        (client_at("http://[::1"), "bad URL"),
        (client_at("http://h:99999"), "bad URL"),
        (client_at("http://u%3Av:p@h"), "colon"),
        (client_at("http://h/a,b"), "commas"),
        (client_at(URL).namespace("a,b"), "commas"),
        (client_at(URL).namespace("a\nb"), "control characters"),
        (client_at(URL).path("/a b"), "percent-encode"),
        (client_at(URL).path("/a?b=1"), "bad path"),
        (client_at(URL).path("/é"), "bad path"),
        (client_at(URL).query("sid", "1"), "query key sid"),
        (client_at(format!("{URL}/?EIO=3")), "query key EIO"),
        (client_at(URL).header("a b", "c"), "bad header name"),
        (client_at(URL).header("", "c"), "bad header name"),
        (client_at(URL).header("A", "b\r\nEvil: 1"), "no line breaks"),
        (client_at(URL).header("Host", "h"), "use the option `host`"),
        (
            client_at(URL).header("sec-websocket-KEY", "h"),
            "makes the WebSocket handshake itself",
        ),
        (client_at(URL).transports([]), "no transport"),
        (
            client_at(URL).transports([Transport::Polling, Transport::Polling]),
            "",
        ),
        (client_at(URL).auth(json!("text")), "must be a JSON object"),
        (client_at(URL).auth(json!([1])), "must be a JSON object"),
        (
            client_at(URL).auth(std::collections::HashMap::from([(vec![0], 1)])),
            "key must be a string",
        ),
    ];
    for (builder, words) in cases {
        if words.is_empty() {
            builder.open().unwrap();
            continue;
        }
        let what = format!("{builder:?}");
        let error = builder.open().expect_err(&what);
        let line = error.to_string();
        assert_eq!(error.kind(), ConnectErrorKind::Config, "{what}");
        assert!(
            line.contains(words) && !line.contains('\n'),
            "{what}: {line}"
        );
        assert!(!error.active() && error.data().is_none() && error.cause().is_none());
    }
}

#[tokio::test]
async fn secrets_are_not_shown() {
    let builder = client_at(format!("{URL}/chat?token=s3cret"))
        .auth(json!({"token": "s3cret"}))
        .query("key", "s3cret")
        .header("Authorization", "s3cret")
        .proxy("http://u:s3cret@proxy:8080");
    assert!(!format!("{:?}", client_at("http://u:s3cret@h/?token=s3cret")).contains("s3cret"));
    assert!(!format!("{builder:?}").contains("s3cret"));
    let socket = builder.open().unwrap();
    let namespace = socket.namespace("/x").auth(json!({"t": "s3cret"}));
    let texts = format!("{socket:?} {:?} {namespace:?}", socket.manager());
    assert!(!texts.contains("s3cret"), "{texts}");
    let ask = socket.emit_with_ack::<_, ()>("login", ("s3cret",));
    assert!(!format!("{ask:?}").contains("s3cret"));
    assert!(!format!("{:?}", ask.send()).contains("s3cret"));
    // Nor in errors: a payload that is none, a header with a line break, a URL that cannot be read.
    let wrong: [ClientBuilder; 9] = [
        client_at(URL).auth("s3cret"),
        client_at(URL).auth(["s3cret"]),
        client_at(URL).header("Authorization", "s3cret\n"),
        client_at(URL).header("Host", "s3cret"),
        client_at(URL).query("sid", "s3cret"),
        client_at("http://tom:s3cret@h:x"),
        client_at("http://u%3Av:s3cret@h"),
        client_at("tom:s3cret@h?s3cret"),
        client_at("gopher://h?token=s3cret"),
    ];
    for builder in wrong {
        let debug = format!("{builder:?}");
        let error = builder.open().unwrap_err();
        let texts = format!("{debug} {error} {error:?}");
        assert!(!texts.contains("s3cret"), "{texts}");
    }
    let error = socket.set_auth(["s3cret"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "auth must be a JSON object such as {\"token\":\"…\"}, not an array"
    );
    let headers = [("Authorization", "s3cret\r\n")];
    let error = socket.manager().set_headers(headers).unwrap_err();
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[tokio::test]
async fn bad_sub_protocols_and_time_stamp_names() {
    for builder in [
        client_at(URL).protocols(["a\r\nEvil: 1"]),
        client_at(URL).protocols(["a b"]),
        client_at(URL).protocols([""]),
        client_at(URL).timestamp_param("a&b"),
        client_at(URL).timestamp_param("sid"),
        client_at(URL).timestamp_param(""),
    ] {
        let error = builder.open().expect_err("a bad name");
        assert_eq!(error.kind(), ConnectErrorKind::Config);
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[tokio::test]
async fn bad_namespaces_of_a_live_connection() {
    let host = Host::start();
    let socket = within("connect", client(&host).connect()).await.unwrap();
    let error = within("connect", socket.namespace("/a,b").connect())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("commas"), "{error}");
    let error = within("connect", socket.namespace("/a").auth(json!(1)).connect())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("must be a JSON object"),
        "{error}"
    );
    let error = within("connect", socket.namespace(&"x".repeat(5000)).connect())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Config);
    assert!(error.to_string().contains("too long"), "{error}");
    assert!(socket.connected());
}
