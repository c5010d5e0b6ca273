//! Why no byte stream could be had, in words for people. No runtime is used here.

use std::borrow::Cow;
use std::fmt;
use std::io;

use super::target::Target;

/// What kind of trouble a [`DialError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DialErrorKind {
    /// The host name has no address, or the resolver did not answer.
    Resolve,
    /// Nobody answers at the address, or the connection was refused or cut.
    Unreachable,
    /// The proxy refused the way to the server, or does not speak its protocol.
    Proxy,
    /// The other side does not speak TLS as the client does, or not at all. (A handshake that is merely cut is
    /// [`Unreachable`](Self::Unreachable).) Trying again cannot mend it.
    Tls,
    /// The server's certificate is not accepted, or the server does not accept the client's. Trying again cannot mend it.
    Certificate,
    /// An option that cannot work. Trying again cannot mend it.
    Config,
    /// The server redirects to where the client does not go. Trying again cannot mend it.
    Redirect,
    /// Anything else that a `Connector` reports.
    Other,
}

impl DialErrorKind {
    /// Whether trying again is of no use.
    pub const fn is_definitive(self) -> bool {
        matches!(
            self,
            Self::Tls | Self::Certificate | Self::Config | Self::Redirect
        )
    }
}

/// Why no byte stream could be had. Displays as one line with the cause and, where there is one, the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialError {
    kind: DialErrorKind,
    message: Cow<'static, str>,
}

impl DialError {
    /// An error with its text: one line, for people. Control characters become spaces.
    pub fn new(kind: DialErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let mut message = message.into();
        if message.chars().any(char::is_control) {
            message = message
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect::<String>()
                .into();
        }
        Self { kind, message }
    }

    /// What kind of trouble it is.
    pub const fn kind(&self) -> DialErrorKind {
        self.kind
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether trying again is of no use: [`DialErrorKind::is_definitive`].
    pub const fn is_definitive(&self) -> bool {
        self.kind.is_definitive()
    }

    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(DialErrorKind::Config, message)
    }

    pub(crate) fn proxy(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(DialErrorKind::Proxy, message)
    }

    /// What an operating system's error says of a connection to `target`.
    pub(crate) fn from_io(error: &io::Error, target: &Target) -> Self {
        Self::new(
            DialErrorKind::Unreachable,
            match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    format!("connection refused by {target} (is the server running?)")
                }
                _ => format!("{target}: {}", reason(error)),
            },
        )
    }

    /// The resolver's answer is of no use.
    pub(crate) fn unresolved(error: Option<&io::Error>, target: &Target) -> Self {
        let host = target.host();
        let mut message = format!("the host name {host} cannot be resolved");
        if let Some(error) = error {
            let text = error.to_string();
            let text = text
                .strip_prefix("failed to lookup address information: ")
                .unwrap_or(&text);
            message.push_str(&format!(" ({text})"));
        }
        message.push_str(": check the name and the network's DNS");
        Self::new(DialErrorKind::Resolve, message)
    }
}

/// The reason alone, without the place.
pub(crate) fn reason(error: &io::Error) -> Cow<'static, str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::TimedOut => "no answer".into(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "cannot be reached from here".into()
        }
        _ => error.to_string().into(),
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DialError {}

impl From<io::Error> for DialError {
    /// The error that is inside, if it is one of these, else one of the kind [`DialErrorKind::Other`].
    fn from(error: io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Self>())
        {
            Some(inner) => inner.clone(),
            None => Self::new(DialErrorKind::Other, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_one_line() {
        let error = DialError::new(DialErrorKind::Other, "a\r\nb\u{1b}[31m");
        assert_eq!(error.to_string(), "a  b [31m");
        assert!(!error.is_definitive());
    }

    #[test]
    fn texts_name_the_place_and_the_next_step() {
        let target = Target::new(false, "example.test", 3000);
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(
            DialError::from_io(&refused, &target).message(),
            "connection refused by example.test port 3000 (is the server running?)"
        );
        let lookup =
            io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(
            DialError::unresolved(Some(&lookup), &target).message(),
            "the host name example.test cannot be resolved (Name or service not known): check the name and the network's DNS"
        );
    }
}
