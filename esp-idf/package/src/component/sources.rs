//! The Rust sources of the C library, as a workspace of their own: the crates it is made of, without what only their tests
//! need, and a lock file that names the versions this repository is tested with.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{copy, tracked, write};
use crate::run::root;

const LIBRARY: &str = "sockeye-c";
/// Of a crate's folder: neither what tests it nor what is for readers of the repository.
const LEFT_OUT: &[&str] = &[
    "README.md",
    "cbindgen.toml",
    "benches/",
    "examples/",
    "tests/",
];

/// Writes the workspace into `folder`.
pub(super) fn copy_trimmed(folder: &Path) -> Result<(), String> {
    let mut crates = BTreeSet::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut open = vec![LIBRARY.to_owned()];
    while let Some(name) = open.pop() {
        if !crates.insert(name.clone()) {
            continue;
        }
        let path = format!("crates/{name}");
        for file in tracked(&path)? {
            let inside = file[path.len()..].trim_start_matches('/');
            if LEFT_OUT.iter().any(|left| inside.starts_with(left)) {
                continue;
            }
            if inside != "Cargo.toml" {
                copy(&root().join(&file), &folder.join(&file))?;
                continue;
            }
            let manifest =
                fs::read_to_string(root().join(&file)).map_err(|e| format!("{file}: {e}"))?;
            let manifest = without_tests(&manifest);
            for dependency in dependencies(&manifest) {
                if root().join("crates").join(&dependency).is_dir() {
                    open.push(dependency.clone());
                }
                names.insert(dependency);
            }
            write(&folder.join(&file), &manifest)?;
        }
    }
    let workspace =
        fs::read_to_string(root().join("Cargo.toml")).map_err(|e| format!("Cargo.toml: {e}"))?;
    write(
        &folder.join("Cargo.toml"),
        &workspace_of(&workspace, &crates, &names),
    )?;
    lock(folder)
}

/// The lock file of the repository, without what the crates here do not need: cargo itself removes that, and keeps the
/// versions of the rest.
fn lock(folder: &Path) -> Result<(), String> {
    copy(&root().join("Cargo.lock"), &folder.join("Cargo.lock"))?;
    let mut complaint = String::new();
    // What is needed has usually been fetched for the repository already.
    for network in [&["--offline"][..], &[]] {
        let mut cargo = cargo(folder, &["metadata", "--format-version", "1"]);
        let output = cargo.args(network).output();
        let output = output.map_err(|error| format!("cargo metadata: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    Err(format!("cargo cannot read the package: {complaint}"))
}

/// `cargo` in the packed workspace, as somebody would start it who has only that.
pub(super) fn cargo(folder: &Path, args: &[&str]) -> Command {
    let mut cargo = crate::run::cargo("");
    cargo.args(args).current_dir(folder);
    cargo
}

/// A manifest by its tables: each with its header, and with the comment that stands before that.
fn tables(manifest: &str) -> Vec<(String, String)> {
    let mut tables = vec![(String::new(), String::new())];
    let mut comment = String::new();
    for line in manifest.lines() {
        if line.starts_with('#') && !line.starts_with("##") {
            comment += &format!("{line}\n");
            continue;
        }
        if line.starts_with('[') {
            let name = line.trim_matches(['[', ']']).to_owned();
            tables.push((name, String::new()));
        }
        if let Some((_, text)) = tables.last_mut() {
            *text += &std::mem::take(&mut comment);
            *text += &format!("{line}\n");
        }
    }
    if let Some((_, text)) = tables.last_mut() {
        *text += &comment;
    }
    tables
}

/// The text of one table.
pub(super) fn section(manifest: &str, name: &str) -> Option<String> {
    let mut tables = tables(manifest).into_iter();
    tables.find(|table| table.0 == name).map(|table| table.1)
}

fn without_tests(manifest: &str) -> String {
    let kept = tables(manifest).into_iter().filter(|(name, _)| {
        !name.contains("dev-dependencies") && !["test", "bench", "example"].contains(&name.as_str())
    });
    let text: String = kept.map(|(_, text)| text).collect();
    text.trim_end().to_owned() + "\n"
}

/// The names of what a crate depends on, of every kind that is left.
fn dependencies(manifest: &str) -> Vec<String> {
    let tables = tables(manifest).into_iter();
    let tables = tables.filter(|(name, _)| name.ends_with("dependencies"));
    tables.flat_map(|(_, text)| keys(&text)).collect()
}

fn keys(table: &str) -> Vec<String> {
    let lines = table.lines().filter(|line| !line.starts_with(['#', '[']));
    let keys = lines.filter_map(|line| line.split_once('='));
    // `serde.workspace = true` is about serde.
    keys.map(|(key, _)| key.trim().split('.').next().unwrap_or_default().to_owned())
        .collect()
}

/// The workspace's manifest with these members, and with the dependencies that they name.
fn workspace_of(
    manifest: &str,
    members: &BTreeSet<String>,
    dependencies: &BTreeSet<String>,
) -> String {
    let mut text = String::from(
        "# Made by `cargo xtask component`.\n[workspace]\nresolver = \"3\"\nmembers = [",
    );
    let members: Vec<String> = members
        .iter()
        .map(|name| format!("\"crates/{name}\""))
        .collect();
    text += &members.join(", ");
    text += "]\n\n";
    for (name, table) in tables(manifest) {
        if name == "workspace.dependencies" {
            let kept = table.lines().filter(|line| {
                line.starts_with('[') || keys(line).iter().any(|key| dependencies.contains(key))
            });
            kept.for_each(|line| text += &format!("{line}\n"));
            text.push('\n');
        } else if name.starts_with("workspace.") || name == "profile.release" {
            text += &table;
        }
    }
    text.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "\
[package]
name = \"x\"

[features]
## Documented.
a = []

[dependencies]
# Why.
serde = { workspace = true }
log.workspace = true

# For tests.
[dev-dependencies]
proptest = \"1\"

[[bench]]
name = \"b\"
";

    #[test]
    fn what_only_tests_need_is_left_out() {
        let kept = without_tests(MANIFEST);
        assert!(kept.ends_with("log.workspace = true\n"), "{kept}");
        assert!(kept.contains("## Documented.\na = []"));
        assert!(kept.contains("# Why.\nserde"));
        assert_eq!(dependencies(&kept), ["serde", "log"]);
    }

    #[test]
    fn the_workspace_keeps_what_its_members_name() {
        let all = "[workspace]\nmembers = [\"crates/*\"]\n\n[workspace.package]\nversion = \"1.0.0\"\n\n\
                   [workspace.dependencies]\nserde = \"1\"\ntokio = \"1\"\n\n[profile.release]\nlto = \"thin\"\n\n\
                   # Tests.\n[profile.dev]\ndebug = 1\n";
        let set = |name: &str| BTreeSet::from([name.to_owned()]);
        let text = workspace_of(all, &set("x"), &set("serde"));
        assert!(text.contains("members = [\"crates/x\"]"));
        assert!(text.contains("[workspace.dependencies]\nserde = \"1\"\n\n[profile.release]"));
        assert!(
            !text.contains("tokio") && !text.contains("profile.dev") && !text.contains("Tests")
        );
        let version = section(all, "workspace.package");
        assert_eq!(
            version.as_deref(),
            Some("[workspace.package]\nversion = \"1.0.0\"\n\n")
        );
    }
}
