//! Measures whether there is a server or not: what is emitted is kept, and sent when it is there.
//! `cargo run --example offline -- http://localhost:3000`.

use std::time::Duration;

use sockeye::{Client, EmitError, Limits};

pub(crate) async fn run(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut limits = Limits::default();
    limits.packets = 1000; // so many are kept at most
    let socket = Client::builder(url)
        .limits(limits)
        .close_timeout(Duration::from_secs(30))
        .on_connect_error(|_, error| println!("waiting: {error}"))
        .connect_background()?;
    for n in 0..10 {
        match socket.emit("reading", (n, 21.5)) {
            Ok(()) => println!("{n} accepted"),
            Err(EmitError::Full) => println!("{n} dropped: the buffer is full"),
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Waits for the server up to 30 s, and tells what could not be sent.
    match socket.close().await {
        Ok(()) => println!("all sent"),
        Err(error) => println!("{error}"),
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    run(url.as_deref().unwrap_or("http://localhost:3000")).await
}
