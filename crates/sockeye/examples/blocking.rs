//! The client without `async`: `cargo run --features blocking --example blocking -- http://localhost:3000`.

use std::time::Duration;

use sockeye::Responder;
use sockeye::blocking::Client;

pub(crate) fn run(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let socket = Client::builder(url)
        .ack_timeout(Duration::from_secs(5))
        // Handlers run on a thread of their own, and may wait there: for an answer, too.
        .on("question", |(n,): (i64,), reply: Responder| {
            let Some(socket) = reply.blocking_socket() else {
                return Ok(());
            };
            let (sum,): (i64,) = socket.emit_with_ack("sum", (n, n)).send()?;
            println!("the server says that {n} + {n} = {sum}");
            reply.ack((sum,))?;
            Ok::<_, Box<dyn std::error::Error>>(())
        })
        .connect()?;

    // An iterator that waits for the next event.
    let mut news = socket.stream::<(String,)>("news");
    socket.emit("subscribe", ("news",))?;
    for (title,) in news.by_ref().take(2) {
        println!("news: {title}");
    }

    // Two requests under way at once.
    let first = socket.emit_with_ack("sum", (1, 2)).begin();
    let second = socket.emit_with_ack("sum", (3, 4)).begin();
    let ((a,), (b,)): ((i64,), (i64,)) = (first.wait()?, second.wait()?);
    println!("1 + 2 = {a}, 3 + 4 = {b}");

    socket.close()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    run(url.as_deref().unwrap_or("http://localhost:3000"))
}
