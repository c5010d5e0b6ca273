//! The tables of the documents, made of what `--json` has written.

use std::fmt::Write as _;

use super::clients::{CLIENTS, Client};
use super::rows::{ROWS, Row};
use super::table::grouped;

const BEGIN: &str = "<!-- made by `cargo xtask bench --readme FIGURES` -->";
const END: &str = "<!-- end -->";

/// The columns of the README's table: the client, and what stands above it.
const COLUMNS: &[(&str, &str)] = &[
    ("bare", "bare client"),
    ("core", "`sockeye-core`"),
    ("sockeye", "`sockeye`"),
    ("msgpack", "`sockeye`, MessagePack"),
    ("rust_socketio", "rust_socketio"),
    ("socket_io_client", "socket_io_client"),
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

/// The figures of the other page (without the wall clock, which tells more of what else the machine did): their names, what stands above them, and how many digits stand behind the point.
const FIGURES: &[(&str, &str, usize)] = &[
    ("instructions", "instructions", 0),
    ("allocations", "allocations", 2),
    ("cpu_nanoseconds", "processor time, ns", 0),
    ("bytes", "bytes", 0),
    ("peak_heap", "most heap of the run, bytes", 0),
];

/// The page with what stands between its marks replaced by `table`.
///
/// # Errors
/// It has no marks.
pub(super) fn between_marks(page: &str, table: &str) -> Result<String, String> {
    let around = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = around.ok_or_else(|| format!("the page has no `{BEGIN}` … `{END}`"))?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

/// The README's table: what counts most, and nothing of it missing.
///
/// # Errors
/// A figure is missing that the table has a place for.
pub(super) fn summary(figures: &str) -> Result<String, String> {
    let mut table = heading("", COLUMNS.iter().map(|(_, title)| *title));
    for (title, row, name) in LINES {
        let _ = write!(table, "| {title} |");
        let of_row = row_of(row);
        for client in COLUMNS.iter().map(|(client, _)| client_of(client)) {
            match object(figures, row, client.name) {
                Some(object) => {
                    let value = number(object, name).ok_or_else(|| {
                        format!(
                            "{row} of {} has no {name}: measure all of it in one run",
                            client.name
                        )
                    })?;
                    let _ = write!(table, " {} |", grouped(value));
                }
                None if client.has(of_row) => {
                    return Err(format!("{row} of {} was not measured", client.name));
                }
                None => table.push_str(" |"),
            }
        }
        table.push('\n');
    }
    Ok(table)
}

/// One table for each row, with everybody who can do it and everything that was measured.
///
/// # Errors
/// A client that can do a row was not measured in it.
pub(super) fn whole(figures: &str) -> Result<String, String> {
    let mut page = String::new();
    for row in ROWS {
        let mut lines = Vec::new();
        for client in CLIENTS.iter().filter(|client| client.has(row)) {
            let object = object(figures, row.name, client.name)
                .ok_or_else(|| format!("{} of {} was not measured", row.name, client.name))?;
            lines.push((client, object));
        }
        let shown: Vec<_> = FIGURES
            .iter()
            .filter(|(name, ..)| {
                lines
                    .iter()
                    .any(|(_, object)| number(object, name).is_some())
            })
            .collect();
        let _ = writeln!(page, "\n## {}: {}\n", row.name, row.what);
        let titles = shown.iter().map(|(_, title, _)| *title);
        page.push_str(&heading("client", titles.chain(["events"])));
        for (client, object) in lines {
            let _ = write!(page, "| {} |", client.name);
            for (name, _, digits) in &shown {
                let value = number(object, name).map(|value| match digits {
                    0 => grouped(value),
                    digits => format!("{value:.digits$}"),
                });
                let _ = write!(page, " {} |", value.unwrap_or_default());
            }
            let count = number(object, "count").map(grouped).unwrap_or_default();
            let _ = writeln!(page, " {count} |");
        }
    }
    page.push('\n');
    Ok(page)
}

/// The first two lines of a table whose columns are numbers, but for the first.
fn heading<'t>(first: &str, titles: impl Iterator<Item = &'t str>) -> String {
    let mut head = format!("| {first} |");
    let mut rule = "|---|".to_owned();
    for title in titles {
        let _ = write!(head, " {title} |");
        rule.push_str("--:|");
    }
    format!("{head}\n{rule}\n")
}

fn row_of(name: &str) -> &'static Row {
    ROWS.iter()
        .find(|row| row.name == name)
        .expect("a row of the benchmark")
}

fn client_of(name: &str) -> &'static Client {
    CLIENTS
        .iter()
        .find(|client| client.name == name)
        .expect("a client of the benchmark")
}

/// What [`json`](super::table::json) has written of a client in a row: one line.
fn object<'f>(figures: &'f str, row: &str, client: &str) -> Option<&'f str> {
    let is =
        |line: &str, name: &str, value: &str| line.contains(&format!("\"{name}\":\"{value}\""));
    figures
        .lines()
        .find(|line| is(line, "row", row) && is(line, "client", client))
}

/// One of its figures, unless it is `null`.
fn number(object: &str, name: &str) -> Option<f64> {
    let (_, value) = object.split_once(&format!("\"{name}\":"))?;
    value.split([',', '}']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::Figures;
    use super::super::table::json;
    use super::*;

    /// What a run of everything writes, with figures that tell their place.
    fn whole_run() -> String {
        let mut all = Vec::new();
        for (at, row) in ROWS.iter().enumerate() {
            for (column, client) in CLIENTS.iter().enumerate().filter(|one| one.1.has(row)) {
                let is_idle = row.name.starts_with("idle");
                let figure = at * 1000 + column;
                all.push(Figures {
                    row,
                    client,
                    count: 1,
                    nanos: Vec::new(),
                    cpu: vec![figure as u64],
                    bytes: is_idle.then_some(figure as u64).into_iter().collect(),
                    instructions: (!is_idle).then_some(figure as f64),
                    allocations: None,
                    peak: None,
                    failure: None,
                });
            }
        }
        json(&all)
    }

    fn place(row: &str, client: &str) -> usize {
        let at = ROWS.iter().position(|one| one.name == row).unwrap();
        at * 1000 + CLIENTS.iter().position(|one| one.name == client).unwrap()
    }

    #[test]
    fn the_table_of_the_readme_is_made_of_one_run() {
        let page = format!("before {BEGIN}\nold\n{END} after");
        let page = between_marks(&page, &summary(&whole_run()).unwrap()).unwrap();
        for (title, row, _) in LINES {
            let mut line = format!("| {title} |");
            for (client, _) in COLUMNS {
                if client_of(client).has(row_of(row)) {
                    line.push_str(&format!(" {}", grouped(place(row, client) as f64)));
                }
                line.push_str(" |");
            }
            assert!(page.contains(&line), "{line}\n{page}");
        }
        assert!(page.starts_with("before ") && page.ends_with(" after"));
        assert_eq!(page.lines().count(), 4 + LINES.len());
        let again = between_marks(&page, &summary(&whole_run()).unwrap()).unwrap();
        assert_eq!(again, page);
        assert!(between_marks("no marks", "").is_err());
    }

    #[test]
    fn the_whole_page_has_everybody_in_every_row() {
        let page = whole(&whole_run()).unwrap();
        assert_eq!(page.matches("\n## ").count(), ROWS.len());
        let emit = grouped(place("emit", "python") as f64);
        let line = format!("| python | {emit} | {emit} | 1 |");
        assert!(page.contains(&line), "{page}");
        let clients: usize = ROWS
            .iter()
            .map(|row| CLIENTS.iter().filter(|client| client.has(row)).count())
            .sum();
        let lines = page.lines().filter(|line| line.starts_with("| ")).count();
        assert_eq!(lines, ROWS.len() + clients);
    }

    #[test]
    fn a_run_of_less_makes_no_table() {
        let figures = whole_run();
        let less: Vec<&str> = figures
            .lines()
            .filter(|line| !line.contains("\"ack\""))
            .collect();
        let less = less.join("\n");
        let missing = "ack of bare was not measured";
        assert_eq!(summary(&less).unwrap_err(), missing);
        assert_eq!(whole(&less).unwrap_err(), missing);
        let figure = format!("\"instructions\":{}.00", place("ack", "sockeye"));
        let why = summary(&figures.replace(&figure, "\"instructions\":null")).unwrap_err();
        assert!(why.contains("of sockeye has no instructions"), "{why}");
    }
}
