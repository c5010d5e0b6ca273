//! Where a byte stream is to lead. No runtime is used here.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Where a byte stream is to lead: scheme, host and port of a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    secure: bool,
    host: Arc<str>,
    port: u16,
    /// The zone of a link-local IPv6 address.
    zone: Option<Arc<str>>,
}

impl Target {
    /// A target; `secure` for `https` and `wss`. An IPv6 address is given without brackets, and may carry a zone:
    /// `fe80::1%eth0`.
    pub fn new(secure: bool, host: &str, port: u16) -> Self {
        let (host, zone) = match host.split_once('%') {
            Some((address, zone)) if address.parse::<Ipv6Addr>().is_ok() => (address, Some(zone)),
            _ => (host, None),
        };
        Self {
            secure,
            host: host.into(),
            port,
            zone: zone.filter(|zone| !zone.is_empty()).map(Into::into),
        }
    }

    /// Whether the stream is to be encrypted: the URL says `https` or `wss`.
    pub const fn secure(&self) -> bool {
        self.secure
    }

    /// The scheme: `https` or `http`.
    pub const fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// The host name, or the address without brackets and zone.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The zone of a link-local IPv6 address (`eth0` in `fe80::1%eth0`): the network interface to use.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// The host, if it is an address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Host and port as HTTP writes them: an IPv6 address in brackets, and never a zone (RFC 6874).
    pub fn authority(&self) -> String {
        match self.ip() {
            Some(IpAddr::V6(ip)) => format!("[{ip}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    /// The same host and port without TLS: what lies below it.
    #[cfg(any(feature = "rustls-no-provider", feature = "native-tls"))]
    pub(crate) fn plain(&self) -> Self {
        Self {
            secure: false,
            ..self.clone()
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            Some(zone) => write!(f, "{}%{zone} port {}", self.host, self.port),
            None => write!(f, "{} port {}", self.host, self.port),
        }
    }
}

/// Takes the zone out of a URL such as `http://[fe80::1%25eth0]:3000/` (RFC 6874; curl's bare `%` is understood too),
/// which the `url` crate refuses. The rest, and the zone.
pub(crate) fn split_zone(url: &str) -> Option<(String, String)> {
    let start = url.find("://")? + 3;
    let end = url[start..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |n| start + n);
    // The host follows the last `@`, which ends the credentials.
    let host = url[start..end].rfind('@').map_or(start, |n| start + n + 1);
    let literal = url[host..end].strip_prefix('[')?;
    let close = literal.find(']')?;
    let percent = literal[..close].find('%')?;
    let zone = &literal[percent + 1..close];
    let zone = zone
        .strip_prefix("25")
        .filter(|rest| !rest.is_empty())
        .unwrap_or(zone);
    if zone.is_empty()
        || !zone
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    {
        return None;
    }
    let rest = format!(
        "{}[{}{}",
        &url[..host],
        &literal[..percent],
        &url[host + 1 + close..]
    );
    Some((rest, zone.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones() {
        for (url, rest, zone) in [
            (
                "http://[fe80::1%25eth0]:3000/chat",
                "http://[fe80::1]:3000/chat",
                "eth0",
            ),
            ("http://[fe80::1%eth0]", "http://[fe80::1]", "eth0"),
            (
                "wss://u:p@[fe80::1%252]/?a=%20",
                "wss://u:p@[fe80::1]/?a=%20",
                "2",
            ),
            ("http://[fe80::1%25]", "http://[fe80::1]", "25"),
        ] {
            assert_eq!(split_zone(url), Some((rest.into(), zone.into())), "{url}");
        }
        for url in [
            "http://[::1]/%25a]",
            "http://h/[a%25b]",
            "http://[fe80::1%]",
            "http://[a%25 b]",
            "h",
        ] {
            assert_eq!(split_zone(url), None, "{url}");
        }
        let target = Target::new(true, "fe80::1%eth0", 443);
        assert_eq!((target.host(), target.zone()), ("fe80::1", Some("eth0")));
        assert_eq!(target.authority(), "[fe80::1]:443");
        assert_eq!(target.to_string(), "fe80::1%eth0 port 443");
        assert_eq!(Target::new(false, "h", 80).zone(), None);
    }
}
