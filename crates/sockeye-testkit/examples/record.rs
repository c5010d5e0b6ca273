//! Records a transcript: `cargo run -p sockeye-testkit --example record -- PORT websocket|polling|upgrade > FILE`.
//!
//! The server is one of the scenario servers (`servers/README.md`), started with `--ping-interval 300`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use sockeye_core::{Instant, Link, Memory};
use sockeye_testkit::transcript::{App, Transcript, transports};
use sockeye_testkit::{Rig, config};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (Some(port), Some(kind)) = (
        args.get(1).and_then(|port| port.parse::<u16>().ok()),
        args.get(2),
    ) else {
        eprintln!("usage: record PORT websocket|polling|upgrade");
        std::process::exit(2);
    };
    let Some(transports) = transports(kind) else {
        eprintln!("{kind} is none of websocket, polling, upgrade");
        std::process::exit(2);
    };
    let config = config(transports);
    let memory = Memory::growable(&config.limits);
    let mut rig = Rig::new(config, memory);
    let mut app = App::default();
    let mut transcript = Transcript::new(kind);
    let start = std::time::Instant::now();
    let mut sockets: [(u32, Option<TcpStream>); 3] = [(0, None), (0, None), (0, None)];
    let mut written = [0; 3];
    app.start(&mut rig);
    app.act(&mut rig);
    while !rig.client.is_down() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "the session does not end: {}",
            transcript.print()
        );
        for link in Link::ALL {
            let i = link.index();
            let (epoch, socket) = &mut sockets[i];
            if *epoch != rig.epoch(link) {
                *epoch = rig.epoch(link);
                *socket = rig.is_open(link).then(|| {
                    let socket = TcpStream::connect(("127.0.0.1", port)).expect("the server");
                    socket
                        .set_read_timeout(Some(Duration::from_millis(1)))
                        .expect("a timeout");
                    socket
                });
            }
            let new = rig.raw[i][written[i]..].to_vec();
            written[i] += new.len();
            let Some(socket) = socket else { continue };
            socket.write_all(&new).expect("a write");
            let mut buf = [0; 4096];
            let read = socket.read(&mut buf);
            let ms = start.elapsed().as_millis() as u64;
            rig.run_until(Instant::from_millis(ms));
            app.act(&mut rig);
            match read {
                Ok(0) => transcript.input(&mut rig, &mut app, link, None),
                Ok(n) => transcript.input(&mut rig, &mut app, link, Some(&buf[..n])),
                Err(_) => (),
            }
        }
    }
    transcript.finish(&rig, &app);
    print!("{}", transcript.print());
}
