//! `cargo xtask bench` and `cargo xtask load`: build what is measured, run it, and make tables of the figures.

mod bench;
mod flags;
mod load;

use std::process::ExitCode;

// What installs and starts programs, as the tests of boards do.
use sockeye_boards::{certificates, node, run, servers, tools};

fn main() -> ExitCode {
    let result = match flags::BenchDriver::from_env_or_exit().subcommand {
        flags::BenchDriverCmd::Bench(flags) => bench::run(flags),
        flags::BenchDriverCmd::Load(flags) => load::run(&flags),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.trim_end());
            ExitCode::FAILURE
        }
    }
}
