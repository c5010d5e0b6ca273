//! The client for tokio, through its ordinary interface, over a stream that is the server itself.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use sockeye::net::Target;
use sockeye::{Client, ClientBuilder, EmitError, Transport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::peer::Peer;
use crate::{Reading, Row};

struct Stream {
    peer: Peer,
    reader: Option<Waker>,
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.peer.has_bytes() {
            this.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let read = this.peer.read(buf.initialize_unfilled());
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.peer.write(bytes);
        if this.peer.has_bytes()
            && let Some(reader) = this.reader.take()
        {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn client(row: Row, count: u32) -> ClientBuilder {
    let peer = Mutex::new(Some(Peer::new(row, count)));
    let connect = move |_: Target| {
        let peer = peer.lock().ok().and_then(|mut peer| peer.take());
        async move {
            let peer = peer.ok_or_else(|| io::Error::other("there is one connection"))?;
            Ok::<_, io::Error>(Stream { peer, reader: None })
        }
    };
    Client::builder("http://server.test")
        .connector(connect)
        .transports([Transport::WebSocket])
        .reconnection(false)
}

pub(crate) fn run(row: Row, count: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        match row {
            Row::Receive => receive(count).await,
            Row::Emit => emit(count).await,
            // In a task of its own: a runtime that drives its root future parks twice as often.
            Row::Ack => tokio::spawn(ack(count)).await.expect("the task"),
        }
    });
}

async fn receive(count: u32) {
    let all = Arc::new(Notify::new());
    let notify = Arc::clone(&all);
    let seen = AtomicU32::new(0);
    let client = client(Row::Receive, count).on("event", move |(reading,): (Reading,)| {
        let n = seen.fetch_add(1, Ordering::Relaxed);
        reading.check(n);
        if n + 1 == count {
            notify.notify_one();
        }
    });
    let socket = client.connect().await.expect("a connection");
    socket.emit("go", ()).expect("room");
    all.notified().await;
}

async fn emit(count: u32) {
    let done = Arc::new(Notify::new());
    let notify = Arc::clone(&done);
    let client = client(Row::Emit, count).on("done", move |(): ()| notify.notify_one());
    let socket = client.connect().await.expect("a connection");
    let mut reading = Reading::number(0);
    for n in 0..count {
        reading.id = Reading::id(n);
        while let Err(error) = socket.emit("event", (&reading,)) {
            match error {
                EmitError::Full => socket.room().await,
                error => panic!("{error}"),
            }
        }
    }
    done.notified().await;
}

async fn ack(count: u32) {
    let client = client(Row::Ack, count);
    let socket = client.connect().await.expect("a connection");
    let mut reading = Reading::number(0);
    for n in 0..count {
        reading.id = Reading::id(n);
        let answer = socket.emit_with_ack("event", (&reading,)).await;
        let (answer,): (u32,) = answer.expect("an answer");
        assert_eq!(answer, reading.id, "the answer to another event");
    }
}
