//! The licences of everything that is compiled along, and crates that are there twice.

use std::collections::BTreeSet;

use sockeye_repository::{cargo, nothing_wrong, root};
use spdx::{Expression, LicenseReq, ParseMode};

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

#[test]
fn licences_are_permissive() -> Result<(), String> {
    let mut wrong = BTreeSet::new();
    for manifest in WORKSPACES {
        let tree = tree(manifest, &["--format", "{p}|{l}"])?;
        wrong.extend(tree.lines().filter_map(bad_licence));
    }
    let wrong: Vec<String> = wrong.into_iter().collect();
    nothing_wrong(&wrong);
    Ok(())
}

#[test]
fn crates_in_two_versions_are_named_with_a_reason() -> Result<(), String> {
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
    assert!(
        fresh.is_empty() && stale.is_empty(),
        "in two versions, and not said why in {}: {fresh:?} (`cargo tree -i NAME@VERSION` shows who wants which); named there, \
         and not in two versions any more: {stale:?}",
        file!()
    );
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
    (!is_allowed(licence, name)).then(|| format!("{name}: {licence:?}"))
}

/// Whether what an SPDX expression asks for can be met by what is allowed for a crate. (An exception to a licence only
/// allows more.)
fn is_allowed(expression: &str, name: &str) -> bool {
    let allowed = |asked: &LicenseReq| {
        let asked = asked.license.id().map_or("", |licence| licence.name);
        let mut exceptions = EXCEPTIONS.iter();
        LICENCES.contains(&asked)
            || exceptions.any(|(start, licence)| name.starts_with(start) && asked == *licence)
    };
    // Old manifests have a slash for "or".
    Expression::parse_mode(expression, ParseMode::LAX)
        .is_ok_and(|expression| expression.evaluate(allowed))
}

#[test]
fn expressions_of_licences() {
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only OR MIT", true),
        ("MIT AND GPL-3.0-only", false),
        ("(MIT OR GPL-3.0-only) AND ISC", true),
        ("MIT OR GPL-3.0-only AND LGPL-2.1-only", true),
        ("GPL-3.0-only OR MIT AND LGPL-2.1-only", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0-only", true),
        ("", false),
        ("MIT GPL-3.0-only", false),
        ("Unicode-3.0", false),
    ] {
        assert_eq!(is_allowed(expression, "x"), met, "{expression}");
    }
    assert!(is_allowed("Unicode-3.0", "icu_properties"));
}
