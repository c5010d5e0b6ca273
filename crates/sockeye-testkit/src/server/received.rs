//! What the server makes of what it receives: frames, Engine.IO packets, Socket.IO packets and their attachments.

use std::time::Duration;

use sockeye_core::{Instant, Link};

use super::{Act, Partial, Server, Ws};
use crate::http::response;
use crate::ws::{Frame, frame};

impl Server {
    /// A frame has arrived on the WebSocket.
    pub fn frame(&mut self, now: Instant, received: &Frame) -> Vec<Act> {
        let ws = self.session.as_ref().map_or(Ws::None, |s| s.ws);
        let text = String::from_utf8(received.payload.clone());
        match (received.first, ws, text) {
            (0x88, ..) => {
                if ws == Ws::Active {
                    self.session = None;
                }
                vec![
                    Act::Bytes(Link::WebSocket, frame(0x88, &received.payload)),
                    Act::Close(Link::WebSocket),
                ]
            }
            (0x89, ..) => vec![Act::Bytes(Link::WebSocket, frame(0x8a, &received.payload))],
            (0x8a, ..) => Vec::new(),
            (0x81, Ws::Active, Ok(text)) => self.packet(now, &text),
            (0x82, Ws::Active, _) => self.binary(now, received.payload.clone()),
            (0x81, Ws::Fresh, Ok(text)) if text == "2probe" => {
                if let Some(session) = &mut self.session {
                    session.ws = Ws::Probed;
                }
                let mut acts = vec![Act::Bytes(Link::WebSocket, frame(0x81, b"3probe"))];
                acts.extend(self.flush());
                acts
            }
            (0x81, Ws::Probed, Ok(text)) if text == "5" => {
                let waits = self.session.as_mut().is_some_and(|session| {
                    session.ws = Ws::Active;
                    session.get_waits
                });
                if waits {
                    self.wrong("upgraded although a GET was waiting".into());
                }
                self.flush()
            }
            // The session may have ended while the frame was under way.
            (_, Ws::None, _) => Vec::new(),
            (first, ws, _) => {
                self.wrong(format!("frame {first:02x} while {ws:?}"));
                Vec::new()
            }
        }
    }

    // ---- packets ----

    pub(super) fn packet(&mut self, now: Instant, packet: &str) -> Vec<Act> {
        let Some(session) = &mut self.session else {
            return Vec::new();
        };
        match packet.split_at_checked(1) {
            Some(("1", "")) => {
                let waits = session.get_waits;
                self.session = None;
                if waits {
                    vec![Act::Bytes(Link::Poll, response("200 OK", "", b"6"))]
                } else {
                    Vec::new()
                }
            }
            Some(("3", _)) => {
                self.pongs += 1;
                session.pong_by = None;
                session.ping_at = Some(now + Duration::from_millis(self.settings.ping_interval));
                Vec::new()
            }
            Some(("4", text)) => {
                let acts = self.socket_packet(text);
                self.has_left(now);
                acts
            }
            _ => {
                self.wrong(format!("packet {packet:?}"));
                Vec::new()
            }
        }
    }

    /// What a packet leads to that leaves a namespace.
    fn has_left(&mut self, now: Instant) {
        let leaves_later = self.settings.leaves_later;
        if let Some(session) = &mut self.session {
            let left = session.left.take().filter(|_| leaves_later);
            let at = now + Duration::from_millis(1);
            session.leaving.extend(left.map(|nsp| (at, nsp)));
        }
    }

    fn socket_packet(&mut self, text: &str) -> Vec<Act> {
        let kind = text.chars().next().unwrap_or(' ');
        let mut rest = text.get(1..).unwrap_or("");
        let mut count = 0;
        if matches!(kind, '5' | '6') {
            let (n, tail) = rest.split_once('-').unwrap_or(("", rest));
            count = n.parse().unwrap_or(0);
            rest = tail;
        }
        let mut nsp = "/";
        if rest.starts_with('/') {
            (nsp, rest) = rest.split_once(',').unwrap_or((rest, ""));
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (id, data) = rest.split_at(digits);
        if self.session.as_ref().is_some_and(|s| s.partial.is_some()) {
            self.wrong(format!("text {text:?} while attachments are missing"));
        }
        let packet = Partial {
            kind,
            count,
            nsp: nsp.into(),
            id: id.into(),
            data: data.into(),
            attachments: Vec::new(),
        };
        if count > 0 {
            if let Some(session) = &mut self.session {
                session.partial = Some(packet);
            }
            return Vec::new();
        }
        self.whole(packet)
    }

    pub(super) fn binary(&mut self, now: Instant, bytes: Vec<u8>) -> Vec<Act> {
        #[cfg(feature = "msgpack")]
        if self.settings.msgpack {
            return self.packed(now, &bytes);
        }
        let _ = now;
        self.attachment(bytes)
    }

    #[cfg(feature = "msgpack")]
    fn packed(&mut self, now: Instant, bytes: &[u8]) -> Vec<Act> {
        use sockeye_core::packet::msgpack::{Decoded, Unpacked, decode};
        let mut decoded = Decoded::new();
        match decode(bytes, usize::MAX, u16::MAX, &mut decoded) {
            Ok(Unpacked::Packet) => (),
            other => {
                self.wrong(format!("a packed packet: {other:?}"));
                return Vec::new();
            }
        }
        let mut acts = self.socket_packet(decoded.text());
        for bytes in decoded.attachments().iter() {
            acts.extend(self.attachment(bytes.to_vec()));
        }
        self.has_left(now);
        acts
    }

    fn attachment(&mut self, bytes: Vec<u8>) -> Vec<Act> {
        let partial = self.session.as_mut().and_then(|s| s.partial.take());
        let Some(mut partial) = partial else {
            self.wrong("binary without a header".into());
            return Vec::new();
        };
        partial.attachments.push(bytes);
        if partial.attachments.len() < partial.count {
            if let Some(session) = &mut self.session {
                session.partial = Some(partial);
            }
            return Vec::new();
        }
        self.whole(partial)
    }

    fn whole(&mut self, packet: Partial) -> Vec<Act> {
        let Partial {
            kind,
            nsp,
            id,
            data,
            attachments,
            ..
        } = packet;
        let prefix = if nsp == "/" {
            String::new()
        } else {
            format!("{nsp},")
        };
        let Some(session) = &mut self.session else {
            return Vec::new();
        };
        let joined = session.joined.contains(&nsp);
        let early = self.watched && joined && kind != '0' && !session.replied.contains(&nsp);
        if early {
            self.violations.push(format!(
                "packet {kind} for {nsp} before the reply to its CONNECT"
            ));
        }
        match kind {
            '0' => {
                self.auths.push(data);
                if joined {
                    self.wrong(format!("a second CONNECT to {nsp}"));
                    return Vec::new();
                }
                if session.leaving.iter().any(|(_, name)| *name == nsp) {
                    self.wrong(format!("CONNECT to {nsp} in one tick with its DISCONNECT"));
                    return self.drop_session();
                }
                if self.settings.mute_connects > 0 {
                    self.settings.mute_connects -= 1;
                    return Vec::new();
                }
                if self.settings.refused.contains(&nsp.as_str()) {
                    return self.send(
                        format!("44{prefix}{{\"message\":\"refused\",\"data\":{{\"code\":7}}}}"),
                        Vec::new(),
                    );
                }
                let recovers = self.settings.recovery && nsp == "/";
                session.joined.push(nsp);
                self.sockets += 1;
                if recovers {
                    let auth = self.auths.last().cloned().unwrap_or_default();
                    return self.recover(&auth);
                }
                self.send(
                    format!("40{prefix}{{\"sid\":\"S{}\"}}", self.sockets),
                    Vec::new(),
                )
            }
            _ if !joined => {
                self.wrong(format!("packet {kind} for {nsp}, which is not joined"));
                Vec::new()
            }
            '1' => {
                session.joined.retain(|name| *name != nsp);
                session.replied.retain(|name| *name != nsp);
                session.left = Some(nsp);
                Vec::new()
            }
            '2' | '5' => {
                let mut line = format!("{nsp} {data}");
                for bytes in &attachments {
                    line.push_str(&format!(" <{}>", crate::words::hex(bytes)));
                }
                self.received.push(line);
                let mut acts = Vec::new();
                if data.starts_with("[\"echo\"") {
                    let head = if attachments.is_empty() {
                        "42".into()
                    } else {
                        format!("45{}-", attachments.len())
                    };
                    acts.extend(self.send(format!("{head}{prefix}{data}"), attachments.clone()));
                }
                if !id.is_empty() {
                    if self.settings.mute_acks > 0 {
                        self.settings.mute_acks -= 1;
                    } else {
                        let head = if attachments.is_empty() {
                            "43".into()
                        } else {
                            format!("46{}-", attachments.len())
                        };
                        acts.extend(self.send(format!("{head}{prefix}{id}{data}"), attachments));
                    }
                }
                acts
            }
            '3' | '6' => {
                self.received.push(format!("{nsp} ack {id} {data}"));
                Vec::new()
            }
            _ => {
                self.wrong(format!("packet of type {kind}"));
                Vec::new()
            }
        }
    }
}
