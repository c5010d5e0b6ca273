//! What the commands print: records, as JSON lines or for people.

use std::io::{self, IsTerminal as _};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::cli::Color;
use crate::value::{Arg, BIN_KEY};

/// Lines that wait for a slow reader of stdout before the connection feels it.
const QUEUE: usize = 256;

/// Something that happened. The JSON form is `{"type": "<name in snake case>", …}` with these fields.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Record {
    Connect {
        namespace: String,
        id: String,
        recovered: bool,
        transport: Option<&'static str>,
    },
    Event {
        namespace: String,
        name: String,
        #[serde(serialize_with = "shown")]
        args: Vec<Arg>,
        /// The number to answer with, when the server asks for an acknowledgement.
        #[serde(skip_serializing_if = "Option::is_none")]
        ack: Option<u64>,
    },
    Sent {
        namespace: String,
        event: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
    },
    Ack {
        namespace: String,
        event: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        #[serde(serialize_with = "shown")]
        args: Vec<Arg>,
        round_trip_ms: f64,
    },
    AckError {
        namespace: String,
        event: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        reason: &'static str,
        message: String,
    },
    Answered {
        ack: u64,
        #[serde(serialize_with = "shown")]
        args: Vec<Arg>,
    },
    Disconnect {
        namespace: String,
        reason: String,
        details: Option<String>,
        active: bool,
    },
    ConnectError {
        namespace: String,
        message: String,
        data: Option<Value>,
        active: bool,
    },
    ReconnectAttempt {
        attempt: u32,
    },
    Reconnect {
        attempt: u32,
    },
    ReconnectFailed,
    Upgrade {
        transport: &'static str,
    },
    Status {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        transport: Option<&'static str>,
        namespaces: Vec<NamespaceStatus>,
    },
    Error {
        message: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
    },
}

/// One namespace in a status.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct NamespaceStatus {
    pub(crate) namespace: String,
    pub(crate) id: Option<String>,
    pub(crate) connected: bool,
    pub(crate) active: bool,
    pub(crate) recovered: bool,
}

/// Serializes for stdout: binary as `{"_bin": "<base64>"}`.
struct Shown<'a>(&'a Arg);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Arg::List(items) => shown(items, serializer),
            Arg::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, &Self(value))?;
                }
                map.end()
            }
            Arg::Bin(bytes) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(BIN_KEY, &STANDARD.encode(bytes))?;
                map.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}

fn shown<S: Serializer>(args: &[Arg], serializer: S) -> Result<S::Ok, S::Error> {
    let mut seq = serializer.serialize_seq(Some(args.len()))?;
    for arg in args {
        seq.serialize_element(&Shown(arg))?;
    }
    seq.end()
}

/// One argument as a JSON text, binary as `{"_bin": …}`.
pub(crate) fn json(arg: &Arg) -> String {
    // Keys are texts and numbers are finite: this cannot fail.
    serde_json::to_string(&Shown(arg)).unwrap_or_default()
}

/// How records look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// One JSON object per line, all on stdout.
    Json,
    /// For people: events on stdout, the state of the connection on stderr.
    Human { color: bool },
    /// For people at a prompt: everything on one stream, also what is sent.
    Prompt { color: bool },
}

/// Whether to use colours on stdout, by the option, `NO_COLOR` and the terminal.
pub(crate) fn colors(choice: Color) -> bool {
    let unwanted = |name: &str, value: &str| std::env::var(name).is_ok_and(|is| if value.is_empty() { !is.is_empty() } else { is == value });
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => io::stdout().is_terminal() && !unwanted("NO_COLOR", "") && !unwanted("TERM", "dumb"),
    }
}

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";

fn paint(color: bool, code: &str, text: &str) -> String {
    if color { format!("{code}{text}\x1b[0m") } else { text.to_owned() }
}

/// Text of a peer without anything that could steer the terminal or reorder the line.
pub(crate) fn tame(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    if !text.contains(steers) {
        return text.to_owned();
    }
    text.chars().map(|c| if steers(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }).collect()
}

/// Arguments on one line for people: JSON, binary by its size.
fn brief(args: &[Arg]) -> String {
    fn write(arg: &Arg, out: &mut String) {
        match arg {
            Arg::Bin(bytes) => out.push_str(&format!("<{} bytes>", bytes.len())),
            Arg::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    write(item, out);
                }
                out.push(']');
            }
            Arg::Object(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    out.push_str(&json(&Arg::Text(key.clone())));
                    out.push_str(": ");
                    write(value, out);
                }
                out.push('}');
            }
            plain => out.push_str(&json(plain)),
        }
    }
    let mut line = String::new();
    for arg in args {
        line.push(' ');
        write(arg, &mut line);
    }
    tame(&line)
}

/// An event's name, quoted when it would not read as one word.
fn name(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '"');
    tame(&if plain { name.to_owned() } else { json(&Arg::Text(name.to_owned())) })
}

fn place(namespace: &str) -> String {
    if namespace == "/" { String::new() } else { format!("{} ", tame(namespace)) }
}

/// Where a line for people goes, and the line.
fn human(record: &Record, color: bool) -> (Channel, String) {
    let paint = |code, text: &str| paint(color, code, text);
    let state = |mark: &str, code, text: String| (Channel::State, format!("{} {text}", paint(code, mark)));
    match record {
        Record::Connect { namespace, id, recovered, transport } => {
            let how = transport.map_or(String::new(), |transport| format!(" over {transport}"));
            let recovered = if *recovered { ", session recovered" } else { "" };
            state("*", GREEN, format!("joined {}{how} {}", tame(namespace), paint(DIM, &format!("(id {}{recovered})", tame(id)))))
        }
        Record::Event { namespace, name: event, args, ack } => {
            let ask = ack.map_or(String::new(), |ack| paint(YELLOW, &format!("  asks for an answer: {ack}")));
            (Channel::Event, format!("{} {}{}{}{ask}", paint(CYAN, "<"), paint(DIM, &place(namespace)), paint(BOLD, &name(event)), brief(args)))
        }
        Record::Sent { namespace, event, .. } => state(">", DIM, format!("{}{}", place(namespace), name(event))),
        Record::Ack { namespace, event, args, round_trip_ms, .. } => {
            let after = paint(DIM, &format!("  ({round_trip_ms:.2} ms)"));
            (Channel::Event, format!("{} {}{}{}{after}", paint(GREEN, "="), paint(DIM, &place(namespace)), paint(BOLD, &name(event)), brief(args)))
        }
        Record::AckError { namespace, event, message, .. } => state("!", RED, format!("{}{}: {}", place(namespace), name(event), tame(message))),
        Record::Answered { ack, args } => state(">", DIM, format!("answer {ack}{}", brief(args))),
        Record::Disconnect { namespace, reason, details, active } => {
            let details = details.as_deref().map_or(String::new(), |details| format!(" ({})", tame(details)));
            let next = if *active { ", reconnecting" } else { "" };
            state("*", YELLOW, format!("left {}: {}{details}{next}", tame(namespace), tame(reason)))
        }
        Record::ConnectError { namespace, message, data, active } => {
            let data = data.as_ref().map_or(String::new(), |data| format!(" {}", tame(&data.to_string())));
            let next = if *active { ", trying again" } else { "" };
            state("!", RED, format!("cannot join {}: {}{data}{next}", tame(namespace), tame(message)))
        }
        Record::ReconnectAttempt { attempt } => state("*", DIM, format!("attempt {attempt} to reconnect")),
        Record::Reconnect { attempt } => state("*", GREEN, format!("reconnected at attempt {attempt}")),
        Record::ReconnectFailed => state("!", RED, "gave up reconnecting".to_owned()),
        Record::Upgrade { transport } => state("*", DIM, format!("upgraded to {transport}")),
        Record::Status { transport, namespaces, .. } => {
            let mut lines = vec![format!("{} transport: {}", paint(DIM, "*"), transport.unwrap_or("none, not connected"))];
            for status in namespaces {
                let word = match (status.connected, status.active) {
                    (true, _) => "joined",
                    (false, true) => "waiting for the connection",
                    (false, false) => "left",
                };
                let id = status.id.as_deref().map_or(String::new(), |id| paint(DIM, &format!(" (id {})", tame(id))));
                lines.push(format!("  {} {word}{id}", tame(&status.namespace)));
            }
            (Channel::State, lines.join("\n"))
        }
        Record::Error { message, .. } => state("!", RED, tame(message)),
    }
}

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Event,
    State,
}

enum Line {
    Record(Record),
    /// Plain text for stdout.
    Text(String),
}

/// Prints from a thread of its own: a reader of stdout that is slow or gone never blocks the connection.
#[derive(Clone)]
pub(crate) struct Printer {
    lines: mpsc::Sender<Line>,
    closed: watch::Receiver<bool>,
    style: Style,
}

/// The printing thread; [`Self::finish`] waits until everything is printed.
pub(crate) struct PrinterThread(JoinHandle<()>);

/// A place for lines above a prompt.
pub(crate) type Above = Box<dyn FnMut(String) -> io::Result<()> + Send>;

impl Printer {
    /// Starts printing. With `above`, all lines go there; otherwise to stdout and stderr.
    pub(crate) fn start(style: Style, above: Option<Above>) -> (Self, PrinterThread) {
        let (lines, mut queue) = mpsc::channel(QUEUE);
        let (close, closed) = watch::channel(false);
        let mut above = above;
        let thread = std::thread::spawn(move || {
            while let Some(line) = queue.blocking_recv() {
                let (channel, text) = match line {
                    Line::Text(text) => (Channel::Event, text),
                    Line::Record(record) => match style {
                        Style::Json => (Channel::Event, serde_json::to_string(&record).unwrap_or_default()),
                        Style::Human { color } | Style::Prompt { color } => human(&record, color),
                    },
                };
                let written = match (&mut above, channel) {
                    (Some(above), _) => above(format!("{text}\n")),
                    (None, Channel::Event) => write_line(&mut io::stdout().lock(), &text),
                    // Nobody reads stderr: no reason to stop.
                    (None, Channel::State) => write_line(&mut io::stderr().lock(), &text).or(Ok(())),
                };
                if written.is_err() {
                    let _ = close.send(true);
                    return; // the queue closes: later lines go nowhere
                }
            }
        });
        (Self { lines, closed, style }, PrinterThread(thread))
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Prints a record, waiting while the queue is full.
    pub(crate) async fn print(&self, record: Record) {
        let _ = self.lines.send(Line::Record(record)).await;
    }

    /// Prints a line of text on stdout.
    pub(crate) async fn text(&self, text: String) {
        let _ = self.lines.send(Line::Text(text)).await;
    }

    /// Completes when nobody reads stdout any more.
    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.clone();
        if closed.wait_for(|closed| *closed).await.is_err() && !*closed.borrow() {
            std::future::pending().await
        }
    }
}

impl PrinterThread {
    /// Waits until all lines are printed. All printers must be dropped before.
    pub(crate) async fn finish(self) {
        // A reader that never reads must not keep the program alive for ever.
        let join = tokio::task::spawn_blocking(move || self.0.join());
        let _ = tokio::time::timeout(Duration::from_secs(5), join).await;
    }
}

fn write_line(to: &mut impl io::Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.write_all(b"\n")?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::sync::{Arc, Mutex};

    fn event(args: Vec<Arg>, ack: Option<u64>) -> Record {
        Record::Event { namespace: "/".into(), name: "photo".into(), args, ack }
    }

    #[test]
    fn json_lines_start_with_the_type_and_carry_binary_in_place() {
        let args = vec![Arg::Object(vec![("b".into(), Arg::List(vec![Arg::Bin(Bytes::from_static(b"\x01\x02"))])), ("a".into(), Arg::Null)])];
        assert_eq!(
            serde_json::to_string(&event(args, Some(0))).unwrap(),
            r#"{"type":"event","namespace":"/","name":"photo","args":[{"b":[{"_bin":"AQI="}],"a":null}],"ack":0}"#
        );
        assert_eq!(serde_json::to_string(&Record::ReconnectFailed).unwrap(), r#"{"type":"reconnect_failed"}"#);
    }

    #[test]
    fn people_see_sizes_instead_of_bytes() {
        let args = vec![Arg::Bin(Bytes::from(vec![0; 300])), Arg::Object(vec![("w".into(), Arg::Number(1.into()))])];
        assert_eq!(human(&event(args, None), false), (Channel::Event, "< photo <300 bytes> {\"w\": 1}".to_owned()));
        assert_eq!(human(&event(vec![], Some(2)), false).1, "< photo  asks for an answer: 2");
        let chat = Record::Event { namespace: "/chat".into(), name: "two words".into(), args: vec![], ack: None };
        assert_eq!(human(&chat, false).1, "< /chat \"two words\"");
    }

    #[test]
    fn a_peer_cannot_steer_the_terminal() {
        let evil = "\u{1b}[2J\u{9b}31m\u{202e}x";
        let record = Record::Event { namespace: "/".into(), name: evil.into(), args: vec![Arg::Text(evil.into())], ack: None };
        let (_, line) = human(&record, false);
        assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line:?}");
        let error = Record::ConnectError { namespace: "/".into(), message: evil.into(), data: None, active: false };
        assert!(!human(&error, false).1.contains('\u{1b}'));
    }

    #[test]
    fn colours_only_when_wanted() {
        assert!(human(&event(vec![], None), true).1.contains("\x1b[1mphoto\x1b[0m"));
        assert!(colors(Color::Always) && !colors(Color::Never));
    }

    #[tokio::test]
    async fn lines_come_out_in_order_and_a_gone_reader_is_noticed() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let above: Above = Box::new(move |line| {
            let mut seen = sink.lock().unwrap();
            if seen.len() == 3 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            seen.push(line);
            Ok(())
        });
        let (printer, thread) = Printer::start(Style::Json, Some(above));
        for attempt in 1..=4 {
            printer.print(Record::ReconnectAttempt { attempt }).await;
        }
        printer.closed().await;
        printer.text("nowhere".into()).await;
        drop(printer);
        thread.finish().await;
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[2], "{\"type\":\"reconnect_attempt\",\"attempt\":3}\n");
    }
}
