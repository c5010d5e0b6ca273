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
    /// The session is open: this is the WebSocket of its upgrade.
    pub(crate) upgrade: bool,
}

/// Reads the upgrade request and answers it with 101. `None` where it was the handshake of long-polling, which is answered with
/// `open`: some client comes to its WebSocket in no other way.
pub(crate) fn upgrade(stream: &mut (impl Read + Write), open: &str) -> io::Result<Option<Request>> {
    let head = read_head(stream)?;
    let target = head.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = |name: &str| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    if query("EIO") == Some("4") && query("transport") == Some("polling") && query("sid").is_none()
    {
        let reply = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{open}",
            open.len()
        );
        return stream.write_all(reply.as_bytes()).map(|()| None);
    }
    if query("EIO") != Some("4") || query("transport") != Some("websocket") {
        return Err(refused(&format!(
            "only Engine.IO 4 over WebSocket is served here, not {target:?}"
        )));
    }
    // A client that takes no query has them in front of the path: `/SCENARIO/COUNT/socket.io/`.
    let mut in_path = path.split('/').skip(1);
    let scenario = query("scenario").or_else(|| in_path.next());
    let count = query("count").or_else(|| in_path.next());
    let (Some(scenario), Some(count)) = (scenario, count.and_then(|count| count.parse().ok()))
    else {
        return Err(refused(&format!(
            "the query needs scenario=…&count=…: {target:?}"
        )));
    };
    let request = Request {
        scenario: scenario.to_owned(),
        count,
        packed: query("parser") == Some("msgpack"),
        upgrade: query("sid").is_some(),
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
    Ok(Some(request))
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
