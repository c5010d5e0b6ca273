//! A Socket.IO server in memory, to test applications without a network and without async (features `blocking` and
//! `testing`).
//!
//! ```
//! use sockeye::blocking::{Client, testing::Server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new();
//! server.on("sum", |event| {
//!     let (a, b): (i64, i64) = event.parse().unwrap();
//!     event.ack((a + b,));
//! });
//! let socket = Client::builder(server.url("/")).connect()?;
//! let (sum,): (i64,) = socket.emit_with_ack("sum", (1, 2)).send()?;
//! assert_eq!(sum, 3);
//! socket.close()?;
//! # Ok(())
//! # }
//! ```
//!
//! It is the server of [`sockeye::testing`](crate::testing), on a thread of its own, with the same methods but for
//! `.await`: what is said there holds here. Tests need no runtime and no macro; that tokio is compiled for the server (the
//! feature `testing` brings it, for tests alone) is nothing that they see. The clock is the real one: give a client short
//! delays ([`ClientBuilder::reconnection_delay`](super::ClientBuilder::reconnection_delay)), and the server a short
//! [heartbeat](Server::set_heartbeat) where the test is about that.
//!
//! The test as the server, step by step:
//!
//! ```
//! # use sockeye::blocking::{Client, testing::Server};
//! # use std::time::Duration;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new();
//! let socket = Client::builder(server.url("/chat"))
//!     .reconnection_delay(Duration::from_millis(1))
//!     .connect_background()?;
//! let mut peer = server.peer("/chat");
//! socket.emit("hello", ("board-1",))?;
//! let hello = peer.next();
//! assert_eq!((hello.name(), hello.args().json()), ("hello", "[\"board-1\"]"));
//! peer.emit("news", ("one",));
//! peer.cut(); // the connection breaks; the client comes back
//! let peer = server.peer("/chat");
//! # drop(peer);
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use sockeye_core::packet::{EmitArgs, OwnedArgs};
use tokio::runtime::{Builder, Handle};

use super::wait;
use crate::testing;

pub use crate::testing::Received;

/// Where the servers run: on one thread, to the end of the process.
static RUNTIME: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime for the servers of a test");
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("sockeye-testing".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .expect("a thread for the servers of a test");
    handle
});

/// A Socket.IO server in memory: see [the module](self). A cheap clone of a handle; with the last one it is gone, and its
/// connections break.
#[derive(Clone)]
pub struct Server(testing::Server);

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server that lets everybody in.
    ///
    /// # Panics
    /// There are no threads for it.
    pub fn new() -> Self {
        let _entered = RUNTIME.enter();
        Self(testing::Server::new())
    }

    /// The URL of a namespace, for any client of this process.
    pub fn url(&self, namespace: &str) -> String {
        self.0.url(namespace)
    }

    /// Handles an event of every client and namespace, in place of an earlier handler of it. Events without a handler
    /// wait for [`Peer::next`]. The handler runs on the thread of all servers, and must not wait for
    /// anything that they do.
    pub fn on(&self, event: &str, handler: impl Fn(&Received) + Send + Sync + 'static) {
        self.0.on(event, handler);
    }

    /// Refuses a namespace from now on, with a message and, if there is any, data.
    pub fn refuse(&self, namespace: &str, message: &str, data: Option<Value>) {
        self.0.refuse(namespace, message, data);
    }

    /// Lets clients into a namespace that was refused.
    pub fn admit(&self, namespace: &str) {
        self.0.admit(namespace);
    }

    /// The heartbeat of sessions that begin from now on. Default 25 s and 20 s.
    pub fn set_heartbeat(&self, interval: Duration, timeout: Duration) {
        self.0.set_heartbeat(interval, timeout);
    }

    /// Breaks all connections without a word. Clients may connect again.
    pub fn cut(&self) {
        self.0.cut();
    }

    /// The server is away: connections break, and new ones are refused, until [`start`](Self::start).
    pub fn stop(&self) {
        self.0.stop();
    }

    /// The server is there again.
    pub fn start(&self) {
        self.0.start();
    }

    /// Whether the server, or the network before it, stands still: connections stay open, and nothing comes from it until
    /// this is ended. Clients find out by their heartbeat (`ping timeout`).
    pub fn stall(&self, on: bool) {
        self.0.stall(on);
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.0.connections()
    }

    /// The next client that joins a namespace, or has joined it since this was asked last. Waits for it.
    ///
    /// # Panics
    /// None does within 60 s.
    pub fn peer(&self, namespace: &str) -> Peer {
        let _entered = RUNTIME.enter();
        Peer(wait(self.0.peer(namespace)))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One client in one namespace, as the server sees it: what [`Server::peer`] gives. What is sent to one that is gone goes
/// nowhere, as on a network.
pub struct Peer(testing::Peer);

impl Peer {
    /// The id that the client was given: its [`Socket::id`](super::Socket::id).
    pub fn id(&self) -> &str {
        self.0.id()
    }

    /// The `auth` payload of the client; null if it gave none.
    pub fn auth(&self) -> &Value {
        self.0.auth()
    }

    /// Waits for the client's next event that has no handler ([`Server::on`]).
    ///
    /// # Panics
    /// The client leaves, or none comes within 60 s.
    #[allow(
        clippy::should_implement_trait,
        reason = "it does not end, and panics instead"
    )]
    pub fn next(&mut self) -> Received {
        let _entered = RUNTIME.enter();
        wait(self.0.next())
    }

    /// Waits until the client has left the namespace. What it emitted before is passed over.
    ///
    /// # Panics
    /// It does not within 60 s.
    pub fn left(&mut self) {
        let _entered = RUNTIME.enter();
        wait(self.0.left());
    }

    /// Sends an event to the client.
    ///
    /// # Panics
    /// The arguments cannot be encoded.
    pub fn emit<A: EmitArgs>(&self, event: &str, args: A) {
        self.0.emit(event, args);
    }

    /// Sends an event and waits for the client's answer.
    ///
    /// # Panics
    /// The client leaves, or gives no answer within 60 s, or one that is not of the type asked for.
    pub fn emit_with_ack<A: EmitArgs, Answer: for<'a> OwnedArgs<'a>>(
        &self,
        event: &str,
        args: A,
    ) -> Answer {
        let _entered = RUNTIME.enter();
        wait(self.0.emit_with_ack(event, args))
    }

    /// Throws the client out of the namespace (`io server disconnect`).
    pub fn disconnect(&self) {
        self.0.disconnect();
    }

    /// Breaks the client's connection without a word.
    pub fn cut(&self) {
        self.0.cut();
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
