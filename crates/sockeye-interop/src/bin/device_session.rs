//! The client of microcontrollers on the line protocol of `sockeye connect --json`, as far as
//! `crates/sockeye-testkit/servers/differential` speaks it: so that random sessions beside the official client try the driver of
//! devices too. All of the client's memory is one static `Storage`, as on a chip; the sockets are tokio's.
//!
//! Every second event that wants an answer awaits it by `emit_with_ack`, the others hear of it in their handler.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use serde_json::{Value as Json, json};
use sockeye_core::packet::{Value, ValueRef};
use sockeye_embedded::net::Tokio;
use sockeye_embedded::{
    AckError, AckId, AckRequest, AnswerError, Args, Config, EmitError, EmitOptions, Event,
    NspOptions, Protocol, Reconnection, Socket, Storage, Transports, storage,
};
use sockeye_interop::{args, shown, tell, tell_answer, tell_error};
use static_cell::ConstStaticCell;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::{LocalSet, spawn_local};

/// Sizes for what sessions send: texts of 65 KB, many at once. The chunk stays small, so that they come and go in pieces.
type Memory = storage!(rx: 4 << 20, tx: 4 << 20, acks: 64, answers: 1 << 20, packets: 256, namespaces: 8, head: 4096, links: 3);
static STORAGE: ConstStaticCell<Memory> = ConstStaticCell::new(Storage::new());

/// What the program knows of a namespace.
struct Place {
    socket: Socket,
    auth: Option<String>,
    joined: bool,
    /// It was connected, and has not been left or refused since.
    wanted: bool,
}

#[derive(Default)]
struct Session {
    places: BTreeMap<String, Place>,
    options: NspOptions,
    /// Whether the connection that was lost last is tried again.
    retrying: bool,
    questions: BTreeMap<u64, AckRequest>,
    asked: u64,
    /// Who is told of an answer by the handler: the namespace, and the script's number of the event.
    acks: Vec<(AckId, String, Json)>,
}

type Shared = Rc<RefCell<Session>>;

/// Arguments as JSON.
fn list(args: &Args<'_>) -> Result<Json, String> {
    let all: Vec<ValueRef<'_>> = args.parse().map_err(|error| error.to_string())?;
    Ok(all.iter().map(shown).collect())
}

fn reason(error: &AckError) -> &'static str {
    match error {
        AckError::Timeout { .. } => "timeout",
        AckError::Disconnected { .. } => "disconnected",
        _ => "dropped",
    }
}

fn name_of(socket: &Socket) -> String {
    socket.name(str::to_owned)
}

impl Session {
    fn place(&mut self, socket: &Socket) -> Option<&mut Place> {
        self.places.get_mut(&name_of(socket))
    }

    fn happened(&mut self, socket: &Socket, event: &Event<'_>) {
        let nsp = name_of(socket);
        match event {
            Event::Auth(_) => {
                let auth = self.place(socket).and_then(|place| place.auth.clone());
                if let Some(auth) = auth
                    && let Err(error) = socket.provide_auth(&auth)
                {
                    tell_error(&Json::Null, &error.to_string());
                }
            }
            Event::Connected { recovered, .. } => {
                if let Some(place) = self.place(socket) {
                    place.joined = true;
                }
                let id = socket.id(|id| id.unwrap_or_default().to_owned());
                tell(
                    &json!({ "type": "connect", "namespace": nsp, "id": id, "recovered": recovered }),
                );
            }
            Event::ConnectError(refusal) => {
                if let Some(place) = self.place(socket) {
                    place.wanted = false;
                }
                let data: Option<Json> = refusal
                    .data
                    .and_then(|data| serde_json::from_str(data).ok());
                tell(
                    &json!({ "type": "connect_error", "namespace": nsp, "message": refusal.message.to_cow(), "data": data, "active": false }),
                );
            }
            Event::Disconnected {
                reason, details, ..
            } => {
                let active = reason.reconnects() && self.retrying;
                if let Some(place) = self.place(socket) {
                    place.joined = false;
                    place.wanted &= active;
                }
                tell(
                    &json!({ "type": "disconnect", "namespace": nsp, "reason": reason.as_str(), "details": details.to_string(), "active": active }),
                );
            }
            Event::Closed { details, retry, .. } => {
                self.retrying = *retry;
                let message = details.to_string();
                for (name, place) in &mut self.places {
                    if place.wanted && !place.joined {
                        place.wanted = *retry;
                        tell(
                            &json!({ "type": "connect_error", "namespace": name, "message": message, "active": retry }),
                        );
                    }
                }
            }
            Event::Message(message) => {
                let number = message.ack.map(|request| {
                    self.asked += 1;
                    self.questions.insert(self.asked, request);
                    self.asked
                });
                let args = match list(&message.args) {
                    Ok(args) => args,
                    Err(error) => {
                        tell_error(&Json::Null, &error);
                        return;
                    }
                };
                let mut record = json!({ "type": "event", "namespace": nsp, "name": message.name.to_cow(), "args": args });
                if let Some(number) = number {
                    record["ack"] = number.into();
                }
                tell(&record);
            }
            Event::Ack { id, result } => {
                let at = self.acks.iter().position(|(waiting, ..)| waiting == id);
                let Some((_, nsp, mark)) = at.map(|at| self.acks.swap_remove(at)) else {
                    return;
                };
                let answer = match result {
                    Ok(args) => list(args),
                    Err(error) => Err(reason(error).to_owned()),
                };
                tell_answer(
                    &nsp,
                    &mark,
                    answer.as_ref().map_err(String::as_str).cloned(),
                );
            }
            Event::Unsent(unsent) => {
                tell(
                    &json!({ "type": "unsent", "namespace": nsp, "message": unsent.cause.to_string() }),
                );
            }
            Event::MessageTooLarge { bytes, .. } => {
                tell(&json!({ "type": "too_large", "message": bytes.to_string() }));
            }
            _ => (),
        }
    }
}

/// Does what one line says; whether to go on. (The session is not borrowed while the client is called: a handler may be.)
fn command(session: &Shared, mut line: Json) -> bool {
    let nsp = line["namespace"].as_str().unwrap_or("/").to_owned();
    let socket = session.borrow().places.get(&nsp).map(|place| place.socket);
    match line["cmd"].as_str().unwrap_or_default() {
        "connect" => connect(session, &nsp, &line["auth"]),
        "disconnect" => {
            if let Some(place) = session.borrow_mut().places.get_mut(&nsp) {
                place.wanted = false;
            }
            if let Some(socket) = socket {
                socket.disconnect();
            }
        }
        "reconnect" => {
            if let Some(place) = session.borrow().places.values().next() {
                place.socket.reconnect();
            }
        }
        "emit" => {
            let values = args(&mut line);
            if let Some(socket) = socket
                && let Err(error) = emit(session, socket, &nsp, &line, values)
            {
                tell_error(&line["id"], &error.to_string());
            }
        }
        "ack" => {
            let values = args(&mut line);
            let number = line["id"].as_u64().unwrap_or_default();
            let request = session.borrow_mut().questions.remove(&number);
            let any = session
                .borrow()
                .places
                .values()
                .next()
                .map(|place| place.socket);
            if let (Some(request), Some(socket)) = (request, any)
                && let Err(error) = socket.ack(request, values)
            {
                let message = format!("cannot answer {number}: {error}");
                tell_error(&Json::Null, &message);
            }
        }
        "status" => {
            let session = session.borrow();
            let all: Vec<Json> = session
                .places
                .iter()
                .map(|(name, place)| {
                    let (connected, active) = (place.socket.connected(), place.socket.active());
                    json!({ "namespace": name, "connected": connected, "active": active })
                })
                .collect();
            tell(&json!({ "type": "status", "id": line["id"], "namespaces": all }));
        }
        _ => return false,
    }
    true
}

fn connect(session: &Shared, nsp: &str, auth: &Json) {
    let auth = auth.is_object().then(|| auth.to_string());
    let (known, home, options) = {
        let mut session = session.borrow_mut();
        let options = session.options;
        let home = session.places.get("/").map(|place| place.socket);
        let known = session.places.get_mut(nsp).map(|place| {
            place.wanted = true;
            if auth.is_some() {
                place.auth.clone_from(&auth);
            }
            place.socket
        });
        (known, home, options)
    };
    if let Some(socket) = known {
        socket.connect();
    } else if let Some(home) = home {
        match home.namespace_with(nsp, options) {
            Ok(socket) => {
                let place = Place {
                    socket,
                    auth,
                    joined: false,
                    wanted: true,
                };
                session.borrow_mut().places.insert(nsp.to_owned(), place);
            }
            Err(error) => tell_error(&Json::Null, &error.to_string()),
        }
    }
}

fn emit(
    session: &Shared,
    socket: Socket,
    nsp: &str,
    line: &Json,
    values: Vec<Value>,
) -> Result<(), EmitError> {
    let event = line["event"].as_str().unwrap_or_default().to_owned();
    let timeout = line["timeout"].as_u64().map(Duration::from_millis);
    if line["volatile"] == true {
        return match socket.volatile().emit(&event, values) {
            // What cannot be written at once is not sent: that is what was asked for.
            Err(EmitError::NotWritable) => Ok(()),
            other => other,
        };
    }
    if line["ack"] != true {
        return socket.emit(&event, values);
    }
    let id = line["id"].clone();
    if id.as_u64().is_some_and(|id| id % 2 == 0) {
        let mut options = EmitOptions::ACK;
        options.timeout = timeout;
        if let Some(ack) = socket.emit_with(&event, &values, options)? {
            let waiting = (ack, nsp.to_owned(), id);
            session.borrow_mut().acks.push(waiting);
        }
        return Ok(());
    }
    let nsp = nsp.to_owned();
    let mut answer: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
        let mut ask = socket.emit_with_ack_read(&event, values, |args| {
            // (No argument is of a wrong type here.)
            Ok(list(&args).unwrap_or_default())
        });
        if let Some(timeout) = timeout {
            ask = ask.timeout(timeout);
        }
        match ask.await {
            Ok(args) => tell_answer(&nsp, &id, Ok(args)),
            Err(AnswerError::Ack(error)) => tell_answer(&nsp, &id, Err(reason(&error))),
            Err(error) => tell_error(&id, &error.to_string()),
        }
    });
    // It emits when it is first polled: before what the next line says.
    let first = answer
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    if first.is_pending() {
        spawn_local(answer);
    }
    Ok(())
}

/// What the words of the command line ask for.
fn options(mut words: impl Iterator<Item = String>) -> (Config, NspOptions, Option<String>) {
    let url = words.find(|word| word.starts_with("http"));
    let url = Box::leak(url.expect("a URL").into_boxed_str());
    let random = |bytes: &mut [u8]| getrandom::fill(bytes).expect("the system has random bytes");
    let mut config = Config::new(url, random).expect("a good URL");
    config.auto_connect = false;
    config.core.reconnection = Reconnection {
        delay: Duration::from_millis(1),
        delay_max: Duration::from_millis(1),
        jitter_permille: 0,
        ..Reconnection::DEFAULT
    };
    let (mut nsp, mut auth) = (NspOptions::default(), None);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_default();
        match word.as_str() {
            "--transport" => {
                config.core.transports = match value().as_str() {
                    "polling" => Transports::POLLING,
                    "websocket" => Transports::WEBSOCKET,
                    _ => Transports::POLLING_FIRST,
                }
            }
            "--eio" => {
                config.core.protocol = match value().as_str() {
                    "3" => Protocol::V3,
                    _ => Protocol::Detect,
                }
            }
            "--force-base64" => config.core.force_base64 = true,
            "--retries" => nsp.retries = value().parse().ok(),
            "--timeout" => {
                let millis = value().trim_end_matches("ms").parse().unwrap_or_default();
                nsp.ack_timeout = Some(Duration::from_millis(millis));
            }
            "--auth" => auth = Some(value()),
            // What is the same for all sessions, or the command's alone.
            _ => (),
        }
    }
    config.options = nsp;
    (config, nsp, auth)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (config, options, auth) = options(std::env::args().skip(1));
    let storage = STORAGE.take();
    let (socket, mut runner) = sockeye_embedded::new(config, storage).expect("there is room");
    let session = Shared::default();
    session.borrow_mut().options = options;
    let home = Place {
        socket,
        auth,
        joined: false,
        wanted: false,
    };
    session.borrow_mut().places.insert("/".to_owned(), home);
    let handler = {
        let session = Rc::clone(&session);
        move |socket: &Socket, event: &Event<'_>| session.borrow_mut().happened(socket, event)
    };
    let commands = async {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(line) = serde_json::from_str(&line) else {
                tell_error(&Json::Null, "not JSON");
                continue;
            };
            if !command(&session, line) {
                break;
            }
        }
        socket.stop();
    };
    let run = async {
        tokio::join!(runner.run(Tokio, handler), commands);
    };
    LocalSet::new().run_until(run).await;
}
