//! The project's own tooling; `cargo xtask help` lists it. Almost nothing beside the standard library, so that it
//! builds in a second.

mod api;
mod board;
mod c_library;
mod count;
mod esp32;
mod fuzz;
mod hosts;
mod lint;
mod man;
mod matrix;
mod minimum;
mod part;
mod secure;
mod suite;
mod xtensa;

use std::process::ExitCode;

// What the tests of boards use as well.
use sockeye_boards::{qemu, riscv, run, servers, tools};

const HELP: &str = "\
cargo xtask test [--list] [--part NAME]...   every test of the project; ends with `N passed, M failed`
cargo xtask lint [--list] [--part NAME]...   format, clippy and docs, warnings denied
cargo xtask bench [OPTIONS]                  what an event costs, beside other clients; `--help` lists the options
cargo xtask load [OPTIONS]                   the load tester beside Artillery, and with many clients; `--help` lists the options
cargo xtask device [OPTIONS]                 an emulated board as one more device of the demo; `--help` lists the options
cargo xtask size [--symbols]                 flash, RAM, stack and instructions of the client on a chip, held against budgets
cargo xtask size --matrix                    what each feature and each profile takes, as a table for the board's README
cargo xtask size --esp-idf                   the ESP-IDF component on an ESP32-C3 beside another client, if IDF_PATH is set
cargo xtask component [OPTIONS]              the ESP-IDF component as a package that stands alone; `--help` lists the options
cargo xtask man [FOLDER]                     the manual pages of the command, by default in target/man
cargo xtask api                              writes docs/api anew: the public interface, which `lint --part api` compares
cargo xtask servers                          installs the packages of the scenario servers, for running single interop tests

Programs that are missing are installed with apt-get where that is possible, after a question; `--yes` does not ask.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    if args.contains(&"--yes") {
        args.retain(|arg| *arg != "--yes");
        tools::say_yes();
    }
    match args.split_first() {
        Some((&"test", rest)) => part::main(suite::PARTS, suite::BY_NAME, rest),
        Some((&"lint", rest)) => part::main(lint::PARTS, &[], rest),
        Some((&("bench" | "load"), _)) => delegate("bench-driver", &args),
        Some((&"component", _) | (&"size", ["--esp-idf"])) => {
            args.retain(|arg| *arg != "--esp-idf");
            delegate("sockeye-component", &args)
        }
        Some((&"man", [])) => end(man::run_in("target/man")),
        Some((&"man", [folder])) => end(man::run_in(folder)),
        Some((&("device" | "size"), _)) => delegate("sockeye-boards", &args),
        Some((&"api", [])) => end(api::write()),
        Some((&"servers", [])) => end(servers::install()),
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

/// Runs a program of the workspace with these arguments, in this terminal.
fn delegate(package: &str, args: &[&str]) -> ExitCode {
    let mut program = run::cargo("run --quiet --manifest-path");
    program.arg(run::root().join("Cargo.toml"));
    program.args(["--package", package, "--"]).args(args);
    // As one types it: paths among the arguments are meant from here.
    match std::env::current_dir() {
        Ok(folder) => program.current_dir(folder),
        Err(error) => return fail(&format!("there is no current folder: {error}")),
    };
    if tools::said_yes() {
        program.env(tools::SAID_YES, "1");
    }
    match program.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        // It has said why.
        Ok(_) => ExitCode::FAILURE,
        Err(error) => fail(&format!("`{}`: {error}", run::shown(&program))),
    }
}

fn end(result: Result<(), String>) -> ExitCode {
    result.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

fn fail(error: &str) -> ExitCode {
    eprintln!("error: {}", error.trim_end());
    ExitCode::FAILURE
}
