//! The ESP-IDF component of Sockeye: made as a package that stands alone ([`component`]), and its projects built with ESP-IDF
//! ([`project`]). `cargo xtask component`, `cargo xtask size --esp-idf` and `cargo xtask test --part esp-idf` use it.

pub mod component;
pub mod project;
pub mod size;

// What builds, installs and starts programs, as the tests of boards do.
use sockeye_boards::{image, riscv, run, tools};
