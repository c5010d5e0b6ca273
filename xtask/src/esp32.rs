//! The firmware of ESP32 boards: its images are built and linted for the chips that a RISC-V compiler reaches. What they
//! do is checked on the emulated board, which has the same client and network stack, and on the chips themselves.

use crate::part::Report;
use crate::riscv::{Firmware, Target};

const FOLDER: &str = "firmware/esp32";
const IMAGE: &str = "sockeye-esp32";

/// A chip, and what it is built with. (With TLS the image is compiled by the lint part, which is enough and quicker.) `unconfigured` stands in for the network and the server of a user.
const IMAGES: &[(&str, Target, &[&str])] = &[
    ("ESP32-C3", Target::Imc, &["esp32c3", "unconfigured"]),
    ("ESP32-C6", Target::Imac, &["esp32c6", "unconfigured"]),
];

/// Builds every image and prints what it takes of flash.
pub(crate) fn checks(report: &mut Report) -> Result<(), String> {
    for &(chip, target, features) in IMAGES {
        report.record(&format!("image for {chip}"), build(chip, target, features));
    }
    Ok(())
}

fn build(chip: &str, target: Target, features: &[&str]) -> Result<(), String> {
    let firmware = Firmware {
        folder: FOLDER,
        target,
        features,
        images: &[IMAGE],
    };
    let image = firmware.build()?.join(IMAGE);
    let sizes = sockeye_boards::image::sizes(&image)?;
    println!("{chip}: {} B of code and constants", sizes.flash);
    Ok(())
}

/// Clippy on everything that is compiled for one chip.
pub(crate) fn lint(report: &mut Report) -> Result<(), String> {
    let firmware = Firmware {
        folder: FOLDER,
        target: Target::Imc,
        features: &["esp32c3", "unconfigured", "tls"],
        images: &[IMAGE],
    };
    report.record("clippy on the firmware of ESP32 boards", firmware.lint());
    Ok(())
}
