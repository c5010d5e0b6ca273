//! Redirects of the handshake. The driver judges them, because it alone knows schemes and ports; the engine keeps what the
//! server said until it has, asks for the link to be opened again, and sends the session's requests to the new place.
//!
//! Nothing of it is in a build without the feature: a redirect is an error there, which names the address.

#[cfg(not(feature = "redirects"))]
mod state {
    use crate::config::Config;
    use crate::engine::polling::cookies::Jar;

    #[derive(Debug)]
    pub(in crate::engine) struct Redirection;

    impl Redirection {
        pub(in crate::engine) const NONE: Self = Self;

        pub(in crate::engine) const fn note(&mut self, _: u16, _: &str) {}

        pub(in crate::engine) const fn is_unjudged(&self) -> bool {
            false
        }

        pub(in crate::engine) const fn reset(&mut self, _: &mut Jar) {}

        #[inline(always)]
        pub(in crate::engine) fn host<'c>(&self, config: &'c Config<'_>) -> &'c str {
            &config.host
        }

        #[inline(always)]
        pub(in crate::engine) fn path<'c>(&self, config: &'c Config<'_>) -> &'c str {
            &config.path
        }

        #[inline(always)]
        pub(in crate::engine) fn query<'c>(&self, config: &'c Config<'_>) -> &'c str {
            &config.query
        }

        #[inline(always)]
        pub(in crate::engine) fn headers<'c>(&self, config: &'c Config<'_>) -> &'c str {
            &config.headers
        }
    }
}

#[cfg(feature = "redirects")]
mod state {
    use alloc::boxed::Box;
    use alloc::string::String;

    use crate::config::Config;
    use crate::engine::polling::cookies::Jar;

    /// A redirect of the handshake that the driver is to judge: [`Client::redirect`](crate::Client::redirect).
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct Redirect<'c> {
        /// The HTTP status: 301, 302, 303, 307 or 308.
        pub status: u16,
        /// The `Location` header as the server sent it: absolute, relative, or nonsense. At most 64 KiB.
        pub location: &'c str,
    }

    impl core::fmt::Debug for Redirect<'_> {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            // The query of a location is a secret now and then.
            write!(
                f,
                "Redirect({}, {} bytes)",
                self.status,
                self.location.len()
            )
        }
    }

    /// Where a session goes on that was redirected: [`Client::follow_redirect`](crate::Client::follow_redirect).
    #[derive(Clone, PartialEq, Eq)]
    pub struct Server {
        /// As [`Config::host`](crate::Config::host).
        pub host: String,
        /// As [`Config::path`](crate::Config::path).
        pub path: String,
        /// As [`Config::query`](crate::Config::query).
        pub query: String,
        /// As [`Config::headers`](crate::Config::headers).
        pub headers: String,
        /// Whether the cookies of the server before may be sent to this one: it is the same origin. If not, this one has
        /// cookies of its own until the session ends.
        pub same_origin: bool,
    }

    impl core::fmt::Debug for Server {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            // Neither query nor headers, as `Config`.
            f.debug_struct("Server")
                .field("host", &self.host)
                .field("path", &self.path)
                .field("same_origin", &self.same_origin)
                .finish_non_exhaustive()
        }
    }

    #[derive(Debug)]
    pub(in crate::engine) struct Redirection {
        /// What the server said, until the driver has judged it.
        unjudged: Option<Box<(u16, String)>>,
        /// The server that this session was sent to.
        server: Option<Box<Server>>,
        /// The cookies of the configured server, while the session lives at another origin.
        cookies: Option<Box<Jar>>,
    }

    impl Redirection {
        pub(in crate::engine) const NONE: Self = Self {
            unjudged: None,
            server: None,
            cookies: None,
        };

        /// A `Location` line has come with an answer of this status.
        pub(in crate::engine) fn note(&mut self, status: u16, location: &str) {
            if matches!(status, 301 | 302 | 303 | 307 | 308) {
                self.unjudged = Some(Box::new((status, location.into())));
            }
        }

        /// Whether there is a redirect that the driver has not judged.
        pub(in crate::engine) const fn is_unjudged(&self) -> bool {
            self.unjudged.is_some()
        }

        pub(in crate::engine) fn unjudged(&self) -> Option<Redirect<'_>> {
            let (status, location) = self.unjudged.as_deref()?;
            Some(Redirect {
                status: *status,
                location,
            })
        }

        pub(in crate::engine) fn take_unjudged(&mut self) -> Option<(u16, String)> {
            self.unjudged.take().map(|unjudged| *unjudged)
        }

        pub(in crate::engine) fn follow(&mut self, server: Server, jar: &mut Jar) {
            self.unjudged = None;
            if !server.same_origin {
                let before = core::mem::replace(jar, Jar::EMPTY);
                self.cookies.get_or_insert_with(|| Box::new(before));
            }
            self.server = Some(Box::new(server));
        }

        /// An attempt begins: at the configured server, with its cookies.
        pub(in crate::engine) fn reset(&mut self, jar: &mut Jar) {
            self.unjudged = None;
            self.server = None;
            if let Some(cookies) = self.cookies.take() {
                *jar = *cookies;
            }
        }

        /// Whether this session was sent to another server.
        pub(in crate::engine) const fn is_followed(&self) -> bool {
            self.server.is_some()
        }

        /// What the requests of this session name.
        pub(in crate::engine) fn host<'c>(&'c self, config: &'c Config<'_>) -> &'c str {
            let server = self.server.as_deref();
            server.map_or(&config.host, |server| &server.host)
        }

        pub(in crate::engine) fn path<'c>(&'c self, config: &'c Config<'_>) -> &'c str {
            let server = self.server.as_deref();
            server.map_or(&config.path, |server| &server.path)
        }

        pub(in crate::engine) fn query<'c>(&'c self, config: &'c Config<'_>) -> &'c str {
            let server = self.server.as_deref();
            server.map_or(&config.query, |server| &server.query)
        }

        pub(in crate::engine) fn headers<'c>(&'c self, config: &'c Config<'_>) -> &'c str {
            let server = self.server.as_deref();
            server.map_or(&config.headers, |server| &server.headers)
        }
    }
}

pub(super) use state::Redirection;
#[cfg(feature = "redirects")]
pub use state::{Redirect, Server};

#[cfg(feature = "redirects")]
mod judged {
    use super::{Redirect, Server};
    use crate::engine::{Engine, Link};
    use crate::error::{Cause, DisconnectReason, Fault};

    impl Engine<'_> {
        /// The redirect that the driver is to judge.
        pub(crate) fn redirect(&self) -> Option<Redirect<'_>> {
            self.plan.server.unjudged()
        }

        pub(crate) fn is_redirected(&self) -> bool {
            self.plan.server.is_followed()
        }

        /// The driver follows: the link that it was asked to open leads to this server.
        pub(crate) fn follow_redirect(&mut self, server: Server) {
            if self.plan.server.is_unjudged() {
                self.plan.server.follow(server, &mut self.polling.cookies);
            }
        }

        /// The driver does not follow: the attempt has failed.
        pub(crate) fn refuse_redirect(&mut self, link: Link) {
            if let Some((status, location)) = self.plan.server.take_unjudged() {
                let fault = Fault::quoting(Cause::Redirect(status), location.as_bytes());
                self.link_failed(link, DisconnectReason::TransportError, fault);
            }
        }
    }
}
