//! A small Engine.IO and Socket.IO server for the [`Rig`](crate::Rig): deterministic, one session at a time, and a
//! strict judge of what the client sends.

mod received;

use std::collections::VecDeque;
use std::time::Duration;

use sockeye_core::{Instant, Link};

use crate::http::{Request, accept_key, base64, response, unbase64};
use crate::ws::frame;

/// Something that happens to the client.
#[derive(Clone, Debug)]
pub enum Act {
    /// The link is connected.
    Opened,
    /// Bytes arrive.
    Bytes(Link, Vec<u8>),
    /// The stream ends.
    Close(Link),
}

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether it offers, and accepts, an upgrade.
    pub upgrades: bool,
    /// Milliseconds.
    pub ping_interval: u64,
    /// Milliseconds.
    pub ping_timeout: u64,
    /// Largest POST body.
    pub max_payload: usize,
    /// CONNECT to these namespaces is refused.
    pub refused: Vec<&'static str>,
    /// So many CONNECT packets are left without an answer.
    pub mute_connects: usize,
    /// So many acknowledgements are left out.
    pub mute_acks: usize,
    /// As the official server: a namespace is left a tick (a millisecond) after its DISCONNECT; a CONNECT before that
    /// meets the old socket, and ends the connection.
    pub leaves_later: bool,
    /// Connection state recovery: a client that comes back is the old one, and gets the events that it missed. (What was
    /// emitted by [`Server::emit_kept`].)
    pub recovery: bool,
    /// It speaks MessagePack.
    #[cfg(feature = "msgpack")]
    pub msgpack: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            upgrades: true,
            ping_interval: 25_000,
            ping_timeout: 20_000,
            max_payload: 1_000_000,
            refused: Vec::new(),
            mute_connects: 0,
            mute_acks: 0,
            leaves_later: false,
            recovery: false,
            #[cfg(feature = "msgpack")]
            msgpack: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Message {
    Text(String),
    Binary(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ws {
    None,
    /// The handshake is done, nothing said.
    Fresh,
    /// `2probe` has been answered.
    Probed,
    /// It carries the session.
    Active,
}

#[derive(Debug)]
struct Partial {
    kind: char,
    count: usize,
    nsp: String,
    id: String,
    data: String,
    attachments: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Session {
    sid: String,
    ws: Ws,
    get_waits: bool,
    queue: VecDeque<Message>,
    ping_at: Option<Instant>,
    pong_by: Option<Instant>,
    joined: Vec<String>,
    /// Of those, the ones whose reply to CONNECT has reached the client.
    replied: Vec<String>,
    partial: Option<Partial>,
    /// Namespaces that are being left, and when that is done.
    leaving: Vec<(Instant, String)>,
    /// The namespace that the last packet has left.
    left: Option<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Server {
    /// May be changed at any time.
    pub settings: Settings,
    /// Every event received, in order: namespace, JSON, attachments as `<hex>`.
    pub received: Vec<String>,
    /// What the client did wrong.
    pub violations: Vec<String>,
    /// The payload of every CONNECT.
    pub auths: Vec<String>,
    /// Requests for sessions that had ended.
    pub unknown: u32,
    /// Answers to pings.
    pub pongs: u32,
    session: Option<Session>,
    /// It is known what reaches the client.
    watched: bool,
    sessions: u32,
    sockets: u32,
    /// Events that were emitted to `/` for good: their JSON without the closing bracket; the offset is their number.
    kept: Vec<String>,
}

/// A text packet of Socket.IO (`42["event"]`) with its attachments, packed in MessagePack; `None` for anything else.
#[cfg(feature = "msgpack")]
pub fn pack(packet: &str, attachments: &[Vec<u8>]) -> Option<Vec<u8>> {
    use sockeye_core::packet::{Attachments, Packet, msgpack};
    let packet = Packet::parse(packet.strip_prefix('4')?, u16::MAX).ok()?;
    let mut records = Vec::new();
    for bytes in attachments {
        records.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        records.extend_from_slice(bytes);
    }
    let attachments = Attachments::from_records(&records, attachments.len())?;
    Some(msgpack::encode(&packet, attachments))
}

/// MessagePack as a parser of an application's own: by the public functions alone, and so through the seam for parsers.
#[cfg(feature = "msgpack")]
#[derive(Debug)]
pub struct OwnParser;

/// The one that clients refer to.
#[cfg(feature = "msgpack")]
pub static OWN_PARSER: OwnParser = OwnParser;

#[cfg(feature = "msgpack")]
impl sockeye_core::packet::PacketParser for OwnParser {
    fn is_binary(&self) -> bool {
        true
    }

    fn encode(
        &self,
        packet: &sockeye_core::packet::Packet<'_>,
        attachments: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        use sockeye_core::packet::{Attachments, msgpack};
        let mut records = Vec::new();
        for bytes in attachments {
            records.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            records.extend_from_slice(bytes);
        }
        let attachments = Attachments::from_records(&records, attachments.len());
        let message = msgpack::encode(packet, attachments.ok_or("not its records")?);
        // It is made for packets that have been checked, and leaves out what is no JSON.
        if !packet.data.is_empty() && !message.windows(5).any(|name| name == b"\xa4data") {
            return Err("the arguments are not valid JSON");
        }
        out.extend_from_slice(&message);
        Ok(())
    }

    fn decode(
        &self,
        message: sockeye_core::packet::WireMessage<'_>,
        out: &mut sockeye_core::packet::Decoded,
    ) -> Result<(), sockeye_core::packet::PacketError> {
        use sockeye_core::packet::{Decoded, PacketError, WireMessage, msgpack};
        let WireMessage::Binary(message) = message else {
            return Err(PacketError::NotMessagePack);
        };
        match msgpack::decode(message, usize::MAX, u16::MAX, out)? {
            msgpack::Unpacked::Packet => (),
            _ => *out = Decoded::new(),
        }
        Ok(())
    }
}

impl Server {
    /// A server with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// How many sessions there have been.
    pub const fn sessions(&self) -> u32 {
        self.sessions
    }

    /// Whether a session is open.
    pub const fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Namespaces that are joined now.
    pub fn joined(&self) -> Vec<&str> {
        self.session
            .iter()
            .flat_map(|s| s.joined.iter().map(String::as_str))
            .collect()
    }

    fn wrong(&mut self, what: String) {
        self.violations.push(what);
    }

    // ---- what happens ----

    /// The next time at which something happens by itself.
    pub fn wake(&self) -> Option<Instant> {
        let session = self.session.as_ref()?;
        let leaving = session.leaving.first().map(|(at, _)| *at);
        [session.ping_at, session.pong_by, leaving]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time has passed: pings, and sessions that did not answer them.
    pub fn tick(&mut self, now: Instant) -> Vec<Act> {
        let (interval, timeout) = (self.settings.ping_interval, self.settings.ping_timeout);
        let Some(session) = &mut self.session else {
            return Vec::new();
        };
        session.leaving.retain(|(at, _)| now < *at);
        if session.pong_by.is_some_and(|at| now >= at) {
            return self.drop_session();
        }
        if session.ping_at.is_some_and(|at| now >= at) {
            session.ping_at = None;
            session.pong_by = Some(now + Duration::from_millis(timeout));
            session.queue.push_back(Message::Text("2".into()));
            let _ = interval;
            return self.flush();
        }
        Vec::new()
    }

    /// The client has closed a link.
    pub fn lost(&mut self, link: Link) {
        let Some(session) = &mut self.session else {
            return;
        };
        match link {
            Link::WebSocket if session.ws == Ws::Active => self.session = None,
            Link::WebSocket => session.ws = Ws::None,
            Link::Poll if session.get_waits && session.ws != Ws::Active => self.session = None,
            Link::Poll | Link::Post => (),
        }
    }

    /// Ends the session without a word.
    pub fn drop_session(&mut self) -> Vec<Act> {
        match self.session.take() {
            Some(session) if session.ws == Ws::Active => vec![Act::Close(Link::WebSocket)],
            Some(_) => vec![Act::Close(Link::Poll)],
            None => Vec::new(),
        }
    }

    /// Sends an event to a namespace; `json` is the array.
    pub fn emit(&mut self, nsp: &str, json: &str, attachments: &[&[u8]]) -> Vec<Act> {
        let prefix = if nsp == "/" {
            String::new()
        } else {
            format!("{nsp},")
        };
        let head = if attachments.is_empty() {
            "42".to_owned()
        } else {
            format!("45{}-", attachments.len())
        };
        self.send(
            format!("{head}{prefix}{json}"),
            attachments.iter().map(|a| a.to_vec()).collect(),
        )
    }

    /// Emits an event to `/` that is kept for a client that is away; `json` is the array. Needs `recovery`.
    pub fn emit_kept(&mut self, json: &str) -> Vec<Act> {
        let event = json.strip_suffix(']').unwrap_or(json).to_owned();
        self.kept.push(event);
        if self.joined().contains(&"/") {
            self.send(self.kept_packet(self.kept.len() - 1), Vec::new())
        } else {
            Vec::new()
        }
    }

    fn kept_packet(&self, n: usize) -> String {
        format!("42{},\"{n}\"]", self.kept[n])
    }

    /// The answer to a CONNECT to `/` of a server that recovers sessions, and what was missed.
    fn recover(&mut self, auth: &str) -> Vec<Act> {
        let old = auth.contains("\"pid\":\"P\"");
        let seen = auth.split_once("\"offset\":\"").map(|(_, rest)| rest);
        let seen = seen.and_then(|rest| rest.split('"').next()?.parse::<usize>().ok());
        let mut acts = self.send("40{\"sid\":\"S\",\"pid\":\"P\"}".into(), Vec::new());
        if old {
            for n in seen.map_or(0, |n| n + 1)..self.kept.len() {
                acts.extend(self.send(self.kept_packet(n), Vec::new()));
            }
        }
        acts
    }

    /// Throws the client out of a namespace.
    pub fn kick(&mut self, nsp: &str) -> Vec<Act> {
        let Some(session) = &mut self.session else {
            return Vec::new();
        };
        if !session.joined.iter().any(|name| name == nsp) {
            return Vec::new();
        }
        session.joined.retain(|name| name != nsp);
        session.replied.retain(|name| name != nsp);
        let packet = if nsp == "/" {
            "41".to_owned()
        } else {
            format!("41{nsp},")
        };
        self.send(packet, Vec::new())
    }

    /// These bytes reach the client now.
    pub fn delivered(&mut self, bytes: &[u8]) {
        // Of packed packets nobody looks.
        #[cfg(feature = "msgpack")]
        if self.settings.msgpack {
            return;
        }
        self.watched = true;
        let Some(session) = &mut self.session else {
            return;
        };
        if session.replied.len() == session.joined.len() {
            return;
        }
        let text = String::from_utf8_lossy(bytes);
        for nsp in &session.joined {
            let reply = if nsp == "/" {
                "40{\"sid\"".to_owned()
            } else {
                format!("40{nsp},{{\"sid\"")
            };
            if !session.replied.contains(nsp) && text.contains(&reply) {
                session.replied.push(nsp.clone());
            }
        }
    }

    /// Sends one Engine.IO packet as it is.
    pub fn send_raw(&mut self, packet: &str) -> Vec<Act> {
        self.send(packet.to_owned(), Vec::new())
    }

    fn send(&mut self, packet: String, attachments: Vec<Vec<u8>>) -> Vec<Act> {
        let Some(session) = &mut self.session else {
            return Vec::new();
        };
        #[cfg(feature = "msgpack")]
        if self.settings.msgpack
            && let Some(message) = pack(&packet, &attachments)
        {
            session.queue.push_back(Message::Binary(message));
            return self.flush();
        }
        session.queue.push_back(Message::Text(packet));
        session
            .queue
            .extend(attachments.into_iter().map(Message::Binary));
        self.flush()
    }

    fn flush(&mut self) -> Vec<Act> {
        let Some(session) = &mut self.session else {
            return Vec::new();
        };
        if session.ws == Ws::Active {
            let frames = session.queue.drain(..).map(|message| match message {
                Message::Text(text) => frame(0x81, text.as_bytes()),
                Message::Binary(bytes) => frame(0x82, &bytes),
            });
            return frames
                .map(|bytes| Act::Bytes(Link::WebSocket, bytes))
                .collect();
        }
        if session.get_waits && (!session.queue.is_empty() || session.ws == Ws::Probed) {
            session.get_waits = false;
            let packets: Vec<String> = session
                .queue
                .drain(..)
                .map(|message| match message {
                    Message::Text(text) => text,
                    Message::Binary(bytes) => format!("b{}", base64(&bytes)),
                })
                .collect();
            let body = if packets.is_empty() {
                "6".to_owned()
            } else {
                packets.join("\u{1e}")
            };
            return vec![Act::Bytes(
                Link::Poll,
                response("200 OK", "", body.as_bytes()),
            )];
        }
        Vec::new()
    }

    fn open(&mut self, now: Instant, ws: Ws) -> String {
        self.sessions += 1;
        let sid = format!("E{}", self.sessions);
        let upgrades = if self.settings.upgrades && ws == Ws::None {
            "[\"websocket\"]"
        } else {
            "[]"
        };
        let Settings {
            ping_interval,
            ping_timeout,
            max_payload,
            ..
        } = self.settings;
        self.session = Some(Session {
            sid: sid.clone(),
            ws,
            get_waits: false,
            queue: VecDeque::new(),
            ping_at: Some(now + Duration::from_millis(ping_interval)),
            pong_by: None,
            joined: Vec::new(),
            replied: Vec::new(),
            partial: None,
            leaving: Vec::new(),
            left: None,
        });
        format!(
            "0{{\"sid\":\"{sid}\",\"upgrades\":{upgrades},\"pingInterval\":{ping_interval},\"pingTimeout\":{ping_timeout},\"maxPayload\":{max_payload}}}"
        )
    }

    /// Whether a request belongs to a session that has ended: its connection is none of the present session's links.
    pub fn is_stale(&self, request: &Request) -> bool {
        let current = self.session.as_ref().map(|session| session.sid.as_str());
        let sid = request.query("sid");
        sid.is_some() && sid != current
    }

    /// A request has arrived on a link: what happens, and whether WebSocket frames follow on it.
    pub fn request(&mut self, now: Instant, link: Link, request: &Request) -> (Vec<Act>, bool) {
        if request.query("EIO") != Some("4") {
            self.wrong(format!("no EIO=4 in {}", request.target()));
        }
        let sid = request.query("sid");
        let stale = self.is_stale(request);
        let ours = sid.is_some() && !stale;
        self.unknown += u32::from(stale);
        let refuse = |code: u8, message: &str| {
            let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
            (
                vec![Act::Bytes(
                    link,
                    response("400 Bad Request", "", body.as_bytes()),
                )],
                false,
            )
        };
        match link {
            Link::WebSocket => {
                if sid.is_some() && !(ours && self.settings.upgrades) {
                    return refuse(1, "Session ID unknown");
                }
                let key = request.header("sec-websocket-key").unwrap_or("");
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                    accept_key(key)
                );
                let mut acts = vec![Act::Bytes(link, head.into_bytes())];
                if ours {
                    if let Some(session) = &mut self.session {
                        session.ws = Ws::Fresh;
                    }
                } else {
                    let open = self.open(now, Ws::Active);
                    acts.push(Act::Bytes(link, frame(0x81, open.as_bytes())));
                }
                (acts, true)
            }
            Link::Poll if sid.is_none() => {
                let open = self.open(now, Ws::None);
                (
                    vec![Act::Bytes(link, response("200 OK", "", open.as_bytes()))],
                    false,
                )
            }
            _ if !ours => refuse(1, "Session ID unknown"),
            Link::Poll => {
                let overlap = self
                    .session
                    .as_mut()
                    .is_some_and(|s| std::mem::replace(&mut s.get_waits, true));
                if overlap {
                    self.wrong("a second GET".into());
                }
                (self.flush(), false)
            }
            Link::Post => {
                let mut acts = vec![Act::Bytes(link, response("200 OK", "", b"ok"))];
                acts.extend(self.body(now, request));
                (acts, false)
            }
        }
    }

    fn body(&mut self, now: Instant, request: &Request) -> Vec<Act> {
        let packets: Vec<&str> = request.text().split('\u{1e}').collect();
        if packets.len() > 16 {
            self.wrong(format!("{} packets in one POST", packets.len()));
        }
        if packets.len() > 1 && request.body.len() > self.settings.max_payload {
            self.wrong(format!("a POST of {} bytes", request.body.len()));
        }
        if self.session.as_ref().is_some_and(|s| s.ws == Ws::Active) {
            self.wrong("a POST after the upgrade".into());
        }
        let mut acts = Vec::new();
        for packet in packets {
            match packet.strip_prefix('b') {
                Some(text) => match unbase64(text) {
                    Some(bytes) => acts.extend(self.binary(now, bytes)),
                    None => self.wrong("a binary packet that is not base64".into()),
                },
                None => acts.extend(self.packet(now, packet)),
            }
        }
        acts
    }
}
