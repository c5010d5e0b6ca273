//! What goes into every request head beside the protocol's own lines. No runtime is used here.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// What is sent as `User-Agent` unless the application gives another: some firewalls refuse requests without one.
pub(crate) const USER_AGENT: &str = concat!("sockeye/", env!("CARGO_PKG_VERSION"));

/// Why a header of the application's own would break the protocol; `None` if it would not.
pub(crate) fn objection(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let why = match name.as_str() {
        "host" => "use the option `host` of the builder",
        "accept-encoding" => {
            "the client does not decompress answers: leave it out, and servers send plain text"
        }
        "content-length" | "transfer-encoding" | "content-type" | "content-encoding" | "expect"
        | "te" | "trailer" => "the client frames its requests itself",
        "connection" | "upgrade" | "keep-alive" | "proxy-connection" => {
            "the client manages its connections itself"
        }
        "sec-websocket-protocol" => "use the option `protocols` of the builder",
        "proxy-authorization" => {
            "give the credentials with the proxy, as in http://user:password@proxy:8080"
        }
        name if name.starts_with("sec-websocket-") => {
            "the client makes the WebSocket handshake itself"
        }
        _ => return None,
    };
    Some(format!("the header {name} cannot be set: {why}"))
}

/// User and password of a URL, decoded.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Credentials {
    pub(crate) fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            password: password.into(),
        }
    }

    /// The value of `Authorization` or `Proxy-Authorization` (RFC 7617).
    pub(crate) fn basic(&self) -> String {
        let Self { user, password } = self;
        format!(
            "Basic {}",
            BASE64_STANDARD.encode(format!("{user}:{password}"))
        )
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // They must not get into a log.
        f.write_str("Credentials(…)")
    }
}

/// Its line.
const AGENT_LINE: &str = concat!("User-Agent: sockeye/", env!("CARGO_PKG_VERSION"), "\r\n");

/// Adds what every request carries to header lines (each ended by CRLF), unless they have it already: the
/// `User-Agent`, and the `Authorization` of a URL with credentials.
pub(crate) fn complete(mut lines: String, authorization: Option<&str>) -> Cow<'static, str> {
    if lines.is_empty() && authorization.is_none() {
        // As it mostly is: no connection has memory of its own for it.
        return AGENT_LINE.into();
    }
    let has = |name: &str| {
        lines.split("\r\n").any(|line| {
            line.split_once(':')
                .is_some_and(|(key, _)| key.eq_ignore_ascii_case(name))
        })
    };
    let (agent, auth) = (has("user-agent"), has("authorization"));
    if !agent {
        lines.push_str(AGENT_LINE);
    }
    if let Some(authorization) = authorization.filter(|_| !auth) {
        lines.push_str(&format!("Authorization: {authorization}\r\n"));
    }
    lines.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completed_once() {
        let agent = format!("User-Agent: {USER_AGENT}\r\n");
        assert_eq!(complete(String::new(), None), agent);
        assert_eq!(
            complete("X: 1\r\n".into(), Some(&Credentials::new("a", "b").basic())),
            format!("X: 1\r\n{agent}Authorization: Basic YTpi\r\n")
        );
        let own = "user-agent: mine\r\nAUTHORIZATION: Bearer x\r\n";
        assert_eq!(complete(own.into(), Some("Basic x")), own);
    }

    #[test]
    fn what_would_break_the_protocol() {
        for name in [
            "Host",
            "accept-encoding",
            "CONTENT-LENGTH",
            "Transfer-Encoding",
            "Connection",
            "Upgrade",
            "Sec-WebSocket-Key",
            "sec-websocket-anything",
            "Expect",
            "Content-Type",
            "TE",
        ] {
            let text = objection(name).expect(name);
            assert!(
                text.contains("cannot be set: ") && !text.contains('\n'),
                "{text}"
            );
        }
        for name in [
            "Authorization",
            "Cookie",
            "X-Device",
            "User-Agent",
            "Origin",
            "Accept-Language",
        ] {
            assert_eq!(objection(name), None);
        }
    }
}
