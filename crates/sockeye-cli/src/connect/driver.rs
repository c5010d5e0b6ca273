//! The loop of `sockeye connect`: commands in, records out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use serde_json::Value;
use sockeye::{AckError, EmitError, Notice, Responder, Socket, Transport};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Input;
use super::command::{Command, Emit, json_line};
use super::prompt::Names;
use crate::cli::Connect;
use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::{Printer, Style};
use crate::record::{NamespaceStatus, Record};
use crate::session::{self, Fate, Happening, Inbox, Outlet};
use crate::value::Arg;

/// Events of the server that may wait for an answer; the oldest ones are forgotten.
const MAX_ASKS: usize = 4096;
/// How long an event waits for room in a full send buffer.
const ROOM: Duration = Duration::from_secs(10);

/// The state of the command.
pub(crate) struct Driver {
    options: Connect,
    printer: Printer,
    names: Option<Names>,
    /// The namespaces that were joined once.
    places: BTreeMap<String, Socket>,
    /// The namespace of the URL.
    home: String,
    /// Where events without a namespace go.
    current: String,
    sender: Outlet,
    inbox: Option<Inbox>,
    asks: BTreeMap<u64, Responder>,
    next_ask: u64,
    /// Acknowledgements that are waited for.
    waiting: JoinSet<()>,
    /// After the end of the input: until all is written.
    flushes: JoinSet<()>,
    /// How the home namespace stands, for the exit code.
    outcome: Option<Result<(), Failure>>,
    fate: Fate,
}

impl Driver {
    pub(crate) fn new(options: Connect, printer: Printer, names: Option<Names>) -> Self {
        let (sender, inbox) = session::inbox();
        Self {
            options,
            printer,
            names,
            places: BTreeMap::new(),
            home: String::new(),
            current: String::new(),
            sender,
            inbox: Some(inbox),
            asks: BTreeMap::new(),
            next_ask: 0,
            waiting: JoinSet::new(),
            flushes: JoinSet::new(),
            outcome: None,
            fate: Fate::default(),
        }
    }

    /// Runs until the input ends, and all that was asked for is done.
    pub(crate) async fn run(
        mut self,
        mut lines: mpsc::Receiver<Input>,
        next: Option<std::sync::mpsc::Sender<String>>,
    ) -> Result<Exit, Failure> {
        let socket = session::open(&self.options.connection)?;
        self.home = socket.name().to_owned();
        self.current.clone_from(&self.home);
        self.add(socket);
        if !self.options.no_autoconnect {
            self.join(&self.home.clone(), None).await;
        }
        self.ask_for_line(next.as_ref());
        let mut inbox = self.inbox.take().unwrap_or_else(|| session::inbox().1);
        let mut draining = false;
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            if draining && self.is_done() {
                break;
            }
            tokio::select! {
                biased;
                () = self.printer.closed() => return Ok(Exit::Ok),
                _ = &mut interrupt, if next.is_none() => break,
                Some((namespace, happening)) = inbox.recv() => self.happened(namespace, happening).await,
                Some(_) = self.waiting.join_next(), if !self.waiting.is_empty() => {}
                Some(_) = self.flushes.join_next(), if !self.flushes.is_empty() => {}
                input = lines.recv(), if !draining => match input {
                    Some(Input::Line(line)) => {
                        if !self.line(&line).await {
                            break;
                        }
                        self.ask_for_line(next.as_ref());
                    }
                    Some(Input::Broken(why)) => {
                        self.error(format!("cannot read the input: {why}"), None).await;
                        draining = true;
                        self.drain();
                    }
                    Some(Input::End) | None => {
                        draining = true;
                        self.drain();
                    }
                },
            }
        }
        let sockets: Vec<_> = self.places.values().cloned().collect();
        for (namespace, happening) in session::leave(&sockets, &mut inbox).await {
            self.happened(namespace, happening).await;
        }
        match self.outcome.take() {
            Some(Err(failure)) if self.names.is_none() => Err(failure),
            _ => Ok(Exit::Ok),
        }
    }

    /// After the end of the input: what was accepted is still sent.
    fn drain(&mut self) {
        for socket in self.places.values().filter(|socket| socket.active()) {
            let socket = socket.clone();
            self.flushes.spawn(async move { socket.flush().await });
        }
    }

    /// After the end of the input: nothing more can be expected.
    fn is_done(&self) -> bool {
        let active = self.places.values().any(Socket::active);
        let sent = match &self.outcome {
            None => !active,
            Some(Ok(())) => self.flushes.is_empty() || !active,
            Some(Err(_)) => true,
        };
        sent && self.waiting.is_empty()
    }

    fn ask_for_line(&self, next: Option<&std::sync::mpsc::Sender<String>>) {
        if let Some(next) = next {
            let prompt = if self.current == "/" {
                "> ".to_owned()
            } else {
                format!("{}> ", self.current)
            };
            let _ = next.send(prompt);
        }
    }

    fn add(&mut self, socket: Socket) {
        if self.places.is_empty() {
            session::forward(&socket, self.sender.clone());
        } else {
            session::forward_namespace(&socket, self.sender.clone());
        }
        if let Some(names) = &self.names {
            names.add(socket.name());
        }
        self.places.insert(socket.name().to_owned(), socket);
    }

    async fn error(&self, message: impl Into<String>, id: Option<Value>) {
        self.printer
            .print(Record::Error {
                message: message.into(),
                id,
            })
            .await;
    }

    /// Something happened on a namespace.
    async fn happened(&mut self, namespace: String, happening: Happening) {
        match happening {
            Happening::Event(event) => {
                let args = session::args(event.args());
                if let Some(names) = &self.names {
                    names.add(event.name());
                }
                let responder = event.responder();
                let answer = self.options.answers.to(event.name(), &args);
                let ack = responder.is_requested().then_some(self.next_ask);
                let name = event.name().to_owned();
                self.printer
                    .print(Record::Event {
                        namespace,
                        name,
                        args,
                        ack,
                    })
                    .await;
                let Some(ack) = ack else { return };
                self.next_ask += 1;
                match answer {
                    Some(args) => self.answer(responder, ack, args).await,
                    None => {
                        if self.asks.len() == MAX_ASKS {
                            self.asks.pop_first();
                        }
                        self.asks.insert(ack, responder);
                    }
                }
            }
            Happening::Notice(notice) => {
                if let Some(record) = session::record(&namespace, &notice) {
                    self.printer.print(record).await;
                }
                if namespace == self.home {
                    if let Some(failure) = self.fate.after(&notice, &self.options.connection) {
                        self.outcome = Some(Err(failure));
                    } else if matches!(notice, Notice::Connected { .. }) {
                        self.outcome = Some(Ok(()));
                    }
                }
            }
        }
    }

    async fn answer(&self, responder: Responder, ack: u64, args: Vec<Arg>) {
        match responder.ack(args.as_slice()) {
            Ok(()) => self.printer.print(Record::Answered { ack, args }).await,
            Err(error) => {
                self.error(format!("cannot answer {ack}: {error}"), Some(ack.into()))
                    .await;
            }
        }
    }

    /// Does what a line says; whether to go on.
    async fn line(&mut self, line: &str) -> bool {
        let command = if self.printer.style() == Style::Json {
            json_line(line)
        } else {
            input::line(line)
        };
        match command {
            Ok(Some(command)) => self.command(command).await,
            Ok(None) => true,
            Err(why) => {
                self.error(why, None).await;
                true
            }
        }
    }

    async fn command(&mut self, command: Command) -> bool {
        match command {
            Command::Emit(emit) => self.emit(emit).await,
            Command::Ack { id, args } => match self.asks.remove(&id) {
                Some(responder) => self.answer(responder, id, args).await,
                None => {
                    self.error(
                        format!("no event of the server waits for answer {id}"),
                        Some(id.into()),
                    )
                    .await;
                }
            },
            Command::Connect { namespace, auth } => {
                let namespace = namespace.unwrap_or_else(|| self.current.clone());
                self.join(&namespace, auth).await;
            }
            Command::Disconnect { namespace } => {
                let namespace = namespace.unwrap_or_else(|| self.current.clone());
                match self.places.get(&namespace) {
                    Some(socket) => socket.disconnect(),
                    None => {
                        self.error(format!("{namespace} was never joined"), None)
                            .await;
                    }
                }
            }
            Command::Reconnect => {
                if let Some(socket) = self.places.get(&self.home) {
                    socket.manager().reconnect();
                }
            }
            Command::Set {
                auth,
                query,
                headers,
            } => self.set(auth, query, headers).await,
            Command::Status { id } => self.status(id).await,
            Command::Use { namespace } => {
                if !self.places.get(&namespace).is_some_and(Socket::active) {
                    self.join(&namespace, None).await;
                }
                if self.places.contains_key(&namespace) {
                    self.current = namespace;
                }
            }
            Command::Help => self.help().await,
            Command::Quit => return false,
        }
        true
    }

    async fn emit(&mut self, emit: Emit) {
        let namespace = emit.namespace.unwrap_or_else(|| self.current.clone());
        let Some(socket) = self.places.get(&namespace) else {
            return self
                .error(
                    format!("{namespace} was never joined; connect to it first"),
                    emit.id,
                )
                .await;
        };
        if let Some(names) = &self.names {
            names.add(&emit.event);
        }
        let socket = socket.clone();
        let args: &[Arg] = &emit.args;
        let sent = Record::Sent {
            namespace: namespace.clone(),
            event: emit.event.clone(),
            id: emit.id.clone(),
        };
        if !emit.ack {
            let result = loop {
                let result = if emit.volatile {
                    socket.volatile().emit(&emit.event, args)
                } else {
                    socket.emit(&emit.event, args)
                };
                match result {
                    Err(EmitError::Full) if room(&socket).await => {}
                    result => break result,
                }
            };
            return match result {
                Ok(()) => self.sent(sent).await,
                Err(error) => {
                    self.error(format!("cannot send {}: {error}", emit.event), emit.id)
                        .await;
                }
            };
        }
        let timeout = emit.timeout.unwrap_or(self.options.connection.timeout);
        let started = Instant::now();
        let answer = loop {
            let future = if emit.volatile {
                socket
                    .volatile()
                    .emit_with_ack::<_, sockeye::Args>(&emit.event, args)
            } else {
                socket.emit_with_ack::<_, sockeye::Args>(&emit.event, args)
            };
            // Sent here and now, so that the order of the commands is kept.
            let mut answer = future.timeout(timeout).send();
            match (&mut answer).now_or_never() {
                None => break answer.left_future(),
                Some(Err(AckError::NotSent(EmitError::Full))) if room(&socket).await => {}
                Some(Err(AckError::NotSent(error))) => {
                    return self
                        .error(format!("cannot send {}: {error}", emit.event), emit.id)
                        .await;
                }
                // Other threads may have been faster than this one.
                Some(result) => break std::future::ready(result).right_future(),
            }
        };
        self.sent(sent).await;
        let printer = self.printer.clone();
        let (event, id) = (emit.event, emit.id);
        self.waiting.spawn(async move {
            let answer = answer.await;
            let round_trip_ms = started.elapsed().as_secs_f64() * 1e3;
            let record = match answer {
                Ok(answer) => Record::Ack {
                    namespace,
                    event,
                    id,
                    args: session::args(&answer),
                    round_trip_ms,
                },
                Err(error) => {
                    let reason = session::ack_reason(&error);
                    Record::AckError {
                        namespace,
                        event,
                        id,
                        reason,
                        message: error.to_string(),
                    }
                }
            };
            printer.print(record).await;
        });
    }

    /// At the prompt the typed line itself shows what was sent.
    async fn sent(&self, record: Record) {
        if self.printer.style() == Style::Json {
            self.printer.print(record).await;
        }
    }

    /// Joins a namespace, for the first time or again.
    async fn join(&mut self, namespace: &str, auth: Option<Value>) {
        let known = self.places.get(namespace).cloned();
        let socket = match (known, auth) {
            (Some(socket), None) => Ok(socket),
            (Some(socket), Some(auth)) => socket.set_auth(&auth).map(|()| socket),
            (None, auth) => {
                let Some(home) = self.places.get(&self.home) else {
                    return;
                };
                let socket =
                    session::namespace(home, namespace, auth.as_ref(), &self.options.connection);
                socket.inspect(|socket| self.add(socket.clone()))
            }
        };
        match socket {
            Ok(socket) => {
                if namespace == self.home {
                    self.outcome = None;
                }
                socket.connect_background();
            }
            Err(error) => self.error(error.to_string(), None).await,
        }
    }

    async fn set(
        &self,
        auth: Option<Value>,
        query: Option<Vec<(String, String)>>,
        headers: Option<Vec<(String, String)>>,
    ) {
        let Some(socket) = self.places.get(&self.current) else {
            return;
        };
        if let Some(auth) = auth
            && let Err(error) = socket.set_auth(&auth)
        {
            self.error(error.to_string(), None).await;
        }
        if let Some(query) = query {
            socket.manager().set_query(query);
        }
        if let Some(headers) = headers
            && let Err(error) = socket.manager().set_headers(headers)
        {
            self.error(error.to_string(), None).await;
        }
    }

    async fn status(&self, id: Option<Value>) {
        let transport = self
            .places
            .values()
            .find_map(Socket::transport)
            .map(Transport::name);
        let namespaces = self
            .places
            .iter()
            .map(|(namespace, socket)| NamespaceStatus {
                namespace: namespace.clone(),
                id: socket.id(),
                connected: socket.connected(),
                active: socket.active(),
                recovered: socket.recovered(),
            })
            .collect();
        self.printer
            .print(Record::Status {
                id,
                transport,
                namespaces,
            })
            .await;
    }

    async fn help(&self) {
        let mut lines = vec![
            "Type an event's name and its arguments as JSON:  greet \"hello\" {\"n\": 1}".to_owned(),
            "  name? …        wait for the acknowledgement and print it (also name --ack …)".to_owned(),
            "  @photo.jpg     as an argument: the bytes of a file;  {\"_bin\": \"<base64>\"}: binary inside JSON".to_owned(),
        ];
        lines.extend(
            input::COMMANDS.iter().map(|(command, args, help)| {
                format!("  {:<36} {help}", format!("{command} {args}"))
            }),
        );
        self.printer.text(lines.join("\n")).await;
    }
}

/// Waits for room in the send buffer, as long as there is hope.
async fn room(socket: &Socket) -> bool {
    socket.connected() && tokio::time::timeout(ROOM, socket.room()).await.is_ok()
}
