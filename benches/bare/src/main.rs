//! The yardstick: what somebody writes who needs exactly this server and these events. tokio-websockets, a hard-coded
//! handshake, serde_json straight into the struct; no namespaces, no reconnection, no options.

use std::sync::Arc;

use bench_common::{
    Error, Job, PATH, Reading, Sequence, Stopwatch, attachment_id, authority, report_memory,
    resident_bytes,
};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

type Ws<S = TcpStream> = WebSocketStream<S>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let job = Job::from_args()?;
    match job.row.as_str() {
        "receive" => receive(&job, tcp(&job).await?).await,
        "receive-tls" => receive(&job, tls(&job, &connector()?).await?).await,
        "binary" => binary(&job, false).await,
        "binary-typed" => binary(&job, true).await,
        "emit" => emit(&job).await,
        // In a task of its own: a runtime that drives its root future parks twice as often.
        "ack" => tokio::spawn(async move { ack(&job).await }).await?,
        row if row.starts_with("fan-in-") => fan_in(&job).await,
        "idle" => idle(&job, async || tcp(&job).await).await,
        "idle-tls" => {
            let connector = connector()?;
            idle(&job, async || tls(&job, &connector).await).await
        }
        "idle-tls-own" => idle(&job, async || tls(&job, &connector()?).await).await,
        other => Err(format!("the bare client has no row {other:?}").into()),
    }
}

async fn tcp(job: &Job) -> Result<TcpStream, Error> {
    let stream = TcpStream::connect(("127.0.0.1", job.port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn connector() -> Result<TlsConnector, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority()?)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn tls(job: &Job, connector: &TlsConnector) -> Result<TlsStream<TcpStream>, Error> {
    let name = ServerName::try_from("127.0.0.1")?;
    Ok(connector.connect(name, tcp(job).await?).await?)
}

async fn connect(job: &Job) -> Result<Ws, Error> {
    connect_on(job, tcp(job).await?).await
}

async fn connect_on<S: AsyncRead + AsyncWrite + Unpin>(
    job: &Job,
    stream: S,
) -> Result<Ws<S>, Error> {
    let uri = format!("ws://127.0.0.1:{}{PATH}&{}", job.port, job.query());
    let (mut ws, _) = ClientBuilder::new().uri(&uri)?.connect_on(stream).await?;
    let open = next(&mut ws).await?;
    if !open.as_text().is_some_and(|text| text.starts_with("0{")) {
        return Err("no Engine.IO open packet".into());
    }
    ws.send(Message::text("40")).await?;
    let joined = next(&mut ws).await?;
    if !joined.as_text().is_some_and(|text| text.starts_with("40{")) {
        return Err("no CONNECT reply".into());
    }
    Ok(ws)
}

/// The next message; heartbeats are answered here.
async fn next<S: AsyncRead + AsyncWrite + Unpin>(ws: &mut Ws<S>) -> Result<Message, Error> {
    loop {
        let message = ws
            .next()
            .await
            .ok_or("the server closed the connection")??;
        if message.as_text() != Some("2") {
            return Ok(message);
        }
        ws.send(Message::text("3")).await?;
    }
}

/// The JSON of an event packet.
fn event(message: &Message) -> Result<&str, Error> {
    message
        .as_text()
        .and_then(|text| text.strip_prefix("42"))
        .ok_or_else(|| "not an event".into())
}

async fn receive<S: AsyncRead + AsyncWrite + Unpin>(job: &Job, stream: S) -> Result<(), Error> {
    let mut ws = connect_on(job, stream).await?;
    let sequence = Sequence::new(job.count);
    let clock = Stopwatch::start();
    ws.send(Message::text(r#"42["go"]"#)).await?;
    loop {
        let message = next(&mut ws).await?;
        let (name, reading): (&str, Reading) = serde_json::from_str(event(&message)?)?;
        if name == "event" && sequence.take(reading.id) {
            break;
        }
    }
    clock.report();
    Ok(())
}

/// Takes events on many connections, of which each brings its share.
async fn fan_in(job: &Job) -> Result<(), Error> {
    let size = job.sized().1;
    let mut all = Vec::new();
    for _ in 0..size {
        all.push(connect(job).await?);
    }
    let clock = Stopwatch::start();
    let count = job.count / size;
    let tasks: Vec<_> = all
        .into_iter()
        .map(|mut ws| {
            tokio::spawn(async move {
                let sequence = Sequence::new(count);
                ws.send(Message::text(r#"42["go"]"#)).await?;
                loop {
                    let message = next(&mut ws).await?;
                    let (name, reading): (&str, Reading) = serde_json::from_str(event(&message)?)?;
                    if name == "event" && sequence.take(reading.id) {
                        return Ok::<_, Error>(ws);
                    }
                }
            })
        })
        .collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await??);
    }
    clock.report();
    Ok(())
}

/// Where an attachment belongs.
#[derive(Deserialize)]
struct Placeholder {
    #[serde(rename = "_placeholder")]
    _marker: bool,
    num: u32,
}

/// The arguments of a packet with one attachment.
fn binary_event<'m, A: Deserialize<'m>>(header: &'m Message) -> Result<A, Error> {
    let (count, json) = header
        .as_text()
        .and_then(|text| text.strip_prefix("45"))
        .and_then(|text| text.split_once('-'))
        .ok_or("not a binary event")?;
    if count != "1" {
        return Err("not the expected number of attachments".into());
    }
    Ok(serde_json::from_str(json)?)
}

async fn binary(job: &Job, typed: bool) -> Result<(), Error> {
    let mut ws = connect(job).await?;
    let sequence = Sequence::new(job.count);
    let clock = Stopwatch::start();
    ws.send(Message::text(r#"42["go"]"#)).await?;
    loop {
        let header = next(&mut ws).await?;
        let (num, id) = if typed {
            let (_, at, reading): (&str, Placeholder, Reading) = binary_event(&header)?;
            (at.num, Some(reading.id))
        } else {
            let (_, at): (&str, Placeholder) = binary_event(&header)?;
            (at.num, None)
        };
        let attachment = next(&mut ws).await?;
        let bytes: &[u8] = attachment.as_payload();
        if !attachment.is_binary() || num != 0 || id.is_some_and(|id| id != attachment_id(bytes)) {
            return Err("not the attachment of this event".into());
        }
        if sequence.take_attachment(bytes) {
            break;
        }
    }
    clock.report();
    Ok(())
}

async fn emit(job: &Job) -> Result<(), Error> {
    let mut ws = connect(job).await?;
    let clock = Stopwatch::start();
    let mut reading = Reading::number(0);
    for n in 0..job.count {
        reading.id = Reading::id(n);
        // `feed` and not `send`: the sink writes when 8 KiB have gathered.
        ws.feed(packet(None, &reading)?).await?;
    }
    ws.flush().await?;
    let done = next(&mut ws).await?;
    if event(&done)? != r#"["done",1]"# {
        return Err("the server did not receive all events".into());
    }
    clock.report();
    Ok(())
}

/// An event packet, serialized into the buffer that becomes the message.
fn packet(ack_id: Option<u32>, reading: &Reading) -> Result<Message, Error> {
    let mut text = Vec::with_capacity(128);
    text.extend_from_slice(b"42");
    if let Some(id) = ack_id {
        serde_json::to_writer(&mut text, &id)?;
    }
    serde_json::to_writer(&mut text, &("event", reading))?;
    Ok(Message::text(text))
}

async fn ack(job: &Job) -> Result<(), Error> {
    let mut ws = connect(job).await?;
    let sequence = Sequence::new(job.count);
    let clock = Stopwatch::start();
    let mut reading = Reading::number(0);
    for n in 0..job.count {
        reading.id = Reading::id(n);
        ws.send(packet(Some(n), &reading)?).await?;
        let message = next(&mut ws).await?;
        let text = message
            .as_text()
            .and_then(|text| text.strip_prefix("43"))
            .ok_or("not an ack")?;
        let (id, json) = text.split_at(text.find('[').ok_or("an ack without arguments")?);
        if id.parse() != Ok(n) {
            return Err("an ack with the wrong id".into());
        }
        let (answer,): (u32,) = serde_json::from_str(json)?;
        sequence.take(answer);
    }
    clock.report();
    Ok(())
}

/// Every connection is a task that waits for the next message, as in a program that wants to answer heartbeats.
async fn idle<S, F>(job: &Job, stream: F) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: AsyncFn() -> Result<S, Error>,
{
    let hold = async |_: u32| {
        let mut ws = connect_on(job, stream().await?).await?;
        Ok::<_, Error>(tokio::spawn(async move { next(&mut ws).await.map(drop) }))
    };
    let mut tasks = vec![hold(0).await?];
    tokio::task::yield_now().await;
    let before = resident_bytes();
    for n in 1..=job.count {
        tasks.push(hold(n).await?);
    }
    tokio::task::yield_now().await;
    report_memory(before);
    if tasks.iter().any(tokio::task::JoinHandle::is_finished) {
        return Err("the server closed a connection".into());
    }
    Ok(())
}
