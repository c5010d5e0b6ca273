//! What counts from the next connection on: its first transport, its query and headers, and the server it goes to.

use super::redirect::Redirection;
use crate::config::{Config, EXTRAS, Str, Transport};

/// What the next connection is made with, beside the configuration.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    query: Option<Str<'a>>,
    headers: Option<Str<'a>>,
    /// The first link of a session is being opened: what the application has changed counts when it is there.
    fresh: bool,
    /// A WebSocket has worked (`rememberUpgrade`).
    websocket_works: bool,
    /// The server that answers the handshake instead of the configured one.
    pub(super) server: Redirection,
}

impl<'a> Plan<'a> {
    pub(super) const NONE: Self = Self {
        query: None,
        headers: None,
        fresh: false,
        websocket_works: false,
        server: Redirection::NONE,
    };

    #[cfg(any(feature = "alloc", feature = "extras"))]
    pub(super) fn set_query(&mut self, query: Str<'a>) {
        self.query = Some(query);
    }

    #[cfg(any(feature = "alloc", feature = "extras"))]
    pub(super) fn set_headers(&mut self, headers: Str<'a>) {
        self.headers = Some(headers);
    }

    /// Whether a WebSocket has worked, and none has failed since.
    pub(super) const fn remember(&mut self, works: bool) {
        self.websocket_works = works;
    }

    /// The transport to begin with.
    pub(super) fn first(&self, config: &Config<'_>) -> Transport {
        if self.websocket_works
            && config.remember_upgrade
            && config.transports.allows(Transport::WebSocket)
        {
            Transport::WebSocket
        } else {
            config.transports.first()
        }
    }

    /// An attempt begins.
    pub(super) const fn begin(&mut self) {
        self.fresh = true;
    }

    /// A link is connected. If it is the first of a session, what the application has changed counts from here on.
    pub(super) fn connected(&mut self, config: &mut Config<'a>) {
        if EXTRAS && core::mem::take(&mut self.fresh) {
            if let Some(query) = self.query.take() {
                config.query = query;
            }
            if let Some(headers) = self.headers.take() {
                config.headers = headers;
            }
        }
    }
}
