//! Servers for the C programs: the testkit's scripted one on a TCP port, and one that cuts its connections.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use sockeye_testkit::host::Host;
use sockeye_testkit::{Request, Settings, accept_key, frame, response};

/// The scripted server: echoes `echo`, acknowledges every event. Sessions do not disturb one another.
pub(crate) fn scripted() -> Host {
    // No ping within a test: its pace is then the client's alone.
    Host::of_many(Settings {
        ping_interval: 3_600_000,
        ..Settings::default()
    })
}

/// A server that dies: it answers the n-th WebSocket with the first n bytes of a whole session, and cuts the connection.
/// When there are no more, the connection stays, and a last event says `done`.
pub(crate) fn dying() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let uri = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        let mut last = None;
        for (allowed, mut stream) in listener.incoming().flatten().enumerate() {
            let _ = stream.set_nodelay(true);
            let whole = session(&mut stream, allowed);
            if whole {
                last = Some(stream);
                break;
            }
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Kept open until the client closes it.
        if let Some(mut stream) = last {
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    uri
}

/// Plays a session up to so many bytes; whether that was all of it.
fn session(stream: &mut TcpStream, allowed: usize) -> bool {
    if allowed == 0 {
        return false;
    }
    let mut left = allowed;
    let mut write = |stream: &mut TcpStream, bytes: &[u8]| {
        let n = bytes.len().min(left);
        left -= n;
        stream.write_all(&bytes[..n]).is_ok() && n == bytes.len()
    };
    let mut buffer = Vec::new();
    let request = loop {
        if let Some((request, _)) = Request::parse(&buffer) {
            break request;
        }
        let mut chunk = [0; 1024];
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => buffer.extend_from_slice(&chunk[..n]),
            _ => return false,
        }
    };
    if request.query("transport") != Some("websocket") {
        let _ = write(stream, &response("400 Bad Request", "", b"{}"));
        return false;
    }
    let key = accept_key(request.header("sec-websocket-key").unwrap_or(""));
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
    );
    let open = r#"0{"sid":"s","upgrades":[],"pingInterval":3600000,"pingTimeout":20000,"maxPayload":1000000}"#;
    if !write(stream, head.as_bytes()) || !write(stream, &frame(0x81, open.as_bytes())) {
        return false;
    }
    // The client's CONNECT, as a server waits for it.
    let mut connect = [0; 64];
    if !matches!(stream.read(&mut connect), Ok(n) if n > 0) {
        return false;
    }
    let parts: [&[u8]; 4] = [
        &frame(0x81, br#"40{"sid":"x"}"#),
        &frame(0x81, br#"451-["picture",{"_placeholder":true,"num":0}]"#),
        &frame(0x82, b"bytes"),
        &frame(0x81, br#"42["done"]"#),
    ];
    parts.iter().all(|part| write(stream, part))
}
