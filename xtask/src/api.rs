//! `cargo xtask lint --part api`: the public interface of each crate that others depend on, held against what `docs/api` says.
//! `cargo xtask api` writes that anew, so that every change of an interface is seen by who reviews the commit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::part::Report;
use crate::riscv::C_TOOLS;
use crate::run::{cargo, root, shown};
use crate::secure::CONNECTOR;
use crate::tools;

/// The crates that are published as libraries, and how they are documented. (`sockeye-c` has its header.)
const CRATES: &[(&str, &str)] = &[
    ("sockeye", "-p sockeye --all-features"),
    ("sockeye-core", "-p sockeye-core --all-features"),
    ("sockeye-derive", "-p sockeye-derive"),
    ("sockeye-embedded", "-p sockeye-embedded --all-features"),
    ("sockeye-mbedtls", CONNECTOR),
    ("sockeye-tls", "-p sockeye-tls --all-features"),
];

/// Where the texts are.
const FOLDER: &str = "docs/api";

/// The tool's exit code for JSON of another compiler.
const OTHER_FORMAT: i32 = 3;

/// How many lines of a difference are shown.
const SHOWN: usize = 40;

/// What became of reading an interface.
enum Found {
    Text(String),
    /// This compiler's JSON cannot be read: why.
    Unreadable(String),
}

/// Compares.
pub(crate) fn lint(report: &mut Report) -> Result<(), String> {
    tools::need(C_TOOLS)?;
    let tool = tool()?;
    for (at, (name, args)) in CRATES.iter().enumerate() {
        let fresh = match interface(&tool, name, args)? {
            Found::Text(text) => text,
            Found::Unreadable(why) => {
                let rest = CRATES.len().saturating_sub(at);
                report.skipped(&format!("{rest} interfaces were not compared: {why}"));
                return Ok(());
            }
        };
        let written = std::fs::read_to_string(file(name)).unwrap_or_default();
        let result = difference(&written, &fresh).map_or(Ok(()), |difference| {
            Err(format!(
                "it is not what {FOLDER}/{name}.txt says. Meant? `cargo xtask api` writes it, and the commit shows it.\n\
                 {difference}"
            ))
        });
        report.record(&format!("interface of {name}"), result);
    }
    Ok(())
}

/// Writes.
pub(crate) fn write() -> Result<(), String> {
    tools::need(C_TOOLS)?;
    let tool = tool()?;
    for (name, args) in CRATES {
        match interface(&tool, name, args)? {
            Found::Text(text) => {
                std::fs::create_dir_all(root().join(FOLDER))
                    .and_then(|()| std::fs::write(file(name), text))
                    .map_err(|error| format!("cannot write {FOLDER}/{name}.txt: {error}"))?;
            }
            Found::Unreadable(why) => return Err(why),
        }
    }
    Ok(())
}

fn file(name: &str) -> PathBuf {
    root().join(FOLDER).join(format!("{name}.txt"))
}

/// Where cargo builds what no other option sends elsewhere.
pub(crate) fn target() -> PathBuf {
    let folder =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    root().join(folder)
}

/// Builds and tries the program that reads rustdoc's JSON.
fn tool() -> Result<PathBuf, String> {
    let folder = target().join("api");
    for verb in ["test --quiet", "build --quiet"] {
        let mut command = cargo(verb);
        command
            .args(["--manifest-path", "xtask/api/Cargo.toml", "--target-dir"])
            .arg(&folder);
        done(&mut command)?;
    }
    Ok(folder
        .join("debug")
        .join(format!("sockeye-api{}", std::env::consts::EXE_SUFFIX)))
}

/// The interface of a crate, with all features that its documentation shows.
fn interface(tool: &Path, name: &str, args: &str) -> Result<Found, String> {
    let mut rustdoc = cargo(&format!(
        "rustdoc --quiet --lib {args} -- -Z unstable-options --output-format json"
    ));
    let real = std::env::var_os("RUSTDOC").unwrap_or_else(|| "rustdoc".into());
    done(
        rustdoc
            .env("RUSTDOC", tool)
            .env("SOCKEYE_API_RUSTDOC", real),
    )?;
    let mut words = args.split(' ');
    let folder = words
        .find(|word| *word == "--target-dir")
        .and_then(|_| words.next())
        .map_or_else(target, |folder| root().join(folder));
    let json = folder.join(format!("doc/{}.json", name.replace('-', "_")));
    let output = Command::new(tool)
        .arg(json)
        .output()
        .map_err(|error| format!("cannot run {}: {error}", tool.display()))?;
    let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => Ok(Found::Text(
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )),
        Some(OTHER_FORMAT) => Ok(Found::Unreadable(told)),
        _ => Err(format!("the interface of {name} cannot be read: {told}")),
    }
}

/// Runs a command that has to end well.
fn done(command: &mut Command) -> Result<(), String> {
    println!("$ {}", shown(command));
    let output = command
        .output()
        .map_err(|error| format!("cannot run `{}`: {error}", shown(command)))?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{}` failed: {}", shown(command), why.trim_end()))
}

/// The lines that are in one of the two only. Every line names its item in full, so that their places say nothing more.
fn difference(written: &str, fresh: &str) -> Option<String> {
    if written == fresh {
        return None;
    }
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
        (written.lines().collect(), fresh.lines().collect());
    let mut lines: Vec<String> = old
        .difference(&new)
        .map(|line| format!("- {line}"))
        .collect();
    lines.extend(new.difference(&old).map(|line| format!("+ {line}")));
    if lines.is_empty() {
        return Some("The same lines in another order, or repeated.".to_owned());
    }
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if more > 0 {
        lines.push(format!("and {more} lines more"));
    }
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_shown() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(difference("a\nb\n", "a\nc\n").as_deref(), Some("- b\n+ c"));
        assert!(difference("a\nb\n", "b\na\n").is_some());
        let many: String = (0..100).map(|n| format!("{n}\n")).collect();
        let told = difference("", &many).unwrap_or_default();
        assert!(
            told.lines().count() == SHOWN + 1 && told.ends_with("60 lines more"),
            "{told}"
        );
    }
}
