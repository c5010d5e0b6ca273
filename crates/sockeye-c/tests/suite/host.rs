//! Servers for the C programs: the testkit's scripted one on a TCP port, and one that cuts its connections.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant as Clock;

use sockeye_core::{Instant, Link};
use sockeye_testkit::{Act, Frame, Request, Server, Settings, accept_key, frame, response};

/// One session with what carries it.
struct Session {
    server: Server,
    streams: [Option<(usize, TcpStream)>; 3],
    violations: Arc<Mutex<Vec<String>>>,
}

impl Session {
    fn perform(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Bytes(link, bytes) => {
                    if let Some((_, stream)) = &mut self.streams[link.index()] {
                        self.server.delivered(&bytes);
                        // A client that is gone is no trouble of the server's.
                        let _ = stream.write_all(&bytes);
                    }
                }
                Act::Close(link) => {
                    if let Some((_, stream)) = self.streams[link.index()].take() {
                        let _ = stream.shutdown(Shutdown::Both);
                    }
                }
                Act::Opened => (),
            }
        }
        let mut all = lock(&self.violations);
        all.append(&mut self.server.violations);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Shared {
    origin: Clock,
    /// The session that began last: requests with a session id are for it. WebSockets without one have their own.
    latest: Mutex<Option<Arc<Mutex<Session>>>>,
    violations: Arc<Mutex<Vec<String>>>,
}

impl Shared {
    fn now(&self) -> Instant {
        Instant::from_micros(self.origin.elapsed().as_micros() as u64)
    }
}

/// The scripted server: echoes `echo`, acknowledges every event. Sessions do not disturb one another.
pub(crate) struct Host {
    pub(crate) uri: String,
    shared: Arc<Shared>,
}

impl Host {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let uri = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            origin: Clock::now(),
            latest: Mutex::new(None),
            violations: Arc::default(),
        });
        let of = Arc::clone(&shared);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let of = Arc::clone(&of);
                thread::spawn(move || serve(&of, number, stream));
            }
        });
        Self { uri, shared }
    }

    /// Ends the test if the client broke the protocol.
    pub(crate) fn check(&self) {
        let violations = lock(&self.shared.violations);
        assert!(
            violations.is_empty(),
            "the client broke the protocol: {:?}",
            violations.first()
        );
    }
}

fn serve(shared: &Arc<Shared>, number: usize, mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut session: Option<(Arc<Mutex<Session>>, Link)> = None;
    let (mut frames, mut buffer, mut chunk) = (false, Vec::new(), vec![0; 16 << 10]);
    loop {
        let n = match stream.read(&mut chunk) {
            Ok(n) if n > 0 => n,
            _ => break,
        };
        buffer.extend_from_slice(&chunk[..n]);
        let mut used = 0;
        loop {
            if frames {
                let Some((frame, len)) = Frame::parse(&buffer[used..]) else {
                    break;
                };
                used += len;
                if let Some((session, _)) = &session {
                    let mut session = lock(session);
                    let acts = session.server.frame(shared.now(), &frame);
                    session.perform(acts);
                }
            } else {
                let Some((request, len)) = Request::parse(&buffer[used..]) else {
                    break;
                };
                used += len;
                let link = match (request.method(), request.query("transport")) {
                    ("POST", _) => Link::Post,
                    (_, Some("websocket")) => Link::WebSocket,
                    _ => Link::Poll,
                };
                let this = find(shared, request.query("sid").is_none());
                let writer = stream.try_clone().expect("a second handle");
                let mut at = lock(&this);
                if at.server.is_stale(&request) {
                    // A session that has ended: the refusal is for who asked, and the present session's link stays.
                    let (acts, _) = at.server.request(shared.now(), link, &request);
                    for act in acts {
                        if let Act::Bytes(_, bytes) = act {
                            let _ = stream.write_all(&bytes);
                        }
                    }
                    continue;
                }
                at.streams[link.index()] = Some((number, writer));
                let (acts, upgraded) = at.server.request(shared.now(), link, &request);
                frames = upgraded;
                at.perform(acts);
                drop(at);
                session = Some((this, link));
            }
        }
        buffer.drain(..used);
    }
    if let Some((session, link)) = session {
        let mut session = lock(&session);
        let ours = session.streams[link.index()]
            .as_ref()
            .is_some_and(|(current, _)| *current == number);
        if ours {
            session.streams[link.index()] = None;
            session.server.lost(link);
        }
    }
}

fn find(shared: &Shared, new: bool) -> Arc<Mutex<Session>> {
    let mut latest = lock(&shared.latest);
    match &*latest {
        Some(session) if !new => Arc::clone(session),
        _ => {
            // No ping within a test: its pace is then the client's alone.
            let settings = Settings {
                ping_interval: 3_600_000,
                ..Settings::default()
            };
            let session = Arc::new(Mutex::new(Session {
                server: Server::new(settings),
                streams: [None, None, None],
                violations: Arc::clone(&shared.violations),
            }));
            *latest = Some(Arc::clone(&session));
            session
        }
    }
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
