//! The scripted [`Server`] on a TCP port, by threads of the standard library: whatever drives the client under test, and
//! however busy its runtime is, the other side goes on by itself.

mod serve;

use std::collections::HashMap;
use std::fmt::Debug;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant as Clock};

use sockeye_core::{Instant, Link};

use crate::{Act, Frame, Request, Server, Settings, frame};

/// Nothing takes longer than this unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A request in, the response instead of the server's own.
type Hook = Box<dyn FnMut(&Request) -> Option<Vec<u8>> + Send>;

/// For the thread that writes to a connection: bytes, and in pieces of how many.
enum Out {
    Bytes(Vec<u8>, usize),
    Close,
}

/// The connection that is a link of the session: its number, and where to write.
type Line = (usize, Sender<Out>);

/// What the server has seen, and how it behaves.
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent troubles, which a test turns on and off by name"
)]
pub struct State {
    /// The server itself.
    pub server: Server,
    /// All requests, of all connections.
    pub requests: Vec<Request>,
    /// All frames of the client, on any WebSocket.
    pub frames: Vec<Frame>,
    /// TCP connections that were accepted.
    pub accepted: usize,
    /// TCP connections that are open.
    pub open: usize,
    /// Bytes written to the client.
    pub written: usize,
    /// Nobody is there: connections end before anything is answered.
    pub away: bool,
    /// Nothing is sent any more, and what comes is not looked at: as behind a link that vanished.
    pub silent: bool,
    /// Nothing is read from the client.
    pub stalled: bool,
    /// Requests stay without any answer.
    pub mute: bool,
    /// Everything is sent byte by byte.
    pub drips: bool,
    /// Violations are what the test is about.
    pub lenient: bool,
    hook: Option<Hook>,
    links: [Option<Line>; 3],
    /// Every open connection by its number, to end it.
    streams: HashMap<usize, TcpStream>,
    /// Who waits in [`Host::poll_until`].
    waiting: Vec<Waker>,
    ended: bool,
}

impl Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.dump())
    }
}

impl State {
    fn new(settings: Settings) -> Self {
        Self {
            server: Server::new(settings),
            requests: Vec::new(),
            frames: Vec::new(),
            accepted: 0,
            open: 0,
            written: 0,
            away: false,
            silent: false,
            stalled: false,
            mute: false,
            drips: false,
            lenient: false,
            hook: None,
            links: [None, None, None],
            streams: HashMap::new(),
            waiting: Vec::new(),
            ended: false,
        }
    }

    fn perform(&mut self, acts: Vec<Act>) {
        for act in acts {
            // Where sending fails, the client is gone, which is no trouble of the server's.
            match act {
                Act::Bytes(..) | Act::Close(_) if self.silent => (),
                Act::Bytes(link, bytes) => {
                    // (They are written at once, and before anything that comes in is looked at.)
                    self.server.delivered(&bytes);
                    if let Some((_, line)) = &self.links[link.index()] {
                        let piece = if self.drips { 1 } else { bytes.len().max(1) };
                        let _ = line.send(Out::Bytes(bytes, piece));
                    }
                }
                Act::Close(link) => {
                    if let Some((_, line)) = self.links[link.index()].take() {
                        let _ = line.send(Out::Close);
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

    /// The value of a query parameter in every request, `-` where it is missing.
    pub fn queries(&self, key: &str) -> Vec<String> {
        self.requests
            .iter()
            .map(|request| request.query(key).unwrap_or("-").to_owned())
            .collect()
    }

    /// How often the client has said goodbye on a WebSocket.
    pub fn close_frames(&self) -> usize {
        let closes = self.frames.iter().filter(|frame| frame.first == 0x88);
        closes.count()
    }

    /// The text frames of the client.
    pub fn texts(&self) -> Vec<String> {
        let texts = self.frames.iter().filter(|frame| frame.first == 0x81);
        texts
            .map(|frame| String::from_utf8_lossy(&frame.payload).into_owned())
            .collect()
    }

    /// What the client has sent, for messages of failed tests.
    pub fn dump(&self) -> String {
        let requests: Vec<_> = self
            .requests
            .iter()
            .map(|r| format!("{} {} {}", r.method(), r.target(), r.text()))
            .collect();
        let mut dump = format!(
            "session {} {}, joined {:?}, received {:?}, violations {:?}, written {}, requests {requests:?}, texts {:?}",
            self.server.sessions(),
            self.server.has_session(),
            self.server.joined(),
            self.server.received,
            self.server.violations,
            self.written,
            self.texts(),
        );
        dump.truncate(dump.floor_char_boundary(6000));
        dump
    }
}

/// One server: of one session at a time.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    origin: Clock,
}

impl Shared {
    fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new(settings)),
            changed: Condvar::new(),
            origin: Clock::now(),
        })
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.origin.elapsed().as_micros() as u64)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.changed.notify_all();
        waiting.into_iter().for_each(Waker::wake);
        result
    }
}

/// Which server a connection is for.
enum Door {
    /// All are for the one.
    One(Arc<Shared>),
    /// Each new session is for a server of its own; those of a test, in order.
    Each(Settings, Mutex<Vec<Arc<Shared>>>),
}

impl Door {
    /// The server that answers this request. A session is asked for by a request without its id; one with an id is of the
    /// session that began last.
    fn server(&self, request: &Request) -> Arc<Shared> {
        match self {
            Self::One(shared) => Arc::clone(shared),
            Self::Each(settings, all) => {
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                match all.last() {
                    Some(last) if request.query("sid").is_some() => Arc::clone(last),
                    _ => {
                        let shared = Shared::new(settings.clone());
                        all.push(Arc::clone(&shared));
                        shared
                    }
                }
            }
        }
    }

    fn all(&self) -> Vec<Arc<Shared>> {
        match self {
            Self::One(shared) => vec![Arc::clone(shared)],
            Self::Each(_, all) => all.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// A server on a free port of the loopback interface: of one client, which may lose its connection and come back. Dropping
/// it ends all connections, and fails the test if the client has broken the protocol.
pub struct Host {
    address: SocketAddr,
    /// What is known of the port; with one server for all it is that server's too.
    front: Arc<Shared>,
    door: Arc<Door>,
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
        let front = Shared::new(settings);
        let of = Arc::clone(&front);
        thread::spawn(move || serve::tick(&of));
        Self::open(Arc::clone(&front), Door::One(front))
    }

    /// Starts one of many clients, which do not disturb one another: each session has a server of its own, without timers, so
    /// that it never pings. Its port is what [`state`](Self::state) tells about, not the sessions.
    pub fn of_many(settings: Settings) -> Self {
        let front = Shared::new(settings.clone());
        Self::open(front, Door::Each(settings, Mutex::default()))
    }

    fn open(front: Arc<Shared>, door: Door) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let door = Arc::new(door);
        let of = (Arc::clone(&front), Arc::clone(&door));
        thread::spawn(move || serve::accept(&of.0, &of.1, &listener));
        Self {
            address,
            front,
            door,
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a namespace, as `http`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Looks at the state, or changes it.
    pub fn state<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        self.front.with(change)
    }

    /// Waits until `look` finds something.
    ///
    /// # Panics
    /// Not within [`PATIENCE`].
    pub fn until<T>(&self, what: &str, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let end = Clock::now() + PATIENCE;
        let mut state = self.front.lock();
        loop {
            if let Some(found) = look(&mut state) {
                return found;
            }
            let left = end.saturating_duration_since(Clock::now());
            assert!(
                !left.is_zero(),
                "{what}: not within {PATIENCE:?}; {state:?}"
            );
            state = match self.front.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// The same for a future, which is woken at each change; how long to wait is its own matter.
    pub fn poll_until<T>(
        &self,
        cx: &Context<'_>,
        look: &mut impl FnMut(&mut State) -> Option<T>,
    ) -> Poll<T> {
        let mut state = self.front.lock();
        if let Some(found) = look(&mut state) {
            return Poll::Ready(found);
        }
        if !state
            .waiting
            .iter()
            .any(|waker| waker.will_wake(cx.waker()))
        {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits until so many events have been received, and gives all.
    pub fn received(&self, count: usize) -> Vec<String> {
        self.until("events", received(count))
    }

    /// Waits until these namespaces and no others are joined.
    pub fn joined(&self, names: &[&str]) {
        self.until("namespaces", joined(names));
    }

    /// Waits until no TCP connection is open.
    pub fn empty(&self) {
        self.until("no connection", empty);
    }

    /// Emits an event to a namespace; `json` is the array.
    pub fn emit(&self, nsp: &str, json: &str) {
        self.emit_binary(nsp, json, &[]);
    }

    /// The same with what its placeholders stand for.
    pub fn emit_binary(&self, nsp: &str, json: &str, attachments: &[&[u8]]) {
        self.act(|server| server.emit(nsp, json, attachments));
    }

    /// As [`Server::emit_kept`].
    pub fn emit_kept(&self, json: &str) {
        self.act(|server| server.emit_kept(json));
    }

    /// Sends one Engine.IO packet as it is.
    pub fn send(&self, packet: &str) {
        self.act(|server| server.send_raw(packet));
    }

    /// Throws the client out of a namespace.
    pub fn kick(&self, nsp: &str) {
        self.act(|server| server.kick(nsp));
    }

    /// Sends Engine.IO packets as they are, over WebSocket and in one write: the client most likely reads them at once.
    pub fn segment<S: AsRef<str>>(&self, packets: &[S]) {
        let frames: Vec<Vec<u8>> = packets
            .iter()
            .map(|packet| frame(0x81, packet.as_ref().as_bytes()))
            .collect();
        self.act(|_| vec![Act::Bytes(Link::WebSocket, frames.concat())]);
    }

    /// Sends one WebSocket frame as it is.
    pub fn frame(&self, first: u8, payload: &[u8]) {
        self.act(|_| vec![Act::Bytes(Link::WebSocket, frame(first, payload))]);
    }

    fn act(&self, acts: impl FnOnce(&mut Server) -> Vec<Act>) {
        self.state(|state| {
            let acts = acts(&mut state.server);
            state.perform(acts);
        });
    }

    /// Cuts every connection without a word, after what is on its way.
    pub fn cut(&self) {
        self.state(|state| {
            let _ = state.server.drop_session();
            for (_, line) in state.links.iter_mut().filter_map(Option::take) {
                let _ = line.send(Out::Close);
            }
        });
    }

    /// From now on nobody is there, or somebody is again.
    pub fn away(&self, away: bool) {
        self.state(|state| state.away = away);
    }

    /// Every request is answered with this from now on, and by the server where it is `None`.
    pub fn answer_with(&self, hook: impl FnMut(&Request) -> Option<Vec<u8>> + Send + 'static) {
        self.state(|state| state.hook = Some(Box::new(hook)));
    }
}

/// What [`Host::received`] looks for.
pub fn received(count: usize) -> impl FnMut(&mut State) -> Option<Vec<String>> {
    move |state| {
        let received = &state.server.received;
        (received.len() >= count).then(|| received.clone())
    }
}

/// What [`Host::joined`] looks for.
pub fn joined(names: &[&str]) -> impl FnMut(&mut State) -> Option<()> {
    move |state| {
        let mut joined = state.server.joined();
        joined.sort_unstable();
        (joined == names).then_some(())
    }
}

/// What [`Host::empty`] looks for.
pub fn empty(state: &mut State) -> Option<()> {
    (state.open == 0).then_some(())
}

impl Drop for Host {
    fn drop(&mut self) {
        let mut violations = Vec::new();
        for shared in self.door.all().iter().chain([&self.front]) {
            shared.with(|state| {
                state.ended = true;
                for stream in state.streams.values() {
                    let _ = stream.shutdown(Shutdown::Both);
                }
                if !state.lenient {
                    violations.append(&mut state.server.violations);
                }
            });
        }
        // The thread that accepts waits for a connection.
        drop(TcpStream::connect(self.address));
        assert!(
            violations.is_empty() || thread::panicking(),
            "the client broke the protocol: {violations:?}"
        );
    }
}
