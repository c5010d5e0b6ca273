//! The sockeye command.
mod demo;
#[tokio::main]
async fn main() { demo::run().await }
