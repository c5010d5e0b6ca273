//! `cargo xtask lint --part matrix`: every crate with each of its features alone, with all and with none.

use std::process::Command;

use crate::part::Report;
use crate::run::{cargo, root};

/// The crates with features that applications choose, and what each cannot do without.
const CRATES: &[(&str, &str)] = &[
    ("sockeye-core", ""),
    // It says so itself: there has to be something to run on.
    ("sockeye", "tokio"),
    ("sockeye-embedded", ""),
    // Without it, it is for chips, whose profile ends panics by aborting: the C library is built for them elsewhere.
    ("sockeye-c", "std"),
    ("sockeye-cli", ""),
];

/// Checks every crate with none of its features, with each alone, and with all.
pub(crate) fn lint(report: &mut Report) -> Result<(), String> {
    for (package, base) in CRATES {
        let manifest = root().join("crates").join(package).join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest)
            .map_err(|error| format!("cannot read {}: {error}", manifest.display()))?;
        let mut failed = Vec::new();
        let mut sets = vec![format!("--no-default-features --features={base}")];
        let others = features(&text).filter(|feature| feature != base);
        sets.extend(
            others.map(|feature| format!("--no-default-features --features={base},{feature}")),
        );
        sets.push("--all-features".to_owned());
        let count = sets.len();
        for set in sets {
            let mut check: Command = cargo(&format!("check --quiet -p {package} {set}"));
            // Warnings are told on stderr, also those of a build that is there already.
            let clean = check.output().is_ok_and(|output| {
                let said = String::from_utf8_lossy(&output.stderr);
                eprint!("{said}");
                output.status.success() && !said.contains("warning")
            });
            if !clean {
                failed.push(set);
            }
        }
        let result = if failed.is_empty() {
            Ok(())
        } else {
            Err(format!(
                "does not build, or not without warnings, with {}",
                failed.join(", nor with ")
            ))
        };
        report.record(&format!("{package} with {count} sets of features"), result);
    }
    Ok(())
}

/// The features of a manifest, but `default`.
fn features(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .skip_while(|line| *line != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = ["))
        .map(|(name, _)| name)
        .filter(|name| *name != "default")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_a_manifest() {
        let manifest = "[package]\nname = [\"x\"]\n[features]\ndefault = [\"a\"]\n## About a.\na = []\nb = [\"a\"]\n\n[dependencies]\nc = [1]\n";
        assert_eq!(features(manifest).collect::<Vec<_>>(), ["a", "b"]);
    }
}
