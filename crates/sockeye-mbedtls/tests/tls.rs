//! On a computer, against rustls: who is let in, who is refused, and that sessions are resumed. One test, because there is
//! one connector in a program.
#![cfg(feature = "tokio")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, SupportedProtocolVersion, version};
use sockeye_embedded::embedded_io_async::{Read, Write};
use sockeye_embedded::net::Tokio;
use sockeye_embedded::{Config, Connect, ConnectError, Connection, Event, Socket, Storage};
use sockeye_mbedtls::{Mbedtls, Options, Unusable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// The clock that the connector is told to ask: 0 is unknown.
static NOW: AtomicU64 = AtomicU64::new(0);
/// 2026-11-26, while all certificates are valid, and 2031.
const VALID: u64 = 1_795_651_200;
const LATER: u64 = 1_924_992_000;

fn unix_time() -> Option<u64> {
    Some(NOW.load(Ordering::Relaxed)).filter(|now| *now != 0)
}

fn random(bytes: &mut [u8]) {
    use std::hash::{BuildHasher, Hasher};
    for chunk in bytes.chunks_mut(8) {
        let number = std::collections::hash_map::RandomState::new()
            .build_hasher()
            .finish();
        chunk.copy_from_slice(&number.to_le_bytes()[..chunk.len()]);
    }
}

struct Ca(Issuer<'static, KeyPair>, CertificateDer<'static>);

impl Ca {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2040, 1, 1);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self(Issuer::new(params, key), certificate)
    }

    /// A server's configuration with a certificate for `name`, valid until 2030.
    fn server(&self, name: &str, version: &'static SupportedProtocolVersion) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2030, 1, 1);
        let leaf = params.signed_by(&key, &self.0).unwrap().der().clone();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        ServerConfig::builder_with_protocol_versions(&[version])
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key.into())
            .unwrap()
    }
}

/// A server that sends back what it gets, and tells how each connection was made.
struct Server {
    port: u16,
    made: mpsc::UnboundedReceiver<Option<(ProtocolVersion, HandshakeKind)>>,
}

async fn serve(config: ServerConfig) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, made) = mpsc::unbounded_channel();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, tell) = (acceptor.clone(), tell.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return tell.send(None);
                };
                let session = stream.get_ref().1;
                let how = session.protocol_version().zip(session.handshake_kind());
                tell.send(how)?;
                let mut bytes = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut bytes).await {
                    if stream.write_all(&bytes[..n]).await.is_err() {
                        break;
                    }
                }
                Ok(())
            });
        }
    });
    Server { port, made }
}

/// Connects by the URL, has some bytes sent back, and closes in order.
async fn talk(connector: &Mbedtls<Tokio>, url: &str) -> Result<(), ConnectError> {
    let target = target(url);
    let mut connection = connector.connect(target).await?;
    let (mut reader, mut writer) = connection.split().await?;
    for len in [1, 100, 3000] {
        let bytes = vec![7; len];
        writer.write_all(&bytes).await.unwrap();
        writer.flush().await.unwrap();
        sent(&connection_of(connector), &mut writer).await;
        let mut back = vec![0; len];
        reader.read_exact(&mut back).await.unwrap();
        assert_eq!(back, bytes);
    }
    drop((reader, writer));
    connection.close().await;
    Ok(())
}

/// Names the type of a connector's connections.
fn connection_of<N: Connect>(_: &N) -> std::marker::PhantomData<N> {
    std::marker::PhantomData
}

async fn sent<'c, N: Connect + 'c>(
    _: &std::marker::PhantomData<N>,
    writer: &mut <N::Connection<'c> as Connection>::Write<'c>,
) {
    assert!(N::Connection::sent(writer).await.is_ok());
}

/// As the runner makes it of a URL.
fn target(url: &str) -> sockeye_embedded::Target {
    let url: &'static str = url.to_owned().leak();
    let url = sockeye_embedded::Url::parse(url).unwrap();
    sockeye_embedded::Target::new(url.host, url.port, url.tls)
}

fn refused(result: Result<(), ConnectError>) -> &'static str {
    match result {
        Err(ConnectError::Other(words)) => words,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "current_thread")]
async fn lets_in_who_proves_its_name_and_nobody_else() {
    tokio::time::timeout(Duration::from_secs(60), all())
        .await
        .expect("done in time");
}

/// Prints what the connector logs, for whoever looks at a test that has failed.
#[cfg(feature = "log")]
struct Print;

#[cfg(feature = "log")]
impl log::Log for Print {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        eprintln!("{}", record.args());
    }

    fn flush(&self) {}
}

async fn all() {
    #[cfg(feature = "log")]
    if log::set_logger(&Print).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
    let (ca, stranger) = (Ca::new("trusted"), Ca::new("stranger"));
    let der: &'static [u8] = ca.1.to_vec().leak();
    let mut options = Options::new(der, random);
    options.unix_time = unix_time;
    let connector = Mbedtls::new(Tokio, options).unwrap();
    assert_eq!(
        Mbedtls::new(Tokio, options).err(),
        Some(Unusable::Twice),
        "there is one"
    );

    for version in [&version::TLS12, &version::TLS13] {
        let mut server = serve(ca.server("localhost", version)).await;
        let url = format!("https://localhost:{}/", server.port);

        // Without a clock nothing is tried.
        NOW.store(0, Ordering::Relaxed);
        let words = refused(talk(&connector, &url).await);
        assert!(words.starts_with("the time is not known"), "{words}");

        NOW.store(VALID, Ordering::Relaxed);
        let mut kinds = Vec::new();
        for _ in 0..4 {
            let result = talk(&connector, &url).await;
            let (spoken, kind) = server.made.recv().await.unwrap().expect("a handshake");
            assert_eq!(result, Ok(()), "after {kinds:?}");
            assert_eq!(spoken, version.version);
            kinds.push(kind);
        }
        assert_eq!(kinds[0], HandshakeKind::Full);
        assert!(
            version.version == ProtocolVersion::TLSv1_3
                || kinds[1..]
                    .iter()
                    .all(|kind| *kind == HandshakeKind::Resumed),
            "{version:?}: {kinds:?}"
        );

        // A server that has forgotten the session: shakes hands anew.
        let mut other = serve(ca.server("localhost", version)).await;
        let other_url = format!("https://localhost:{}/", other.port);
        talk(&connector, &other_url).await.unwrap();
        let (_, kind) = other.made.recv().await.unwrap().unwrap();
        assert_eq!(kind, HandshakeKind::Full);

        // An address in the certificate.
        let by_address = serve(ca.server("127.0.0.1", version)).await;
        let url = format!("https://127.0.0.1:{}/", by_address.port);
        talk(&connector, &url).await.unwrap();

        // Refused, and told why.
        let elsewhere = serve(ca.server("elsewhere.test", version)).await;
        let url = format!("https://localhost:{}/", elsewhere.port);
        let words = refused(talk(&connector, &url).await);
        assert!(words.contains("not for this host name"), "{words}");
        let foreign = serve(stranger.server("localhost", version)).await;
        let url = format!("https://localhost:{}/", foreign.port);
        let words = refused(talk(&connector, &url).await);
        assert!(words.contains("not signed by the trusted CA"), "{words}");
        NOW.store(LATER, Ordering::Relaxed);
        let url = format!("https://localhost:{}/", other.port);
        let words = refused(talk(&connector, &url).await);
        assert!(words.contains("expired, or the clock is wrong"), "{words}");
        NOW.store(VALID, Ordering::Relaxed);
    }

    // Not a TLS server, and not a TLS URL.
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let words = refused(talk(&connector, &format!("https://localhost:{port}/")).await);
    assert!(words.contains("does the server speak TLS"), "{words}");
    let words = refused(talk(&connector, &format!("http://localhost:{port}/")).await);
    assert!(words.contains("use an https URL"), "{words}");

    whole_client(&connector, &ca).await;
}

/// The client itself: what it is told when the server is not whom it claims to be.
async fn whole_client(connector: &Mbedtls<Tokio>, ca: &Ca) {
    let elsewhere = serve(ca.server("elsewhere.test", &version::TLS13)).await;
    let url: &'static str = format!("https://localhost:{}", elsewhere.port).leak();
    let mut config = Config::new(url, random).unwrap();
    config.core.reconnection.enabled = false;
    let storage = Box::leak(Box::new(Storage::<1024, 1024>::new()));
    let (socket, mut runner) = sockeye_embedded::new(config, storage).unwrap();
    let told = std::cell::RefCell::new(String::new());
    let handler = |_: &Socket, event: &Event<'_>| {
        if let Event::Closed { details, .. } = event {
            *told.borrow_mut() = details.to_string();
            socket.stop();
        }
    };
    runner.run(connector, handler).await;
    assert_eq!(
        told.into_inner(),
        "could not connect: certificate refused: not for this host name"
    );
}
