//! The benchmark's server side: just enough Engine.IO and Socket.IO over WebSocket for the rows of the benchmark, on plain
//! threads and with frames that are built before the first client comes, so that it is never what is measured.
//!
//! Prints its port, serves until its standard input ends (so it cannot outlive the runner), and takes what to do from the
//! query of each request: `scenario=receive&count=300000`.

mod frames;
mod handshake;
mod scenario;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::{io, thread};

use frames::Prebuilt;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let prebuilt = Arc::new(Prebuilt::new());
    println!("{}", listener.local_addr()?.port());
    io::stdout().flush()?;
    thread::spawn(move || {
        for stream in listener.incoming() {
            let prebuilt = Arc::clone(&prebuilt);
            // 1000 idle connections are 1000 threads here; the small stack keeps that cheap.
            let spawned = thread::Builder::new()
                .stack_size(128 * 1024)
                .spawn(move || {
                    if let Err(error) = stream.and_then(|stream| serve(stream, &prebuilt)) {
                        eprintln!("load server: {error}");
                    }
                });
            if let Err(error) = spawned {
                eprintln!("load server: no thread for a connection: {error}");
            }
        }
    });
    // Ends when the runner closes the pipe or dies.
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

fn serve(mut stream: TcpStream, prebuilt: &Prebuilt) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let request = handshake::upgrade(&mut stream)?;
    scenario::run(stream, &request, prebuilt)
}
