//! The figures as a table for people and as JSON.

use std::fmt::Write as _;

use super::rows::ROWS;
use super::{CLIENTS, Client, Figures};

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
fn grouped(number: f64) -> String {
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

const BEGIN: &str = "<!-- made by `cargo xtask bench --readme FIGURES` -->";
const END: &str = "<!-- end -->";

/// The columns of the README's table: the client, and what stands above it.
const COLUMNS: &[(&str, &str)] = &[
    ("bare", "bare client"),
    ("core", "`sockeye-core`"),
    ("sockeye", "`sockeye`"),
    ("msgpack", "`sockeye`, MessagePack"),
    ("rust_socketio", "rust_socketio"),
];

/// Its rows: what stands in front, the row of the benchmark, and which figure of it.
const LINES: &[(&str, &str, &str)] = &[
    ("small typed event received", "receive", "instructions"),
    ("the same over TLS", "receive-tls", "instructions"),
    ("1 KiB binary event received", "binary", "instructions"),
    (
        "the same with a typed argument",
        "binary-typed",
        "instructions",
    ),
    ("small typed event emitted", "emit", "instructions"),
    ("emit, then its acknowledgement", "ack", "instructions"),
    ("idle connection, bytes", "idle", "bytes"),
    ("idle connection over TLS, bytes", "idle-tls", "bytes"),
    (
        "the same, each with a TLS configuration of its own, bytes",
        "idle-tls-own",
        "bytes",
    ),
];

/// The README with its table made anew of what [`json`] has written.
///
/// # Errors
/// A figure is missing that the table has a place for, or the table's marks are.
pub(super) fn readme(page: &str, figures: &str) -> Result<String, String> {
    let mut table = String::from("| |");
    for (_, title) in COLUMNS {
        let _ = write!(table, " {title} |");
    }
    table.push_str("\n|---|");
    table.push_str(&"--:|".repeat(COLUMNS.len()));
    table.push('\n');
    for (title, row, name) in LINES {
        let _ = write!(table, "| {title} |");
        for (client, _) in COLUMNS {
            match figure(figures, row, client, name) {
                Some(value) => {
                    let value = value.parse().map_err(|_| {
                        format!("{row} of {client} has no {name}: measure all of it in one run")
                    })?;
                    let _ = write!(table, " {} |", grouped(value));
                }
                None if CLIENTS
                    .iter()
                    .any(|one| one.name == *client && has(one, row)) =>
                {
                    return Err(format!("{row} of {client} was not measured"));
                }
                None => table.push_str(" |"),
            }
        }
        table.push('\n');
    }
    let around = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = around.ok_or_else(|| format!("the page has no `{BEGIN}` … `{END}`"))?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

fn has(client: &Client, row: &str) -> bool {
    ROWS.iter().any(|one| one.name == row && client.has(one))
}

/// One figure of what [`json`] has written, as it stands there.
fn figure<'f>(figures: &'f str, row: &str, client: &str, name: &str) -> Option<&'f str> {
    let field = |object: &'f str, name: &str| {
        let (_, value) = object.split_once(&format!("\"{name}\":"))?;
        Some(value.split([',', '}']).next()?.trim_matches('"'))
    };
    let object = figures
        .lines()
        .find(|line| field(line, "row") == Some(row) && field(line, "client") == Some(client))?;
    field(object, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a run of everything writes, with figures that tell their place.
    fn whole_run() -> String {
        let mut all = Vec::new();
        for (at, row) in ROWS.iter().enumerate() {
            for (column, client) in CLIENTS.iter().enumerate().filter(|one| one.1.has(row)) {
                let is_idle = row.name.starts_with("idle");
                all.push(Figures {
                    row,
                    client,
                    count: 1,
                    nanos: Vec::new(),
                    cpu: Vec::new(),
                    bytes: is_idle
                        .then_some((at * 1000 + column) as u64)
                        .into_iter()
                        .collect(),
                    instructions: (!is_idle).then_some((at * 1000 + column) as f64),
                    allocations: None,
                    peak: None,
                    failure: None,
                });
            }
        }
        json(&all)
    }

    #[test]
    fn the_table_of_the_readme_is_made_of_one_run() {
        let page = format!("before {BEGIN}\nold\n{END} after");
        let page = readme(&page, &whole_run()).unwrap();
        let emit = ROWS.iter().position(|row| row.name == "emit").unwrap();
        let line = format!(
            "| small typed event emitted | {emit} 000 | {emit} 002 | {emit} 003 | {emit} 004 | {emit} 001 |\n"
        );
        assert!(page.contains(&line), "{page}");
        let own = ROWS
            .iter()
            .position(|row| row.name == "idle-tls-own")
            .unwrap();
        let line = format!("of its own, bytes | {own} 000 | | {own} 003 | | |\n");
        assert!(page.contains(&line), "{page}");
        assert!(page.starts_with("before ") && page.ends_with(" after"));
        assert_eq!(page.lines().count(), 4 + LINES.len());
        assert!(readme(&page, &whole_run()).unwrap() == page);
    }

    #[test]
    fn a_run_of_less_makes_no_table() {
        let page = format!("{BEGIN}{END}");
        let figures = whole_run();
        let less: Vec<&str> = figures
            .lines()
            .filter(|line| !line.contains("\"ack\""))
            .collect();
        let why = readme(&page, &less.join("\n")).unwrap_err();
        assert_eq!(why, "ack of bare was not measured");
        let why = readme(&page, &figures.replace("5003.00", "null")).unwrap_err();
        assert!(why.contains("of sockeye has no instructions"), "{why}");
        assert!(readme("no marks", &figures).is_err());
    }
}
