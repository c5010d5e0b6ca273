//! From options to a socket of the `sockeye` client, and from its streams to records.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::Value;
use sockeye::{
    AckError, Args, BoxError, Client, ConnectError, DisconnectReason, Disconnected, Event, Notice,
    Socket, Transport,
};
use tokio::sync::mpsc;

use crate::cli::{Connection, Transports};
use crate::exit::{Exit, Failure};
use crate::record::Record;
use crate::value::Arg;

/// Things that happened and wait to be handled: a slow reader of stdout is felt by the server after these.
const QUEUE: usize = 64;

/// The longest wait for a clean end.
pub(crate) const CLOSING: Duration = Duration::from_secs(2);

/// The credentials, which a command may change at any time: each join takes the present ones.
#[derive(Clone, Default)]
pub(crate) struct Auth(Arc<Mutex<Value>>);

impl Auth {
    pub(crate) fn new(auth: Option<Value>) -> Self {
        Self(Arc::new(Mutex::new(auth.unwrap_or_default())))
    }
    pub(crate) fn set(&self, auth: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = auth;
    }
    pub(crate) fn get(&self) -> Value {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A socket that does not connect yet.
pub(crate) fn open(options: &Connection, auth: &Auth) -> Result<Socket, Failure> {
    let auth = auth.clone();
    let mut builder = Client::builder(url(options)?)
        .auth_with(move || {
            let auth = auth.get();
            async move { Ok::<_, BoxError>(auth) }
        })
        .transports(match options.transport {
            Transports::Polling => vec![Transport::Polling],
            Transports::Websocket => vec![Transport::WebSocket],
            Transports::Both => vec![Transport::Polling, Transport::WebSocket],
        })
        .upgrade(!options.no_upgrade)
        .force_base64(options.force_base64)
        .timeout(options.connect_timeout)
        .ack_timeout(options.timeout)
        .reconnection(!options.no_reconnect)
        .reconnection_attempts(options.reconnect_attempts)
        .reconnection_delay(options.reconnect_delay)
        .reconnection_delay_max(options.reconnect_delay_max)
        .randomization_factor(options.randomization_factor);
    if let Some(retries) = options.retries {
        builder = builder.retries(retries);
    }
    if let Some(path) = &options.path {
        builder = builder.path(path.clone());
    }
    for (name, value) in &options.headers {
        builder = builder.header(name.clone(), value.clone());
    }
    for (key, value) in &options.queries {
        builder = builder.query(key.clone(), value.clone());
    }
    builder
        .open()
        .map_err(|error| Failure::usage(error.to_string()))
}

/// Another namespace on the connection of `home`, not joined yet.
pub(crate) fn namespace(
    home: &Socket,
    namespace: &str,
    auth: &Auth,
) -> Result<Socket, ConnectError> {
    let auth = auth.clone();
    home.namespace(namespace)
        .auth_with(move || {
            let auth = auth.get();
            async move { Ok::<_, BoxError>(auth) }
        })
        .open()
}

/// Waits until everything is written and the connection is closed, but not for ever.
pub(crate) async fn close(socket: &Socket) {
    let _ = tokio::time::timeout(CLOSING, socket.flush()).await;
}

/// The URL with the namespace of `--namespace`, if there is one.
fn url(options: &Connection) -> Result<String, Failure> {
    let url = &options.url;
    let Some(namespace) = &options.namespace else {
        return Ok(url.clone());
    };
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    let path = url[host..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| host + at);
    let query = url[path..]
        .find(['?', '#'])
        .map_or(url.len(), |at| path + at);
    Ok(format!("{}{namespace}{}", &url[..path], &url[query..]))
}

/// What happens on a namespace.
pub(crate) enum Happening {
    Event(Event),
    Notice(Notice),
}

/// Where the happenings of all namespaces come together.
pub(crate) type Inbox = mpsc::Receiver<(String, Happening)>;

pub(crate) fn inbox() -> (mpsc::Sender<(String, Happening)>, Inbox) {
    mpsc::channel(QUEUE)
}

/// Forwards everything that happens on `socket` until it is gone.
pub(crate) fn forward(socket: &Socket, namespace: String, to: mpsc::Sender<(String, Happening)>) {
    let (mut events, mut notices) = (socket.events(), socket.notices());
    tokio::spawn(async move {
        loop {
            let happening = tokio::select! {
                biased;
                Some(notice) = notices.next() => Happening::Notice(notice),
                Some(event) = events.next() => Happening::Event(event),
                else => return,
            };
            if to.send((namespace.clone(), happening)).await.is_err() {
                return;
            }
        }
    });
}

/// The arguments of an event or an answer, binary in its place.
pub(crate) fn args(args: &Args) -> Vec<Arg> {
    Arg::received(args.json(), &args.attachments())
}

pub(crate) fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Polling => "polling",
        Transport::WebSocket => "websocket",
    }
}

/// The record of a notice, if it is worth one.
pub(crate) fn record(namespace: &str, socket: &Socket, notice: &Notice) -> Option<Record> {
    let namespace = namespace.to_owned();
    Some(match notice {
        Notice::Connected { id, recovered } => Record::Connect {
            namespace,
            id: id.clone(),
            recovered: *recovered,
            transport: socket.transport().map(transport_name),
        },
        Notice::Disconnected(left) => disconnect(namespace, left, socket.active()),
        Notice::ConnectError(error) => connect_error(namespace, error, socket.active()),
        Notice::ReconnectAttempt(attempt) => Record::ReconnectAttempt { attempt: *attempt },
        Notice::Reconnected(attempt) => Record::Reconnect { attempt: *attempt },
        Notice::ReconnectFailed => Record::ReconnectFailed,
        Notice::Upgraded => Record::Upgrade {
            transport: "websocket",
        },
        _ => return None,
    })
}

fn disconnect(namespace: String, left: &Disconnected, active: bool) -> Record {
    Record::Disconnect {
        namespace,
        reason: left.reason.to_string(),
        details: left.details.clone(),
        active,
    }
}

fn connect_error(namespace: String, error: &ConnectError, active: bool) -> Record {
    let (message, data) = match error.server() {
        Some(refusal) => (refusal.message.clone(), refusal.data.clone()),
        None => (error.to_string(), None),
    };
    Record::ConnectError {
        namespace,
        message,
        data,
        active,
    }
}

/// Whether and how the end of a namespace ends the command.
pub(crate) fn ends(
    notice: &Notice,
    socket: &Socket,
    joined_before: bool,
    options: &Connection,
) -> Option<Failure> {
    match notice {
        Notice::ConnectError(error) => {
            // The first join is tried once, unless attempts are asked for.
            let again = socket.active() && (joined_before || options.reconnect_attempts.is_some());
            (!again).then(|| Failure::new(Exit::Connect, error.to_string()))
        }
        Notice::ReconnectFailed if joined_before => Some(Failure::new(
            Exit::Lost,
            "the connection broke and could not be restored",
        )),
        Notice::ReconnectFailed => Some(Failure::new(
            Exit::Connect,
            "could not connect: all attempts are used up",
        )),
        Notice::Disconnected(left) => match left.reason {
            DisconnectReason::IoServerDisconnect => Some(Failure::new(
                Exit::ServerDisconnect,
                "the server disconnected us",
            )),
            DisconnectReason::IoClientDisconnect => None,
            _ if socket.active() => None,
            reason => Some(Failure::new(
                Exit::Lost,
                format!("the connection broke: {reason}"),
            )),
        },
        _ => None,
    }
}

/// The word of `ack_error` records for a failed acknowledgement.
pub(crate) fn ack_reason(error: &AckError) -> &'static str {
    match error {
        AckError::Timeout => "timeout",
        AckError::Disconnected => "disconnected",
        AckError::Emit(_) => "not sent",
        _ => "other",
    }
}
