//! Joins a server, says hello, prints what comes: `cargo run --example chat -- http://localhost:3000`.

use sockeye::{Client, Responder};

pub(crate) async fn run(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let socket = Client::builder(url)
        .on("message", |(text,): (String,), reply: Responder| {
            println!("< {text}");
            // Answers if the server asked for it.
            let _ = reply.ack(("got it",));
        })
        .on_disconnect(|_, why| println!("disconnected: {why}"))
        .connect()
        .await?;
    println!("joined as {}", socket.id().unwrap_or_default());
    socket.emit("message", ("hello",))?;
    tokio::signal::ctrl_c().await?;
    // Sends what is left, and says goodbye.
    socket.close().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    run(url.as_deref().unwrap_or("http://localhost:3000")).await
}
