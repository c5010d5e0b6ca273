//! The command line: options, their help, and the checks of single values.

// Doc comments on options are help texts for a terminal, not Markdown.
#![allow(rustdoc::broken_intra_doc_links, rustdoc::invalid_html_tags)]

use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use serde_json::Value;

use crate::exit;
use crate::input;
use crate::value::{self, Arg};

const EXAMPLES: &str = "\
Examples:
  sockeye listen http://localhost:3000                          print every event
  sockeye listen http://localhost:3000/chat message --json      only `message`, one JSON object per line
  sockeye emit http://localhost:3000 greet '\"hi\"' '{\"n\": 1}'    send an event with two arguments
  sockeye emit http://localhost:3000 photo @photo.jpg --ack     send a file as binary, print the answer
  sockeye connect http://localhost:3000 --auth '{\"token\":\"x\"}'  talk by hand
  sockeye connect http://localhost:3000 --json < commands       let a script drive a full client
  sockeye demo                                                  devices, a server and a live page, in one process

`sockeye help <command>` tells all about a command.";

/// Talk to Socket.IO servers from a terminal or a script.
///
/// The path of a URL is the namespace, as in the JavaScript client: http://host:3000/chat joins /chat.
#[derive(Debug, Parser)]
#[command(name = "sockeye", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP), max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Action,
    /// Colours in the output [default: on a terminal, unless NO_COLOR is set]
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        help_heading = "Output"
    )]
    pub(crate) color: Color,
    /// Show what happens inside, on stderr (-vv: more, -vvv: everything)
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    Listen(Listen),
    Emit(Emit),
    Connect(Connect),
    #[cfg(feature = "demo")]
    Demo(Demo),
}

/// Print the events that a server sends
///
/// Events go to stdout, one a line; the state of the connection goes to stderr (with --json all goes to stdout).
/// Listens until Ctrl-C, reconnecting when the connection breaks.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye listen http://localhost:3000
  sockeye listen http://localhost:3000/chat message 'user joined' --count 10
  sockeye listen http://localhost:3000 --json | jq -c 'select(.type == \"event\") | .args'
  sockeye listen http://localhost:3000/devices --auth '{\"name\":\"lamp\"}' --answer led")]
pub(crate) struct Listen {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Print only these events [default: all]
    #[arg(value_name = "EVENT")]
    pub(crate) events: Vec<String>,
    /// End after this many printed events
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) answers: Answers,
    /// One JSON object per line on stdout for everything that happens (see `sockeye help connect`)
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

/// Send one event, and print the answer with --ack
///
/// Arguments are JSON values; @FILE sends the bytes of a file, {"_bin": "<base64>"} sends binary at any depth.
/// The answer's arguments are printed one a line as JSON.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye emit http://localhost:3000 greet '\"hello\"'
  sockeye emit http://localhost:3000/devices led true --ack --timeout 2s
  sockeye emit http://localhost:3000 upload @photo.jpg '{\"name\":\"photo.jpg\"}' --ack
  sockeye emit http://localhost:3000 sum 1 2 --ack --json | jq '.args'")]
pub(crate) struct Emit {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Name of the event
    pub(crate) event: String,
    /// Arguments: JSON values, or @FILE for the bytes of a file
    #[arg(value_name = "JSON", allow_negative_numbers = true, value_parser = Arg::from_word)]
    pub(crate) args: Vec<Arg>,
    /// Wait for the acknowledgement and print it
    #[arg(short, long)]
    pub(crate) ack: bool,
    /// Drop the event instead of sending it late when the connection is not ready
    #[arg(long, conflicts_with = "ack")]
    pub(crate) volatile: bool,
    /// One JSON object per line on stdout for everything that happens (see `sockeye help connect`)
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

/// Talk to a server by hand, or let a script do so (--json)
#[derive(Debug, Args)]
#[command(long_about = crate::connect::LONG_ABOUT, after_help = "\
Examples:
  sockeye connect http://localhost:3000
  sockeye connect http://localhost:3000/chat --auth '{\"token\":\"x\"}' --header 'X-Trace: 7'
  echo '{\"cmd\":\"emit\",\"event\":\"sum\",\"args\":[1,2],\"ack\":true}' | sockeye connect http://localhost:3000 --json")]
pub(crate) struct Connect {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Do not connect before a `connect` command
    #[arg(long, help_heading = "Connection")]
    pub(crate) no_autoconnect: bool,
    #[command(flatten)]
    pub(crate) answers: Answers,
    /// Commands as JSON lines on stdin, everything that happens as JSON lines on stdout
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

/// Which events of the server are acknowledged without being asked.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Answers {
    /// Acknowledge EVENT (* for all) by itself: with its own arguments, or with the JSON values after = (repeatable)
    #[arg(long = "answer", value_name = "EVENT[=JSON…]", value_parser = answer)]
    pub(crate) answers: Vec<(String, Option<Vec<Arg>>)>,
}

impl Answers {
    /// The answer to an event: `None` if it is left to somebody else.
    pub(crate) fn to(&self, event: &str, args: &[Arg]) -> Option<Vec<Arg>> {
        let found = |name: &str| self.answers.iter().find(|(answered, _)| answered == name);
        let (_, answer) = found(event).or_else(|| found("*"))?;
        Some(answer.clone().unwrap_or_else(|| args.to_vec()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transports {
    /// HTTP long-polling only
    Polling,
    /// WebSocket only
    Websocket,
    /// Polling first, then WebSocket
    Both,
}

/// Where to connect, and how. Shared by all commands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Connection {
    /// http://HOST[:PORT][/NAMESPACE][?QUERY]
    pub(crate) url: String,
    /// Join this namespace instead of the one in the URL
    #[arg(short, long, value_name = "/NAMESPACE", value_parser = input::namespace, help_heading = "Connection")]
    pub(crate) namespace: Option<String>,
    /// Credentials for the namespace, as JSON, or @FILE with JSON in it
    #[arg(long, value_name = "JSON", value_parser = auth, help_heading = "Connection")]
    pub(crate) auth: Option<Value>,
    /// Header of all HTTP requests (repeatable)
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header, help_heading = "Connection")]
    pub(crate) headers: Vec<(String, String)>,
    /// Query parameter of all HTTP requests (repeatable)
    #[arg(short, long = "query", value_name = "KEY=VALUE", value_parser = key_value, help_heading = "Connection")]
    pub(crate) queries: Vec<(String, String)>,
    /// Path of the server's Socket.IO endpoint [default: /socket.io/]
    #[arg(long, value_name = "PATH", value_parser = path, help_heading = "Connection")]
    pub(crate) path: Option<String>,
    /// Transports to use
    #[arg(
        short,
        long,
        value_enum,
        default_value = "both",
        help_heading = "Connection"
    )]
    pub(crate) transport: Transports,
    /// Stay on polling even if the server offers WebSocket
    #[arg(long, help_heading = "Connection")]
    pub(crate) no_upgrade: bool,
    /// Send binary as base64 text even over WebSocket
    #[arg(long, help_heading = "Connection")]
    pub(crate) force_base64: bool,
    /// How long one attempt to connect may take
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "20s", help_heading = "Connection")]
    pub(crate) connect_timeout: Duration,
    /// How long to wait for an acknowledgement
    #[arg(long, alias = "ack-timeout", value_name = "TIME", value_parser = duration, default_value = "5s", help_heading = "Acknowledgements")]
    pub(crate) timeout: Duration,
    /// Send an event again until it is acknowledged, at most N times more, in order
    #[arg(long, value_name = "N", help_heading = "Acknowledgements")]
    pub(crate) retries: Option<u32>,
    /// Do not reconnect when the connection breaks
    #[arg(long, help_heading = "Reconnection")]
    pub(crate) no_reconnect: bool,
    /// Give up after this many attempts in a row [default: never]
    #[arg(long, value_name = "N", conflicts_with = "no_reconnect", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Reconnection")]
    pub(crate) reconnect_attempts: Option<u32>,
    /// Wait before the first attempt; doubled for each further one
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s", help_heading = "Reconnection")]
    pub(crate) reconnect_delay: Duration,
    /// Longest wait between attempts
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s", help_heading = "Reconnection")]
    pub(crate) reconnect_delay_max: Duration,
    /// Spread of the waits: 0.5 means 50 % shorter to 50 % longer
    #[arg(long, value_name = "0..1", value_parser = factor, default_value = "0.5", help_heading = "Reconnection")]
    pub(crate) randomization_factor: f64,
}

/// Devices, a server and a live page, in one process
///
/// Starts a real Socket.IO server (socketioxide), a handful of device clients, and a web page that shows them live.
/// Ctrl-C ends with a summary. With --duration it runs unattended: the exit code is 0 only if every device joined, telemetry
/// and LED commands were acknowledged, pictures arrived intact, and the device that loses its link came back.
#[cfg(feature = "demo")]
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye demo                                          open the printed address in a browser
  sockeye demo --duration 10s                           run the checks, end with a summary
  sockeye demo --no-devices --bind 0.0.0.0 --port 3000  only the server and the page, for boards of your own
  sockeye demo --connect http://localhost:3000          only the devices, towards another server")]
pub(crate) struct Demo {
    /// End after this time with a summary and an exit code (at least 3s)
    #[arg(long, value_name = "TIME", value_parser = demo_duration)]
    pub(crate) duration: Option<Duration>,
    /// Use this server instead of the built-in one; it must acknowledge `telemetry` on /devices
    #[arg(long, value_name = "URL", conflicts_with_all = ["port", "bind", "no_devices"])]
    pub(crate) connect: Option<String>,
    /// Port of the server and the page [default: a free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) port: u16,
    /// Address to listen on; 0.0.0.0 lets boards and browsers on your network in
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) bind: std::net::IpAddr,
    /// How many device clients to run
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=32))]
    pub(crate) devices: u16,
    /// Run no device clients: only the server and the page
    #[arg(long, conflicts_with = "devices")]
    pub(crate) no_devices: bool,
}

/// `5s`, `300ms`, `1.5s`, `2m`, `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time as 5s, 300ms, 2m or 1h".to_owned();
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

#[cfg(feature = "demo")]
fn demo_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration < Duration::from_secs(3) {
        return Err("the checks need at least 3s".to_owned());
    }
    Ok(duration)
}

fn factor(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|factor| (0.0..=1.0).contains(factor))
        .ok_or_else(|| "write a number from 0 to 1".to_owned())
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("write a header as 'Name: value'")?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c))
    {
        return Err(format!(
            "\"{}\" cannot be the name of a header",
            name.escape_debug()
        ));
    }
    if value.chars().any(char::is_control) {
        return Err("a header's value must be one line".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write a query parameter as key=value".to_owned()),
    }
}

fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        Ok(text.to_owned())
    } else {
        Err(format!("a path starts with a slash: /{text}"))
    }
}

fn auth(text: &str) -> Result<Value, String> {
    match text.strip_prefix('@') {
        Some(file) => {
            let json = std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read {file}: {error}"))?;
            serde_json::from_str(&json)
                .map_err(|error| format!("{file} does not hold JSON: {error}"))
        }
        None => {
            serde_json::from_str(text).map_err(|error| value::not_json(text, &value::plain(&error)))
        }
    }
}

fn answer(text: &str) -> Result<(String, Option<Vec<Arg>>), String> {
    let (event, answer) = match text.split_once('=') {
        Some((event, answer)) => (event, Some(input::arguments(answer)?)),
        None => (text, None),
    };
    if event.is_empty() {
        return Err("write the event's name first: EVENT or EVENT=JSON".to_owned());
    }
    Ok((event.to_owned(), answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(args: &[&str]) -> Result<Cli, String> {
        Cli::try_parse_from(["sockeye"].iter().chain(args)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations() {
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(duration("1.5 m"), Ok(Duration::from_secs(90)));
        for wrong in ["", "5", "s", "-1s", "5 fortnights", "1e999s", "nans"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn connection_options() {
        let cli = parse(&[
            "emit",
            "http://h/chat",
            "sum",
            "1",
            "-2",
            "{\"a\":[]}",
            "--ack",
            "-H",
            "X-A: b: c",
            "-q",
            "k=v=w",
            "--auth",
            "{\"t\":1}",
            "--transport",
            "websocket",
        ]);
        let Ok(Cli {
            command: Action::Emit(emit),
            ..
        }) = cli
        else {
            panic!("{cli:?}")
        };
        assert_eq!(emit.args.len(), 3);
        assert_eq!(
            emit.connection.headers,
            [("X-A".to_owned(), "b: c".to_owned())]
        );
        assert_eq!(
            emit.connection.queries,
            [("k".to_owned(), "v=w".to_owned())]
        );
        assert_eq!(emit.connection.auth, Some(serde_json::json!({"t": 1})));
        assert_eq!(emit.connection.transport, Transports::Websocket);
    }

    #[test]
    fn mistakes_are_explained() {
        for (args, part) in [
            (
                &["emit", "http://h", "x", "hello"][..],
                "hello is not JSON: write a text with quotes",
            ),
            (
                &["emit", "http://h", "x", "@/no/such"],
                "cannot read /no/such",
            ),
            (
                &["emit", "http://h", "x", "--timeout", "5"],
                "write a time as 5s",
            ),
            (&["listen", "http://h", "--auth", "{"], "is not JSON"),
            (
                &["listen", "http://h", "-H", "nocolon"],
                "write a header as",
            ),
            (
                &["listen", "http://h", "-H", "a b: c"],
                "cannot be the name",
            ),
            (&["listen", "http://h", "-q", "novalue"], "key=value"),
            (&["listen", "http://h", "-n", "chat"], "starts with a slash"),
            (
                &["listen", "http://h", "--randomization-factor", "2"],
                "from 0 to 1",
            ),
            (&["listen"], "<URL>"),
        ] {
            let error = parse(args).unwrap_err();
            assert!(error.contains(part), "{args:?}: {error}");
        }
    }

    #[test]
    fn answers() {
        let cli = parse(&[
            "listen",
            "http://h",
            "--answer",
            "led",
            "--answer",
            "sum=3 \"x\"",
            "--answer",
            "quiet=",
        ]);
        let Ok(Cli {
            command: Action::Listen(listen),
            ..
        }) = cli
        else {
            panic!("{cli:?}")
        };
        let own = [Arg::Bool(true)];
        assert_eq!(listen.answers.to("led", &own), Some(own.to_vec()));
        assert_eq!(
            listen.answers.to("sum", &own).map(|args| args.len()),
            Some(2)
        );
        assert_eq!(listen.answers.to("quiet", &own), Some(vec![]));
        assert_eq!(listen.answers.to("other", &own), None);
    }
}
