//! A bad network: a TCP proxy on the loopback interface that delays, splits and throttles what passes through it, and
//! breaks connections at exact bytes: with RST, with FIN, in the middle of a message, in one direction, or after a
//! silence. TLS passes through as any other bytes.
//!
//! What happens to a connection is its [`Fate`]: a test gives one for each, or lets [`Weather`] draw them from a seed.
//! The fate of connection `n` depends on the seed and on `n` alone, and counts bytes, not time.

mod carry;
mod fate;
mod fragments;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

pub use fate::{End, Fate, Fault, Way, Weather};

use carry::carry;

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
