//! A bad network: a TCP proxy on the loopback interface that delays, splits and throttles what passes through it, and
//! breaks connections at exact bytes: with RST, with FIN, in the middle of a message, in one direction, or after a
//! silence. TLS passes through as any other bytes.
//!
//! What happens to a connection is its [`Fate`]: a test gives one for each, or lets [`Weather`] draw them from a seed.
//! The fate of connection `n` depends on the seed and on `n` alone, and counts bytes, not time.

mod fragments;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::Seeded;
use fragments::Splitter;

/// How a connection ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Both sides get RST; what they had not read is lost.
    Reset,
    /// Both sides get FIN, after what was forwarded; the rest of what was under way is lost.
    Finish,
    /// Only the receiver of this direction gets FIN; the other direction goes on for this long, then come RSTs.
    HalfClose(Duration),
    /// Nothing passes any more in either direction, without a sign; after this long come RSTs.
    Stall(Duration),
    /// The server gets FIN at once; the client hears nothing any more, and gets RST after this long.
    Dark(Duration),
}

/// The direction in which bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What ends a connection before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where bytes are counted.
    pub way: Way,
    /// So many bytes are still forwarded.
    pub after: u64,
    /// How it ends then.
    pub end: End,
}

/// What the proxy does with one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Each read waits this long before it is forwarded.
    pub delay: Duration,
    /// Bytes are forwarded in pieces of at most this size …
    pub piece: usize,
    /// … with such a pause between two.
    pub pause: Duration,
    /// The server's WebSocket messages come as fragments of at most so many bytes, 0 < n < 65536, with a ping in front of
    /// every fourth.
    pub fragments: Option<usize>,
    /// How it ends, if it is not left to its two sides.
    pub fault: Option<Fault>,
}

impl Fate {
    /// Everything passes at once.
    pub const FAIR: Self = Self {
        delay: Duration::ZERO,
        piece: usize::MAX,
        pause: Duration::ZERO,
        fragments: None,
        fault: None,
    };

    /// Nothing is amiss but this.
    pub const fn broken(way: Way, after: u64, end: End) -> Self {
        Self {
            fault: Some(Fault { way, after, end }),
            ..Self::FAIR
        }
    }

    /// For how long one direction goes on alone.
    const fn half_close(&self) -> Option<Duration> {
        match self.fault {
            Some(Fault {
                end: End::HalfClose(still),
                ..
            }) => Some(still),
            _ => None,
        }
    }
}

/// Fates drawn from a seed: every connection is broken sooner or later.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Print it where a test fails: the same seed gives every connection the same fate.
    pub seed: u64,
    /// A connection is broken after at most so many bytes; small numbers are as likely as large ones.
    pub most: u64,
    /// Connections may also end in ways that the server is not told: half-closed, or silent. Then it learns of the end
    /// by its heartbeat at the latest.
    pub silent: bool,
    /// Bytes are delayed, split and throttled as well.
    pub rough: bool,
}

impl Weather {
    /// What becomes of connection `number`, counted from 0.
    pub fn fate(&self, number: u64) -> Fate {
        let mut seeded = Seeded::new(self.seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        let way = if seeded.below(2) == 0 {
            Way::Up
        } else {
            Way::Down
        };
        // As many below 64 bytes as between 64 and 4096: handshakes are hit as often as what follows them.
        let bits = 1 + seeded.below(self.most.max(2).ilog2() as usize);
        let after = (seeded.next() & ((2 << bits) - 1)).min(self.most);
        let short = Duration::from_millis(1 + seeded.below(40) as u64);
        let end = match seeded.below(if self.silent { 8 } else { 6 }) {
            0..=2 => End::Reset,
            3..=5 => End::Finish,
            6 => End::HalfClose(short),
            _ => End::Stall(short),
        };
        let mut fate = Fate::broken(way, after, end);
        if self.rough {
            match seeded.below(8) {
                0 => fate.piece = 1 + seeded.below(16),
                1 => fate.delay = Duration::from_millis(seeded.below(8) as u64),
                2 => {
                    fate.piece = 32 + seeded.below(200);
                    fate.pause = Duration::from_millis(1);
                }
                _ => (),
            }
        }
        fate
    }
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    broken: AtomicU64,
    calm: AtomicBool,
}

/// What becomes of all connections alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Open,
    /// Nothing passes.
    Silent,
    /// They are closed.
    Shut,
}

/// A running proxy; dropping it resets its connections.
#[derive(Debug)]
pub struct Chaos {
    address: SocketAddr,
    counts: Arc<Counts>,
    mood: watch::Sender<Mood>,
    task: AbortHandle,
}

impl Chaos {
    /// Forwards between a free port and `server`. `fate` is asked for each connection, with its number from 0 and with the
    /// first bytes of the client (none, if it says nothing within a second). Runs on the current tokio runtime.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(
        server: SocketAddr,
        fate: impl FnMut(u64, &[u8]) -> Fate + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let seen = Arc::clone(&counts);
        let fate = Arc::new(std::sync::Mutex::new(fate));
        let mood = watch::Sender::new(Mood::Open);
        let moods = mood.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let number = seen.accepted.fetch_add(1, Ordering::SeqCst);
                let (seen, fate) = (Arc::clone(&seen), Arc::clone(&fate));
                let (mut shut, mood) = (moods.subscribe(), moods.subscribe());
                let connection = async move {
                    let mut first = [0; 512];
                    let peeked = timeout(Duration::from_secs(1), client.peek(&mut first)).await;
                    let n = peeked.map_or(0, |n| n.unwrap_or(0));
                    let fate = if seen.calm.load(Ordering::SeqCst) {
                        Fate::FAIR
                    } else {
                        (fate.lock().expect("no fate panics"))(number, &first[..n])
                    };
                    carry(client, server, fate, &seen, mood).await;
                };
                connections.spawn(async move {
                    tokio::select! {
                        () = connection => (),
                        _ = shut.wait_for(|mood| *mood == Mood::Shut) => (),
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            counts,
            mood,
            task: task.abort_handle(),
        })
    }

    /// A proxy under this weather.
    ///
    /// # Errors
    /// No port is free.
    pub async fn under(weather: Weather, server: SocketAddr) -> io::Result<Self> {
        Self::start(server, move |number, _| weather.fate(number)).await
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    /// Connections broken so far.
    pub fn broken(&self) -> u64 {
        self.counts.broken.load(Ordering::SeqCst)
    }

    /// New connections are left alone from now on, and nothing more breaks those that there are.
    pub fn calm(&self) {
        self.counts.calm.store(true, Ordering::SeqCst);
    }

    /// Closes all connections, and new ones at once, until [`release`](Self::release).
    pub fn cut(&self) {
        self.mood.send_replace(Mood::Shut);
    }

    /// Lets nothing pass until [`release`](Self::release); connections stay.
    pub fn hang(&self) {
        self.mood.send_replace(Mood::Silent);
    }

    /// Goes on after [`cut`](Self::cut) or [`hang`](Self::hang).
    pub fn release(&self) {
        self.mood.send_replace(Mood::Open);
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a direction has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Its sender has ended it, and its receiver knows.
    Closed,
    /// One side is gone.
    Gone,
    /// The bytes before the fault have been forwarded.
    Fault,
}

async fn carry(
    mut client: TcpStream,
    server: SocketAddr,
    fate: Fate,
    counts: &Counts,
    mood: watch::Receiver<Mood>,
) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        let _ = client.set_zero_linger();
        return;
    };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let (left, down) = match fate.fault {
        Some(Fault {
            way: Way::Up,
            after,
            ..
        }) => (Some(after), None),
        Some(Fault { after, .. }) => (None, Some(after)),
        None => (None, None),
    };
    let broken = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let straight = Fate {
            fragments: None,
            ..fate
        };
        let listening = mood.clone();
        let up = forward(
            &mut from_client,
            &mut to_server,
            &straight,
            left,
            counts,
            listening,
        );
        let down = forward(&mut from_server, &mut to_client, &fate, down, counts, mood);
        tokio::pin!(up, down);
        let (mut up_over, mut down_over) = (false, false);
        loop {
            let ended = tokio::select! {
                ended = &mut up, if !up_over => { up_over = true; ended }
                ended = &mut down, if !down_over => { down_over = true; ended }
            };
            match ended {
                Ended::Fault => {
                    // The other direction goes on as it is, with what it has read and not forwarded yet.
                    if let Some(still) = fate.half_close()
                        && !(up_over && down_over)
                    {
                        let other = async {
                            if up_over {
                                down.as_mut().await
                            } else {
                                up.as_mut().await
                            }
                        };
                        let _ = timeout(still, other).await;
                    }
                    break true;
                }
                Ended::Gone => break false,
                Ended::Closed if up_over && down_over => break false,
                Ended::Closed => (),
            }
        }
    };
    let reset = |client: &TcpStream, server: &TcpStream| {
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
    };
    let Some(Fault { end, .. }) = fate.fault.filter(|_| broken) else {
        // Whoever is left sees what a broken link looks like.
        reset(&client, &server);
        return;
    };
    match end {
        // (A half-closed one has had its time.)
        End::Reset | End::HalfClose(_) => (),
        End::Finish => {
            let _ = client.shutdown().await;
            let _ = server.shutdown().await;
            // Unread bytes would make a RST of the FIN.
            let mut sink = vec![0; 4096];
            let mut other = sink.clone();
            let drained = async {
                tokio::join!(
                    async { while let Ok(1..) = client.read(&mut sink).await {} },
                    async { while let Ok(1..) = server.read(&mut other).await {} },
                )
            };
            let _ = timeout(Duration::from_millis(500), drained).await;
            return;
        }
        End::Stall(still) => sleep(still).await,
        End::Dark(still) => {
            let _ = server.shutdown().await;
            sleep(still).await;
        }
    }
    reset(&client, &server);
}

/// Moves bytes in one direction, `left` of them if that is bounded.
async fn forward(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    fate: &Fate,
    mut left: Option<u64>,
    counts: &Counts,
    mut mood: watch::Receiver<Mood>,
) -> Ended {
    let mut splitter = fate.fragments.map(Splitter::new);
    let (mut buffer, mut split) = (vec![0; 16 * 1024], Vec::new());
    loop {
        if counts.calm.load(Ordering::SeqCst) {
            left = None;
        }
        if left == Some(0) {
            counts.broken.fetch_add(1, Ordering::SeqCst);
            if fate.half_close().is_some() {
                let _ = to.shutdown().await;
            }
            return Ended::Fault;
        }
        let n = match from.read(&mut buffer).await {
            Ok(0) => {
                let _ = to.shutdown().await;
                return Ended::Closed;
            }
            Ok(n) => n,
            Err(_) => return Ended::Gone,
        };
        let mut bytes = &buffer[..n];
        if let Some(splitter) = &mut splitter {
            split.clear();
            splitter.push(bytes, &mut split);
            bytes = &split;
        }
        let n = bytes.len();
        let n = left.map_or(n, |left| n.min(usize::try_from(left).unwrap_or(n)));
        if !fate.delay.is_zero() {
            sleep(fate.delay).await;
        }
        for piece in bytes[..n].chunks(fate.piece) {
            // (An error: the proxy is gone, and with it this connection.)
            let _ = mood.wait_for(|mood| *mood != Mood::Silent).await;
            if to.write_all(piece).await.is_err() {
                return Ended::Gone;
            }
            if !fate.pause.is_zero() {
                sleep(fate.pause).await;
            }
        }
        left = left.map(|left| left - n as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every byte by the same byte.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn answer(fate: Fate) -> (Vec<u8>, Result<(), io::ErrorKind>) {
        let chaos = Chaos::start(echo().await, move |_, _| fate)
            .await
            .expect("a port");
        let mut stream = TcpStream::connect(chaos.address())
            .await
            .expect("it listens");
        stream.write_all(b"0123456789").await.expect("sent");
        let mut got = Vec::new();
        let mut byte = [0];
        let ended = loop {
            match timeout(Duration::from_secs(10), stream.read(&mut byte)).await {
                Ok(Ok(0)) => break Ok(()),
                Ok(Ok(_)) => got.push(byte[0]),
                Ok(Err(error)) => break Err(error.kind()),
                Err(_) => panic!("nothing within 10 s"),
            }
            if got.len() == 10 {
                break Ok(());
            }
        };
        assert_eq!(chaos.broken(), u64::from(fate.fault.is_some()));
        (got, ended)
    }

    #[tokio::test]
    async fn faults_come_at_their_byte() {
        let all = |after: u8| (b'0'..b'0' + after).collect::<Vec<u8>>();
        assert_eq!(answer(Fate::FAIR).await, (all(10), Ok(())));
        let slow = Fate {
            piece: 3,
            pause: Duration::from_millis(1),
            delay: Duration::from_millis(1),
            ..Fate::FAIR
        };
        assert_eq!(answer(slow).await, (all(10), Ok(())));
        for after in 0..9 {
            let down = |end| Fate::broken(Way::Down, after.into(), end);
            assert_eq!(answer(down(End::Finish)).await, (all(after), Ok(())));
            let half = down(End::HalfClose(Duration::from_millis(20)));
            assert_eq!(answer(half).await, (all(after), Ok(())));
            // (A RST may overtake what has not been read yet.)
            for end in [End::Reset, End::Stall(Duration::from_millis(5))] {
                let (got, ended) = answer(down(end)).await;
                assert!(all(after).starts_with(&got), "{got:?}");
                assert_eq!(ended, Err(io::ErrorKind::ConnectionReset));
            }
            // What comes back of what was let through; its end may come first.
            let (got, _) = answer(Fate::broken(Way::Up, after.into(), End::Finish)).await;
            assert!(all(after).starts_with(&got), "{got:?}");
        }
    }

    /// What is on its way in the other direction when one is closed arrives whole: a hole in it would be no bad network.
    #[tokio::test]
    async fn a_half_close_leaves_the_other_direction_whole() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let fate = Fate {
            piece: 1,
            pause: Duration::from_millis(1),
            ..Fate::broken(Way::Down, 4, End::HalfClose(Duration::from_secs(10)))
        };
        let chaos = Chaos::start(address, move |_, _| fate)
            .await
            .expect("a port");
        let mut client = TcpStream::connect(chaos.address())
            .await
            .expect("it listens");
        let (mut server, _) = listener.accept().await.expect("a connection");
        let all: Vec<u8> = (0..200).collect();
        client.write_all(&all).await.expect("sent");
        let mut got = vec![0; 1];
        server.read_exact(&mut got).await.expect("the first byte");
        server.write_all(b"0123456789").await.expect("sent");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("the end");
        assert_eq!((answer.as_slice(), chaos.broken()), (&b"0123"[..], 1));
        got.resize(all.len(), 0);
        server.read_exact(&mut got[1..]).await.expect("the rest");
        assert_eq!(got, all);
    }

    /// Also what becomes of all connections alike: a hole in what comes after a silence would be no bad network.
    #[tokio::test]
    async fn it_hangs_cuts_and_goes_on() {
        let chaos = Chaos::start(echo().await, |_, _| Fate::FAIR)
            .await
            .expect("a port");
        let connect = || TcpStream::connect(chaos.address());
        let mut stream = connect().await.expect("it listens");
        let mut byte = [0];
        stream.write_all(b"1").await.expect("sent");
        stream.read_exact(&mut byte).await.expect("an echo");
        chaos.hang();
        stream.write_all(b"2").await.expect("sent");
        let silence = timeout(Duration::from_millis(30), stream.read(&mut byte)).await;
        assert!(silence.is_err(), "{silence:?}");
        chaos.release();
        stream.read_exact(&mut byte).await.expect("an echo");
        assert_eq!(&byte, b"2");
        chaos.cut();
        assert!(matches!(stream.read(&mut byte).await, Ok(0) | Err(_)));
        let mut refused = connect().await.expect("it listens");
        assert!(matches!(refused.read(&mut byte).await, Ok(0) | Err(_)));
        chaos.release();
        let mut stream = connect().await.expect("it listens");
        stream.write_all(b"3").await.expect("sent");
        stream.read_exact(&mut byte).await.expect("an echo");
        assert_eq!((&byte, chaos.broken()), (b"3", 0));
    }

    /// The server knows at once, the client does not.
    #[tokio::test]
    async fn in_the_dark_the_server_alone_is_told() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let dark = Fate::broken(Way::Up, 2, End::Dark(Duration::from_secs(3600)));
        let chaos = Chaos::start(address, move |_, _| dark)
            .await
            .expect("a port");
        let mut client = TcpStream::connect(chaos.address())
            .await
            .expect("it listens");
        client.write_all(b"123").await.expect("sent");
        let (mut server, _) = listener.accept().await.expect("a connection");
        let mut got = Vec::new();
        server.read_to_end(&mut got).await.expect("the end");
        assert_eq!(got, b"12");
        let silence = timeout(Duration::from_millis(30), client.read(&mut [0])).await;
        assert!(silence.is_err(), "{silence:?}");
    }

    #[test]
    fn a_seed_says_it_all() {
        let weather = Weather {
            seed: 7,
            most: 4096,
            silent: true,
            rough: true,
        };
        let fates: Vec<Fate> = (0..500).map(|n| weather.fate(n)).collect();
        assert_eq!(fates, (0..500).map(|n| weather.fate(n)).collect::<Vec<_>>());
        let faults = || fates.iter().filter_map(|fate| fate.fault);
        assert!(faults().all(|fault| fault.after <= 4096));
        assert!(faults().any(|fault| fault.after < 8) && faults().any(|fault| fault.after > 2000));
        assert!(faults().any(|fault| matches!(fault.end, End::Stall(_))));
        assert!(faults().any(|fault| matches!(fault.end, End::HalfClose(_))));
        assert!(fates.iter().any(|fate| fate.piece < 20));
    }
}
