//! The scenario server on socketioxide. The contract is in `crates/sockeye-testkit/servers/README.md`.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use rmpv::Value;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};
use socketioxide::extract::{AckSender, Data, Event, SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::operators::BroadcastOperators;
use socketioxide::{ParserConfig, SocketIo, TransportType};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

/// All arguments of an event. socketioxide asks a type whether it is a tuple; this one is, of any length.
#[derive(Clone, Debug, Default)]
struct Args(Vec<Value>);

impl Serialize for Args {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for value in &self.0 {
            tuple.serialize_element(value)?;
        }
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Args {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Args;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("arguments")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Args, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Ok(Args(values))
            }
        }
        deserializer.deserialize_tuple(usize::MAX, Elements)
    }
}

impl Args {
    fn number(&self, index: usize) -> u64 {
        self.0.get(index).and_then(Value::as_u64).unwrap_or(0)
    }
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(
        entries
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect(),
    )
}

/// What the server understood, binaries made visible.
fn describe_binary(value: &Value) -> Value {
    match value {
        Value::Binary(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            map([("$bin", hex.into())])
        }
        Value::Array(items) => Value::Array(items.iter().map(describe_binary).collect()),
        Value::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, inner)| (key.clone(), describe_binary(inner)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Ten events a turn, so that a burst spans several round trips and an upgrade happens in its middle.
async fn burst(socket: SocketRef, total: u64) {
    for i in 0..total {
        if i % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        socket.emit("burst", &i).ok();
    }
}

async fn ask(socket: SocketRef, args: Args) {
    let Ok(answer) = socket.emit_with_ack::<_, Args>("question", &args) else {
        return;
    };
    if let Ok(answer) = answer.await {
        socket.emit("answered", &answer).ok();
    }
}

fn describe(socket: &SocketRef, auth: &Value) -> Value {
    let parts = socket.req_parts();
    let query = parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let headers = parts.headers.iter();
    let transport = match socket.transport_type() {
        TransportType::Polling => "polling",
        TransportType::Websocket => "websocket",
    };
    map([
        ("id", socket.id.to_string().into()),
        ("nsp", socket.ns().into()),
        ("auth", auth.clone()),
        (
            "query",
            Value::Map(
                query
                    .map(|(name, value)| (name.into(), value.into()))
                    .collect(),
            ),
        ),
        (
            "headers",
            Value::Map(
                headers
                    .map(|(name, value)| {
                        (name.as_str().into(), value.to_str().unwrap_or("").into())
                    })
                    .collect(),
            ),
        ),
        ("transport", transport.into()),
    ])
}

/// What has happened, of all namespaces together.
#[derive(Debug)]
struct Ledger {
    joined: AtomicU64,
    refused: AtomicU64,
    left: AtomicU64,
    events: AtomicU64,
    acknowledged: AtomicU64,
}

static LEDGER: Ledger = Ledger {
    joined: AtomicU64::new(0),
    refused: AtomicU64::new(0),
    left: AtomicU64::new(0),
    events: AtomicU64::new(0),
    acknowledged: AtomicU64::new(0),
};

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

async fn serve(socket: SocketRef, TryData(auth): TryData<Value>) {
    count(&LEDGER.joined);
    socket.on_disconnect(async || count(&LEDGER.left));
    let auth = auth.unwrap_or(Value::Nil);
    let wanted = auth
        .as_map()
        .and_then(|map| map.iter().find(|(key, _)| key.as_str() == Some("burst")));
    let total = wanted.and_then(|(_, n)| n.as_u64());
    let remembered = Arc::new(Mutex::new(Vec::<Value>::new()));

    socket.on_fallback(
        async move |socket: SocketRef,
                    Event(event): Event,
                    Data(args): Data<Args>,
                    ack: AckSender| {
            count(&LEDGER.events);
            let reply = |args: Vec<Value>| {
                if ack.send(&Args(args)).is_ok() {
                    count(&LEDGER.acknowledged);
                }
            };
            match event.as_str() {
                "echo" => drop(socket.emit("echo", &args)),
                "ack" => reply(args.0),
                "inspect" => reply(vec![Value::Array(
                    args.0.iter().map(describe_binary).collect(),
                )]),
                "describe" => reply(vec![describe(&socket, &auth)]),
                "ask" => ask(socket, args).await,
                "count" => remembered.lock().unwrap().extend(args.0.into_iter().next()),
                "counted" => reply(vec![Value::Array(remembered.lock().unwrap().clone())]),
                "burst" => burst(socket, args.number(0)).await,
                "binary" => reply(vec![map([
                    ("first", Value::Binary(vec![1, 2, 3])),
                    (
                        "list",
                        Value::Array(vec![
                            Value::Binary(vec![]),
                            map([("deep", Value::Binary(vec![0xff, 0, 0x80]))]),
                        ]),
                    ),
                    ("text", "æøå".into()),
                ])]),
                "text" => reply(vec!["x".repeat(args.number(0) as usize).into()]),
                "blob" => reply(vec![Value::Binary(
                    (0..args.number(0)).map(|i| (i % 251) as u8).collect(),
                )]),
                "size" => {
                    let bytes = match args.0.first() {
                        Some(Value::Binary(bytes)) => bytes.as_slice(),
                        Some(Value::String(text)) => text.as_bytes(),
                        _ => &[],
                    };
                    let sum: u64 = bytes.iter().map(|&byte| u64::from(byte)).sum();
                    reply(vec![bytes.len().into(), sum.into()]);
                }
                "later" => {
                    tokio::time::sleep(Duration::from_millis(args.number(0))).await;
                    reply(args.0.into_iter().skip(1).collect());
                }
                "broadcast" => drop(socket.broadcast().emit("broadcast", &args).await),
                "put" => {
                    drop(socket.broadcast().emit("put", &args).await);
                    reply(args.0);
                }
                "leave" => drop(socket.disconnect()),
                _ => {}
            }
        },
    );

    socket.emit("welcome", socket.ns()).ok();
    if let Some(total) = total {
        burst(socket, total).await;
    }
}

async fn authorize(
    _: SocketRef,
    TryData(auth): TryData<HashMap<String, Value>>,
) -> Result<(), &'static str> {
    let authorized =
        auth.is_ok_and(|auth| auth.get("token").and_then(Value::as_str) == Some("secret"));
    if authorized {
        Ok(())
    } else {
        count(&LEDGER.refused);
        Err("not authorized")
    }
}

async fn dawdle(_: SocketRef) -> Result<(), &'static str> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(())
}

async fn obey(io: &SocketIo, command: &serde_json::Value) -> serde_json::Value {
    let mut answer = serde_json::json!({ "id": command["id"] });
    let nsp = command["nsp"].as_str().unwrap_or("/").to_owned();
    match command["cmd"].as_str().unwrap_or_default() {
        "sockets" => answer["sockets"] = io.of(&nsp).map_or(0, |nsp| nsp.sockets().len()).into(),
        "emit" => {
            let args: Vec<Value> =
                serde_json::from_value(command["args"].clone()).unwrap_or_default();
            let event = command["event"].as_str().unwrap_or_default();
            if let Some(nsp) = io.of(&nsp) {
                nsp.emit(event, &Args(args)).await.ok();
            }
        }
        "disconnect" => {
            for socket in io
                .of(&nsp)
                .map(BroadcastOperators::sockets)
                .unwrap_or_default()
            {
                socket.disconnect().ok();
            }
        }
        "ledger" => {
            let counters = [
                ("joined", &LEDGER.joined),
                ("refused", &LEDGER.refused),
                ("left", &LEDGER.left),
                ("events", &LEDGER.events),
                ("acknowledged", &LEDGER.acknowledged),
            ];
            for (name, counter) in counters {
                answer[name] = counter.load(Ordering::Relaxed).into();
            }
        }
        "stop" => io.close().await,
        other => answer["error"] = format!("unknown command {other:?}").into(),
    }
    answer
}

fn options() -> HashMap<String, String> {
    let mut options = HashMap::new();
    let mut args = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (args.next(), args.next()) {
        options.insert(name.trim_start_matches("--").to_owned(), value);
    }
    options
}

// One thread: socketioxide spawns a task per event, and only here do they run in the order of arrival.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options();
    let number = |name: &str, default: u64| {
        options
            .get(name)
            .map_or(Ok(default), |value| value.parse::<u64>())
    };
    let max_buffer = number("max-buffer", 8 * 1024 * 1024)?;
    let builder = SocketIo::builder()
        .req_path(
            options
                .get("path")
                .cloned()
                .unwrap_or_else(|| "/socket.io".to_owned()),
        )
        .ping_interval(Duration::from_millis(number("ping-interval", 25_000)?))
        .ping_timeout(Duration::from_millis(number("ping-timeout", 20_000)?))
        // The defaults (100 kB, 128 packets) are below what the scenarios send.
        .max_payload(max_buffer)
        .max_buffer_size(10_000)
        .with_parser(ParserConfig::common().max_incoming_binary_buf_size(max_buffer as usize))
        .ws_max_message_size(max_buffer as usize)
        .ws_max_frame_size(max_buffer as usize);
    let builder = match options.get("transports").map(String::as_str) {
        Some("polling") => builder.transports([TransportType::Polling]),
        Some("websocket") => builder.transports([TransportType::Websocket]),
        _ => builder,
    };
    let (service, io) = builder.build_svc();
    io.ns("/", serve);
    io.ns("/chat", serve);
    io.ns("/admin", serve.with(authorize));
    io.ns("/slow", serve.with(dawdle));

    let listener = TcpListener::bind(("127.0.0.1", u16::try_from(number("port", 0)?)?)).await?;
    println!(
        "{}",
        serde_json::json!({ "port": listener.local_addr()?.port() })
    );

    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).ok();
            let service = service.clone();
            tokio::spawn(async move {
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades()
                    .await
            });
        }
    });

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let command: serde_json::Value = serde_json::from_str(&line)?;
        println!("{}", obey(&io, &command).await);
        if command["cmd"] == "stop" {
            break;
        }
    }
    Ok(())
}
