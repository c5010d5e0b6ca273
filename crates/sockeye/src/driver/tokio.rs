//! The driver on tokio: one task that moves bytes and waits. User code runs in others, one for each namespace that has
//! something to tell: its dispatcher.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use sockeye_core::drive::Work;
use sockeye_core::{Instant, Link};
use tokio::time::Sleep;
use tracing::Instrument as _;

use super::{Driver, Parts};
use crate::inbox::Shared;
use crate::net::io::{self, Io};
use crate::sync;

/// Rounds of one poll before others get their turn.
const ROUNDS: usize = 16;
/// So many bytes read in one poll are enough: dispatchers get their turn before more of them lie in memory.
const TURN: u32 = 16 << 10;

/// The driver, and what it has of tokio.
struct Task {
    driver: Driver,
    /// When the core's clock began. It is tokio's clock, which tests may stop.
    origin: tokio::time::Instant,
    links: Links,
    /// Links whose last write found no room.
    blocked: [bool; 3],
    sleep: Pin<Box<Sleep>>,
    armed: Option<Instant>,
    /// The timer knows whom to wake.
    registered: bool,
    /// The core's deadline.
    wake: Option<Instant>,
    dialing: bool,
    /// Something may have come of the links since they were last asked.
    stirred: bool,
    /// The clock has been read in this poll.
    ticked: bool,
    /// Bytes read in this poll, at most [`TURN`] and what one read brings.
    read: u32,
}

/// What links wake: it tells the driver that they have to be asked. Whoever else wakes the driver, handles above all, wakes
/// its task alone, so that most of what is sent goes out without a look at what may have come.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before the wake: the driver looks at it behind the registration of its waker.
        self.stirred.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// The core's links. Those of long-polling are there only while they are in use.
struct Links {
    websocket: Io,
    polling: Option<Box<[Io; 2]>>,
}

impl Links {
    /// A link that is there.
    #[inline]
    fn get(&mut self, link: Link) -> Option<&mut Io> {
        match link {
            Link::WebSocket => Some(&mut self.websocket),
            Link::Poll => self.polling.as_mut().map(|both| &mut both[0]),
            Link::Post => self.polling.as_mut().map(|both| &mut both[1]),
        }
    }

    /// The place of a link that is being opened.
    fn open(&mut self, link: Link) -> &mut Io {
        let closed = || Box::new([Io::Closed, Io::Closed]);
        match link {
            Link::WebSocket => &mut self.websocket,
            Link::Poll => &mut self.polling.get_or_insert_with(closed)[0],
            Link::Post => &mut self.polling.get_or_insert_with(closed)[1],
        }
    }

    /// A link has ended.
    fn closed(&mut self, link: Link) {
        if let Some(io) = self.get(link) {
            *io = Io::Closed;
        }
    }

    /// Those that are not in use any more go.
    fn tidy(&mut self) {
        self.polling
            .take_if(|links| links.iter().all(|io| matches!(io, Io::Closed)));
    }

    fn is_dialing(&self) -> bool {
        self.websocket.is_dialing()
            || self
                .polling
                .as_ref()
                .is_some_and(|links| links.iter().any(Io::is_dialing))
    }
}

/// Starts the task of a connection.
pub(crate) fn spawn(runtime: &tokio::runtime::Handle, parts: Parts) {
    let span = parts.span();
    let (tasks, in_span) = (runtime.clone(), span.clone());
    let spawn = move |task: Pin<Box<dyn Future<Output = ()> + Send>>| {
        start(&tasks, &in_span, task);
    };
    let (origin, sleep) = {
        let _guard = runtime.enter();
        let far = Duration::from_secs(86_400);
        (tokio::time::Instant::now(), tokio::time::sleep(far))
    };
    let task = Task {
        driver: Driver::new(parts, Box::new(spawn)),
        origin,
        links: Links {
            websocket: Io::Closed,
            polling: None,
        },
        blocked: [false; 3],
        sleep: Box::pin(sleep),
        armed: None,
        registered: false,
        wake: None,
        dialing: false,
        stirred: true,
        ticked: false,
        read: 0,
    };
    start(runtime, &span, task);
}

/// Starts a task in a span. (If nobody listens it is not kept for that: connections may be many.)
fn start(
    runtime: &tokio::runtime::Handle,
    span: &tracing::Span,
    task: impl Future<Output = ()> + Send + 'static,
) {
    if span.is_disabled() {
        sync::start(runtime, task);
    } else {
        sync::start(runtime, task.instrument(span.clone()));
    }
}

impl Task {
    /// Reads the clock.
    fn tick(&mut self) {
        self.ticked = true;
        // (By numbers of 64 bits: they last for half a million years.)
        let elapsed = self.origin.elapsed();
        let micros = elapsed.as_secs() * 1_000_000 + u64::from(elapsed.subsec_micros());
        self.driver.now = Instant::from_micros(micros);
    }

    /// Reads the clock if this poll has not done so yet.
    fn tick_once(&mut self) {
        if !self.ticked {
            self.tick();
        }
    }

    /// Does what the core asks for until it is idle.
    fn drain(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        loop {
            // (Looked at for every event, because a link may be closed in between.)
            let dialing = self.dialing && self.links.is_dialing();
            match self.driver.poll(dialing) {
                Work::Open(link) => {
                    let fresh = self.driver.opening(link);
                    *self.links.open(link) = Io::Dialing(io::dial(&self.driver.target, fresh));
                    (self.dialing, self.stirred) = (true, true);
                }
                Work::Transmit(link) => self.write(cx, link),
                Work::Close(link) => {
                    if let Some(io) = self.links.get(link) {
                        if io.is_dialing() {
                            let unfinished = self.driver.target.network.unfinished();
                            self.driver.failure.set(unfinished);
                        }
                        io.close(cx);
                        self.links.tidy();
                    }
                }
                Work::Idle(wake) => return wake,
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>, link: Link) {
        let bytes = self.driver.core.transmit(link);
        let poll = match self.links.get(link) {
            Some(io) => io.poll_write(cx, bytes),
            None => Poll::Pending,
        };
        match poll {
            Poll::Ready(Ok(n)) if n > 0 => self.driver.core.transmitted(link, n),
            Poll::Ready(Ok(_)) => {
                let error = std::io::Error::other("the connection takes no more bytes");
                self.broken(link, &error);
            }
            Poll::Ready(Err(error)) => self.broken(link, &error),
            Poll::Pending => {
                self.blocked[link.index()] = true;
                self.driver.core.transmitted(link, 0);
            }
        }
    }

    fn broken(&mut self, link: Link, error: &std::io::Error) {
        self.links.closed(link);
        let error = self.driver.target.network.explain(error);
        self.driver
            .core
            .handle_closed(self.driver.now, link, Some(error.message()));
        self.driver.failure.set(error);
        self.driver.needs_drain = true;
    }

    /// Links whose last write found no room are tried again.
    fn unblock(&mut self) {
        for link in Link::ALL {
            if std::mem::take(&mut self.blocked[link.index()]) {
                self.tick_once();
                self.driver.core.handle_writable(self.driver.now, link);
                self.driver.needs_drain = true;
            }
        }
    }

    /// Moves on what encrypted streams hold back.
    fn flush(&mut self, cx: &mut Context<'_>) {
        for link in Link::ALL {
            if let Some(io) = self.links.get(link)
                && let Poll::Ready(Err(error)) = io.poll_flush(cx)
            {
                self.tick_once();
                self.broken(link, &error);
            }
        }
    }

    /// Goes on connecting; whether a link has come to something.
    fn dial(&mut self, cx: &mut Context<'_>) -> bool {
        self.dialing = false;
        for link in Link::ALL {
            let Some(Io::Dialing(future)) = self.links.get(link) else {
                continue;
            };
            let Poll::Ready(result) = future.as_mut().poll(cx) else {
                self.dialing = true;
                continue;
            };
            self.tick();
            self.driver.needs_drain = true;
            match result {
                Ok(dialed) => {
                    self.driver.computed(dialed.computed);
                    *self.links.open(link) = Io::Open(dialed.stream);
                    self.driver.core.handle_opened(self.driver.now, link);
                }
                Err(error) => {
                    self.links.closed(link);
                    self.driver
                        .core
                        .handle_open_failed(self.driver.now, link, error.message());
                    self.driver.failure.set(error);
                }
            }
        }
        self.driver.needs_drain
    }

    /// Reads what has arrived; whether anything has. What one read brings is worked through before the next.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let mut asked = true;
        // The WebSocket first: a server answers the probe of an upgrade there, and then ends the poll. Read the other
        // way round, polling would be asked for once more, and the upgrade would have to wait for the end of that.
        for link in [Link::WebSocket, Link::Poll, Link::Post] {
            let Some(Io::Open(open)) = self.links.get(link) else {
                continue;
            };
            // Answers to POSTs bring no events, and without them no pong could follow another.
            if self.driver.paused && link != Link::Post {
                asked = false;
                continue;
            }
            // An idle connection keeps no memory to read into. And behind a read there is seldom more: the question alone
            // costs less than another one.
            if (self.read > 0 || !self.driver.core.has_receive_memory(link))
                && open.poll_readable(cx).is_pending()
            {
                continue;
            }
            let buf = self.driver.core.receive_buf(link);
            if buf.is_empty() {
                asked = false;
                continue;
            }
            match open.poll_read(cx, buf) {
                Poll::Pending => continue,
                Poll::Ready(Ok(0)) => {
                    self.tick();
                    if let Some(io) = self.links.get(link) {
                        io.close(cx);
                    }
                    self.driver.core.handle_closed(self.driver.now, link, None);
                }
                Poll::Ready(Ok(n)) => {
                    self.tick();
                    self.read = self
                        .read
                        .saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
                    self.driver.core.handle_received(self.driver.now, link, n);
                }
                Poll::Ready(Err(error)) => {
                    self.tick();
                    self.broken(link, &error);
                }
            }
            self.driver.needs_drain = true;
            return true;
        }
        // All that are asked wake when something comes.
        self.stirred = !asked;
        false
    }

    /// Sets the timer; whether it has gone off.
    fn arm(&mut self, cx: &mut Context<'_>) -> bool {
        let wake = match (self.wake, self.driver.deadline()) {
            (Some(core), Some(own)) => core.min(own),
            (Some(wake), None) | (None, Some(wake)) => wake,
            (None, None) => return false,
        };
        // Only ever moved to an earlier time: deadlines move on with every packet, the timer need not.
        if self.armed.is_none_or(|armed| wake < armed) {
            self.armed = Some(wake);
            let at = self.origin + Duration::from_micros(wake.as_micros());
            self.sleep.as_mut().reset(at);
            self.registered = false;
        }
        // The timer keeps the waker of its last poll.
        let registered = std::mem::replace(&mut self.registered, true);
        if registered && !self.sleep.is_elapsed() {
            return false;
        }
        if self.sleep.as_mut().poll(cx).is_ready() {
            self.armed = None;
            self.tick();
            self.driver.handle_timers();
            self.driver.core.handle_timeout(self.driver.now);
            self.driver.needs_drain = true;
            return true;
        }
        false
    }
}

impl Future for Task {
    type Output = ();

    // (One copy, in a span or not.)
    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.driver.shared.waker.register(cx.waker());
        let links = Waker::from(Arc::clone(&this.driver.shared));
        let links = &mut Context::from_waker(&links);
        // The clock is read when something is to be done, once in a poll, and after every read: nothing else takes time.
        (this.ticked, this.read) = (false, 0);
        if this.driver.paused || this.driver.needs_drain {
            this.tick();
        }
        if this.driver.paused {
            this.driver.outlet.driver.register(cx.waker());
        }
        if this.driver.shared.stirred.swap(false, Ordering::AcqRel) {
            this.stirred = true;
            this.flush(links);
            if this.blocked != [false; 3] {
                this.unblock();
            }
        }
        for _ in 0..ROUNDS {
            if this.driver.is_called() {
                this.tick_once();
                this.driver.take_inbox();
            }
            if this.driver.needs_drain {
                this.wake = this.drain(links);
                this.driver.needs_drain = false;
                this.driver.publish();
                if this.driver.needs_drain {
                    continue;
                }
            }
            this.driver.hand_over(|waker| waker.register(cx.waker()));
            if this.read >= TURN {
                break;
            }
            let mut progress = false;
            if this.stirred {
                progress = this.dialing && this.dial(links);
                progress |= this.read(links);
            }
            progress |= !progress && this.arm(cx);
            if this.driver.ending && !this.driver.needs_drain && this.driver.core.is_down() {
                this.driver.end();
                return Poll::Ready(());
            }
            if !progress && !this.driver.needs_drain {
                return Poll::Pending;
            }
        }
        // Others want to run too.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
