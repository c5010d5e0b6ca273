//! What is logged: that things happen, never what people say to each other. A process of its own, because whether a
//! place in the code is logged is decided once for all subscribers of a process.

use std::fmt::Debug;

use serde_json::json;
use sockeye::Responder;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

#[path = "client/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "it is shared with other tests")]
mod support;

use support::{Host, Log, client, eventually, within};

/// Keeps every line, with its level in front.
struct Lines(Log);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sockeye")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(format!("{} span", span.metadata().level()));
        span.record(&mut line);
        self.0.push(line.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.push(line.0);
    }

    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn events_are_logged_without_their_payloads() {
    let log = Log::new();
    tracing::subscriber::set_global_default(Lines(log.clone())).unwrap();
    let host = Host::start();
    let builder = client(&host)
        .auth(json!({"token": "s3cret"}))
        .header("Authorization", "s3cret")
        .query("key", "s3cret");
    let socket = within("connect", builder.connect()).await.unwrap();
    let seen = Log::new();
    let out = seen.clone();
    socket.on("e", move |(text,): (String,), reply: Responder| {
        reply.ack((text,)).unwrap();
        out.push("seen");
    });
    socket.on("e", |(_,): (u32,)| ());
    socket.emit("said", ("s3cret",)).unwrap();
    let (_, answer): (String, String) = within("ack", socket.emit_with_ack("ask", ("s3cret",)))
        .await
        .unwrap();
    assert_eq!(answer, "s3cret");
    within("ack", socket.emit_with_ack::<_, (u32,)>("ask", ("s3cret",)))
        .await
        .unwrap_err();
    host.send("421[\"e\",\"s3cret\"]");
    seen.wait(1).await;
    host.received(4).await;
    host.cut();
    host.joined(&["/"]).await;
    eventually("joined", || socket.connected()).await;
    socket.disconnect();
    host.empty().await;
    let lines = log.lines();
    let said = |words: &str| lines.iter().any(|line| line.contains(words));
    assert!(
        said("namespace joined") && said("disconnected") && said("host="),
        "{lines:#?}"
    );
    assert!(said("WARN") && said("do not fit the handler"), "{lines:#?}");
    let above_debug = [Level::ERROR, Level::WARN, Level::INFO].map(|level| level.to_string());
    let loud = |line: &&String| {
        above_debug
            .iter()
            .any(|level| line.starts_with(level.as_str()))
    };
    let leak = lines
        .iter()
        .filter(loud)
        .find(|line| line.contains("s3cret"));
    assert_eq!(leak, None);
    // A connection that does as it should is silent above debug.
    assert_eq!(lines.iter().filter(loud).count(), 1, "{lines:#?}");
}
