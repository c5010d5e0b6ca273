//! What stands between client and server in these tests.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use sockeye_testkit::certificates::{Authority, Identity};
use sockeye_testkit::relay::Relay;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::server::TlsStream;

use sockeye::ClientBuilder;

use crate::support::{Host, within};

/// What a TLS server noted of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub sni: Option<String>,
    pub alpn: Option<Vec<u8>>,
    pub version: &'static str,
    pub resumed: bool,
}

/// TLS in front of a plain server.
pub(crate) struct TlsFront {
    pub relay: Relay,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

pub(crate) fn certificates(identity: &Identity) -> Vec<CertificateDer<'static>> {
    identity.chain().into_iter().map(Into::into).collect()
}

pub(crate) fn key(identity: &Identity) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(identity.key()).expect("a key")
}

/// Who the TLS server is, and what it asks for.
pub(crate) struct Settings<'a> {
    pub identity: &'a Identity,
    pub only_tls12: bool,
    /// Clients must have a certificate of this CA.
    pub clients: Option<&'a Authority>,
}

impl<'a> Settings<'a> {
    pub(crate) const fn of(identity: &'a Identity) -> Self {
        Self {
            identity,
            only_tls12: false,
            clients: None,
        }
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: &[_] = if self.only_tls12 {
            &[&rustls::version::TLS12]
        } else {
            rustls::ALL_VERSIONS
        };
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("versions");
        let config = match self.clients {
            None => config.with_no_client_auth(),
            Some(ca) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(ca.der().to_vec().into()).expect("a root");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .expect("a verifier");
                config.with_client_cert_verifier(verifier)
            }
        };
        let mut config = config
            .with_single_cert(certificates(self.identity), key(self.identity))
            .expect("an identity");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

pub(crate) fn note(stream: &TlsStream<impl Sized>) -> Seen {
    let (_, session) = stream.get_ref();
    Seen {
        sni: session.server_name().map(Into::into),
        alpn: session.alpn_protocol().map(Into::into),
        version: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
            _ => "?",
        },
        resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
    }
}

impl TlsFront {
    pub(crate) async fn start(host: &Host, settings: &Settings<'_>) -> Self {
        let acceptor = tokio_rustls::TlsAcceptor::from(settings.config());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (server, notes) = (host.address(), Arc::clone(&seen));
        let relay = Relay::start(listener().await, move |stream| {
            let (acceptor, notes) = (acceptor.clone(), Arc::clone(&notes));
            async move {
                let stream = acceptor.accept(stream).await?;
                notes.lock().expect("sound").push(note(&stream));
                Ok((stream, server))
            }
        });
        Self { relay, seen }
    }

    /// The URL of a namespace at this host name.
    pub(crate) fn url(&self, name: &str, path: &str) -> String {
        format!("https://{name}:{}{path}", self.relay.address().port())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("sound").clone()
    }
}

pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

/// A server that reads something, answers with these bytes and closes, each time.
pub(crate) async fn raw(answer: &'static [u8]) -> SocketAddr {
    let listener = listener().await;
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer).await;
                // A reset would overtake the answer: everything is read before the stream is closed.
                let _ = stream.shutdown().await;
                while matches!(stream.read(&mut [0; 4096]).await, Ok(n) if n > 0) {}
            });
        }
    });
    address
}

/// Reads a head up to its empty line.
pub(crate) async fn head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A log of lines that a relay's side of a conversation writes.
pub(crate) type Lines = Arc<Mutex<Vec<String>>>;

/// Connects, and leaves again before anything else happens: the server has room for one session.
pub(crate) async fn join_and_leave(what: &str, host: &Host, builder: ClientBuilder) {
    let socket = within(what, builder.connect()).await.expect(what);
    socket.disconnect();
    host.empty().await;
}
