//! error: implementation of `OwnedArgs` is not general enough
use sockeye::{Event, Socket};

#[derive(Event)]
struct News<'a>(&'a str);

fn f(socket: &Socket) {
    socket.on_event(|news: News<'_>| println!("{}", news.0));
}

fn main() {
    let _ = f;
}
