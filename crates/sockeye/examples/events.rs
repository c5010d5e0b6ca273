//! Events as types, checked by the compiler: `cargo run --example events -- http://localhost:3000`.

use serde::{Deserialize, Serialize};
use sockeye::{Client, Event};

/// The event `reading`, with one argument: `{"sensor":"roof","celsius":21.5}`.
#[derive(Event, Serialize)]
struct Reading<'a> {
    sensor: &'a str,
    celsius: f32,
}

/// The event `save file`, with two arguments, answered with two.
#[derive(Event)]
#[event(name = "save file", ack = (bool, Option<String>))]
struct Save(String, sockeye::Bin);

/// The event `led`, which the server sends, and which is answered.
#[derive(Event, Deserialize)]
#[event(ack = (bool,))]
struct Led {
    on: bool,
}

pub(crate) async fn run(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let socket = Client::builder(url)
        // What it returns is the answer. Another type than `(bool,)` does not compile.
        .on_event(|led: Led| (led.on,))
        .connect()
        .await?;

    // The name and the arguments stand at the type.
    socket.emit_event(&Reading {
        sensor: "roof",
        celsius: 21.5,
    })?;

    // So does the answer: `saved` is a bool, `why` an optional text.
    let save = Save("a.txt".into(), vec![1, 2, 3].into());
    let (saved, why) = socket.request(&save).await?;
    println!("saved: {saved} {}", why.unwrap_or_default());
    socket.close().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    run(url.as_deref().unwrap_or("http://localhost:3000")).await
}
