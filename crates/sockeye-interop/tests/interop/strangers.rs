//! Peers that are not what a client hopes for. Each is answered with one line that says what was wrong.

use std::net::Ipv4Addr;
use std::time::Duration;

use sockeye::{ConnectError, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::client::builder;
use crate::wait::within;

/// Answers every connection's first request with these bytes, then closes.
async fn stranger(answer: &'static str) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let port = listener.local_addr().expect("a bound listener").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // Whatever was asked, the answer is the same.
                let _asked = stream.read(&mut request).await;
                stream.write_all(answer.as_bytes()).await.ok();
            });
        }
    });
    port
}

async fn error_of(port: u16, transport: Transport) -> ConnectError {
    let url = format!("http://127.0.0.1:{port}/");
    let builder = builder(&url)
        .transports([transport])
        .reconnection(false)
        .timeout(Duration::from_secs(2));
    let error = within("an error", builder.connect())
        .await
        .expect_err("this is no Socket.IO server");
    let text = error.to_string();
    assert!(
        !text.is_empty() && !text.contains('\n'),
        "one line: {text:?}"
    );
    error
}

const HTML: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>Hi</html>";
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
const NOT_HTTP: &str = "220 mail.example.org ESMTP\r\n";

#[tokio::test]
#[ignore = "uses the network stack: cargo xtask test --part interop"]
async fn other_servers() {
    for (answer, hint) in [(HTML, "Socket.IO"), (NOT_FOUND, "404"), (NOT_HTTP, "HTTP")] {
        let port = stranger(answer).await;
        for transport in [Transport::Polling, Transport::WebSocket] {
            let error = error_of(port, transport).await.to_string();
            let websocket = transport == Transport::WebSocket;
            assert!(
                websocket || error.contains(hint),
                "{error:?} should mention {hint:?}"
            );
        }
    }
}

#[tokio::test]
#[ignore = "uses the network stack: cargo xtask test --part interop"]
async fn nobody_there() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let port = listener.local_addr().expect("a bound listener").port();
    drop(listener);
    for transport in [Transport::Polling, Transport::WebSocket] {
        let error = error_of(port, transport).await.to_string();
        assert!(
            error.contains(&port.to_string()) || error.contains("refused"),
            "{error:?}"
        );
    }
}

#[tokio::test]
#[ignore = "uses the network stack: cargo xtask test --part interop"]
async fn somebody_who_says_nothing() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let port = listener.local_addr().expect("a bound listener").port();
    for transport in [Transport::Polling, Transport::WebSocket] {
        let error = error_of(port, transport).await.to_string();
        assert!(error.contains("time") || error.contains("2 s"), "{error:?}");
    }
    drop(listener);
}
