//! error: the trait bound `Reading: serde::Deserialize<'de>` is not satisfied
//! error: the arguments of an event cannot be read as `std::string::String`
//! error: a single argument is a tuple too: `(T,)`
//! error: a handler cannot return `u32`
//! error: a handler returns `()`, a tuple (the acknowledgement: `(value,)` for one value)
use sockeye::Socket;

struct Reading(f32);

fn f(socket: &Socket) {
    socket.on("reading", |(reading,): (Reading,)| println!("{}", reading.0));
    socket.on("text", |text: String| println!("{text}"));
    socket.on("double", |(n,): (u32,)| 2 * n);
}

fn main() {
    let _ = f;
}
