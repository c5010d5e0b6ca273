//! From a network's options to a stream, on tokio.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::TlsClient;
use super::error::{DialError, reason};
use super::network::{Network, Stage, Way};
use super::proxy::{ANSWER, Handshake, Kind, Proxy, Step};
use super::stream::{MaybeTls, Stream};
use super::target::Target;
use super::tcp::TcpConnector;

impl Network {
    pub(super) async fn connect(&self) -> Result<Stream, DialError> {
        let target = &self.target;
        let (tcp, tls, proxy) = match &self.way {
            Way::Connector(connector) => {
                self.reached(Stage::Connecting);
                return connector.connect(target).await;
            }
            // (Only `blocking::ClientBuilder` sets one.)
            #[cfg(feature = "blocking")]
            Way::Blocking(_) => {
                return Err(DialError::config(
                    "a connector of blocking streams cannot serve a client on tokio",
                ));
            }
            Way::Tcp { tcp, tls, proxy } => (tcp, tls.as_ref(), proxy.as_deref()),
        };
        // A server of the application's tests, in memory.
        #[cfg(feature = "testing")]
        if let Some(stream) = crate::testing::connect(target.host()) {
            return match stream {
                Ok(stream) => Ok(Stream::Other(Box::new(stream))),
                Err(error) => Err(DialError::from_io(&error, target)),
            };
        }
        let Some(proxy) = proxy else {
            let stream = self.tcp(tcp, target).await?;
            return Ok(Stream::Direct(self.encrypt(tls, stream).await?));
        };
        tracing::debug!(%proxy, "through a proxy");
        let mut stream = self
            .tcp(tcp, &proxy.at)
            .await
            .map_err(|error| DialError::proxy(format!("the proxy cannot be reached: {error}")))?;
        self.reached(Stage::Proxy);
        // Names are resolved here for proxies that take addresses.
        let address = match proxy.kind {
            Kind::Socks5 => tcp
                .addresses(target)
                .await?
                .first()
                .map(std::net::SocketAddr::ip),
            Kind::Http | Kind::Socks5Names => None,
        };
        let handshake = proxy.handshake(target, address);
        match tls {
            Some(tls) if proxy.at.secure() => {
                let mut stream = tls.handshake(stream, &proxy.at).await?;
                pass(&mut stream, handshake, proxy).await?;
                if !target.secure() {
                    return Ok(Stream::Direct(stream));
                }
                self.reached(Stage::Tls);
                let stream = tls.handshake(stream, target).await?;
                Ok(Stream::Other(Box::new(stream)))
            }
            _ => {
                pass(&mut stream, handshake, proxy).await?;
                Ok(Stream::Direct(self.encrypt(tls, stream).await?))
            }
        }
    }

    async fn tcp(&self, tcp: &TcpConnector, target: &Target) -> Result<TcpStream, DialError> {
        self.reached(Stage::Resolving);
        let addresses = tcp.addresses(target).await?;
        self.reached(Stage::Connecting);
        tcp.connect_to(&addresses, target).await
    }

    async fn encrypt(
        &self,
        tls: Option<&TlsClient>,
        stream: TcpStream,
    ) -> Result<MaybeTls<TcpStream>, DialError> {
        match tls {
            Some(tls) if self.target.secure() => {
                self.reached(Stage::Tls);
                tls.handshake(stream, &self.target).await
            }
            _ => Ok(MaybeTls::Plain(stream)),
        }
    }
}

/// Gets through a proxy.
async fn pass<S>(stream: &mut S, mut handshake: Handshake, proxy: &Proxy) -> Result<(), DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let cut = |error: io::Error| DialError::proxy(format!("{proxy}: {}", reason(&error)));
    let mut received = Vec::new();
    loop {
        match handshake.step(&mut received)? {
            Step::Send(message) => {
                stream.write_all(&message).await.map_err(cut)?;
                stream.flush().await.map_err(cut)?;
            }
            Step::Receive if received.len() >= ANSWER => {
                return Err(DialError::proxy(format!(
                    "the answer of {proxy} has no end"
                )));
            }
            Step::Receive => {
                if stream.read_buf(&mut received).await.map_err(cut)? == 0 {
                    return Err(DialError::proxy(format!(
                        "{proxy} closed the connection before it answered: check its kind, address and credentials"
                    )));
                }
            }
            Step::Done => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;

    use super::*;

    /// Connects to a server that accepts and stays silent: what the dial then waits for.
    async fn stuck(url: &str, proxy: bool) -> String {
        use crate::client::url::Address;
        use crate::net::options::{NetworkOptions, ProxyOption};
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let mut options = NetworkOptions::default();
        let url = if proxy {
            options.proxy = ProxyOption::Fixed(Box::new(Proxy::parse(&address.to_string())));
            url.to_owned()
        } else {
            url.replace("PLACE", &address.to_string())
        };
        let network = options.build(&Address::parse(&url).unwrap()).unwrap();
        let mut dial = pin!(network.connect());
        let mut accept = pin!(async {
            let (stream, _) = server.accept().await.unwrap();
            // Something has been asked for: the dial has come as far as it can.
            stream.readable().await.unwrap();
            stream
        });
        let _stream = std::future::poll_fn(|cx| {
            assert!(dial.as_mut().poll(cx).is_pending());
            accept.as_mut().poll(cx)
        })
        .await;
        network.unfinished().to_string()
    }

    #[tokio::test]
    async fn what_a_dial_waits_for() {
        let text = stuck("http://h.test/", true).await;
        assert!(text.contains("opened no way to h.test port 80"), "{text}");
        #[cfg(feature = "rustls-ring")]
        {
            let text = stuck("https://PLACE/", false).await;
            assert!(text.ends_with("did not finish the TLS handshake"), "{text}");
        }
    }
}
