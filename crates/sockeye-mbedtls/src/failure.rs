//! Why there is no TLS, in words for people.

use core::fmt;

use mbedtls_rs::{SessionError, sys};
use sockeye_embedded::ConnectError;

/// Why there can be no TLS at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unusable {
    /// There has been a connector in this program before: keep the first one.
    Twice,
    /// The certificate of the CA cannot be read.
    Ca,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Twice => "there can be one TLS connector in a program: keep the first one",
            Self::Ca => {
                "the CA's certificate cannot be read: it must be DER (openssl x509 -outform der)"
            }
        })
    }
}

impl core::error::Error for Unusable {}

pub(crate) const NO_TIME: &str =
    "the time is not known, so no certificate can be checked: set the clock first";

/// The first flaw of a certificate that says most.
const FLAWS: [(u32, &str); 6] = [
    (
        sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED,
        "certificate refused: not signed by the trusted CA",
    ),
    (
        sys::MBEDTLS_X509_BADCERT_CN_MISMATCH,
        "certificate refused: not for this host name",
    ),
    (
        sys::MBEDTLS_X509_BADCERT_EXPIRED,
        "certificate refused: expired, or the clock is wrong",
    ),
    (
        sys::MBEDTLS_X509_BADCERT_FUTURE,
        "certificate refused: not valid yet, or the clock is wrong",
    ),
    (
        sys::MBEDTLS_X509_BADCERT_BAD_MD | sys::MBEDTLS_X509_BADCERT_BAD_KEY,
        "certificate refused: weak hash or weak key",
    ),
    (u32::MAX, "certificate refused: not made for a TLS server"),
];

/// The words for `error`; `flaws` are the verification flags of Mbed TLS.
pub(crate) fn words(error: SessionError, flaws: u32) -> ConnectError {
    #[cfg(feature = "log")]
    log::warn!("TLS: {error}, certificate flags {flaws:#x}");
    // All bits are set while no certificate was looked at.
    let flaws = if flaws == u32::MAX { 0 } else { flaws };
    let flaw = FLAWS.iter().find(|(flag, _)| flaws & flag != 0);
    match (flaw, error) {
        (Some((_, words)), _) => ConnectError::Other(words),
        (None, SessionError::Io(_)) => {
            ConnectError::Other("the connection broke during the TLS handshake")
        }
        (None, _) => {
            ConnectError::Other("the TLS handshake failed: does the server speak TLS on that port?")
        }
    }
}
