//! A handle that keeps nothing alive.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::Socket;
use crate::inbox::{NspShared, Shared};

/// A handle of a [`Socket`] that keeps neither the namespace nor the connection alive: for what handlers capture.
///
/// ```
/// # use sockeye::Socket;
/// # fn f(socket: &Socket) {
/// let weak = socket.downgrade();
/// socket.on("ask", move |(n,): (u32,)| {
///     if let Some(socket) = weak.upgrade() {
///         let _ = socket.emit("answer", (n + 1,));
///     }
/// });
/// # }
/// ```
#[derive(Clone)]
pub struct WeakSocket {
    shared: Weak<Shared>,
    nsp: Weak<NspShared>,
}

impl WeakSocket {
    /// The socket; `None` once its last handle is gone.
    pub fn upgrade(&self) -> Option<Socket> {
        Socket::upgrade(&self.shared, &self.nsp.upgrade()?)
    }
}

impl Socket {
    /// A handle that keeps nothing alive: for handlers, which are part of the connection and would keep it for ever.
    pub fn downgrade(&self) -> WeakSocket {
        WeakSocket {
            shared: Arc::downgrade(self.shared()),
            nsp: Arc::downgrade(self.nsp()),
        }
    }
}

impl fmt::Debug for WeakSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSocket").finish_non_exhaustive()
    }
}
