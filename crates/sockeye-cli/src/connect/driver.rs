//! The loop of `sockeye connect`: commands in, records out.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;
use sockeye::{Notice, Responder, Socket};
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
use crate::session::{self, Auth, Happening, Inbox};
use crate::value::Arg;

/// Events of the server that may wait for an answer; the oldest ones are forgotten.
const MAX_ASKS: usize = 4096;

/// A namespace that was joined once.
struct Place {
    socket: Socket,
    auth: Auth,
}

/// The state of the command.
pub(crate) struct Driver {
    options: Connect,
    printer: Printer,
    names: Option<Names>,
    places: BTreeMap<String, Place>,
    /// The namespace of the URL.
    home: String,
    /// Where events without a namespace go.
    current: String,
    sender: mpsc::Sender<(String, Happening)>,
    inbox: Option<Inbox>,
    asks: BTreeMap<u64, Responder>,
    next_ask: u64,
    /// Acknowledgements that are waited for.
    waiting: JoinSet<()>,
    /// How the home namespace stands, for the exit code.
    outcome: Option<Result<(), Failure>>,
    /// Query or headers have changed: the next connect makes a new client.
    stale: bool,
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
            outcome: None,
            stale: false,
        }
    }

    /// Runs until the input ends, and all that was asked for is done.
    pub(crate) async fn run(
        mut self,
        mut lines: mpsc::Receiver<Input>,
        next: Option<std::sync::mpsc::Sender<String>>,
    ) -> Result<Exit, Failure> {
        let auth = Auth::new(self.options.connection.auth.clone());
        let socket = session::open(&self.options.connection, &auth)?;
        self.home = socket.nsp().to_owned();
        self.current.clone_from(&self.home);
        self.add(self.home.clone(), socket, auth);
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
        self.leave(&mut inbox).await;
        match self.outcome.take() {
            Some(Err(failure)) if self.names.is_none() => Err(failure),
            _ => Ok(Exit::Ok),
        }
    }

    /// Leaves all namespaces, and tells so.
    async fn leave(&mut self, inbox: &mut Inbox) {
        let joined = |place: &&Place| place.socket.connected();
        let mut to_leave = self.places.values().filter(joined).count();
        for place in self.places.values() {
            place.socket.disconnect();
        }
        let closing = tokio::time::sleep(session::CLOSING);
        tokio::pin!(closing);
        while to_leave > 0 {
            tokio::select! {
                () = &mut closing => break,
                Some((namespace, happening)) = inbox.recv() => {
                    to_leave -= usize::from(matches!(happening, Happening::Notice(Notice::Disconnected(_))));
                    self.happened(namespace, happening).await;
                }
            }
        }
        for place in self.places.values() {
            session::close(&place.socket).await;
        }
    }

    /// After the end of the input: what was accepted is still sent.
    fn drain(&mut self) {
        for place in self.places.values().filter(|place| place.socket.active()) {
            let socket = place.socket.clone();
            self.waiting
                .spawn(async move { drop(socket.flush().await) });
        }
    }

    /// After the end of the input: nothing more can be expected.
    fn is_done(&self) -> bool {
        let active = self.places.values().any(|place| place.socket.active());
        let trying = self.outcome.is_none() && active;
        !trying && (self.waiting.is_empty() || !active)
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

    fn add(&mut self, namespace: String, socket: Socket, auth: Auth) {
        session::forward(&socket, namespace.clone(), self.sender.clone());
        if let Some(names) = &self.names {
            names.add(&namespace);
        }
        self.places.insert(namespace, Place { socket, auth });
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
                let ack = responder.is_some().then_some(self.next_ask);
                let name = event.name().to_owned();
                self.printer
                    .print(Record::Event {
                        namespace,
                        name,
                        args,
                        ack,
                    })
                    .await;
                let (Some(responder), Some(ack)) = (responder, ack) else {
                    return;
                };
                self.next_ask += 1;
                match answer {
                    Some(args) => {
                        responder.ack(args.as_slice());
                        self.printer.print(Record::Answered { ack, args }).await;
                    }
                    None => {
                        if self.asks.len() == MAX_ASKS {
                            self.asks.pop_first();
                        }
                        self.asks.insert(ack, responder);
                    }
                }
            }
            Happening::Notice(notice) => {
                let Some(place) = self.places.get(&namespace) else {
                    return;
                };
                if let Some(record) = session::record(&namespace, &place.socket, &notice) {
                    self.printer.print(record).await;
                }
                if namespace == self.home {
                    let joined = matches!(self.outcome, Some(Ok(())));
                    if matches!(notice, Notice::Connected { .. }) {
                        self.outcome = Some(Ok(()));
                    } else if let Some(failure) =
                        session::ends(&notice, &place.socket, joined, &self.options.connection)
                    {
                        self.outcome = Some(Err(failure));
                    }
                }
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
                Some(responder) => {
                    responder.ack(args.as_slice());
                    self.printer.print(Record::Answered { ack: id, args }).await;
                }
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
                    Some(place) => place.socket.disconnect(),
                    None => {
                        self.error(format!("{namespace} was never joined"), None)
                            .await;
                    }
                }
            }
            Command::Reconnect => self.reconnect().await,
            Command::Set {
                auth,
                query,
                headers,
            } => self.set(auth, query, headers),
            Command::Status { id } => self.status(id).await,
            Command::Use { namespace } => {
                if !self
                    .places
                    .get(&namespace)
                    .is_some_and(|place| place.socket.active())
                {
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
        let Some(place) = self.places.get(&namespace) else {
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
        let socket = place.socket.clone();
        let args: &[Arg] = &emit.args;
        let sent = Record::Sent {
            namespace: namespace.clone(),
            event: emit.event.clone(),
            id: emit.id.clone(),
        };
        if !emit.ack {
            let result = if emit.volatile {
                socket.volatile().emit(&emit.event, args)
            } else {
                socket.emit(&emit.event, args)
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
        let answer = socket
            .emit_with_ack::<sockeye::Args>(&emit.event, args)
            .timeout(timeout)
            .send();
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
                Err(error) => Record::AckError {
                    namespace,
                    event,
                    id,
                    reason: session::ack_reason(&error),
                    message: error.to_string(),
                },
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
        if self.stale
            && !self.places.values().any(|place| place.socket.active())
            && !self.renew().await
        {
            return;
        }
        if let Some(place) = self.places.get(namespace) {
            if let Some(auth) = auth {
                place.auth.set(auth);
            }
        } else {
            let Some(home) = self.places.get(&self.home) else {
                return;
            };
            let auth = Auth::new(auth);
            match session::namespace(&home.socket, namespace, &auth) {
                Ok(socket) => self.add(namespace.to_owned(), socket, auth),
                Err(error) => return self.error(error.to_string(), None).await,
            }
        }
        if let Some(place) = self.places.get(namespace) {
            place.socket.connect_background();
        }
    }

    /// Makes a new client with the present options; the namespaces stay.
    async fn renew(&mut self) -> bool {
        let home = self.home.clone();
        let auths: Vec<_> = self
            .places
            .iter()
            .map(|(namespace, place)| (namespace.clone(), place.auth.clone()))
            .collect();
        let Some((_, auth)) = auths.iter().find(|(namespace, _)| *namespace == home) else {
            return false;
        };
        let socket = match session::open(&self.options.connection, auth) {
            Ok(socket) => socket,
            Err(failure) => {
                self.error(failure.message, None).await;
                return false;
            }
        };
        self.stale = false;
        self.asks.clear();
        for (namespace, auth) in auths {
            let joined = if namespace == home {
                Ok(socket.clone())
            } else {
                session::namespace(&socket, &namespace, &auth)
            };
            match joined {
                Ok(socket) => self.add(namespace, socket, auth),
                Err(error) => self.error(error.to_string(), None).await,
            }
        }
        true
    }

    async fn reconnect(&mut self) {
        if !self.stale {
            if let Some(place) = self.places.get(&self.home) {
                place.socket.reconnect();
            }
            return;
        }
        let active: Vec<_> = self
            .places
            .iter()
            .filter(|(_, place)| place.socket.active())
            .map(|(namespace, _)| namespace.clone())
            .collect();
        for place in self.places.values() {
            place.socket.disconnect();
        }
        for namespace in active {
            self.join(&namespace, None).await;
        }
    }

    fn set(
        &mut self,
        auth: Option<Value>,
        query: Option<Vec<(String, String)>>,
        headers: Option<Vec<(String, String)>>,
    ) {
        if let Some(auth) = auth
            && let Some(place) = self.places.get(&self.current)
        {
            place.auth.set(auth);
        }
        self.stale |= query.is_some() || headers.is_some();
        if let Some(query) = query {
            self.options.connection.queries = query;
        }
        if let Some(headers) = headers {
            self.options.connection.headers = headers;
        }
    }

    async fn status(&self, id: Option<Value>) {
        let transport = self
            .places
            .values()
            .find_map(|place| place.socket.transport())
            .map(session::transport_name);
        let namespaces = self
            .places
            .iter()
            .map(|(namespace, Place { socket, .. })| NamespaceStatus {
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
