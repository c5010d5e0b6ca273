//! A TCP link between client and server that can be cut, stalled and pointed elsewhere.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

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
        crate::server::parser_is(port, crate::server::packs(target));
        let accepted = Arc::new(AtomicUsize::new(0));
        let (states, count) = (state.clone(), Arc::clone(&accepted));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(client, states.subscribe()));
            }
        });
        Self {
            port,
            state,
            accepted,
            accepting,
        }
    }

    pub(crate) fn url(&self, path_and_query: &str) -> String {
        format!("http://127.0.0.1:{}{path_and_query}", self.port)
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
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

async fn carry(mut client: TcpStream, mut states: watch::Receiver<State>) {
    let State { target, era, .. } = *states.borrow_and_update();
    // Reset instead of an orderly end, as a broken link does it.
    client.set_zero_linger().ok();
    client.set_nodelay(true).ok();
    let Some(target) = target else { return };

    let mut first = [0; 4096];
    let Ok(n @ 1..) = client.read(&mut first).await else {
        return;
    };
    if first.starts_with(b"GET ")
        && String::from_utf8_lossy(&first[..n]).contains("transport=websocket")
    {
        let gone = states
            .wait_for(|state| !state.websockets_held || state.era != era)
            .await
            .is_err();
        if gone || states.borrow().era != era {
            return;
        }
    }
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else {
        return;
    };
    server.set_nodelay(true).ok();
    if server.write_all(&first[..n]).await.is_err() {
        return;
    }

    let (client_in, client_out) = client.split();
    let (server_in, server_out) = server.split();
    let mut cut = states.clone();
    tokio::select! {
        _ = cut.wait_for(|state| state.era != era) => {}
        () = async { tokio::join!(forward(client_in, server_out, states.clone()), forward(server_in, client_out, states.clone())); } => {}
    }
}

async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut states: watch::Receiver<State>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        let released = states.wait_for(|state| !state.stalled).await.is_ok();
        if !released || to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
    to.shutdown().await.ok();
}
