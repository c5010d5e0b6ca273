//! Firmware on emulated RISC-V boards: `cargo xtask test --part board`, `--part board-client`, `--part board-device`, `--part
//! size`, `--part frames`, which install what is missing and build the images. A single one: `cargo nextest run -p sockeye-boards --run-ignored only NAME`.
//!
//! `SOCKEYE_CUTS=1000` is the storm of cuts at full length.
//!
//! One start of QEMU for each test and instruction set. What a machine lacks is said, and skipped.

mod budget;
mod certificates;
mod client;
mod device;
mod frames;
mod machine;
mod secure;
mod storm;

use std::sync::{Mutex, PoisonError};

use sockeye_boards::riscv::Target;
use sockeye_boards::{PREPARED, missing};

/// Whether this machine can play tests; what it lacks is said.
fn can_play() -> bool {
    let missing = missing();
    if let Some(missing) = &missing {
        assert!(std::env::var_os(PREPARED).is_none(), "{missing}");
        println!("skipped: {missing}");
    }
    missing.is_none()
}

/// Plays a test on one chip, if this machine can.
fn play(target: Target, test: impl Fn(Target) -> Result<(), String>) {
    if can_play() {
        println!("{}", target.name());
        test(target).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Plays a test that builds images with settings of its own, one at a time: they lie in the same place. (`.config/nextest.toml`
/// says the same, for tests that are processes.)
fn one_build(test: impl Fn() -> Result<(), String>) {
    static BUILDS: Mutex<()> = Mutex::new(());
    let _turn = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
    if can_play() {
        test().unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A test for each instruction set: `name: |target| Result<(), String>`.
macro_rules! on_both_chips {
    ($($name:ident: $test:expr,)+) => {
        mod imc {
            #[allow(unused_imports, reason = "some tests are functions, others take what lies beside them")]
            use super::*;
            $(
                #[test]
                #[ignore = "needs QEMU and images: cargo xtask test --part board"]
                fn $name() {
                    crate::play(Target::Imc, $test);
                }
            )+
        }

        mod imac {
            #[allow(unused_imports, reason = "some tests are functions, others take what lies beside them")]
            use super::*;
            $(
                #[test]
                #[ignore = "needs QEMU and images: cargo xtask test --part board"]
                fn $name() {
                    crate::play(Target::Imac, $test);
                }
            )+
        }
    };
}
use on_both_chips;
