//! TLS for servers, links and clients: certificates that are made at the start of the tests, by an authority that nobody else
//! has. Which ports are secure goes with the port, as with MessagePack: see `server::packs`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use sockeye::net::Tls;
use sockeye_testkit::certificates::{Authority, Identity, Leaf};
use tokio_rustls::{TlsAcceptor, TlsConnector};

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("interop tests"));
static SERVER: LazyLock<Identity> = LazyLock::new(|| AUTHORITY.issue(&Leaf::named("127.0.0.1")));
static PORTS: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Whether there is TLS behind this port from here on.
pub(crate) fn secure_is(port: u16, secure: bool) {
    let mut ports = PORTS.lock().expect("nobody panics with it");
    if secure {
        ports.insert(port);
    } else {
        ports.remove(&port);
    }
}

/// Whether there is TLS behind this port.
pub(crate) fn secures(port: u16) -> bool {
    PORTS.lock().expect("nobody panics with it").contains(&port)
}

/// The URL of what is behind this port.
pub(crate) fn url(port: u16, path_and_query: &str) -> String {
    let scheme = if secures(port) { "https" } else { "http" };
    format!("{scheme}://127.0.0.1:{port}{path_and_query}")
}

/// What a client needs to trust the servers here.
pub(crate) fn trust() -> Tls {
    Tls::new().ca_pem(AUTHORITY.pem())
}

/// The identity of a client that the servers here may want.
pub(crate) fn client() -> Identity {
    AUTHORITY.issue(&Leaf::client("somebody"))
}

/// A file for programs that read PEM; it is removed with this value.
pub(crate) struct PemFile(PathBuf);

impl PemFile {
    fn new(pem: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockeye-interop-{}-{number}.pem", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, pem).expect("the folder for temporary files can be written to");
        Self(path)
    }

    pub(crate) fn authority() -> Self {
        Self::new(&AUTHORITY.pem())
    }

    pub(crate) fn certificate(identity: &Identity) -> Self {
        Self::new(&identity.chain_pem())
    }

    pub(crate) fn key(identity: &Identity) -> Self {
        Self::new(&identity.key_pem())
    }

    /// The certificate and its key in one file.
    pub(crate) fn both(identity: &Identity) -> Self {
        Self::new(&(identity.chain_pem() + &identity.key_pem()))
    }

    /// The certificate and the key of the servers here.
    pub(crate) fn server() -> [Self; 2] {
        [Self::certificate(&SERVER), Self::key(&SERVER)]
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }
}

impl Drop for PemFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The side of a link that looks like the server.
pub(crate) static ACCEPTOR: LazyLock<TlsAcceptor> = LazyLock::new(|| {
    let chain = SERVER.chain().into_iter().map(CertificateDer::from);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(SERVER.key()));
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions that ring has")
        .with_no_client_auth()
        .with_single_cert(chain.collect(), key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
});

/// The side of a link that looks like a client.
pub(crate) static CONNECTOR: LazyLock<TlsConnector> = LazyLock::new(|| {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from(AUTHORITY.der().to_vec()))
        .expect("a certificate");
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions that ring has")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
});

/// Whom a link expects.
pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::try_from("127.0.0.1").expect("an address")
}
