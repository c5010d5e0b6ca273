//! The loop of a blocking driver, as code: one thread that moves bytes, keeps time and tells the application.
//!
//! A platform implements [`Net`] (connect, read, write, close, wait), an application or a driver crate [`App`] (who
//! owns the client, what becomes of its events, when to end), and [`run`] does the rest. [`Alone`] is the `App` of a
//! program that has nothing else to do.
//!
//! ```
//! use sockeye_core::drive::{Alone, Net, run};
//! use sockeye_core::{Client, EmitOptions, Event};
//!
//! /// Answers every `ping` event by `pong`, until the connection is given up.
//! fn serve(client: &mut Client<'_>, net: &mut impl Net) {
//!     let on_event = |client: &mut Client<'_>, now, event: Event<'_>| match event {
//!         Event::Message(message) if message.name == "ping" => {
//!             if let Err(error) = client.emit(now, message.nsp, "pong", &(), EmitOptions::PLAIN) {
//!                 eprintln!("no pong: {error}");
//!             }
//!         }
//!         Event::Closed { details, .. } => eprintln!("{details}"),
//!         _ => (),
//!     };
//!     run(&mut Alone { client, on_event }, net);
//! }
//! ```

use crate::client::{Client, DetachedOutput, Event};
use crate::engine::Link;
use crate::time::Instant;

/// What the platform does: byte streams and time. No method but [`wait`](Self::wait) and, if it must, [`open`](Self::open)
/// may block, because [`run`] calls the others while it holds the client.
pub trait Net {
    /// Why a stream could not be had, or broke: one line for people, without secrets.
    type Error: AsRef<str>;

    /// The time, on a clock that never runs backwards.
    fn now(&mut self) -> Instant;

    /// Begins to connect a link. What came of it, [`wait`](Self::wait) tells once by [`Ready::Opened`]: also where
    /// connecting blocks, or fails at once. A link is never opened twice without a [`close`](Self::close) in between,
    /// except after a failure.
    fn open(&mut self, link: Link);

    /// Reads what has arrived on an open link. `buf` is never empty.
    ///
    /// # Errors
    /// The stream broke. `run` closes the link.
    fn read(&mut self, link: Link, buf: &mut [u8]) -> Result<Received, Self::Error>;

    /// Writes what the link takes now, and says how many bytes that were. After a write that took nothing,
    /// [`wait`](Self::wait) tells [`Ready::Writable`] once the link takes some again. `bytes` is never empty.
    ///
    /// # Errors
    /// The stream broke. `run` closes the link.
    fn write(&mut self, link: Link, bytes: &[u8]) -> Result<usize, Self::Error>;

    /// Closes a link, one that is being opened included. Nothing is told of it any more.
    fn close(&mut self, link: Link);

    /// Waits until something happens on a link, a command of another thread wakes it, or `until` has come; without
    /// `until`, as long as it takes. Where several links are ready, each must get its turn.
    fn wait(&mut self, until: Option<Instant>) -> Ready<Self::Error>;
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing yet.
    Nothing,
    /// The stream has ended in order: the other side has closed it.
    End,
}

/// What a wait found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready<E> {
    /// A link is connected, or could not be.
    Opened(Link, Result<(), E>),
    /// Bytes, an end or an error are to be read.
    Readable(Link),
    /// A link takes bytes again.
    Writable(Link),
    /// The deadline, or a command; also for no reason at all.
    Woken,
}

/// What stands between the loop and the client's user.
pub trait App<'a> {
    /// Lends the client: under a lock, where other threads give commands.
    fn with<R>(&mut self, use_client: impl FnOnce(&mut Client<'a>) -> R) -> R;

    /// Tells an event. The client is not lent meanwhile, and takes commands by [`with`](Self::with) or from other
    /// threads.
    fn event(&mut self, now: Instant, event: Event<'_>);

    /// There is nothing to do, and if `down`, there is no link nor a plan for one. Here a driver applies commands that
    /// are queued elsewhere.
    fn idle(&mut self, now: Instant, down: bool) -> Idle;
}

/// How to go on when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Wait for the network, the time or a command.
    Wait,
    /// Commands have been given: look again.
    Again,
    /// End the loop. Links that are open stay so: close them, or end only when the client is down.
    End,
}

/// A client that nobody else commands: its own events do. The loop ends when the client is down.
#[derive(Debug)]
pub struct Alone<'c, 'a, F> {
    /// The client.
    pub client: &'c mut Client<'a>,
    /// Gets the client, the time and the event.
    pub on_event: F,
}

impl<'a, F: FnMut(&mut Client<'a>, Instant, Event<'_>)> App<'a> for Alone<'_, 'a, F> {
    fn with<R>(&mut self, use_client: impl FnOnce(&mut Client<'a>) -> R) -> R {
        use_client(self.client)
    }

    fn event(&mut self, now: Instant, event: Event<'_>) {
        (self.on_event)(self.client, now, event);
    }

    fn idle(&mut self, _: Instant, down: bool) -> Idle {
        if down { Idle::End } else { Idle::Wait }
    }
}

/// What a client wants done beside the telling of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Connect a link.
    Open(Link),
    /// Write what the client has for a link.
    Transmit(Link),
    /// Close a link.
    Close(Link),
    /// Wait, at most until then.
    Idle(Option<Instant>),
}

/// Who owns a client and tells its events while they lie in it: a program on one thread, to which others speak by a queue.
/// (Where the application commands the client itself while it is told an event, it is an [`App`].)
pub trait Owner<'a> {
    /// The client.
    fn client(&mut self) -> &mut Client<'a>;

    /// Polls the client by [`Client::poll_output`] and tells its events, until it wants something else done.
    fn poll(&mut self, now: Instant) -> Work;

    /// There is nothing to do, and if `down`, there is no link nor a plan for one.
    fn idle(&mut self, now: Instant, down: bool) -> Idle;
}

/// Drives a client that has an owner until [`Owner::idle`] says that it is over.
pub fn run_owned<'a, N: Net>(owner: &mut impl Owner<'a>, net: &mut N) {
    let mut news = Ready::Woken;
    loop {
        match owner.poll(net.now()) {
            Work::Open(link) => {
                forget(&mut news, link);
                net.open(link);
            }
            Work::Transmit(link) => transmit(owner.client(), net, link),
            Work::Close(link) => {
                forget(&mut news, link);
                net.close(link);
            }
            Work::Idle(wake) => {
                if deliver(owner.client(), net, &mut news, wake) {
                    continue;
                }
                let down = owner.client().is_down();
                match owner.idle(net.now(), down) {
                    Idle::Wait => news = net.wait(wake),
                    Idle::Again => (),
                    Idle::End => return,
                }
            }
        }
    }
}

/// Drives a client until [`App::idle`] says that it is over.
pub fn run<'a, N: Net>(app: &mut impl App<'a>, net: &mut N) {
    let mut news = Ready::Woken;
    loop {
        match app.with(|client| advance(client, net, &mut news)) {
            DetachedOutput::Open(link) => net.open(link),
            DetachedOutput::Event(mut detached) => {
                let text = detached
                    .has_text()
                    .then(|| app.with(|client| client.event_text(&detached)));
                app.event(net.now(), detached.event(text.as_ref()));
                app.with(|client| client.attach(&mut detached));
            }
            DetachedOutput::Idle(wake) => {
                let down = app.with(|client| client.is_down());
                match app.idle(net.now(), down) {
                    Idle::Wait => news = net.wait(wake),
                    Idle::Again => (),
                    Idle::End => return,
                }
            }
            // Done inside of `advance`.
            DetachedOutput::Transmit(_) | DetachedOutput::Close(_) => (),
        }
    }
}

/// Everything that can be done while the client is held. What `wait` found is told only when there is nothing else to
/// do, and in the same breath: a command of another thread may have closed that link, and opened it anew, since.
fn advance<'a, N: Net>(
    client: &mut Client<'a>,
    net: &mut N,
    news: &mut Ready<N::Error>,
) -> DetachedOutput<'a> {
    loop {
        match client.poll_detached() {
            DetachedOutput::Transmit(link) => transmit(client, net, link),
            DetachedOutput::Close(link) => {
                forget(news, link);
                net.close(link);
            }
            DetachedOutput::Idle(wake) => {
                if !deliver(client, net, news, wake) {
                    return DetachedOutput::Idle(wake);
                }
            }
            DetachedOutput::Open(link) => {
                forget(news, link);
                return DetachedOutput::Open(link);
            }
            output @ DetachedOutput::Event(_) => return output,
        }
    }
}

fn transmit<N: Net>(client: &mut Client<'_>, net: &mut N, link: Link) {
    match net.write(link, client.transmit(link)) {
        Ok(sent) => client.transmitted(link, sent),
        Err(error) => client.handle_closed(net.now(), link, Some(error.as_ref())),
    }
}

/// Tells the client what `wait` found, or that its time has come; `false` if there is nothing to tell.
fn deliver<N: Net>(
    client: &mut Client<'_>,
    net: &mut N,
    news: &mut Ready<N::Error>,
    wake: Option<Instant>,
) -> bool {
    let now = net.now();
    match core::mem::replace(news, Ready::Woken) {
        Ready::Opened(link, Ok(())) => client.handle_opened(now, link),
        Ready::Opened(link, Err(error)) => client.handle_open_failed(now, link, error.as_ref()),
        Ready::Writable(link) => client.handle_writable(now, link),
        Ready::Readable(link) => read(client, net, link, now),
        Ready::Woken if wake.is_some_and(|wake| wake <= now) => client.handle_timeout(now),
        Ready::Woken => return false,
    }
    true
}

fn read<N: Net>(client: &mut Client<'_>, net: &mut N, link: Link, now: Instant) {
    let buf = client.receive_buf(link);
    if buf.is_empty() {
        return;
    }
    match net.read(link, buf) {
        Ok(Received::Bytes(n)) => client.handle_received(now, link, n),
        Ok(Received::Nothing) => (),
        Ok(Received::End) => client.handle_closed(now, link, None),
        Err(error) => client.handle_closed(now, link, Some(error.as_ref())),
    }
}

/// What was found on a link before it was closed or opened does not concern the new one.
fn forget<E>(news: &mut Ready<E>, link: Link) {
    match news {
        Ready::Opened(at, _) | Ready::Readable(at) | Ready::Writable(at) if *at == link => {
            *news = Ready::Woken;
        }
        _ => (),
    }
}
