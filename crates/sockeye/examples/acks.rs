//! Asks the server and awaits its answers: `cargo run --example acks -- http://localhost:3000`.

use std::time::Duration;

use sockeye::{AckError, Client};

pub(crate) async fn run(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let socket = Client::builder(url)
        .ack_timeout(Duration::from_secs(5))
        .connect()
        .await?;

    // A request: it is sent when it is awaited, and its answer is decoded as the type it is put into.
    let (sum,): (i64,) = socket.emit_with_ack("sum", (20, 22)).await?;
    println!("20 + 22 = {sum}");

    // Two under way at once: `send` sends at once, the answers are awaited later.
    let first = socket.emit_with_ack("sum", (1, 2)).send();
    let second = socket.emit_with_ack("sum", (3, 4)).send();
    let ((a,), (b,)): ((i64,), (i64,)) = (first.await?, second.await?);
    println!("1 + 2 = {a}, 3 + 4 = {b}");

    // No answer is an error that says why.
    let unanswered = socket.emit_with_ack::<_, ()>("nobody handles this", ());
    match unanswered.timeout(Duration::from_secs(1)).await {
        Ok(()) => println!("somebody does"),
        Err(AckError::Timeout { .. }) => println!("no answer within a second"),
        Err(error) => return Err(error.into()),
    }
    socket.close().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    run(url.as_deref().unwrap_or("http://localhost:3000")).await
}
