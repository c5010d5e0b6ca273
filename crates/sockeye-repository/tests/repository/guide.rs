//! The links of Markdown files lead somewhere, and cited facts exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sockeye_repository::{nothing_wrong, read, root};

/// Folders that hold nothing of ours.
const FOREIGN: &[&str] = &["target", "node_modules", ".git", "venv", ".venv"];

#[test]
fn links_lead_somewhere_and_cited_facts_exist() -> Result<(), String> {
    let mut files = Vec::new();
    collect(&root(), &mut files)?;
    let mut wrong = Vec::new();
    let facts = anchors(&read("docs/protocol.md")?);
    for file in &files {
        let text = read(file)?;
        let name = file.strip_prefix(root()).unwrap_or(file).display();
        if file.extension().is_some_and(|extension| extension == "md") {
            for link in links(&text) {
                if let Err(why) = follow(file, &text, link) {
                    wrong.push(format!("{name}: {link}: {why}"));
                }
            }
        }
        for fact in cited(&text) {
            if !facts.contains(&format!("fact-{}", fact.to_lowercase())) {
                wrong.push(format!(
                    "{name}: there is no fact {fact} in docs/protocol.md"
                ));
            }
        }
    }
    nothing_wrong(&wrong);
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let cannot = |error| format!("cannot read {}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !FOREIGN.contains(&&*name) {
                collect(&path, files)?;
            }
        } else if name.ends_with(".md") || name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The targets of inline links, without those in code.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    let lines = text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    lines.flat_map(|line| {
        line.split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')').map(|(link, _)| link))
    })
}

/// Whether a link of a file leads somewhere; those to other sites are taken on trust.
fn follow(file: &Path, text: &str, link: &str) -> Result<(), String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return Ok(());
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = file.parent().unwrap_or(file).join(path);
    if !path.is_empty() && !target.exists() {
        return Err("there is no such file".to_owned());
    }
    let inside = if path.is_empty() {
        anchors(text)
    } else if anchor.is_empty() || !path.ends_with(".md") {
        return Ok(());
    } else {
        anchors(&read(&target)?)
    };
    if inside.contains(anchor) {
        Ok(())
    } else {
        Err("there is no such heading".to_owned())
    }
}

/// Where links can point to: headings as GitHub and mdBook name them, and explicit anchors.
fn anchors(text: &str) -> BTreeSet<String> {
    let explicit = text.split("<a id=\"").skip(1);
    let explicit = explicit.filter_map(|rest| rest.split_once('"').map(|(id, _)| id.to_owned()));
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    explicit.chain(headings.map(slug)).collect()
}

/// The numbers in `fact 72`, `facts 33 to 36`, `facts 42, F3 and 43`.
fn cited(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for start in ["fact ", "facts "] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(char::is_alphanumeric) {
                continue;
            }
            for word in text[at + start.len()..].split_whitespace() {
                let number = word.trim_matches(|c: char| !c.is_alphanumeric());
                let digits = number.strip_prefix('F').unwrap_or(number);
                if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    found.push(number);
                    let more = word.ends_with(',') && start == "facts ";
                    if !more && word != number {
                        break;
                    }
                } else if !(start == "facts " && ["and", "to"].contains(&word)) {
                    break;
                }
                if start == "fact " {
                    break;
                }
            }
        }
    }
    found
}

#[test]
fn citations() {
    assert_eq!(
        cited("(fact 72). As fact F3, artifact 9, fact checking."),
        ["72", "F3"]
    );
    assert_eq!(
        cited("facts 33 to 36. facts 42, F3 and 43: in fact 2"),
        ["2", "33", "36", "42", "F3", "43"]
    );
    assert!(cited("the facts that it takes").is_empty());
}

#[test]
fn links_and_anchors() {
    let text = "# A `b` c!\n<a id=\"x-1\"></a>\n[l](#a-b-c) and [m](n.md#o)\n```\n[no](no)\n```\n";
    assert_eq!(links(text).collect::<Vec<_>>(), ["#a-b-c", "n.md#o"]);
    let file = Path::new("here.md");
    assert_eq!(follow(file, text, "#a-b-c"), Ok(()));
    assert_eq!(follow(file, text, "#x-1"), Ok(()));
    assert!(follow(file, text, "#y").is_err());
    assert!(follow(file, text, "n.md").is_err());
    assert_eq!(follow(file, text, "https://example.org/x"), Ok(()));
}
