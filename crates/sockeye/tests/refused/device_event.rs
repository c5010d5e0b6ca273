//! error: a handler of this event cannot return `()`
//! error: this is returned, and the event is acknowledged with `(bool,)`
//! error: one that answers later is registered by `on_event_reply`
//! error: `Moved` has no acknowledgement, so that it cannot be sent as a request
use sockeye_embedded::{Event, Handlers, Socket};

#[derive(Event)]
#[event(ack = (bool,))]
struct Led(bool);

#[derive(Event)]
struct Moved(i32, i32);

fn f(socket: Socket) {
    let _ = Handlers::new().on_event(|_: &Socket, _: Led| ());
    let _ = socket.request(&Moved(1, 2));
}

fn main() {
    let _ = f;
}
