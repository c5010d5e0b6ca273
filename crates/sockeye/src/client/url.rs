//! URLs of Socket.IO servers: the path is the namespace.

use std::borrow::Cow;
use std::fmt;

use url::{Host, Url};

use crate::client::error::ConnectError;
use crate::net::Target;
use crate::net::headers::Credentials;
use crate::net::target::split_zone;

/// Where to connect, from a URL.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// For the resolver: without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The port is not the scheme's own.
    explicit_port: bool,
    ipv6: bool,
    /// `https` or `wss`.
    secure: bool,
    /// The zone of a link-local IPv6 address.
    zone: Option<String>,
    /// User and password, decoded.
    pub(crate) credentials: Option<Credentials>,
    pub(crate) namespace: String,
    pub(crate) query: Vec<(String, String)>,
}

/// A URL for messages: without user name, password, query and fragment, where secrets are.
pub(crate) fn harmless(url: &str) -> String {
    let (start, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    let (place, hidden) = match rest.find(['?', '#']) {
        Some(at) => (&rest[..at], &rest[at..=at]),
        None => (rest, ""),
    };
    let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let (user, host) = match authority.rsplit_once('@') {
        Some((_, host)) => ("…@", host),
        None => ("", authority),
    };
    let more = if hidden.is_empty() { "" } else { "…" };
    format!("{start}{user}{host}{path}{hidden}{more}")
}

/// As [`harmless`]: the values of the query stay hidden.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.query.iter().map(|(key, _)| key).collect();
        f.debug_struct("Address")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("namespace", &self.namespace)
            .field("query", &keys)
            .finish_non_exhaustive()
    }
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, ConnectError> {
        let bad = |why: &str| {
            ConnectError::config(format!(
                "bad URL {:?}: {why}; it should look like https://example.com/namespace or http://localhost:3000",
                harmless(text)
            ))
        };
        let text_trimmed = text.trim();
        if text_trimmed.is_empty() {
            return Err(bad("it is empty"));
        }
        // `localhost:3000` would read as a scheme `localhost`.
        if !text_trimmed.contains("://") {
            return Err(bad("it has no scheme (http://, https://, ws:// or wss://)"));
        }
        let (text_trimmed, zone) = match split_zone(text_trimmed) {
            Some((rest, zone)) => (rest.into(), Some(zone)),
            None => (Cow::Borrowed(text_trimmed), None),
        };
        let url = Url::parse(&text_trimmed).map_err(|error| bad(&error.to_string()))?;
        let secure = match url.scheme() {
            "http" | "ws" => false,
            "https" | "wss" => true,
            other => {
                return Err(bad(&format!(
                    "the scheme {other} is unknown: use http, https, ws or wss"
                )));
            }
        };
        let credentials = (!url.username().is_empty() || url.password().is_some()).then(|| {
            Credentials::new(
                decode(url.username()),
                decode(url.password().unwrap_or_default()),
            )
        });
        if credentials
            .as_ref()
            .is_some_and(|credentials| credentials.user.contains(':'))
        {
            return Err(bad("a user name with a colon cannot be sent"));
        }
        let (host, ipv6) = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => (name.to_owned(), false),
            Some(Host::Ipv4(ip)) => (ip.to_string(), false),
            Some(Host::Ipv6(ip)) => (ip.to_string(), true),
            _ => return Err(bad("it has no host")),
        };
        let port = url
            .port_or_known_default()
            .filter(|port| *port != 0)
            .ok_or_else(|| bad("it has no port"))?;
        Ok(Self {
            host,
            port,
            explicit_port: url.port().is_some(),
            ipv6,
            secure,
            zone,
            credentials,
            namespace: path(&text_trimmed).to_owned(),
            query: url
                .query_pairs()
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect(),
        })
    }

    /// Where to connect to.
    pub(crate) fn target(&self) -> Target {
        match &self.zone {
            Some(zone) => Target::new(self.secure, &format!("{}%{zone}", self.host), self.port),
            None => Target::new(self.secure, &self.host, self.port),
        }
    }

    /// The `Host` header.
    pub(crate) fn authority(&self) -> String {
        let host = if self.ipv6 {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.explicit_port {
            format!("{host}:{}", self.port)
        } else {
            host
        }
    }
}

/// The path of a URL as it is written: the namespace. The official client takes it so (`url.ts` of socket.io-client), and so do the
/// clients on devices; a parser of URLs would encode some characters and take `..` away.
fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let start = rest[..end].find('/').unwrap_or(end);
    match &rest[start..end] {
        "" => "/",
        path => path,
    }
}

/// Percent-decodes user names and passwords.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |b: u8| (b as char).to_digit(16);
        match rest {
            [b'%', a, b, after @ ..] if hex(*a).is_some() && hex(*b).is_some() => {
                bytes.push((hex(*a).unwrap_or(0) * 16 + hex(*b).unwrap_or(0)) as u8);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls() {
        let a = Address::parse("http://localhost:3000/chat?token=a%20b&x=1").unwrap();
        assert_eq!(
            (a.host.as_str(), a.port, a.namespace.as_str()),
            ("localhost", 3000, "/chat")
        );
        assert_eq!(
            a.query,
            [("token".into(), "a b".into()), ("x".into(), "1".into())]
        );
        assert_eq!(a.authority(), "localhost:3000");
        assert_eq!(Address::parse("ws://h").unwrap().authority(), "h");
        assert_eq!(Address::parse("ws://h").unwrap().namespace, "/");
        assert_eq!(Address::parse("http://h:80/").unwrap().port, 80);
        let six = Address::parse("http://[::1]:8080/é").unwrap();
        assert_eq!(
            (
                six.host.as_str(),
                six.authority().as_str(),
                six.namespace.as_str()
            ),
            ("::1", "[::1]:8080", "/é")
        );
    }

    #[test]
    fn the_namespace_is_the_path_as_written() {
        for (url, namespace) in [
            ("http://h", "/"),
            ("http://h?a=/x", "/"),
            ("http://h#/x", "/"),
            ("http://h/a%20b?x", "/a%20b"),
            ("http://h/a b/é/%C3%A9#x?y", "/a b/é/%C3%A9"),
            ("http://u:p@h:3000//a/../b/./", "//a/../b/./"),
            ("http://[fe80::1%25eth0]:3000/%2e", "/%2e"),
        ] {
            assert_eq!(Address::parse(url).unwrap().namespace, namespace, "{url}");
        }
    }

    #[test]
    fn schemes_credentials_and_zones() {
        let a = Address::parse("wss://user:p%40ss@h.test/chat").unwrap();
        assert_eq!(a.target(), Target::new(true, "h.test", 443));
        assert_eq!(a.credentials, Some(Credentials::new("user", "p@ss")));
        assert_eq!(
            (a.authority().as_str(), a.namespace.as_str()),
            ("h.test", "/chat")
        );
        assert_eq!(Address::parse("https://h:80/").unwrap().authority(), "h:80");
        let a = Address::parse("http://[fe80::1%25eth0]:3000").unwrap();
        assert_eq!(a.target(), Target::new(false, "fe80::1%eth0", 3000));
        // A zone is of this machine alone (RFC 6874 section 1).
        assert_eq!(a.authority(), "[fe80::1]:3000");
    }

    #[test]
    fn bad_urls_get_one_line_that_helps() {
        for (url, words) in [
            ("", "it is empty"),
            ("localhost:3000", "no scheme"),
            ("ftp://h", "scheme ftp is unknown"),
            ("http://", "bad URL"),
            ("http://a b", "bad URL"),
            ("http://h:99999", "bad URL"),
            ("http://u%3Av:p@h", "a colon"),
            ("ftp://user:secret@h", "ftp://…@h"),
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(
                error.contains(words) && !error.contains('\n'),
                "{url}: {error}"
            );
        }
    }

    #[test]
    fn no_message_shows_what_may_be_secret() {
        for url in [
            "http://tom:s3cret@h:x/chat?token=s3cret#s3cret",
            "http://tom%3A:s3cret@h",
            "http://s3cret@a b/",
            "h?token=s3cret",
            "tom:s3cret@h",
            "http://tom:s3@s3cret@h:x/a@b?s3cret",
            "ftp://h?s3cret",
            "http://h:0?s3cret",
            "https://tom:s3cret@:1/?s3cret",
        ] {
            let error = Address::parse(url).unwrap_err();
            let texts = [error.to_string(), format!("{error:?}")];
            assert!(
                texts.iter().all(|text| !text.contains("s3cret")),
                "{texts:?}"
            );
        }
        let address = Address::parse("http://tom:s3cret@h/chat?token=s3cret").unwrap();
        let debug = format!("{address:?}");
        assert!(
            debug.contains("token") && !debug.contains("s3cret"),
            "{debug}"
        );
    }
}
