//! How one client gets its byte streams: the way from options to a stream.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::TlsClient;
#[cfg(feature = "blocking")]
use super::blocking;
#[cfg(feature = "tokio")]
use super::connector::AnyConnector;
use super::error::{DialError, DialErrorKind};
use super::headers;
use super::options::NetworkOptions;
use super::proxy::Proxy;
use super::target::Target;
use super::tcp::TcpConnector;

/// How one client gets its byte streams.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) target: Target,
    /// The `Authorization` of a URL with credentials.
    authorization: Option<Box<str>>,
    pub(super) way: Way,
    /// For ways to other targets.
    options: Arc<NetworkOptions>,
    /// How far the last dial has come: a [`Stage`], for the words about one that takes too long.
    stage: AtomicU8,
}

/// The way to a stream.
#[derive(Debug)]
pub(crate) enum Way {
    /// The application's.
    #[cfg(feature = "tokio")]
    Connector(AnyConnector),
    /// The application's, of blocking streams.
    #[cfg(feature = "blocking")]
    Blocking(blocking::AnyConnector),
    /// TCP, through a proxy or not, and TLS if the target or the proxy wants it.
    Tcp {
        tcp: TcpConnector,
        tls: Option<TlsClient>,
        proxy: Option<Box<Proxy>>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    Computing,
    Resolving,
    Connecting,
    Proxy,
    Tls,
}

impl Network {
    /// # Errors
    /// Options that cannot work, for people.
    pub(super) fn new(
        target: Target,
        authorization: Option<Box<str>>,
        options: Arc<NetworkOptions>,
    ) -> Result<Self, String> {
        Ok(Self {
            way: options.way(&target)?,
            target,
            authorization,
            options,
            stage: AtomicU8::new(Stage::Computing as u8),
        })
    }

    /// The same client's way to the target that a redirect leads to. Which headers go along is not decided here.
    ///
    /// # Errors
    /// As for [`Self::new`]: there is no TLS in this build, for instance.
    pub(crate) fn redirected(&self, target: Target) -> Result<Self, String> {
        Self::new(target, None, Arc::clone(&self.options))
    }

    pub(super) fn reached(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// A dial begins: query and headers are computed first.
    pub(super) fn begin(&self) {
        self.reached(Stage::Computing);
    }

    /// What a dial that is given up was waiting for.
    pub(crate) fn unfinished(&self) -> DialError {
        let stage = self.stage.load(Ordering::Relaxed);
        let at = |other: Stage| stage == other as u8;
        let target = &self.target;
        let (next, own) = match &self.way {
            #[cfg(feature = "tokio")]
            Way::Connector(_) => (target, true),
            #[cfg(feature = "blocking")]
            Way::Blocking(_) => (target, true),
            Way::Tcp { proxy, .. } => (proxy.as_ref().map_or(target, |proxy| &proxy.at), false),
        };
        let message = if at(Stage::Computing) {
            "the functions for query and headers have not finished".into()
        } else if own {
            format!("the connector gave no stream to {target}")
        } else if at(Stage::Resolving) {
            format!(
                "the resolver gave no address of {}: check the network's DNS",
                next.host()
            )
        } else if at(Stage::Connecting) {
            format!(
                "no answer from {next}: check host and port, and whether a firewall drops connections"
            )
        } else if at(Stage::Proxy) {
            format!("the proxy {next} opened no way to {target}")
        } else {
            format!("{target} did not finish the TLS handshake")
        };
        DialError::new(DialErrorKind::Unreachable, message)
    }

    /// What an error of an open stream means.
    pub(crate) fn explain(&self, error: &io::Error) -> DialError {
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return DialError::clone(error);
        }
        let tls = match &self.way {
            Way::Tcp { tls: Some(tls), .. } => tls.explain(error, &self.target),
            Way::Tcp { tls: None, .. } => None,
            // It may have been built with `Tls::over`.
            #[cfg(feature = "tokio")]
            Way::Connector(_) => super::explain(error, &self.target),
            #[cfg(feature = "blocking")]
            Way::Blocking(_) => super::explain(error, &self.target),
        };
        tls.unwrap_or_else(|| {
            let message = match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    "the encrypted connection ended without a goodbye: it may have been cut on the way".into()
                }
                _ => error.to_string(),
            };
            DialError::new(DialErrorKind::Unreachable, message)
        })
    }

    /// Header lines with what every request carries.
    pub(crate) fn complete(&self, headers: String) -> Cow<'static, str> {
        headers::complete(headers, self.authorization.as_deref())
    }
}
