//! The same jobs on rust_socketio 0.6 (async): WebSocket only, reconnection off, nothing cloned that its interface does
//! not demand. Values become the typed payload by `serde_json::from_value`, which is what its users write.
//!
//! There is no `binary-typed` row: it delivers the attachment only, and takes further arguments for a part of the event name.

use std::sync::Arc;
use std::time::Duration;

use bench_common::{Error, Job, Reading, Sequence, Stopwatch, report_memory, resident_bytes};
use futures_util::FutureExt;
use rust_socketio::asynchronous::{Client, ClientBuilder};
use rust_socketio::{Event, Payload, TransportType};
use serde_json::Value;
use tokio::sync::{Notify, oneshot};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let job = Job::from_args()?;
    match job.row.as_str() {
        "receive" => receive(&job, false).await,
        "binary" => receive(&job, true).await,
        "emit" => emit(&job).await,
        // In a task of its own: a runtime that drives its root future parks twice as often.
        "ack" => tokio::spawn(async move { ack(&job).await }).await?,
        "idle" => idle(&job).await,
        other => Err(format!("the rust_socketio client has no row {other:?}").into()),
    }
}

/// Its `connect` does not wait for the namespace, hence the notification.
async fn connect(
    job: &Job,
    handlers: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<Client, Error> {
    let joined = Arc::new(Notify::new());
    let notify = Arc::clone(&joined);
    let builder = ClientBuilder::new(format!("http://127.0.0.1:{}/?{}", job.port, job.query()))
        .transport_type(TransportType::Websocket)
        .reconnect(false)
        .on(Event::Connect, move |_, _| {
            notify.notify_one();
            async {}.boxed()
        });
    let client = handlers(builder).connect().await?;
    joined.notified().await;
    Ok(client)
}

/// The first argument as the typed payload.
fn reading(payload: Payload) -> Reading {
    let Payload::Text(mut values) = payload else {
        panic!("an event without text")
    };
    serde_json::from_value(values.swap_remove(0)).expect("a reading")
}

async fn receive(job: &Job, binary: bool) -> Result<(), Error> {
    let all = Arc::new(Notify::new());
    let notify = Arc::clone(&all);
    let sequence = Sequence::new(job.count);
    let client = connect(job, |builder| {
        builder.on("event", move |payload, _| {
            let last = match payload {
                Payload::Binary(bytes) if binary => sequence.take_attachment(&bytes),
                payload => sequence.take(reading(payload).id),
            };
            if last {
                notify.notify_one();
            }
            async {}.boxed()
        })
    })
    .await?;
    let clock = Stopwatch::start();
    client.emit("go", Payload::Text(Vec::new())).await?;
    all.notified().await;
    clock.report();
    Ok(())
}

async fn emit(job: &Job) -> Result<(), Error> {
    let done = Arc::new(Notify::new());
    let notify = Arc::clone(&done);
    let client = connect(job, |builder| {
        builder.on("done", move |_, _| {
            notify.notify_one();
            async {}.boxed()
        })
    })
    .await?;
    let clock = Stopwatch::start();
    let mut reading = Reading::number(0);
    for n in 0..job.count {
        reading.id = Reading::id(n);
        client
            .emit(
                "event",
                Payload::Text(vec![serde_json::to_value(&reading)?]),
            )
            .await?;
    }
    done.notified().await;
    clock.report();
    Ok(())
}

async fn ack(job: &Job) -> Result<(), Error> {
    let client = connect(job, |builder| builder).await?;
    let sequence = Sequence::new(job.count);
    let clock = Stopwatch::start();
    let mut reading = Reading::number(0);
    for n in 0..job.count {
        reading.id = Reading::id(n);
        let (sender, answer) = oneshot::channel();
        let mut sender = Some(sender);
        let payload = Payload::Text(vec![serde_json::to_value(&reading)?]);
        client
            .emit_with_ack(
                "event",
                payload,
                Duration::from_secs(10),
                move |payload, _| {
                    if let Some(sender) = sender.take() {
                        let _ = sender.send(payload);
                    }
                    async {}.boxed()
                },
            )
            .await?;
        let Payload::Text(mut values) = answer.await? else {
            panic!("an ack without text")
        };
        // The arguments of an ack come as one array value.
        let (answer,): (u32,) = serde_json::from_value(Value::take(&mut values[0]))?;
        sequence.take(answer);
    }
    clock.report();
    Ok(())
}

async fn idle(job: &Job) -> Result<(), Error> {
    let mut clients = vec![connect(job, |builder| builder).await?];
    let before = resident_bytes();
    for _ in 0..job.count {
        clients.push(connect(job, |builder| builder).await?);
    }
    report_memory(before);
    Ok(())
}
