//! `cargo xtask lint --part minimum`: every manifest states the same minimum version of Rust, and that version builds all.

use std::process::Command;

use crate::api::target;
use crate::part::Report;
use crate::run::root;
use crate::tools::works;

/// Compares the manifests, and builds with the minimum if this compiler is a newer one.
pub(crate) fn lint(report: &mut Report) -> Result<(), String> {
    let listed = Command::new("git")
        .args(["ls-files", "Cargo.toml", "**/Cargo.toml"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("cannot run git: {error}"))?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let read = |path: &str| {
        std::fs::read_to_string(root().join(path))
            .map_err(|error| format!("cannot read {path}: {error}"))
    };
    let workspace = read("Cargo.toml")?;
    let minimum = stated(&workspace)
        .ok_or("Cargo.toml states no rust-version")?
        .to_owned();
    let mut others = Vec::new();
    for path in listed.lines() {
        let text = read(path)?;
        let inherits = text.contains("rust-version.workspace = true");
        if text.contains("[package]") && !inherits && stated(&text) != Some(&minimum) {
            others.push(path);
        }
    }
    let same = if others.is_empty() {
        Ok(())
    } else {
        Err(format!("not in {}", others.join(", ")))
    };
    report.record(
        &format!("rust-version = \"{minimum}\" in every manifest"),
        same,
    );

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
    } else if works(&["rustup", "run", &minimum, "cargo", "--version"]) {
        let mut check = Command::new("rustup");
        check
            .args(["run", &minimum, "cargo", "check", "--quiet", "--workspace"])
            .arg("--target-dir")
            .arg(target().join("minimum"))
            .current_dir(root());
        report.check(&mut check)?;
    } else {
        println!(
            "not built with the minimum: rustup toolchain install {minimum} --profile minimal"
        );
        report.skipped(1);
    }
    Ok(())
}

/// What a manifest states.
fn stated(manifest: &str) -> Option<&str> {
    let line = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \""))?;
    line.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_manifest_states() {
        assert_eq!(stated("[package]\nrust-version = \"1.95\"\n"), Some("1.95"));
        assert_eq!(stated("rust-version.workspace = true"), None);
    }
}
