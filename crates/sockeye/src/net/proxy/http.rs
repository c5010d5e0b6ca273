//! A tunnel through an HTTP proxy: CONNECT (RFC 9110 section 9.3.6).

use super::{ANSWER, Step};
use crate::net::error::DialError;
use crate::net::headers::USER_AGENT;
use crate::net::target::Target;

pub(crate) struct Handshake {
    proxy: String,
    target: Target,
    credentials: bool,
    /// The request, until it is sent.
    request: Option<Vec<u8>>,
}

impl Handshake {
    pub(super) fn new(proxy: String, target: &Target, credentials: Option<String>) -> Self {
        let authority = target.authority();
        let mut request = format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {USER_AGENT}\r\n"
        );
        if let Some(credentials) = &credentials {
            request.push_str(&format!("Proxy-Authorization: {credentials}\r\n"));
        }
        request.push_str("\r\n");
        Self {
            proxy,
            target: target.clone(),
            credentials: credentials.is_some(),
            request: Some(request.into_bytes()),
        }
    }

    pub(super) fn step(&mut self, received: &mut Vec<u8>) -> Result<Step, DialError> {
        if let Some(request) = self.request.take() {
            return Ok(Step::Send(request));
        }
        let proxy = &self.proxy;
        // What is no HTTP is found at once, not when the answer is complete.
        let line = received.split(|b| *b == b'\n').next().unwrap_or_default();
        let known = line.len().min(7);
        if line[..known] != b"HTTP/1."[..known] {
            return Err(DialError::proxy(format!(
                "{proxy} does not answer in HTTP: check its address, or use socks5://"
            )));
        }
        let Some(end) = received.windows(4).position(|w| w == b"\r\n\r\n") else {
            if received.len() >= ANSWER {
                return Err(DialError::proxy(format!(
                    "the answer of {proxy} has no end"
                )));
            }
            return Ok(Step::Receive);
        };
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        let mut parts = line.splitn(3, ' ').skip(1);
        let status: Option<u16> = parts.next().and_then(|status| status.parse().ok());
        let text = parts.next().unwrap_or_default().trim();
        match status {
            Some(200..=299) if received.len() > end + 4 => Err(DialError::proxy(format!(
                "{proxy} sends bytes that nobody asked for after its answer"
            ))),
            Some(200..=299) => {
                received.clear();
                Ok(Step::Done)
            }
            Some(status) => Err(self.refused(status, text)),
            None => Err(DialError::proxy(format!("bad answer of {proxy}: {line:?}"))),
        }
    }

    fn refused(&self, status: u16, text: &str) -> DialError {
        let next = match status {
            407 if self.credentials => "user or password are not accepted",
            407 => "it wants credentials: http://user:password@proxy:port",
            403 | 405 => "it does not allow a connection to this host and port",
            502..=504 => "it cannot reach the server",
            _ => "see its log",
        };
        let text: String = text.chars().take(100).collect();
        let space = if text.is_empty() { "" } else { " " };
        DialError::proxy(format!(
            "{} refused a tunnel to {} (HTTP {status}{space}{text}): {next}",
            self.proxy, self.target
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::net::error::DialErrorKind;
    use crate::net::proxy::{Proxy, Step};
    use crate::net::target::Target;

    fn answered(answer: &str) -> Result<bool, String> {
        let proxy = Proxy::parse("http://u:p@proxy:8080").unwrap();
        let mut handshake = proxy.handshake(&Target::new(true, "::1", 443), None);
        let mut received = Vec::new();
        let Ok(Step::Send(request)) = handshake.step(&mut received) else {
            panic!("no request");
        };
        assert_eq!(
            String::from_utf8(request).unwrap(),
            format!(
                "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nUser-Agent: sockeye/{}\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
                env!("CARGO_PKG_VERSION")
            )
        );
        // Byte by byte: an answer may be cut anywhere.
        for byte in answer.bytes() {
            received.push(byte);
            match handshake.step(&mut received) {
                Ok(Step::Receive) => (),
                Ok(Step::Done) => return Ok(true),
                Ok(Step::Send(_)) => panic!("sent twice"),
                Err(error) => {
                    assert_eq!(error.kind(), DialErrorKind::Proxy);
                    return Err(error.to_string());
                }
            }
        }
        Ok(false)
    }

    #[test]
    fn answers() {
        assert_eq!(
            answered("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"),
            Ok(true)
        );
        assert_eq!(answered("HTTP/1.0 200\r\n\r\n"), Ok(true));
        assert_eq!(answered("HTTP/1.1 200 OK\r\n"), Ok(false));
        for (answer, words) in [
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
                "user or password are not accepted",
            ),
            ("HTTP/1.1 403 \r\n\r\n", "does not allow"),
            (
                "HTTP/1.1 502 Bad Gateway\r\n\r\n",
                "(HTTP 502 Bad Gateway): it cannot reach the server",
            ),
            ("HTTP/1.1 abc\r\n\r\n", "bad answer"),
            ("SSH-2.0-OpenSSH\r\n", "does not answer in HTTP"),
            ("\u{5}\u{ff}", "use socks5://"),
        ] {
            let error = answered(answer).expect_err(answer);
            assert!(
                error.contains(words) && error.contains("proxy port 8080") && !error.contains('\n'),
                "{error}"
            );
        }
        assert!(answered(&format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(3000))).is_err());
    }

    #[test]
    fn surplus_is_refused() {
        let proxy = Proxy::parse("http://proxy:8080").unwrap();
        let mut handshake = proxy.handshake(&Target::new(false, "h", 80), None);
        let _ = handshake.step(&mut Vec::new());
        let mut received = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK".to_vec();
        assert!(handshake.step(&mut received).is_err());
    }
}
