//! The sockeye command.
mod cli;
mod connect;
#[cfg(feature = "demo")]
mod demo;
mod exit;
mod input;
mod output;
mod value;
use clap::Parser as _;
#[tokio::main]
async fn main() { let cli = cli::Cli::parse(); match cli.command {
 cli::Action::Demo(_) => demo::run().await, o => println!("{o:?}") } }
