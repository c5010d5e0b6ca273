//! A Socket.IO server in memory, to test applications without a network (feature `testing`).
//!
//! ```
//! use sockeye::{Client, testing::Server};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new();
//! server.on("sum", |event| {
//!     let (a, b): (i64, i64) = event.parse().unwrap();
//!     event.ack((a + b,));
//! });
//! let socket = Client::builder(server.url("/")).connect().await?;
//! let (sum,): (i64,) = socket.emit_with_ack("sum", (1, 2)).await?;
//! assert_eq!(sum, 3);
//! socket.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The client is an ordinary one: whatever in an application takes a URL takes [`Server::url`]. Its host exists in this
//! process only, and no port, no file and no name server is touched. Both transports work; there is no upgrade from one
//! to the other, so that a test takes one way always.
//!
//! With tokio's paused clock (`#[tokio::test(start_paused = true)]`, tokio's feature `test-util`) waits take no time:
//! the heartbeat, timeouts and reconnections of hours pass as soon as nothing else is to be done.
//!
//! For programs without async there is the same in `sockeye::blocking::testing`; each server serves clients of both kinds.
//!
//! A test either gives the server closures ([`Server::on`]), or is the server itself, step by step:
//!
//! ```
//! # use sockeye::{Client, testing::Server};
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new();
//! let socket = Client::builder(server.url("/chat")).connect_background()?;
//! let mut peer = server.peer("/chat").await;
//! socket.emit("hello", ("board-1",))?;
//! let hello = peer.next().await;
//! assert_eq!((hello.name(), hello.args().json()), ("hello", "[\"board-1\"]"));
//! peer.emit("news", ("one",));
//! peer.cut(); // the connection breaks; the client comes back
//! let peer = server.peer("/chat").await;
//! # drop(peer);
//! # Ok(())
//! # }
//! ```

mod http;
mod peer;
#[cfg(feature = "blocking")]
mod pipe;
mod session;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::Duration;

use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::inbox::lock;
pub use peer::{Peer, Received};
use session::Session;

/// Bytes under way in each direction of a connection.
const PIPE: usize = 64 << 10;

/// The longest wait for what a test expects; without any real time under a paused clock.
const PATIENCE: Duration = Duration::from_secs(60);

/// All servers of this process, by their host names.
static SERVERS: LazyLock<Mutex<HashMap<String, Weak<Inner>>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The names of servers end with this: by RFC 6761 no real one does.
const DOMAIN: &str = ".sockeye.test";

type Handler = Arc<dyn Fn(&Received) + Send + Sync>;

/// What a client is told that wants to join a namespace and may not.
#[derive(Clone)]
struct Refusal {
    message: String,
    data: Option<Value>,
}

struct ServerState {
    /// Whether it answers at all.
    up: bool,
    /// Whether it stands still.
    stalled: bool,
    ping_interval: Duration,
    ping_timeout: Duration,
    refusals: HashMap<String, Refusal>,
    handlers: HashMap<String, Handler>,
    sessions: HashMap<String, Arc<Session>>,
    /// Clients that have joined and that no test has asked for yet.
    joined: HashMap<String, VecDeque<Peer>>,
    counter: u64,
}

struct Inner {
    host: String,
    runtime: Handle,
    state: Mutex<ServerState>,
    changed: Notify,
}

/// A Socket.IO server in memory: see [the module](self). A cheap clone of a handle; with the last one it is gone, and
/// its connections break.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server that lets everybody in.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new() -> Self {
        let host = format!("{}{DOMAIN}", NEXT.fetch_add(1, Ordering::Relaxed));
        let inner = Arc::new(Inner {
            host: host.clone(),
            runtime: Handle::current(),
            state: Mutex::new(ServerState {
                up: true,
                stalled: false,
                ping_interval: Duration::from_secs(25),
                ping_timeout: Duration::from_secs(20),
                refusals: HashMap::new(),
                handlers: HashMap::new(),
                sessions: HashMap::new(),
                joined: HashMap::new(),
                counter: 0,
            }),
            changed: Notify::new(),
        });
        lock(&SERVERS).insert(host, Arc::downgrade(&inner));
        Self { inner }
    }

    /// The URL of a namespace, for any client of this process.
    pub fn url(&self, namespace: &str) -> String {
        let slash = if namespace.starts_with('/') { "" } else { "/" };
        format!("http://{}{slash}{namespace}", self.inner.host)
    }

    /// Handles an event of every client and namespace, in place of an earlier handler of it. Events without a handler
    /// wait for [`Peer::next`].
    pub fn on(&self, event: &str, handler: impl Fn(&Received) + Send + Sync + 'static) {
        lock(&self.inner.state)
            .handlers
            .insert(event.to_owned(), Arc::new(handler));
    }

    /// Refuses a namespace from now on, with a message and, if there is any, data.
    pub fn refuse(&self, namespace: &str, message: &str, data: Option<Value>) {
        lock(&self.inner.state).refusals.insert(
            namespace.to_owned(),
            Refusal {
                message: message.to_owned(),
                data,
            },
        );
    }

    /// Lets clients into a namespace that was refused.
    pub fn admit(&self, namespace: &str) {
        lock(&self.inner.state).refusals.remove(namespace);
    }

    /// The heartbeat of sessions that begin from now on. Default 25 s and 20 s.
    pub fn set_heartbeat(&self, interval: Duration, timeout: Duration) {
        let mut state = lock(&self.inner.state);
        (state.ping_interval, state.ping_timeout) = (interval, timeout);
    }

    /// Breaks all connections without a word. Clients may connect again.
    pub fn cut(&self) {
        let sessions = std::mem::take(&mut lock(&self.inner.state).sessions);
        for session in sessions.into_values() {
            session.end();
        }
    }

    /// The server is away: connections break, and new ones are refused, until [`start`](Self::start).
    pub fn stop(&self) {
        lock(&self.inner.state).up = false;
        self.cut();
    }

    /// The server is there again.
    pub fn start(&self) {
        lock(&self.inner.state).up = true;
    }

    /// Whether the server, or the network before it, stands still: connections stay open, and nothing comes from it until
    /// this is ended. Clients find out by their heartbeat (`ping timeout`).
    pub fn stall(&self, on: bool) {
        let sessions: Vec<_> = {
            let mut state = lock(&self.inner.state);
            state.stalled = on;
            state.sessions.values().cloned().collect()
        };
        sessions.iter().for_each(|session| session.look());
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        lock(&self.inner.state).sessions.len()
    }

    /// The next client that joins a namespace, or has joined it since this was asked last.
    ///
    /// # Panics
    /// None does within 60 s, which pass at once under a paused clock.
    pub async fn peer(&self, namespace: &str) -> Peer {
        let found = async {
            loop {
                let mut changed = std::pin::pin!(self.inner.changed.notified());
                changed.as_mut().enable();
                let peer = lock(&self.inner.state)
                    .joined
                    .get_mut(namespace)
                    .and_then(VecDeque::pop_front);
                match peer {
                    Some(peer) => return peer,
                    None => changed.await,
                }
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(peer) => peer,
            Err(_) => panic!("no client has joined {namespace} within {PATIENCE:?}"),
        }
    }
}

impl Inner {
    /// A number that was not used before.
    fn number(&self) -> u64 {
        let mut state = lock(&self.state);
        state.counter += 1;
        state.counter
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        lock(&SERVERS).remove(&self.host);
        let state = self.state.get_mut();
        let state = state.unwrap_or_else(std::sync::PoisonError::into_inner);
        for session in state.sessions.values() {
            session.end();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("host", &self.inner.host)
            .finish_non_exhaustive()
    }
}

/// As [`connect`], for a blocking client.
#[cfg(feature = "blocking")]
pub(crate) fn connect_blocking(
    host: &str,
) -> Option<io::Result<Box<dyn crate::net::blocking::Stream>>> {
    connect(host).map(|stream| Ok(Box::new(pipe::Pipe::new(stream?)) as _))
}

/// Connects to a server in memory; `None` if the name is not one of theirs.
pub(crate) fn connect(host: &str) -> Option<io::Result<DuplexStream>> {
    if !host.ends_with(DOMAIN) {
        return None;
    }
    let server = lock(&SERVERS).get(host).and_then(Weak::upgrade);
    let Some(server) = server.filter(|server| lock(&server.state).up) else {
        return Some(Err(io::ErrorKind::ConnectionRefused.into()));
    };
    let (client, peer) = tokio::io::duplex(PIPE);
    server
        .runtime
        .spawn(http::serve(Arc::downgrade(&server), peer));
    Some(Ok(client))
}
