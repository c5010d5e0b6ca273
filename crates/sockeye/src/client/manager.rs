//! What belongs to the whole connection: the official client's Manager.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sockeye_core::Reconnection;

use crate::Transport;
use crate::client::error::{ConnectError, Notice};
use crate::client::options::{encode_headers, encode_query};
use crate::client::responder::Responder;
use crate::client::streams::NoticeStream;
use crate::dispatch::Kind;
use crate::dispatch::handler::Settled;
use crate::dispatch::handlers::HandlerId;
use crate::inbox::{Command, Shared};

/// The connection that the namespaces of a client share: what `socket.io` is in the official client. See
/// [`Socket::manager`](crate::Socket::manager).
///
/// What concerns the connection is told here once, however many namespaces there are. It is a cheap clone of a handle,
/// and does not keep the connection alive.
///
/// ```
/// # use sockeye::Socket;
/// # fn f(socket: &Socket) {
/// let manager = socket.manager();
/// manager.on_reconnect_attempt(|n| println!("attempt {n}"));
/// manager.on_reconnect(|n| println!("connected again after {n} attempts"));
/// println!("{:?}", manager.transport());
/// # }
/// ```
#[derive(Clone)]
pub struct Manager {
    shared: Arc<Shared>,
}

impl Manager {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    // ---- the connection ----

    /// The transport packets travel on; `None` while there is no connection.
    pub fn transport(&self) -> Option<Transport> {
        self.shared.transport()
    }

    /// What the server has agreed on of the offered [`compression`](crate::ClientBuilder::compression); `None` if nothing is
    /// compressed, as over long-polling.
    #[cfg(feature = "deflate")]
    pub fn compression(&self) -> Option<crate::AgreedCompression> {
        *crate::inbox::lock(&self.shared.agreed)
    }

    /// Drops the connection of all namespaces and makes a new one at once (reason `forced close`). A running wait for
    /// reconnection ends now.
    pub fn reconnect(&self) {
        self.shared.command(Command::Reconnect);
    }

    /// Changes the query; it counts from the next connection on.
    pub fn set_query<K: AsRef<str>, V: AsRef<str>>(&self, query: impl IntoIterator<Item = (K, V)>) {
        self.shared.command(Command::Query(encode_query(query)));
    }

    /// Changes the extra headers; they count from the next connection on.
    ///
    /// # Errors
    /// A name or value that HTTP does not allow.
    pub fn set_headers<K: AsRef<str>, V: AsRef<str>>(
        &self,
        headers: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), ConnectError> {
        self.shared
            .command(Command::Headers(encode_headers(headers)?));
        Ok(())
    }

    /// Changes the reconnection policy. Disabling it ends a running wait when its time comes.
    pub fn set_reconnection(&self, policy: Reconnection) {
        self.shared.command(Command::Reconnection(policy));
    }

    // ---- what happens to it ----

    /// What happens to the connection, as a stream, from now on: [`Notice::Reconnecting`],
    /// [`ReconnectAttempt`](Notice::ReconnectAttempt), [`Reconnected`](Notice::Reconnected),
    /// [`ReconnectFailed`](Notice::ReconnectFailed), [`Upgraded`](Notice::Upgraded),
    /// [`UpgradeFailed`](Notice::UpgradeFailed), [`Ping`](Notice::Ping), [`TooLarge`](Notice::TooLarge), and for each
    /// attempt that failed [`ConnectError`](Notice::ConnectError). It holds 1024 notices, as
    /// [`Socket::notices`](crate::Socket::notices) does, and ends with the connection's last handle.
    pub fn notices(&self) -> NoticeStream {
        NoticeStream::new(self.shared.manager())
    }

    fn on(&self, kind: Kind, pick: impl Fn(&Notice) + Send + Sync + 'static) -> HandlerId {
        let handlers = &self.shared.manager().handlers;
        let call = Box::new(move |notice: &Notice, _: &Responder| {
            pick(notice);
            Settled::Now(Ok(()))
        });
        handlers.on_notice(kind, call)
    }

    /// Called when an attempt to connect has failed (`error`, `reconnect_error`); [`ConnectError::active`] tells
    /// whether another follows. Each namespace that waits for it is told as well
    /// ([`Socket::on_connect_error`](crate::Socket::on_connect_error)).
    pub fn on_error(&self, handler: impl Fn(ConnectError) + Send + Sync + 'static) -> HandlerId {
        self.on(Kind::ConnectError, move |notice| {
            if let Notice::ConnectError(error) = notice {
                handler(error.clone());
            }
        })
    }

    /// Called when another attempt will follow: its number, from 1, and the time until then.
    pub fn on_reconnecting(
        &self,
        handler: impl Fn(u32, Duration) + Send + Sync + 'static,
    ) -> HandlerId {
        self.on(Kind::Reconnecting, move |notice| {
            if let Notice::Reconnecting { attempt, delay } = notice {
                handler(*attempt, *delay);
            }
        })
    }

    /// Called before each attempt to reconnect (`reconnect_attempt`), with its number from 1.
    pub fn on_reconnect_attempt(&self, handler: impl Fn(u32) + Send + Sync + 'static) -> HandlerId {
        self.on(Kind::ReconnectAttempt, move |notice| {
            if let Notice::ReconnectAttempt(n) = notice {
                handler(*n);
            }
        })
    }

    /// Called when the connection has been made again (`reconnect`), with the number of attempts it took.
    pub fn on_reconnect(&self, handler: impl Fn(u32) + Send + Sync + 'static) -> HandlerId {
        self.on(Kind::Reconnected, move |notice| {
            if let Notice::Reconnected(n) = notice {
                handler(*n);
            }
        })
    }

    /// Called when all attempts to reconnect are used up (`reconnect_failed`).
    pub fn on_reconnect_failed(&self, handler: impl Fn() + Send + Sync + 'static) -> HandlerId {
        self.on(Kind::ReconnectFailed, move |notice| {
            if let Notice::ReconnectFailed = notice {
                handler();
            }
        })
    }

    /// Called when packets travel on WebSocket from here on (`upgrade` of the official client's engine).
    pub fn on_upgrade(&self, handler: impl Fn() + Send + Sync + 'static) -> HandlerId {
        self.on(Kind::Upgraded, move |notice| {
            if let Notice::Upgraded = notice {
                handler();
            }
        })
    }

    /// Called when the server's ping has been answered (`ping`).
    pub fn on_ping(&self, handler: impl Fn() + Send + Sync + 'static) -> HandlerId {
        self.on(Kind::Ping, move |notice| {
            if let Notice::Ping = notice {
                handler();
            }
        })
    }

    /// Removes a handler of this connection; whether it was there.
    pub fn off(&self, handler: HandlerId) -> bool {
        self.shared.manager().handlers.off(handler)
    }

    /// Removes all handlers of this connection, and ends its streams.
    pub fn off_all(&self) {
        self.shared.manager().handlers.clear();
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("transport", &self.transport())
            .finish_non_exhaustive()
    }
}
