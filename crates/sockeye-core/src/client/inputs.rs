//! What the driver tells: links that open and close, bytes, the time.

use super::Client;
use crate::engine::Link;
use crate::time::Instant;

impl Client<'_> {
    /// The driver has connected `link`, as [`Output::Open`](crate::Output::Open) asked.
    pub fn handle_opened(&mut self, now: Instant, link: Link) {
        self.advance_clock(now);
        self.engine.handle_opened(link, Ok(()));
    }

    /// The driver could not connect `link`; `message` says why, for people.
    pub fn handle_open_failed(&mut self, now: Instant, link: Link, message: &str) {
        self.advance_clock(now);
        self.engine.handle_opened(link, Err(message));
        self.follow();
    }

    /// The redirect of the handshake that the driver is to judge, when it is asked to open a link again by
    /// [`Output::Open`](crate::Output::Open). Needs [`Config::follow_redirects`](crate::Config::follow_redirects); there are none once a session is open. A driver answers by
    /// [`follow_redirect`](Self::follow_redirect) or [`refuse_redirect`](Self::refuse_redirect) before it connects. It
    /// bounds how many it follows in one attempt, never goes from encrypted to plain, and keeps credentials from other
    /// origins (RFC 9110, section 15.4). All redirects of an attempt share its [`Config::connect_timeout`](crate::Config::connect_timeout).
    #[cfg(feature = "redirects")]
    pub fn redirect(&self) -> Option<crate::Redirect<'_>> {
        self.engine.redirect()
    }

    /// The driver opens the link at `server`, and every other one of this session. The next attempt, after the session
    /// has ended or this attempt has failed, begins at the configured server again. Does nothing without a
    /// [`redirect`](Self::redirect).
    #[cfg(feature = "redirects")]
    pub fn follow_redirect(&mut self, server: crate::Server) {
        self.engine.follow_redirect(server);
    }

    /// Whether this session, or the attempt at one, has been sent to another server by
    /// [`follow_redirect`](Self::follow_redirect).
    #[cfg(feature = "redirects")]
    pub fn is_redirected(&self) -> bool {
        self.engine.is_redirected()
    }

    /// The driver does not follow the [`redirect`](Self::redirect): the attempt fails, with [`Cause::Redirect`](crate::Cause::Redirect).
    #[cfg(feature = "redirects")]
    pub fn refuse_redirect(&mut self, now: Instant, link: Link) {
        self.advance_clock(now);
        self.engine.refuse_redirect(link);
        self.follow();
    }

    /// Room for the next read on `link`: never empty while the link is open and the output is drained, unless the driver
    /// has paused (`handle_reading_paused`, feature `extras`) reading.
    pub fn receive_buf(&mut self, link: Link) -> &mut [u8] {
        self.release();
        self.engine.receive_buf(link)
    }

    /// Whether [`receive_buf`](Self::receive_buf) has memory for `link`. Growable memory is given back while a connection is
    /// idle: a driver that can ask a stream whether there is something to read does so first if this is `false`, and an idle
    /// connection keeps no buffer.
    #[cfg(feature = "alloc")]
    pub fn has_receive_memory(&self, link: Link) -> bool {
        self.engine.has_receive_memory(link)
    }

    /// `n` bytes have been read into [`receive_buf`](Self::receive_buf). Zero changes nothing: the end of the stream
    /// is [`handle_closed`](Self::handle_closed), so that it cannot be mistaken for a full buffer.
    pub fn handle_received(&mut self, now: Instant, link: Link, n: usize) {
        self.pass_time(now);
        self.engine.handle_received(link, n);
    }

    /// `link` has ended, or broken for the reason `message`.
    pub fn handle_closed(&mut self, now: Instant, link: Link, message: Option<&str>) {
        self.advance_clock(now);
        self.engine.handle_closed(link, message);
        self.follow();
    }

    /// `link`, which took no bytes before, takes some again.
    pub fn handle_writable(&mut self, now: Instant, link: Link) {
        self.pass_time(now);
        self.engine.handle_writable(link);
    }

    /// The deadline of [`Output::Idle`](crate::Output::Idle) has come. Early and repeated calls do no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance_clock(now);
        self.engine.look_at_timers();
        self.agenda.look_at_timers();
    }

    /// The driver stops reading because the application is slow (`true`), or goes on (`false`). What has been read and
    /// not worked through waits as well: no [`Event::Message`](crate::Event::Message) is told meanwhile, so that a driver's bound holds within
    /// one drain. While it does not read it cannot see pings, so pongs go out unasked when pings are overdue, and the
    /// heartbeat deadline rests.
    #[cfg(any(feature = "alloc", feature = "extras"))]
    pub fn handle_reading_paused(&mut self, now: Instant, paused: bool) {
        self.advance_clock(now);
        self.engine.set_reading_paused(paused);
    }

    /// Moves the clock, for an input that brings no deadline with it. Most come when no deadline has: then timers need no
    /// look.
    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn pass_time(&mut self, now: Instant) {
        if self.agenda.lasts(now) {
            self.engine.set_clock(now);
        } else {
            self.advance_clock(now);
        }
    }

    /// Moves the clock, for what may bring deadlines with it.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn advance_clock(&mut self, now: Instant) {
        let quiet = self.agenda.lasts(now);
        self.agenda.break_off();
        if quiet {
            self.engine.set_clock(now);
        } else if now > self.engine.now() {
            self.engine.advance_clock(now);
            self.agenda.look_at_timers();
        }
    }
}
