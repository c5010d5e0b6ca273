//! A server of raw bytes on loopback, for what no sound server does.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use sockeye::{Client, ClientBuilder, Socket, Transport};
use sockeye_testkit::{Frame, Request, accept_key, frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{quick, within};

pub(crate) const OPEN: &str = "0{\"sid\":\"E\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}";

/// Runs `serve` for every connection, numbered from 0, with receive buffers of so many bytes (0: the system's choice).
pub(crate) fn listen<F>(
    receive: u32,
    serve: impl Fn(usize, Peer) -> F + Send + 'static,
) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let socket = TcpSocket::new_v4().unwrap();
    if receive > 0 {
        socket.set_recv_buffer_size(receive).unwrap();
    }
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1024).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for n in 0.. {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            stream.set_nodelay(true).unwrap();
            tokio::spawn(serve(
                n,
                Peer {
                    stream,
                    buffer: Vec::new(),
                },
            ));
        }
    });
    address
}

pub(crate) fn ws(address: SocketAddr) -> ClientBuilder {
    quick(Client::builder(format!("http://{address}")).transports([Transport::WebSocket]))
}

/// The server's end of one connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: Vec<u8>,
}

impl Peer {
    pub(crate) async fn read(&mut self) -> usize {
        self.stream.read_buf(&mut self.buffer).await.unwrap_or(0)
    }

    /// The next request; `None` at the end.
    pub(crate) async fn request(&mut self) -> Option<Request> {
        loop {
            if let Some((request, len)) = Request::parse(&self.buffer) {
                self.buffer.drain(..len);
                return Some(request);
            }
            if self.read().await == 0 {
                return None;
            }
        }
    }

    /// The next frame; `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, len)) = Frame::parse(&self.buffer) {
                self.buffer.drain(..len);
                return Some(frame);
            }
            if self.read().await == 0 {
                return None;
            }
        }
    }

    /// The next text frame; `None` at the end, and when the client says goodbye.
    pub(crate) async fn text(&mut self) -> Option<String> {
        let frame = self.frame().await.filter(|frame| frame.first == 0x81)?;
        Some(String::from_utf8(frame.payload).unwrap())
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.write(&frame(0x81, text.as_bytes())).await;
    }

    /// The bytes of a WebSocket handshake and of the Engine.IO one.
    pub(crate) async fn hello(&mut self) -> Option<Vec<u8>> {
        let request = self.request().await?;
        let key = accept_key(request.header("sec-websocket-key").unwrap());
        let mut hello = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
        )
        .into_bytes();
        hello.extend(frame(0x81, OPEN.as_bytes()));
        Some(hello)
    }

    /// Up to the join of the main namespace.
    pub(crate) async fn join(&mut self) -> Option<()> {
        let hello = self.hello().await?;
        self.write(&hello).await;
        assert_eq!(self.text().await?, "40");
        self.say("40{\"sid\":\"S\"}").await;
        Some(())
    }

    /// Ends with a reset rather than a FIN.
    pub(crate) fn reset(self) {
        #[allow(deprecated)] // Zero: it does not wait.
        self.stream.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Reads to the end.
    pub(crate) async fn linger(&mut self) {
        while self.read().await > 0 {
            self.buffer.clear();
        }
    }
}

pub(crate) async fn connected(builder: ClientBuilder) -> Socket {
    within("connect", builder.connect()).await.unwrap()
}
