//! Conditions of `--fail-if`: read strictly, and judged in the end.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::latency::Timing;
use super::outcome::{Outcome, grouped, shown};

/// A condition: a figure, a comparison and a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    text: String,
    figure: Figure,
    comparison: Comparison,
    value: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Figure {
    Latency(Timing, Statistic),
    Errors,
    ErrorShare,
    Count(&'static str),
    Rate(&'static str),
    Cpu,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Statistic {
    Percentile(f64),
    Min,
    Mean,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Comparison {
    /// Longer ones first: `>=` begins with `>`.
    const ALL: [(&'static str, Self); 4] = [
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        (">", Self::Above),
        ("<", Self::Below),
    ];

    fn holds(self, found: f64, value: f64) -> bool {
        match self {
            Self::Above => found > value,
            Self::AtLeast => found >= value,
            Self::Below => found < value,
            Self::AtMost => found <= value,
        }
    }
}

const COUNTS: [&str; 10] = [
    "connected",
    "peak",
    "started",
    "joins",
    "events",
    "acks",
    "waits",
    "received",
    "reconnects",
    "disconnects",
];
const RATES: [&str; 3] = ["events", "acks", "received"];

/// Reads a condition.
///
/// # Errors
/// What was expected instead.
pub(crate) fn condition(text: &str) -> Result<Condition, String> {
    let split = |(sign, comparison): (&str, Comparison)| {
        let (figure, value) = text.split_once(sign)?;
        Some((figure.trim(), comparison, value.trim()))
    };
    let (name, comparison, value) = Comparison::ALL
        .into_iter()
        .find_map(split)
        .ok_or("write a figure, one of > >= < <=, and a value: 'p99>200ms'")?;
    let figure = figure(name, value.ends_with('%'))?;
    let number = |text: &str| -> Option<f64> {
        let number: f64 = text.trim().parse().ok()?;
        (number.is_finite() && number >= 0.0).then_some(number)
    };
    let wrong =
        |expected: &str| format!("{value:?} is no value for {name}: {expected} is expected");
    let value = match figure {
        Figure::Latency(..) => {
            let time = micros_or_duration(value).ok_or_else(|| wrong("a time such as 200ms"))?;
            time.as_secs_f64()
        }
        Figure::ErrorShare => {
            let percent = number(value.trim_end_matches('%')).filter(|percent| *percent <= 100.0);
            percent.ok_or_else(|| wrong("a share such as 0.1%"))? / 100.0
        }
        Figure::Errors => {
            number(value).ok_or_else(|| wrong("a number, or a share such as 0.1%,"))?
        }
        Figure::Count(_) | Figure::Rate(_) | Figure::Cpu => {
            number(value).ok_or_else(|| wrong("a number"))?
        }
    };
    Ok(Condition {
        text: text.trim().to_owned(),
        figure,
        comparison,
        value,
    })
}

fn micros_or_duration(text: &str) -> Option<Duration> {
    match text.strip_suffix("us").or_else(|| text.strip_suffix("µs")) {
        Some(number) => Duration::try_from_secs_f64(number.trim().parse::<f64>().ok()? / 1e6).ok(),
        None => crate::options::duration(text).ok(),
    }
}

fn figure(name: &str, share: bool) -> Result<Figure, String> {
    let known = |names: &'static [&'static str], name: &str| {
        names.iter().find(|known| **known == name).copied()
    };
    if name == "errors" {
        return Ok(if share {
            Figure::ErrorShare
        } else {
            Figure::Errors
        });
    }
    if name == "cpu" {
        return Ok(Figure::Cpu);
    }
    if let Some(count) = known(&COUNTS, name) {
        return Ok(Figure::Count(count));
    }
    if let Some(rate) = name.strip_suffix("/s").and_then(|name| known(&RATES, name)) {
        return Ok(Figure::Rate(rate));
    }
    let (group, statistic) = match name.split_once('.') {
        // `p99.9` has a point of its own.
        Some((group, statistic))
            if !group.starts_with(|c: char| {
                c == 'p' && name[1..].starts_with(|c: char| c.is_ascii_digit())
            }) =>
        {
            let found = Timing::ALL
                .into_iter()
                .find(|timing| timing.name() == group);
            (found.ok_or_else(|| unknown(name))?, statistic)
        }
        _ => (Timing::Ack, name),
    };
    let statistic = match statistic {
        "min" => Statistic::Min,
        "mean" => Statistic::Mean,
        "max" => Statistic::Max,
        _ => {
            let percent = statistic
                .strip_prefix('p')
                .and_then(|percent| percent.parse().ok());
            let percent = percent.filter(|percent: &f64| *percent > 0.0 && *percent <= 100.0);
            Statistic::Percentile(percent.ok_or_else(|| unknown(name))?)
        }
    };
    Ok(Figure::Latency(group, statistic))
}

fn unknown(name: &str) -> String {
    format!(
        "{name:?} is no figure: p50, p99.9, max, mean or min (also of a group: connect.p99), errors, {}, events/s, acks/s, received/s or cpu is expected",
        COUNTS.join(", ")
    )
}

/// What became of a condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) condition: String,
    /// The figure, for people.
    pub(crate) found: String,
    /// It holds, so that the run has failed.
    pub(crate) failed: bool,
}

impl Condition {
    /// Looks whether it holds. One about a figure that nothing was measured for does: there is no reason to be content.
    pub(crate) fn judge(&self, outcome: &Outcome) -> Verdict {
        let found = self.figure.of(outcome);
        Verdict {
            condition: self.text.clone(),
            found: found.map_or("nothing was measured".to_owned(), |found| {
                self.figure.shown(found)
            }),
            failed: found.is_none_or(|found| self.comparison.holds(found, self.value)),
        }
    }
}

impl Figure {
    fn of(self, outcome: &Outcome) -> Option<f64> {
        let (tally, counts) = (&outcome.tally, &outcome.tally.counts);
        match self {
            Self::Latency(timing, statistic) => {
                let latency = tally.latency.of(timing);
                let time = match statistic {
                    Statistic::Percentile(percent) => latency.percentile(percent),
                    Statistic::Min => latency.min(),
                    Statistic::Mean => latency.mean(),
                    Statistic::Max => latency.max(),
                };
                time.map(|time| time.as_secs_f64())
            }
            Self::Errors => Some(tally.errors() as f64),
            Self::ErrorShare => Some(tally.error_share()),
            Self::Cpu => outcome.tester.cpu,
            Self::Count(name) | Self::Rate(name) => {
                let count = match name {
                    "connected" => outcome.connected,
                    "peak" => outcome.peak,
                    "started" => counts.started,
                    "joins" => counts.joins,
                    "events" => counts.events,
                    "acks" => counts.acks,
                    "waits" => counts.waits,
                    "received" => counts.received,
                    "reconnects" => counts.reconnects,
                    "disconnects" => counts.disconnects,
                    _ => return None,
                };
                Some(match self {
                    Self::Rate(_) => outcome.a_second(count),
                    _ => count as f64,
                })
            }
        }
    }

    fn shown(self, found: f64) -> String {
        match self {
            Self::Latency(..) => shown(Duration::from_secs_f64(found)),
            Self::ErrorShare => format!("{:.3} %", found * 100.0),
            Self::Errors | Self::Count(_) => grouped(found as u64),
            Self::Rate(_) => format!("{found:.1}/s"),
            Self::Cpu => format!("{found:.2}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.failed { "FAILED" } else { "ok" };
        write!(
            f,
            "{verdict}: fail if {} (found: {})",
            self.condition, self.found
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::load::merge::tests::outcome;

    #[test]
    fn conditions_are_judged() {
        let mut outcome = outcome();
        outcome.connected = 9999;
        outcome.seconds = 10.0;
        let tally = &mut outcome.tally;
        tally.counts.acks = 999;
        tally.counts.events = 1000;
        for ms in 1..=1000 {
            tally.latency.record(Timing::Ack, Duration::from_millis(ms));
        }
        tally.errors.insert(
            "ack: timeout".into(),
            super::super::metrics::ErrorCount {
                count: 1,
                sample: "x".into(),
            },
        );
        for (text, failed, found) in [
            ("p99>200ms", true, "990 ms"),
            ("p99 > 1s", false, "990 ms"),
            ("p99.9>=990ms", true, "999 ms"),
            ("ack.max<1s", false, "1000 ms"),
            ("mean>500500us", true, "501 ms"),
            ("min<0.5ms", false, "1.00 ms"),
            ("errors>0.1%", false, "0.100 %"),
            ("errors>=1", true, "1"),
            ("errors>0.09%", true, "0.100 %"),
            ("connected<10000", true, "9 999"),
            ("connected<=9998", false, "9 999"),
            ("events/s<100", false, "100.0/s"),
            ("acks<1000", true, "999"),
            ("connect.p50>1h", true, "nothing was measured"),
        ] {
            let verdict = condition(text).unwrap().judge(&outcome);
            assert_eq!(
                (verdict.failed, verdict.found.as_str()),
                (failed, found),
                "{text}"
            );
        }
    }

    #[test]
    fn mistakes_say_what_is_expected() {
        for (text, part) in [
            ("p99", "one of > >= < <="),
            ("p99>200", "a time such as 200ms"),
            ("p99>-1s", "a time such as 200ms"),
            ("p0>1s", "is no figure: p50"),
            ("p101>1s", "is no figure"),
            ("pp>1s", "is no figure"),
            ("foo.p99>1s", "\"foo.p99\" is no figure"),
            ("errors>1x", "a number, or a share"),
            ("errors>101%", "a share such as 0.1%"),
            ("connected<1%", "a number is expected"),
            ("connected=1", "one of > >= < <="),
            ("", "one of"),
            ("conected<1", "connected, peak"),
            ("p99>nans", "a time"),
        ] {
            let error = condition(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
