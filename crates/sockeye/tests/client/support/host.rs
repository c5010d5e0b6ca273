//! The testkit's scripted server, which has no I/O of its own, on a TCP port.
//!
//! It runs on a runtime of its own: tests may block, count the tasks of, and end theirs.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use sockeye_core::{Instant, Link};
use sockeye_testkit::{Act, Frame, Request, Server, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::PATIENCE;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
});

enum Out {
    Bytes(Vec<u8>),
    Close,
}

/// A request in, the response instead of the server's own.
type Hook = Box<dyn FnMut(&Request) -> Option<Vec<u8>> + Send>;

/// What the server has seen, and how it behaves.
pub(crate) struct State {
    pub server: Server,
    pub requests: Vec<Request>,
    /// All frames of the client, on any WebSocket.
    pub frames: Vec<Frame>,
    /// TCP connections accepted so far.
    pub accepted: usize,
    /// TCP connections open now.
    pub open: usize,
    /// Bytes written to the client.
    pub written: usize,
    /// Nothing is read from the client.
    pub stalled: bool,
    /// Requests stay without any answer.
    pub mute: bool,
    pub hook: Option<Hook>,
    /// Violations are what the test is about.
    pub lenient: bool,
    links: [Option<(usize, mpsc::UnboundedSender<Out>)>; 3],
    tasks: Vec<AbortHandle>,
}

impl State {
    fn perform(&mut self, acts: Vec<Act>) {
        for act in acts {
            let (link, out) = match act {
                Act::Bytes(link, bytes) => {
                    // (They are written at once, and before anything that comes in is looked at.)
                    self.server.delivered(&bytes);
                    (link, Out::Bytes(bytes))
                }
                Act::Close(link) => (link, Out::Close),
                Act::Opened => continue,
            };
            if let Some((_, sender)) = &self.links[link.index()] {
                let _ = sender.send(out);
            }
        }
    }

    /// The value of a query parameter in every request, `-` where it is missing.
    pub(crate) fn queries(&self, key: &str) -> Vec<String> {
        self.requests
            .iter()
            .map(|request| request.query(key).unwrap_or("-").to_owned())
            .collect()
    }

    /// What the client has sent, for messages of failed tests.
    fn dump(&self) -> String {
        let requests: Vec<_> = self
            .requests
            .iter()
            .map(|r| format!("{} {} {}", r.method(), r.target(), r.text()))
            .collect();
        let mut dump = format!(
            "session {} {}, written {}, requests {requests:?}, texts {:?}, violations {:?}",
            self.server.sessions(),
            self.server.has_session(),
            self.written,
            self.texts(),
            self.server.violations
        );
        dump.truncate(dump.floor_char_boundary(6000));
        dump
    }

    /// Whether the client has said goodbye on the WebSocket.
    pub(crate) fn close_frames(&self) -> usize {
        self.frames
            .iter()
            .filter(|frame| frame.first == 0x88)
            .count()
    }

    /// The text frames of the client.
    pub(crate) fn texts(&self) -> Vec<String> {
        let texts = self.frames.iter().filter(|frame| frame.first == 0x81);
        texts
            .map(|frame| String::from_utf8_lossy(&frame.payload).into_owned())
            .collect()
    }
}

struct Inner {
    state: Mutex<State>,
    changed: watch::Sender<()>,
    origin: std::time::Instant,
}

impl Inner {
    fn now(&self) -> Instant {
        Instant::from_micros(self.origin.elapsed().as_micros() as u64)
    }

    fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(
            &mut self
                .state
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        self.changed.send_replace(());
        result
    }
}

/// A server on a free port of the loopback interface.
pub(crate) struct Host {
    address: SocketAddr,
    inner: Arc<Inner>,
}

impl Host {
    pub(crate) fn start() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let _entered = RUNTIME.enter();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("an address");
        let state = State {
            server: Server::new(settings),
            requests: Vec::new(),
            frames: Vec::new(),
            accepted: 0,
            open: 0,
            written: 0,
            stalled: false,
            mute: false,
            hook: None,
            lenient: false,
            links: [None, None, None],
            tasks: Vec::new(),
        };
        let inner = Inner {
            state: Mutex::new(state),
            changed: watch::Sender::new(()),
            origin: std::time::Instant::now(),
        };
        let inner = Arc::new(inner);
        let accept = RUNTIME.spawn(accept(
            Arc::clone(&inner),
            TcpListener::from_std(listener).expect("a listener"),
        ));
        let clock = RUNTIME.spawn(clock(Arc::clone(&inner)));
        inner.with(|state| {
            state
                .tasks
                .extend([accept.abort_handle(), clock.abort_handle()]);
        });
        Self { address, inner }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a namespace.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Looks at the state, or changes it.
    pub(crate) fn state<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        self.inner.with(change)
    }

    /// Waits until `look` finds something.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> T {
        let mut changed = self.inner.changed.subscribe();
        let found = async {
            loop {
                changed.mark_unchanged();
                if let Some(found) = look(
                    &mut self
                        .inner
                        .state
                        .lock()
                        .expect("no test fails under the lock"),
                ) {
                    return found;
                }
                let _ = changed.changed().await;
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_) => self.state(|state| {
                panic!(
                    "{what}: not within {PATIENCE:?}; received {:?}; {}",
                    state.server.received,
                    state.dump()
                )
            }),
        }
    }

    /// Waits until so many events have been received, and gives all.
    pub(crate) async fn received(&self, count: usize) -> Vec<String> {
        self.until("events", |state| {
            (state.server.received.len() >= count).then(|| state.server.received.clone())
        })
        .await
    }

    /// Waits until these namespaces and no others are joined.
    pub(crate) async fn joined(&self, names: &[&str]) {
        self.until("namespaces", |state| {
            let mut joined = state.server.joined();
            joined.sort_unstable();
            (joined == names).then_some(())
        })
        .await;
    }

    /// Waits until no TCP connection is open.
    pub(crate) async fn empty(&self) {
        self.until("no connection", |state| (state.open == 0).then_some(()))
            .await;
    }

    pub(crate) fn emit(&self, nsp: &str, json: &str) {
        self.emit_binary(nsp, json, &[]);
    }

    pub(crate) fn emit_binary(&self, nsp: &str, json: &str, attachments: &[&[u8]]) {
        self.state(|state| {
            let acts = state.server.emit(nsp, json, attachments);
            state.perform(acts);
        });
    }

    /// One Engine.IO packet as it is.
    pub(crate) fn send(&self, packet: &str) {
        self.state(|state| {
            let acts = state.server.send_raw(packet);
            state.perform(acts);
        });
    }

    /// Engine.IO packets as they are, over WebSocket and in one write: the client most likely reads them at once.
    pub(crate) fn segment<S: AsRef<str>>(&self, packets: &[S]) {
        let frames: Vec<Vec<u8>> = packets
            .iter()
            .map(|packet| sockeye_testkit::frame(0x81, packet.as_ref().as_bytes()))
            .collect();
        self.state(|state| state.perform(vec![Act::Bytes(Link::WebSocket, frames.concat())]));
    }

    /// One WebSocket frame as it is.
    pub(crate) fn frame(&self, first: u8, payload: &[u8]) {
        self.state(|state| {
            state.perform(vec![Act::Bytes(
                Link::WebSocket,
                sockeye_testkit::frame(first, payload),
            )]);
        });
    }

    /// Cuts every connection without a word.
    pub(crate) fn cut(&self) {
        self.state(|state| {
            let _ = state.server.drop_session();
            for (_, sender) in state.links.iter_mut().filter_map(Option::take) {
                let _ = sender.send(Out::Close);
            }
        });
    }

    /// Every request is answered with this from now on.
    pub(crate) fn answer_with(
        &self,
        mut hook: impl FnMut(&Request) -> Option<Vec<u8>> + Send + 'static,
    ) {
        self.state(|state| state.hook = Some(Box::new(move |request| hook(request))));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let (violations, lenient) = self.inner.with(|state| {
            state.tasks.drain(..).for_each(|task| task.abort());
            (std::mem::take(&mut state.server.violations), state.lenient)
        });
        if !std::thread::panicking() && !lenient {
            assert!(
                violations.is_empty(),
                "the client broke the protocol: {violations:?}"
            );
        }
    }
}

async fn accept(inner: Arc<Inner>, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let number = inner.with(|state| {
            state.accepted += 1;
            state.open += 1;
            state.accepted
        });
        let task = RUNTIME.spawn(connection(Arc::clone(&inner), stream, number));
        inner.with(|state| state.tasks.push(task.abort_handle()));
    }
}

/// The server's own timers.
async fn clock(inner: Arc<Inner>) {
    let mut changed = inner.changed.subscribe();
    loop {
        let now = inner.now();
        let wake = {
            let mut state = inner.state.lock().expect("sound");
            let acts = state.server.tick(now);
            state.perform(acts);
            state.server.wake()
        };
        let pause = wake.map_or(Duration::from_secs(3600), |at| {
            Duration::from_micros(at.as_micros().saturating_sub(now.as_micros()))
        });
        tokio::select! {
            _ = changed.changed() => (),
            () = tokio::time::sleep(pause) => (),
        }
    }
}

async fn connection(inner: Arc<Inner>, stream: TcpStream, number: usize) {
    let (mut reader, mut writer) = stream.into_split();
    let (sender, mut outs) = mpsc::unbounded_channel();
    let write = async {
        while let Some(Out::Bytes(bytes)) = outs.recv().await {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                match writer.write(rest).await {
                    Ok(n) if n > 0 => {
                        rest = &rest[n..];
                        inner.with(|state| state.written += n);
                    }
                    _ => return,
                }
            }
        }
    };
    let read = async {
        let mut link = None;
        let mut upgraded = false;
        let mut buffer = Vec::new();
        let mut changed = inner.changed.subscribe();
        loop {
            while inner.state.lock().expect("sound").stalled {
                let _ = changed.changed().await;
            }
            match reader.read_buf(&mut buffer).await {
                Ok(n) if n > 0 => (),
                _ => break,
            }
            loop {
                if upgraded {
                    let Some((frame, len)) = Frame::parse(&buffer) else {
                        break;
                    };
                    buffer.drain(..len);
                    inner.with(|state| {
                        assert!(frame.mask.is_some(), "a client masks its frames");
                        // The next session has come meanwhile. A client that is leaving says its goodbye; one that goes
                        // on (its own broken connection's request came late, and took the place) finds this link closed.
                        let current = state.links[Link::WebSocket.index()]
                            .as_ref()
                            .is_some_and(|(current, _)| *current == number);
                        if !current {
                            if frame.first == 0x88 {
                                let bye = sockeye_testkit::frame(0x88, &frame.payload);
                                let _ = sender.send(Out::Bytes(bye));
                            }
                            let _ = sender.send(Out::Close);
                            return;
                        }
                        let acts = state.server.frame(inner.now(), &frame);
                        state.frames.push(frame);
                        state.perform(acts);
                    });
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
                    link = Some(this);
                    upgraded = inner.with(|state| {
                        // A request of a session that has ended may come late, when the next one has begun: it does not
                        // take the place of that one's link.
                        if !state.server.is_stale(&request) {
                            state.links[this.index()] = Some((number, sender.clone()));
                        }
                        state.requests.push(request.clone());
                        if state.mute {
                            return false;
                        }
                        if let Some(answer) = state.hook.as_mut().and_then(|hook| hook(&request)) {
                            let _ = sender.send(Out::Bytes(answer));
                            return false;
                        }
                        let stale = state.server.is_stale(&request);
                        let (acts, frames) = state.server.request(inner.now(), this, &request);
                        if stale {
                            // The refusal, for who asked.
                            for act in acts {
                                if let Act::Bytes(_, bytes) = act {
                                    let _ = sender.send(Out::Bytes(bytes));
                                }
                            }
                        } else {
                            state.perform(acts);
                        }
                        frames
                    });
                }
            }
        }
        link
    };
    let link = tokio::select! {
        link = read => link,
        () = write => None,
    };
    drop((reader, writer));
    inner.with(|state| {
        state.open -= 1;
        let Some(link) = link else { return };
        if state.links[link.index()]
            .as_ref()
            .is_some_and(|(current, _)| *current == number)
        {
            state.links[link.index()] = None;
            state.server.lost(link);
        }
    });
}
