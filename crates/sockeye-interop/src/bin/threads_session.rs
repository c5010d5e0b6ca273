//! The client on threads, `sockeye::blocking`, on the line protocol of `sockeye connect --json`, as far as
//! `crates/sockeye-testkit/servers/differential` speaks it: so that random sessions beside the official client try that driver too.
//! Answers are waited for on threads of their own.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use sockeye::blocking::{Client, ClientBuilder, Socket};
use sockeye::{
    AckError, ConnectError, Disconnected, EmitError, Event, Parser, Protocol, Responder, Transport,
};
use sockeye_core::packet::{Value, ValueRef};
use sockeye_interop::{args, owned, shown, tell, tell_answer, tell_error};

/// The server's events that want an answer.
#[derive(Default)]
struct Questions {
    asked: u64,
    waiting: BTreeMap<u64, Responder>,
}

struct Session {
    places: BTreeMap<String, Socket>,
    questions: Arc<Mutex<Questions>>,
    retries: Option<u32>,
    timeout: Option<Duration>,
}

/// Registers what tells of a namespace.
fn listen(socket: &Socket, questions: &Arc<Mutex<Questions>>) {
    let nsp = Arc::<str>::from(socket.name());
    let name = Arc::clone(&nsp);
    socket.on_connect(move |socket: Socket| {
        let (id, recovered) = (socket.id(), socket.recovered());
        tell(&json!({ "type": "connect", "namespace": *name, "id": id, "recovered": recovered }));
    });
    let name = Arc::clone(&nsp);
    socket.on_disconnect(move |_: Socket, why: Disconnected| {
        tell(&json!({ "type": "disconnect", "namespace": *name, "reason": why.reason.as_str(), "details": why.details, "active": why.will_reconnect }));
    });
    let name = Arc::clone(&nsp);
    socket.on_connect_error(move |_: Socket, error: ConnectError| {
        tell(&json!({ "type": "connect_error", "namespace": *name, "message": error.message(), "data": error.data(), "active": error.active() }));
    });
    let questions = Arc::clone(questions);
    socket.on_any(move |event: &Event| {
        let args = match event.parse::<Vec<ValueRef<'_>>>() {
            Ok(args) => args.iter().map(shown).collect::<Json>(),
            Err(error) => return tell_error(&Json::Null, &error.to_string()),
        };
        let mut record =
            json!({ "type": "event", "namespace": *nsp, "name": event.name(), "args": args });
        let responder = event.responder();
        if responder.is_requested() {
            let mut questions = questions.lock().expect("no thread panics");
            questions.asked += 1;
            let number = questions.asked;
            questions.waiting.insert(number, responder);
            record["ack"] = number.into();
        }
        tell(&record);
    });
}

impl Session {
    /// Does what one line says; whether to go on.
    fn command(&mut self, mut line: Json) -> bool {
        let nsp = line["namespace"].as_str().unwrap_or("/").to_owned();
        let socket = self.places.get(&nsp).cloned();
        match line["cmd"].as_str().unwrap_or_default() {
            "connect" => {
                if let Err(error) = self.connect(&nsp, &line["auth"]) {
                    tell_error(&Json::Null, &error.to_string());
                }
            }
            "disconnect" => {
                if let Some(socket) = socket {
                    socket.disconnect();
                }
            }
            "reconnect" => {
                if let Some(socket) = self.places.values().next() {
                    socket.manager().reconnect();
                }
            }
            "emit" => {
                let values = args(&mut line);
                if let Some(socket) = socket
                    && let Err(error) = emit(&socket, &nsp, &line, values)
                {
                    tell_error(&line["id"], &error.to_string());
                }
            }
            "ack" => {
                let values = args(&mut line);
                let number = line["id"].as_u64().unwrap_or_default();
                let mut questions = self.questions.lock().expect("no thread panics");
                let responder = questions.waiting.remove(&number);
                drop(questions);
                if let Some(responder) = responder
                    && let Err(error) = responder.ack(values)
                {
                    tell_error(&Json::Null, &format!("cannot answer {number}: {error}"));
                }
            }
            "status" => {
                let all: Vec<Json> = self
                    .places
                    .iter()
                    .map(|(name, socket)| {
                        let (connected, active) = (socket.connected(), socket.active());
                        json!({ "namespace": name, "connected": connected, "active": active })
                    })
                    .collect();
                tell(&json!({ "type": "status", "id": line["id"], "namespaces": all }));
            }
            _ => return false,
        }
        true
    }

    fn connect(&mut self, nsp: &str, auth: &Json) -> Result<(), ConnectError> {
        let socket = match self.places.get(nsp) {
            Some(socket) => socket.clone(),
            None => {
                let mut builder = self.places["/"].namespace(nsp);
                if let Some(retries) = self.retries {
                    builder = builder.retries(retries);
                }
                if let Some(timeout) = self.timeout {
                    builder = builder.ack_timeout(timeout);
                }
                let socket = builder.open()?;
                listen(&socket, &self.questions);
                self.places.insert(nsp.to_owned(), socket.clone());
                socket
            }
        };
        if auth.is_object() {
            socket.set_auth(auth)?;
        }
        socket.connect_background();
        Ok(())
    }
}

fn emit(socket: &Socket, nsp: &str, line: &Json, values: Vec<Value>) -> Result<(), EmitError> {
    let event = line["event"].as_str().unwrap_or_default();
    if line["volatile"] == true {
        return socket.volatile().emit(event, values);
    }
    if line["ack"] != true {
        return socket.emit(event, values);
    }
    let mut ask = socket.emit_with_ack::<_, Vec<Value>>(event, values);
    if let Some(timeout) = line["timeout"].as_u64() {
        ask = ask.timeout(Duration::from_millis(timeout));
    }
    let (nsp, id, answer) = (nsp.to_owned(), line["id"].clone(), ask.begin());
    std::thread::spawn(move || match answer.wait() {
        Ok(args) => tell_answer(&nsp, &id, Ok(args.iter().map(owned).collect())),
        Err(AckError::Timeout { .. }) => tell_answer(&nsp, &id, Err("timeout")),
        Err(AckError::Disconnected { .. }) => tell_answer(&nsp, &id, Err("disconnected")),
        Err(AckError::Dropped { .. }) => tell_answer(&nsp, &id, Err("dropped")),
        Err(error) => tell_error(&id, &error.to_string()),
    });
    Ok(())
}

/// What the words of the command line ask for.
fn builder(
    mut words: impl Iterator<Item = String>,
) -> (ClientBuilder, Option<u32>, Option<Duration>) {
    let url = words.find(|word| word.starts_with("http"));
    let mut builder = Client::builder(url.expect("a URL"))
        .reconnection_delay(Duration::from_millis(1))
        .reconnection_delay_max(Duration::from_millis(1))
        .randomization_factor(0.0);
    let (mut retries, mut timeout) = (None, None);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_default();
        builder = match word.as_str() {
            "--transport" => builder.transports(match value().as_str() {
                "polling" => vec![Transport::Polling],
                "websocket" => vec![Transport::WebSocket],
                _ => vec![Transport::Polling, Transport::WebSocket],
            }),
            "--eio" if value() == "3" => builder.protocol(Protocol::V3),
            "--parser" if value() == "msgpack" => builder.parser(Parser::MessagePack),
            "--compress" => builder.compression(sockeye::Compression::DEFAULT),
            "--force-base64" => builder.force_base64(true),
            "--retries" => {
                let tries = value().parse().expect("a number of tries");
                retries = Some(tries);
                builder.retries(tries)
            }
            "--timeout" => {
                let millis = value().trim_end_matches("ms").parse().expect("a time");
                timeout = Some(Duration::from_millis(millis));
                builder.ack_timeout(Duration::from_millis(millis))
            }
            "--auth" => {
                let auth: Json = serde_json::from_str(&value()).expect("JSON");
                builder.auth(auth)
            }
            // What is the same for all sessions, or the command's alone.
            _ => builder,
        };
    }
    (builder, retries, timeout)
}

fn main() {
    let (builder, retries, timeout) = builder(std::env::args().skip(1));
    let home = builder.open().expect("a good URL");
    let questions = Arc::default();
    listen(&home, &questions);
    let mut session = Session {
        places: BTreeMap::from([("/".to_owned(), home)]),
        questions,
        retries,
        timeout,
    };
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let Ok(line) = serde_json::from_str(&line) else {
            tell_error(&Json::Null, "not JSON");
            continue;
        };
        if !session.command(line) {
            break;
        }
    }
    for socket in std::mem::take(&mut session.places).into_values() {
        if !socket.connected() {
            // It has nowhere to go any more.
            socket.clear_send_buffer();
        }
        socket.disconnect();
        socket.flush_for(Duration::from_secs(2));
    }
    // Other threads may be telling something: not in the midst of a line.
    let _whole_lines = std::io::stdout().lock();
    std::process::exit(0);
}
