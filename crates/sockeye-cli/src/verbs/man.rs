//! `sockeye man FOLDER`: the manual pages, for those who package the command (`cargo xtask man`).

use clap::CommandFactory as _;

use crate::exit::{Exit, Failure};
use crate::options::{Cli, Man};

/// Writes `sockeye.1`, `sockeye-listen.1`, … into the folder.
pub(crate) fn run(options: &Man) -> Result<Exit, Failure> {
    let folder = &options.folder;
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .map_err(|error| {
            let why = format!("cannot write the pages into {}: {error}", folder.display());
            Failure::new(Exit::Output, why)
        })?;
    Ok(Exit::Ok)
}
