//! How clients reach the server: directly, over streams that are counted, from as many local addresses as it takes.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use sockeye::net::{Connector, DialError, MaybeTls, Target, TcpConnector, Tls, TlsConnector};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes on the network, TLS included, TCP not.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Traffic {
    /// Bytes sent and received since this was asked last.
    pub(crate) fn take(&self) -> (u64, u64) {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        (take(&self.sent), take(&self.received))
    }
}

/// The connector of all clients: a cheap clone of a handle.
#[derive(Clone)]
pub(crate) struct Dialer(Arc<TlsConnector<Counting>>);

impl Dialer {
    /// With local addresses to take in turn; none: the system's choice.
    pub(crate) fn new(
        tls: &Tls,
        tcp: TcpConnector,
        sources: Vec<IpAddr>,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self(Arc::new(tls.over(Counting {
            tcp,
            sources,
            turn: AtomicUsize::new(0),
            loopback: AtomicUsize::new(1),
            traffic,
        })))
    }
}

impl Connector for Dialer {
    type Stream = MaybeTls<Counted>;

    async fn connect(&self, target: &Target) -> Result<Self::Stream, DialError> {
        self.0.connect(target).await
    }
}

struct Counting {
    tcp: TcpConnector,
    sources: Vec<IpAddr>,
    turn: AtomicUsize,
    /// The last number of 127.0.0.x that has ports left; 1 is the system's choice.
    loopback: AtomicUsize,
    traffic: Arc<Traffic>,
}

/// Loopback addresses that are used when ports run out: 127.0.0.1 to this.
const LOOPBACKS: usize = 250;

/// Whether no port was left. (The connector gives words, not the system's number of the error.)
fn out_of_ports(error: &DialError) -> bool {
    static WORDS: std::sync::LazyLock<[String; 2]> = std::sync::LazyLock::new(|| {
        // As Linux and macOS number EADDRNOTAVAIL and EADDRINUSE: each says it in the words of its own system.
        let numbers = if cfg!(target_os = "linux") {
            [99, 98]
        } else {
            [49, 48]
        };
        numbers.map(|number| io::Error::from_raw_os_error(number).to_string())
    });
    WORDS
        .iter()
        .any(|words| error.message().contains(words.as_str()))
}

impl Counting {
    async fn dial(&self, target: &Target) -> Result<TcpStream, DialError> {
        if !self.sources.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let source = self.sources[turn % self.sources.len()];
            let tcp = self.tcp.clone().local_address(source);
            return tcp.connect(target).await;
        }
        loop {
            let number = self.loopback.load(Ordering::Relaxed);
            let source = Ipv4Addr::new(127, 0, 0, number as u8);
            let tcp = match number {
                1 => self.tcp.clone(),
                _ => self.tcp.clone().local_address(source.into()),
            };
            let result = tcp.connect(target).await;
            match result {
                Err(error) if out_of_ports(&error) && number < LOOPBACKS && is_loopback(target) => {
                    // Another client may have gone on to the next address already.
                    let _ = self.loopback.compare_exchange(
                        number,
                        number + 1,
                        Ordering::Relaxed,
                        Ordering::Relaxed,
                    );
                }
                Err(error) if out_of_ports(&error) => {
                    return Err(DialError::new(
                        error.kind(),
                        format!(
                            "{}: no local port is left; give more local addresses by --source, or share the clients among machines by --shard",
                            error.message()
                        ),
                    ));
                }
                result => return result,
            }
        }
    }
}

fn is_loopback(target: &Target) -> bool {
    match target.ip() {
        Some(IpAddr::V4(ip)) => ip.is_loopback(),
        Some(IpAddr::V6(_)) => false,
        None => target.host().eq_ignore_ascii_case("localhost"),
    }
}

impl Connector for Counting {
    type Stream = Counted;

    async fn connect(&self, target: &Target) -> Result<Counted, DialError> {
        let stream = self.dial(target).await?;
        Ok(Counted {
            stream,
            traffic: Arc::clone(&self.traffic),
        })
    }
}

/// A stream that counts its bytes.
pub(crate) struct Counted {
    stream: TcpStream,
    traffic: Arc<Traffic>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        let count = buf.filled().len() - before;
        if count > 0 {
            let received = &self.traffic.received;
            received.fetch_add(count as u64, Ordering::Relaxed);
        }
        poll
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = poll {
            self.traffic.sent.fetch_add(count as u64, Ordering::Relaxed);
        }
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn served(
        sources: Vec<IpAddr>,
    ) -> (Dialer, Arc<Traffic>, Target, tokio::net::TcpListener) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let traffic = Arc::<Traffic>::default();
        let dialer = Dialer::new(
            &Tls::new(),
            TcpConnector::new(),
            sources,
            Arc::clone(&traffic),
        );
        (
            dialer,
            traffic,
            Target::new(false, "127.0.0.1", port),
            listener,
        )
    }

    #[tokio::test]
    async fn bytes_are_counted_both_ways() {
        let (dialer, traffic, target, listener) = served(vec![]).await;
        let mut client = dialer.connect(&target).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"four").await.unwrap();
        server.write_all(b"seventy").await.unwrap();
        client.read_exact(&mut [0; 7]).await.unwrap();
        assert_eq!(traffic.take(), (4, 7));
        assert_eq!(traffic.take(), (0, 0));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn local_addresses_are_taken_in_turn() {
        let sources: Vec<IpAddr> = vec!["127.0.0.7".parse().unwrap(), "127.0.0.8".parse().unwrap()];
        let (dialer, _, target, listener) = served(sources.clone()).await;
        for turn in 0..3 {
            let _client = dialer.connect(&target).await.unwrap();
            let (_server, from) = listener.accept().await.unwrap();
            assert_eq!(from.ip(), sources[turn % 2]);
        }
    }

    #[test]
    fn the_end_of_ports_is_known_by_its_words() {
        let number = if cfg!(target_os = "linux") { 99 } else { 49 };
        let error = DialError::from(io::Error::from_raw_os_error(number));
        assert!(out_of_ports(&error), "{error}");
        let other = DialError::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert!(!out_of_ports(&other));
        assert!(is_loopback(&Target::new(false, "localhost", 1)));
        assert!(!is_loopback(&Target::new(false, "10.0.0.1", 1)));
    }
}
