//! The benchmark's server side: just enough Engine.IO and Socket.IO over WebSocket for the rows of the benchmark, on plain
//! threads and with frames that are built before the first client comes, so that it is never what is measured.
//!
//! Prints its port, and with `CERTIFICATE KEY` (PEM files) as arguments a second one for TLS; serves until its standard input ends (so it cannot outlive the runner), and takes what to do from the
//! query of each request: `scenario=receive&count=300000`.

mod frames;
mod handshake;
mod scenario;
mod wire;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::{io, thread};

use frames::Prebuilt;
use wire::Wire;

fn main() -> io::Result<()> {
    let prebuilt = Arc::new(Prebuilt::new());
    let plain = listen(Arc::clone(&prebuilt), wire::plain)?;
    let mut args = std::env::args().skip(1);
    match (args.next(), args.next()) {
        (Some(certificate), Some(key)) => {
            let config = wire::config(&certificate, &key)?;
            let secure = listen(prebuilt, move |stream| wire::secure(stream, &config))?;
            println!("{plain} {secure}");
        }
        _ => println!("{plain}"),
    }
    io::stdout().flush()?;
    // Ends when the runner closes the pipe or dies.
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

/// Serves at a port of its own, in a thread of its own.
fn listen<W: Wire>(
    prebuilt: Arc<Prebuilt>,
    wire: impl Fn(TcpStream) -> io::Result<W> + Clone + Send + 'static,
) -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (prebuilt, wire) = (Arc::clone(&prebuilt), wire.clone());
            // 1000 idle connections are 1000 threads here; the small stack keeps that cheap.
            let spawned = thread::Builder::new()
                .stack_size(128 * 1024)
                .spawn(move || {
                    let served = stream.and_then(|stream| {
                        stream.set_nodelay(true)?;
                        serve(wire(stream)?, &prebuilt)
                    });
                    if let Err(error) = served {
                        eprintln!("load server: {error}");
                    }
                });
            if let Err(error) = spawned {
                eprintln!("load server: no thread for a connection: {error}");
            }
        }
    });
    Ok(port)
}

fn serve(mut stream: impl Wire, prebuilt: &Prebuilt) -> io::Result<()> {
    match handshake::upgrade(&mut stream, &scenario::open_by_polling())? {
        Some(request) => scenario::run(stream, &request, prebuilt),
        None => Ok(()),
    }
}
