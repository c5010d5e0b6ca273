//! What `connect --json` prints is in the order in which it happened.

use serde_json::json;
use sockeye_testkit::{Request, accept_key, frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Talk;

/// Plays a session by WebSocket: what `last` is sent in one write once the client has sent so many events.
async fn session(mut stream: TcpStream, events: usize, last: &[&str]) -> std::io::Result<()> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 1024]);
    let key = loop {
        let n = stream.read(&mut chunk).await?;
        bytes.extend_from_slice(&chunk[..n]);
        if let Some((request, len)) = Request::parse(&bytes) {
            bytes.drain(..len);
            break accept_key(request.header("sec-websocket-key").unwrap_or_default());
        }
    };
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let text = |text: &str| frame(0x81, text.as_bytes());
    let open = r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
    stream.write_all(&text(open)).await?;
    let (mut joined, mut came) = (false, 0);
    while came < events {
        let n = stream.read(&mut chunk).await?;
        if n == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&chunk[..n]);
        while let Some((received, len)) = sockeye_testkit::Frame::parse(&bytes) {
            bytes.drain(..len);
            if received.payload.starts_with(b"40") && !joined {
                joined = true;
                stream.write_all(&text(r#"40{"sid":"x"}"#)).await?;
            }
            came += usize::from(received.payload.starts_with(b"42"));
        }
    }
    let last: Vec<u8> = last.iter().flat_map(|packet| text(packet)).collect();
    stream.write_all(&last).await?;
    // Until the client goes.
    while stream.read(&mut chunk).await? > 0 {}
    Ok(())
}

// Tasks that await answers are woken in the right order and run in another one, and events come by a way of their own.
#[tokio::test]
async fn answers_stand_among_the_events_where_they_came() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        let packets = [
            r#"42["a"]"#,
            r#"430["first"]"#,
            r#"431["second"]"#,
            r#"42["b"]"#,
            r#"432["third"]"#,
            r#"42["c"]"#,
            r#"42["d"]"#,
            r#"433["fourth"]"#,
            // Those that are still open fail once that has been told, in their order.
            "41",
        ];
        while let Ok((stream, _)) = listener.accept().await {
            // (A client that goes early fails the test by what it has not printed.)
            let _ = session(stream, 6, &packets).await;
        }
    });
    let mut talk = Talk::start(&["connect", &url, "--json", "-t", "websocket"]);
    for id in 0..6 {
        let ask = json!({"cmd": "emit", "event": "q", "ack": true, "id": id});
        talk.say(&ask.to_string()).await;
    }
    let mut order = Vec::new();
    while order.len() < 11 {
        let wanted = ["event", "ack", "ack_error", "disconnect"];
        let record = talk
            .record(|record| wanted.iter().any(|kind| record["type"] == *kind))
            .await;
        order.push(match record["type"].as_str() {
            Some("event") => record["name"].to_string(),
            Some("disconnect") => "left".to_owned(),
            _ => format!("{}{}", record["id"], record["args"]),
        });
    }
    let expected = [
        r#""a""#,
        r#"0["first"]"#,
        r#"1["second"]"#,
        r#""b""#,
        r#"2["third"]"#,
        r#""c""#,
        r#""d""#,
        r#"3["fourth"]"#,
        "left",
        "4null",
        "5null",
    ];
    assert_eq!(order, expected);
    server.abort();
}
