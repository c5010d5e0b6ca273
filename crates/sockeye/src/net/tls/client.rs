//! The TLS side of one client, whatever moves its bytes. No runtime is used here.

use std::io;
#[cfg(feature = "rustls-no-provider")]
use std::sync::Arc;

#[cfg(feature = "rustls-no-provider")]
use rustls::pki_types::ServerName;

use crate::net::error::DialError;
#[cfg(feature = "native-tls")]
use crate::net::error::DialErrorKind;
use crate::net::target::Target;

/// What makes the handshakes of one client.
#[derive(Clone, Debug)]
pub(crate) enum TlsClient {
    #[cfg(feature = "rustls-no-provider")]
    Rustls(Arc<rustls::ClientConfig>),
    #[cfg(feature = "native-tls")]
    Native(native_tls::TlsConnector),
}

impl TlsClient {
    /// What an error of an established stream means, if it is one of TLS: TLS 1.3 servers refuse the client's
    /// certificate after the client's side of the handshake is done.
    pub(crate) fn explain(&self, error: &io::Error, target: &Target) -> Option<DialError> {
        #[cfg(feature = "rustls-no-provider")]
        if let Self::Rustls(_) = self
            && super::explain::inner(error).is_some()
        {
            return Some(self.explain_handshake(error, target));
        }
        let _ = (error, target);
        None
    }

    /// What an error of the handshake means.
    #[cfg(feature = "rustls-no-provider")]
    pub(in crate::net) fn explain_handshake(
        &self,
        error: &io::Error,
        target: &Target,
    ) -> DialError {
        // Whether there is a certificate to show.
        let identified = match self {
            Self::Rustls(config) => config.client_auth_cert_resolver.has_certs(),
            #[cfg(feature = "native-tls")]
            Self::Native(_) => false,
        };
        super::explain::explain(error, target, identified)
    }
}

/// Whom the server's certificate has to name. A name is sent to the server (SNI), an address is not: rustls knows the
/// difference.
#[cfg(feature = "rustls-no-provider")]
pub(crate) fn server_name(target: &Target) -> Result<ServerName<'static>, DialError> {
    ServerName::try_from(target.host().to_owned()).map_err(|_| {
        DialError::config(format!(
            "{:?} is no name that a certificate can have: use the server's DNS name or address",
            target.host()
        ))
    })
}

/// What an error of the system's library means, as far as it says: certificates, and connections that were cut.
#[cfg(feature = "native-tls")]
pub(in crate::net) fn native_error(error: &native_tls::Error, target: &Target) -> DialError {
    let text = error.to_string();
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut cut = text.contains("unexpected EOF") || text.contains("closed");
    while let Some(error) = source {
        cut |= error.is::<io::Error>();
        source = error.source();
    }
    if cut {
        return DialError::new(
            DialErrorKind::Unreachable,
            format!(
                "{target} closed the connection in the TLS handshake ({text}): check that it speaks TLS at this port"
            ),
        );
    }
    let certificate = ["certificate", "Certificate", "trust"]
        .iter()
        .any(|word| text.contains(word));
    let (kind, next) = if certificate {
        (
            DialErrorKind::Certificate,
            "check the server's certificate, its name, and the trusted CAs",
        )
    } else {
        (
            DialErrorKind::Tls,
            "check that the server speaks TLS 1.2 or 1.3 at this port",
        )
    };
    DialError::new(kind, format!("no TLS with {target} ({text}): {next}"))
}
