//! Emulated boards: builds their firmware, starts them in QEMU, and starts what they talk to. The tests are in
//! `tests/boards`; `cargo xtask` and the drivers of benchmarks use the same to install and to start programs.
//!
//! Little beside the standard library, so that `cargo xtask` builds in seconds.

#![allow(
    missing_docs,
    reason = "read by the tests and by xtask alone; what a name does not say, a comment does"
)]

pub mod certificates;
pub mod device;
pub mod image;
pub mod node;
pub mod qemu;
pub mod riscv;
pub mod run;
pub mod servers;
pub mod size;
pub mod tools;

use riscv::Target;

/// The firmware of the board, from the root of the repository.
pub const FIRMWARE: &str = "firmware/qemu-virt";

/// Set by `cargo xtask test`, which has installed what the tests need and built the images: a test that cannot run is a
/// failure then.
pub const PREPARED: &str = "SOCKEYE_BOARDS_PREPARED";

/// What is missing on this machine for a board that is built, started and talks to the official server. Nothing is
/// installed.
pub fn missing() -> Option<String> {
    tools::install_nothing();
    let board = || {
        qemu::need()?;
        Target::ALL.into_iter().try_for_each(riscv::need)?;
        tools::need(riscv::C_TOOLS)?;
        tools::need(&[tools::NODE, tools::OPENSSL])?;
        servers::official_is_installed()
    };
    board().err()
}
