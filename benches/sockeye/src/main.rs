//! The same jobs on sockeye, through its ordinary interface: WebSocket only, reconnection off, everything else as it is.
//! With the feature `msgpack`, which the package `bench-sockeye-msgpack` has, packets are in MessagePack.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bench_common::{
    Error, Job, Reading, Sequence, Stopwatch, attachment_id, authority, namespace, report_memory,
    resident_bytes,
};
use sockeye::net::Tls;
use sockeye::{Bin, Client, ClientBuilder, EmitError, Transport};
use tokio::sync::Notify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let job = Job::from_args()?;
    match job.sized().0 {
        "receive" => receive(&job, client(&job)).await,
        "receive-tls" => receive(&job, secure(&job, &tls()?)).await,
        "binary" => binary(&job).await,
        "binary-typed" => binary_typed(&job).await,
        "emit" => emit(&job).await,
        // In a task of its own: a runtime that drives its root future parks twice as often.
        "ack" => tokio::spawn(async move { ack(&job).await }).await?,
        "acks" => tokio::spawn(async move { acks(&job).await }).await?,
        "namespaces" => namespaces(&job).await,
        "fan-in" => fan_in(&job).await,
        "idle" => idle(&job, |job| Ok(client(job))).await,
        // (Not one for each connection: the sessions that it can resume are kept there.)
        "idle-tls" => {
            let tls = tls()?;
            idle(&job, |job| Ok(secure(job, &tls))).await
        }
        "idle-tls-own" => idle(&job, |job| Ok(secure(job, &tls()?))).await,
        other => Err(format!("the sockeye client has no row {other:?}").into()),
    }
}

fn client(job: &Job) -> ClientBuilder {
    client_at(job, "http")
}

fn secure(job: &Job, tls: &Tls) -> ClientBuilder {
    client_at(job, "https").tls(tls.clone())
}

fn tls() -> Result<Tls, Error> {
    Ok(Tls::new().ca_pem(std::fs::read(authority()?)?))
}

fn client_at(job: &Job, scheme: &str) -> ClientBuilder {
    let client = Client::builder(format!("{scheme}://127.0.0.1:{}", job.port))
        .query("scenario", &job.row)
        .query("count", job.count.to_string())
        .transports([Transport::WebSocket])
        .reconnection(false);
    #[cfg(feature = "msgpack")]
    let client = client
        .query("parser", "msgpack")
        .parser(sockeye::Parser::MessagePack);
    client
}

/// Joins, lets the server begin and waits until `all` is notified by the handler of the last event.
async fn run(client: ClientBuilder, all: &Notify) -> Result<(), Error> {
    let socket = client.connect().await?;
    let clock = Stopwatch::start();
    socket.emit("go", ())?;
    all.notified().await;
    clock.report();
    Ok(())
}

async fn receive(job: &Job, client: ClientBuilder) -> Result<(), Error> {
    let all = Arc::new(Notify::new());
    let notify = Arc::clone(&all);
    let sequence = Sequence::new(job.count);
    let client = client.on("event", move |(reading,): (Reading,)| {
        if sequence.take(reading.id) {
            notify.notify_one();
        }
    });
    run(client, &all).await
}

async fn binary(job: &Job) -> Result<(), Error> {
    let all = Arc::new(Notify::new());
    let notify = Arc::clone(&all);
    let sequence = Sequence::new(job.count);
    let client = client(job).on("event", move |(bytes,): (Bin,)| {
        if sequence.take_attachment(&bytes) {
            notify.notify_one();
        }
    });
    run(client, &all).await
}

async fn binary_typed(job: &Job) -> Result<(), Error> {
    let all = Arc::new(Notify::new());
    let notify = Arc::clone(&all);
    let sequence = Sequence::new(job.count);
    let client = client(job).on("event", move |(bytes, reading): (Bin, Reading)| {
        assert_eq!(
            reading.id,
            attachment_id(&bytes),
            "not the attachment of this event"
        );
        if sequence.take_attachment(&bytes) {
            notify.notify_one();
        }
    });
    run(client, &all).await
}

async fn emit(job: &Job) -> Result<(), Error> {
    let done = Arc::new(Notify::new());
    let notify = Arc::clone(&done);
    let socket = client(job)
        .on("done", move |(_,): (u32,)| notify.notify_one())
        .connect()
        .await?;
    let clock = Stopwatch::start();
    let mut reading = Reading::number(0);
    for n in 0..job.count {
        reading.id = Reading::id(n);
        while let Err(error) = socket.emit("event", (&reading,)) {
            match error {
                EmitError::Full => socket.room().await,
                error => return Err(error.into()),
            }
        }
    }
    done.notified().await;
    clock.report();
    Ok(())
}

async fn ack(job: &Job) -> Result<(), Error> {
    let socket = client(job).connect().await?;
    let sequence = Sequence::new(job.count);
    let clock = Stopwatch::start();
    let mut reading = Reading::number(0);
    for n in 0..job.count {
        reading.id = Reading::id(n);
        let (answer,): (u32,) = socket.emit_with_ack("event", (&reading,)).await?;
        sequence.take(answer);
    }
    clock.report();
    Ok(())
}

/// Has many acknowledgements in flight, which come in random order.
async fn acks(job: &Job) -> Result<(), Error> {
    let socket = client(job).connect().await?;
    let batch = job.sized().1;
    let clock = Stopwatch::start();
    let mut reading = Reading::number(0);
    let mut done = 0;
    while done < job.count {
        let batch = batch.min(job.count - done);
        let mut answers = Vec::with_capacity(batch as usize);
        for n in done..done + batch {
            reading.id = Reading::id(n);
            answers.push((
                reading.id,
                socket
                    .emit_with_ack::<_, (u32,)>("event", (&reading,))
                    .send(),
            ));
        }
        // One after the other, in whichever order they come: a set of futures would cost more than what is measured, and
        // is looked through again each time when tokio's budget for the task is spent.
        for (id, answer) in answers {
            if answer.await?.0 != id {
                return Err("the answer to another event".into());
            }
        }
        done += batch;
    }
    clock.report();
    Ok(())
}

/// Joins many namespaces, and takes events in the last one.
async fn namespaces(job: &Job) -> Result<(), Error> {
    let last = job.sized().1.saturating_sub(1);
    let first = client(job).namespace(namespace(0)).connect().await?;
    let mut sockets = vec![first.clone()];
    for n in 1..=last {
        sockets.push(first.namespace(&namespace(n)).connect().await?);
    }
    let all = Arc::new(Notify::new());
    let notify = Arc::clone(&all);
    let sequence = Sequence::new(job.count);
    let socket = &sockets[last as usize];
    socket.on("event", move |(reading,): (Reading,)| {
        if sequence.take(reading.id) {
            notify.notify_one();
        }
    });
    let clock = Stopwatch::start();
    socket.emit("go", ())?;
    all.notified().await;
    clock.report();
    Ok(())
}

/// Takes events on many connections, of which each brings its share.
async fn fan_in(job: &Job) -> Result<(), Error> {
    let size = job.sized().1;
    let all = Arc::new(Notify::new());
    let left = Arc::new(AtomicU32::new(size));
    let mut sockets = Vec::new();
    for _ in 0..size {
        let (notify, left) = (Arc::clone(&all), Arc::clone(&left));
        let sequence = Sequence::new(job.count / size);
        let client = client(job).on("event", move |(reading,): (Reading,)| {
            if sequence.take(reading.id) && left.fetch_sub(1, Ordering::Relaxed) == 1 {
                notify.notify_one();
            }
        });
        sockets.push(client.connect().await?);
    }
    let clock = Stopwatch::start();
    for socket in &sockets {
        socket.emit("go", ())?;
    }
    all.notified().await;
    clock.report();
    Ok(())
}

async fn idle(
    job: &Job,
    client: impl Fn(&Job) -> Result<ClientBuilder, Error>,
) -> Result<(), Error> {
    let mut sockets = vec![client(job)?.connect().await?];
    let before = resident_bytes();
    for _ in 0..job.count {
        sockets.push(client(job)?.connect().await?);
    }
    report_memory(before);
    Ok(())
}
