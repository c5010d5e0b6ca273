//! The scripted server on a TCP port, by threads of the standard library.

use std::fmt::Debug;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant as Clock};

use sockeye_core::{Instant, Link};

use super::PATIENCE;
use crate::{Act, Frame, Request, Server, Settings};

/// What the server has seen, and how it behaves.
#[derive(Debug)]
pub struct State {
    /// The server itself.
    pub server: Server,
    /// All requests, of all connections.
    pub requests: Vec<Request>,
    /// TCP connections that were accepted.
    pub accepted: usize,
    /// TCP connections that are open.
    pub open: usize,
    /// Nobody is there: connections end before anything is answered.
    pub away: bool,
    /// Nothing is sent any more, and nothing is read: as behind a link that vanished.
    pub silent: bool,
    /// Everything is sent byte by byte.
    pub drips: bool,
    links: [Option<(usize, TcpStream)>; 3],
    ended: bool,
}

impl State {
    fn perform(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Bytes(..) | Act::Close(_) if self.silent => (),
                Act::Bytes(link, bytes) => {
                    self.server.delivered(&bytes);
                    let piece = if self.drips { 1 } else { bytes.len() };
                    if let Some((_, stream)) = &mut self.links[link.index()] {
                        for piece in bytes.chunks(piece.max(1)) {
                            // A client that is gone is no trouble of the server's.
                            let _ = stream.write_all(piece);
                        }
                    }
                }
                Act::Close(link) => {
                    if let Some((_, stream)) = self.links[link.index()].take() {
                        let _ = stream.shutdown(Shutdown::Both);
                    }
                }
                Act::Opened => (),
            }
        }
    }

    fn is_current(&self, link: Link, number: usize) -> bool {
        let current = self.links[link.index()].as_ref();
        current.is_some_and(|(current, _)| *current == number)
    }
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    origin: Clock,
}

impl Shared {
    fn now(&self) -> Instant {
        Instant::from_micros(self.origin.elapsed().as_micros() as u64)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }
}

/// A server on a free port of the loopback interface: of one client, which may lose its connection and come back. Dropping it fails the test if
/// the client has broken the protocol.
pub struct Host {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Host {
    /// Starts it.
    pub fn start(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = State {
            server: Server::new(settings),
            requests: Vec::new(),
            accepted: 0,
            open: 0,
            away: false,
            silent: false,
            drips: false,
            links: [None, None, None],
            ended: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            origin: Clock::now(),
        });
        let of = Arc::clone(&shared);
        thread::spawn(move || accept(&of, &listener));
        let of = Arc::clone(&shared);
        thread::spawn(move || tick(&of));
        Self { address, shared }
    }

    /// The URL of a namespace, as `http`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Looks at the state, or changes it.
    pub fn state<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        self.shared.with(change)
    }

    /// Waits until `look` finds something.
    ///
    /// # Panics
    /// Not within [`PATIENCE`].
    pub fn until<T>(&self, what: &str, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let end = Clock::now() + PATIENCE;
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = look(&mut state) {
                return found;
            }
            let left = end.saturating_duration_since(Clock::now());
            assert!(
                !left.is_zero(),
                "{what}: not within {PATIENCE:?}; joined {:?}, received {:?}, violations {:?}",
                state.server.joined(),
                state.server.received,
                state.server.violations
            );
            state = match self.shared.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Waits until so many events have been received, and gives all.
    pub fn received(&self, count: usize) -> Vec<String> {
        self.until("events", |state| {
            (state.server.received.len() >= count).then(|| state.server.received.clone())
        })
    }

    /// Waits until these namespaces and no others are joined.
    pub fn joined(&self, names: &[&str]) {
        self.until("namespaces", |state| {
            let mut joined = state.server.joined();
            joined.sort_unstable();
            (joined == names).then_some(())
        });
    }

    /// Waits until no TCP connection is open.
    pub fn empty(&self) {
        self.until("no connection", |state| (state.open == 0).then_some(()));
    }

    /// Emits an event to a namespace; `json` is the array.
    pub fn emit(&self, nsp: &str, json: &str, attachments: &[&[u8]]) {
        self.state(|state| {
            let acts = state.server.emit(nsp, json, attachments);
            state.perform(acts);
        });
    }

    /// As [`Server::emit_kept`].
    pub fn emit_kept(&self, json: &str) {
        self.state(|state| {
            let acts = state.server.emit_kept(json);
            state.perform(acts);
        });
    }

    /// Sends one Engine.IO packet as it is.
    pub fn send(&self, packet: &str) {
        self.state(|state| {
            let acts = state.server.send_raw(packet);
            state.perform(acts);
        });
    }

    /// Throws the client out of a namespace.
    pub fn kick(&self, nsp: &str) {
        self.state(|state| {
            let acts = state.server.kick(nsp);
            state.perform(acts);
        });
    }

    /// Cuts every connection without a word.
    pub fn cut(&self) {
        self.state(|state| {
            let _ = state.server.drop_session();
            for (_, stream) in state.links.iter_mut().filter_map(Option::take) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }

    /// From now on nobody is there, or somebody is again.
    pub fn away(&self, away: bool) {
        self.state(|state| state.away = away);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let violations = self.shared.with(|state| {
            state.ended = true;
            for (_, stream) in state.links.iter_mut().filter_map(Option::take) {
                let _ = stream.shutdown(Shutdown::Both);
            }
            std::mem::take(&mut state.server.violations)
        });
        // The thread that accepts waits for a connection.
        drop(TcpStream::connect(self.address));
        assert!(
            violations.is_empty() || thread::panicking(),
            "the client broke the protocol: {violations:?}"
        );
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        let _ = stream.set_nodelay(true);
        let number = shared.with(|state| {
            if state.ended {
                return None;
            }
            state.accepted += 1;
            state.open += 1;
            Some(state.accepted)
        });
        let Some(number) = number else { return };
        let of = Arc::clone(shared);
        thread::spawn(move || {
            let link = serve(&of, number, stream);
            of.with(|state| {
                state.open -= 1;
                if let Some(link) = link.filter(|link| state.is_current(*link, number)) {
                    state.links[link.index()] = None;
                    if !state.silent {
                        state.server.lost(link);
                    }
                }
            });
        });
    }
}

/// The server's own timers.
fn tick(shared: &Shared) {
    loop {
        let now = shared.now();
        let mut state = shared.lock();
        if state.ended {
            return;
        }
        if !state.silent {
            let acts = state.server.tick(now);
            state.perform(acts);
        }
        let silent = state.silent;
        let wake = state.server.wake().filter(|_| !silent);
        let pause = wake.map_or(Duration::from_secs(3600), |at| {
            Duration::from_micros(at.as_micros().saturating_sub(now.as_micros()))
        });
        drop(shared.changed.wait_timeout(state, pause));
    }
}

/// Plays one connection to its end; which link it was.
fn serve(shared: &Shared, number: usize, mut stream: TcpStream) -> Option<Link> {
    let mut link = None;
    let (mut upgraded, mut buffer, mut chunk) = (false, Vec::new(), vec![0; 16 << 10]);
    loop {
        let n = match stream.read(&mut chunk) {
            Ok(n) if n > 0 => n,
            _ => return link,
        };
        buffer.extend_from_slice(&chunk[..n]);
        loop {
            if upgraded {
                let Some((frame, len)) = Frame::parse(&buffer) else {
                    break;
                };
                buffer.drain(..len);
                let open = shared.with(|state| {
                    if state.silent {
                        return true;
                    }
                    if frame.mask.is_none() {
                        state
                            .server
                            .violations
                            .push("a frame without a mask".into());
                    }
                    if !state.is_current(Link::WebSocket, number) {
                        return false;
                    }
                    let acts = state.server.frame(shared.now(), &frame);
                    state.perform(acts);
                    true
                });
                if !open {
                    return link;
                }
            } else {
                let Some((request, len)) = Request::parse(&buffer) else {
                    break;
                };
                buffer.drain(..len);
                let this = match (request.method(), request.query("transport")) {
                    ("POST", _) => Link::Post,
                    (_, Some("websocket")) => Link::WebSocket,
                    _ => Link::Poll,
                };
                let writer = stream.try_clone().expect("a second handle");
                let there = shared.with(|state| {
                    if state.away || state.ended {
                        return false;
                    }
                    state.requests.push(request.clone());
                    state.links[this.index()] = Some((number, writer));
                    if !state.silent {
                        let (acts, frames) = state.server.request(shared.now(), this, &request);
                        upgraded = frames;
                        state.perform(acts);
                    }
                    true
                });
                if !there {
                    return None;
                }
                link = Some(this);
            }
        }
    }
}
