//! From options to a socket of the `sockeye` client, and from its streams to records.

use std::time::Duration;

use sockeye::{
    AckError, Args, Client, ClientBuilder, Compression, ConnectError, ConnectErrorKind,
    DisconnectReason, Event, Notice, Socket, Transport, UnsentCause,
};
use tokio::sync::mpsc;

use crate::exit::{Exit, Failure};
use crate::options::{Connection, Transports, by_option};
use crate::output::record::Record;
use crate::output::{Printer, human};
use crate::value::{self, Arg};

mod merge;

pub(crate) use merge::{Order, forward, forward_namespace};

/// Things that happened and wait to be handled: a slow reader of stdout is felt by the server after these.
const QUEUE: usize = 64;

/// The longest wait for a clean end.
pub(crate) const CLOSING: Duration = Duration::from_secs(2);

/// A socket that does not connect yet.
pub(crate) fn open(options: &Connection) -> Result<Socket, Failure> {
    let mut builder = builder(options)?;
    if let Some(auth) = options.auth()? {
        builder = builder.auth(auth);
    }
    builder = options.network.apply(builder)?;
    builder.open().map_err(|error| unusable(options, &error))
}

/// What is wrong with a URL or an option, without its secrets.
pub(crate) fn unusable(options: &Connection, error: &ConnectError) -> Failure {
    // The client quotes a URL that it cannot read.
    let (url, shown) = (&options.url, public(&options.url));
    Failure::usage(by_option(&error.to_string()).replace(url.as_str(), &shown))
}

/// A client with all options but the credentials and the way to the server.
pub(crate) fn builder(options: &Connection) -> Result<ClientBuilder, Failure> {
    let mut builder = Client::builder(&options.url)
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
    if options.parser == crate::options::PacketParser::Msgpack {
        builder = builder.parser(sockeye::Parser::MessagePack);
    }
    builder = builder.protocol(match options.eio {
        crate::options::EngineVersion::Auto => sockeye::Protocol::Detect,
        crate::options::EngineVersion::V4 => sockeye::Protocol::V4,
        crate::options::EngineVersion::V3 => sockeye::Protocol::V3,
    });
    if options.compress {
        builder = builder.compression(Compression::DEFAULT);
    }
    if let Some(namespace) = &options.namespace {
        builder = builder.namespace(namespace);
    }
    if let Some(retries) = options.retries {
        builder = builder.retries(retries);
    }
    if let Some(path) = &options.path {
        builder = builder.path(path);
    }
    for (name, value) in options.headers()? {
        builder = builder.header(name, value);
    }
    for (key, value) in options.queries()? {
        builder = builder.query(key, value);
    }
    Ok(builder)
}

/// A URL without what may be secret in it: user name, password, query.
pub(crate) fn public(url: &str) -> String {
    let (url, query) = match url.split_once('?') {
        Some((url, _)) => (url, "?…"),
        None => (url, ""),
    };
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    let shown = match url[start..end].rfind('@') {
        Some(at) => format!("{}…{}", &url[..start], &url[start + at..]),
        None => url.to_owned(),
    };
    shown + query
}

/// Another namespace on the connection of `home`, not joined yet.
pub(crate) fn namespace(
    home: &Socket,
    namespace: &str,
    auth: Option<&Arg>,
    options: &Connection,
) -> Result<Socket, ConnectError> {
    let mut builder = home.namespace(namespace).ack_timeout(options.timeout);
    if let Some(retries) = options.retries {
        builder = builder.retries(retries);
    }
    if let Some(auth) = auth {
        builder = builder.auth(auth);
    }
    builder.open()
}

/// Leaves all namespaces cleanly, but not waiting for ever; what happened until the end, and whether all was written.
///
/// What could not be sent so far, because a namespace was not joined, will not be.
pub(crate) async fn leave(
    sockets: Vec<Socket>,
    inbox: &mut Inbox,
) -> (Vec<(String, Happening)>, bool) {
    // What the server does not take is told in front of the goodbye. A link that stands still does not keep it back.
    let flushed = async {
        for socket in sockets.iter().filter(|socket| socket.connected()) {
            socket.flush().await;
        }
    };
    let _ = tokio::time::timeout(CLOSING / 2, flushed).await;
    let mut joined = 0;
    for socket in &sockets {
        if socket.connected() {
            joined += 1;
        } else {
            socket.clear_send_buffer();
        }
        socket.disconnect();
    }
    let mut last = Vec::new();
    let goodbye = async {
        while joined > 0
            && let Some((namespace, happening)) = inbox.recv().await
        {
            joined -= usize::from(matches!(
                happening,
                Happening::Notice(Notice::Disconnected(_))
            ));
            last.push((namespace, happening));
        }
        for socket in &sockets {
            socket.flush().await;
        }
    };
    // The server may be gone without a word.
    let written = tokio::time::timeout(CLOSING, goodbye).await.is_ok();
    // What was given up has been told by now, and is on its way here. Without the sockets, the way has an end.
    drop(sockets);
    let rest = async {
        while let Some(happening) = inbox.recv().await {
            last.push(happening);
        }
    };
    let _ = tokio::time::timeout(CLOSING, rest).await;
    (last, written)
}

/// The same for a command with one namespace, which prints what happened for scripts.
///
/// # Errors
/// An event that had been accepted was given up.
pub(crate) async fn leave_one(
    socket: Socket,
    mut inbox: Inbox,
    printer: &Printer,
) -> Result<(), Failure> {
    let (last, _) = leave(vec![socket], &mut inbox).await;
    let mut end = Ok(());
    for (namespace, happening) in last {
        let Happening::Notice(notice) = happening else {
            continue;
        };
        if let Some(failure) = unsent(&notice) {
            end = Err(failure);
        }
        if let Some(record) = record(&namespace, &notice)
            && printer.is_json()
        {
            printer.print(record).await;
        }
    }
    end
}

/// The failure that it is when an event was accepted and given up. A volatile one that was dropped is none: that was asked for.
pub(crate) fn unsent(notice: &Notice) -> Option<Failure> {
    let Notice::Unsent { event, cause, .. } = notice else {
        return None;
    };
    if *cause == UnsentCause::NotWritable {
        return None;
    }
    let event = human::tame(event);
    let words = format!("{event} was not sent: {cause}");
    Some(Failure::new(Exit::Lost, words))
}

/// What happens on a namespace.
pub(crate) enum Happening {
    Event(Event),
    Notice(Notice),
    /// What came of an acknowledgement that is waited for by [`Order::ask`].
    Answered(Vec<Record>),
}

/// Where the happenings of all namespaces come together.
pub(crate) type Inbox = mpsc::Receiver<(String, Happening)>;
/// The other end of an [`Inbox`].
pub(crate) type Outlet = mpsc::Sender<(String, Happening)>;

pub(crate) fn inbox() -> (Outlet, Inbox) {
    mpsc::channel(QUEUE)
}

/// The arguments of an event or an answer, binary in its place.
pub(crate) fn args(args: &Args) -> Vec<Arg> {
    value::received(args.json(), &args.attachments())
}

/// The record of a notice, if it is worth one.
pub(crate) fn record(namespace: &str, notice: &Notice) -> Option<Record> {
    let namespace = namespace.to_owned();
    Some(match notice {
        Notice::Connected {
            id,
            recovered,
            transport,
        } => Record::Connect {
            namespace,
            id: id.clone(),
            recovered: *recovered,
            transport: transport.map(Transport::name),
        },
        Notice::Disconnected(left) => Record::Disconnect {
            namespace,
            reason: left.reason.as_str(),
            details: left.details.clone(),
            active: left.will_reconnect,
        },
        Notice::ConnectError(error) => Record::ConnectError {
            namespace,
            message: by_option(error.message()),
            data: error.data().cloned(),
            active: error.active(),
        },
        Notice::Reconnecting { attempt, delay } => Record::Reconnecting {
            attempt: *attempt,
            delay_ms: delay.as_millis() as u64,
        },
        Notice::ReconnectAttempt(attempt) => Record::ReconnectAttempt { attempt: *attempt },
        Notice::Reconnected(attempt) => Record::Reconnect { attempt: *attempt },
        Notice::ReconnectFailed => Record::ReconnectFailed,
        Notice::Upgraded => Record::Upgrade {
            transport: Transport::WebSocket.name(),
        },
        Notice::UpgradeFailed(message) => Record::UpgradeFailed {
            message: message.clone(),
        },
        Notice::Unsent {
            event,
            bytes,
            cause,
        } => Record::Unsent {
            namespace,
            event: event.clone(),
            bytes: *bytes,
            message: cause.to_string(),
        },
        Notice::TooLarge { bytes, limit } => Record::TooLarge {
            bytes: *bytes,
            limit: *limit,
        },
        _ => return None,
    })
}

/// Follows a namespace, to know whether and how its end is the end of the command.
#[derive(Default)]
pub(crate) struct Fate {
    joined: bool,
    /// Why the last attempt to join failed.
    trouble: Option<String>,
}

impl Fate {
    /// The failure, if this notice is the end.
    pub(crate) fn after(&mut self, notice: &Notice, options: &Connection) -> Option<Failure> {
        match notice {
            Notice::Connected { .. } => {
                self.joined = true;
                None
            }
            Notice::ConnectError(error) => {
                // The first join is tried once, unless attempts are asked for: their end is a notice of its own.
                let attempts = options.reconnect_attempts.is_some()
                    && error.kind() == ConnectErrorKind::Transport;
                let again = attempts || (error.active() && self.joined);
                let mut trouble = by_option(&error.to_string());
                if error.kind() == ConnectErrorKind::Refused
                    && error.message() == "Invalid namespace"
                {
                    trouble += "; the namespace is the path of the URL, or --namespace";
                }
                self.trouble = Some(trouble.clone());
                let exit = match error.kind() {
                    ConnectErrorKind::Config => Exit::Usage,
                    ConnectErrorKind::Transport if self.joined => Exit::Lost,
                    _ => Exit::Connect,
                };
                (!again).then(|| Failure::new(exit, trouble))
            }
            Notice::ReconnectFailed => {
                let exit = if self.joined {
                    Exit::Lost
                } else {
                    Exit::Connect
                };
                let trouble = self.trouble.as_deref().unwrap_or("the connection is lost");
                Some(Failure::new(
                    exit,
                    format!("{trouble}; all attempts are used up"),
                ))
            }
            Notice::Disconnected(left) => match left.reason {
                DisconnectReason::IoServerDisconnect => Some(Failure::new(
                    Exit::ServerDisconnect,
                    "the server disconnected us",
                )),
                DisconnectReason::IoClientDisconnect => None,
                _ if left.will_reconnect => None,
                _ => Some(Failure::new(
                    Exit::Lost,
                    format!("the connection is lost: {left}"),
                )),
            },
            _ => None,
        }
    }
}

/// The word of `ack_error` records for a failed acknowledgement.
pub(crate) fn ack_reason(error: &AckError) -> &'static str {
    match error {
        AckError::Timeout { .. } => "timeout",
        AckError::Disconnected { .. } => "disconnected",
        AckError::Dropped { .. } => "dropped",
        AckError::NotSent(_) => "not sent",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::public;

    #[test]
    fn urls_are_shown_without_secrets() {
        for (url, shown) in [
            ("http://h:1/n", "http://h:1/n"),
            ("http://u:p@h/n?k=v", "http://…@h/n?…"),
            ("http://u:p@x@h", "http://…@h"),
            ("http://h/a@b", "http://h/a@b"),
            ("u:p@h", "…@h"),
            ("", ""),
        ] {
            assert_eq!(public(url), shown);
        }
    }
}
