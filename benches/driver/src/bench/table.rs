//! The figures as a table for people and as JSON.

use std::fmt::Write as _;

use super::rows::ROWS;
use super::{CLIENTS, Figures};

impl Figures {
    fn each(&self, samples: &[u64]) -> Option<f64> {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        let median = *sorted.get(sorted.len() / 2)?;
        Some(median as f64 / f64::from(self.count))
    }

    /// All figures with their names, for one event (or connection); the last one for the whole run.
    fn values(&self) -> [(&'static str, Option<f64>); 6] {
        [
            ("nanoseconds", self.each(&self.nanos)),
            ("cpu_nanoseconds", self.each(&self.cpu)),
            ("instructions", self.instructions),
            ("allocations", self.allocations),
            ("bytes", self.each(&self.bytes)),
            ("peak_heap", self.peak),
        ]
    }
}

/// One block per row; `×` is the ratio against the bare client.
pub(super) fn table(figures: &[Figures]) -> String {
    let mut out = String::new();
    for row in ROWS {
        let block: Vec<&Figures> = figures
            .iter()
            .filter(|one| one.row.name == row.name)
            .collect();
        let Some(first) = block.first() else { continue };
        let _ = writeln!(
            out,
            "{}: {} {}",
            row.name,
            grouped(f64::from(first.count)),
            row.what
        );
        let bare = block.iter().find(|one| one.client.name == CLIENTS[0].name);
        let titles = [
            "ns",
            "cpu ns",
            "instructions",
            "allocations",
            "bytes",
            "peak heap",
        ];
        let shown: Vec<usize> = (0..titles.len())
            .filter(|at| first.values()[*at].1.is_some())
            .collect();
        let _ = write!(out, "  {:14}", "");
        if !first.nanos.is_empty() {
            let _ = write!(out, "{:>12}", "per second");
        }
        for at in &shown {
            let _ = write!(out, "{:>14}{:>7}", titles[*at], "×");
        }
        out.push('\n');
        for one in &block {
            let _ = write!(out, "  {:14}", one.client.name);
            if let Some(nanos) = one.values()[0].1 {
                let _ = write!(out, "{:>12}", grouped(1e9 / nanos));
            }
            for at in &shown {
                let value = one.values()[*at].1;
                let ratio = value
                    .zip(bare.and_then(|bare| bare.values()[*at].1))
                    .map(|(ours, bare)| ours / bare);
                let value = value.map_or(
                    "-".to_owned(),
                    if *at == 3 {
                        |v| format!("{v:.2}")
                    } else {
                        grouped
                    },
                );
                let ratio = ratio
                    .filter(|ratio| ratio.is_finite())
                    .map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
                let _ = write!(out, "{value:>14}{ratio:>7}");
            }
            out.push('\n');
        }
        out.push('\n');
    }
    out
}

/// `1234567` as `1 234 567`.
pub(super) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// An array with one object per row and client; figures are per event (`peak_heap`: bytes of a run), `null` where not measured.
pub(super) fn json(figures: &[Figures]) -> String {
    let objects: Vec<String> = figures
        .iter()
        .map(|one| {
            let mut object = format!(
                r#"  {{"row":"{}","client":"{}","count":{}"#,
                one.row.name, one.client.name, one.count
            );
            for (name, value) in one.values() {
                let value = value.map_or("null".to_owned(), |value| format!("{value:.2}"));
                let _ = write!(object, r#","{name}":{value}"#);
            }
            object + "}"
        })
        .collect();
    format!("[\n{}\n]\n", objects.join(",\n"))
}
