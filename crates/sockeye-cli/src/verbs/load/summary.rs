//! The result for people.

use super::engine::Ending;
use super::latency::Timing;
use super::outcome::{Outcome, bytes, grouped, shown};
use crate::output::human::tame;

/// The columns of latencies: their titles and percentiles.
pub(crate) const COLUMNS: [(&str, f64); 5] = [
    ("p50", 50.0),
    ("p90", 90.0),
    ("p99", 99.0),
    ("p99.9", 99.9),
    ("max", 100.0),
];

/// The lines of the summary.
pub(crate) fn summary(outcome: &Outcome) -> Vec<String> {
    let counts = &outcome.tally.counts;
    let mut lines = Vec::new();
    let mut line = |name: &str, text: String| lines.push(format!("{name:<10}{text}"));
    if let Some(ended) = ending(outcome) {
        line("run", ended);
    }
    line(
        "clients",
        format!(
            "{} of {} came, {} connected at the end (at most {})",
            grouped(counts.started),
            grouped(wanted(outcome)),
            grouped(outcome.connected),
            grouped(outcome.peak)
        ),
    );
    line(
        "joins",
        format!(
            "{} ({} reconnections, {} disconnects)",
            grouped(counts.joins),
            grouped(counts.reconnects),
            grouped(counts.disconnects)
        ),
    );
    line("events", events(outcome));
    line(
        "bytes",
        format!(
            "{} sent, {} received",
            bytes(counts.sent_bytes),
            bytes(counts.received_bytes)
        ),
    );
    line("tester", tester(outcome));
    let errors = outcome.tally.errors();
    if errors == 0 {
        line("errors", "none".to_owned());
    } else {
        let share = outcome.tally.error_share() * 100.0;
        line(
            "errors",
            format!("{} ({share:.3} % of what was tried)", grouped(errors)),
        );
    }
    for (kind, errors) in &outcome.tally.errors {
        let sample = tame(&errors.sample);
        lines.push(format!("  {:>9} × {kind}: {sample}", grouped(errors.count)));
    }
    lines.push(String::new());
    let titles = COLUMNS.map(|(title, _)| format!("{title:>11}")).concat();
    lines.push(format!("{:<10}{titles}{:>13}", "latency", "count"));
    for timing in Timing::ALL {
        let latency = outcome.tally.latency.of(timing);
        let cells = COLUMNS.map(|(_, percent)| {
            let time = latency.percentile(percent);
            format!("{:>11}", time.map_or("-".to_owned(), shown))
        });
        if latency.count() > 0 {
            let count = grouped(latency.count());
            lines.push(format!(
                "  {:<8}{}{count:>13}",
                timing.name(),
                cells.concat()
            ));
        }
    }
    if !outcome.warnings.is_empty() || !outcome.conditions.is_empty() {
        lines.push(String::new());
    }
    let warnings = outcome.warnings.iter();
    lines.extend(warnings.map(|warning| format!("warning: {}", tame(warning))));
    lines.extend(outcome.conditions.iter().map(ToString::to_string));
    lines
}

/// Clients that these testers were to start.
pub(crate) fn wanted(outcome: &Outcome) -> u64 {
    let clients = outcome.asked.clients;
    let own = outcome.shards.iter().map(|shard| {
        // The first ones have one more where it does not divide.
        clients / shard.of + u64::from(shard.number <= clients % shard.of)
    });
    own.sum()
}

/// How it ended, if not as planned.
fn ending(outcome: &Outcome) -> Option<String> {
    match outcome.ending {
        Ending::Complete => None,
        Ending::Done => Some(format!(
            "all clients had done their steps after {:.1} s",
            outcome.seconds
        )),
        Ending::Interrupted => Some(format!("interrupted after {:.1} s", outcome.seconds)),
    }
}

pub(crate) fn events(outcome: &Outcome) -> String {
    let counts = &outcome.tally.counts;
    let rate = |count: u64| format!("{:.1}/s", outcome.a_second(count));
    let mut text = format!("{} sent ({})", grouped(counts.events), rate(counts.events));
    if counts.events > counts.unasked {
        text += &format!(
            ", {} acknowledged ({})",
            grouped(counts.acks),
            rate(counts.acks)
        );
    }
    if counts.received > 0 {
        text += &format!(
            ", {} received ({})",
            grouped(counts.received),
            rate(counts.received)
        );
    }
    text
}

pub(crate) fn tester(outcome: &Outcome) -> String {
    let tester = &outcome.tester;
    let mut text = match tester.cpu {
        Some(cpu) => format!("{cpu:.2} of {} processors", tester.processors),
        None => format!("{} processors", tester.processors),
    };
    if let Some(memory) = tester.memory {
        text += &format!(", {} of memory", bytes(memory));
    }
    if let Some(lag) = outcome.tally.latency.of(Timing::Lag).percentile(99.0) {
        text += &format!(", late by {} in 99 %", shown(lag));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Shard;
    use crate::verbs::load::merge::tests::outcome;
    use crate::verbs::load::metrics::ErrorCount;
    use std::time::Duration;

    #[test]
    fn a_summary() {
        let mut outcome = outcome();
        outcome
            .tally
            .latency
            .record(Timing::Ack, Duration::from_millis(5));
        let sample = "no \u{1b}[31m".to_owned();
        outcome
            .tally
            .errors
            .insert("ack: timeout".into(), ErrorCount { count: 3, sample });
        let text = summary(&outcome).join("\n");
        assert!(text.contains("0 of 10 came"), "{text}");
        assert!(text.contains("3 × ack: timeout: no \\u001b[31m"), "{text}");
        assert!(text.contains("  ack         5.00 ms    5.00 ms"), "{text}");
        assert!(!text.contains("  join "), "{text}");
    }

    #[test]
    fn shards_have_their_part_of_the_clients() {
        let mut outcome = outcome();
        let of = |numbers: &[u64]| {
            numbers
                .iter()
                .map(|&number| Shard { number, of: 3 })
                .collect()
        };
        outcome.shards = of(&[1]);
        assert_eq!(wanted(&outcome), 4);
        outcome.shards = of(&[2, 3]);
        assert_eq!(wanted(&outcome), 6);
    }
}
