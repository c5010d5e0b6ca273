//! `cargo xtask lint --part supply`: the licences of everything that is compiled along, and crates that are there twice.
//! `--part matrix`: every crate with each of its features alone, with all and with none.

use std::collections::BTreeSet;
use std::process::Command;

use crate::part::Report;
use crate::run::{cargo, root};

/// Licences that may be compiled along.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "MPL-2.0",
    "Unlicense",
];

/// Other licences, for what cannot be had otherwise: the beginning of the crate's name, and the licence.
const EXCEPTIONS: &[(&str, &str)] = &[
    // The tables of Unicode, below `url`: names of hosts.
    ("icu_", "Unicode-3.0"),
    ("litemap", "Unicode-3.0"),
    ("potential_utf", "Unicode-3.0"),
    ("tinystr", "Unicode-3.0"),
    ("unicode-ident", "Unicode-3.0"),
    ("writeable", "Unicode-3.0"),
    ("yoke", "Unicode-3.0"),
    ("zerofrom", "Unicode-3.0"),
    ("zerotrie", "Unicode-3.0"),
    ("zerovec", "Unicode-3.0"),
    // Mozilla's list of CAs: data.
    ("webpki-root", "CDLA-Permissive-2.0"),
    // Below `rustyline`, for the command on Windows alone.
    ("clipboard-win", "BSL-1.0"),
    ("error-code", "BSL-1.0"),
];

/// Crates that are there in two versions, and why that is so.
const TWICE: &[(&str, &str)] = &[
    ("base64", "socketioxide, in the demo and in tests"),
    ("embedded-hal", "embassy-time implements the traits of both"),
    ("getrandom", "ring"),
    ("matchit", "axum, in the demo"),
    ("nb", "both versions of embedded-hal"),
    ("syn", "macros of others, at build time"),
    ("windows-link", "jni, for Android"),
    ("windows-sys", "errno"),
];

/// The workspaces whose crates go into programs of others, or are run here.
const WORKSPACES: &[&str] = &[
    "Cargo.toml",
    "fuzz/Cargo.toml",
    "crates/sockeye-mbedtls/Cargo.toml",
    "xtask/api/Cargo.toml",
    "xtask/advisories/Cargo.toml",
];

/// Checks licences, and duplicates of the main workspace.
pub(crate) fn lint(report: &mut Report) -> Result<(), String> {
    for manifest in WORKSPACES {
        let tree = tree(manifest, &["--format", "{p}|{l}"])?;
        let wrong: BTreeSet<String> = tree.lines().filter_map(bad_licence).collect();
        let result = if wrong.is_empty() {
            Ok(())
        } else {
            let wrong: Vec<String> = wrong.into_iter().collect();
            Err(format!(
                "not among the licences that xtask/src/supply.rs allows:\n{}",
                wrong.join("\n")
            ))
        };
        report.record(&format!("licences, {manifest}"), result);
    }
    let doubles = tree(
        "Cargo.toml",
        &["--duplicates", "--depth", "0", "--format", "{p}|"],
    )?;
    let names: BTreeSet<&str> = doubles
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty())
        .collect();
    let known: BTreeSet<&str> = TWICE.iter().map(|(name, _)| *name).collect();
    let fresh: Vec<&str> = names.difference(&known).copied().collect();
    let stale: Vec<&str> = known.difference(&names).copied().collect();
    let result = if fresh.is_empty() && stale.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "in two versions, and not said why in xtask/src/supply.rs: {fresh:?} (`cargo tree -i NAME@VERSION` shows who \
             wants which); named there, and not in two versions any more: {stale:?}"
        ))
    };
    report.record("crates in two versions", result);
    Ok(())
}

/// What a workspace compiles for any target, one crate a line.
fn tree(manifest: &str, args: &[&str]) -> Result<String, String> {
    let mut command =
        cargo("tree --workspace --edges normal,build --target all --prefix none --manifest-path");
    command.arg(root().join(manifest)).args(args);
    let output = command
        .output()
        .map_err(|error| format!("cannot run cargo tree: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "cargo tree failed for {manifest}: {}",
            why.trim_end()
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A line of the tree whose licence is not allowed, and what it is.
fn bad_licence(line: &str) -> Option<String> {
    let (package, licence) = line.split_once('|')?;
    let licence = licence.trim_end_matches(" (*)").trim();
    let name = package.split(' ').next().unwrap_or_default();
    let excepted = |licence: &str| {
        EXCEPTIONS
            .iter()
            .any(|(start, allowed)| name.starts_with(start) && licence == *allowed)
    };
    let allowed = |licence: &str| LICENCES.contains(&licence) || excepted(licence);
    (!is_allowed(licence, &allowed)).then(|| format!("{name}: {licence:?}"))
}

/// Whether an SPDX expression can be met by what is allowed. (An exception to a licence only allows more.)
fn is_allowed(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any(&tokens, &mut at, allowed) && at == tokens.len()
}

fn any(tokens: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = all(tokens, at, allowed);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(tokens, at, allowed);
    }
    met
}

fn all(tokens: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = one(tokens, at, allowed);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(tokens, at, allowed);
    }
    met
}

fn one(tokens: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let token = tokens.get(*at).copied().unwrap_or_default();
    *at += 1;
    if token == "(" {
        let met = any(tokens, at, allowed);
        *at += 1;
        return met;
    }
    if tokens.get(*at) == Some(&"WITH") {
        *at += 2;
    }
    allowed(token)
}

// ---- features ----

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
pub(crate) fn matrix(report: &mut Report) -> Result<(), String> {
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
    fn expressions_of_licences() {
        let allowed = |licence: &str| matches!(licence, "MIT" | "ISC" | "Apache-2.0");
        for (expression, met) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0 OR MIT", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR GPL-3.0) AND ISC", true),
            ("MIT OR GPL-3.0 AND LGPL-2.1", true),
            ("GPL-3.0 OR MIT AND LGPL-2.1", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
            ("", false),
            ("MIT GPL-3.0", false),
        ] {
            assert_eq!(is_allowed(expression, &allowed), met, "{expression}");
        }
    }

    #[test]
    fn features_of_a_manifest() {
        let manifest = "[package]\nname = [\"x\"]\n[features]\ndefault = [\"a\"]\n## About a.\na = []\nb = [\"a\"]\n\n[dependencies]\nc = [1]\n";
        assert_eq!(features(manifest).collect::<Vec<_>>(), ["a", "b"]);
    }
}
