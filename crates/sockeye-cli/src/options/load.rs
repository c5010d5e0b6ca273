//! The options of `sockeye load`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Connection;
use super::parse::{positive, ramp, rate, shard};

/// How clients come: see `--ramp`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ramp {
    /// So many clients a second.
    PerSecond(f64),
    /// All of them within this time.
    Within(Duration),
}

impl Ramp {
    /// The time in which `clients` come.
    pub(crate) fn time(self, clients: u64) -> Duration {
        match self {
            Self::PerSecond(rate) => Duration::from_secs_f64(clients as f64 / rate),
            Self::Within(time) => time,
        }
    }
}

/// One of several testers that share the clients: `2/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Shard {
    /// Which one, from 1.
    pub(crate) number: u64,
    /// How many there are.
    pub(crate) of: u64,
}

/// Load a server with many clients, and measure how it answers
///
/// Clients come as --ramp says and stay for --duration. Each sends --event at --rate, or does the steps of a scenario file.
/// Events are due by a timetable that no slow answer delays, and an answer counts from when its event was due, so that a
/// server that stands still shows in the figures. Ctrl-C ends in order, with the figures so far; a second one at once.
///
/// In --args and --auth, {{client}} is the client's number and {{ n }} that of its event (both from 1), {{now}} the time in
/// milliseconds of the Unix epoch, {{random 1 100}} a whole number from 1 to 100, {{bytes 1024}} so many bytes of binary. In a
/// quoted text they become part of the text.
#[derive(Debug, Args)]
#[command(
    mut_arg("url", |url| url.required(false).default_value("").hide_default_value(true)),
    after_help = "\
Examples:
  sockeye load http://localhost:3000 --clients 1000 --ramp 100/s --duration 30s
  sockeye load http://localhost:3000 -c 100 --event echo --args '[{{client}}, {\"n\": {{ n }}}]' --ack --rate 5
  sockeye load http://localhost:3000 -c 500 --event say --args '{\"at\": {{now}}}' --listen say
  sockeye load http://localhost:3000 --scenario chat.toml -c 2000 --report load.html
  sockeye load http://localhost:3000 -c 100 --event echo --ack --fail-if 'p99>200ms' --fail-if 'errors>0.1%'
  sockeye load http://server:3000 -c 80000 --shard 2/8 --start-at 2026-11-26T12:00:00Z --json > 2.json
  sockeye load --merge *.json --report all.html",
    after_long_help = THRESHOLDS,
)]
pub(crate) struct Load {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// How many clients; with --shard, of all shards together
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000_000), help_heading = "Load")]
    pub(crate) clients: u64,
    /// How they come: so many a second (100/s), or all within a time (20s)
    #[arg(long, value_name = "RAMP", default_value = "500/s", value_parser = ramp, help_heading = "Load")]
    pub(crate) ramp: Ramp,
    /// How long to go on after the last client has come
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = positive, help_heading = "Load")]
    pub(crate) duration: Duration,
    /// Event that every client sends [default: none, the connections are held]
    #[arg(
        short,
        long,
        value_name = "EVENT",
        conflicts_with = "scenario",
        help_heading = "Load"
    )]
    pub(crate) event: Option<String>,
    /// Arguments of the event: a JSON array of them, or one JSON value, with placeholders (@FILE: what is in a file)
    #[arg(
        long,
        value_name = "JSON",
        requires = "event",
        allow_hyphen_values = true,
        help_heading = "Load"
    )]
    pub(crate) args: Option<String>,
    /// Events a second that each client sends
    #[arg(long, value_name = "R", default_value = "1", value_parser = rate, requires = "event", help_heading = "Load")]
    pub(crate) rate: f64,
    /// Ask for acknowledgements, and time them (--timeout: how long to wait for one)
    #[arg(short, long, requires = "event", help_heading = "Load")]
    pub(crate) ack: bool,
    /// Count and time this event of the server (repeatable)
    #[arg(
        long,
        value_name = "EVENT",
        conflicts_with = "scenario",
        help_heading = "Load"
    )]
    pub(crate) listen: Vec<String>,
    /// Where a heard event has the sender's time, as a JSON pointer into its arguments: /0/at [default: where {{now}} is in --args]
    #[arg(long, value_name = "POINTER", value_parser = super::parse::pointer, help_heading = "Load")]
    pub(crate) sent_at: Option<String>,
    /// What clients do, from a TOML or JSON file (see --example)
    #[arg(short, long, value_name = "FILE", help_heading = "Load")]
    pub(crate) scenario: Option<PathBuf>,
    /// Print a scenario file that runs against `sockeye demo`
    #[arg(long, exclusive = true, help_heading = "Load")]
    pub(crate) example: bool,
    /// Begin of the random numbers: the same seed gives the same ones
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Load")]
    pub(crate) seed: u64,
    /// Connect from this local address (repeatable, in turn) [default: the system's choice; on loopback, more as ports run out]
    #[arg(long, value_name = "ADDRESS", help_heading = "Load")]
    pub(crate) source: Vec<IpAddr>,
    /// Threads that work [default: as many as there are processors, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Load")]
    pub(crate) threads: Option<u16>,
    /// Be the K-th of N testers that share the clients
    #[arg(long, value_name = "K/N", value_parser = shard, help_heading = "Several testers")]
    pub(crate) shard: Option<Shard>,
    /// Begin at this time: 2026-11-26T12:00:00Z, or seconds of the Unix epoch
    #[arg(long, value_name = "TIME", value_parser = super::parse::moment, help_heading = "Several testers")]
    pub(crate) start_at: Option<std::time::SystemTime>,
    /// Add the figures of several testers (their --json output) instead of loading a server
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["url", "scenario", "event", "shard", "start_at"], help_heading = "Several testers")]
    pub(crate) merge: Vec<PathBuf>,
    /// Merge although shards are missing
    #[arg(long, requires = "merge", help_heading = "Several testers")]
    pub(crate) allow_missing: bool,
    /// Exit with code 6 if this holds in the end: 'p99>200ms', 'errors>0.1%', 'connected<10000' (repeatable)
    #[arg(long, value_name = "CONDITION", value_parser = crate::verbs::load::condition, help_heading = "Output")]
    pub(crate) fail_if: Vec<crate::verbs::load::Condition>,
    /// Write a page with plots and tables
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) report: Option<PathBuf>,
    /// One JSON object a second on stdout, and one with the result
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

impl Load {
    /// How many threads work.
    pub(crate) fn threads(&self) -> usize {
        self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(2, |found| found.get().min(8)),
            usize::from,
        )
    }
}

/// The part of `--help` about conditions and exit codes.
const THRESHOLDS: &str = "\
Conditions (--fail-if): a figure, one of > >= < <=, and a value.
  p50, p99.9, max, mean, min   of the acknowledgements, as a time: 'p99>200ms'
  connect.p99, join.max, …     the same of another group: connect, join, ack, wait, listen, lag
  errors                       a number, or a share of all that was tried: 'errors>0', 'errors>0.1%'
  connected, peak              clients connected at the end, and most at one time
  joins, events, acks, waits, received, reconnects, disconnects    numbers
  events/s, acks/s, received/s                                     numbers a second
  cpu                          processors that the tester used: 'cpu>1.5'
A figure that nothing was measured for fails its condition.

Exit codes:
  0    ended as planned, and no condition of --fail-if holds
  1    no client could connect
  2    wrong usage: an option, the URL, a scenario or result file, too few file descriptors
  6    a condition of --fail-if holds
  7    the output or the report could not be written
  130  ended by Ctrl-C; the figures so far have been printed";
