//! A network link that can really be cut: a TCP relay between one device and the server.

use std::io;
use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The relay. Dropping it ends all its connections.
pub(crate) struct Link {
    address: SocketAddr,
    up: watch::Sender<bool>,
    _relay: JoinSet<()>,
}

impl Link {
    /// Relays from a free port of the loopback interface to `server` (`host:port`).
    pub(crate) async fn to(server: String) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (up, state) = watch::channel(true);
        let mut relay = JoinSet::new();
        relay.spawn(serve(listener, server, state));
        Ok(Self {
            address,
            up,
            _relay: relay,
        })
    }

    /// Where the device connects.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections, and drops new ones until [`Self::mend`].
    pub(crate) fn cut(&self) {
        self.up.send_replace(false);
    }

    /// Lets connections through again.
    pub(crate) fn mend(&self) {
        self.up.send_replace(true);
    }
}

async fn serve(listener: TcpListener, server: String, state: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((device, _)) = listener.accept().await else {
            continue;
        };
        while connections.try_join_next().is_some() {}
        if *state.borrow() {
            connections.spawn(relay(device, server.clone(), state.clone()));
        }
    }
}

async fn relay(mut device: TcpStream, server: String, mut state: watch::Receiver<bool>) {
    let Ok(mut upstream) = TcpStream::connect(&server).await else {
        return;
    };
    let _ = (device.set_nodelay(true), upstream.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut device, &mut upstream) => {}
        _ = state.wait_for(|up| !up) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn bytes_pass_until_the_cut_and_again_after_mending() {
        let server = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let link = Link::to(address).await.unwrap();
        let mut device = TcpStream::connect(link.address()).await.unwrap();
        let mut byte = [0];
        device.write_all(b"x").await.unwrap();
        device.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"x");

        link.cut();
        assert!(
            !matches!(device.read(&mut byte).await, Ok(1..)),
            "the connection has ended"
        );
        let mut refused = TcpStream::connect(link.address()).await.unwrap();
        assert!(
            !matches!(refused.read(&mut byte).await, Ok(1..)),
            "new connections get nowhere"
        );

        link.mend();
        let mut again = TcpStream::connect(link.address()).await.unwrap();
        again.write_all(b"y").await.unwrap();
        again.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"y");
    }
}
