//! `--merge`: the figures of several testers as those of one. Histograms add up exactly.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::engine::Ending;
use super::latency::Timing;
use super::outcome::{FORMAT, Line, Outcome, Point, Second};
use super::tester::Tester;
use crate::exit::Failure;
use crate::options::Shard;

/// What a tester has printed.
struct Printed {
    outcome: Outcome,
    seconds: Vec<Second>,
}

/// Reads and adds files.
///
/// # Errors
/// A file that is not the output of `sockeye load --json`; testers that did not do the same; shards that are there twice,
/// or (unless that is allowed) missing.
pub(crate) fn merge(
    files: &[PathBuf],
    allow_missing: bool,
) -> Result<(Outcome, Vec<Point>), Failure> {
    let mut all = Vec::new();
    for file in files {
        let shown = file.display();
        let cannot = |why: &str| Failure::usage(format!("--merge {shown}: {why}"));
        let text = std::fs::read_to_string(file).map_err(|error| cannot(&error.to_string()))?;
        all.push(read(&text).map_err(|why| cannot(&why))?);
    }
    add(all, allow_missing).map_err(|why| Failure::usage(format!("--merge: {why}")))
}

/// Reads the lines of one tester.
fn read(text: &str) -> Result<Printed, String> {
    let (mut seconds, mut outcome) = (Vec::new(), None);
    for (index, line) in text.lines().enumerate() {
        // What a log of both streams has beside the records.
        if line.trim().is_empty() || line.starts_with("note: ") || line.starts_with("sockeye: ") {
            continue;
        }
        let line: Line = serde_json::from_str(line).map_err(|error| {
            format!(
                "line {}: {error}; the output of sockeye load --json is expected",
                index + 1
            )
        })?;
        match line {
            Line::Second(second) => seconds.push(*second),
            Line::Result(_) if outcome.is_some() => {
                return Err("it has two results: one file for each tester is expected".to_owned());
            }
            Line::Result(result) => outcome = Some(*result),
        }
    }
    let outcome: Outcome =
        outcome.ok_or("it has no result: the tester did not end, or its output was cut")?;
    if outcome.format != FORMAT {
        return Err(format!(
            "it is of format {}, and this version reads {FORMAT}: use the same version of sockeye everywhere",
            outcome.format
        ));
    }
    Ok(Printed { outcome, seconds })
}

fn add(all: Vec<Printed>, allow_missing: bool) -> Result<(Outcome, Vec<Point>), String> {
    let first = &all.first().ok_or("no file")?.outcome;
    let mut shards: Vec<Shard> = Vec::new();
    for printed in &all {
        let outcome = &printed.outcome;
        if outcome.asked != first.asked {
            return Err(
                "the testers were not given the same URL, clients, ramp, duration and scenarios"
                    .to_owned(),
            );
        }
        for shard in &outcome.shards {
            if shard.of != first.shards[0].of {
                return Err(format!(
                    "{}/{} and {}/{} are not of one run",
                    first.shards[0].number, first.shards[0].of, shard.number, shard.of
                ));
            }
            if shards.contains(shard) {
                return Err(format!(
                    "shard {}/{} is there twice",
                    shard.number, shard.of
                ));
            }
            shards.push(*shard);
        }
    }
    shards.sort_unstable_by_key(|shard| shard.number);
    let of = first.shards[0].of;
    let missing: Vec<String> = (1..=of)
        .filter(|number| !shards.iter().any(|shard| shard.number == *number))
        .map(|number| number.to_string())
        .collect();
    let mut warnings = Vec::new();
    if !missing.is_empty() {
        let what = format!(
            "of {of} shards, {} missing: {}",
            missing.len(),
            missing.join(", ")
        );
        if !allow_missing {
            return Err(format!("{what}; give their files too, or --allow-missing"));
        }
        warnings.push(what);
    }
    let start = all
        .iter()
        .map(|printed| printed.outcome.start)
        .fold(f64::INFINITY, f64::min);
    let latest = all
        .iter()
        .map(|printed| printed.outcome.start)
        .fold(0.0, f64::max);
    if latest - start > 1.0 {
        warnings.push(format!(
            "the testers began {:.1} s apart: give all of them the same --start-at",
            latest - start
        ));
    }
    let mut total = first.clone();
    let mut seconds: BTreeMap<u64, Second> = BTreeMap::new();
    for (index, printed) in all.into_iter().enumerate() {
        let Printed {
            outcome,
            seconds: own,
        } = printed;
        let offset = outcome.start - start;
        for mut second in own {
            second.second += offset;
            let at = second.second.round() as u64;
            match seconds.get_mut(&at) {
                None => {
                    seconds.insert(at, second);
                }
                Some(sum) => {
                    sum.second = sum.second.max(second.second);
                    sum.connected += second.connected;
                    sum.tally.add(&second.tally);
                    sum.tester = together(sum.tester, second.tester);
                }
            }
        }
        let whose = |warning: &String| format!("shard {}: {warning}", outcome.shards[0].number);
        warnings.extend(outcome.warnings.iter().map(whose));
        if index == 0 {
            continue;
        }
        total.connected += outcome.connected;
        total.seconds = total.seconds.max(outcome.seconds);
        total.tally.add(&outcome.tally);
        total.tester = together(total.tester, outcome.tester);
        total.ending = match (total.ending, outcome.ending) {
            (Ending::Interrupted, _) | (_, Ending::Interrupted) => Ending::Interrupted,
            (Ending::Complete, _) | (_, Ending::Complete) => Ending::Complete,
            (Ending::Done, Ending::Done) => Ending::Done,
        };
    }
    let peak = seconds.values().map(|second| second.connected).max();
    total.peak = peak.unwrap_or(0).max(total.connected);
    total.start = start;
    total.shards = shards;
    total.warnings = warnings;
    total.conditions = Vec::new();
    let main = main(&total);
    let mut before = 0.0;
    let points = seconds.values().map(|second| {
        let point = Point::new(second, before, main);
        before = second.second;
        point
    });
    let points = points.collect();
    Ok((total, points))
}

/// The busiest one's processors, and the memory of both.
fn together(a: Tester, b: Tester) -> Tester {
    let (cpu, processors) = if b.cpu > a.cpu {
        (b.cpu, b.processors)
    } else {
        (a.cpu, a.processors)
    };
    let memory = a.memory.zip(b.memory).map(|(a, b)| a + b);
    Tester {
        cpu,
        processors,
        memory,
    }
}

/// The group of latencies that a report is about first.
pub(crate) fn main(outcome: &Outcome) -> Timing {
    let has = |timing: &Timing| outcome.tally.latency.of(*timing).count() > 0;
    let found = super::outcome::MAIN.into_iter().find(has);
    found.unwrap_or(Timing::Join)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::verbs::load::metrics::Tally;
    use crate::verbs::load::outcome::Asked;
    use std::time::Duration;

    /// A result without figures.
    pub(crate) fn outcome() -> Outcome {
        Outcome {
            format: FORMAT,
            version: "0.0.0".into(),
            asked: Asked {
                url: "http://h/".into(),
                clients: 10,
                ramp_s: 1.0,
                duration_s: 2.0,
                scenarios: vec!["options".into()],
            },
            ending: Ending::Complete,
            shards: vec![Shard { number: 1, of: 1 }],
            start: 100.0,
            seconds: 3.0,
            connected: 0,
            peak: 0,
            tally: Tally::default(),
            tester: Tester::default(),
            warnings: vec![],
            conditions: vec![],
        }
    }

    /// What shard `number` of 3 prints, with events whose latencies depend on it.
    fn printed(number: u64, whole: &mut Tally) -> String {
        let mut outcome = outcome();
        outcome.shards = vec![Shard { number, of: 3 }];
        outcome.start += number as f64 / 100.0;
        outcome.connected = number;
        let mut lines = String::new();
        for second in 1..=3 {
            let mut tally = Tally::default();
            for event in 0..100 {
                let time = Duration::from_micros(event * event * number * second + 7);
                tally.latency.record(Timing::Ack, time);
                tally.counts.acks += 1;
            }
            outcome.tally.add(&tally);
            whole.add(&tally);
            let line = Line::Second(Box::new(Second {
                second: second as f64,
                connected: 2,
                tally,
                tester: Tester {
                    cpu: Some(number as f64),
                    processors: 4,
                    memory: Some(10),
                },
            }));
            lines += &serde_json::to_string(&line).unwrap();
            lines.push('\n');
        }
        lines += &serde_json::to_string(&Line::Result(Box::new(outcome))).unwrap();
        lines
    }

    #[test]
    fn figures_add_up_exactly() {
        let mut whole = Tally::default();
        let texts: Vec<String> = (1..=3).map(|number| printed(number, &mut whole)).collect();
        let all = || {
            texts
                .iter()
                .map(|text| read(text).unwrap())
                .collect::<Vec<_>>()
        };
        let (total, points) = add(all(), false).unwrap();
        let (found, wanted) = (
            total.tally.latency.of(Timing::Ack),
            whole.latency.of(Timing::Ack),
        );
        assert_eq!(found.buckets(), wanted.buckets());
        assert_eq!(
            (total.tally.counts, total.connected, total.peak),
            (whole.counts, 6, 6)
        );
        assert_eq!(
            (points.len(), points[0].acks, points[2].cpu),
            (3, 300, Some(3.0))
        );
        assert_eq!(total.shards.len(), 3);
        // In any order, and of what has been merged before.
        let mut back = all();
        back.reverse();
        let (again, _) = add(back, false).unwrap();
        assert_eq!(
            serde_json::to_string(&again.tally).unwrap(),
            serde_json::to_string(&total.tally).unwrap()
        );
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let mut whole = Tally::default();
        let text = |number, whole: &mut Tally| read(&printed(number, whole)).unwrap();
        let (one, two) = (text(1, &mut whole), text(2, &mut whole));
        let error = add(vec![one, two], false).unwrap_err();
        assert!(error.contains("1 missing: 3"), "{error}");
        let (one, again) = (text(1, &mut whole), text(1, &mut whole));
        let error = add(vec![one, again], true).unwrap_err();
        assert!(error.contains("1/3 is there twice"), "{error}");
        let (one, mut other) = (text(1, &mut whole), text(2, &mut whole));
        other.outcome.asked.clients += 1;
        assert!(
            add(vec![one, other], true)
                .unwrap_err()
                .contains("not given the same")
        );
        let (one, mut other) = (text(1, &mut whole), text(2, &mut whole));
        other.outcome.start += 5.0;
        let (total, _) = add(vec![one, other], true).unwrap();
        assert!(
            total.warnings[1].contains("5.0 s apart"),
            "{:?}",
            total.warnings
        );
        let noted = format!("note: a word\n{}\nsockeye: the end", printed(1, &mut whole));
        assert!(read(&noted).is_ok());
        for (text, part) in [
            ("", "no result"),
            ("{\"type\":\"connect\"}", "line 1"),
            ("hello", "line 1"),
        ] {
            let error = read(text).map(drop).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
