//! The parts of `cargo xtask lint`.

use crate::api;
use crate::board;
use crate::esp32;
use crate::hosts;
use crate::matrix;
use crate::minimum;
use crate::part::{Part, Report};
use crate::run::{cargo, root};
use crate::secure;
use crate::tools::works;
use crate::xtensa;

pub(crate) const PARTS: &[Part] = &[
    Part {
        name: "format",
        about: "rustfmt everywhere; names the files that differ",
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
        name: "api",
        about: "the public interface of each crate is what docs/api says",
        run: api::lint,
    },
    Part {
        name: "guide",
        about: "links of Markdown files, and the facts that comments cite",
        run: |report| repository(report, "guide::"),
    },
    Part {
        name: "parity",
        about: "the tests that docs/parity.md names exist",
        run: |report| repository(report, "parity::"),
    },
    Part {
        name: "floors",
        about: "no file of the core names what lies above it",
        run: |report| repository(report, "floors::"),
    },
    Part {
        name: "supply",
        about: "licences of everything that is compiled along, crates in two versions",
        run: |report| repository(report, "licences::"),
    },
    Part {
        name: "advisories",
        about: "what the RustSec database says about every lock file, if SOCKEYE_ADVISORY_DB names it",
        run: |report| repository(report, "advisories::"),
    },
    Part {
        name: "minimum",
        about: "the stated minimum version of Rust is one, and builds",
        run: minimum::lint,
    },
    Part {
        name: "matrix",
        about: "every crate with each feature alone, with all and with none",
        run: matrix::lint,
    },
    Part {
        name: "hosts",
        about: "the clients for hosts, type-checked for Windows and macOS",
        run: hosts::lint,
    },
    Part {
        name: "tls",
        about: "clippy on the TLS connector of devices",
        run: secure::lint,
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
    Part {
        name: "xtensa",
        about: "what devices compile, type-checked for Xtensa chips (ESP32, S2, S3)",
        run: xtensa::lint,
    },
    Part {
        name: "triples",
        about: "what devices compile, type-checked for riscv32imafc and for Cortex-M0+ and M4F",
        run: xtensa::triples,
    },
    Part {
        name: "std-esp-idf",
        about: "the blocking client, type-checked for Rust on ESP-IDF",
        run: xtensa::esp_idf,
    },
];

/// The packages that are not in the workspace of the root.
fn outer_packages() -> Vec<String> {
    let mut manifests = vec![
        "crates/sockeye-mbedtls/Cargo.toml".to_owned(),
        "xtask/advisories/Cargo.toml".to_owned(),
        "xtask/api/Cargo.toml".to_owned(),
    ];
    for folder in ["fuzz", "benches", "firmware"] {
        manifests.push(format!("{folder}/Cargo.toml"));
        let inner = std::fs::read_dir(root().join(folder)).into_iter().flatten();
        let names = inner
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        manifests.extend(names.map(|name| format!("{folder}/{name}/Cargo.toml")));
    }
    let is_package = |text: String| text.contains("[package]");
    manifests.retain(|path| std::fs::read_to_string(root().join(path)).is_ok_and(is_package));
    manifests.sort();
    manifests
}

/// Those of the repository's own tests whose names contain `filter`.
pub(crate) fn repository(report: &mut Report, filter: &str) -> Result<(), String> {
    report.tests(
        cargo("test --quiet -p sockeye-repository --test repository -- --nocapture").arg(filter),
    )
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
    report.check(&mut cargo("fmt --all --check -- -l"))?;
    for manifest in outer_packages() {
        report.check(&mut cargo(&format!(
            "fmt --check --manifest-path {manifest} -- -l"
        )))?;
    }
    Ok(())
}

fn clippy(report: &mut Report) -> Result<(), String> {
    component("clippy", &["cargo", "clippy", "--version"])?;
    for packages in [
        "--workspace",
        "-p sockeye-core --no-default-features",
        "-p sockeye-core --no-default-features --features polling",
        "-p sockeye-core --no-default-features --features eio3",
        "-p sockeye-embedded --all-features",
        "-p sockeye --all-features",
    ] {
        report.check(&mut cargo(&format!(
            "clippy --quiet {packages} --all-targets -- -D warnings"
        )))?;
    }
    // Without targets for tests, which bring features of their own or are those of the whole.
    let tokio = ["tokio", "tokio,native-tls"];
    for features in tokio.iter().chain(BLOCKING) {
        report.check(&mut cargo(&format!(
            "clippy --quiet -p sockeye --no-default-features --features {features} --lib -- -D warnings"
        )))?;
    }
    no_tokio(report)
}

/// The blocking client without tokio.
const BLOCKING: &[&str] = &["blocking", "blocking,rustls", "blocking,native-tls"];

/// The blocking client compiles nothing of tokio, with and without rustls.
fn no_tokio(report: &mut Report) -> Result<(), String> {
    let found = BLOCKING[..2].iter().find_map(|features| {
        let tree = format!(
            "tree --quiet -p sockeye --no-default-features --features {features} --edges normal --prefix none"
        );
        match cargo(&tree).output() {
            Err(error) => Some(format!("cargo {tree}: {error}")),
            Ok(output) if !output.status.success() => Some(format!("cargo {tree} failed")),
            Ok(output) => String::from_utf8_lossy(&output.stdout)
                .lines()
                .find(|line| line.starts_with("tokio"))
                .map(|line| format!("{line} lies below the features {features}")),
        }
    });
    report.timed(
        "no tokio below the blocking client",
        std::time::Duration::ZERO,
        found.map_or(Ok(()), Err),
    );
    Ok(())
}

/// In more than one feature set, because docs may link to what only a feature brings.
fn docs(report: &mut Report) -> Result<(), String> {
    for packages in [
        "--workspace --exclude sockeye-embedded",
        "-p sockeye-core --no-default-features",
        "-p sockeye --all-features",
        "-p sockeye --no-default-features --features tokio",
        "-p sockeye --no-default-features --features blocking",
        "-p sockeye-embedded",
        "-p sockeye-embedded --all-features",
    ] {
        let mut doc = cargo(&format!("doc --quiet {packages} --no-deps"));
        report.check(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}
