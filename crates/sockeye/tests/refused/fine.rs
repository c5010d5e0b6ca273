//! All of this compiles.

use serde::{Deserialize, Serialize};
use sockeye::{Event, Reply, Responder, Socket};

#[derive(Event, Serialize, Deserialize)]
#[event(ack = (bool,))]
struct Led {
    on: bool,
}

#[derive(Event)]
struct Moved(i32, i32);

fn handlers(socket: &Socket) {
    socket.on("news", |(title, n): (String, u32)| println!("{title} {n}"));
    socket.on("sum", |(a, b): (i64, i64)| (a + b,));
    socket.on_event(|led: Led| (led.on,));
    socket.on_event(|led: Led| async move { Ok::<_, String>((led.on,)) });
    socket.on_event(|_: Led, _: Reply<Led>| ());
    socket.on_event(|_: Led, _: Responder| ());
    socket.on_event(|Moved(x, y)| println!("{x} {y}"));
    let _ = socket.emit_event(&Moved(1, 2));
    let _ = socket.request(&Led { on: true }).send();
}

mod device {
    use sockeye_embedded::{BinRef, Event, Handler, Handlers, TypedEvent};

    #[derive(Event)]
    #[event(ack = (bool,))]
    struct Led(bool);

    #[derive(Event)]
    struct Frame<'a>(u32, BinRef<'a>);

    pub fn handlers() -> impl Handler {
        Handlers::new()
            .on_event(|_, Led(on): Led| (on,))
            .on(Frame::NAME, |_, event| {
                let Frame(_, _) = event.args.parse()?;
                Ok(())
            })
    }
}

fn main() {
    let _ = handlers;
    let _ = device::handlers();
}
