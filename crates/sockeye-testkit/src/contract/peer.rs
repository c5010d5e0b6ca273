//! The server's side: raw bytes on TCP, by threads that block.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::scenarios::PATIENCE;
use crate::{Frame, Request, accept_key, frame, response};

/// An Engine.IO handshake without upgrades.
pub(super) const OPEN: &str = "0{\"sid\":\"E\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}";

/// The answer to `40`.
pub(super) const JOINED: &str = "40{\"sid\":\"S\"}";

/// Serves each connection on a thread of its own, numbered from 0, with receive buffers of so many bytes (0: the system's
/// choice). The URL of it.
pub(super) fn listen(
    receive: usize,
    serve: impl Fn(usize, Peer) + Send + Sync + 'static,
) -> String {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    if receive > 0 {
        socket
            .set_recv_buffer_size(receive)
            .expect("a smaller buffer");
    }
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).expect("a free port");
    socket.listen(128).expect("a listener");
    let listener = TcpListener::from(socket);
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for (n, stream) in listener.incoming().flatten().enumerate() {
            let serve = Arc::clone(&serve);
            stream.set_nodelay(true).expect("an open socket");
            // A thread whose test has ended goes too.
            stream
                .set_read_timeout(Some(PATIENCE))
                .expect("an open socket");
            let buffer = Vec::new();
            thread::spawn(move || serve(n, Peer { stream, buffer }));
        }
    });
    url
}

/// The URL of a port that nobody listens on.
pub(super) fn nobody() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    format!("http://{}/", listener.local_addr().expect("an address"))
}

/// The server's end of one connection. What the client sends that nobody can read is the end of it, as its absence is.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    pub(super) buffer: Vec<u8>,
}

impl Peer {
    /// Reads once; whether there was anything.
    pub(super) fn read(&mut self) -> bool {
        let mut chunk = [0; 16 << 10];
        match self.stream.read(&mut chunk) {
            Ok(n) if n > 0 => {
                self.buffer.extend_from_slice(&chunk[..n]);
                true
            }
            _ => false,
        }
    }

    /// The next request.
    pub(super) fn request(&mut self) -> Option<Request> {
        loop {
            if let Some((request, len)) = Request::parse(&self.buffer) {
                self.buffer.drain(..len);
                return Some(request);
            }
            self.read().then_some(())?;
        }
    }

    /// The next frame.
    pub(super) fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, len)) = Frame::parse(&self.buffer) {
                self.buffer.drain(..len);
                return Some(frame);
            }
            self.read().then_some(())?;
        }
    }

    /// The text of the next frame, if it is one of text.
    pub(super) fn text(&mut self) -> Option<String> {
        let frame = self.frame().filter(|frame| frame.first == 0x81)?;
        String::from_utf8(frame.payload).ok()
    }

    /// Writes; whether the client took it.
    pub(super) fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// One text frame.
    pub(super) fn say(&mut self, text: &str) -> bool {
        self.write(&frame(0x81, text.as_bytes()))
    }

    /// One byte at a time.
    pub(super) fn drip(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write(&[*byte]);
            thread::yield_now();
        }
    }

    /// The bytes that answer the WebSocket handshake, and open the session.
    pub(super) fn hello(&mut self) -> Option<Vec<u8>> {
        let mut hello = self.switch()?;
        hello.extend(frame(0x81, OPEN.as_bytes()));
        Some(hello)
    }

    /// The bytes that answer the WebSocket handshake.
    pub(super) fn switch(&mut self) -> Option<Vec<u8>> {
        let request = self.request()?;
        let key = accept_key(request.header("sec-websocket-key")?);
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
        );
        Some(head.into_bytes())
    }

    /// Up to the join of the main namespace.
    pub(super) fn join(&mut self) -> Option<()> {
        let hello = self.hello()?;
        self.write(&hello);
        (self.text()? == "40").then_some(())?;
        self.say(JOINED).then_some(())
    }

    /// Answers the requests of a session up to its first long poll; whether that has come. (The POSTs come on a connection
    /// of their own: there it has not, at the end.)
    pub(super) fn poll(&mut self) -> bool {
        while let Some(request) = self.request() {
            let body = match (request.method(), request.query("sid")) {
                ("GET", None) => OPEN,
                ("GET", _) => return true,
                _ => "ok",
            };
            self.write(&text(body));
        }
        false
    }

    /// Ends with RST, not with FIN.
    pub(super) fn reset(self) {
        SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("an open socket");
    }

    /// Reads to the end.
    pub(super) fn linger(&mut self) {
        while self.read() {
            self.buffer.clear();
        }
    }

    /// Reads for so long at most; whether the client ended the connection.
    pub(super) fn is_left_within(&mut self, limit: Duration) -> bool {
        let end = std::time::Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return false;
            }
            self.stream
                .set_read_timeout(Some(left))
                .expect("an open socket");
            match self.stream.read(&mut [0; 4096]) {
                Ok(0) => return true,
                Ok(_) => (),
                Err(error) => {
                    use std::io::ErrorKind::{TimedOut, WouldBlock};
                    return !matches!(error.kind(), TimedOut | WouldBlock);
                }
            }
        }
    }
}

/// A response with this text.
pub(super) fn text(body: &str) -> Vec<u8> {
    response("200 OK", "Content-Type: text/plain\r\n", body.as_bytes())
}
