//! From the network's errors to what applications are told of a connection that ended.

use sockeye_core::{Cause, Details};

use super::{DialError, DialErrorKind, Network};

/// Why the last link could not be had, or broke. The core keeps a part of such words only, and knows nothing of what
/// they mean.
#[derive(Default)]
pub(crate) struct LastFailure(Option<Box<DialError>>);

impl LastFailure {
    pub(crate) fn set(&mut self, error: DialError) {
        self.0 = Some(Box::new(error));
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

/// What is known of the links when the core tells that a connection, or an upgrade, has ended.
pub(crate) struct LinkFailures<'d> {
    pub(crate) last: &'d mut LastFailure,
    /// A link is being connected.
    pub(crate) dialing: bool,
    pub(crate) network: &'d Network,
    /// The URL that the server has redirected to, if it has.
    pub(crate) redirected: Option<&'d str>,
}

/// Whether it is the handshake that has failed in this way.
const fn is_of_an_attempt(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Dial
            | Cause::ConnectTimeout
            | Cause::Http { .. }
            | Cause::Html(_)
            | Cause::BadHttp(_)
            | Cause::NotEngineIo
            | Cause::OldServer
            | Cause::WebSocketHandshake
            | Cause::WebSocketRefused
    )
}

/// An end, as applications are told.
pub(crate) struct Told {
    /// One line for people.
    pub(crate) message: String,
    /// What kind of trouble the network had, if it caused the end.
    pub(crate) kind: Option<DialErrorKind>,
}

impl LinkFailures<'_> {
    /// Puts the core's account and the network's together.
    pub(crate) fn tell(&mut self, details: Details<'_>) -> Told {
        let last = self.last.0.take().map(|error| *error);
        let failure = match details.cause {
            Cause::Dial | Cause::Io | Cause::Redirect(_) => last,
            // The dial is given up before the event is told, or after it.
            Cause::ConnectTimeout if self.dialing => Some(self.network.unfinished()),
            Cause::ConnectTimeout => last,
            _ => None,
        };
        let mut message = match (details.cause, &failure) {
            (Cause::Dial, Some(failure)) => format!("could not connect: {failure}"),
            (Cause::ConnectTimeout, Some(failure)) => format!("{details}: {failure}"),
            (_, Some(failure)) if failure.is_definitive() => failure.to_string(),
            _ => details.to_string(),
        };
        // It may be something else that answers there.
        if let Some(url) = self.redirected.filter(|_| is_of_an_attempt(details.cause)) {
            message.push_str(&format!(" (after a redirect to {url})"));
        }
        Told {
            message,
            kind: failure.map(|failure| failure.kind()),
        }
    }
}
