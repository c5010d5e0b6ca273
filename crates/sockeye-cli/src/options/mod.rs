//! The command line: options, their help, and the checks of single values.

// Doc comments on options are help texts for a terminal, not Markdown.
#![allow(rustdoc::broken_intra_doc_links, rustdoc::invalid_html_tags)]

mod load;
mod network;
mod parse;

use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use self::parse::{Hidden, answer, factor, hidden, path};
use crate::exit::{self, Failure};
use crate::value::{self, Arg, Words};

pub(crate) use self::load::{Load, Ramp, Shard};
#[cfg(feature = "demo")]
pub(crate) use self::network::ca_pem;
pub(crate) use self::network::{Network, by_option};
pub(crate) use self::parse::{duration, pointer};

/// `sockeye connect --help`: the manual of the line protocol.
const CONNECT_MANUAL: &str = include_str!("manual.txt");

const EXAMPLES: &str = "\
Examples:
  sockeye listen http://localhost:3000                          print every event
  sockeye listen http://localhost:3000/chat message --json      only `message`, one JSON object per line
  sockeye emit http://localhost:3000 greet '\"hi\"' '{\"n\": 1}'    send an event with two arguments
  sockeye emit http://localhost:3000 photo @photo.jpg --ack     send a file as binary, print the answer
  sockeye connect http://localhost:3000 --auth '{\"token\":\"x\"}'  talk by hand
  sockeye connect http://localhost:3000 --json < commands       let a script drive a full client
  sockeye load http://localhost:3000 --clients 1000             how a server bears many clients
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
    Load(Box<Load>),
    #[cfg(feature = "demo")]
    Demo(Demo),
    Completions(Completions),
    #[command(hide = true)]
    Man(Man),
}

/// Print the completions of a shell
///
/// For example: sockeye completions bash > ~/.local/share/bash-completion/completions/sockeye
#[derive(Debug, Args)]
#[command(after_help = "\
Where to put them:
  bash        sockeye completions bash > ~/.local/share/bash-completion/completions/sockeye
  zsh         sockeye completions zsh > \"${fpath[1]}/_sockeye\"
  fish        sockeye completions fish > ~/.config/fish/completions/sockeye.fish
  powershell  sockeye completions powershell >> $PROFILE")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// Write the manual pages into a folder
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder; it is made if need be
    pub(crate) folder: std::path::PathBuf,
}

/// Print the events that a server sends
///
/// Events go to stdout, one a line; the state of the connection goes to stderr (with --json all goes to stdout).
/// Listens until Ctrl-C, reconnecting when the connection breaks; with --count, Ctrl-C before the count is exit code 130.
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
/// Arguments are JSON values, or @FILE for what is in a file (- is stdin): JSON if its name ends in .json, its bytes
/// otherwise; @json:FILE, @text:FILE and @bin:FILE say which. {"_bin": "<base64>"} is binary at any depth.
/// The answer's arguments are printed one a line as JSON.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye emit http://localhost:3000 greet '\"hello\"'
  sockeye emit http://localhost:3000/devices led true --ack --timeout 2s
  sockeye emit http://localhost:3000 upload @photo.jpg '{\"name\":\"photo.jpg\"}' --ack
  sockeye emit http://localhost:3000 say hello --text
  tar c photos | sockeye emit http://localhost:3000 backup @- --ack
  sockeye emit http://localhost:3000 sum 1 2 --ack --json | jq '.args'")]
pub(crate) struct Emit {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Name of the event
    pub(crate) event: String,
    /// Arguments: JSON values, or @FILE for what is in a file
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    words: Vec<String>,
    /// Take an argument that is not JSON as a text
    #[arg(long)]
    text: bool,
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

impl Emit {
    /// The arguments of the event.
    pub(crate) fn args(&self) -> Result<Vec<Arg>, Failure> {
        let words = Words { text: self.text };
        let read = |(index, word): (usize, &String)| {
            let number = index + 1;
            words.read(word).map_err(|why| {
                Failure::usage(format!(
                    "argument {number}: {why} (see sockeye emit --help)"
                ))
            })
        };
        self.words.iter().enumerate().map(read).collect()
    }
}

/// Talk to a server by hand, or let a script do so (--json)
#[derive(Debug, Args)]
#[command(long_about = CONNECT_MANUAL, after_help = "\
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
    /// End at the first line of piped input that cannot be done, with its number and exit code 2
    #[arg(long, help_heading = "Input")]
    pub(crate) strict: bool,
    /// Take an argument that is not JSON as a text (without --json)
    #[arg(long, help_heading = "Input")]
    pub(crate) text: bool,
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

/// The parsers by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PacketParser {
    /// Text with JSON: the default of every server
    Json,
    /// MessagePack: servers with `socket.io-msgpack-parser`
    Msgpack,
}

/// The versions of Engine.IO by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineVersion {
    /// What the server speaks
    Auto,
    /// Socket.IO 3, 4 and later
    #[value(name = "4")]
    V4,
    /// Socket.IO 2 and 1
    #[value(name = "3")]
    V3,
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
    #[arg(short, long, value_name = "/NAMESPACE", value_parser = value::namespace, help_heading = "Connection")]
    pub(crate) namespace: Option<String>,
    /// Credentials for the namespace: JSON, or @FILE with JSON in it, which no list of processes shows (- is stdin)
    #[arg(long, value_name = "JSON", value_parser = hidden(parse::word), help_heading = "Connection")]
    auth: Option<Hidden<String>>,
    /// Header of all HTTP requests (repeatable)
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = hidden(parse::header), help_heading = "Connection")]
    headers: Vec<Hidden<(String, String)>>,
    /// Query parameter of all HTTP requests (repeatable)
    #[arg(short, long = "query", value_name = "KEY=VALUE", value_parser = hidden(parse::key_value), help_heading = "Connection")]
    queries: Vec<Hidden<(String, String)>>,
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
    /// Compress WebSocket messages of 1 KiB or more, if the server agrees (permessage-deflate)
    #[arg(long, help_heading = "Connection")]
    pub(crate) compress: bool,
    /// How packets are written: as the server's parser wants them
    #[arg(long, value_enum, default_value = "json", help_heading = "Connection")]
    pub(crate) parser: PacketParser,
    /// Which version of Engine.IO is spoken: 3 is for servers of Socket.IO 2 and 1
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        value_name = "VERSION",
        help_heading = "Connection"
    )]
    pub(crate) eio: EngineVersion,
    #[command(flatten)]
    pub(crate) network: Network,
    /// How long one attempt to connect may take
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "20s", help_heading = "Connection")]
    pub(crate) connect_timeout: Duration,
    /// How long to wait for an acknowledgement; with --retries, at each try
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

impl Connection {
    /// The credentials for the namespace. (To be called once: they may be on stdin.)
    pub(crate) fn auth(&self) -> Result<Option<Arg>, Failure> {
        self.auth_word()?
            .map(value::credentials)
            .transpose()
            .map_err(|why| Failure::usage(format!("--auth: {why}")))
    }

    /// The credentials as they were written.
    pub(crate) fn auth_word(&self) -> Result<Option<&str>, Failure> {
        self.auth
            .as_ref()
            .map(|auth| auth.get("--auth").map(String::as_str))
            .transpose()
    }

    /// The headers of all requests.
    pub(crate) fn headers(&self) -> Result<Vec<&(String, String)>, Failure> {
        self.headers
            .iter()
            .map(|header| header.get("--header"))
            .collect()
    }

    /// The query parameters of all requests.
    pub(crate) fn queries(&self) -> Result<Vec<&(String, String)>, Failure> {
        self.queries
            .iter()
            .map(|query| query.get("--query"))
            .collect()
    }
}

/// Devices, a server and a live page, in one process
///
/// Starts a real Socket.IO server (socketioxide), a handful of simulated devices, and a web page that shows them live.
/// Ctrl-C ends with a summary. With --duration it runs unattended: the exit code is 0 only if every device joined, telemetry
/// and LED commands were acknowledged, pictures arrived intact, and the device that loses its link came back.
#[cfg(feature = "demo")]
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye demo                                          open the printed address in a browser
  sockeye demo --duration 10s                           run the checks, end with a summary
  sockeye demo --no-devices --bind 0.0.0.0 --port 3000  only the server and the page, for boards of your own
  sockeye demo --connect http://localhost:3000          only the devices, towards another server
  sockeye demo --cluster                                three servers behind nginx that are killed and frozen in turn")]
pub(crate) struct Demo {
    /// End after this time with a summary and an exit code (at least 3s)
    #[arg(long, value_name = "TIME", value_parser = parse::demo_duration)]
    pub(crate) duration: Option<Duration>,
    /// Use this server instead of the built-in one; it must acknowledge `telemetry` on /devices
    #[arg(long, value_name = "URL", conflicts_with_all = ["port", "bind", "no_devices"])]
    pub(crate) connect: Option<String>,
    /// Let the devices join a cluster instead of the built-in server: three Node servers with Redis behind nginx, which are
    /// killed, frozen and reloaded in turn; the page shows which node each device is on (in a checkout of the repository)
    #[arg(long, conflicts_with_all = ["connect", "tls"])]
    pub(crate) cluster: bool,
    /// Port of the server and the page; 0 is a free one [default: 7625, or a free one if it is taken]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Address to listen on; 0.0.0.0 lets boards and browsers on your network in
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) bind: std::net::IpAddr,
    /// Serve over https, with a certificate by an authority that is made for this run
    #[arg(long, conflicts_with = "connect")]
    pub(crate) tls: bool,
    /// Where to write that authority's certificate (PEM), for browsers and boards to trust
    #[arg(
        long,
        value_name = "FILE",
        default_value = "sockeye-demo-ca.pem",
        requires = "tls"
    )]
    pub(crate) tls_ca: std::path::PathBuf,
    /// A further name or address of this machine in the certificate, as boards and browsers call it; repeat for more
    #[arg(long, value_name = "HOST", requires = "tls")]
    pub(crate) tls_name: Vec<String>,
    /// Trust the certificate authorities in this PEM file, and no others, at --connect https://…
    #[arg(long, value_name = "FILE", requires = "connect")]
    pub(crate) cacert: Option<std::path::PathBuf>,
    /// How many simulated devices to run
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=32))]
    pub(crate) devices: u16,
    /// Run no simulated devices: only the server and the page
    #[arg(long, conflicts_with = "devices")]
    pub(crate) no_devices: bool,
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
        assert_eq!(emit.args().unwrap().len(), 3);
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(emit.connection.headers().unwrap(), [&pair("X-A", "b: c")]);
        assert_eq!(emit.connection.queries().unwrap(), [&pair("k", "v=w")]);
        let auth = emit.connection.auth().unwrap().unwrap();
        assert_eq!(auth.to_json().unwrap(), "{\"t\":1}");
        assert_eq!(emit.connection.transport, Transports::Websocket);
    }

    #[test]
    fn mistakes_are_explained() {
        for (args, part) in [
            (
                &["emit", "http://h", "x", "--timeout", "5"][..],
                "write a time as 5s",
            ),
            (&["listen", "http://h", "-n", "chat"], "starts with a slash"),
            (
                &["listen", "http://h", "--randomization-factor", "2"],
                "from 0 to 1",
            ),
            (&["listen"], "<URL>"),
            (&["emit", "http://h", "x", "--timout", "5s"], "'--timeout'"),
            (&["listen", "http://h", "--no-reconect"], "'--no-reconnect'"),
            (&["lisen", "http://h"], "'listen'"),
        ] {
            let error = parse(args).unwrap_err();
            assert!(error.contains(part), "{args:?}: {error}");
        }
    }

    #[test]
    fn complaints_about_what_may_be_secret_do_not_quote_it() {
        for (option, value, part) in [
            ("--auth", "{\"token\":\"s3cret\"", "--auth: it is not JSON"),
            ("--auth", "s3cret", "--auth: it is not JSON"),
            ("--auth", "[\"s3cret\"]", "a JSON object"),
            ("-H", "Authorization s3cret", "write a header as"),
            ("-H", "a s3cret: c", "cannot be the name"),
            ("-q", "s3cret", "key=value"),
        ] {
            let cli = parse(&["listen", "http://h", option, value]).expect("told later");
            assert!(!format!("{cli:?}").contains("s3cret"), "{cli:?}");
            let Action::Listen(Listen { connection, .. }) = cli.command else {
                panic!("another command")
            };
            let wrong = [
                connection.auth().err(),
                connection.headers().err(),
                connection.queries().err(),
            ];
            let wrong = wrong.into_iter().flatten().next().expect("a complaint");
            assert!(wrong.message.contains(part), "{wrong}");
            assert!(!wrong.message.contains("s3cret"), "{wrong}");
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
        let own = [Arg::Raw("true".into())];
        assert_eq!(listen.answers.to("led", &own), Some(own.to_vec()));
        assert_eq!(
            listen.answers.to("sum", &own).map(|args| args.len()),
            Some(2)
        );
        assert_eq!(listen.answers.to("quiet", &own), Some(vec![]));
        assert_eq!(listen.answers.to("other", &own), None);
    }
}
