//! What the client asks for: its outputs are done, written down, and brought before the scripted server.

use std::fmt::Write as _;

use sockeye_core::{
    AckRequest, DetachedOutput, EmitOptions, Event, Instant, Link, NamespaceId, NspOptions, Output,
};

use super::{Conn, Opening, Rig, word};
use crate::http::Request;
use crate::server::Act;
use crate::words;
use crate::ws::Frame;

/// What the client wants done.
enum Doing {
    Idle(Option<Instant>),
    Open(Link),
    Close(Link),
    Transmit(Link),
}

/// What an event leaves behind.
struct Told {
    line: String,
    ack: Option<AckRequest>,
    auth: Option<NamespaceId>,
    connected: Option<NamespaceId>,
}

impl Rig<'_> {
    /// Does what the client asks for until it is idle.
    ///
    /// # Panics
    /// If it does not become idle in a bounded number of outputs.
    pub fn drain(&mut self) {
        let mut outputs = 0;
        loop {
            outputs += 1;
            let queued = self.client.send_queue_len();
            assert!(
                outputs < 100_000 + 4 * queued,
                "the client does not become idle"
            );
            let doing = match self.poll() {
                Some(doing) => doing,
                None => continue,
            };
            match doing {
                Doing::Idle(wake) => {
                    self.wake = wake;
                    break;
                }
                Doing::Open(link) => {
                    self.line(&format!("open {}", word(link)));
                    let conn = &mut self.conns[link.index()];
                    let epoch = conn.epoch + 1;
                    *conn = Conn {
                        opening: true,
                        epoch,
                        ..Conn::default()
                    };
                    match self.opening {
                        Opening::Accept if self.latency.is_zero() => self.set_open(link),
                        Opening::Accept => self.travel(link, Act::Opened),
                        Opening::Refuse => {
                            conn.opening = false;
                            self.client
                                .handle_open_failed(self.now, link, "connection refused");
                        }
                        Opening::Hold => (),
                    }
                }
                Doing::Close(link) => {
                    self.line(&format!("close {}", word(link)));
                    let conn = &mut self.conns[link.index()];
                    let epoch = conn.epoch + 1;
                    *conn = Conn {
                        epoch,
                        ..Conn::default()
                    };
                    if let Some(server) = &mut self.server {
                        server.lost(link);
                    }
                }
                Doing::Transmit(link) => {
                    let bytes = self.client.transmit(link);
                    assert!(!bytes.is_empty(), "`Transmit` without bytes");
                    let n = bytes.len().min(self.write[link.index()]);
                    let conn = &mut self.conns[link.index()];
                    assert!(conn.open, "`Transmit` on a link that is not open");
                    conn.out.extend_from_slice(&bytes[..n]);
                    if self.keep_raw {
                        self.raw[link.index()].extend_from_slice(&bytes[..n]);
                    }
                    self.client.transmitted(link, n);
                    self.decode(link);
                }
            }
        }
        self.longest_drain = self.longest_drain.max(outputs);
        if self.latency.is_zero() && self.depth == 0 && self.server.is_some() {
            self.depth += 1;
            self.arrivals();
            self.depth -= 1;
        }
    }

    /// One output. Events are written down here.
    fn poll(&mut self) -> Option<Doing> {
        let names = &self.names;
        let name = |nsp| {
            names
                .iter()
                .find(|(n, _)| *n == nsp)
                .map_or("?", |(_, name)| name.as_str())
        };
        let told = |event: &Event<'_>| Told {
            line: words::event(event, name),
            ack: if let Event::Message(message) = event {
                message.ack
            } else {
                None
            },
            auth: if let Event::Auth(nsp) = event {
                Some(*nsp)
            } else {
                None
            },
            connected: if let Event::Connected { nsp, .. } = event {
                Some(*nsp)
            } else {
                None
            },
        };
        if self.thorough {
            // A command that does nothing: a name with a comma cannot be sent.
            let refused = self.client.namespace(",", NspOptions::default());
            debug_assert!(refused.is_err());
        }
        #[cfg(feature = "alloc")]
        let plain = if self.detached || self.thorough {
            None
        } else if let Some(event) = self.client.poll_plain() {
            Some(told(&Event::Message(event.message())))
        } else {
            self.client.poll_plain_answer().map(|answer| {
                let (id, result) = (answer.id, Ok(answer.args()));
                told(&Event::Ack { id, result })
            })
        };
        #[cfg(not(feature = "alloc"))]
        let plain = None;
        let told = if let Some(plain) = plain {
            plain
        } else if self.detached {
            match self.client.poll_detached() {
                DetachedOutput::Idle(wake) => return Some(Doing::Idle(wake)),
                DetachedOutput::Open(link) => return Some(Doing::Open(link)),
                DetachedOutput::Close(link) => return Some(Doing::Close(link)),
                DetachedOutput::Transmit(link) => return Some(Doing::Transmit(link)),
                DetachedOutput::Event(mut event) => {
                    let text = event.has_text().then(|| self.client.event_text(&event));
                    let told = told(&event.event(text.as_ref()));
                    self.meddle(told.ack);
                    self.client.attach(&mut event);
                    told
                }
            }
        } else {
            match self.client.poll_output() {
                Output::Idle(wake) => return Some(Doing::Idle(wake)),
                Output::Open(link) => return Some(Doing::Open(link)),
                Output::Close(link) => return Some(Doing::Close(link)),
                Output::Transmit(link) => return Some(Doing::Transmit(link)),
                Output::Event(event) => told(&event),
            }
        };
        if !self.detached {
            self.meddle(told.ack);
        }
        let Told {
            mut line,
            ack,
            auth,
            connected,
        } = told;
        self.wanted.extend(ack);
        if let Some(nsp) = connected {
            let _ = write!(line, " id={}", self.client.id(nsp).unwrap_or("none"));
        }
        self.line(&line);
        if let (Some(nsp), Some(payload)) = (auth, self.auth.clone()) {
            let _ = self.client.provide_auth(self.now, nsp, &payload);
        }
        None
    }

    /// A command in the middle of an event.
    fn meddle(&mut self, ack: Option<AckRequest>) {
        let Some(seeded) = &mut self.meddle else {
            return;
        };
        let Some((nsp, _)) = self.names.get(seeded.below(self.names.len())) else {
            return;
        };
        let (client, now, nsp) = (&mut self.client, self.now, *nsp);
        match seeded.below(24) {
            0 => client.disconnect(now, nsp),
            1 => client.connect(now, nsp),
            2 => client.reconnect(now),
            3 => client.disconnect_all(now),
            4 => client.clear_send_buffer(nsp),
            5 => {
                let _ = client.provide_auth(now, nsp, "{\"m\":1}");
            }
            6..=12 => {
                if let Ok(Some(id)) = client.emit(now, nsp, "echo", &("meddled",), EmitOptions::ACK)
                {
                    self.meddled.push(id);
                }
            }
            13..=15 => {
                if let Some(request) = ack {
                    let _ = client.ack(now, request, &(1,));
                }
            }
            _ => (),
        }
    }

    /// The server speaks what the client speaks.
    pub(super) fn agree(&mut self) {
        #[cfg(feature = "msgpack")]
        {
            let packs = self.packs();
            if let Some(server) = &mut self.server {
                server.settings.msgpack = packs;
            }
        }
    }

    pub(super) fn set_open(&mut self, link: Link) {
        let conn = &mut self.conns[link.index()];
        conn.open = true;
        conn.opening = false;
        self.client.handle_opened(self.now, link);
    }

    /// What the client has written so far, as requests and frames.
    pub(super) fn decode(&mut self, link: Link) {
        self.agree();
        let i = link.index();
        loop {
            let conn = &mut self.conns[i];
            if conn.frames {
                let Some((frame, len)) = Frame::parse(&conn.out) else {
                    return;
                };
                conn.out.drain(..len);
                self.masks
                    .push(frame.mask.expect("clients mask their frames"));
                let line = match frame.first {
                    0x81 => format!("ws> {}", words::printable(&frame.payload)),
                    #[cfg(feature = "msgpack")]
                    0x82 if self.packs() => self.frame_lines(&frame.payload),
                    0x82 => format!("ws> <{}>", words::hex(&frame.payload)),
                    0x88 => format!("ws> close {}", words::hex(&frame.payload)),
                    0x89 => "ws> ping".to_owned(),
                    0x8a => format!("ws> pong {}", words::printable(&frame.payload)),
                    // Fragments: of binary messages in Engine.IO 3.
                    first @ (0x02 | 0x80) => {
                        format!("ws> {first:02x} {}", words::hex(&frame.payload))
                    }
                    first if self.compressed => {
                        format!("ws> {first:02x} {}", words::hex(&frame.payload))
                    }
                    first => panic!("a frame that begins with {first:02x}"),
                };
                self.line(&line);
                if let Some(mut server) = self.server.take() {
                    let acts = server.frame(self.now, &frame);
                    self.server = Some(server);
                    self.perform(acts);
                }
            } else {
                let Some((request, len)) = Request::parse(&conn.out) else {
                    return;
                };
                conn.out.drain(..len);
                conn.requests.push_back(request.clone());
                assert!(
                    conn.requests.len() == 1 || !self.strict || self.server.is_some(),
                    "a second request before the answer"
                );
                #[cfg(feature = "msgpack")]
                let body = self.body_unpacked(&request.body);
                #[cfg(not(feature = "msgpack"))]
                let body = request.body.clone();
                let line = match link {
                    Link::Post => format!("post> {}", words::printable(&body)),
                    Link::Poll if request.query("sid").is_none() => "get> handshake".to_owned(),
                    Link::Poll => "get>".to_owned(),
                    Link::WebSocket if request.query("sid").is_none() => "ws> handshake".to_owned(),
                    Link::WebSocket => "ws> upgrade".to_owned(),
                };
                self.line(&line);
                if let Some(mut server) = self.server.take() {
                    let (acts, frames) = server.request(self.now, link, &request);
                    self.conns[i].frames = frames;
                    self.server = Some(server);
                    self.perform(acts);
                }
            }
        }
    }
}
