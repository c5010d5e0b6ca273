//! permessage-deflate on the way in (RFC 7692), and its negotiation: see [`crate::outbox`] for the way out.
//!
//! Nothing of it is in a build without the feature.

#[cfg(not(feature = "deflate"))]
mod state {
    use crate::engine::{Engine, Link};
    use crate::outbox::Outbox;

    #[derive(Debug)]
    pub(in crate::engine) struct Compression;

    /// Nothing.
    pub(in crate::engine) struct Offer;

    impl Compression {
        pub(in crate::engine) const OFF: Self = Self;

        pub(in crate::engine) const fn reset(&mut self) {}

        pub(in crate::engine) const fn hear(
            &mut self,
            _: Offer,
            _: Link,
            _: &str,
            _: &str,
        ) -> bool {
            false
        }

        pub(in crate::engine) const fn tidy(&mut self) {}
    }

    impl Engine<'_> {
        pub(in crate::engine) const fn offer(&self) -> Offer {
            Offer
        }

        /// Whether the server's answer about extensions is one to what was offered: nothing.
        pub(in crate::engine) fn agree(&mut self, _: &mut Outbox<'_>, answered: bool) -> bool {
            !answered
        }

        pub(in crate::engine) const fn inflate(&mut self, _: &mut Outbox<'_>, _: usize) -> bool {
            true
        }

        pub(in crate::engine) const fn lost_compressed(&mut self, _: &mut Outbox<'_>) -> bool {
            false
        }
    }
}

#[cfg(feature = "deflate")]
mod state {
    use alloc::vec::Vec;

    use crate::config::{AgreedCompression, Transport};
    use crate::engine::{Engine, Link};
    use crate::error::{Cause, DisconnectReason, Fault};
    use crate::outbox::Outbox;
    use crate::wire::ws::WsDecoder;
    use crate::wire::ws::deflate::{Agreement, AnswerError, InflateError, Inflater, Offer};

    /// Memory for a message that is kept for the next one.
    const KEEP: usize = 64 << 10;

    /// Close codes of RFC 6455, section 7.4.1.
    const BAD_DATA: u16 = 1007;
    const TOO_LARGE: u16 = 1009;

    #[derive(Debug)]
    pub(in crate::engine) struct Compression {
        /// What the server has answered to the offer, in the handshake under way.
        answer: Option<Result<Agreement, AnswerError>>,
        /// What the WebSocket lives by.
        agreement: Option<Agreement>,
        /// Made for the first compressed message: it takes 43 KB.
        inflater: Option<Inflater>,
        inflated: Vec<u8>,
    }

    impl Compression {
        pub(in crate::engine) const OFF: Self = Self {
            answer: None,
            agreement: None,
            inflater: None,
            inflated: Vec::new(),
        };

        /// A connection begins, or has ended.
        pub(in crate::engine) fn reset(&mut self) {
            *self = Self::OFF;
        }

        /// The connection is idle: what can be made anew is given back.
        pub(in crate::engine) fn tidy(&mut self) {
            self.inflated = Vec::new();
            // Where the server refers to earlier messages, they are needed.
            if self
                .agreement
                .is_some_and(|agreed| agreed.server_no_context_takeover)
            {
                self.inflater = None;
            }
        }

        /// A header line has come; whether it is one about extensions.
        pub(in crate::engine) fn hear(
            &mut self,
            offer: Option<Offer>,
            link: Link,
            name: &str,
            value: &str,
        ) -> bool {
            if !name.eq_ignore_ascii_case("sec-websocket-extensions") {
                return false;
            }
            if link == Link::WebSocket && !value.is_empty() {
                self.answer = match (offer, &self.answer) {
                    (Some(offer), None) => Some(offer.answered(value)),
                    // Not asked, or answered twice.
                    _ => Some(Err(AnswerError::Extension)),
                };
            }
            true
        }
    }

    impl Engine<'_> {
        /// What is offered in the request for a WebSocket. What compressed messages stand for needs memory that can grow.
        pub(in crate::engine) fn offer(&self) -> Option<Offer> {
            let wanted = self.config.compression?;
            self.rx.areas[0].is_growable().then_some(Offer {
                server_no_context_takeover: wanted.server_no_context_takeover,
                client_no_context_takeover: wanted.client_no_context_takeover,
            })
        }

        /// Whether the server's answer about extensions is one to what was offered. From here on that holds.
        pub(in crate::engine) fn agree(&mut self, outbox: &mut Outbox<'_>, _: bool) -> bool {
            let agreement = match self.websocket.compression.answer.take() {
                Some(Err(_)) => return false,
                Some(Ok(agreement)) => Some(agreement),
                None => None,
            };
            self.websocket.compression.agreement = agreement;
            self.websocket.decoder = WsDecoder::with_deflate(agreement.is_some());
            let threshold = self.config.compression.map_or(0, |wanted| wanted.threshold);
            outbox.compress(agreement.map(|agreement| (agreement, threshold)));
            if agreement.is_some_and(|agreement| !agreement.can_deflate()) {
                crate::fmt::say!(
                    warn,
                    "the server wants a smaller window than the compressor has: messages are sent uncompressed"
                );
            }
            true
        }

        /// What has been agreed on with the server.
        pub(crate) fn compression(&self) -> Option<AgreedCompression> {
            let agreement = self.websocket.compression.agreement?;
            // While it is being tried, nothing that counts travels on it.
            (self.transport() == Some(Transport::WebSocket)).then_some(AgreedCompression {
                sending: agreement.can_deflate(),
                client_no_context_takeover: agreement.client_no_context_takeover,
                server_no_context_takeover: agreement.server_no_context_takeover,
            })
        }

        /// Puts what a compressed message stands for in its place; whether it can be gone on with.
        pub(in crate::engine) fn inflate(&mut self, outbox: &mut Outbox<'_>, rx: usize) -> bool {
            let Some(agreement) = self.websocket.compression.agreement else {
                return true;
            };
            if !self.websocket.decoder.is_compressed() {
                return true;
            }
            let area = &mut self.rx.areas[rx];
            let limit = self.config.limits.receive;
            let Compression {
                inflater, inflated, ..
            } = &mut self.websocket.compression;
            let inflater = inflater.get_or_insert_with(|| Inflater::new(agreement));
            inflated.clear();
            let result = inflater.feed(area.message(), inflated, limit);
            match result.and_then(|()| inflater.finish(inflated, limit)) {
                Ok(()) => {
                    area.replace_message(inflated);
                    if inflated.capacity() > KEEP {
                        *inflated = Vec::new();
                    }
                    true
                }
                Err(InflateError::TooLarge) => {
                    self.refuse_too_large(outbox);
                    false
                }
                Err(InflateError::Corrupt) => {
                    let what = "the server's compressed data cannot be read";
                    self.refuse(outbox, BAD_DATA, what);
                    false
                }
            }
        }

        /// A message was skipped because even compressed it is too large. If the next ones may refer to it, nothing can be
        /// read any more, and the connection is given up: whether it was.
        pub(in crate::engine) fn lost_compressed(&mut self, outbox: &mut Outbox<'_>) -> bool {
            let lost = self.websocket.compression.agreement.is_some()
                && self.websocket.decoder.is_compressed();
            if lost {
                self.refuse_too_large(outbox);
            }
            lost
        }

        fn refuse_too_large(&mut self, outbox: &mut Outbox<'_>) {
            self.refuse(
                outbox,
                TOO_LARGE,
                "a compressed message of the server is larger than can be received: raise the limit `receive`, or leave compression off",
            );
        }

        fn refuse(&mut self, outbox: &mut Outbox<'_>, code: u16, what: &'static str) {
            self.websocket.compression.inflated = Vec::new();
            let fault = Fault::of(Cause::Compression(what));
            let reason = DisconnectReason::TransportError;
            if self.is_closing() {
                self.link_failed(Link::WebSocket, reason, fault);
            } else {
                self.close_websocket(outbox, &code.to_be_bytes(), reason, fault);
            }
        }
    }
}

pub(super) use state::Compression;
