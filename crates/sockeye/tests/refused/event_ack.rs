//! error: a handler of this event cannot return `()`
//! error: this is returned, and the event is acknowledged with `(bool,)`
//! error: a handler of this event cannot return `(std::string::String,)`
//! error: a handler of this event cannot return `bool`
//! error: a handler of the event alone returns the event's acknowledgement (for `NoAck`: nothing)
//! error: `Moved` has no acknowledgement, so that it cannot be sent as a request
//! error: `#[event(ack = (bool,))]`
use sockeye::{Event, Reply, Socket};

#[derive(Event)]
#[event(ack = (bool,))]
struct Led(bool);

#[derive(Event)]
struct Moved(i32, i32);

fn f(socket: &Socket) {
    socket.on_event(|_: Led| ());
    socket.on_event(|_: Led| (String::new(),));
    socket.on_event(|_: Moved| true);
    let _ = socket.request(&Moved(1, 2));
}

fn g(reply: Reply<Led>) {
    let _ = reply.ack((1,));
}

fn main() {
    let _ = (f, g);
}
