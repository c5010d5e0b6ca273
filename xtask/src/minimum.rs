//! `cargo xtask lint --part minimum`: the stated minimum version of Rust is one, and builds.

use std::process::Command;

use crate::api::target;
use crate::lint::repository;
use crate::part::Report;
use crate::run::root;
use crate::tools::works;

/// Compares the manifests, and builds with the minimum if this compiler is a newer one.
pub(crate) fn lint(report: &mut Report) -> Result<(), String> {
    repository(report, "minimum::")?;
    let minimum = env!("CARGO_PKG_RUST_VERSION");
    let version = Command::new("rustc")
        .arg("--version")
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if version.starts_with(&format!("rustc {minimum}.")) {
        println!(
            "this is {}: every build of lint and tests is one with the minimum",
            version.trim()
        );
        report.record("the minimum is what builds", Ok(()));
    } else if works(&["rustup", "run", minimum, "cargo", "--version"]) {
        let mut check = Command::new("rustup");
        check
            .args(["run", minimum, "cargo", "check", "--quiet", "--workspace"])
            .arg("--target-dir")
            .arg(target().join("minimum"))
            .current_dir(root());
        report.check(&mut check)?;
    } else {
        report.skipped(&format!(
            "not built with the minimum: rustup toolchain install {minimum} --profile minimal"
        ));
    }
    Ok(())
}
