//! `sockeye completions`: what a shell needs to complete our options.

use std::io::{self, Write as _};

use clap::CommandFactory as _;

use crate::exit::{Exit, Failure};
use crate::options::{Cli, Completions};
use crate::output;

/// Prints the script.
pub(crate) fn run(options: &Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "sockeye", &mut script);
    let mut stdout = io::stdout().lock();
    output::outcome(stdout.write_all(&script).and_then(|()| stdout.flush()))?;
    Ok(Exit::Ok)
}
