//! TLS: whom to trust, and who to be. What is here needs no runtime; only `connect` is for tokio.

pub(super) mod client;
#[cfg(feature = "tokio")]
mod connect;
#[cfg(feature = "rustls-no-provider")]
pub(crate) mod explain;
#[cfg(feature = "rustls-no-provider")]
mod rustls_config;
#[cfg(feature = "rustls-no-provider")]
mod verify;

use std::fmt;
#[cfg(feature = "rustls-no-provider")]
use std::sync::Arc;

pub(crate) use client::TlsClient;
#[cfg(feature = "tokio")]
pub use connect::TlsConnector;

#[cfg(feature = "rustls-no-provider")]
use rustls_config::Options;

/// How `https` and `wss` connections are encrypted, and whom they trust:
/// [`ClientBuilder::tls`](crate::ClientBuilder::tls).
///
/// By default server certificates are checked as the operating system does (feature `platform-verifier`), or against
/// Mozilla's list of CAs (feature `webpki-roots`) where that is built in instead. TLS 1.3 and 1.2 are spoken, by rustls.
///
/// ```no_run
/// use sockeye::net::Tls;
///
/// # fn example() -> std::io::Result<()> {
/// let tls = Tls::new()
///     .ca_pem(std::fs::read("ca.pem")?)
///     .identity_pem(std::fs::read("device.pem")?, std::fs::read("device.key")?);
/// let builder = sockeye::Client::builder("https://10.0.0.7:3000/").tls(tls);
/// # Ok(())
/// # }
/// ```
/// What cannot be read is told when the client is made. Clients that are given clones of one value share the memory of
/// the trusted CAs, and the sessions that reconnections resume (those of eight servers are kept).
#[derive(Clone, Default)]
pub struct Tls {
    backend: Backend,
}

#[derive(Clone)]
enum Backend {
    #[cfg(feature = "rustls-no-provider")]
    Options(Options),
    #[cfg(feature = "rustls-no-provider")]
    Config(Arc<rustls::ClientConfig>),
    #[cfg(feature = "native-tls")]
    Native(native_tls::TlsConnector),
    /// Neither rustls nor anything else that has defaults is built in.
    #[cfg(not(feature = "rustls-no-provider"))]
    Missing,
}

impl Default for Backend {
    fn default() -> Self {
        #[cfg(feature = "rustls-no-provider")]
        return Self::Options(Options::default());
        #[cfg(not(feature = "rustls-no-provider"))]
        return Self::Missing;
    }
}

impl Tls {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The operating system's TLS library instead of rustls, as it is configured: the other options do not apply.
    #[cfg(feature = "native-tls")]
    pub const fn native(connector: native_tls::TlsConnector) -> Self {
        Self {
            backend: Backend::Native(connector),
        }
    }

    pub(crate) fn client(&self) -> Result<TlsClient, String> {
        match &self.backend {
            #[cfg(feature = "rustls-no-provider")]
            Backend::Options(options) => options.config().map(TlsClient::Rustls),
            #[cfg(feature = "rustls-no-provider")]
            Backend::Config(config) => Ok(TlsClient::Rustls(rustls_config::with_alpn(config))),
            #[cfg(feature = "native-tls")]
            Backend::Native(connector) => Ok(TlsClient::Native(connector.clone())),
            #[cfg(not(feature = "rustls-no-provider"))]
            Backend::Missing => Err(
                "this build has no TLS: enable the feature rustls, or use http:// or ws://".into(),
            ),
        }
    }
}

#[cfg(feature = "rustls-no-provider")]
impl Tls {
    /// A whole configuration of rustls: verifier, provider, session store, key log. Used as it is, except that ALPN
    /// offers `http/1.1` if it offers nothing. Options given before are forgotten, later ones start anew.
    pub fn rustls_config(config: impl Into<Arc<rustls::ClientConfig>>) -> Self {
        Self {
            backend: Backend::Config(config.into()),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        if let Backend::Options(options) = &mut self.backend {
            options.forget_built();
            change(options);
        } else {
            let mut options = Options::default();
            options.fail(
                "options of Tls cannot be added to Tls::rustls_config or Tls::native: set them there",
            );
            self.backend = Backend::Options(options);
        }
        self
    }

    /// Trusts the CA certificates in this PEM text, **and no others**, as Node's `ca` and curl's `--cacert` do: see
    /// [`system_roots`](Self::system_roots). Can be called several times.
    #[must_use]
    pub fn ca_pem(self, pem: impl AsRef<[u8]>) -> Self {
        self.with(|options| options.ca_pem(pem.as_ref()))
    }

    /// As [`ca_pem`](Self::ca_pem), for one certificate in DER.
    #[must_use]
    pub fn ca_der(self, der: impl Into<Vec<u8>>) -> Self {
        self.with(|options| options.ca_der(der.into()))
    }

    /// Trusts the operating system's CAs beside those given by [`ca_pem`](Self::ca_pem).
    #[cfg(feature = "platform-verifier")]
    #[must_use]
    pub fn system_roots(self) -> Self {
        self.with(|options| options.system = true)
    }

    /// Trusts Mozilla's list of CAs, which is built in, instead of the operating system's.
    #[cfg(feature = "webpki-roots")]
    #[must_use]
    pub fn webpki_roots(self) -> Self {
        self.with(|options| options.webpki = true)
    }

    /// Who the client is, for servers that ask for a certificate (mutual TLS): the certificate with its chain, and the
    /// private key (PKCS #8, PKCS #1 or SEC 1, not encrypted), both in PEM. They may be the same text.
    #[must_use]
    pub fn identity_pem(self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.with(|options| options.identity_pem(chain.as_ref(), key.as_ref()))
    }

    /// As [`identity_pem`](Self::identity_pem), in DER: the chain, leaf first.
    #[must_use]
    pub fn identity_der(
        self,
        chain: impl IntoIterator<Item = Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.with(|options| options.identity_der(chain.into_iter().collect(), key.into()))
    }

    /// Accepts only servers whose own certificate has this public key, beside all other checks: the SHA-256 of the
    /// certificate's SubjectPublicKeyInfo in base64, as curl's `--pinnedpubkey` writes it (`sha256//…`; the prefix may
    /// be left out). Several pins are alternatives: give the next key's pin before the server changes its key.
    #[must_use]
    pub fn pin(self, sha256: impl AsRef<str>) -> Self {
        self.with(|options| options.pin(sha256.as_ref()))
    }

    /// **Accepts any certificate: whoever is on the way can read and change everything, credentials included.** For
    /// tests with throw-away servers. To trust a server of your own, give its CA by [`ca_pem`](Self::ca_pem) instead.
    #[must_use]
    pub fn danger_accept_invalid_certs(self, accept: bool) -> Self {
        self.with(|options| options.accept_invalid = accept)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.backend {
            #[cfg(feature = "rustls-no-provider")]
            Backend::Options(options) => return options.fmt(f),
            #[cfg(feature = "rustls-no-provider")]
            Backend::Config(_) => "Tls(rustls::ClientConfig)",
            #[cfg(feature = "native-tls")]
            Backend::Native(_) => "Tls(native)",
            #[cfg(not(feature = "rustls-no-provider"))]
            Backend::Missing => "Tls(missing)",
        })
    }
}
