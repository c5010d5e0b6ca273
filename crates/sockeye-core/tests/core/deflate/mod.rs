//! Compressed WebSocket messages (RFC 7692), with another implementation of DEFLATE as the server: whatever it says is read,
//! whatever it is sent it understands.

mod incoming;
mod negotiation;
mod outgoing;

use flate2::{Compress, Compression as Level, Decompress, FlushCompress, FlushDecompress};
use sockeye_core::{
    Client, Compression, Config, EmitOptions, Event, Instant, Link, Memory, NamespaceId,
    NspOptions, Output, Transports,
};
use sockeye_testkit::{Frame, Request, accept_key, config, frame};

/// Bits of a frame's first byte.
const FIN: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const TEXT: u8 = 1;
const BINARY: u8 = 2;

const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

fn compressing() -> Config<'static> {
    let mut config = config(Transports::WEBSOCKET);
    config.compression = Some(Compression::DEFAULT);
    config.reconnection.jitter_permille = 0;
    config
}

/// A message as the server got it: the first byte of its first frame, and what it says. How many frames it had.
type Heard = (u8, Vec<u8>, usize);

/// A client on a WebSocket, and the server on the other side.
struct Session {
    client: Client<'static>,
    now: Instant,
    log: Vec<String>,
    /// What the server has read and not understood yet.
    unread: Vec<u8>,
    /// The message whose frames are arriving, as it travels.
    partial: Option<Heard>,
    heard: Vec<Heard>,
    pongs: usize,
    inflate: Decompress,
    deflate: Compress,
    /// The client begins each message anew, the server does.
    anew: (bool, bool),
    /// Bytes that one write of the client takes; 0: the link is blocked.
    write: usize,
    request: String,
}

impl Session {
    fn new(config: Config<'static>) -> Self {
        let memory = Memory::growable(&config.limits);
        Self {
            client: Client::new(config, memory),
            now: Instant::ZERO,
            log: Vec::new(),
            unread: Vec::new(),
            partial: None,
            heard: Vec::new(),
            pongs: 0,
            inflate: Decompress::new(false),
            deflate: Compress::new(Level::default(), false),
            anew: (false, false),
            write: usize::MAX,
            request: String::new(),
        }
    }

    /// Joined to the main namespace, after the server has given this answer about extensions.
    fn joined(config: Config<'static>, extensions: &str) -> (Self, NamespaceId) {
        let mut session = Self::new(config);
        let nsp = session
            .client
            .namespace("/", NspOptions::default())
            .unwrap();
        session.client.connect(session.now, nsp);
        session.shake_hands(extensions);
        session.say(TEXT, b"40{\"sid\":\"S1\"}");
        assert!(session.client.is_connected(nsp), "{:?}", session.log);
        assert_eq!(session.heard().remove(0).1, b"40");
        session.log.clear();
        (session, nsp)
    }

    fn agreed() -> (Self, NamespaceId) {
        Self::joined(compressing(), "permessage-deflate")
    }

    fn shake_hands(&mut self, extensions: &str) {
        self.drain();
        let bytes = std::mem::take(&mut self.unread);
        let (request, _) = Request::parse(&bytes).expect("a request");
        let header = request.header("sec-websocket-extensions");
        self.request = header.unwrap_or_default().to_owned();
        let accept = accept_key(request.header("sec-websocket-key").unwrap());
        let extensions = match extensions {
            "" => String::new(),
            value => format!("Sec-WebSocket-Extensions: {value}\r\n"),
        };
        let answer = format!(
            "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{extensions}Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.anew = (
            extensions.contains("client_no"),
            extensions.contains("server_no"),
        );
        self.inflate.reset(false);
        self.deflate.reset();
        self.feed(answer.as_bytes());
        self.say(
            TEXT,
            b"0{\"sid\":\"E1\",\"pingInterval\":25000,\"pingTimeout\":20000}",
        );
    }

    fn drain(&mut self) {
        loop {
            match self.client.poll_output() {
                Output::Open(link) => {
                    self.log.push("open".into());
                    self.client.handle_opened(self.now, link);
                }
                Output::Transmit(link) => {
                    let bytes = self.client.transmit(link);
                    assert!(!bytes.is_empty());
                    let n = bytes.len().min(self.write);
                    self.unread.extend_from_slice(&bytes[..n]);
                    self.client.transmitted(link, n);
                }
                Output::Close(_) => self.log.push("close".into()),
                Output::Event(event) => {
                    if let Some(line) = line(&event) {
                        self.log.push(line);
                    }
                }
                Output::Idle(_) => return,
            }
        }
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.client.receive_buf(Link::WebSocket);
            if room.is_empty() {
                return;
            }
            let n = bytes.len().min(room.len());
            room[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            self.client.handle_received(self.now, Link::WebSocket, n);
            self.drain();
        }
    }

    /// Says something as it is.
    fn say(&mut self, opcode: u8, payload: &[u8]) {
        self.feed(&frame(FIN | opcode, payload));
    }

    /// What a message becomes on its way to the client.
    fn compressed(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.len() + 1024);
        let start = self.deflate.total_in();
        loop {
            let done = (self.deflate.total_in() - start) as usize;
            let room = out.capacity() - out.len();
            self.deflate
                .compress_vec(&message[done..], &mut out, FlushCompress::Sync)
                .unwrap();
            if out.len() < out.capacity() || room == 0 {
                break;
            }
            out.reserve(1024);
        }
        assert!(
            out.ends_with(&TAIL),
            "{:?}",
            &out[out.len().saturating_sub(8)..]
        );
        out.truncate(out.len() - TAIL.len());
        if self.anew.1 {
            self.deflate.reset();
        }
        out
    }

    /// Says something compressed.
    fn say_compressed(&mut self, opcode: u8, message: &[u8]) {
        let payload = self.compressed(message);
        self.feed(&frame(FIN | COMPRESSED | opcode, &payload));
    }

    /// What the server has heard since it was asked last.
    fn heard(&mut self) -> Vec<Heard> {
        self.drain();
        while let Some((frame, len)) = Frame::parse(&self.unread) {
            self.unread.drain(..len);
            assert!(frame.mask.is_some());
            match frame.first & 0x0f {
                8 => self.log.push(format!("close frame {:?}", frame.payload)),
                10 => {
                    assert_eq!(frame.first, 0x8a);
                    self.pongs += 1;
                }
                0 => {
                    assert_eq!(frame.first & 0x70, 0, "a continuation has no reserved bits");
                    let (_, payload, frames) = self.partial.as_mut().expect("a message has begun");
                    payload.extend(frame.payload);
                    *frames += 1;
                }
                _ => {
                    assert!(
                        self.partial.is_none(),
                        "something between the frames of a message"
                    );
                    self.partial = Some((frame.first, frame.payload, 1));
                }
            }
            if frame.first & FIN != 0
                && frame.first & 0x0f < 8
                && let Some((first, payload, frames)) = self.partial.take()
            {
                let message = match first & COMPRESSED {
                    0 => payload,
                    _ => self.inflated(&payload),
                };
                self.heard.push((first, message, frames));
            }
        }
        std::mem::take(&mut self.heard)
    }

    fn inflated(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut input = payload.to_vec();
        input.extend(TAIL);
        let mut out = Vec::new();
        let start = self.inflate.total_in();
        loop {
            out.reserve(64 << 10);
            let done = (self.inflate.total_in() - start) as usize;
            let before = out.len();
            self.inflate
                .decompress_vec(&input[done..], &mut out, FlushDecompress::Sync)
                .expect("what the client sends is DEFLATE");
            let done = (self.inflate.total_in() - start) as usize;
            if done == input.len() && out.len() < out.capacity() || out.len() == before {
                break;
            }
        }
        if self.anew.0 {
            self.inflate.reset(false);
        }
        out
    }

    fn emit(&mut self, nsp: NamespaceId, event: &str, text: &str) {
        self.client
            .emit(self.now, nsp, event, &(text,), EmitOptions::PLAIN)
            .unwrap();
    }

    fn lose(&mut self) {
        self.client
            .handle_closed(self.now, Link::WebSocket, Some("cut"));
        self.drain();
        self.unread.clear();
        self.partial = None;
    }

    fn pass(&mut self, ms: u64) {
        self.now = Instant::from_millis(self.now.as_millis() + ms);
        self.client.handle_timeout(self.now);
        self.drain();
    }

    /// A message of the server, as the log has it.
    fn hears(&mut self, text: &str) {
        let told = std::mem::take(&mut self.log);
        assert_eq!(told, [format!("x [{text:?}]")]);
    }
}

fn line(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Message(message) => {
            let attachments: Vec<_> = message.attachments().iter().map(<[u8]>::to_vec).collect();
            let more = match attachments.as_slice() {
                [] => String::new(),
                all => format!(" {all:?}"),
            };
            let args: Vec<_> = message.args.iter_raw().collect();
            Some(format!("{} [{}]{more}", message.name, args.join(",")))
        }
        Event::Closed { details, .. } => Some(format!("closed: {details}")),
        Event::MessageTooLarge { bytes, limit } => Some(format!("too large: {bytes} of {limit}")),
        Event::Disconnected { reason, .. } => Some(format!("disconnected: {reason}")),
        _ => None,
    }
}

fn long(n: usize) -> String {
    // Neither random nor a single repetition.
    (0..n)
        .map(|i| char::from(b'a' + (i * i / 7 % 26) as u8))
        .collect()
}
