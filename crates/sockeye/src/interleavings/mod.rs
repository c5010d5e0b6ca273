//! The seam between handles, driver and dispatchers in every order in which its threads may meet: models for loom.
//!
//! Compiled in the crate `sockeye-interleavings` only, whose tests run them. Each model is a short program with the real
//! handles, the real driver and the real dispatchers: those of [`tokio`], whose every task is a thread of loom's, or those
//! of [`blocking`], whose threads are. loom runs the
//! program again and again, until it has seen every order of the operations on locks and atomics (and every value that
//! a load may give by the rules of memory orders) in which a thread is interrupted at most [`PREEMPTIONS`] times where it
//! need not have waited, or [`ORDERS`] of them.
//! A wait that nobody ends is a deadlock, which loom reports; so a driver that is not told of its last handle's end, a
//! lost wake-up and a future that never resolves fail here.
//!
//! Not modelled: `Arc`'s own counters, and the `oneshot` of futures-channel, which are taken for one step. Time stands
//! still: no timer ever goes off. The pair of sockets that wakes the blocking client's thread is a pipe of loom's lock and
//! condition; what is written into it and when it is emptied is the real code.

pub mod blocking;
pub mod tokio;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, LazyLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use ::tokio::runtime::{Builder, Runtime};
use sockeye_testkit::{Frame, Request, accept_key, frame};

/// How often a thread may be interrupted where it could have gone on.
const PREEMPTIONS: usize = 2;

/// At most so many orders of each model and number of interruptions: where there are more, it is the first ones. By hand,
/// `SOCKEYE_ORDERS=1000000 cargo test -p sockeye-interleavings` goes further.
const ORDERS: usize = 5000;

/// Words of stack of each thread.
const STACK: usize = 64 << 10;

/// Where clocks come from, which stand still: nobody runs this runtime.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread()
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
    /// The client's tasks and threads in this run of the model.
    static TASKS: RefCell<Vec<loom::thread::JoinHandle<()>>> = const { RefCell::new(Vec::new()) };
}

/// Starts a task of the client.
pub(crate) fn start(task: impl Future<Output = ()> + Send + 'static) {
    start_thread(move || block_on(task));
}

/// Starts a thread of the client.
pub(crate) fn start_thread(run: impl FnOnce() + Send + 'static) {
    let thread = thread(run);
    TASKS.with_borrow_mut(|tasks| tasks.push(thread));
}

/// Waits for the end of the client's tasks and threads, which comes after its last handle is gone.
fn all_ended() {
    while let Some(task) = TASKS.with_borrow_mut(Vec::pop) {
        task.join().expect("no task of the client panics");
    }
}

// ---- a server ----

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

    fn events(&self) -> Vec<String> {
        let mut packets = self.packets();
        packets.retain(|packet| packet.starts_with("42"));
        packets
    }

    /// Takes in what a client has written; whether there is something for it to read.
    fn receive(&self, bytes: &[u8]) -> bool {
        self.session(|session| {
            session.from_client.extend_from_slice(bytes);
            session.work();
            !session.to_client.is_empty()
        })
    }

    /// Gives what there is to read; `None`: nothing yet.
    fn give(&self, buf: &mut [u8]) -> Option<usize> {
        self.session(|session| {
            if session.to_client.is_empty() && !session.over {
                return None;
            }
            let n = buf.len().min(session.to_client.len());
            for (to, byte) in buf.iter_mut().zip(session.to_client.drain(..n)) {
                *to = byte;
            }
            Some(n)
        })
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
