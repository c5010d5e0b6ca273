//! The list of error codes in `docs/messages.md` says what the sources say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(fs::read_to_string(&path).expect("a source"));
        }
    }
}

/// The string literal at the front of `text`, as it stands there, and what is behind it.
fn literal(text: &str) -> Option<(&str, &str)> {
    let inner = text.trim_start().strip_prefix('"')?;
    let mut escaped = false;
    let end = inner.find(|c| {
        let quote = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        quote
    })?;
    Some((&inner[..end], &inner[end + 1..]))
}

/// Codes and texts of all `message!` and `write_message!`.
fn told() -> BTreeSet<(String, String)> {
    let mut all = Vec::new();
    for member in ["sockeye-core", "sockeye-embedded"] {
        sources(&root().join("crates").join(member).join("src"), &mut all);
    }
    let mut found = BTreeSet::new();
    for source in &all {
        for (at, _) in source.match_indices("message!(") {
            let mut rest = &source[at + "message!(".len()..];
            // The formatter, of those that write.
            if let Some(behind) = rest.trim_start().strip_prefix("f,") {
                rest = behind;
            }
            let (code, rest) = literal(rest).expect("a code");
            let rest = rest.trim_start().strip_prefix(',').expect("a comma");
            let (text, _) = literal(rest).expect("a text");
            found.insert((code.to_owned(), text.replace("\\\"", "\"")));
        }
    }
    found
}

fn listed() -> BTreeSet<(String, String)> {
    let list = fs::read_to_string(root().join("docs/messages.md")).expect("docs/messages.md");
    let rows = list.lines().filter_map(|line| {
        let (code, text) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((code.to_owned(), text.strip_suffix(" |")?.to_owned()))
    });
    rows.collect()
}

#[test]
fn every_message_is_listed_under_its_code() {
    let (told, listed) = (told(), listed());
    assert!(told.len() > 70, "{} texts were found", told.len());
    let unlisted: Vec<_> = told.difference(&listed).collect();
    assert!(
        unlisted.is_empty(),
        "not in docs/messages.md: {unlisted:#?}"
    );
    // Causes are shown by code of their own: see `Details`.
    let gone = listed.difference(&told);
    let gone: Vec<_> = gone.filter(|(code, _)| !code.starts_with('C')).collect();
    assert!(gone.is_empty(), "only in docs/messages.md: {gone:#?}");
}

#[test]
fn every_cause_is_listed_under_its_code() {
    let error = root().join("crates/sockeye-core/src/error.rs");
    let error = fs::read_to_string(error).expect("the source of causes");
    let listed: BTreeSet<_> = listed().into_iter().map(|(code, _)| code).collect();
    let parts = error.split('"').filter(|part| {
        part.strip_prefix('C')
            .is_some_and(|number| number.parse::<u32>().is_ok())
    });
    let codes: BTreeSet<_> = parts.map(str::to_owned).collect();
    assert!(codes.len() > 20, "{codes:?}");
    let causes = listed.into_iter().filter(|code| code.starts_with('C'));
    assert_eq!(causes.collect::<BTreeSet<_>>(), codes);
}
