//! The client on threads: the same interface without `async`, and without tokio below (feature `blocking`).
//!
//! For command line tools, services built of threads, and Rust on ESP-IDF. It builds alone, with
//! `default-features = false`; TLS and proxies come by the same features as for tokio.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use sockeye::Responder;
//! use sockeye::blocking::Client;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let socket = Client::builder("http://localhost:3000/sensors")
//!         .auth(serde_json::json!({ "token": "secret" }))
//!         .on("led", |(on,): (bool,), reply: Responder| {
//!             println!("led: {on}");
//!             let _ = reply.ack((on,)); // the server's acknowledgement
//!         })
//!         .connect()?; // the namespace is joined
//!
//!     socket.emit("hello", ("board-1",))?;
//!     let (accepted,): (bool,) =
//!         socket.emit_with_ack("reading", ("roof", 21.5)).timeout(Duration::from_secs(5)).send()?;
//!     println!("accepted: {accepted}");
//!
//!     for event in socket.events() {
//!         println!("{} {:?}", event.name(), event.args());
//!         if event.name() == "bye" {
//!             break;
//!         }
//!     }
//!     socket.close()?; // everything has been sent, and the server knows
//!     Ok(())
//! }
//! ```
//!
//! # Threads
//! A connection has one thread, which owns the protocol and waits for its sockets; it never runs user code, and takes no
//! processor time while nothing happens. Handlers of a namespace run one after another on a thread of the namespace's,
//! made when it first has something to tell. Connecting takes a thread for as long as it lasts (resolvers block), and
//! so does each function that computes `auth`, query or headers. A thread without a task ends after ten seconds.
//! [`ClientBuilder::stack_size`] is theirs.
//!
//! # Waiting in handlers
//! The [order](crate::Socket#order) is that of the client for tokio: an answer resolves only after the handlers of all
//! earlier events have returned. A handler may wait for an answer all the same, and call anything else here: while it
//! waits by one of this module's calls, answers pass. (By a lock or a channel of your own it does not let them pass:
//! do not wait in a handler for another thread that waits for an answer.) The events of its namespace wait until it
//! returns; [`Socket::on_concurrent`] is for handlers that may overlap.
//!
//! Handlers may be `async` here as well; they run on the namespace's thread, where there is no runtime.
//!
//! # Testing
//! `testing` (a feature) is a server in memory: applications are tested without a network.

mod ack;
mod builder;
mod namespace;
mod socket;
mod streams;
#[cfg(feature = "testing")]
pub mod testing;
mod typed;

#[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
pub use crate::net::blocking::TlsConnector;
pub use crate::net::blocking::{Attempt, Connector, MaybeTls, SocketRef, Stream};
#[cfg(feature = "deflate")]
pub use ack::Compress;
pub use ack::{EmitWithAck, PendingAck, Volatile};
pub use builder::{Client, ClientBuilder};
pub use namespace::NamespaceBuilder;
pub use socket::{Socket, WeakSocket};
pub use streams::{Events, Notices, RecvError};

use std::future::Future;
use std::time::{Duration, Instant};

use crate::dispatch::guard;
use crate::driver::threads::{block_on, block_on_until};

/// Waits on this thread. In a handler, answers pass meanwhile.
fn wait<T>(future: impl Future<Output = T>) -> T {
    guard::let_pass(|| block_on(future))
}

/// Waits on this thread for so long. What is given up then has lost nothing.
fn wait_for<T>(future: impl Future<Output = T>, limit: Duration) -> Option<T> {
    let until = Instant::now().checked_add(limit);
    guard::let_pass(|| block_on_until(future, until))
}
