//! What the driver tells: links that open, bytes that came, links that closed.

use super::link::{Job, Link, LinkState, Phase};
use super::polling::GRACE;
use super::{Engine, State};
use crate::config::POLLING;
use crate::error::{Cause, DisconnectReason, Fault};

impl Engine<'_> {
    /// The driver has connected the link, or failed to (`message` says why).
    pub(crate) fn handle_opened(&mut self, link: Link, result: Result<(), &str>) {
        if !link.is_used() || self.links[link].phase != Phase::Opening {
            return;
        }
        match result {
            // Whoever has not looked at the redirect has gone to the same server again: that would have no end.
            #[cfg(feature = "redirects")]
            Ok(()) if self.plan.server.is_unjudged() => self.refuse_redirect(link),
            Ok(()) => {
                self.links[link] = LinkState::new(Phase::Open);
                self.links.set_input(link, false);
                self.plan.connected(&mut self.config);
            }
            Err(message) => {
                self.links[link].phase = Phase::Closed;
                let fault = Fault::quoting(Cause::Dial, message.as_bytes());
                self.link_failed(link, DisconnectReason::TransportError, fault);
            }
        }
    }

    /// Room for the next read on a link.
    pub(crate) fn receive_buf(&mut self, link: Link) -> &mut [u8] {
        if !link.is_used() || !self.links.is_open(link) {
            return &mut [];
        }
        let rx = self.rx.of(link);
        self.rx.areas[rx].space()
    }

    /// Whether [`Self::receive_buf`] would lend memory that is there already.
    #[cfg(feature = "alloc")]
    pub(crate) fn has_receive_memory(&self, link: Link) -> bool {
        self.rx.areas[self.rx.of(link)].has_memory()
    }

    pub(crate) fn handle_received(&mut self, link: Link, n: usize) {
        if link.is_used() && self.links.is_open(link) && n > 0 {
            self.links.set_input(link, true);
            let rx = self.rx.of(link);
            self.rx.areas[rx].filled(n);
        }
    }

    /// The link has ended: regularly, or with an error in `message`.
    pub(crate) fn handle_closed(&mut self, link: Link, message: Option<&str>) {
        if !link.is_used() || !self.links.is_open(link) {
            return;
        }
        let link = link.narrow();
        if message.is_none() && self.links.response(link).ends_with_close() {
            // The regular end of a body: what is left of it is worked through, then the link is closed.
            self.links.http(link).end_of_stream();
            self.links.set_input(link, true);
            return;
        }
        let LinkState { job, reused, .. } = self.links[link];
        let unanswered = reused && self.links.response(link).is_fresh();
        let head_unwritten = self.head.is_of(link);
        self.links[link].phase = Phase::Closing { reopen: false };
        self.links.changed = true;
        let fault = match message {
            Some(message) => Fault::quoting(Cause::Io, message.as_bytes()),
            None => Fault::of(Cause::Eof),
        };
        match link {
            Link::WebSocket => {
                let reason = if self.links.response(link).status == 101 {
                    DisconnectReason::TransportClose
                } else {
                    DisconnectReason::TransportError
                };
                self.link_failed(link, reason, fault);
            }
            _ if job == Job::Idle && !matches!(self.state, State::Opening { .. }) => {
                self.links[link].reused = false;
            }
            // The server closed the idle connection just as the request went out. What it cannot have read is asked
            // again on a new one: a GET that was not written whole. If it was, its answer, and packets in it, may be
            // lost: only the end of the session tells that.
            Link::Poll if unanswered && head_unwritten => self.close_link(link),
            // The same for a POST.
            Link::Post if unanswered && job == Job::Sending => {
                self.close_link(link);
                self.polling.repeat(self.clock.now());
            }
            // As every HTTP client does it also for one that was written whole, when the connection had been idle for
            // long enough for the server to close it. Otherwise the server may have taken it, and would have its events
            // twice.
            Link::Post if unanswered && job == Job::Waiting && self.polling.is_rested() => {
                self.close_link(link);
                self.polling.repeat(self.clock.now() + GRACE);
            }
            Link::Poll | Link::Post => {
                self.link_failed(link, DisconnectReason::TransportError, fault);
            }
        }
    }

    /// Has a link closed; nothing of a request or response on it is left.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn close_link(&mut self, link: Link) {
        let link = link.narrow();
        self.links.close(link);
        self.head.release_if(link);
        self.links.forget_response(link);
    }

    /// The driver can write again.
    pub(crate) fn handle_writable(&mut self, link: Link) {
        if link.is_used() {
            self.links[link].blocked = false;
        }
    }

    pub(super) fn link_failed(&mut self, link: Link, reason: DisconnectReason, fault: Fault) {
        let upgrading = POLLING && link == Link::WebSocket && !self.rx.ws_is_main;
        if upgrading && !self.is_closing() {
            self.fail_upgrade(fault);
        } else {
            self.fail(reason, fault);
        }
    }
}
