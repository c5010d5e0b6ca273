//! The figures of a run: one record a second, and one of the whole. What `--json` prints and `--merge` reads.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::engine::{Ending, Plan};
use super::latency::{Timing, millis};
use super::metrics::Tally;
use super::tester::Tester;
use super::threshold::Verdict;
use crate::options::Shard;
use crate::session;

/// The form of the records: one that cannot be read as another gets another number.
pub(crate) const FORMAT: u32 = 1;

/// A line of `--json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Line {
    /// A second has passed.
    Second(Box<Second>),
    /// The run has ended.
    Result(Box<Outcome>),
}

/// What happened in one second.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Second {
    /// Seconds from the start to its end.
    pub(crate) second: f64,
    /// Clients connected at its end.
    pub(crate) connected: u64,
    #[serde(flatten)]
    pub(crate) tally: Tally,
    pub(crate) tester: Tester,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Without what may be secret in it.
    pub(crate) url: String,
    /// Of all shards.
    pub(crate) clients: u64,
    pub(crate) ramp_s: f64,
    pub(crate) duration_s: f64,
    pub(crate) scenarios: Vec<String>,
}

impl Asked {
    pub(crate) fn new(plan: &Plan) -> Self {
        let programs = plan.scenarios.programs();
        Self {
            url: session::public(&plan.connection.url),
            clients: plan.clients,
            ramp_s: plan.ramp.as_secs_f64(),
            duration_s: plan.duration.as_secs_f64(),
            scenarios: programs
                .iter()
                .map(|program| program.name.clone())
                .collect(),
        }
    }
}

/// The whole of a run, or of several.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) format: u32,
    /// The version of this command.
    pub(crate) version: String,
    pub(crate) asked: Asked,
    pub(crate) ending: Ending,
    /// Which testers' figures these are.
    pub(crate) shards: Vec<Shard>,
    /// Seconds of the Unix epoch.
    pub(crate) start: f64,
    /// Seconds from the start until the end, when clients began to leave.
    pub(crate) seconds: f64,
    /// Clients connected at the end.
    pub(crate) connected: u64,
    /// The most clients that were connected at one time, of those times that were looked at.
    pub(crate) peak: u64,
    #[serde(flatten)]
    pub(crate) tally: Tally,
    /// For several testers: the busiest one's share, and the memory of all.
    pub(crate) tester: Tester,
    pub(crate) warnings: Vec<String>,
    pub(crate) conditions: Vec<Verdict>,
}

impl Outcome {
    /// So many a second, over the time of the run.
    pub(crate) fn a_second(&self, count: u64) -> f64 {
        count as f64 / self.seconds.max(1e-3)
    }

    /// Whether a condition of `--fail-if` holds.
    pub(crate) fn failed(&self) -> bool {
        self.conditions.iter().any(|condition| condition.failed)
    }
}

/// One second, or several, as a report plots them: without its histograms, which would take much memory in a long run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Point {
    pub(crate) second: f64,
    /// How many seconds it stands for.
    pub(crate) span: f64,
    pub(crate) connected: u64,
    pub(crate) events: u64,
    pub(crate) acks: u64,
    pub(crate) received: u64,
    pub(crate) errors: u64,
    pub(crate) cpu: Option<f64>,
    /// p50, p99 and max of acknowledgements (or of the first other group that has some), and p99 of the lag; in
    /// milliseconds.
    pub(crate) latency: Option<[f64; 3]>,
    pub(crate) lag: Option<f64>,
}

/// The group of latencies that figures are about when none is named: the first of these that has any.
pub(crate) const MAIN: [Timing; 4] = [Timing::Ack, Timing::Wait, Timing::Listen, Timing::Join];

impl Point {
    pub(crate) fn new(second: &Second, before: f64, main: Timing) -> Self {
        let latency = second.tally.latency.of(main);
        let at = |percent| latency.percentile(percent).map(millis);
        let three = || Some([at(50.0)?, at(99.0)?, latency.max().map(millis)?]);
        let counts = &second.tally.counts;
        Self {
            second: second.second,
            span: second.second - before,
            connected: second.connected,
            events: counts.events,
            acks: counts.acks,
            received: counts.received,
            errors: second.tally.errors(),
            cpu: second.tester.cpu,
            latency: three(),
            lag: second
                .tally
                .latency
                .of(Timing::Lag)
                .percentile(99.0)
                .map(millis),
        }
    }
}

/// A time for people: four digits at most.
pub(crate) fn shown(time: Duration) -> String {
    let ms = millis(time);
    match ms {
        _ if ms < 10.0 => format!("{ms:.2} ms"),
        _ if ms < 100.0 => format!("{ms:.1} ms"),
        _ if ms < 10_000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1e3),
    }
}

/// Bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    let count = count as f64;
    match count {
        _ if count < 1e3 => format!("{count} B"),
        _ if count < 1e6 => format!("{:.1} kB", count / 1e3),
        _ if count < 1e9 => format!("{:.1} MB", count / 1e6),
        _ => format!("{:.2} GB", count / 1e9),
    }
}

/// `1234567` as `1 234 567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_for_people() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1 234 567");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(12_300_000), "12.3 MB");
        assert_eq!(shown(Duration::from_micros(1234)), "1.23 ms");
        assert_eq!(shown(Duration::from_secs(75)), "75.0 s");
    }
}
