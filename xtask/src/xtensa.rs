//! Type checks for chips of which no image is made here: what devices compile, for the Xtensa instruction set (see
//! `firmware/xtensa/README.md`) and for others, and the blocking client with its firmware, for the `std` of ESP-IDF.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use crate::part::Report;
use crate::riscv::{DEBIAN_COMPILER, DEBIAN_LIBRARY, DEBIAN_RUSTC, Target};
use crate::run::{self, root};
use crate::tools;

const LIMIT: Duration = Duration::from_secs(10 * 60);
const CHIPS: &[&str] = &["esp32", "esp32s2"];
const CHECKS: &[&str] = &[
    "-p sockeye-core --no-default-features",
    "-p sockeye-embedded --no-default-features",
    "-p sockeye-embedded --features embassy-net,polling",
    C_LIBRARY,
];

/// Instruction sets of common chips, for which neither the firmware nor its tests are built: a floating-point unit (ESP32-P4), no
/// atomic compare-and-swap (Cortex-M0+: RP2040), and the Cortex-M of most others (to types an M33 is the same).
const TRIPLES: &[&str] = &[
    "riscv32imafc-unknown-none-elf",
    "thumbv6m-none-eabi",
    "thumbv7em-none-eabihf",
];

/// What is checked for them, with the core below it: each other check costs as much again, and finds what those for Xtensa
/// find.
const WHOLE: &[&str] = &[
    "-p sockeye-embedded --features embassy-net,polling",
    C_LIBRARY,
];

const C_LIBRARY: &str = "-p sockeye-c --no-default-features --features polling,recovery";

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
            let file = root().join(format!("firmware/xtensa/xtensa-{chip}.json"));
            check(report, chip, what, file.as_os_str())?;
        }
    }
    Ok(())
}

/// The same for the instruction sets of other chips.
pub(crate) fn triples(report: &mut Report) -> Result<(), String> {
    tools::need(&[DEBIAN_COMPILER, DEBIAN_LIBRARY])?;
    for triple in TRIPLES {
        for what in WHOLE {
            check(report, triple, what, triple.as_ref())?;
        }
    }
    // The firmware builds the other crates for the chips with this one.
    let triple = Target::Imac.triple();
    check(report, triple, C_LIBRARY, triple.as_ref())
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

fn check(report: &mut Report, name: &str, what: &str, target: &OsStr) -> Result<(), String> {
    let mut cargo = run::cargo(&format!("check --quiet --locked {what}"));
    cargo.args(["-Z", "build-std=core,alloc", "-Z", "json-target-spec"]);
    cargo.arg("--target").arg(target);
    let passed = types_only(cargo)?;
    let verdict = passed
        .then_some(())
        .ok_or_else(|| "it does not compile".to_owned());
    report.record(&format!("{name}: {what}"), verdict);
    Ok(())
}

fn types_only(mut cargo: Command) -> Result<bool, String> {
    cargo.args(["--target-dir", "target/xtensa"]);
    cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
    cargo.env("RUSTFLAGS", "-Zno-codegen");
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS");
    Ok(run::run(&mut cargo, LIMIT)?.success())
}
