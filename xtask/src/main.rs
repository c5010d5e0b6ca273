//! The project's own tooling; `cargo xtask help` lists it. Standard library only, so that it builds in a second.

mod count;
mod lint;
mod part;
mod run;
mod servers;
mod suite;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test [--list] [--part NAME]...   every test of the project; ends with `N passed, M failed`
cargo xtask lint [--list] [--part NAME]...   format, clippy and docs, warnings denied
cargo xtask servers                          installs the packages of the scenario servers, for running single interop tests
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.split_first() {
        Some((&"test", rest)) => part::main(suite::PARTS, rest),
        Some((&"lint", rest)) => part::main(lint::PARTS, rest),
        Some((&"servers", [])) => match servers::install() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        None | Some((&("help" | "--help" | "-h"), _)) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Some((command, rest)) => fail(&format!(
            "unknown command `{command} {}`\n{HELP}",
            rest.join(" ")
        )),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("error: {}", error.trim_end());
    ExitCode::FAILURE
}
