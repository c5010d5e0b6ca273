//! Joins a server, says hello, prints what comes: `cargo run --example chat -- http://localhost:3000`.

use sockeye::{Client, Responder};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or("http://localhost:3000".into());
    let socket = Client::builder(url)
        .on("message", |(text,): (String,), reply: Responder| {
            println!("< {text}");
            // Answers if the server asked for it.
            let _ = reply.ack(("got it",));
        })
        .on_disconnect(|why| println!("disconnected: {why}"))
        .on_connect_error(|error| println!("not connected: {error}"))
        .connect()
        .await?;
    println!("joined as {}", socket.id().unwrap_or_default());
    let answer = socket.emit_with_ack::<_, (serde_json::Value,)>("echo", ("hello",));
    match answer.timeout(Duration::from_secs(5)).await {
        Ok((value,)) => println!("the server echoed {value}"),
        Err(error) => println!("no echo: {error}"),
    }
    tokio::signal::ctrl_c().await?;
    Ok(())
}
