//! Many clients lose one server at the same moment, and find it again: not all at the same moment.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sockeye::net::Target;
use sockeye::{Client, Socket, Transport};
use sockeye_testkit::{Frame, Request, accept_key, frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bounded;

/// The width of the columns.
const COLUMN: Duration = Duration::from_millis(100);

/// A WebSocket server for any number of clients: it lets everybody in, and says nothing.
struct Crowd {
    address: SocketAddr,
    joined: watch::Receiver<usize>,
    task: tokio::task::JoinHandle<()>,
}

impl Crowd {
    async fn start(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("the port is free");
        let address = listener.local_addr().expect("an address");
        let (count, joined) = watch::channel(0);
        let task = tokio::spawn(async move {
            // All end with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let count = count.clone();
                connections.spawn(async move {
                    let _ = serve(stream, &count).await;
                });
            }
        });
        Self {
            address,
            joined,
            task,
        }
    }

    /// Waits until so many have been let in.
    async fn until(&mut self, joined: usize) {
        let reached = self.joined.wait_for(|count| *count >= joined).await;
        reached.expect("the server is there");
    }

    /// Dies with all its connections; waits until its port is free again.
    async fn die(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn serve(mut stream: TcpStream, joined: &watch::Sender<usize>) -> std::io::Result<()> {
    // Gone without a trace, so that the port is free at once.
    stream.set_zero_linger()?;
    let mut bytes = Vec::new();
    let request = loop {
        if let Some((request, len)) = Request::parse(&bytes) {
            bytes.drain(..len);
            break request;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let key = request.header("sec-websocket-key").unwrap_or_default();
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(key)
    )
    .into_bytes();
    let open = r#"0{"sid":"E","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}"#;
    answer.extend(frame(0x81, open.as_bytes()));
    stream.write_all(&answer).await?;
    loop {
        while let Some((one, len)) = Frame::parse(&bytes) {
            bytes.drain(..len);
            if one.payload.starts_with(b"40") {
                stream.write_all(&frame(0x81, b"40{\"sid\":\"S\"}")).await?;
                joined.send_modify(|count| *count += 1);
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
}

/// When attempts to connect were made.
type Attempts = Arc<Mutex<Vec<Instant>>>;

fn client(address: SocketAddr, attempts: &Attempts) -> Socket {
    let attempts = Arc::clone(attempts);
    // Everything else is as it comes: 1 s, doubled up to 5 s, spread by half.
    Client::builder(format!("http://{address}/"))
        .transports([Transport::WebSocket])
        .connector(move |_: Target| {
            attempts.lock().expect("sound").push(Instant::now());
            TcpStream::connect(address)
        })
        .connect_background()
        .expect("good options")
}

/// So many clients lose their server, which is back after a while. Returns attempts in each column from the loss on.
async fn storm(clients: usize, away: Duration) -> Vec<usize> {
    let mut server = Crowd::start(([127, 0, 0, 1], 0).into()).await;
    let address = server.address;
    let attempts = Attempts::default();
    let mut sockets = Vec::new();
    for n in 0..clients {
        sockets.push(client(address, &attempts));
        // The beginning is not what is measured: nobody is to wait in the listener's queue.
        if n % 100 == 99 {
            server.until(n + 1).await;
        }
    }
    server.until(clients).await;
    attempts.lock().expect("sound").clear();
    server.die().await;
    let lost = Instant::now();
    if !away.is_zero() {
        tokio::time::sleep(away).await;
    }
    let mut server = Crowd::start(address).await;
    server.until(clients).await;
    println!(
        "{clients} clients are back {:.1} s after the loss",
        lost.elapsed().as_secs_f32()
    );
    let mut columns = Vec::new();
    for at in attempts.lock().expect("sound").iter() {
        let column = (at.saturating_duration_since(lost).as_micros() / COLUMN.as_micros()) as usize;
        if columns.len() <= column {
            columns.resize(column + 1, 0);
        }
        columns[column] += 1;
    }
    columns
}

/// The largest column, and the mean of those from the first attempt to the last.
fn peak_and_mean(columns: &[usize]) -> (usize, f64) {
    let first = columns.iter().position(|n| *n > 0).expect("attempts");
    let window = &columns[first..];
    let sum: usize = window.iter().sum();
    let peak = window.iter().max().copied().unwrap_or(0);
    println!("attempts per 100 ms from {} ms on: {window:?}", first * 100);
    (peak, sum as f64 / window.len() as f64)
}

async fn spreads(clients: usize) {
    let columns = storm(clients, Duration::ZERO).await;
    let (peak, mean) = peak_and_mean(&columns);
    println!(
        "peak {peak}, mean {mean:.1}, {:.2} times",
        peak as f64 / mean
    );
    assert!(
        peak as f64 <= 3.0 * mean,
        "the peak is {peak}, the mean {mean:.1}"
    );
    // The server is found again at the first attempt: nobody came twice, and none was turned away.
    assert_eq!(columns.iter().sum::<usize>(), clients);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_clients_lose_their_server() {
    bounded("the storm", 60, spreads(500)).await;
}

/// The server stays away for longer than the first attempts last: later ones spread wider still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_stays_away_for_a_while() {
    bounded("the storm", 60, async {
        let columns = storm(500, Duration::from_millis(1600)).await;
        let (peak, mean) = peak_and_mean(&columns);
        println!(
            "peak {peak}, mean {mean:.1}, {:.2} times",
            peak as f64 / mean
        );
        // No second of attempts has more than the first one.
        let second = |at: usize| columns.iter().skip(at).take(10).sum::<usize>();
        let first = columns.iter().position(|n| *n > 0).expect("attempts");
        let most = (first..columns.len()).map(second).max().unwrap_or(0);
        assert!(most <= 550, "{most} attempts of 500 clients in one second");
    })
    .await;
}

/// `ulimit -n 12000; cargo test -p sockeye --release --test chaos five_thousand -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs more than 10 000 file descriptors: ulimit -n 12000"]
async fn five_thousand_clients_lose_their_server() {
    bounded("the storm", 120, spreads(5000)).await;
}
