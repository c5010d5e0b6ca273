//! error: `Plain` is not a typed event
//! error: give it one: `#[derive(Event)]`
//! error: the trait bound `Sent: serde::Deserialize<'de>` is not satisfied
//! error: consider adding `#[derive(serde::Deserialize)]` to your `Sent` type
//! error: `Got` cannot be sent as the arguments of an event
//! error: every argument must implement `serde::Serialize`
use serde::{Deserialize, Serialize};
use sockeye::{Event, Socket};

#[derive(Serialize, Deserialize)]
struct Plain(u8);

#[derive(Event, Serialize)]
struct Sent {
    n: u8,
}

#[derive(Event, Deserialize)]
struct Got {
    n: u8,
}

fn f(socket: &Socket) {
    let _ = socket.emit_event(&Plain(1));
    socket.on_event(|sent: Sent| println!("{}", sent.n));
    let _ = socket.emit_event(&Got { n: 1 });
}

fn main() {
    let _ = f;
}
