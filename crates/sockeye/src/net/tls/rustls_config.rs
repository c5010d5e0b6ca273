//! From the application's options to a configuration of rustls.

use std::fmt;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::verify::Checks;

/// The one protocol that the client speaks over TLS.
const ALPN: &[u8] = b"http/1.1";

/// Sessions that are kept for reconnections, of as many servers as an eighth of that: rustls makes room for all of them at
/// once, and by default that takes more than the connection itself.
const SESSIONS: usize = 8 * 8;

/// What to do where the system has no trusted CAs.
#[cfg(feature = "platform-verifier")]
const INSTALL: &str = if cfg!(any(windows, target_vendor = "apple")) {
    ""
} else {
    "install them (ca-certificates), or "
};

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// The options of [`Tls`](super::Tls).
#[derive(Clone, Default)]
pub(super) struct Options {
    cas: Vec<CertificateDer<'static>>,
    pub(super) system: bool,
    pub(super) webpki: bool,
    identity: Option<Arc<Identity>>,
    pins: Vec<[u8; 32]>,
    pub(super) accept_invalid: bool,
    /// The first thing that could not be read.
    error: Option<String>,
    /// What has been made of the options, for all clones of them.
    built: Arc<OnceLock<Result<Arc<ClientConfig>, String>>>,
}

impl Options {
    pub(super) fn fail(&mut self, error: impl Into<String>) {
        self.error.get_or_insert(error.into());
    }

    pub(super) fn ca_pem(&mut self, pem: &[u8]) {
        match certificates(pem) {
            Ok(cas) => self.cas.extend(cas),
            Err(error) => self.fail(format!("the CA certificate cannot be read: {error}")),
        }
    }

    pub(super) fn ca_der(&mut self, der: Vec<u8>) {
        self.cas.push(der.into());
    }

    pub(super) fn identity_pem(&mut self, chain: &[u8], key: &[u8]) {
        let chain = certificates(chain)
            .map_err(|error| format!("the client certificate cannot be read: {error}"));
        match chain.and_then(|chain| Ok((chain, private_key(key)?))) {
            Ok((chain, key)) => self.identity = Some(Arc::new(Identity { chain, key })),
            Err(error) => self.fail(error),
        }
    }

    pub(super) fn identity_der(&mut self, chain: Vec<Vec<u8>>, key: Vec<u8>) {
        let chain = chain.into_iter().map(Into::into).collect();
        match PrivateKeyDer::try_from(key) {
            Ok(key) => self.identity = Some(Arc::new(Identity { chain, key })),
            Err(_) => self.fail(
                "the private key cannot be read: PKCS #8, PKCS #1 or SEC 1 in DER, not encrypted",
            ),
        }
    }

    pub(super) fn pin(&mut self, text: &str) {
        let text = text.trim();
        let hash = text
            .strip_prefix("sha256//")
            .or_else(|| text.strip_prefix("sha256/"))
            .unwrap_or(text);
        match BASE64_STANDARD.decode(hash).map(<[u8; 32]>::try_from) {
            Ok(Ok(pin)) => self.pins.push(pin),
            _ => self.fail(format!(
                "bad pin {text:?}: the SHA-256 of a public key in base64 (44 characters), as in sha256//…"
            )),
        }
    }

    /// The options are about to be changed: what is made of them is no longer that of the clones.
    pub(super) fn forget_built(&mut self) {
        self.built = Arc::default();
    }

    /// The configuration. It is made once for all clones of the options, and the plain defaults once for the process:
    /// clients then share the sessions that they resume, and the trusted CAs are in memory once.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, String> {
        static DEFAULT: OnceLock<Arc<ClientConfig>> = OnceLock::new();
        if !self.is_default() {
            return self.built.get_or_init(|| self.build()).clone();
        }
        if let Some(config) = DEFAULT.get() {
            return Ok(Arc::clone(config));
        }
        let config = self.build()?;
        Ok(Arc::clone(DEFAULT.get_or_init(|| config)))
    }

    fn is_default(&self) -> bool {
        self.cas.is_empty()
            && !self.webpki
            && self.identity.is_none()
            && self.pins.is_empty()
            && !self.accept_invalid
            && self.error.is_none()
    }

    fn build(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let provider = provider()?;
        let verifier: Arc<dyn ServerCertVerifier> = if self.accept_invalid {
            Arc::new(Checks::new(None, self.pins.clone(), &provider)?)
        } else if self.pins.is_empty() {
            self.verifier(&provider)?
        } else {
            let chain = self.verifier(&provider)?;
            Arc::new(Checks::new(Some(chain), self.pins.clone(), &provider)?)
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("the crypto provider cannot speak TLS: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match self.identity.as_deref() {
            None => config.with_no_client_auth(),
            Some(Identity { chain, key }) => config
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(|error| match error {
                    rustls::Error::InconsistentKeys(_) => {
                        "the private key does not belong to the client certificate: give the two that were made together".into()
                    }
                    error => format!("the client certificate cannot be used: {error}"),
                })?,
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        // What all clients share that ask for nothing special has room for many servers.
        if !self.is_default() {
            config.resumption = Resumption::in_memory_sessions(SESSIONS);
        }
        Ok(Arc::new(config))
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, String> {
        #[cfg(feature = "platform-verifier")]
        if self.system || (self.cas.is_empty() && !self.webpki) {
            if self.webpki {
                return Err(
                    "system_roots and webpki_roots cannot be combined: choose one of them".into(),
                );
            }
            return self.platform(provider);
        }
        let mut roots = RootCertStore::empty();
        #[cfg(feature = "webpki-roots")]
        if self.webpki || self.cas.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for (i, ca) in self.cas.iter().enumerate() {
            roots
                .add(ca.clone())
                .map_err(|error| format!("CA certificate {} cannot be read: {error}", i + 1))?;
        }
        if roots.is_empty() {
            return Err(
                "nobody is trusted: give a CA by Tls::ca_pem, or enable the feature platform-verifier or webpki-roots".into(),
            );
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .build()
                .map_err(|error| format!("the CA certificates cannot be used: {error}"))?;
        Ok(verifier)
    }

    #[cfg(feature = "platform-verifier")]
    fn platform(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, String> {
        use rustls_platform_verifier::Verifier;
        let provider = Arc::clone(provider);
        let trouble = |error: rustls::Error| {
            format!(
                "the system's trusted CAs cannot be had ({error}): {INSTALL}give a CA by Tls::ca_pem"
            )
        };
        if self.cas.is_empty() {
            return Ok(Arc::new(Verifier::new(provider).map_err(trouble)?));
        }
        #[cfg(target_os = "android")]
        return Err("Android takes no CAs beside its own: add the CA to the app's network security configuration".into());
        #[cfg(not(target_os = "android"))]
        Ok(Arc::new(
            Verifier::new_with_extra_roots(self.cas.iter().cloned(), provider).map_err(trouble)?,
        ))
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key.
        f.debug_struct("Tls")
            .field("cas", &self.cas.len())
            .field("system_roots", &self.system)
            .field("webpki_roots", &self.webpki)
            .field("identity", &self.identity.is_some())
            .field("pins", &self.pins.len())
            .field("danger_accept_invalid_certs", &self.accept_invalid)
            .finish()
    }
}

/// The application's provider if it has installed one, else the one that is built in.
fn provider() -> Result<Arc<CryptoProvider>, String> {
    if let Some(provider) = CryptoProvider::get_default() {
        return Ok(Arc::clone(provider));
    }
    #[cfg(feature = "rustls-aws-lc-rs")]
    return Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "rustls-ring", not(feature = "rustls-aws-lc-rs")))]
    return Ok(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(any(feature = "rustls-ring", feature = "rustls-aws-lc-rs")))]
    Err(
        "no crypto provider: enable the feature rustls-ring or rustls-aws-lc-rs, or install one with CryptoProvider::install_default"
            .into(),
    )
}

/// A configuration of the application's, with ALPN if it has none.
pub(super) fn with_alpn(config: &Arc<ClientConfig>) -> Arc<ClientConfig> {
    if !config.alpn_protocols.is_empty() {
        return Arc::clone(config);
    }
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(config)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let list: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("bad PEM: {error}"))?;
    if list.is_empty() {
        return Err(
            "it has no -----BEGIN CERTIFICATE----- (DER is given by the methods that end in _der)"
                .into(),
        );
    }
    Ok(list)
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let contains = |words: &str| {
        pem.windows(words.len())
            .any(|part| part == words.as_bytes())
    };
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        _ if contains("ENCRYPTED") => {
            "the private key is encrypted: decrypt it first (openssl pkey -in key.pem -out plain.pem)".into()
        }
        pem::Error::NoItemsFound => {
            "the private key cannot be read: the PEM text has no -----BEGIN PRIVATE KEY-----".into()
        }
        error => format!("the private key cannot be read: bad PEM: {error}"),
    })
}

#[cfg(all(test, feature = "rustls-ring"))]
mod tests {
    use sockeye_testkit::certificates::{Authority, Leaf};

    use crate::net::Tls;

    fn error(tls: &Tls) -> String {
        let Err(error) = tls.client() else {
            panic!("{tls:?} was accepted");
        };
        assert!(!error.contains('\n'), "{error}");
        error
    }

    /// What cannot be read is told in one line with the next step.
    #[test]
    fn bad_options() {
        let ca = Authority::new("Test CA");
        let device = ca.issue(&Leaf::named("device"));
        let other = ca.issue(&Leaf::named("other"));
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for (tls, words) in [
            (Tls::new().ca_pem("hello"), "no -----BEGIN CERTIFICATE-----"),
            (
                Tls::new().ca_der(*b"hello"),
                "CA certificate 1 cannot be read",
            ),
            (
                Tls::new().identity_pem(device.key_pem(), device.key_pem()),
                "client certificate cannot be read",
            ),
            (
                Tls::new().identity_pem(device.chain_pem(), device.chain_pem()),
                "no -----BEGIN PRIVATE KEY-----",
            ),
            (
                Tls::new().identity_pem(device.chain_pem(), encrypted),
                "decrypt it first",
            ),
            (
                Tls::new()
                    .ca_pem(ca.pem())
                    .identity_pem(device.chain_pem(), other.key_pem()),
                "does not belong to the client certificate",
            ),
            (
                Tls::new().identity_der([vec![1]], *b"x"),
                "private key cannot be read",
            ),
            (Tls::new().pin("sha256//short"), "bad pin"),
        ] {
            let error = error(&tls);
            assert!(error.contains(words), "{error}");
        }
    }

    /// Whatever is in it: a key must not get into a log.
    #[test]
    fn debug_shows_no_secret() {
        let ca = Authority::new("Test CA");
        let device = ca.issue(&Leaf::named("device"));
        let tls = Tls::new().identity_pem(device.chain_pem(), device.key_pem());
        assert_eq!(
            format!("{tls:?}"),
            "Tls { cas: 0, system_roots: false, webpki_roots: false, identity: true, pins: 0, danger_accept_invalid_certs: false }"
        );
    }
}
