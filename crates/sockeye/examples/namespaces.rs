//! Two namespaces on one connection, and what happens to that:
//! `cargo run --example namespaces -- http://localhost:3000`.

use sockeye::Client;

pub(crate) async fn run(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let socket = Client::builder(url).connect().await?;
    let news = socket
        .namespace("/news")
        .on("headline", |(text,): (String,)| println!("news: {text}"))
        .connect()
        .await?;

    // The connection is one, and told once.
    let manager = socket.manager();
    manager.on_reconnect_attempt(|n| println!("reconnecting: attempt {n}"));
    manager.on_reconnect(|n| println!("connected again after {n} attempts"));

    socket.emit("hello", ("both",))?;
    let (count,): (u32,) = news.emit_with_ack("subscribe", ("weather",)).await?;
    println!("{count} subscriptions");

    // One namespace is left; with the last one the connection ends.
    news.close().await?;
    socket.close().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    run(url.as_deref().unwrap_or("http://localhost:3000")).await
}
