//! Proxies: which one to use, and how to get through it. No runtime is used here.
//!
//! Which one the environment names is hyper-util's to say (its `Matcher`). The way through is our own, one conversation
//! without I/O for tokio and for threads, since the tunnels of hyper-util 0.1.21 (`client::legacy::connect::proxy`) do not
//! give what is promised here. Tried with the answers that the tests below play: `Tunnel` makes one `TunnelUnsuccessful` of
//! 403, 502 and of what is no HTTP at all, without the status, so that nothing can be said of the cause; it refuses a 2xx
//! other than 200, and loses what comes behind the answer. `SocksV5` with credentials offers nothing else, and fails at a
//! proxy that wants none; why a proxy refused is in a type that cannot be named, as English text only; one that closes
//! after the status is an I/O error; and what comes behind the answer is lost as well. Both want hyper's I/O traits, and do
//! not run on threads, which would need this code all the same.

mod http;
mod socks;

use std::fmt;
use std::net::IpAddr;

use super::error::DialError;
use super::headers::Credentials;
use super::target::Target;
use crate::client::url::decode;

/// A proxy: HTTP or HTTPS with CONNECT, or SOCKS 5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) kind: Kind,
    /// Where the proxy is; secure for an `https` proxy.
    pub(crate) at: Target,
    credentials: Option<Credentials>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A tunnel by CONNECT.
    Http,
    /// SOCKS 5 with addresses: names are resolved here.
    Socks5,
    /// SOCKS 5 with names: the proxy resolves them.
    Socks5Names,
}

/// The client's side of the conversation with a proxy.
pub(crate) enum Handshake {
    Http(http::Handshake),
    Socks(socks::Handshake),
}

/// What to do next.
pub(crate) enum Step {
    Send(Vec<u8>),
    Receive,
    /// The way is open: the server's bytes follow.
    Done,
}

/// An answer of a proxy has this size at most.
pub(crate) const ANSWER: usize = 16 * 1024;

impl Handshake {
    /// Looks at what has been received, and takes what it has understood.
    pub(crate) fn step(&mut self, received: &mut Vec<u8>) -> Result<Step, DialError> {
        match self {
            Self::Http(handshake) => handshake.step(received),
            Self::Socks(handshake) => handshake.step(received),
        }
    }
}

impl Proxy {
    /// Reads a proxy's URL: `http`, `https`, `socks5` or `socks5h`, credentials, host and port. `http` if there is no
    /// scheme.
    ///
    /// # Errors
    /// What is wrong with it, for people, without the credentials.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let bad = |why: &str| {
            format!(
                "bad proxy URL: {why}; it should look like http://user:password@proxy.example:8080"
            )
        };
        let whole = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let url = ::url::Url::parse(&whole).map_err(|error| bad(&error.to_string()))?;
        let (kind, secure, port) = match url.scheme() {
            "http" => (Kind::Http, false, 80),
            "https" => (Kind::Http, true, 443),
            "socks5" => (Kind::Socks5, false, 1080),
            "socks5h" => (Kind::Socks5Names, false, 1080),
            other => {
                return Err(bad(&format!(
                    "the scheme {other} is not supported: use http, https, socks5 or socks5h"
                )));
            }
        };
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| bad("it has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let credentials = (!url.username().is_empty() || url.password().is_some()).then(|| {
            Credentials::new(
                decode(url.username()),
                decode(url.password().unwrap_or_default()),
            )
        });
        if let Some(Credentials { user, password }) = &credentials
            && kind != Kind::Http
            && (user.len() > 255 || password.len() > 255 || user.is_empty())
        {
            return Err(bad(
                "user and password of a SOCKS proxy have 1 to 255 bytes each",
            ));
        }
        // The `url` crate knows the default ports of its special schemes only, and hides them.
        Ok(Self {
            kind,
            at: Target::new(secure, host, url.port().unwrap_or(port)),
            credentials,
        })
    }

    /// The proxy that the environment names for `target`, by the rules of curl and reqwest: `HTTP_PROXY`,
    /// `HTTPS_PROXY`, `ALL_PROXY`, their lower-case forms, and `NO_PROXY`.
    ///
    /// # Errors
    /// A proxy that is named but cannot be used.
    #[cfg(feature = "proxy")]
    pub(crate) fn from_environment(target: &Target) -> Result<Option<Self>, String> {
        use hyper_util::client::proxy::matcher::Matcher;
        let found = Self::matched(&Matcher::from_env(), target)?;
        // In a CGI program HTTP_PROXY is what a client has sent as a header `Proxy`: nothing is read there.
        if found.is_some() || std::env::var_os("REQUEST_METHOD").is_some() {
            return Ok(found);
        }
        let read = |name: &str| {
            let lower = name.to_lowercase();
            let value = std::env::var(name).or_else(|_| std::env::var(lower));
            value.ok().filter(|value| !value.is_empty())
        };
        // What cannot be read the matcher leaves out: going straight to the server instead would be a surprise.
        for name in [
            format!("{}_PROXY", target.scheme().to_uppercase()),
            "ALL_PROXY".into(),
        ] {
            if let Some(Err(error)) = read(&name).map(|value| Self::parse(&value)) {
                let excluded = Matcher::builder()
                    .all("http://any")
                    .no(read("NO_PROXY").unwrap_or_default())
                    .build();
                return match Self::matched(&excluded, target)? {
                    Some(_) => Err(format!("{name} in the environment cannot be used: {error}")),
                    None => Ok(None),
                };
            }
        }
        Ok(None)
    }

    #[cfg(feature = "proxy")]
    fn matched(
        matcher: &hyper_util::client::proxy::matcher::Matcher,
        target: &Target,
    ) -> Result<Option<Self>, String> {
        let uri = format!("{}://{}/", target.scheme(), target.authority());
        let Ok(uri) = uri.parse::<::http::Uri>() else {
            return Ok(None);
        };
        let Some(found) = matcher.intercept(&uri) else {
            return Ok(None);
        };
        let mut proxy = Self::parse(&found.uri().to_string()).map_err(|error| {
            format!(
                "the proxy of the environment ({}_PROXY or ALL_PROXY) cannot be used: {error}",
                target.scheme().to_uppercase()
            )
        })?;
        proxy.credentials = match (found.raw_auth(), found.basic_auth()) {
            (Some((user, password)), _) => Some(Credentials::new(user, password)),
            (None, Some(basic)) => from_basic(basic.as_bytes()),
            (None, None) => None,
        };
        Ok(Some(proxy))
    }

    /// Begins the conversation. `address`: the server's address, for proxies that do not resolve names.
    pub(crate) fn handshake(&self, target: &Target, address: Option<IpAddr>) -> Handshake {
        match self.kind {
            Kind::Http => Handshake::Http(http::Handshake::new(
                self.to_string(),
                target,
                self.credentials.as_ref().map(Credentials::basic),
            )),
            Kind::Socks5 | Kind::Socks5Names => Handshake::Socks(socks::Handshake::new(
                self.to_string(),
                target.clone(),
                address.or_else(|| target.ip()),
                self.credentials.clone(),
            )),
        }
    }
}

/// The matcher gives HTTP credentials encoded.
#[cfg(feature = "proxy")]
fn from_basic(value: &[u8]) -> Option<Credentials> {
    use base64::Engine as _;
    let text = std::str::from_utf8(value).ok()?.strip_prefix("Basic ")?;
    let bytes = base64::prelude::BASE64_STANDARD.decode(text).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credentials::new(user, password))
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {}", self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, kind, secure, host, port, user) in [
            ("http://proxy:8080", Kind::Http, false, "proxy", 8080, None),
            ("proxy:3128", Kind::Http, false, "proxy", 3128, None),
            ("http://proxy", Kind::Http, false, "proxy", 80, None),
            ("https://proxy", Kind::Http, true, "proxy", 443, None),
            ("socks5://[::1]", Kind::Socks5, false, "::1", 1080, None),
            (
                "socks5h://u:p%40w@10.0.0.1:9",
                Kind::Socks5Names,
                false,
                "10.0.0.1",
                9,
                Some(("u", "p@w")),
            ),
        ] {
            let proxy = Proxy::parse(text).expect(text);
            assert_eq!(
                (
                    proxy.kind,
                    proxy.at.secure(),
                    proxy.at.host(),
                    proxy.at.port()
                ),
                (kind, secure, host, port),
                "{text}"
            );
            let credentials = proxy.credentials.as_ref();
            assert_eq!(credentials.map(|c| (&*c.user, &*c.password)), user);
        }
        for (text, words) in [
            ("socks4://h", "socks4 is not supported"),
            ("http://", "bad proxy URL"),
            ("socks5://:secret@h", "1 to 255 bytes"),
        ] {
            let error = Proxy::parse(text).unwrap_err();
            assert!(
                error.contains(words) && !error.contains("secret"),
                "{error}"
            );
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let proxy = Proxy::parse("http://user:secret@h").unwrap();
        assert!(!format!("{proxy:?} {proxy}").contains("secret"));
    }

    /// As curl and reqwest read the environment.
    #[cfg(feature = "proxy")]
    #[test]
    fn environment() {
        use hyper_util::client::proxy::matcher::Matcher;
        let matcher = Matcher::builder()
            .http("http://plain:1")
            .https("http://u:p:w@secure:2")
            .no("localhost, .internal.test, 10.0.0.0/8, ::1")
            .build();
        let of = |secure, host: &str| {
            Proxy::matched(&matcher, &Target::new(secure, host, 3000))
                .unwrap()
                .map(|proxy| (proxy.at.host().to_owned(), proxy.credentials))
        };
        assert_eq!(of(false, "a.test"), Some(("plain".into(), None)));
        let credentials = Some(Credentials::new("u", "p:w"));
        assert_eq!(of(true, "a.test"), Some(("secure".into(), credentials)));
        for host in [
            "localhost",
            "x.internal.test",
            "internal.test",
            "10.1.2.3",
            "::1",
        ] {
            assert_eq!(of(true, host), None, "{host}");
        }
        let matcher = Matcher::builder().all("socks4://h").build();
        let error = Proxy::matched(&matcher, &Target::new(true, "a.test", 1)).unwrap_err();
        assert!(error.contains("HTTPS_PROXY or ALL_PROXY"), "{error}");
        let matcher = Matcher::builder().all("socks5h://a:b@h:7").build();
        let proxy = Proxy::matched(&matcher, &Target::new(true, "a.test", 1))
            .unwrap()
            .unwrap();
        assert_eq!((proxy.kind, proxy.at.port()), (Kind::Socks5Names, 7));
        assert_eq!(proxy.credentials, Some(Credentials::new("a", "b")));
    }
}
