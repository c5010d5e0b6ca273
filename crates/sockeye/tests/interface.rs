//! `docs/interface.md` names every public method, so that it stays the place where both crates are compared.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
}

/// The names of `pub fn`, `pub const fn` and `pub async fn` of a file.
fn public_functions(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix("pub ")?;
        let rest = rest.strip_prefix("const ").unwrap_or(rest);
        let rest = rest.strip_prefix("async ").unwrap_or(rest);
        let name = rest.strip_prefix("fn ")?;
        // (A macro's pattern is no name.)
        Some(&name[..name.find(['(', '<'])?]).filter(|name| !name.starts_with('$'))
    })
}

#[test]
fn the_interface_page_names_every_public_method() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/interface.md")).expect("docs/interface.md");
    let named: Vec<&str> = page
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .collect();
    let mut files = Vec::new();
    sources(&root.join("crates/sockeye/src/client"), &mut files);
    sources(&root.join("crates/sockeye/src/testing"), &mut files);
    sources(&root.join("crates/sockeye/src/blocking"), &mut files);
    files.push(root.join("crates/sockeye/src/dispatch/typed.rs"));
    files.push(root.join("crates/sockeye-embedded/src/socket.rs"));
    files.push(root.join("crates/sockeye-embedded/src/typed.rs"));
    assert!(files.len() > 10);
    let mut missing = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        for name in public_functions(&text).filter(|name| !named.contains(name)) {
            missing.push(format!("{name} ({})", file.display()));
        }
    }
    assert!(missing.is_empty(), "not on the page: {missing:#?}");
}
