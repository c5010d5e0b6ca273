//! `cargo xtask lint --part advisories`: what the RustSec database says about the versions in every lock file.
//!
//! The lint fetches nothing. The database is looked for where `SOCKEYE_ADVISORY_DB` says, and where `cargo audit` keeps it.

use std::path::PathBuf;
use std::process::Command;

use crate::api::target;
use crate::part::Report;
use crate::run::{cargo, root};

/// Advisories that are known, and why nothing is to be done here.
const KNOWN: &[(&str, &str)] = &[
    (
        "RUSTSEC-2024-0384",
        "instant, not maintained: below rust_socketio, a peer of the benchmarks",
    ),
    (
        "RUSTSEC-2024-0436",
        "paste, not maintained: macros of esp-hal, at build time",
    ),
    (
        "RUSTSEC-2025-0012",
        "backoff, not maintained: below rust_socketio, a peer of the benchmarks",
    ),
];

/// Where the database may be.
fn database() -> Option<PathBuf> {
    let given = std::env::var_os("SOCKEYE_ADVISORY_DB").map(PathBuf::from);
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    given.or_else(|| {
        let kept = cargo_home?.join("advisory-db");
        kept.join("crates").is_dir().then_some(kept)
    })
}

/// Looks through every lock file of the repository.
pub(crate) fn lint(report: &mut Report) -> Result<(), String> {
    let Some(database) = database() else {
        println!(
            "not checked: no advisory database. `git clone --depth 1 https://github.com/rustsec/advisory-db FOLDER`, and \
             SOCKEYE_ADVISORY_DB=FOLDER"
        );
        report.skipped(1);
        return Ok(());
    };
    let listed = Command::new("git")
        .args(["ls-files", "Cargo.lock", "**/Cargo.lock"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("cannot run git: {error}"))?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let locks: Vec<&str> = listed.lines().collect();
    if locks.is_empty() {
        return Err("git lists no lock file".to_owned());
    }
    let mut tool = cargo("run --quiet --manifest-path xtask/advisories/Cargo.toml --target-dir");
    tool.arg(target().join("advisories")).arg("--");
    let output = tool
        .arg(&database)
        .args(&locks)
        .output()
        .map_err(|error| format!("cannot run the tool: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() && said.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_owned());
    }
    let (known, fresh): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| is_known(line));
    known.iter().for_each(|line| println!("known: {line}"));
    let result = if fresh.is_empty() {
        Ok(())
    } else {
        Err(fresh.join("\n"))
    };
    report.record(
        &format!(
            "advisories in {}, {} lock files",
            database.display(),
            locks.len()
        ),
        result,
    );
    let stale: Vec<&str> = KNOWN
        .iter()
        .map(|(id, _)| *id)
        .filter(|id| !said.contains(id))
        .collect();
    if !stale.is_empty() {
        println!("in no lock file any more, and named in xtask/src/advisories.rs: {stale:?}");
    }
    Ok(())
}

fn is_known(line: &str) -> bool {
    KNOWN
        .iter()
        .any(|(id, _)| line.contains(&format!(": {id}: ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_known() {
        assert!(is_known(
            "benches/Cargo.lock: instant 0.1.13 (unmaintained): RUSTSEC-2024-0384: `instant` is unmaintained"
        ));
        assert!(!is_known(
            "Cargo.lock: tokio 1.0.0 (vulnerable): RUSTSEC-2021-0072: as RUSTSEC-2024-0384 says"
        ));
    }
}
