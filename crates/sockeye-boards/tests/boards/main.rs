//! Firmware on emulated RISC-V boards: `cargo xtask test --part board`, `--part board-client`, `--part board-device`, which
//! install what is missing and build the images. A single one: `cargo nextest run -p sockeye-boards --run-ignored only NAME`.
//!
//! `SOCKEYE_CUTS=1000` is the storm of cuts at full length.
//!
//! One start of QEMU for each test and instruction set. What a machine lacks is said, and skipped.

mod certificates;
mod client;
mod device;
mod machine;
mod secure;
mod storm;

use sockeye_boards::riscv::Target;
use sockeye_boards::{PREPARED, missing};

/// Plays a test on one chip, if this machine can.
fn play(target: Target, test: impl Fn(Target) -> Result<(), String>) {
    if let Some(missing) = missing() {
        assert!(std::env::var_os(PREPARED).is_none(), "{missing}");
        println!("skipped: {missing}");
        return;
    }
    println!("{}", target.name());
    if let Err(error) = test(target) {
        panic!("{error}");
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
