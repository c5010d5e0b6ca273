//! The client on threads: its own thread, which waits on a pipe, and those of its pool, which connect and run handlers.
//!
//! loom has five threads at most: its first, the model's, the client's, one of the pool and one more that holds handles.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::{Peer, all_ended, explore, thread};
use crate::blocking::{Client, Socket};
use crate::driver::threads::{Task, ThreadOptions, Threads, block_on};
use crate::net::blocking::{Notifier, SocketRef, Stream};
use crate::net::{DialError, DialErrorKind, Target};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::{AckError, CloseError, EmitError, Limits, Transport};

impl Read for Peer {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.give(buf).ok_or(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.receive(bytes)
            && let Some(reader) = self.session(|session| session.reader.clone())
        {
            reader.wake();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Peer {
    /// Sends a packet by itself.
    fn push(&self, packet: &str) {
        let reader = self.session(|session| {
            session.say(packet);
            session.reader.clone()
        });
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Stream for Peer {
    fn start(&mut self, waker: &Waker) -> io::Result<()> {
        self.session(|session| session.reader = Some(waker.clone()));
        Ok(())
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        None
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
        .connector(move |_: Target| Ok::<_, DialError>(stream.clone()))
        .open()
        .expect("good options");
    (socket, peer)
}

/// A client whose server cannot be reached.
fn refused() -> Socket {
    Client::builder("http://127.0.0.1:9")
        .transports([Transport::WebSocket])
        .connector(|_: Target| {
            let error = DialError::new(DialErrorKind::Unreachable, "nobody is there");
            Err::<Peer, _>(error)
        })
        .open()
        .expect("good options")
}

// ---- the parts ----

/// The bell of the client's thread is rung by two threads, each after it has left something; the one that waits sees all
/// of it, and then nothing wakes it any more: a byte that was left in the pipe would be a loop without rest.
pub fn the_bell_is_heard_and_then_silent() {
    explore(|| {
        let notifier = Notifier::new().expect("a pipe");
        let left = Arc::new(AtomicUsize::new(0));
        let ringers: Vec<_> = (0..2)
            .map(|_| {
                let (left, waker) = (Arc::clone(&left), notifier.waker());
                thread(move || {
                    left.fetch_add(1, Ordering::Relaxed);
                    waker.wake();
                })
            })
            .collect();
        let mut rings = 0;
        while left.load(Ordering::Relaxed) < 2 {
            assert!(notifier.wait(&mut Vec::new(), None).is_ok());
            rings += 1;
            // Two rings, and for each at most one byte that came late.
            assert!(rings <= 4, "it wakes again and again");
        }
        for ringer in ringers {
            ringer.join().expect("no panic");
        }
        // What came late is taken once.
        let now = Some(Duration::ZERO);
        let _ = notifier.wait(&mut Vec::new(), now);
        assert!(notifier.is_silent(), "it would wake again and again");
    });
}

/// Tasks are given to the pool while its first thread becomes idle, and while it is closed: each is run, and no thread
/// stays.
pub fn every_task_of_the_pool_is_run() {
    explore(|| {
        let threads = Threads::new(ThreadOptions::default(), tracing::Span::none());
        let ran = Arc::new(AtomicUsize::new(0));
        let task = || -> Task {
            let ran = Arc::clone(&ran);
            Box::pin(async move {
                ran.fetch_add(1, Ordering::Relaxed);
            })
        };
        let (pool, other_task) = (threads.clone(), task());
        let other = thread(move || pool.spawn(other_task).expect("a thread"));
        threads.spawn(task()).expect("a thread");
        other.join().expect("no panic");
        threads.close();
        all_ended();
        assert_eq!(ran.load(Ordering::Relaxed), 2);
    });
}

// ---- the client ----

/// Two threads drop the last two handles of a namespace.
pub fn the_last_handle_ends_the_thread() {
    explore(|| {
        let one = offline();
        let two = one.clone();
        let other = thread(move || drop(two));
        drop(one);
        other.join().expect("no panic");
        all_ended();
    });
}

/// While the last handle is dropped, a handle is made of a weak one, or not, and used.
pub fn a_weak_handle_meets_the_end() {
    explore(|| {
        let socket = offline();
        let weak = socket.downgrade();
        let other = thread(move || {
            if let Some(socket) = weak.upgrade() {
                socket.emit("kept", ()).expect("accepted");
            }
        });
        drop(socket);
        other.join().expect("no panic");
        all_ended();
    });
}

/// The last handle is dropped while another thread of the client's connects: the connection is not kept.
pub fn the_last_handle_is_dropped_while_it_connects() {
    explore(|| {
        let (socket, _) = online(Limits::DEFAULT);
        socket.connect_background();
        drop(socket);
        all_ended();
    });
}

/// `close` is called while the client connects, and another handle emits: what was accepted before is written, or told.
pub fn it_is_closed_while_it_connects() {
    explore(|| {
        let (socket, peer) = online(Limits::DEFAULT);
        let two = socket.clone();
        socket.connect_background();
        socket.emit("before", ()).expect("accepted");
        let other = thread(move || two.emit("meanwhile", ()));
        let closed: Result<(), CloseError> = socket.close();
        let emitted = other.join().expect("no panic");
        assert!(matches!(emitted, Ok(()) | Err(EmitError::Closed)));
        all_ended();
        if closed.is_ok() {
            assert!(peer.events().contains(&"42[\"before\"]".to_owned()));
            assert_eq!(peer.packets().last().map(String::as_str), Some("bye"));
        }
    });
}

/// Two threads wait for answers, of which each gets its own.
pub fn two_threads_wait_for_answers() {
    explore(|| {
        let (socket, _) = online(Limits::DEFAULT);
        let two = socket.clone();
        socket.connect_background();
        let other = thread(move || two.emit_with_ack::<_, (u64,)>("b", ()).send());
        let one = socket.emit_with_ack::<_, (u64,)>("a", ()).send();
        let two = other.join().expect("no panic");
        let mut answers = [one.expect("an answer").0, two.expect("an answer").0];
        answers.sort_unstable();
        assert_eq!(answers, [0, 1]);
        drop(socket);
        all_ended();
    });
}

/// An answer is waited for in one thread, while another gives the event up.
pub fn the_end_is_told_to_who_waits() {
    explore(|| {
        let socket = offline();
        let two = socket.clone();
        let other = thread(move || two.clear_send_buffer());
        let answer = socket.emit_with_ack::<_, ()>("never", ()).begin();
        socket.clear_send_buffer();
        let answer = answer.wait();
        assert!(
            matches!(answer, Err(AckError::Dropped { .. })),
            "{answer:?}"
        );
        other.join().expect("no panic");
        drop(socket);
        all_ended();
    });
}

/// `connect` waits for an attempt that fails, while another handle leaves.
pub fn a_refusal_is_told_to_who_waits() {
    explore(|| {
        let socket = refused();
        let two = socket.clone();
        let other = thread(move || two.disconnect());
        let error = socket.connect().expect_err("nobody is there");
        assert!(!error.to_string().is_empty());
        other.join().expect("no panic");
        drop(socket);
        all_ended();
    });
}

/// `connect` is called by two threads.
pub fn two_calls_of_connect() {
    explore(|| {
        let (socket, _) = online(Limits::DEFAULT);
        let two = socket.clone();
        let other = thread(move || two.connect());
        let one = socket.connect();
        assert!(one.is_ok() && socket.connected(), "{one:?}");
        assert!(other.join().expect("no panic").is_ok());
        drop(socket);
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
        let events = peer.events();
        let of = |name: &str| -> Vec<&String> {
            events.iter().filter(|event| event.contains(name)).collect()
        };
        assert_eq!(of("\"a\""), ["42[\"a\",1]"]);
        assert_eq!(of("\"b\""), ["42[\"b\",1]", "42[\"b\",2]"]);
        assert_eq!(peer.packets().last().map(String::as_str), Some("bye"));
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
                socket.room();
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
        assert_eq!(peer.events().len(), 4);
    });
}

/// The server sends an event, from a thread of its own, while the client's thread is about to wait: a handler is called
/// with it before the last handle is gone.
pub fn an_event_comes_while_the_thread_is_about_to_wait() {
    explore(|| {
        let (socket, peer) = online(Limits::DEFAULT);
        let (sender, receiver) = futures_channel::oneshot::channel();
        let sender = std::sync::Mutex::new(Some(sender));
        socket.on("news", move |(number,): (u64,)| {
            let sender = sender.lock().ok().and_then(|mut sender| sender.take());
            if let Some(sender) = sender {
                let _ = sender.send(number);
            }
        });
        socket.connect().expect("joined");
        peer.push("42[\"news\",7]");
        assert_eq!(block_on(receiver), Ok(7));
        drop(socket);
        all_ended();
    });
}
