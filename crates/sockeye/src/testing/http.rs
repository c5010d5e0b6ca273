//! One connection to the server: long-polling requests, or a WebSocket.

use std::sync::{Arc, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::session::{EnginePacket, Session};
use super::{Inner, lock};

/// What a WebSocket carries.
type Frame = tokio_tungstenite::tungstenite::Message;

/// One request.
struct Request {
    method: String,
    target: String,
    /// Of the WebSocket handshake.
    key: Option<String>,
    length: usize,
    /// Bytes of the head.
    head: usize,
}

impl Request {
    /// The first request in `bytes`, once its head is complete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, httparse::Error> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(head) = request.parse(bytes)? else {
            return Ok(None);
        };
        let header = |name: &str| {
            let mut all = request.headers.iter();
            let found = all.find(|header| header.name.eq_ignore_ascii_case(name))?;
            Some(String::from_utf8_lossy(found.value).into_owned())
        };
        Ok(Some(Self {
            method: request.method.unwrap_or("").to_owned(),
            target: request.path.unwrap_or("").to_owned(),
            key: header("sec-websocket-key"),
            length: header("content-length").map_or(0, |length| length.parse().unwrap_or(0)),
            head,
        }))
    }

    fn query(&self, key: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.into_owned())
    }
}

async fn respond(stream: &mut DuplexStream, status: &str, body: &str) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).await.ok()
}

/// Serves one connection to its end.
pub(super) async fn serve(server: Weak<Inner>, stream: DuplexStream) {
    let _ = connection(server, stream).await;
}

async fn connection(server: Weak<Inner>, mut stream: DuplexStream) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let request = loop {
            match Request::parse(&bytes) {
                Ok(Some(request)) if bytes.len() >= request.head + request.length => break request,
                Ok(_) => (),
                Err(_) => return respond(&mut stream, "400 Bad Request", "").await,
            }
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let rest = bytes.split_off(request.head + request.length);
        let body = bytes.split_off(request.head);
        bytes = rest;
        let sid = request.query("sid");
        let session = match &sid {
            None => Some(Session::begin(&server.upgrade()?)),
            Some(sid) => lock(&server.upgrade()?.state).sessions.get(sid).cloned(),
        };
        let Some(session) = session else {
            let unknown = "{\"code\":1,\"message\":\"Session ID unknown\"}";
            respond(&mut stream, "400 Bad Request", unknown).await?;
            continue;
        };
        let websocket = request.query("transport").as_deref() == Some("websocket");
        match (request.method.as_str(), request.key) {
            (_, Some(key)) if websocket && sid.is_none() => {
                let accept = derive_accept_key(key.as_bytes());
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {accept}\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).await.ok()?;
                let role = Role::Server;
                let stream = WebSocketStream::from_partially_read(stream, bytes, role, None).await;
                return socket(&session, stream).await;
            }
            ("GET", None) if !websocket => {
                let body = tokio::select! {
                    messages = session.take() => payload(&messages?),
                    // The client is gone, or asks twice at a time.
                    _ = stream.read_buf(&mut bytes) => {
                        session.end();
                        return None;
                    }
                };
                respond(&mut stream, "200 OK", &body).await?;
            }
            ("POST", None) if !websocket => {
                let body = String::from_utf8(body).ok()?;
                for packet in body.split('\u{1e}') {
                    let message = match packet.strip_prefix('b') {
                        Some(base64) => EnginePacket::Binary(BASE64.decode(base64).ok()?),
                        None => EnginePacket::Text(packet.to_owned()),
                    };
                    session.receive(message);
                }
                respond(&mut stream, "200 OK", "ok").await?;
            }
            _ => respond(&mut stream, "400 Bad Request", "").await?,
        }
    }
}

/// Packets as the body of an answer to a GET.
fn payload(messages: &[EnginePacket]) -> String {
    let packets: Vec<_> = messages
        .iter()
        .map(|message| match message {
            EnginePacket::Text(text) => text.clone(),
            EnginePacket::Binary(bytes) => format!("b{}", BASE64.encode(bytes)),
        })
        .collect();
    packets.join("\u{1e}")
}

/// Carries a session over a WebSocket.
async fn socket(session: &Arc<Session>, mut stream: WebSocketStream<DuplexStream>) -> Option<()> {
    loop {
        tokio::select! {
            messages = session.take() => {
                // An ended session breaks the connection without a word.
                for message in messages? {
                    let frame = match message {
                        EnginePacket::Text(text) => Frame::text(text),
                        EnginePacket::Binary(bytes) => Frame::binary(bytes),
                    };
                    stream.send(frame).await.ok()?;
                }
            }
            frame = stream.next() => match frame {
                Some(Ok(Frame::Text(text))) => session.receive(EnginePacket::Text(text.to_string())),
                Some(Ok(Frame::Binary(bytes))) => session.receive(EnginePacket::Binary(bytes.to_vec())),
                Some(Ok(Frame::Close(_))) => {
                    session.end();
                    // The library answers the goodbye as it is read on.
                    while let Some(Ok(_)) = stream.next().await {}
                    return None;
                }
                Some(Ok(_)) => (),
                None | Some(Err(_)) => {
                    session.end();
                    return None;
                }
            },
        }
    }
}
