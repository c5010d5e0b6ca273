//! The embedded client on a computer: what runs on the chip, over tokio's sockets.
//!
//! `cargo run -p sockeye-embedded --example host -- http://127.0.0.1:3000 [polling]`
//!
//! Joins the namespace of the URL, says what happens, and every second emits `telemetry` and waits for the answer.
//! With `polling` it begins with polling and upgrades, which takes three sockets.

use core::time::Duration;

use embassy_futures::join::join;
use sockeye_embedded::net::Tokio;
use sockeye_embedded::{Config, Event, Socket, Storage, Transports, storage};
use static_cell::ConstStaticCell;

// Room for polling; a client on WebSocket alone needs only `Storage<2048, 1024>`.
type Memory = storage!(rx: 4096, tx: 1024, links: 3);
static STORAGE: ConstStaticCell<Memory> = ConstStaticCell::new(Storage::new());

/// Stands for the chip's generator.
fn random(bytes: &mut [u8]) {
    use std::hash::{BuildHasher, Hasher};
    for chunk in bytes.chunks_mut(8) {
        let number = std::collections::hash_map::RandomState::new()
            .build_hasher()
            .finish();
        chunk.copy_from_slice(&number.to_le_bytes()[..chunk.len()]);
    }
}

fn report(socket: &Socket, event: &Event<'_>) {
    match event {
        Event::Connected { recovered, .. } => {
            socket.id(|id| {
                let id = id.unwrap_or("?");
                println!("connected as {id} (recovered: {recovered})");
            });
        }
        Event::Message(message) => {
            println!("{} {}", message.name, message.args.json());
            if let Err(error) = socket.reply(message, ("seen",)) {
                println!("no reply: {error}");
            }
        }
        Event::Disconnected {
            reason, details, ..
        } => println!("disconnected: {reason}: {details}"),
        Event::ConnectError(refusal) => println!("refused: {}", refusal.message),
        Event::Closed {
            details,
            opened: false,
            ..
        } => println!("no connection: {details}"),
        Event::Reconnecting { attempt, delay } => println!("attempt {attempt} in {delay:?}"),
        Event::Opened { transport, .. } => println!("open on {}", transport.name()),
        Event::Upgraded => println!("upgraded to websocket"),
        _ => (),
    }
}

async fn telemetry(socket: Socket) {
    for counter in 0u32.. {
        socket.ready().await;
        let begin = embassy_time::Instant::now();
        let answer =
            socket.emit_with_ack_read("telemetry", (counter,), |args| Ok(args.json().len()));
        match answer.timeout(Duration::from_secs(5)).await {
            Ok(len) => println!(
                "telemetry {counter}: {len} bytes back in {} us",
                begin.elapsed().as_micros()
            ),
            Err(error) => println!("telemetry {counter}: {error}"),
        }
        embassy_time::Timer::after_secs(1).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args
        .next()
        .unwrap_or_else(|| "http://127.0.0.1:3000".into());
    let mut config = Config::new(Box::leak(url.into_boxed_str()), random)?;
    if args.next().as_deref() == Some("polling") {
        config.core.transports = Transports::POLLING_FIRST;
    }
    let (socket, mut runner) = sockeye_embedded::new(config, STORAGE.take())?;
    join(runner.run(Tokio, report), telemetry(socket)).await;
    Ok(())
}
