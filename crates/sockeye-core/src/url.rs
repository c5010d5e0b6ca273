//! Reading URLs without a heap.

use core::fmt;

use crate::message::message;
use crate::slices::{self, split_once};

/// The parts of a URL such as `http://board.local:3000/telemetry?token=1`, borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Url<'u> {
    /// Whether the scheme is `https` or `wss`.
    pub tls: bool,
    /// Host and port as written, for the `Host` header.
    pub authority: &'u str,
    /// The host: a name, or an IP address (IPv6 without brackets).
    pub host: &'u str,
    /// The port; the scheme's own if none is written.
    pub port: u16,
    /// The namespace, with its leading `/`: the path of the URL as written, nothing is decoded. (The request path is an option, as
    /// in all clients.)
    pub namespace: &'u str,
    /// The query, percent-encoded as written, without `?`; empty if there is none.
    pub query: &'u str,
}

/// What is wrong with a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is not `http`, `https`, `ws` or `wss`.
    Scheme,
    /// There is no host, or it is malformed.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// User and password are not supported: put credentials into `auth`.
    User,
    /// Its host or its query has a character that must be percent-encoded, or its path a control character.
    Character,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => message!(
                "L1",
                "the URL must begin with http://, https://, ws:// or wss://"
            ),
            Self::Host => message!("L2", "the URL has no valid host"),
            Self::Port => message!("L3", "the URL's port is not a number from 1 to 65535"),
            Self::User => message!(
                "L4",
                "user and password in a URL are not supported: put credentials into auth"
            ),
            Self::Character => {
                message!(
                    "L5",
                    "the host or query of the URL has a space, control or non-ASCII character: percent-encode it"
                )
            }
        })
    }
}

impl core::error::Error for UrlError {}

impl<'u> Url<'u> {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// See [`UrlError`].
    ///
    /// ```
    /// let url = sockeye_core::Url::parse("https://[fd00::1]/board?id=7")?;
    /// assert_eq!((url.tls, url.host, url.port, url.namespace, url.query), (true, "fd00::1", 443, "/board", "id=7"));
    /// # Ok::<(), sockeye_core::UrlError>(())
    /// ```
    pub fn parse(url: &'u str) -> Result<Self, UrlError> {
        let url = url.trim_ascii();
        let (scheme, rest) = split_once(url, b':').ok_or(UrlError::Scheme)?;
        let rest = rest.strip_prefix("//").ok_or(UrlError::Scheme)?;
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        let tls = is("https") || is("wss");
        if !tls && !is("http") && !is("ws") {
            return Err(UrlError::Scheme);
        }
        let rest = split_once(rest, b'#').map_or(rest, |(rest, _)| rest);
        let end = rest.bytes().position(|b| matches!(b, b'/' | b'?'));
        let end = end.unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (path, query) = split_once(rest, b'?').unwrap_or((rest, ""));
        // The path is the namespace, which no request line carries: it may be any text.
        let is_strange = |part: &str| part.bytes().any(|b| !b.is_ascii_graphic());
        if is_strange(authority) || is_strange(query) || path.bytes().any(|b| b.is_ascii_control())
        {
            return Err(UrlError::Character);
        }
        if authority.bytes().any(|b| b == b'@') {
            return Err(UrlError::User);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, rest) = split_once(v6, b']').ok_or(UrlError::Host)?;
                let port = if rest.is_empty() {
                    None
                } else {
                    Some(rest.strip_prefix(':').ok_or(UrlError::Host)?)
                };
                (host, port)
            }
            None => match split_once(authority, b':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() {
            return Err(UrlError::Host);
        }
        let port = match port {
            None | Some("") => {
                if tls {
                    443
                } else {
                    80
                }
            }
            Some(port) => slices::number(port.as_bytes())
                .and_then(|port| u16::try_from(port).ok())
                .filter(|port| *port > 0)
                .ok_or(UrlError::Port)?,
        };
        let namespace = if path.is_empty() { "/" } else { path };
        Ok(Self {
            tls,
            authority,
            host,
            port,
            namespace,
            query,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_apart() {
        let url = Url::parse("http://10.0.2.2:3000").unwrap();
        assert_eq!(
            (url.tls, url.authority, url.host, url.port),
            (false, "10.0.2.2:3000", "10.0.2.2", 3000)
        );
        assert_eq!((url.namespace, url.query), ("/", ""));
        let url = Url::parse(" WSS://example.org/chat/room?a=1&b=%20#top ").unwrap();
        assert_eq!((url.tls, url.host, url.port), (true, "example.org", 443));
        assert_eq!((url.namespace, url.query), ("/chat/room", "a=1&b=%20"));
        let url = Url::parse("http://h?x=1").unwrap();
        assert_eq!((url.host, url.namespace, url.query), ("h", "/", "x=1"));
        let url = Url::parse("ws://[::1]:81/").unwrap();
        assert_eq!(
            (url.authority, url.host, url.port, url.namespace),
            ("[::1]:81", "::1", 81, "/")
        );
        assert_eq!(Url::parse("http://h:/").unwrap().port, 80);
        let url = Url::parse("http://h/a b/\u{e9}/%C3%A9/../?x=1").unwrap();
        assert_eq!(url.namespace, "/a b/\u{e9}/%C3%A9/../");
    }

    #[test]
    fn refuses_with_the_reason() {
        for (url, error) in [
            ("example.org", UrlError::Scheme),
            ("ftp://h", UrlError::Scheme),
            ("http://", UrlError::Host),
            ("http://:80", UrlError::Host),
            ("http://[::1", UrlError::Host),
            ("http://[::1]80", UrlError::Host),
            ("http://h:0", UrlError::Port),
            ("http://h:65536", UrlError::Port),
            ("http://h:+80", UrlError::Port),
            ("http://h:80:90", UrlError::Port),
            ("http://me:secret@h", UrlError::User),
            ("http://h/?a b", UrlError::Character),
            ("http://\u{e9}/", UrlError::Character),
            ("http://h/?\u{e9}", UrlError::Character),
            ("http://h/a\nb", UrlError::Character),
        ] {
            assert_eq!(Url::parse(url), Err(error), "{url}");
        }
    }
}
