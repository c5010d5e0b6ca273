//! A network in memory that behaves as badly as it is told to.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use sockeye_embedded::{Connect, ConnectError, Connection, Target};

use super::peer::{self, Frame};

/// How the network behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// At most so many bytes in one read.
    pub(crate) read: usize,
    /// At most so many bytes in one write.
    pub(crate) write: usize,
    /// Every read and write gives way before it does anything.
    pub(crate) slow: bool,
    /// Bytes that the server's side takes before it takes no more, until [`Wire::read_on`].
    pub(crate) window: usize,
    /// The connection breaks after so many bytes from the server.
    pub(crate) reset_after: Option<usize>,
    /// Connecting never ends.
    pub(crate) dead: bool,
    /// A connection is made, but its halves never come: a TLS handshake that stands still.
    pub(crate) hang_split: bool,
}

impl Manners {
    pub(crate) const GOOD: Self = Self {
        read: usize::MAX,
        write: usize::MAX,
        slow: false,
        window: usize::MAX,
        reset_after: None,
        dead: false,
        hang_split: false,
    };
    /// Byte by byte, and never at once.
    pub(crate) const DRIPPING: Self = Self {
        read: 1,
        write: 1,
        slow: true,
        ..Self::GOOD
    };
}

/// One connection, as both sides see it.
#[derive(Default)]
pub(crate) struct Wire {
    to_client: RefCell<VecDeque<u8>>,
    to_server: RefCell<Vec<u8>>,
    /// The server has closed its side.
    ended: Cell<bool>,
    broken: Cell<bool>,
    /// The client has dropped the connection.
    pub(crate) dropped: Cell<bool>,
    /// The client has closed it in order.
    pub(crate) closed: Cell<bool>,
    delivered: Cell<usize>,
    window: Cell<usize>,
    /// The server sends this for ever, faster than the client reads.
    pub(crate) endless: RefCell<Vec<u8>>,
    /// Reads that gave bytes.
    pub(crate) reads: Cell<usize>,
    /// Written bytes lie in the stack of the client's device until [`Wire::confirm`].
    pub(crate) unconfirmed: Cell<bool>,
    /// Reads or writes that were begun, minus those that ended by themselves: more than one was cancelled if this
    /// exceeds one on a live connection.
    pub(crate) reads_cut: Cell<usize>,
    pub(crate) writes_cut: Cell<usize>,
    wakers: RefCell<Vec<Waker>>,
}

impl Wire {
    fn wake(&self) {
        for waker in self.wakers.take() {
            waker.wake();
        }
    }

    fn wait(&self, waker: &Waker) {
        self.wakers.borrow_mut().push(waker.clone());
    }

    /// The server sends bytes.
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.to_client.borrow_mut().extend(bytes);
        self.wake();
    }

    /// The server sends a text message.
    pub(crate) fn text(&self, text: &str) {
        self.send(&peer::text(text));
    }

    pub(crate) fn binary(&self, bytes: &[u8]) {
        self.send(&peer::binary(bytes));
    }

    /// The server closes its side.
    pub(crate) fn end(&self) {
        self.ended.set(true);
        self.wake();
    }

    /// The connection breaks.
    pub(crate) fn reset(&self) {
        self.broken.set(true);
        self.wake();
    }

    /// The server's TCP has confirmed what was written.
    pub(crate) fn confirm(&self) {
        self.unconfirmed.set(false);
        self.wake();
    }

    /// The server takes so many bytes, and no more.
    pub(crate) fn take_only(&self, bytes: usize) {
        self.window.set(bytes);
    }

    /// The server takes so many bytes more.
    pub(crate) fn read_on(&self, bytes: usize) {
        self.window.set(self.window.get().saturating_add(bytes));
        self.wake();
    }

    /// The next message of the client; pings are not answered by themselves.
    pub(crate) async fn next(&self) -> Frame {
        poll_fn(|cx| {
            if let Some(frame) = peer::take_frame(&mut self.to_server.borrow_mut()) {
                return Poll::Ready(frame);
            }
            assert!(
                !self.dropped.get(),
                "the client has dropped the connection instead of sending"
            );
            self.wait(cx.waker());
            Poll::Pending
        })
        .await
    }

    /// The next message of the client is this text.
    pub(crate) async fn expect(&self, text: &str) {
        assert_eq!(self.next().await, Frame::Text(text.into()));
    }

    /// No whole message has come that was not looked at.
    pub(crate) fn is_quiet(&self) -> bool {
        self.to_server.borrow().is_empty()
    }

    /// Waits until the client has dropped the connection.
    pub(crate) async fn gone(&self) {
        poll_fn(|cx| {
            if self.dropped.get() {
                return Poll::Ready(());
            }
            self.wait(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// The next HTTP request: its head and body.
    pub(crate) async fn request(&self) -> (String, String) {
        poll_fn(|cx| {
            let mut bytes = self.to_server.borrow_mut();
            if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("Content-Length: "));
                let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
                if bytes.len() >= end + 4 + length {
                    let body =
                        String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
                    bytes.drain(..end + 4 + length);
                    return Poll::Ready((head, body));
                }
            }
            self.wait(cx.waker());
            Poll::Pending
        })
        .await
    }

    /// Answers an HTTP request.
    pub(crate) fn respond(&self, body: &str) {
        let length = body.len();
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes());
    }

    /// Upgrades to WebSocket and opens the Engine.IO session; gives the request's first line.
    pub(crate) async fn shake_hands(&self) -> String {
        let line = self.upgrade().await;
        self.text(peer::OPEN);
        line
    }

    /// Upgrades to WebSocket; gives the request's first line.
    pub(crate) async fn upgrade(&self) -> String {
        poll_fn(|cx| {
            let mut bytes = self.to_server.borrow_mut();
            if let Some((answer, end)) = peer::upgrade(&bytes) {
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                bytes.drain(..end);
                drop(bytes);
                self.send(answer.as_bytes());
                return Poll::Ready(head.lines().next().unwrap_or("").to_owned());
            }
            drop(bytes);
            self.wait(cx.waker());
            Poll::Pending
        })
        .await
    }

    /// As `shake_hands`, and joins the main namespace.
    pub(crate) async fn join(&self) {
        self.shake_hands().await;
        self.expect("40").await;
        self.text(r#"40{"sid":"socket"}"#);
    }
}

/// The network: hands out connections, and shows them to the test.
#[derive(Clone)]
pub(crate) struct Net(Rc<State>);

struct State {
    manners: Cell<Manners>,
    wires: RefCell<Vec<Rc<Wire>>>,
    targets: RefCell<Vec<Target>>,
    refuse: Cell<Option<ConnectError>>,
    attempts: Cell<usize>,
    /// Connect futures that were dropped before they were done.
    connects_cut: Cell<usize>,
    wakers: RefCell<Vec<Waker>>,
}

impl Net {
    pub(crate) fn new(manners: Manners) -> Self {
        Self(Rc::new(State {
            manners: Cell::new(manners),
            wires: RefCell::default(),
            targets: RefCell::default(),
            refuse: Cell::new(None),
            attempts: Cell::new(0),
            connects_cut: Cell::new(0),
            wakers: RefCell::default(),
        }))
    }

    pub(crate) fn set_manners(&self, manners: Manners) {
        self.0.manners.set(manners);
    }

    pub(crate) fn refuse(&self, error: Option<ConnectError>) {
        self.0.refuse.set(error);
    }

    pub(crate) fn attempts(&self) -> usize {
        self.0.attempts.get()
    }

    pub(crate) fn connects_cut(&self) -> usize {
        self.0.connects_cut.get()
    }

    pub(crate) fn targets(&self) -> Vec<Target> {
        self.0.targets.borrow().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.0.wires.borrow().len()
    }

    /// Opens a connection, or does not: as the manners are.
    pub(crate) async fn open(&self) -> Result<Client, ConnectError> {
        let mut cut = Cut(&self.0.connects_cut, false);
        self.0.attempts.set(self.0.attempts.get() + 1);
        super::exec::give_way().await;
        let manners = self.0.manners.get();
        if manners.dead {
            std::future::pending::<()>().await;
        }
        cut.1 = true;
        if let Some(error) = self.0.refuse.get() {
            return Err(error);
        }
        let wire = Rc::new(Wire::default());
        wire.window.set(manners.window);
        self.0.wires.borrow_mut().push(wire.clone());
        for waker in self.0.wakers.take() {
            waker.wake();
        }
        Ok(Client { wire, manners })
    }

    /// Connection number `n`, from 0.
    pub(crate) async fn wire(&self, n: usize) -> Rc<Wire> {
        poll_fn(|cx| {
            if let Some(wire) = self.0.wires.borrow().get(n) {
                return Poll::Ready(wire.clone());
            }
            self.0.wakers.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// Counts a future that is dropped before it is done.
struct Cut<'a>(&'a Cell<usize>, bool);

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.set(self.0.get() + 1);
        }
    }
}

impl Connect for Net {
    type Connection<'c> = Client;

    async fn connect(&self, target: Target) -> Result<Client, ConnectError> {
        self.0.targets.borrow_mut().push(target);
        self.open().await
    }
}

/// The client's side of a connection.
pub(crate) struct Client {
    wire: Rc<Wire>,
    manners: Manners,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.wire.dropped.set(true);
        self.wire.wake();
    }
}

pub(crate) struct ReadHalf<'a>(&'a Client);
pub(crate) struct WriteHalf<'a>(&'a Client);

impl Client {
    pub(crate) const fn halves(&self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }
}

impl Connection for Client {
    type ReadError = ErrorKind;
    type WriteError = ErrorKind;
    type Read<'a> = ReadHalf<'a>;
    type Write<'a> = WriteHalf<'a>;

    async fn split(&mut self) -> Result<(ReadHalf<'_>, WriteHalf<'_>), ConnectError> {
        if self.manners.hang_split {
            std::future::pending::<()>().await;
        }
        Ok(self.halves())
    }

    async fn sent<'a>(writer: &mut WriteHalf<'a>) -> Result<(), ErrorKind>
    where
        Self: 'a,
    {
        let wire = &writer.0.wire;
        poll_fn(|cx| {
            if wire.broken.get() {
                return Poll::Ready(Err(ErrorKind::ConnectionReset));
            }
            if wire.unconfirmed.get() {
                wire.wait(cx.waker());
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    async fn close(&mut self) {
        super::exec::give_way().await;
        self.wire.closed.set(true);
    }
}

impl ErrorType for ReadHalf<'_> {
    type Error = ErrorKind;
}

impl ErrorType for WriteHalf<'_> {
    type Error = ErrorKind;
}

impl Read for ReadHalf<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let Client { wire, manners } = self.0;
        let mut cut = Cut(&wire.reads_cut, false);
        if manners.slow {
            super::exec::give_way().await;
        }
        let result = poll_fn(|cx| {
            let left = manners
                .reset_after
                .map_or(usize::MAX, |limit| limit - wire.delivered.get());
            if wire.broken.get() || left == 0 {
                return Poll::Ready(Err(ErrorKind::ConnectionReset));
            }
            let mut bytes = wire.to_client.borrow_mut();
            if bytes.is_empty() {
                bytes.extend(wire.endless.borrow().iter());
            }
            if bytes.is_empty() {
                if wire.ended.get() {
                    return Poll::Ready(Ok(0));
                }
                wire.wait(cx.waker());
                return Poll::Pending;
            }
            let n = bytes.len().min(buf.len()).min(manners.read).min(left);
            for (to, from) in buf.iter_mut().zip(bytes.drain(..n)) {
                *to = from;
            }
            wire.delivered.set(wire.delivered.get() + n);
            wire.reads.set(wire.reads.get() + 1);
            Poll::Ready(Ok(n))
        })
        .await;
        cut.1 = true;
        result
    }
}

impl Write for WriteHalf<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        let Client { wire, manners } = self.0;
        let mut cut = Cut(&wire.writes_cut, false);
        if manners.slow {
            super::exec::give_way().await;
        }
        let result = poll_fn(|cx| {
            if wire.broken.get() {
                return Poll::Ready(Err(ErrorKind::BrokenPipe));
            }
            let n = buf.len().min(manners.write).min(wire.window.get());
            if n == 0 {
                wire.wait(cx.waker());
                return Poll::Pending;
            }
            wire.window.set(wire.window.get() - n);
            wire.to_server.borrow_mut().extend(&buf[..n]);
            wire.wake();
            Poll::Ready(Ok(n))
        })
        .await;
        cut.1 = true;
        result
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}
