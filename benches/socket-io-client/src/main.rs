//! The same jobs on socket_io_client 0.1: from long-polling to WebSocket, which is its only way to one, with the handlers that
//! its documentation shows.
//!
//! It takes no query, so the row stands in the path. An attachment arrives as Base64, which is undone here. Each handler runs in
//! a task of its own: on this runtime of one thread they still begin in order.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bench_common::{Error, Job, Reading, Sequence, Stopwatch, report_memory, resident_bytes};
use serde::Deserialize;
use serde_json::Value;
use socket_io_client::{ClientApp, ClientSocketRef, Data, Raw, Socket};
use tokio::sync::{Notify, mpsc};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let job = Job::from_args()?;
    match job.row.as_str() {
        "receive" => receive(&job).await,
        "binary" => binary(&job).await,
        "binary-typed" => binary_typed(&job).await,
        "emit" => emit(&job).await,
        // In a task of its own: a runtime that drives its root future parks twice as often.
        "ack" => tokio::spawn(async move { ack(&job).await }).await?,
        "idle" => idle(&job).await,
        other => Err(format!("the socket_io_client client has no row {other:?}").into()),
    }
}

type Handle = ClientSocketRef<()>;

/// A client whose handle comes once it has joined.
fn start(job: &Job, handlers: impl Fn(&Handle) + Send + Sync + 'static) -> mpsc::Receiver<Handle> {
    let (sender, joined) = mpsc::channel(1);
    let mut app = ClientApp::new(());
    app.set_retry_count(1);
    app.ns("/", move |socket: Handle| {
        handlers(&socket);
        let sender = sender.clone();
        socket.on_connect(move |Socket(socket): Socket<()>, _: Raw| {
            let sender = sender.clone();
            async move { drop(sender.send(socket).await) }
        });
        std::future::ready(())
    });
    let url = format!("http://127.0.0.1:{}/{}/{}", job.port, job.row, job.count);
    tokio::spawn(async move { app.run(&url).await });
    joined
}

async fn join(
    job: &Job,
    handlers: impl Fn(&Handle) + Send + Sync + 'static,
) -> Result<Handle, Error> {
    let joined = start(job, handlers).recv().await;
    joined.ok_or_else(|| "it did not join".into())
}

/// Joins, lets the server begin and waits for the last event, of which `id` is the number of each.
async fn run<T>(job: &Job, id: impl Fn(T) -> u32 + Send + Sync + 'static) -> Result<(), Error>
where
    T: serde::de::DeserializeOwned + Default + Send + 'static,
{
    let all = Arc::new(Notify::new());
    let events = Arc::new((Sequence::new(job.count), id, Arc::clone(&all)));
    let handle = join(job, move |socket| {
        let events = Arc::clone(&events);
        socket.on(
            "event",
            move |Data(args): Data<T>, _: Socket<()>, _: Socket<()>| {
                let (sequence, id, all) = &*events;
                if sequence.take(id(args)) {
                    all.notify_one();
                }
                std::future::ready(())
            },
        );
    })
    .await?;
    let clock = Stopwatch::start();
    handle.emit_args("go", Vec::new()).await?;
    all.notified().await;
    clock.report();
    Ok(())
}

async fn receive(job: &Job) -> Result<(), Error> {
    run(job, |readings: Vec<Reading>| readings[0].id).await
}

/// What it makes of an attachment.
#[derive(Default, Deserialize)]
struct Attachment {
    binary: String,
}

impl Attachment {
    fn bytes(&self) -> Vec<u8> {
        base64::engine::general_purpose::STANDARD
            .decode(&self.binary)
            .expect("an attachment in Base64")
    }
}

/// The id of an attachment, which has the length that it should have.
fn id_of(attachment: &Attachment) -> u32 {
    let bytes = attachment.bytes();
    assert_eq!(
        bytes.len(),
        bench_common::ATTACHMENT,
        "an attachment has the wrong length"
    );
    bench_common::attachment_id(&bytes)
}

async fn binary(job: &Job) -> Result<(), Error> {
    run(job, |attachments: Vec<Attachment>| id_of(&attachments[0])).await
}

async fn binary_typed(job: &Job) -> Result<(), Error> {
    run(job, |args: Option<(Attachment, Reading)>| {
        let (attachment, reading) = args.expect("an attachment and a reading");
        assert_eq!(
            reading.id,
            id_of(&attachment),
            "not the attachment of this event"
        );
        reading.id
    })
    .await
}

async fn emit(job: &Job) -> Result<(), Error> {
    let done = Arc::new(Notify::new());
    let notify = Arc::clone(&done);
    let handle = join(job, move |socket| {
        let notify = Arc::clone(&notify);
        socket.on("done", move |_: Raw, _: Socket<()>, _: Socket<()>| {
            notify.notify_one();
            std::future::ready(())
        });
    })
    .await?;
    let clock = Stopwatch::start();
    let mut reading = Reading::number(0);
    for n in 0..job.count {
        reading.id = Reading::id(n);
        handle.emit("event", &reading).await?;
    }
    done.notified().await;
    clock.report();
    Ok(())
}

async fn ack(job: &Job) -> Result<(), Error> {
    let handle = join(job, |_| ()).await?;
    let sequence = Sequence::new(job.count);
    let clock = Stopwatch::start();
    let mut reading = Reading::number(0);
    for n in 0..job.count {
        reading.id = Reading::id(n);
        let answer: Value = handle
            .emit_with_ack("event", &reading, Duration::from_secs(10))
            .await?;
        let (answer,): (u32,) = serde_json::from_value(answer)?;
        sequence.take(answer);
    }
    clock.report();
    Ok(())
}

async fn idle(job: &Job) -> Result<(), Error> {
    let mut clients = vec![join(job, |_| ()).await?];
    let before = resident_bytes();
    for _ in 0..job.count {
        clients.push(join(job, |_| ()).await?);
    }
    report_memory(before);
    Ok(())
}
