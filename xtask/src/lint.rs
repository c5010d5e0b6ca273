//! The parts of `cargo xtask lint`.

use crate::board;
use crate::esp32;
use crate::part::{Part, Report};
use crate::run::{cargo, root};
use crate::tools::works;

pub(crate) const PARTS: &[Part] = &[
    Part {
        name: "format",
        about: "rustfmt in every workspace",
        run: format,
    },
    Part {
        name: "clippy",
        about: "clippy on all targets, warnings denied",
        run: clippy,
    },
    Part {
        name: "docs",
        about: "rustdoc, warnings denied",
        run: docs,
    },
    Part {
        name: "firmware",
        about: "clippy on the firmware of the emulated board",
        run: board::lint,
    },
    Part {
        name: "esp32",
        about: "clippy on the firmware of ESP32 boards",
        run: esp32::lint,
    },
];

/// Workspaces of their own, as far as they are there.
fn workspaces() -> Vec<String> {
    let mut found = vec!["Cargo.toml".to_owned()];
    for folder in ["fuzz", "benches", "firmware"] {
        let mut manifests = vec![format!("{folder}/Cargo.toml")];
        let inner = std::fs::read_dir(root().join(folder))
            .into_iter()
            .flatten()
            .flatten();
        manifests.extend(inner.map(|entry| {
            format!(
                "{folder}/{}/Cargo.toml",
                entry.file_name().to_string_lossy()
            )
        }));
        manifests.retain(|manifest| {
            std::fs::read_to_string(root().join(manifest))
                .is_ok_and(|text| text.contains("[workspace]"))
        });
        manifests.sort();
        found.extend(manifests);
    }
    found
}

/// A component of the toolchain, which rustup can add.
fn component(name: &str, probe: &[&str]) -> Result<(), String> {
    if works(probe) || (works(&["rustup", "component", "add", name]) && works(probe)) {
        return Ok(());
    }
    Err(format!("{name} is missing: rustup component add {name}"))
}

fn format(report: &mut Report) -> Result<(), String> {
    component("rustfmt", &["cargo", "fmt", "--version"])?;
    for manifest in workspaces() {
        report.check(&mut cargo(&format!(
            "fmt --all --check --manifest-path {manifest}"
        )))?;
    }
    Ok(())
}

fn clippy(report: &mut Report) -> Result<(), String> {
    component("clippy", &["cargo", "clippy", "--version"])?;
    report.check(&mut cargo(
        "clippy --quiet --workspace --all-targets -- -D warnings",
    ))?;
    report.check(&mut cargo(
        "clippy --quiet -p sockeye-core --no-default-features --all-targets -- -D warnings",
    ))
}

fn docs(report: &mut Report) -> Result<(), String> {
    report.check(cargo("doc --quiet --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings"))
}
