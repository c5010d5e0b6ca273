//! What the RustSec database says about the versions in every lock file.
//!
//! Nothing is fetched. The database is looked for where `SOCKEYE_ADVISORY_DB` says, and where `cargo audit` keeps it.

use std::path::PathBuf;

use sockeye_repository::{cargo, nothing_wrong, root, tracked};

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

#[test]
fn no_version_of_a_lock_file_is_advised_against() {
    let Some(database) = database() else {
        println!(
            "skipped: no advisory database. `git clone --depth 1 https://github.com/rustsec/advisory-db FOLDER`, and \
             SOCKEYE_ADVISORY_DB=FOLDER"
        );
        return;
    };
    let mut tool = cargo("run --quiet --manifest-path xtask/advisories/Cargo.toml --target-dir");
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    tool.arg(root().join(target).join("advisories")).arg("--");
    tool.arg(database).args(tracked("Cargo.lock"));
    let output = tool.output().expect("cargo starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || !said.is_empty(), "{why}");
    let (known, fresh): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| is_known(line));
    known.iter().for_each(|line| println!("known: {line}"));
    let ids = KNOWN.iter().map(|(id, _)| *id);
    let stale: Vec<&str> = ids.filter(|id| !said.contains(id)).collect();
    if !stale.is_empty() {
        println!(
            "in no lock file any more, and named in {}: {stale:?}",
            file!()
        );
    }
    let fresh: Vec<String> = fresh.into_iter().map(str::to_owned).collect();
    nothing_wrong(&fresh);
}

fn is_known(line: &str) -> bool {
    KNOWN
        .iter()
        .any(|(id, _)| line.contains(&format!(": {id}: ")))
}

#[test]
fn only_what_is_named_is_known() {
    assert!(is_known(
        "benches/Cargo.lock: instant 0.1.13 (unmaintained): RUSTSEC-2024-0384: `instant` is unmaintained"
    ));
    assert!(!is_known(
        "Cargo.lock: tokio 1.0.0 (vulnerable): RUSTSEC-2021-0072: as RUSTSEC-2024-0384 says"
    ));
}
