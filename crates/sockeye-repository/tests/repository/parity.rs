//! The tests that `docs/parity.md` names exist, and each of its rows names one or says why there is none.

use sockeye_repository::{nothing_wrong, read};

const PAGE: &str = "docs/parity.md";

/// The short names of folders on the page; any other path is that of the repository.
const FOLDERS: &[(&str, &str)] = &[
    ("core/", "crates/sockeye-core/tests/core/"),
    ("client/", "crates/sockeye/tests/client/"),
    ("net/", "crates/sockeye/tests/net/"),
    ("interop/", "crates/sockeye-interop/tests/interop/"),
    ("embedded/", "crates/sockeye-embedded/tests/"),
];

/// What a cell without a test begins with, in front of the reason.
const WITHOUT: &str = "—";

#[test]
fn the_tests_that_the_page_names_exist() -> Result<(), String> {
    let (rows, wrong) = check(&read(PAGE)?, &|file| read(file));
    assert!(rows > 0, "the page has no rows");
    nothing_wrong(&wrong);
    Ok(())
}

/// The number of rows, and what is wrong with them.
fn check(page: &str, source: &dyn Fn(&str) -> Result<String, String>) -> (usize, Vec<String>) {
    let (mut rows, mut wrong) = (0, Vec::new());
    for (at, cells) in table_rows(page) {
        rows += 1;
        let last = cells.last().copied().unwrap_or_default();
        let mut tests = names(last).peekable();
        let reason = last.strip_prefix(WITHOUT).map(str::trim);
        if tests.peek().is_none() && reason.is_none_or(str::is_empty) {
            wrong.push(format!(
                "{PAGE}:{at}: name a test as `core/acks.rs::volatile`, or give a reason after `{WITHOUT}`"
            ));
        }
        for name in tests {
            if let Err(why) = exists(name, source) {
                wrong.push(format!("{PAGE}:{at}: {name}: {why}"));
            }
        }
    }
    (rows, wrong)
}

/// The rows of all tables below their heads: line number and cells.
fn table_rows(page: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let lines: Vec<&str> = page.lines().collect();
    let is_rule = |line: &str| line.starts_with("|-");
    let body = move |at: &usize| {
        let next = lines.get(at + 1).copied().unwrap_or_default();
        lines[*at].starts_with('|') && !is_rule(lines[*at]) && !is_rule(next)
    };
    let all: Vec<&str> = page.lines().collect();
    (0..all.len()).filter(body).map(move |at| {
        let row = all[at].trim().trim_matches('|');
        (at + 1, row.split('|').map(str::trim).collect())
    })
}

/// The code spans of a cell that name a test.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    let spans = cell.split('`').skip(1).step_by(2);
    spans.filter(|span| span.contains(".rs::"))
}

/// Whether there is such a test.
fn exists(name: &str, source: &dyn Fn(&str) -> Result<String, String>) -> Result<(), String> {
    let (file, function) = name.split_once("::").ok_or("it is not FILE::FUNCTION")?;
    let folder = FOLDERS.iter().find(|(short, _)| file.starts_with(short));
    let path = folder.map_or_else(
        || file.to_owned(),
        |(short, long)| file.replacen(short, long, 1),
    );
    let text = source(&path)?;
    if is_test(&text, function) {
        Ok(())
    } else if text.contains(&format!("fn {function}(")) {
        Err("it is a function, but no test".to_owned())
    } else {
        Err(format!("{path} has no such test"))
    }
}

/// A function with an attribute that makes it one, or one that the interop tests' macro makes tests of.
fn is_test(text: &str, function: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = |line: &str, start: &str| {
        let rest = line.strip_prefix(start);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    // `scenario!`, or a macro of the file's own that passes on to it.
    let makes_tests = |line: &&str| {
        line.split_once("!(")
            .is_some_and(|(name, rest)| !name.contains([' ', '"']) && begins(rest, function))
    };
    if text.contains("scenario!(") && lines.iter().any(makes_tests) {
        return true;
    }
    let heads = [format!("fn {function}"), format!("async fn {function}")];
    let is_head = |line: &str| heads.iter().any(|head| begins(line, head));
    (0..lines.len()).filter(|&at| is_head(lines[at])).any(|at| {
        let above = lines[..at].iter().rev();
        above
            .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
            .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

const SOURCE: &str = "\
    #[test]\n#[ignore = \"slow\"]\nfn one() {}\n\n\
    /// Twice.\n#[tokio::test(start_paused = true)]\n// Why.\nasync fn two() {}\n\n\
    fn helper() {}\n\n\
    scenario!(three on node Node);\nasync fn three(kind: Kind) {}\n\
    scenario!(four);\n\n\
    older!(five);\nasync fn five(kind: Kind) {}\n";

fn source(file: &str) -> Result<String, String> {
    match file {
        "crates/sockeye-core/tests/core/a.rs" | "xtask/b.rs" => Ok(SOURCE.to_owned()),
        other => Err(format!("cannot read {other}")),
    }
}

#[test]
fn tests_are_told_from_other_functions() {
    for name in ["one", "two", "three", "four", "five"] {
        assert!(is_test(SOURCE, name), "{name}");
        assert_eq!(exists(&format!("core/a.rs::{name}"), &source), Ok(()));
    }
    for name in ["on", "helper", "fou", "six"] {
        assert!(!is_test(SOURCE, name), "{name}");
    }
    let why = exists("core/a.rs::helper", &source).unwrap_err();
    assert!(why.contains("no test"), "{why}");
    assert!(exists("core/c.rs::one", &source).is_err());
    assert_eq!(exists("xtask/b.rs::two", &source), Ok(()));
}

#[test]
fn every_row_has_a_test_or_a_reason() {
    let page = "\
        | what | test |\n|---|---|\n\
        | a | `core/a.rs::one`, `xtask/b.rs::two` |\n\
        | b | — browsers only |\n\
        | c | — |\n| d | |\n| e | `core/a.rs::gone` and `core/a.rs::one` |\n\
        \n| other | head |\n|--:|---|\n| f | a word |\n";
    let (rows, wrong) = check(page, &source);
    let places: Vec<&str> = wrong
        .iter()
        .map(|line| line.split(": ").next().unwrap_or_default())
        .collect();
    assert_eq!(rows, 6);
    assert_eq!(
        places,
        [
            "docs/parity.md:5",
            "docs/parity.md:6",
            "docs/parity.md:7",
            "docs/parity.md:11"
        ]
    );
}
