//! A relay on a TCP port of the loopback interface, between a client and a server: it counts, it cuts, and what comes
//! first on a connection (a TLS handshake, a proxy's conversation) is the test's.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What the relay has seen.
#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicUsize,
    /// Connections whose client said goodbye as its protocol asks: for TLS, with close_notify.
    clean: AtomicUsize,
    /// Connections whose client just went away.
    unclean: AtomicUsize,
}

/// A running relay; dropping it cuts its connections.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    counts: Arc<Counts>,
    changed: watch::Sender<()>,
    cut: watch::Sender<u64>,
    task: AbortHandle,
}

impl Relay {
    /// Relays between `listener` and the server that `first` names. It gets every connection, answers what comes first
    /// on it, and gives the stream that is relayed, with the server's address. Runs on the current tokio runtime.
    pub fn start<F, Fut, S>(listener: TcpListener, first: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<(S, SocketAddr)>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let address = listener.local_addr().expect("an address");
        let counts = Arc::new(Counts::default());
        let changed = watch::Sender::new(());
        let cut = watch::Sender::new(0);
        let (first, seen) = (Arc::new(first), Arc::clone(&counts));
        let (tell, cuts) = (changed.clone(), cut.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                // Whoever sees the connection counted can cut it from now on.
                let mut cuts = cuts.subscribe();
                seen.accepted.fetch_add(1, Ordering::SeqCst);
                tell.send_replace(());
                let (first, seen, tell) = (Arc::clone(&first), Arc::clone(&seen), tell.clone());
                tokio::spawn(async move {
                    let connection = async {
                        let (stream, server) = first(stream).await.ok()?;
                        Some(relay(stream, server).await)
                    };
                    let ended = tokio::select! {
                        ended = connection => ended,
                        _ = cuts.changed() => None,
                    };
                    match ended {
                        Some(true) => seen.clean.fetch_add(1, Ordering::SeqCst),
                        Some(false) => seen.unclean.fetch_add(1, Ordering::SeqCst),
                        None => return,
                    };
                    tell.send_replace(());
                });
            }
        });
        Self {
            address,
            counts,
            changed,
            cut,
            task: task.abort_handle(),
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    /// Connections that the client ended so far: with a goodbye, and without.
    pub fn ended(&self) -> (usize, usize) {
        (
            self.counts.clean.load(Ordering::SeqCst),
            self.counts.unclean.load(Ordering::SeqCst),
        )
    }

    /// Waits until `look` finds something. (Bound it by a timeout.)
    pub async fn until<T>(&self, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if let Some(found) = look(self) {
                return found;
            }
            let _ = changed.changed().await;
        }
    }

    /// Cuts every connection, without a goodbye.
    pub fn cut(&self) {
        self.cut.send_modify(|n| *n += 1);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

/// Moves bytes until one side ends; whether the client ended as its protocol asks.
async fn relay<S: AsyncRead + AsyncWrite + Unpin>(client: S, server: SocketAddr) -> bool {
    let Ok(server) = TcpStream::connect(server).await else {
        return false;
    };
    let _ = server.set_nodelay(true);
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let up = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match from_client.read(&mut buffer).await {
                Ok(0) => return true,
                Ok(n) if to_server.write_all(&buffer[..n]).await.is_ok() => (),
                _ => return false,
            }
        }
    };
    let down = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match from_server.read(&mut buffer).await {
                Ok(n) if n > 0 => {
                    if to_client.write_all(&buffer[..n]).await.is_err()
                        || to_client.flush().await.is_err()
                    {
                        return;
                    }
                }
                _ => {
                    let _ = to_client.shutdown().await;
                    return;
                }
            }
        }
    };
    tokio::pin!(up, down);
    tokio::select! {
        clean = &mut up => clean,
        // The client answers the server's goodbye with its own.
        () = &mut down => up.await,
    }
}
