//! The project's own tooling; `cargo xtask help` lists it: a command line, and the calls of other programs. What measures, packs
//! or tests is a crate of its own. It builds in seconds.

mod api;
mod board;
mod c_library;
mod count;
mod esp32;
mod flags;
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

use std::ffi::OsString;
use std::process::ExitCode;

use flags::{Lint, Test, Xtask, XtaskCmd};

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
    let mut args: Vec<OsString> = std::env::args_os().skip(1).collect();
    if args.iter().any(|arg| arg == "--yes") {
        args.retain(|arg| arg != "--yes");
        tools::say_yes();
    }
    let verb = args.first().map(|verb| verb.to_string_lossy().into_owned());
    match verb.as_deref() {
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some("bench" | "load") => return delegate("bench-driver", &args),
        Some("size") if args[1..] == ["--esp-idf"] => {
            return delegate("sockeye-component", &args[..1]);
        }
        Some("component") => return delegate("sockeye-component", &args),
        Some("device" | "size") => return delegate("sockeye-boards", &args),
        Some(_) => {}
    }
    let flags = match Xtask::from_vec(args) {
        Ok(flags) => flags,
        Err(error) if error.is_help() => error.exit(),
        Err(error) => return fail(&format!("{error}\n{HELP}")),
    };
    match flags.subcommand {
        XtaskCmd::Test(Test { list, part }) => {
            part::main(suite::PARTS, suite::BY_NAME, list, &part)
        }
        XtaskCmd::Lint(Lint { list, part }) => part::main(lint::PARTS, &[], list, &part),
        XtaskCmd::Man(flags) => end(man::run_in(flags.folder.as_deref().unwrap_or("target/man"))),
        XtaskCmd::Api(_) => end(api::write()),
        XtaskCmd::Servers(_) => end(servers::install()),
    }
}

/// Runs a program of the workspace with these arguments, in this terminal.
fn delegate(package: &str, args: &[OsString]) -> ExitCode {
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
    // In place of this one, where that can be done: the program is then who hears Ctrl-C, and who is waited for.
    #[cfg(unix)]
    let failed = std::os::unix::process::CommandExt::exec(&mut program);
    #[cfg(not(unix))]
    let failed = match program.status() {
        Ok(status) if status.success() => return ExitCode::SUCCESS,
        // It has said why.
        Ok(_) => return ExitCode::FAILURE,
        Err(error) => error,
    };
    fail(&format!("`{}`: {failed}", run::shown(&program)))
}

fn end(result: Result<(), String>) -> ExitCode {
    result.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

fn fail(error: &str) -> ExitCode {
    eprintln!("error: {}", error.trim_end());
    ExitCode::FAILURE
}
