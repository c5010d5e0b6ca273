//! The HTTP upgrade request: read, checked for what the benchmark needs, answered.

use std::io::{self, Read, Write};

use base64::Engine as _;
use sha1::{Digest, Sha1};

/// RFC 6455, section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const MAX_HEAD: usize = 8 * 1024;

/// What the query asked for.
pub(crate) struct Request {
    pub(crate) scenario: String,
    pub(crate) count: u32,
    /// Packets are in MessagePack.
    pub(crate) packed: bool,
}

/// Reads the upgrade request and answers it with 101.
pub(crate) fn upgrade(stream: &mut (impl Read + Write)) -> io::Result<Request> {
    let head = read_head(stream)?;
    let target = head.split(' ').nth(1).unwrap_or_default();
    let query = |name: &str| {
        let (_, query) = target.split_once('?')?;
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    if query("EIO") != Some("4") || query("transport") != Some("websocket") {
        return Err(refused(&format!(
            "only Engine.IO 4 over WebSocket is served here, not {target:?}"
        )));
    }
    let count = query("count").and_then(|count| count.parse().ok());
    let (Some(scenario), Some(count)) = (query("scenario"), count) else {
        return Err(refused(&format!(
            "the query needs scenario=…&count=…: {target:?}"
        )));
    };
    let request = Request {
        scenario: scenario.to_owned(),
        count,
        packed: query("parser") == Some("msgpack"),
    };
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key")
            .then(|| value.trim())
    });
    let key = key.ok_or_else(|| refused("the request has no Sec-WebSocket-Key"))?;
    let accept =
        base64::engine::general_purpose::STANDARD.encode(Sha1::digest(format!("{key}{GUID}")));
    let reply = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(reply.as_bytes())?;
    Ok(request)
}

/// Bytes up to the empty line; a client sends nothing behind it before it has the answer.
fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        let n = stream.read(&mut chunk)?;
        if n == 0 || head.len() > MAX_HEAD {
            return Err(refused("the request head did not end"));
        }
        head.extend_from_slice(&chunk[..n]);
    }
    String::from_utf8(head).map_err(|_| refused("the request head is not text"))
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
