//! URLs of Socket.IO servers: the path is the namespace.

use std::fmt;

use url::{Host, Url};

use crate::client::error::ConnectError;

/// Where to connect, from a URL.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// For the resolver: without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The port is not the scheme's own.
    explicit_port: bool,
    ipv6: bool,
    pub(crate) namespace: String,
    pub(crate) query: Vec<(String, String)>,
}

/// A URL for messages: without user name, password, query and fragment, where secrets are.
fn harmless(url: &str) -> String {
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
                "bad URL {:?}: {why}; it should look like http://localhost:3000/namespace",
                harmless(text)
            ))
        };
        let text_trimmed = text.trim();
        if text_trimmed.is_empty() {
            return Err(bad("it is empty"));
        }
        // `localhost:3000` would read as a scheme `localhost`.
        if !text_trimmed.contains("://") {
            return Err(bad("it has no scheme (http:// or ws://)"));
        }
        let url = Url::parse(text_trimmed).map_err(|error| bad(&error.to_string()))?;
        match url.scheme() {
            "http" | "ws" => (),
            "https" | "wss" => {
                return Err(ConnectError::config(
                    "TLS is not built into this version: use http:// or ws://, or a TLS-terminating proxy next to the client",
                ));
            }
            other => {
                return Err(bad(&format!(
                    "the scheme {other} is unknown: use http or ws"
                )));
            }
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad(
                "user name and password cannot be sent this way: use the header Authorization or auth",
            ));
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
        let path = url.path();
        Ok(Self {
            host,
            port,
            explicit_port: url.port().is_some(),
            ipv6,
            namespace: if path.is_empty() {
                "/".into()
            } else {
                decode(path)
            },
            query: url
                .query_pairs()
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect(),
        })
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

/// Namespaces are not percent-encoded on the wire; URLs are.
fn decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
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
    String::from_utf8(bytes).unwrap_or_else(|_| path.to_owned())
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
    fn bad_urls_get_one_line_that_helps() {
        for (url, words) in [
            ("", "it is empty"),
            ("localhost:3000", "no scheme"),
            ("ftp://h", "scheme ftp is unknown"),
            ("https://h", "TLS is not built into this version"),
            ("http://", "bad URL"),
            ("http://a b", "bad URL"),
            ("http://h:99999", "bad URL"),
            ("http://u:p@h", "user name"),
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
            "http://tom:s3cret@h/chat?token=s3cret#s3cret",
            "http://tom:s3cret@h",
            "http://s3cret@a b/",
            "h?token=s3cret",
            "tom:s3cret@h",
            "http://tom:s3@s3cret@h:x/a@b?s3cret",
            "ftp://h?s3cret",
            "http://h:0?s3cret",
            "https://tom:s3cret@h/?s3cret",
        ] {
            let error = Address::parse(url).unwrap_err();
            let texts = [error.to_string(), format!("{error:?}")];
            assert!(
                texts.iter().all(|text| !text.contains("s3cret")),
                "{texts:?}"
            );
        }
        let address = Address::parse("http://h/chat?token=s3cret").unwrap();
        let debug = format!("{address:?}");
        assert!(
            debug.contains("token") && !debug.contains("s3cret"),
            "{debug}"
        );
    }
}
