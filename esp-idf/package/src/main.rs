//! `cargo xtask component` and `cargo xtask size --esp-idf`.

mod flags;

use std::process::ExitCode;

use sockeye_component::{component, size};

fn main() -> ExitCode {
    let result = match flags::SockeyeComponent::from_env_or_exit().subcommand {
        flags::SockeyeComponentCmd::Component(flags) => {
            component::run(flags.out.as_deref(), flags.prebuilt.as_deref())
        }
        flags::SockeyeComponentCmd::Size(_) => size::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.trim_end());
            ExitCode::FAILURE
        }
    }
}
