//! What errors of rustls mean: the cause, and what to do about it, in one line.

use std::error::Error as StdError;
use std::io;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error};

use super::verify::PinMismatch;
use crate::net::error::{DialError, DialErrorKind, reason};
use crate::net::target::Target;

/// Explains what went wrong with TLS to `target`; `identified`: the client has a certificate to show.
pub(crate) fn explain(error: &io::Error, target: &Target, identified: bool) -> DialError {
    if let Some(error) = inner(error) {
        return rustls_error(error, target, identified);
    }
    let message = match error.kind() {
        io::ErrorKind::UnexpectedEof => format!(
            "{target} closed the connection in the TLS handshake: check that it speaks TLS at this port"
        ),
        _ => format!("{target}: {} in the TLS handshake", reason(error)),
    };
    DialError::new(DialErrorKind::Unreachable, message)
}

/// The error of rustls in an I/O error.
pub(crate) fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn rustls_error(error: &Error, target: &Target, identified: bool) -> DialError {
    let tls = |message: String| DialError::new(DialErrorKind::Tls, message);
    match error {
        Error::InvalidCertificate(error) => DialError::new(
            DialErrorKind::Certificate,
            format!("the certificate of {target} {}", certificate(error, target)),
        ),
        Error::AlertReceived(alert) => alert_received(*alert, target, identified),
        Error::PeerIncompatible(_) => old_server(target),
        Error::InvalidMessage(_) => tls(format!(
            "{target} does not answer in TLS: is it a plain server (http:// or ws://), or another port?"
        )),
        Error::NoCertificatesPresented => DialError::new(
            DialErrorKind::Certificate,
            format!("{target} shows no certificate: give the server one"),
        ),
        Error::UnsupportedNameType => DialError::config(format!(
            "{} is no name that a certificate can have: use the server's DNS name or address",
            target.host()
        )),
        Error::NoApplicationProtocol => no_http(target),
        error => tls(format!("the TLS handshake with {target} failed: {error}")),
    }
}

fn old_server(target: &Target) -> DialError {
    DialError::new(
        DialErrorKind::Tls,
        format!(
            "{target} speaks no version of TLS, or no cipher, that is still safe: have it updated to TLS 1.2 or 1.3"
        ),
    )
}

fn no_http(target: &Target) -> DialError {
    DialError::new(
        DialErrorKind::Tls,
        format!(
            "{target} does not offer HTTP/1.1 over TLS (ALPN http/1.1): enable it on the server"
        ),
    )
}

/// The other side has ended the handshake.
fn alert_received(alert: AlertDescription, target: &Target, identified: bool) -> DialError {
    let refused = |message: String| DialError::new(DialErrorKind::Certificate, message);
    match alert {
        AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity => {
            old_server(target)
        }
        AlertDescription::NoApplicationProtocol => no_http(target),
        AlertDescription::UnrecognisedName => refused(format!(
            "{target} knows no server of the name {}: check the host in the URL",
            target.host()
        )),
        AlertDescription::CertificateRequired => refused(wants_certificate(target)),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError
            if identified =>
        {
            refused(format!(
                "{target} does not accept the client's certificate ({}): use one that its CA has signed and that has not expired",
                alert_words(alert)
            ))
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => refused(wants_certificate(target)),
        AlertDescription::HandshakeFailure if !identified => DialError::new(
            DialErrorKind::Tls,
            format!(
                "{target} ended the TLS handshake: it may ask for a certificate of the client (Tls::identity_pem), or have no cipher in common"
            ),
        ),
        AlertDescription::InternalError => DialError::new(
            DialErrorKind::Unreachable,
            format!("{target} ended the TLS handshake because of an internal error: see its log"),
        ),
        alert => DialError::new(
            DialErrorKind::Tls,
            format!("{target} ended the TLS handshake ({})", alert_words(alert)),
        ),
    }
}

fn wants_certificate(target: &Target) -> String {
    format!(
        "{target} asks for a certificate of the client (mutual TLS): give one with its key, by Tls::identity_pem"
    )
}

const fn alert_words(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateExpired => "expired",
        AlertDescription::CertificateRevoked => "revoked",
        AlertDescription::UnknownCA => "unknown CA",
        AlertDescription::UnsupportedCertificate => "unsupported certificate",
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::AccessDenied => "access denied",
        AlertDescription::DecryptError => "bad signature",
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::IllegalParameter => "illegal parameter",
        AlertDescription::UnexpectedMessage => "unexpected message",
        AlertDescription::DecodeError => "decode error",
        _ => "TLS alert",
    }
}

/// What is wrong with a certificate: continues "the certificate of HOST".
fn certificate(error: &CertificateError, target: &Target) -> String {
    match error {
        CertificateError::Expired => {
            "has expired: renew it on the server, or set this machine's clock".into()
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "expired on {}, and this machine's clock says {}: renew it on the server, or set the clock",
            date(*not_after),
            date(*time)
        ),
        CertificateError::NotValidYet => {
            "is not valid yet: set this machine's clock, or look at the dates of the certificate".into()
        }
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "is not valid before {}, and this machine's clock says {}: set the clock, or look at the dates of the certificate",
            date(*not_before),
            date(*time)
        ),
        CertificateError::UnknownIssuer => {
            "is not signed by a CA that is trusted here: give the server's CA by Tls::ca_pem, and see that the server sends its whole chain".into()
        }
        CertificateError::NotValidForName => {
            format!("is for another host than {}: use the host that it names", target.host())
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            wrong_name(expected, presented)
        }
        CertificateError::Revoked => "has been revoked: renew it on the server".into(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not meant for servers: issue it with extendedKeyUsage serverAuth".into()
        }
        CertificateError::BadSignature => {
            "is not signed by the CA that it names (a bad signature): look at the chain that the server sends".into()
        }
        CertificateError::BadEncoding => "cannot be read: issue it anew".into(),
        CertificateError::UnknownRevocationStatus => {
            "may have been revoked: its revocation list cannot be had".into()
        }
        CertificateError::UnhandledCriticalExtension => {
            "has a critical extension that is not understood: issue it without".into()
        }
        CertificateError::Other(other) => {
            if let Some(pin) = other.0.downcast_ref::<PinMismatch>() {
                return format!(
                    "has the public key sha256//{}, which is not pinned: if the server has a new key, pin that (Tls::pin)",
                    pin.0
                );
            }
            let text = words(&*other.0);
            // The names of webpki's errors.
            if text.contains("CaUsedAsEndEntity") {
                "is that of a CA: issue one for the server itself (basicConstraints CA:FALSE), and trust its CA".into()
            } else if text.contains("EndEntityUsedAsCa") {
                "is signed by a certificate that is no CA: issue it by a CA (basicConstraints CA:TRUE)".into()
            } else {
                format!("is not accepted: {text}")
            }
        }
        error => format!("is not accepted: {error}"),
    }
}

fn wrong_name(expected: &ServerName<'_>, presented: &[String]) -> String {
    let expected = expected.to_str();
    if presented.is_empty() {
        return format!(
            "names no host at all (a common name alone does not count): issue it with a subjectAltName of {expected}"
        );
    }
    // As webpki writes them: `DnsName("a.test")`, `IpAddress(10.0.0.1)`.
    let names: Vec<&str> = presented
        .iter()
        .take(6)
        .map(|name| {
            let name = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest);
            name.trim_end_matches(')').trim_matches('"')
        })
        .collect();
    let more = if presented.len() > 6 { ", …" } else { "" };
    format!(
        "is for {}{more}, not for {expected}: use a host that it names, or issue it anew with {expected} in subjectAltName",
        names.join(", ")
    )
}

/// An error and its sources, as far as they say more.
fn words(error: &dyn StdError) -> String {
    let text = error.to_string();
    match error.source() {
        Some(source) if !text.contains(&source.to_string()) => format!("{text}: {source}"),
        _ => text,
    }
}

/// Seconds as a date and time (UTC).
fn date(time: UnixTime) -> String {
    let (days, seconds) = (time.as_secs() / 86_400, time.as_secs() % 86_400);
    // Civil from days, by Howard Hinnant: eras of 400 years that begin on the first of March.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (seconds / 3600, seconds % 3600 / 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_798_761_600, "2027-01-01 00:00 UTC"),
            (4_107_542_399, "2100-02-28 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            assert_eq!(date(time), text);
        }
    }
}
