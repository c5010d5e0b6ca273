//! The application on a computer, with a board that is only pretended, and without TLS:
//! `cargo run --no-default-features --target x86_64-unknown-linux-gnu --example host -- http://localhost:7625/devices 10`
//! runs for ten seconds.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sockeye_board::app::{self, Board, Options};

struct Pretended {
    begun: Instant,
    lit: AtomicBool,
}

impl Board for Pretended {
    fn set_led(&self, on: bool) {
        self.lit.store(on, Ordering::Relaxed);
    }

    fn led(&self) -> bool {
        self.lit.load(Ordering::Relaxed)
    }

    /// Held down in every other second.
    fn pressed(&self) -> bool {
        self.begun.elapsed().as_secs() % 2 == 1
    }

    fn free_heap(&self) -> u32 {
        100_000
    }

    fn rssi(&self) -> i32 {
        -50
    }

    fn say(&self, topic: &str, line: &str) {
        println!(
            "[{:>6.3}] {topic}: {line}",
            self.begun.elapsed().as_secs_f32()
        );
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .unwrap_or_else(|| "http://localhost:7625/devices".into());
    let seconds = arguments.next().map_or(Ok(u64::MAX), |text| text.parse())?;
    let board = Arc::new(Pretended {
        begun: Instant::now(),
        lit: AtomicBool::new(false),
    });
    let options = Options {
        url,
        name: "pretended".into(),
        chip: "none".into(),
    };
    let socket = app::start(
        &board,
        |target: sockeye::net::Target| std::net::TcpStream::connect((target.host(), target.port())),
        options,
    )?;
    let working = socket.clone();
    let worker = std::thread::spawn(move || app::run(&*board, &working));
    std::thread::sleep(Duration::from_secs(seconds));
    socket.close()?;
    worker
        .join()
        .map_err(|_| "the application has panicked".into())
}
