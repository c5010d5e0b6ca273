//! The loop of `sockeye connect`: commands in, records out.

use std::collections::BTreeMap;

use sockeye::{Notice, Responder, Socket, Transport};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::command::{Command, json_line};
use super::prompt::Names;
use super::unsent::{self, Unsent};
use super::{Input, plain};
use crate::exit::{Exit, Failure};
use crate::options::{Connect, by_option};
use crate::output::record::{NamespaceStatus, Record};
use crate::output::{self, Printer, Style};
use crate::session::{self, Fate, Happening, Inbox, Order, Outlet};
use crate::value::{Arg, Words};

mod emit;

/// Events of the server that may wait for an answer; the oldest ones are forgotten.
const MAX_ASKS: usize = 4096;

/// The state of the command.
pub(crate) struct Driver {
    options: Connect,
    printer: Printer,
    names: Option<Names>,
    /// The namespaces that were joined once.
    places: BTreeMap<String, Socket>,
    /// How what is answered there comes into its place among the events.
    orders: BTreeMap<String, Order>,
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
    /// Those of which has not been told what came of them.
    unanswered: usize,
    unsent: Unsent,
    /// The number of the line that is being done; none at the prompt, where a person sees it.
    line: Option<u64>,
    /// The input has ended: what was accepted is still done.
    draining: bool,
    /// The first line that could not be done, with `--strict`.
    bad_line: Option<Failure>,
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
            orders: BTreeMap::new(),
            home: String::new(),
            current: String::new(),
            sender,
            inbox: Some(inbox),
            asks: BTreeMap::new(),
            next_ask: 0,
            waiting: JoinSet::new(),
            unanswered: 0,
            unsent: Unsent::default(),
            line: None,
            draining: false,
            bad_line: None,
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
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        let (mut interrupted, mut number) = (false, 0);
        loop {
            if self.draining && self.is_done() {
                break;
            }
            let home = self.places.get(&self.home).cloned();
            tokio::select! {
                biased;
                () = self.printer.closed() => return Ok(Exit::Ok),
                _ = &mut interrupt, if next.is_none() => {
                    interrupted = true;
                    break;
                }
                Some((namespace, happening)) = inbox.recv() => self.happened(namespace, happening).await,
                Some(_) = self.waiting.join_next(), if !self.waiting.is_empty() => {}
                records = self.unsent.written(home.as_ref()), if self.unsent.is_waiting() => {
                    for record in records {
                        self.for_scripts(record).await;
                    }
                }
                input = lines.recv(), if !self.draining => match input {
                    Some(Input::Line(line)) => {
                        number += 1;
                        self.line = next.is_none().then_some(number);
                        let go_on = self.line(&line).await;
                        self.line = None;
                        if self.bad_line.is_some() {
                            self.drain().await;
                        } else if !go_on {
                            break;
                        }
                        self.ask_for_line(next.as_ref());
                    }
                    Some(Input::Broken(why)) => {
                        self.bad_line = Some(Failure::usage(format!("cannot read the input: {why}")));
                        self.drain().await;
                    }
                    Some(Input::End) | None => self.drain().await,
                },
            }
        }
        self.leave(&mut inbox).await;
        match (self.bad_line.take(), self.outcome.take()) {
            (Some(failure), _) => Err(failure),
            (None, Some(Err(failure))) if self.names.is_none() => Err(failure),
            _ if interrupted => Err(output::interrupted()),
            _ => Ok(Exit::Ok),
        }
    }

    /// Leaves all namespaces, and tells what became of what was accepted.
    async fn leave(&mut self, inbox: &mut Inbox) {
        let places = std::mem::take(&mut self.places);
        let (names, sockets): (Vec<_>, Vec<_>) = places.into_iter().unzip();
        // Nothing new comes from here, so that what the namespaces tell has an end.
        (self.sender, _) = session::inbox();
        self.orders.clear();
        for socket in sockets.iter().filter(|socket| !socket.connected()) {
            self.give_up(socket, "the namespace is not joined").await;
        }
        let (last, written) = session::leave(sockets, inbox).await;
        for name in &names {
            for event in self.unsent.give_up(name) {
                if written {
                    let sent = unsent::sent(event.namespace, event.event, event.id);
                    self.for_scripts(sent).await;
                } else {
                    let why = format!("{} may not have been sent before the end", event.event);
                    self.error(why, event.id).await;
                }
            }
        }
        for (namespace, happening) in last {
            self.happened(namespace, happening).await;
        }
    }

    /// The end of the input: what was accepted is still sent, unless it has nowhere to go.
    async fn drain(&mut self) {
        self.draining = true;
        let left: Vec<_> = self
            .places
            .values()
            .filter(|socket| !socket.active())
            .cloned()
            .collect();
        for socket in left {
            self.give_up(&socket, "the namespace was left").await;
        }
    }

    /// After the end of the input: nothing more can be expected.
    fn is_done(&self) -> bool {
        let active = self.places.values().any(Socket::active);
        let sent = match &self.outcome {
            None => !active,
            Some(Ok(())) => self.unsent.is_empty() || !active,
            Some(Err(_)) => true,
        };
        sent && self.unanswered == 0
    }

    /// What was accepted for a namespace that will not be joined by itself is dropped, and that is told.
    async fn give_up(&mut self, socket: &Socket, why: &str) {
        let events = self.unsent.give_up(socket.name());
        if events.is_empty() {
            return;
        }
        socket.clear_send_buffer();
        for event in events {
            // Those before it may have been, when the news of it has not come yet.
            let message = format!("{} may not have been sent: {why}", event.event);
            self.error(message, event.id).await;
        }
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
        let order = if self.places.is_empty() {
            session::forward(&socket, self.sender.clone())
        } else {
            session::forward_namespace(&socket, self.sender.clone())
        };
        self.orders.insert(socket.name().to_owned(), order);
        if let Some(names) = &self.names {
            names.add(socket.name());
        }
        self.places.insert(socket.name().to_owned(), socket);
    }

    /// Tells what could not be done; with `--strict` the first such line is the end.
    async fn error(&mut self, message: impl Into<String>, id: Option<Arg>) {
        let (line, message) = (self.line, message.into());
        if let (true, Some(line), None) = (self.options.strict, line, &self.bad_line) {
            self.bad_line = Some(Failure::usage(format!("line {line}: {message}")));
            // People are told once, by the line that ends the command.
            if !self.printer.is_json() {
                return;
            }
        }
        self.printer
            .print(Record::Error { line, message, id })
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
            Happening::Answered(records) => {
                self.unanswered = self.unanswered.saturating_sub(1);
                for record in records {
                    self.printer.print(record).await;
                }
            }
            Happening::Notice(notice) => {
                if let Some(record) = session::record(&namespace, &notice) {
                    self.printer.print(record).await;
                }
                // As long as commands come, one of them may still join it: what was accepted waits for that.
                let over = match &notice {
                    _ if !self.draining => None,
                    Notice::ConnectError(error) => {
                        (!error.active()).then_some("the namespace was not joined")
                    }
                    Notice::Disconnected(left) => {
                        (!left.will_reconnect).then_some("the namespace was left")
                    }
                    _ => None,
                };
                if let Some(why) = over
                    && let Some(socket) = self.places.get(&namespace).cloned()
                {
                    self.give_up(&socket, why).await;
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

    async fn answer(&mut self, responder: Responder, ack: u64, args: Vec<Arg>) {
        match responder.ack(args.as_slice()) {
            Ok(()) => self.printer.print(Record::Answered { ack, args }).await,
            Err(error) => {
                self.error(format!("cannot answer {ack}: {error}"), Some(number(ack)))
                    .await;
            }
        }
    }

    /// Does what a line says; whether to go on.
    async fn line(&mut self, line: &str) -> bool {
        let command = if self.printer.style() == Style::Json {
            json_line(line)
        } else {
            let text = self.options.text;
            plain::line(line, Words { text })
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
                        Some(number(id)),
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

    /// People see what was sent by the line that they typed.
    async fn for_scripts(&self, record: Record) {
        if self.printer.is_json() {
            self.printer.print(record).await;
        }
    }

    /// Joins a namespace, for the first time or again.
    async fn join(&mut self, namespace: &str, auth: Option<Arg>) {
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
        &mut self,
        auth: Option<Arg>,
        query: Option<Vec<(String, String)>>,
        headers: Option<Vec<(String, String)>>,
    ) {
        let Some(socket) = self.places.get(&self.current).cloned() else {
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
            self.error(by_option(&error.to_string()), None).await;
        }
    }

    async fn status(&self, id: Option<Arg>) {
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
            "  @photo.jpg     as an argument: what is in the file (JSON if it ends in .json);  {\"_bin\": \"<base64>\"}: binary".to_owned(),
            "  a space before a line keeps it out of the history; /auth and /connect with credentials never are in it".to_owned(),
        ];
        lines.extend(
            plain::COMMANDS.iter().map(|(command, args, help)| {
                format!("  {:<36} {help}", format!("{command} {args}"))
            }),
        );
        self.printer.text(lines.join("\n")).await;
    }
}

/// The number of an event of the server, as the mark of an error.
fn number(ack: u64) -> Arg {
    Arg::Raw(ack.to_string().into())
}
