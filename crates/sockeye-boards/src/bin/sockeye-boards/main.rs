//! `cargo xtask device` and `cargo xtask size`.

mod attach;
mod flags;

use std::process::ExitCode;

use sockeye_boards::size;

fn main() -> ExitCode {
    let result = match flags::SockeyeBoards::from_env_or_exit().subcommand {
        flags::SockeyeBoardsCmd::Device(flags) => attach::run(flags),
        flags::SockeyeBoardsCmd::Size(flags) if flags.matrix => size::matrix::run(),
        flags::SockeyeBoardsCmd::Size(flags) => size::run(flags.symbols),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.trim_end());
            ExitCode::FAILURE
        }
    }
}
