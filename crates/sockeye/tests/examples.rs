//! The examples run: each against a server in memory that plays its part.

#![allow(dead_code, reason = "the examples' own `main`")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use sockeye::testing::Server;

#[path = "../examples/acks.rs"]
mod acks;
#[path = "../examples/auth.rs"]
mod auth;
#[path = "../examples/chat.rs"]
mod chat;
#[path = "../examples/events.rs"]
mod events;
#[path = "../examples/namespaces.rs"]
mod namespaces;
#[path = "../examples/offline.rs"]
mod offline;

#[tokio::test(start_paused = true)]
async fn acks_are_answered() {
    let server = Server::new();
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    server.on("sum", move |event| {
        counted.fetch_add(1, Ordering::Relaxed);
        let (a, b): (i64, i64) = event.parse().unwrap();
        event.ack((a + b,));
    });
    acks::run(&server.url("/")).await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 3);
    assert_eq!(server.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn auth_brings_its_token() {
    let server = Server::new();
    auth::run(&server.url("/")).await.unwrap();
    assert_eq!(
        server.peer("/").await.auth(),
        &json!({"token": "a fresh one"})
    );
    server.refuse("/", "no", None);
    auth::run(&server.url("/")).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn chat_says_hello() {
    let server = Server::new();
    let url = server.url("/");
    let chat = async { chat::run(&url).await.unwrap() };
    let script = async {
        let mut peer = server.peer("/").await;
        let hello = peer.next().await;
        assert_eq!(
            (hello.name(), hello.args().json()),
            ("message", "[\"hello\"]")
        );
        let (answer,): (String,) = peer.emit_with_ack("message", ("how are you?",)).await;
        assert_eq!(answer, "got it");
    };
    // It goes on until it is interrupted.
    tokio::select! {
        () = chat => panic!("it ended"),
        () = script => (),
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_types() {
    let server = Server::new();
    let url = server.url("/");
    let example = tokio::spawn(async move { events::run(&url).await.unwrap() });
    let mut peer = server.peer("/").await;
    let reading = peer.next().await;
    assert_eq!(
        (reading.name(), reading.args().json()),
        ("reading", r#"[{"sensor":"roof","celsius":21.5}]"#)
    );
    let (on,): (bool,) = peer.emit_with_ack("led", (json!({"on": true}),)).await;
    assert!(on);
    let save = peer.next().await;
    assert_eq!(save.name(), "save file");
    let (name, bytes): (String, sockeye::Bin) = save.parse().unwrap();
    assert_eq!((name.as_str(), &*bytes), ("a.txt", &[1, 2, 3][..]));
    save.ack((true, "twice"));
    example.await.unwrap();
    assert_eq!(server.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn namespaces_share_a_connection() {
    let server = Server::new();
    server.on("subscribe", |event| event.ack((1,)));
    namespaces::run(&server.url("/")).await.unwrap();
    assert_eq!(server.peer("/").await.next().await.name(), "hello");
    server.peer("/news").await.left().await;
    assert_eq!(server.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn offline_readings_arrive_when_the_server_is_there() {
    let server = Server::new();
    server.stop();
    let url = server.url("/");
    let example = tokio::spawn(async move { offline::run(&url).await.unwrap() });
    tokio::time::sleep(Duration::from_secs(10)).await;
    server.start();
    example.await.unwrap();
    let mut peer = server.peer("/").await;
    for n in 0..10 {
        let (m, _): (u32, f64) = peer.next().await.parse().unwrap();
        assert_eq!(m, n);
    }
}
