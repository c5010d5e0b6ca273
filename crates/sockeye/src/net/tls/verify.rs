//! Checks of certificates beside those of rustls: pinned keys, and none at all.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::hash::{Hash, HashAlgorithm};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme,
    SupportedCipherSuite,
};

/// The server's public key is none of the pinned ones: the server's, in base64.
#[derive(Debug)]
pub(super) struct PinMismatch(pub(super) String);

impl fmt::Display for PinMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its public key sha256//{} is not pinned", self.0)
    }
}

impl std::error::Error for PinMismatch {}

/// What a server's certificate has to pass: a verifier, and then the pins.
pub(super) struct Checks {
    /// `None`: any certificate is accepted, as long as the server has its key.
    chain: Option<Arc<dyn ServerCertVerifier>>,
    pins: Option<Pins>,
    algorithms: WebPkiSupportedAlgorithms,
}

struct Pins {
    /// The SHA-256 of public keys; any of them will do.
    pins: Vec<[u8; 32]>,
    sha256: &'static dyn Hash,
}

impl Checks {
    pub(super) fn new(
        chain: Option<Arc<dyn ServerCertVerifier>>,
        pins: Vec<[u8; 32]>,
        provider: &CryptoProvider,
    ) -> Result<Self, String> {
        let pins = if pins.is_empty() {
            None
        } else {
            let sha256 =
                sha256(provider).ok_or("the crypto provider has no SHA-256, which pins need")?;
            Some(Pins { pins, sha256 })
        };
        Ok(Self {
            chain,
            pins,
            algorithms: provider.signature_verification_algorithms,
        })
    }
}

/// Every provider has SHA-256, for the handshake itself.
fn sha256(provider: &CryptoProvider) -> Option<&'static dyn Hash> {
    let hashes = provider.cipher_suites.iter().map(|suite| match suite {
        SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider,
        SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider,
    });
    hashes
        .into_iter()
        .find(|hash| hash.algorithm() == HashAlgorithm::SHA256)
}

impl Pins {
    fn check(&self, end_entity: &CertificateDer<'_>) -> Result<(), Error> {
        // Only the server's own key: the chain that it sends may contain anything.
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let hash = self.sha256.hash(&certificate.subject_public_key_info());
        if self.pins.iter().any(|pin| pin == hash.as_ref()) {
            return Ok(());
        }
        let hash = BASE64_STANDARD.encode(hash.as_ref());
        Err(CertificateError::Other(OtherError(Arc::new(PinMismatch(hash)))).into())
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Checks {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(chain) = &self.chain {
            chain.verify_server_cert(end_entity, intermediates, name, ocsp, now)?;
        }
        if let Some(pins) = &self.pins {
            pins.check(end_entity)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
