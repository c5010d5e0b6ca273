//! error: implementation of `OwnedArgs` is not general enough
use sockeye::Socket;

fn f(socket: &Socket) {
    socket.on("news", |(title,): (&str,)| println!("{title}"));
}

fn main() {
    let _ = f;
}
