//! The demo over TLS: a certificate authority of its own, and a listener that encrypts.
//!
//! The authority is made anew each time, and its key is never written: whoever trusts its certificate trusts nothing
//! but this run of the demo.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::serve::Listener;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::server::TlsStream;

use crate::exit::Failure;

/// Certificates hold from a day before, for clocks that are behind, …
const EARLIER: Duration = Duration::from_secs(86_400);
/// … for a little more than a year: some systems take no longer ones.
const VALID: Duration = Duration::from_secs(390 * 86_400);
/// How long a client may take for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections whose handshake is done and that wait for being accepted.
const WAITING: usize = 64;

/// What the demo needs for `--tls`.
pub(crate) struct Tls {
    /// The certificate of the authority.
    pub(crate) ca_pem: String,
    /// Where it was written.
    pub(crate) file: PathBuf,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Makes an authority, and by it a certificate for this machine: `localhost`, the loopback addresses, `bind`, and
    /// what `names` adds. The authority's certificate is written to `file`.
    ///
    /// # Errors
    /// A name that no certificate can have; the file cannot be written.
    pub(crate) fn new(bind: IpAddr, names: &[String], file: &Path) -> Result<Self, Failure> {
        let (ca_pem, config) = make(bind, names).map_err(|error| {
            Failure::usage(format!(
                "cannot make a certificate: {error}; see --tls-name"
            ))
        })?;
        std::fs::write(file, &ca_pem).map_err(|error| {
            let file = file.display();
            Failure::usage(format!("--tls-ca {file}: {error}"))
        })?;
        Ok(Self {
            ca_pem,
            file: std::path::absolute(file).unwrap_or_else(|_| file.to_owned()),
            config: Arc::new(config),
        })
    }

    /// Encrypts what `listener` accepts.
    pub(crate) fn listen(&self, listener: TcpListener) -> io::Result<TlsListener> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(WAITING);
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, acceptor, sender));
        Ok(TlsListener {
            ready,
            address,
            _tasks: tasks,
        })
    }
}

fn make(
    bind: IpAddr,
    names: &[String],
) -> Result<(String, ServerConfig), Box<dyn std::error::Error>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let (from, to) = (epoch + now - EARLIER, epoch + now + VALID);

    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (ca.not_before, ca.not_after) = (from, to);
    ca.distinguished_name
        .push(DnType::CommonName, "Sockeye demo (made for one run)");
    let ca_key = KeyPair::generate()?;
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let ca = Issuer::new(ca, ca_key);

    let mut all = BTreeSet::from(["localhost", "127.0.0.1", "::1"].map(String::from));
    if !bind.is_unspecified() {
        all.insert(bind.to_string());
    }
    all.extend(names.iter().cloned());
    let mut server = CertificateParams::new(all.into_iter().collect::<Vec<_>>())?;
    server
        .distinguished_name
        .push(DnType::CommonName, "Sockeye demo");
    (server.not_before, server.not_after) = (from, to);
    server.use_authority_key_identifier_extension = true;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &ca)?;

    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((ca_pem, config))
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let mut handshakes = JoinSet::new();
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Too many open files, say: that passes.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while handshakes.try_join_next().is_some() {}
        let (acceptor, ready) = (acceptor.clone(), ready.clone());
        // Each by itself, so that one that says nothing holds up no other.
        handshakes.spawn(async move {
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(ready.send((stream, address)).await),
                Ok(Err(error)) => tracing::info!(%address, %error, "no TLS handshake"),
                Err(_) => tracing::info!(%address, "the TLS handshake took too long"),
            }
        });
    }
}

/// Gives connections whose handshake is done.
pub(crate) struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}
