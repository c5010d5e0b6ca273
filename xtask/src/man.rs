//! `cargo xtask man`: the manual pages of the `sockeye` command.

use std::time::Duration;

use crate::run::{cargo, run};

/// Longer than a cold build of the command takes.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Builds the command and lets it write its pages.
pub(crate) fn run_in(folder: &str) -> Result<(), String> {
    let mut sockeye = cargo("run --quiet --package sockeye-cli --bin sockeye -- man");
    sockeye.arg(folder);
    if run(&mut sockeye, LIMIT)?.success() {
        println!("The pages are in {folder}: man {folder}/sockeye.1");
        return Ok(());
    }
    Err("the manual pages could not be made".to_owned())
}
