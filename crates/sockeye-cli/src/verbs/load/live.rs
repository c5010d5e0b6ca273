//! The view of a run while it goes on: a bar on a terminal, a line a second without one.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::latency::{Timing, millis};
use super::outcome::{Second, bytes, grouped, shown};

/// Where it goes: to stderr, so that stdout has the result alone.
pub(crate) enum Live {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Live {
    /// For people, or nothing. `length` is the whole run's.
    pub(crate) fn new(people: bool, length: Duration) -> Self {
        if !people {
            return Self::Nothing;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines;
        }
        let total = length.as_millis() as u64;
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        // The template is right, which a test sees to.
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    pub(crate) fn show(&self, second: &Second, main: Timing, elapsed: Duration) {
        let [first, rest] = words(second, main, elapsed);
        match self {
            Self::Bar(bar) => {
                bar.set_position((second.second * 1e3) as u64);
                bar.set_message(format!("{first}\n  {rest}"));
            }
            // Nobody reads stderr: no reason to stop.
            Self::Lines => {
                use std::io::Write as _;
                let at = format!("{:.0} s", second.second);
                let _ = writeln!(std::io::stderr(), "{at:>6}  {first} · {rest}");
            }
            Self::Nothing => (),
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

const TEMPLATE: &str = "{wide_bar} {elapsed}\n  {msg}";

/// Two lines about a second.
fn words(second: &Second, main: Timing, elapsed: Duration) -> [String; 2] {
    let counts = &second.tally.counts;
    let a_second = |count: u64| {
        let rate = count as f64 / elapsed.as_secs_f64().max(1e-3);
        grouped(rate.round() as u64)
    };
    let mut first = format!(
        "{} connected · {} events/s · {} acks/s",
        grouped(second.connected),
        a_second(counts.events),
        a_second(counts.acks)
    );
    if counts.received > 0 {
        first += &format!(" · {} received/s", a_second(counts.received));
    }
    let latency = second.tally.latency.of(main);
    let mut rest = String::new();
    if let (Some(p50), Some(p99)) = (latency.percentile(50.0), latency.percentile(99.0)) {
        rest += &format!("{} p50 {} p99 {} · ", main.name(), shown(p50), shown(p99));
    }
    rest += &format!(
        "{} out {} in",
        bytes(counts.sent_bytes),
        bytes(counts.received_bytes)
    );
    let errors = second.tally.errors();
    if errors > 0 {
        rest += &format!(" · {} errors", grouped(errors));
    }
    let lag = second.tally.latency.of(Timing::Lag).percentile(99.0);
    if let Some(cpu) = second.tester.cpu {
        rest += &format!(
            " · tester: cpu {cpu:.2}, lag {:.1} ms",
            lag.map_or(0.0, millis)
        );
    }
    [first, rest]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::load::metrics::Tally;
    use crate::verbs::load::tester::Tester;

    #[test]
    fn a_second_in_two_lines() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
        let mut tally = Tally::default();
        tally.counts.events = 3000;
        tally.latency.record(Timing::Ack, Duration::from_millis(5));
        let second = Second {
            second: 1.0,
            connected: 1500,
            tally,
            tester: Tester {
                cpu: Some(0.5),
                processors: 2,
                memory: None,
            },
        };
        let [first, rest] = words(&second, Timing::Ack, Duration::from_secs(2));
        assert_eq!(first, "1 500 connected · 1 500 events/s · 0 acks/s");
        assert_eq!(
            rest,
            "ack p50 5.00 ms p99 5.00 ms · 0 B out 0 B in · tester: cpu 0.50, lag 0.0 ms"
        );
    }
}
