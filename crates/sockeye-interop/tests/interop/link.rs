//! A TCP link between client and server that can be cut, stalled and pointed elsewhere.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::tls;

/// What the link does with its connections.
#[derive(Clone, Debug)]
struct State {
    /// Nothing is behind the link while this is `None`: connections are reset.
    target: Option<u16>,
    /// Connections that started under another number are reset.
    era: u64,
    /// Bytes are neither forwarded nor refused, as on a link that vanished.
    stalled: bool,
    /// Requests for a websocket wait.
    websockets_held: bool,
}

/// The link. Dropping it ends all of its connections.
pub(crate) struct Link {
    port: u16,
    state: watch::Sender<State>,
    accepted: Arc<AtomicUsize>,
    forwarded: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Link {
    pub(crate) async fn to(target: u16) -> Self {
        let state = watch::Sender::new(State {
            target: Some(target),
            era: 0,
            stalled: false,
            websockets_held: false,
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let port = listener.local_addr().expect("a bound listener").port();
        crate::server::parser_is(port, crate::server::parser_of(target));
        tls::secure_is(port, tls::secures(target));
        let accepted = Arc::new(AtomicUsize::new(0));
        let forwarded = Arc::new(AtomicUsize::new(0));
        let (states, count) = (state.clone(), Arc::clone(&accepted));
        let bytes = Arc::clone(&forwarded);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Reset instead of an orderly end, as a broken link does it.
                client.set_zero_linger().ok();
                client.set_nodelay(true).ok();
                let mut states = states.subscribe();
                let State { target, era, .. } = *states.borrow_and_update();
                // Whoever sees the connection counted can cut it from now on, whatever it is doing.
                count.fetch_add(1, Ordering::SeqCst);
                let Some(target) = target else { continue };
                let (mut cut, bytes) = (states.clone(), Arc::clone(&bytes));
                tokio::spawn(async move {
                    tokio::select! {
                        _ = cut.wait_for(|state| state.era != era) => {}
                        () = carry(client, target, states, bytes) => {}
                    }
                });
            }
        });
        Self {
            port,
            state,
            accepted,
            forwarded,
            accepting,
        }
    }

    pub(crate) fn url(&self, path_and_query: &str) -> String {
        tls::url(self.port, path_and_query)
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Bytes that have passed so far, both ways together, of what is inside of TLS.
    pub(crate) fn forwarded(&self) -> usize {
        self.forwarded.load(Ordering::SeqCst)
    }

    /// Resets every connection; new ones go through.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.era += 1);
    }

    /// Resets every connection and every new one.
    pub(crate) fn break_down(&self) {
        self.state.send_modify(|state| {
            state.era += 1;
            state.target = None;
        });
    }

    /// New connections go to this port from now on.
    pub(crate) fn lead_to(&self, target: u16) {
        self.state.send_modify(|state| state.target = Some(target));
    }

    /// Whether bytes get lost on the way without any sign.
    pub(crate) fn stall(&self, stalled: bool) {
        self.state.send_modify(|state| state.stalled = stalled);
    }

    /// Whether requests for a websocket have to wait.
    pub(crate) fn hold_websockets(&self, held: bool) {
        self.state.send_modify(|state| state.websockets_held = held);
    }
}

/// TCP, or TLS on it.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Carries bytes until one side ends, or the link's end drops this.
async fn carry(
    client: TcpStream,
    target: u16,
    mut states: watch::Receiver<State>,
    bytes: Arc<AtomicUsize>,
) {
    // What is in the way of requests for a websocket has to read them.
    let secure = tls::secures(target);
    let mut client: Box<dyn Stream> = if secure {
        match tls::ACCEPTOR.accept(client).await {
            Ok(client) => Box::new(client),
            Err(_) => return,
        }
    } else {
        Box::new(client)
    };

    let mut first = [0; 4096];
    let Ok(n @ 1..) = client.read(&mut first).await else {
        return;
    };
    if first.starts_with(b"GET ")
        && String::from_utf8_lossy(&first[..n]).contains("transport=websocket")
    {
        let gone = states
            .wait_for(|state| !state.websockets_held)
            .await
            .is_err();
        if gone {
            return;
        }
    }
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else {
        return;
    };
    server.set_nodelay(true).ok();
    let mut server: Box<dyn Stream> = if secure {
        match tls::CONNECTOR.connect(tls::server_name(), server).await {
            Ok(server) => Box::new(server),
            Err(_) => return,
        }
    } else {
        Box::new(server)
    };
    if server.write_all(&first[..n]).await.is_err() || server.flush().await.is_err() {
        return;
    }
    bytes.fetch_add(n, Ordering::SeqCst);

    let (client_in, client_out) = split(client);
    let (server_in, server_out) = split(server);
    tokio::join!(
        forward(client_in, server_out, states.clone(), &bytes),
        forward(server_in, client_out, states.clone(), &bytes)
    );
}

async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut states: watch::Receiver<State>,
    count: &AtomicUsize,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        let released = states.wait_for(|state| !state.stalled).await.is_ok();
        if !released || to.write_all(&bytes[..n]).await.is_err() || to.flush().await.is_err() {
            return;
        }
        count.fetch_add(n, Ordering::SeqCst);
    }
    to.shutdown().await.ok();
}
