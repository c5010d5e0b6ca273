//! The client for tokio.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Peer, all_ended, block_on, explore, thread};
use crate::net::{DialError, Target};
use crate::{AckError, Client, ConnectError, EmitError, Limits, Notice, Socket, Transport};

impl AsyncRead for Peer {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.give(buf.initialize_unfilled()) {
            None => {
                self.session(|session| session.reader = Some(cx.waker().clone()));
                Poll::Pending
            }
            Some(n) => {
                buf.advance(n);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.receive(bytes)
            && let Some(reader) = self.session(|session| session.reader.take())
        {
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
        let events = peer.events();
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
        assert!(
            matches!(answer, Err(AckError::Dropped { .. })),
            "{answer:?}"
        );
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
            assert!(seen.events().contains(&"42[\"b\"]".to_owned()));
        });
        socket.emit("a", ()).expect("accepted");
        block_on(socket.flush());
        assert!(peer.events().contains(&"42[\"a\"]".to_owned()));
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
        assert_eq!(peer.events().len(), 4);
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
