//! `connect`, driven by JSON lines and by plain lines.

use serde_json::json;

use crate::{Talk, server};

#[tokio::test]
async fn a_script_drives_a_full_client() {
    let server = server::start().await;
    let mut talk = Talk::start(&["connect", &server.url("/"), "--json"]);
    let connect = talk.of("connect").await;
    assert_eq!(
        (&connect["namespace"], &connect["recovered"]),
        (&json!("/"), &json!(false))
    );
    assert!(connect["id"].as_str().is_some_and(|id| !id.is_empty()));
    assert_eq!(talk.of("event").await["name"], "welcome");

    talk.say(r#"{"cmd":"emit","event":"sum","args":[40,2],"ack":true,"id":{"my":"mark"}}"#)
        .await;
    for kind in ["queued", "sent"] {
        assert_eq!(
            talk.of(kind).await,
            json!({"type": kind, "namespace": "/", "event": "sum", "id": {"my": "mark"}})
        );
    }
    let ack = talk.of("ack").await;
    assert_eq!(
        (&ack["args"], &ack["id"], &ack["event"]),
        (&json!([42]), &json!({"my": "mark"}), &json!("sum"))
    );
    assert!(ack["round_trip_ms"].as_f64().is_some_and(|ms| ms > 0.0));

    talk.say(r#"{"cmd":"emit","event":"turn","args":[{"_bin":"AQI="}],"ack":true}"#)
        .await;
    assert_eq!(talk.of("ack").await["args"], json!([2, {"_bin": "AgE="}]));

    talk.say(r#"{"cmd":"emit","event":"silent","ack":true,"timeout":50,"id":1}"#)
        .await;
    let error = talk.of("ack_error").await;
    assert_eq!(
        (&error["reason"], &error["id"]),
        (&json!("timeout"), &json!(1))
    );

    // The server asks; the script answers when it likes.
    talk.say(r#"{"cmd":"emit","event":"ask me","args":["why?"]}"#)
        .await;
    let question = talk.record(|record| record["name"] == "question").await;
    assert_eq!(question["args"], json!(["why?"]));
    talk.say(&json!({"cmd": "ack", "id": question["ack"], "args": [{"because": 7}]}).to_string())
        .await;
    talk.of("answered").await;
    assert_eq!(
        talk.record(|record| record["name"] == "heard").await["args"],
        json!([{"because": 7}])
    );
    talk.say(&json!({"cmd": "ack", "id": question["ack"]}).to_string())
        .await;
    assert!(
        talk.of("error").await["message"]
            .as_str()
            .unwrap()
            .contains("waits for answer"),
        "an answer is given once"
    );

    talk.say(r#"{"cmd":"emit","event":"connect","id":"r"}"#)
        .await;
    let error = talk.of("error").await;
    assert_eq!(error["id"], "r", "a reserved name is refused: {error}");
    for wrong in [
        "{",
        "[]",
        "no",
        r#"{"cmd":"fly"}"#,
        r#"{"cmd":"emit"}"#,
        r#"{"cmd":"emit","event":"x","namespace":"/never"}"#,
    ] {
        talk.say(wrong).await;
        assert!(
            !talk.of("error").await["message"]
                .as_str()
                .unwrap()
                .is_empty()
        );
    }
    talk.say(r#"{"cmd":"status","id":"s"}"#).await;
    let status = talk.of("status").await;
    assert_eq!(
        (&status["id"], &status["namespaces"][0]["connected"]),
        (&json!("s"), &json!(true))
    );
    talk.say(r#"{"cmd":"quit"}"#).await;
    assert_eq!(
        talk.of("disconnect").await["reason"],
        "io client disconnect"
    );
    assert_eq!(talk.end().await, (Some(0), String::new()));
}

#[tokio::test]
async fn namespaces_credentials_and_options_change_at_run_time() {
    let server = server::start().await;
    let mut talk = Talk::start(&["connect", &server.url("/"), "--json", "--no-autoconnect"]);
    talk.say(r#"{"cmd":"status"}"#).await;
    let status = talk.of("status").await;
    assert_eq!(
        (&status["transport"], &status["namespaces"][0]["active"]),
        (&json!(null), &json!(false))
    );
    talk.say(r#"{"cmd":"connect"}"#).await;
    talk.of("connect").await;

    talk.say(r#"{"cmd":"connect","namespace":"/secret","auth":{"token":"bad"}}"#)
        .await;
    talk.say(r#"{"cmd":"emit","event":"sum","args":[2,3],"ack":true,"namespace":"/secret","id":"early"}"#)
        .await;
    let refusal = talk.of("connect_error").await;
    assert_eq!(
        (
            &refusal["namespace"],
            &refusal["message"],
            &refusal["active"]
        ),
        (&json!("/secret"), &json!("wrong token"), &json!(false))
    );
    talk.say(r#"{"cmd":"connect","namespace":"/secret","auth":{"token":"good"}}"#)
        .await;
    assert_eq!(talk.of("connect").await["namespace"], "/secret");
    // What was emitted before the refusal has waited for another command to join.
    let early = talk.of("ack").await;
    assert_eq!(
        (&early["id"], &early["args"]),
        (&json!("early"), &json!([5]))
    );
    talk.say(r#"{"cmd":"emit","event":"sum","args":[1,1],"ack":true,"namespace":"/secret"}"#)
        .await;
    assert_eq!(talk.of("ack").await["namespace"], "/secret");
    talk.say(r#"{"cmd":"disconnect","namespace":"/secret"}"#)
        .await;
    assert_eq!(talk.of("disconnect").await["namespace"], "/secret");

    // New query and headers go out with a new connection; credentials with the next join.
    talk.say(
        r#"{"cmd":"set","query":{"mark":"q7"},"headers":{"X-Test":"h7"},"auth":{"who":"me"}}"#,
    )
    .await;
    talk.say(r#"{"cmd":"reconnect"}"#).await;
    let welcome = talk
        .record(|record| record["name"] == "welcome" && record["args"][0]["header"] == "h7")
        .await;
    assert!(
        welcome["args"][0]["query"]
            .as_str()
            .unwrap()
            .contains("mark=q7"),
        "{welcome}"
    );
    assert_eq!(welcome["args"][0]["auth"], json!({"who": "me"}));
    assert_eq!(talk.end().await.0, Some(0));
}

#[tokio::test]
async fn the_end_of_stdin_waits_for_what_was_asked() {
    let server = server::start().await;
    let mut talk = Talk::start(&["connect", &server.url("/"), "--json"]);
    for id in 0..50 {
        talk.say(
            &json!({"cmd": "emit", "event": "sum", "args": [id, 1], "ack": true, "id": id})
                .to_string(),
        )
        .await;
    }
    drop(talk.stdin.take());
    for id in 0..50 {
        let ack = talk
            .record(|record| record["type"] == "ack" && record["id"] == id)
            .await;
        assert_eq!(ack["args"], json!([id + 1]));
    }
    assert_eq!(talk.end().await, (Some(0), String::new()));
}

#[tokio::test]
async fn events_are_answered_by_themselves_if_asked() {
    let server = server::start().await;
    let mut talk = Talk::start(&[
        "connect",
        &server.url("/"),
        "--json",
        "--answer",
        "question",
    ]);
    talk.say(r#"{"cmd":"emit","event":"ask me","args":[[1,2]]}"#)
        .await;
    assert_eq!(
        talk.record(|record| record["name"] == "heard").await["args"],
        json!([[1, 2]])
    );
    assert_eq!(talk.end().await.0, Some(0));
    let mut talk = Talk::start(&[
        "connect",
        &server.url("/"),
        "--json",
        "--answer",
        "*=\"no\"",
    ]);
    talk.say(r#"{"cmd":"emit","event":"ask me","args":[1]}"#)
        .await;
    assert_eq!(
        talk.record(|record| record["name"] == "heard").await["args"],
        json!(["no"])
    );
    assert_eq!(talk.end().await.0, Some(0));
}

#[tokio::test]
async fn a_server_that_goes_and_comes_back_is_told_as_records() {
    let server = server::start().await;
    let url = server.url("/");
    let quick = ["--reconnect-delay", "20ms", "--reconnect-delay-max", "40ms"];
    let mut talk = Talk::start(&[&["connect", &url, "--json"], &quick[..]].concat());
    talk.of("connect").await;
    let address = server.stop().await;
    let left = talk.of("disconnect").await;
    assert_eq!(left["active"], true, "{left}");
    assert_eq!(talk.of("reconnecting").await["attempt"], 1);
    assert_eq!(talk.of("reconnect_attempt").await["attempt"], 1);
    let error = talk.of("connect_error").await;
    assert_eq!(error["active"], true, "{error}");
    // What is sent meanwhile waits for the connection.
    talk.say(r#"{"cmd":"emit","event":"sum","args":[1,2],"ack":true,"timeout":60000}"#)
        .await;
    talk.of("queued").await;
    talk.say(r#"{"cmd":"status","id":"meanwhile"}"#).await;
    talk.of("status").await;
    assert!(
        talk.seen.iter().all(|record| record["type"] != "sent"),
        "nothing has been sent yet: {:?}",
        talk.seen
    );
    let server = server::start_at(address).await;
    assert!(talk.of("reconnect").await["attempt"].as_u64() >= Some(1));
    talk.of("connect").await;
    let after = talk
        .record(|record| ["sent", "ack"].contains(&record["type"].as_str().unwrap()))
        .await;
    assert_eq!(after["type"], "sent", "before the answer");
    assert_eq!(talk.of("ack").await["args"], json!([3]));

    // A connection that the script breaks, and a server that wants no more.
    talk.say(r#"{"cmd":"reconnect"}"#).await;
    assert_eq!(talk.of("disconnect").await["reason"], "forced close");
    talk.of("connect").await;
    talk.say(r#"{"cmd":"emit","event":"kick me"}"#).await;
    let left = talk.of("disconnect").await;
    assert_eq!(
        (&left["reason"], &left["active"]),
        (&json!("io server disconnect"), &json!(false))
    );
    talk.say(r#"{"cmd":"connect"}"#).await;
    talk.of("connect").await;
    assert_eq!(talk.end().await.0, Some(0));

    let mut lost = Talk::start(&["listen", &url, "--json", "--no-reconnect"]);
    lost.of("connect").await;
    server.stop().await;
    let left = lost.of("disconnect").await;
    assert_eq!(left["active"], false, "{left}");
    let (code, complaint) = lost.end().await;
    assert_eq!(code, Some(5), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}

// Attempts for other namespaces are no reason to wait for what the namespace of the URL has to say.
#[tokio::test]
async fn what_becomes_of_events_of_a_namespace_that_was_left_is_told_during_attempts() {
    let server = server::start().await;
    let url = server.url("/");
    let quick = ["--reconnect-delay", "1ms", "--reconnect-delay-max", "1ms"];
    let mut talk = Talk::start(&[&["connect", &url, "--json"], &quick[..]].concat());
    talk.of("connect").await;
    talk.say(r#"{"cmd":"connect","namespace":"/chat"}"#).await;
    talk.of("connect").await;
    talk.say(r#"{"cmd":"disconnect","namespace":"/"}"#).await;
    talk.of("disconnect").await;
    server.stop().await;
    talk.record(|record| record["type"] == "reconnect_attempt" && record["attempt"] == 20)
        .await;
    for id in 0..5 {
        let emit = json!({"cmd": "emit", "event": "x", "ack": true, "timeout": 5, "namespace": "/", "id": id});
        talk.say(&emit.to_string()).await;
        let error = talk.of("ack_error").await;
        assert_eq!(
            (&error["id"], &error["reason"]),
            (&json!(id), &json!("timeout"))
        );
    }
    // At the end, too: it is the only one that waits when the sockets go.
    talk.say(r#"{"cmd":"emit","event":"last","ack":true,"timeout":60000,"namespace":"/"}"#)
        .await;
    talk.of("queued").await;
    talk.say(r#"{"cmd":"quit"}"#).await;
    let last = talk.record(|record| record["type"] == "ack_error").await;
    assert_eq!(
        (&last["event"], &last["reason"]),
        (&json!("last"), &json!("dropped"))
    );
    talk.end().await;
}

#[tokio::test]
async fn plain_lines_work_without_a_terminal() {
    let server = server::start().await;
    let mut talk = Talk::start(&["connect", &server.url("/")]);
    talk.say("sum? 40 2").await;
    talk.say("say hello").await;
    talk.say("\"send me\" 3").await;
    let mut wanted = vec!["= sum 42  (", "< number 0", "< number 1", "< number 2"];
    while !wanted.is_empty() {
        let line = tokio::time::timeout(crate::LIMIT, talk.stdout.next_line()).await;
        let line = line.expect("a line in time").expect("stdout is UTF-8");
        let line = line.unwrap_or_else(|| panic!("the end came before {wanted:?}"));
        wanted.retain(|start| !line.starts_with(start));
    }
    let (code, err) = talk.end().await;
    assert_eq!(code, Some(0), "{err}");
    assert!(
        err.contains(
            "! line 2: argument 1: hello is not JSON: write a text with quotes, \"hello\", or use --text"
        ),
        "{err}"
    );
}

#[tokio::test]
async fn a_strict_script_ends_at_its_first_bad_line() {
    let server = server::start().await;
    let url = server.url("/");
    // What was accepted before is still done, what comes after is not.
    let mut talk = Talk::start(&["connect", &url, "--json", "--strict"]);
    talk.say(r#"{"cmd":"emit","event":"sum","args":[1,2],"ack":true,"id":1}"#)
        .await;
    talk.say("").await;
    talk.say(r#"{"cmd":"emit","event":"disconnect","id":"r"}"#)
        .await;
    talk.say(r#"{"cmd":"emit","event":"sum","args":[5,5],"ack":true,"id":2}"#)
        .await;
    let error = talk.of("error").await;
    assert_eq!((&error["line"], &error["id"]), (&json!(3), &json!("r")));
    assert_eq!(talk.of("ack").await["args"], json!([3]));
    assert!(talk.seen.iter().all(|record| record["id"] != 2));
    let (code, err) = talk.end().await;
    assert_eq!(code, Some(2), "{err}");
    assert!(err.starts_with("sockeye: line 3: "), "{err}");

    let mut talk = Talk::start(&["connect", &url, "--strict"]);
    talk.say("sum? 40 2").await;
    talk.say("say hello").await;
    let (code, err) = talk.end().await;
    assert_eq!(code, Some(2), "{err}");
    let told = err.matches("line 2: argument 1: hello is not JSON").count();
    assert_eq!(told, 1, "{err}");

    // Without it, the number of the line is told, and the next one is done.
    let mut talk = Talk::start(&["connect", &url, "--json"]);
    talk.say("{").await;
    assert_eq!(talk.of("error").await["line"], 1);
    talk.say(r#"{"cmd":"emit","event":"sum","args":[1,2],"ack":true}"#)
        .await;
    assert_eq!(talk.of("ack").await["args"], json!([3]));
    assert_eq!(talk.end().await.0, Some(0));
}

#[tokio::test]
async fn what_waits_for_a_refused_namespace_is_told_and_holds_nothing_up() {
    let server = server::start().await;
    let mut talk = Talk::start(&["connect", &server.url("/"), "--json"]);
    talk.of("connect").await;
    talk.say(r#"{"cmd":"connect","namespace":"/secret","auth":{"token":"bad"}}"#)
        .await;
    talk.say(r#"{"cmd":"emit","event":"x","namespace":"/secret","id":"lost"}"#)
        .await;
    talk.of("connect_error").await;
    // The refusal may have been faster than the event; then it waits for the end of the input.
    talk.say(r#"{"cmd":"emit","event":"sum","args":[1,2],"ack":true,"id":"kept"}"#)
        .await;
    assert_eq!(talk.of("ack").await["id"], "kept");
    drop(talk.stdin.take());
    let error = talk.of("error").await;
    assert_eq!(error["id"], "lost", "{error}");
    assert_eq!(talk.end().await.0, Some(0));
}

#[tokio::test]
async fn odd_values_pass_as_they_are() {
    let server = server::start().await;
    let odd = r#"["\ud83d",{"deep":[123456789012345678901234567890,1.50]}]"#;
    let mut talk = Talk::start(&[
        "connect",
        &server.url("/"),
        "--json",
        "--answer",
        "question",
    ]);
    talk.of("connect").await;
    talk.say(&format!(
        r#"{{"cmd":"emit","event":"sum","args":[1,2],"ack":true,"id":{odd}}}"#
    ))
    .await;
    let line = talk.line_with("\"type\":\"ack\"").await;
    assert!(line.contains(&format!("\"id\":{odd}")), "{line}");
    assert_eq!(talk.end().await.0, Some(0));
}

#[tokio::test]
async fn what_was_accepted_before_quit_is_told_to_be_sent_or_not() {
    let server = server::start().await;
    let mut talk = Talk::start(&["connect", &server.url("/"), "--json"]);
    talk.of("connect").await;
    talk.say(r#"{"cmd":"emit","event":"silent","id":"early"}"#)
        .await;
    assert_eq!(talk.of("sent").await["id"], "early");
    talk.say(r#"{"cmd":"disconnect","namespace":"/"}"#).await;
    talk.of("disconnect").await;
    talk.say(r#"{"cmd":"emit","event":"silent","id":"late"}"#)
        .await;
    talk.say(r#"{"cmd":"quit"}"#).await;
    let error = talk.of("error").await;
    assert_eq!(error["id"], "late", "{error}");
    assert_eq!(talk.end().await.0, Some(0));
}

/// A port at which nobody listens yet.
async fn quiet_address() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    listener.local_addr().expect("an address")
}

// A promise to try again that ended with the server's absence would be none: the timeout is that of a try.
#[tokio::test]
async fn with_retries_an_event_waits_for_a_server_that_is_away() {
    let address = quiet_address().await;
    let url = format!("http://{address}/");
    let quick = ["--reconnect-delay", "20ms", "--reconnect-delay-max", "40ms"];
    let more = ["--json", "--retries", "2", "--timeout", "150ms"];
    let mut talk = Talk::start(&[&["connect", &url], &quick[..], &more[..]].concat());
    talk.say(r#"{"cmd":"emit","event":"sum","args":[1,2],"ack":true,"id":"kept"}"#)
        .await;
    talk.of("queued").await;
    // Longer than all tries together.
    for _ in 0..20 {
        talk.of("reconnect_attempt").await;
    }
    let server = server::start_at(address).await;
    let end = talk
        .record(|record| ["ack", "ack_error"].contains(&record["type"].as_str().unwrap()))
        .await;
    assert_eq!(end["args"], json!([3]), "{end}");
    assert_eq!(talk.end().await.0, Some(0));
    drop(server);
}

#[tokio::test]
async fn an_event_whose_time_is_up_offline_is_not_told_to_be_sent() {
    let address = quiet_address().await;
    let url = format!("http://{address}/");
    let quick = ["--reconnect-delay", "20ms", "--reconnect-delay-max", "40ms"];
    let mut talk = Talk::start(&[&["connect", &url, "--json"], &quick[..]].concat());
    talk.say(r#"{"cmd":"emit","event":"sum","args":[1,2],"ack":true,"timeout":50,"id":"late"}"#)
        .await;
    assert_eq!(talk.of("ack_error").await["reason"], "timeout");
    let server = server::start_at(address).await;
    talk.of("connect").await;
    // One that has been sent is told so, however soon its time is up.
    for id in 1..=20 {
        let ask = json!({"cmd": "emit", "event": "silent", "ack": true, "timeout": 4, "id": id});
        talk.say(&ask.to_string()).await;
        assert_eq!(talk.of("ack_error").await["reason"], "timeout");
    }
    talk.say(r#"{"cmd":"emit","event":"sum","args":[2,2],"ack":true,"id":"next"}"#)
        .await;
    assert_eq!(talk.of("ack").await["args"], json!([4]));
    let sent: Vec<_> = talk
        .seen
        .iter()
        .filter(|record| record["type"] == "sent")
        .map(|record| record["id"].clone())
        .collect();
    let mut all: Vec<_> = (1..=20).map(serde_json::Value::from).collect();
    all.push("next".into());
    assert_eq!(sent, all, "{:?}", talk.seen);
    assert_eq!(talk.end().await.0, Some(0));
    drop(server);
}
