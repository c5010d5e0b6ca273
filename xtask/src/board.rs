//! The emulated board: its images for the tests of `sockeye-boards`, and clippy on its firmware.

use sockeye_boards::{FIRMWARE, PREPARED};

use crate::part::Report;
use crate::qemu;
use crate::riscv::{self, Firmware, Target};
use crate::run::cargo;
use crate::servers;
use crate::suite::run_tests_with;
use crate::tools;

/// The folder of the firmware.
pub(crate) const FOLDER: &str = FIRMWARE;

/// The images of the tests, with their features.
const IMAGES: &[(&str, &[&str])] = &[
    ("netcheck", &[]),
    ("device", &[]),
    ("scenarios", &["polling"]),
    ("tlscheck", &["tls"]),
    ("secure", &["tls"]),
    ("member", &["tls"]),
];

/// The board itself.
pub(crate) fn machine(report: &mut Report) -> Result<(), String> {
    tests(report, &["netcheck", "tlscheck"], "machine::")
}

/// The client on the board.
pub(crate) fn client(report: &mut Report) -> Result<(), String> {
    tests(report, &["scenarios"], "client::")?;
    tests(report, &["scenarios"], "storm::")?;
    tests(report, &["secure"], "secure::")
}

/// The board in the demo.
pub(crate) fn device(report: &mut Report) -> Result<(), String> {
    report.check(&mut cargo("build --quiet -p sockeye-cli --bin sockeye"))?;
    tests(report, &["device"], "device::")
}

/// The client's budgets. The table is wanted, which nextest would not show.
pub(crate) fn sizes(report: &mut Report) -> Result<(), String> {
    builds(report, "budget::")
}

/// Stack frames.
pub(crate) fn frames(report: &mut Report) -> Result<(), String> {
    builds(report, "frames::")
}

/// Tests that build images of their own, and print figures.
fn builds(report: &mut Report, filter: &str) -> Result<(), String> {
    prepare(&[])?;
    let mut tests = cargo("test --quiet -p sockeye-boards --test boards -- --ignored --nocapture");
    report.tests(tests.arg(filter).env(PREPARED, "1"))
}

/// Installs what the tests need, builds these images, and runs the tests whose names contain `filter`.
fn tests(report: &mut Report, images: &[&str], filter: &str) -> Result<(), String> {
    prepare(images)?;
    run_tests_with(
        report,
        "-p sockeye-boards --test boards",
        "--ignored",
        filter,
        &[(PREPARED, "1")],
    )
}

/// Installs what boards need, and builds these images.
pub(crate) fn prepare(images: &[&str]) -> Result<(), String> {
    qemu::need()?;
    tools::need(&[tools::OPENSSL])?;
    tools::need(riscv::C_TOOLS)?;
    servers::install()?;
    Target::ALL.into_iter().try_for_each(riscv::need)?;
    for target in Target::ALL {
        for (image, features) in IMAGES.iter().filter(|(image, _)| images.contains(image)) {
            let firmware = Firmware {
                folder: FOLDER,
                target,
                features,
                images: &[image],
            };
            firmware.build()?;
        }
    }
    Ok(())
}

/// Clippy on the board's firmware.
pub(crate) fn lint(report: &mut Report) -> Result<(), String> {
    let firmware = Firmware {
        folder: FOLDER,
        target: Target::Imc,
        features: &["tls", "polling"],
        images: &[],
    };
    report.record("clippy on the board's firmware", firmware.lint());
    Ok(())
}
