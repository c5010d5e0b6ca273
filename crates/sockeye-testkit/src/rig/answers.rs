//! The test's side of the links: bytes, ends, and answers by hand.

use sockeye_core::{Link, NamespaceId};

use super::{Pieces, Rig, word};
use crate::http::{Request, accept_key, response};
use crate::server::Act;
use crate::words;
use crate::ws::frame;

impl Rig<'_> {
    /// Whether the link is open, as the client sees it.
    pub const fn is_open(&self, link: Link) -> bool {
        self.conns[link.index()].open
    }

    /// Whether the link is being connected.
    pub const fn is_opening(&self, link: Link) -> bool {
        self.conns[link.index()].opening
    }

    /// Counts openings and closings of a link.
    pub const fn epoch(&self, link: Link) -> u32 {
        self.conns[link.index()].epoch
    }

    /// The last request on a link that has not been answered yet.
    pub fn request(&self, link: Link) -> Option<&Request> {
        self.conns[link.index()].requests.front()
    }

    /// Bytes from the client that make up no whole request or frame yet.
    pub fn unfinished(&self, link: Link) -> &[u8] {
        &self.conns[link.index()].out
    }

    /// The connection that was held or under way is there.
    pub fn opened(&mut self, link: Link) {
        if self.conns[link.index()].opening {
            self.set_open(link);
            self.drain();
        }
    }

    /// The connection that was held cannot be had.
    pub fn refused(&mut self, link: Link) {
        if std::mem::take(&mut self.conns[link.index()].opening) {
            self.client
                .handle_open_failed(self.now, link, "connection refused");
            self.drain();
        }
    }

    /// Gives bytes to the client, in the pieces asked for; what the link cannot take any more is lost.
    pub fn feed(&mut self, link: Link, mut bytes: &[u8]) {
        self.drain();
        if self.is_paused() {
            self.travel(link, Act::Bytes(link, bytes.to_vec()));
            return;
        }
        let epoch = self.conns[link.index()].epoch;
        while !bytes.is_empty()
            && self.conns[link.index()].open
            && self.conns[link.index()].epoch == epoch
        {
            let piece = match &mut self.pieces {
                Pieces::Whole => usize::MAX,
                Pieces::Of(n) => *n,
                Pieces::Random(seeded) => 1 + seeded.below(40),
            };
            let room = self.client.receive_buf(link);
            assert!(
                !room.is_empty(),
                "`receive_buf` is empty though {link:?} is open and drained"
            );
            let n = bytes.len().min(room.len()).min(piece);
            room[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            self.client.handle_received(self.now, link, n);
            self.drain();
        }
    }

    /// The other side ends the stream.
    pub fn cut(&mut self, link: Link) {
        if self.conns[link.index()].open {
            self.client.handle_closed(self.now, link, None);
            self.drain();
        }
    }

    /// The stream breaks.
    pub fn break_link(&mut self, link: Link, words: &str) {
        if self.conns[link.index()].open {
            self.client.handle_closed(self.now, link, Some(words));
            self.drain();
        }
    }

    /// All streams break, and what was under way is lost.
    pub fn break_all(&mut self) {
        self.travelling.clear();
        for link in Link::ALL {
            self.break_link(link, "connection reset");
        }
    }

    /// The test has taken these bytes from the client by hand.
    pub fn wrote(&mut self, link: Link, bytes: &[u8]) {
        self.conns[link.index()].out.extend_from_slice(bytes);
        self.decode(link);
    }

    /// The link takes bytes again, at most `most` at a time.
    pub fn writable(&mut self, link: Link, most: usize) {
        self.write[link.index()] = most;
        self.client.handle_writable(self.now, link);
        self.drain();
    }

    // ---- answers by hand ----

    fn answered(&mut self, link: Link) -> Request {
        self.conns[link.index()]
            .requests
            .pop_front()
            .expect("a request to answer")
    }

    /// Answers the oldest request on `link` with these bytes.
    ///
    /// # Panics
    /// If there is no request.
    pub fn reply(&mut self, link: Link, bytes: &[u8]) {
        self.answered(link);
        self.line(&format!("{}< {}", word(link), words::printable(bytes)));
        self.feed(link, bytes);
    }

    /// Answers the waiting GET with a payload; `|` stands for the record separator.
    pub fn get_reply(&mut self, payload: &str) {
        self.answered(Link::Poll);
        self.line(&format!("get< {payload}"));
        let body = payload.replace('|', "\u{1e}");
        #[cfg(feature = "msgpack")]
        let body = self.payload_packed(&body);
        self.feed(
            Link::Poll,
            &response(
                "200 OK",
                "Content-Type: text/plain; charset=UTF-8\r\n",
                body.as_bytes(),
            ),
        );
    }

    /// Answers the waiting POST with `ok`.
    pub fn post_reply(&mut self) {
        self.answered(Link::Post);
        self.line("post< ok");
        self.feed(
            Link::Post,
            &response("200 OK", "Content-Type: text/html\r\n", b"ok"),
        );
    }

    /// Accepts the WebSocket handshake.
    ///
    /// # Panics
    /// If there is none.
    pub fn ws_accept(&mut self) {
        self.ws_accept_with("");
    }

    /// The same, with more header lines, each ended by CRLF.
    ///
    /// # Panics
    /// If there is none.
    pub fn ws_accept_with(&mut self, headers: &str) {
        self.compressed = !headers.is_empty();
        let request = self.answered(Link::WebSocket);
        let key = request.header("sec-websocket-key").expect("a key");
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n{headers}\r\n",
            accept_key(key)
        );
        self.conns[Link::WebSocket.index()].frames = true;
        self.line("ws< 101");
        self.feed(Link::WebSocket, answer.as_bytes());
    }

    /// Sends a text frame.
    pub fn ws(&mut self, packet: &str) {
        self.line(&format!("ws< {}", words::printable(packet.as_bytes())));
        #[cfg(feature = "msgpack")]
        if self.send_packed(packet) {
            return;
        }
        self.feed(Link::WebSocket, &frame(0x81, packet.as_bytes()));
    }

    /// Sends a binary frame.
    pub fn ws_binary(&mut self, bytes: &[u8]) {
        self.line(&format!("ws< <{}>", words::hex(bytes)));
        #[cfg(feature = "msgpack")]
        if self.attach_packed(bytes) {
            return;
        }
        self.feed(Link::WebSocket, &frame(0x82, bytes));
    }

    /// Sends the event `b` with one attachment.
    pub fn ws_binary_event(&mut self, bytes: &[u8]) {
        self.ws("451-[\"b\",{\"_placeholder\":true,\"num\":0}]");
        self.ws_binary(bytes);
    }

    /// Sends any frame.
    pub fn ws_frame(&mut self, first: u8, payload: &[u8]) {
        self.line(&format!("ws< {first:02x} {}", words::printable(payload)));
        self.feed(Link::WebSocket, &frame(first, payload));
    }

    // ---- beginnings that many tests share ----

    /// Brings a WebSocket-only client to an open session with the main namespace joined, and forgets the lines.
    pub fn joined_ws(&mut self) -> NamespaceId {
        let nsp = self.connect("/");
        self.opened_ws();
        self.ws("40{\"sid\":\"S1\"}");
        assert!(self.client.is_connected(nsp));
        self.take_log();
        nsp
    }

    /// Answers the WebSocket handshake and the Engine.IO one: ping interval 25 s, timeout 20 s.
    pub fn opened_ws(&mut self) {
        self.ws_accept();
        self.ws("0{\"sid\":\"E1\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}");
    }

    /// Brings a polling client to an open session with the main namespace joined, a GET waiting.
    pub fn joined_polling(&mut self, upgrades: &str) -> NamespaceId {
        let nsp = self.connect("/");
        self.opened_polling(upgrades);
        self.get_reply("40{\"sid\":\"S1\"}");
        self.post_reply();
        assert!(self.client.is_connected(nsp));
        self.take_log();
        nsp
    }

    /// Answers the polling handshake; `upgrades` is `[]` or `["websocket"]`.
    pub fn opened_polling(&mut self, upgrades: &str) {
        self.get_reply(&format!(
            "0{{\"sid\":\"E1\",\"upgrades\":{upgrades},\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}}"
        ));
    }
}
