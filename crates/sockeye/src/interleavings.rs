//! The seam between handles, driver and dispatchers in every order in which its threads may meet: models for loom.
//!
//! Compiled in the crate `sockeye-interleavings` only, whose tests run them. Each model is a short program with the real
//! handles, the real driver and the real dispatchers; every one of their tasks is a thread of loom's. loom runs the
//! program again and again, until it has seen every order of the operations on locks and atomics (and every value that
//! a load may give by the rules of memory orders) in which a thread is interrupted at most [`PREEMPTIONS`] times where it
//! need not have waited, or [`ORDERS`] of them.
//! A wait that nobody ends is a deadlock, which loom reports; so a driver that is not told of its last handle's end, a
//! lost wake-up and a future that never resolves fail here.
//!
//! Not modelled: `Arc`'s own counters, and the `oneshot` of futures-channel, which are taken for one step. Time stands
//! still: no timer ever goes off.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use sockeye_testkit::{Frame, Request, accept_key, frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::{DialError, Target};
use crate::{AckError, Client, ConnectError, EmitError, Limits, Notice, Socket, Transport};

/// How often a thread may be interrupted where it could have gone on.
const PREEMPTIONS: usize = 2;

/// At most so many orders of each model and number of interruptions: where there are more, it is the first ones. By hand,
/// `SOCKEYE_ORDERS=1000000 cargo test -p sockeye-interleavings` goes further.
const ORDERS: usize = 8000;

/// Words of stack of each thread.
const STACK: usize = 64 << 10;

/// Where clocks come from, which stand still: nobody runs this runtime.
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
});

/// Runs a model in every order with no interruption, then with one, … up to the bound; of each at most [`ORDERS`].
fn explore(model: impl Fn() + Send + Sync + 'static) {
    // All threads of a model are coroutines on this one.
    let _entered = RUNTIME.enter();
    let orders = std::env::var("SOCKEYE_ORDERS").ok();
    let orders = orders.and_then(|n| n.parse().ok()).unwrap_or(ORDERS);
    let model = Arc::new(model);
    let mut all = 0;
    for preemptions in 0..=PREEMPTIONS {
        let runs = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (counted, model) = (Arc::clone(&runs), Arc::clone(&model));
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.max_permutations = Some(orders);
        builder.max_branches = 20_000;
        // So often the number of orders is looked at.
        builder.checkpoint_interval = 1000;
        builder.check(move || {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let model = Arc::clone(&model);
            thread(move || model()).join().expect("no panic");
        });
        let runs = runs.load(std::sync::atomic::Ordering::Relaxed);
        // (It stops before the last of so many.)
        let which = if runs + 1 < orders {
            "all"
        } else {
            "the first"
        };
        println!("at most {preemptions} interruptions: {which} {runs} orders");
        all += runs;
    }
    assert!(all > PREEMPTIONS + 1, "there is more than one order");
}

/// What a thread of loom's waits on.
struct Park(loom::sync::Notify);

impl Wake for Park {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Runs a future to its end on a thread of loom's.
fn block_on<F: Future>(future: F) -> F::Output {
    let park = Arc::new(Park(loom::sync::Notify::new()));
    let waker = Waker::from(Arc::clone(&park));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => park.0.wait(),
        }
    }
}

/// A thread of loom's, with a stack on which a client can be made.
fn thread<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> loom::thread::JoinHandle<T> {
    loom::thread::Builder::new()
        .stack_size(STACK)
        .spawn(run)
        .expect("loom spawns every thread")
}

thread_local! {
    /// The client's tasks in this run of the model.
    static TASKS: RefCell<Vec<loom::thread::JoinHandle<()>>> = const { RefCell::new(Vec::new()) };
}

/// Starts a task of the client.
pub(crate) fn start(task: impl Future<Output = ()> + Send + 'static) {
    let thread = thread(move || block_on(task));
    TASKS.with_borrow_mut(|tasks| tasks.push(thread));
}

/// Waits for the end of the client's tasks, which comes after its last handle is gone.
fn all_ended() {
    while let Some(task) = TASKS.with_borrow_mut(Vec::pop) {
        task.join().expect("no task of the client panics");
    }
}

// ---- a server in the driver's own thread ----

/// A WebSocket server that answers in the very moment in which something is written to it, so that it adds no orders. It
/// lets everybody in, and acknowledges every event that wants it.
#[derive(Clone, Default)]
struct Peer(Arc<std::sync::Mutex<Session>>);

#[derive(Default)]
struct Session {
    from_client: Vec<u8>,
    to_client: VecDeque<u8>,
    upgraded: bool,
    /// The goodbyes have been said.
    over: bool,
    reader: Option<Waker>,
    /// The packets of the client, in order; `bye` for its close frame.
    packets: Vec<String>,
}

impl Peer {
    fn session<R>(&self, look: impl FnOnce(&mut Session) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn packets(&self) -> Vec<String> {
        self.session(|session| session.packets.clone())
    }
}

impl Session {
    fn say(&mut self, packet: &str) {
        self.to_client.extend(frame(0x81, packet.as_bytes()));
    }

    fn work(&mut self) {
        if !self.upgraded {
            let Some((request, len)) = Request::parse(&self.from_client) else {
                return;
            };
            self.from_client.drain(..len);
            let key = request.header("sec-websocket-key").expect("a key");
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                accept_key(key)
            );
            self.to_client.extend(head.as_bytes());
            self.upgraded = true;
            self.say("0{\"sid\":\"E\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":100000}");
        }
        while let Some((one, len)) = Frame::parse(&self.from_client) {
            self.from_client.drain(..len);
            if one.first == 0x88 {
                self.packets.push("bye".into());
                self.to_client.extend(frame(0x88, &one.payload));
                self.over = true;
                continue;
            }
            let packet = String::from_utf8_lossy(&one.payload).into_owned();
            if packet.starts_with("40") {
                self.say("40{\"sid\":\"S\"}");
            }
            let id: String = packet
                .strip_prefix("42")
                .unwrap_or("")
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            if !id.is_empty() {
                self.say(&format!("43{id}[{id}]"));
            }
            self.packets.push(packet);
        }
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.session(|session| {
            if session.to_client.is_empty() && !session.over {
                session.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            while buf.remaining() > 0
                && let Some(byte) = session.to_client.pop_front()
            {
                buf.put_slice(&[byte]);
            }
            Poll::Ready(Ok(()))
        })
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let reader = self.session(|session| {
            session.from_client.extend_from_slice(bytes);
            session.work();
            if session.to_client.is_empty() {
                None
            } else {
                session.reader.take()
            }
        });
        if let Some(reader) = reader {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A client that is not connected, and never will be.
fn offline() -> Socket {
    Client::builder("http://127.0.0.1:9")
        .open()
        .expect("good options")
}

/// A client that connects to a server of its own.
fn online(limits: Limits) -> (Socket, Peer) {
    let peer = Peer::default();
    let stream = peer.clone();
    let socket = Client::builder("http://127.0.0.1:9")
        .transports([Transport::WebSocket])
        .limits(limits)
        .connector(move |_: Target| std::future::ready(Ok::<_, DialError>(stream.clone())))
        .open()
        .expect("good options");
    (socket, peer)
}

fn events(peer: &Peer) -> Vec<String> {
    peer.packets()
        .into_iter()
        .filter(|packet| packet.starts_with("42"))
        .collect()
}

// ---- the models ----
// Each waits for the end of the driver and of the dispatchers, which comes when the last handle is gone.

/// Two threads drop the last two handles of a namespace.
pub fn the_last_handle_ends_the_driver() {
    explore(|| {
        let one = offline();
        let two = one.clone();
        let other = thread(move || drop(two));
        drop(one);
        other.join().expect("no panic");
        all_ended();
    });
}

/// While the last handle is dropped, a handle is made of a weak one, or not.
pub fn a_weak_handle_meets_the_end() {
    explore(|| {
        let socket = offline();
        let weak = socket.downgrade();
        let other = thread(move || drop(weak.upgrade()));
        drop(socket);
        other.join().expect("no panic");
        all_ended();
    });
}

/// The last handle of a namespace is dropped while another thread asks for the namespace of this name, and uses it.
pub fn a_namespace_is_asked_for_while_it_is_forgotten() {
    explore(|| {
        let main = offline();
        let chat = main.namespace("/chat").open().expect("a namespace");
        let other = thread(move || drop(chat));
        let again = main.namespace("/chat").open().expect("a namespace");
        again.emit("kept", ()).expect("accepted");
        other.join().expect("no panic");
        drop(main);
        drop(again);
        all_ended();
    });
}

/// Two threads emit and drop their handles: everything that was accepted is written, each thread's in its order, before
/// the goodbye.
pub fn what_was_emitted_goes_before_the_goodbye() {
    explore(|| {
        let (socket, peer) = online(Limits::DEFAULT);
        socket.connect_background();
        let two = socket.clone();
        let other = thread(move || {
            two.emit("b", (1,)).expect("accepted");
            two.emit("b", (2,)).expect("accepted");
        });
        socket.emit("a", (1,)).expect("accepted");
        drop(socket);
        other.join().expect("no panic");
        all_ended();
        let events = events(&peer);
        let of = |name: &str| -> Vec<&String> {
            events.iter().filter(|event| event.contains(name)).collect()
        };
        assert_eq!(of("\"a\""), ["42[\"a\",1]"]);
        assert_eq!(of("\"b\""), ["42[\"b\",1]", "42[\"b\",2]"]);
    });
}

/// An answer comes while its future is dropped, or waited for in another thread.
pub fn an_answer_meets_the_end_of_its_future() {
    explore(|| {
        let (socket, _) = online(Limits::DEFAULT);
        socket.connect_background();
        let kept = socket.emit_with_ack::<_, (u64,)>("kept", ()).send();
        let dropped = socket.emit_with_ack::<_, (u64,)>("dropped", ()).send();
        let other = thread(move || drop(dropped));
        let answer = block_on(kept);
        assert_eq!(answer.ok(), Some((0,)));
        other.join().expect("no panic");
        // What was given up takes no place for ever.
        let later = block_on(socket.emit_with_ack::<_, (u64,)>("later", ()).send());
        assert!(later.is_ok(), "{later:?}");
        drop(socket);
        all_ended();
    });
}

/// The connection ends while an answer is waited for, and while another event is emitted: both are told.
pub fn the_end_is_told_to_who_waits() {
    explore(|| {
        let socket = offline();
        let (weak, answer) = (
            socket.downgrade(),
            socket.emit_with_ack::<_, ()>("never", ()).send(),
        );
        let other = thread(move || {
            if let Some(socket) = weak.upgrade() {
                let emitted = socket.emit("late", ());
                assert!(matches!(emitted, Ok(()) | Err(EmitError::Closed)));
                socket.clear_send_buffer();
            }
        });
        socket.clear_send_buffer();
        let answer = block_on(answer);
        assert!(matches!(answer, Err(AckError::Dropped)), "{answer:?}");
        drop(socket);
        other.join().expect("no panic");
        all_ended();
    });
}

/// `connect` is called by two threads.
pub fn two_calls_of_connect() {
    explore(|| {
        let (socket, _) = online(Limits::DEFAULT);
        let two = socket.clone();
        let other = thread(move || block_on(two.connect()));
        let one: Result<(), ConnectError> = block_on(socket.connect());
        assert!(one.is_ok() && socket.connected());
        assert!(other.join().expect("no panic").is_ok());
        drop(socket);
        all_ended();
    });
}

/// Two threads wait until everything has been written.
pub fn two_flushes() {
    explore(|| {
        let (socket, peer) = online(Limits::DEFAULT);
        socket.connect_background();
        let (two, seen) = (socket.clone(), peer.clone());
        let other = thread(move || {
            two.emit("b", ()).expect("accepted");
            block_on(two.flush());
            assert!(events(&seen).contains(&"42[\"b\"]".to_owned()));
        });
        socket.emit("a", ()).expect("accepted");
        block_on(socket.flush());
        assert!(events(&peer).contains(&"42[\"a\"]".to_owned()));
        drop(socket);
        other.join().expect("no panic");
        all_ended();
    });
}

/// Two threads find no room in the send buffer, and wait for some.
pub fn two_threads_wait_for_room() {
    explore(|| {
        let mut limits = Limits::DEFAULT;
        limits.packets = 2;
        let (socket, peer) = online(limits);
        let two = socket.clone();
        let emit = |socket: &Socket, name: &str| {
            while let Err(error) = socket.emit(name, ()) {
                assert_eq!(error, EmitError::Full);
                block_on(socket.room());
            }
        };
        socket.emit("a", ()).expect("accepted");
        socket.emit("b", ()).expect("accepted");
        socket.connect_background();
        let other = thread(move || emit(&two, "c"));
        emit(&socket, "d");
        other.join().expect("no panic");
        drop(socket);
        all_ended();
        assert_eq!(events(&peer).len(), 4);
    });
}

/// A stream is read to its end while another thread drops the last handle.
pub fn a_stream_sees_the_end() {
    explore(|| {
        let (socket, _) = online(Limits::DEFAULT);
        let mut notices = socket.notices();
        socket.connect_background();
        let first = block_on(notices.next());
        assert!(matches!(first, Some(Notice::Connected { .. })), "{first:?}");
        let other = thread(move || drop(socket));
        while block_on(notices.next()).is_some() {}
        other.join().expect("no panic");
        all_ended();
    });
}
