//! Type checks for chips of which no image can be made here: what devices compile, for the Xtensa instruction set (see
//! `firmware/xtensa/README.md`), and the blocking client with its firmware, for the `std` of ESP-IDF.

use std::process::Command;
use std::time::Duration;

use crate::part::Report;
use crate::riscv::{DEBIAN_COMPILER, DEBIAN_LIBRARY, DEBIAN_RUSTC};
use crate::run::{self, root};
use crate::tools;

const LIMIT: Duration = Duration::from_secs(10 * 60);
const CHIPS: &[&str] = &["esp32", "esp32s2"];
const CHECKS: &[&str] = &[
    "-p sockeye-core --no-default-features",
    "-p sockeye-embedded --no-default-features",
    "-p sockeye-embedded --features embassy-net,polling",
    "-p sockeye-c --no-default-features --features polling,recovery",
];

const ESP_IDF: &[(&str, &str)] = &[
    (
        "sockeye::blocking",
        "-p sockeye --no-default-features --features blocking",
    ),
    (
        "the library of firmware/esp-idf-rust",
        "--manifest-path firmware/esp-idf-rust/Cargo.toml --lib --no-default-features",
    ),
];

/// Type-checks the crates of devices; no code is made, because this LLVM cannot.
pub(crate) fn lint(report: &mut Report) -> Result<(), String> {
    // Whatever else is installed: the target files have the data layout of this compiler's LLVM.
    tools::need(&[DEBIAN_COMPILER, DEBIAN_LIBRARY])?;
    for chip in CHIPS {
        for what in CHECKS {
            let passed = check(chip, what)?;
            let verdict = passed
                .then_some(())
                .ok_or_else(|| "it does not compile".to_owned());
            report.record(&format!("{chip}: {what}"), verdict);
        }
    }
    Ok(())
}

/// `sockeye::blocking` compiles for Rust on ESP-IDF, and so does what of the firmware needs no ESP-IDF.
pub(crate) fn esp_idf(report: &mut Report) -> Result<(), String> {
    tools::need(&[DEBIAN_COMPILER, DEBIAN_LIBRARY])?;
    for (name, what) in ESP_IDF {
        let mut cargo = run::cargo(&format!("check --quiet --locked {what}"));
        cargo.args(["-Z", "build-std=std,panic_abort"]);
        cargo.args(["--target", "riscv32imc-esp-espidf"]);
        let passed = types_only(cargo)?;
        let verdict = passed
            .then_some(())
            .ok_or_else(|| "it does not compile".to_owned());
        report.record(&format!("{name} for riscv32imc-esp-espidf"), verdict);
    }
    Ok(())
}

fn check(chip: &str, what: &str) -> Result<bool, String> {
    let mut cargo = run::cargo(&format!("check --quiet --locked {what}"));
    cargo.args(["-Z", "build-std=core,alloc", "-Z", "json-target-spec"]);
    cargo
        .arg("--target")
        .arg(root().join(format!("firmware/xtensa/xtensa-{chip}.json")));
    types_only(cargo)
}

fn types_only(mut cargo: Command) -> Result<bool, String> {
    cargo.args(["--target-dir", "target/xtensa"]);
    cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
    cargo.env("RUSTFLAGS", "-Zno-codegen");
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS");
    Ok(run::run(&mut cargo, LIMIT)?.success())
}
