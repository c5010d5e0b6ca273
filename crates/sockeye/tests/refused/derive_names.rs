//! error: no event can be called "disconnect" is reserved
//! error: it tells of the connection, and is handled by `on_disconnect`
//! error: no event can be called "connect" is reserved
//! error: give the event another name: `#[event(name = "…")]`
use sockeye::Event;

#[derive(Event)]
#[event(name = "disconnect")]
struct Left;

#[derive(Event)]
struct Connect(u32);

fn main() {}
