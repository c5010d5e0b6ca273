//! One client: a task that does the operations of its program, and counts what happens meanwhile.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{Stream as _, StreamExt as _};
use sockeye::{
    AckError, AckFuture, ConnectError, ConnectErrorKind, DisconnectReason, Notice, NoticeStream,
    RawArgs, Socket,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::engine::{Run, ready_if};
use super::heard::{Ear, listen};
use super::latency::Timing;
use super::scenario::{Ack, Emit, Loop, Op, Program};
use super::template::{Random, Template, Values};
use crate::session::{self, CLOSING};

/// Why a client cannot go on with its operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The run ends.
    End,
    /// It was refused or thrown out.
    Lost,
}

/// An event whose acknowledgement is waited for.
struct Pending {
    answer: AckFuture<()>,
    due: Instant,
}

impl Future for Pending {
    type Output = (Result<(), AckError>, Instant);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let due = self.due;
        Pin::new(&mut self.answer)
            .poll(cx)
            .map(|answer| (answer, due))
    }
}

/// A namespace that the client is in, or wants to be in.
struct Joined {
    socket: Socket,
    notices: NoticeStream,
    /// Microseconds since the start, of the last CONNECT.
    asked: Arc<AtomicU64>,
    /// When the attempt was due that has not come to an end yet.
    due: Option<Instant>,
    joined: bool,
    /// It was joined before: the next time is a reconnection.
    again: bool,
}

struct Frame {
    begin: usize,
    done: u64,
    start: Instant,
}

struct Client<'a> {
    run: &'a Arc<Run>,
    program: &'a Program,
    /// Its place among the clients of this tester.
    index: usize,
    number: u64,
    random: Random,
    /// Events sent so far.
    n: u64,
    /// The moment of the timetable: what happens next was due then.
    cursor: Instant,
    /// By the program's namespaces.
    joined: Vec<Option<Joined>>,
    ear: Arc<Ear>,
    pending: FuturesUnordered<Pending>,
    stop: Option<Stop>,
}

/// Does all that a client does, from its coming, which was due then, to its leaving. It keeps `waiting` as long as it waits
/// for answers.
pub(crate) async fn run(
    run: Arc<Run>,
    index: usize,
    number: u64,
    due: Instant,
    waiting: mpsc::Sender<()>,
) {
    let program = run.plan.scenarios.of(number);
    run.metrics.count(|counts| counts.started += 1);
    let mut client = Client {
        run: &run,
        program,
        index,
        number,
        random: Random::new(run.plan.seed, number),
        n: 0,
        cursor: due,
        joined: program.namespaces.iter().map(|_| None).collect(),
        ear: Arc::new(Ear::new(&program.namespaces)),
        pending: FuturesUnordered::new(),
        stop: None,
    };
    let ended = client.program().await;
    if ended != Err(Stop::End) {
        run.metrics.count(|counts| counts.ended += 1);
    }
    client.drain().await;
    drop(waiting);
    if ended == Err(Stop::End) {
        run.end.all_answered().await;
    }
    client.leave().await;
}

impl Client<'_> {
    /// Does the operations.
    async fn program(&mut self) -> Result<(), Stop> {
        let program = self.program;
        let mut loops: Vec<Frame> = Vec::new();
        let mut at = 0;
        while let Some(op) = program.ops.get(at) {
            at += 1;
            match op {
                Op::Connect => self.join(0).await?,
                Op::Join(place) => self.join(*place).await?,
                Op::Emit(emit) => self.emit(emit).await?,
                Op::Wait {
                    place,
                    heard,
                    timeout,
                } => {
                    self.wait(*place, *heard, *timeout).await?;
                }
                Op::Pause(from, to) => {
                    let nanos = (to.as_nanos() - from.as_nanos()) as f64 * self.random.share();
                    self.pause(*from + Duration::from_nanos(nanos as u64))
                        .await?;
                }
                Op::Offset(most) => {
                    let share = self.random.share();
                    self.pause(most.mul_f64(share)).await?;
                }
                Op::Stay => self.attend(|_, _| Poll::Pending).await?,
                Op::Disconnect => {
                    // What is still to be answered is answered before.
                    self.attend(|me, _| ready_if(me.pending.is_empty())).await?;
                    self.leave().await;
                    self.cursor = self.cursor.max(Instant::now());
                }
                Op::LoopBegin(_) => loops.push(Frame {
                    begin: at - 1,
                    done: 0,
                    start: self.cursor,
                }),
                Op::LoopEnd(begin) => {
                    let Op::LoopBegin(repeat) = &program.ops[*begin] else {
                        unreachable!("a loop's end names its beginning");
                    };
                    let frame = loops.last_mut().expect("a loop that has begun");
                    debug_assert_eq!(frame.begin, *begin);
                    frame.done += 1;
                    match next_round(repeat, frame, self.cursor) {
                        Some(due) => {
                            at = begin + 1;
                            self.cursor = due;
                            self.until(due).await?;
                        }
                        None => {
                            loops.pop();
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits until `done` completes, and sees to what happens meanwhile.
    async fn attend<T>(
        &mut self,
        mut done: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<T>,
    ) -> Result<T, Stop> {
        std::future::poll_fn(|cx| {
            if self.run.end.poll(self.index, cx) {
                self.stop = Some(Stop::End);
            }
            self.look(cx);
            if let Some(stop) = self.stop {
                return Poll::Ready(Err(stop));
            }
            done(self, cx).map(Ok)
        })
        .await
    }

    /// Sees to what has happened.
    fn look(&mut self, cx: &mut Context<'_>) {
        for place in 0..self.joined.len() {
            while let Some(joined) = &mut self.joined[place]
                && let Poll::Ready(Some(notice)) = Pin::new(&mut joined.notices).poll_next(cx)
            {
                self.notice(place, &notice);
            }
        }
        while let Poll::Ready(Some((answer, due))) = self.pending.poll_next_unpin(cx) {
            self.answered(&answer, due);
        }
    }

    fn notice(&mut self, place: usize, notice: &Notice) {
        let metrics = &self.run.metrics;
        let Some(joined) = &mut self.joined[place] else {
            return;
        };
        match notice {
            Notice::Connected { .. } => {
                let asked = Duration::from_micros(joined.asked.load(Ordering::Relaxed));
                let asked = self.run.start + asked;
                let took = Instant::now().saturating_duration_since(asked);
                let again = std::mem::replace(&mut joined.again, true) && place == 0;
                joined.joined = true;
                if let Some(due) = joined.due.take()
                    && place == 0
                {
                    metrics.record(Timing::Connect, asked.saturating_duration_since(due));
                }
                metrics.timed(Timing::Join, took, |counts| {
                    counts.joins += 1;
                    counts.reconnects += u64::from(again);
                });
                metrics.connected(i64::from(place == 0));
            }
            Notice::Disconnected(left) => {
                metrics.connected(-i64::from(place == 0 && joined.joined));
                joined.joined = false;
                if left.reason == DisconnectReason::IoClientDisconnect {
                    return;
                }
                metrics.count(|counts| counts.disconnects += 1);
                let kind = format!("disconnected: {}", left.reason);
                metrics.error(&kind, || left.to_string());
                if !left.will_reconnect {
                    self.stop.get_or_insert(Stop::Lost);
                }
            }
            Notice::ConnectError(error) => {
                // What the end cuts off is no error of the server's.
                if error.kind() == ConnectErrorKind::Closed {
                    return;
                }
                metrics.error(kind_of(error), || error.to_string());
                if !error.active() {
                    self.stop.get_or_insert(Stop::Lost);
                }
            }
            Notice::ReconnectFailed => {
                self.stop.get_or_insert(Stop::Lost);
            }
            Notice::Unsent { event, cause, .. } => {
                metrics.error("unsent", || format!("{event} was not sent: {cause}"));
            }
            Notice::TooLarge { bytes, limit } => metrics.error("too large", || {
                format!("a message of {bytes} bytes was skipped: at most {limit} can be received")
            }),
            _ => (),
        }
    }

    fn answered(&self, answer: &Result<(), AckError>, due: Instant) {
        let metrics = &self.run.metrics;
        match answer {
            Ok(()) => {
                let took = Instant::now().saturating_duration_since(due);
                metrics.timed(Timing::Ack, took, |counts| counts.acks += 1);
            }
            Err(error) => metrics.error(kind_of_ack(error), || error.to_string()),
        }
    }

    /// Waits for a moment of the timetable.
    async fn until(&mut self, due: Instant) -> Result<(), Stop> {
        let run = Arc::clone(self.run);
        let mut moment = pin!(run.on_time(due));
        self.attend(|_, cx| moment.as_mut().poll(cx)).await
    }

    async fn pause(&mut self, time: Duration) -> Result<(), Stop> {
        self.cursor += time;
        self.until(self.cursor).await
    }

    /// Joins a namespace, and the first one by connecting.
    async fn join(&mut self, place: usize) -> Result<(), Stop> {
        self.ear.mark();
        if self.joined[place]
            .as_ref()
            .is_some_and(|joined| joined.joined)
        {
            return Ok(());
        }
        let due = self.cursor;
        match self.open(place) {
            Ok(joined) => {
                let joined = self.joined[place].insert(joined);
                joined.due = Some(due);
                joined.socket.connect_background();
            }
            Err(why) => {
                self.run.metrics.error("connect: options", || why);
                return Err(Stop::Lost);
            }
        }
        let is_joined = |me: &mut Self, _: &mut Context<'_>| {
            ready_if(
                me.joined[place]
                    .as_ref()
                    .is_some_and(|joined| joined.joined),
            )
        };
        self.attend(is_joined).await?;
        self.cursor = Instant::now();
        Ok(())
    }

    /// A socket that does not connect yet; or why there is none.
    fn open(&self, place: usize) -> Result<Joined, String> {
        let (run, name) = (self.run, &self.program.namespaces[place].name);
        let asked = Arc::<AtomicU64>::default();
        let auth = credentials(run, self.number, self.program, place, Arc::clone(&asked));
        let socket = match (place, &self.joined[0]) {
            (0, _) => {
                let mut builder =
                    session::builder(&run.plan.connection).map_err(|failure| failure.message)?;
                if let Some(dialer) = &run.dialer {
                    builder = builder.connector(dialer.clone());
                }
                builder.close_timeout(CLOSING).auth_with(auth).open()
            }
            (_, Some(home)) => home.socket.namespace(name).auth_with(auth).open(),
            (_, None) => return Err(format!("{name} cannot be joined after `disconnect`")),
        }
        .map_err(|error| error.to_string())?;
        listen(
            &socket,
            &self.program.namespaces[place],
            place,
            &self.ear,
            run,
        );
        Ok(Joined {
            notices: socket.notices(),
            socket,
            asked,
            due: None,
            joined: false,
            again: false,
        })
    }

    async fn emit(&mut self, emit: &Emit) -> Result<(), Stop> {
        self.ear.mark();
        self.n += 1;
        let values = Values {
            client: self.number,
            n: self.n,
            random: &self.random,
        };
        let mut json = String::with_capacity(64);
        emit.args.expand(values, &mut json);
        let attachments = emit.args.attachments();
        let metrics = &self.run.metrics;
        let Some(joined) = &self.joined[emit.place] else {
            metrics.error("not sent", || {
                format!("{} was due before its namespace was joined", emit.event)
            });
            return Ok(());
        };
        let args = match RawArgs::new(&json, &attachments) {
            Ok(args) => args,
            Err(error) => {
                metrics.error("not sent", || error.to_string());
                return Ok(());
            }
        };
        metrics.count(|counts| counts.events += 1);
        if emit.ack == Ack::No {
            match joined.socket.emit(&emit.event, args) {
                Ok(()) => metrics.count(|counts| counts.unasked += 1),
                Err(error) => metrics.error("not sent", || error.to_string()),
            }
            return Ok(());
        }
        let request = joined.socket.emit_with_ack::<_, ()>(&emit.event, args);
        let answer = request.timeout(emit.timeout).send();
        let due = self.cursor;
        if emit.ack == Ack::Later {
            self.pending.push(Pending { answer, due });
            // It is polled once, or nobody is woken by it; this gives others their turn, too.
            return self.attend(|_, _| Poll::Ready(())).await;
        }
        let mut pending = Pending { answer, due };
        let answered = self.attend(|_, cx| Pin::new(&mut pending).poll(cx)).await;
        match answered {
            Ok((answer, due)) => {
                self.answered(&answer, due);
                self.cursor = Instant::now();
                Ok(())
            }
            Err(stop) => {
                self.pending.push(pending);
                Err(stop)
            }
        }
    }

    async fn wait(&mut self, place: usize, heard: usize, timeout: Duration) -> Result<(), Stop> {
        let ear = Arc::clone(&self.ear);
        let mut late = pin!(tokio::time::sleep(timeout));
        let came = self
            .attend(|_, cx| {
                if ear.poll(place, heard, cx).is_ready() {
                    return Poll::Ready(true);
                }
                late.as_mut().poll(cx).map(|()| false)
            })
            .await?;
        let metrics = &self.run.metrics;
        if came {
            let took = Instant::now().saturating_duration_since(self.cursor);
            metrics.timed(Timing::Wait, took, |counts| counts.waits += 1);
        } else {
            let event = &self.program.namespaces[place].heard[heard].event;
            metrics.error("wait: timeout", || {
                format!("{event} did not come within {timeout:?}")
            });
        }
        self.cursor = Instant::now();
        Ok(())
    }

    /// Waits for the acknowledgements that are still to come, each of which has a timeout.
    async fn drain(&mut self) {
        std::future::poll_fn(|cx| {
            self.look(cx);
            ready_if(self.pending.is_empty())
        })
        .await;
    }

    /// Leaves all namespaces, and takes what happened until then.
    async fn leave(&mut self) {
        // The connection ends with the first one.
        let sockets = self.joined.iter().rev().flatten();
        let closing = sockets.map(|joined| joined.socket.clone().close());
        futures_util::future::join_all(closing).await;
        let mut cx = Context::from_waker(std::task::Waker::noop());
        self.look(&mut cx);
        for (place, joined) in self.joined.iter_mut().enumerate() {
            if joined.take().is_some_and(|joined| joined.joined) && place == 0 {
                self.run.metrics.connected(-1);
            }
        }
    }
}

/// When the next round of a loop is due; `None` after the last one.
fn next_round(repeat: &Loop, frame: &Frame, cursor: Instant) -> Option<Instant> {
    if repeat.times.is_some_and(|times| frame.done >= times) {
        return None;
    }
    let due = match repeat.every {
        Some(every) => {
            let nanos = every.as_nanos() * u128::from(frame.done);
            frame.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        }
        None => cursor,
    };
    let over = repeat
        .during
        .is_some_and(|during| due >= frame.start + during);
    (!over).then_some(due)
}

/// The function that gives the credentials of every CONNECT, and so tells when that is sent.
fn credentials(
    run: &Arc<Run>,
    number: u64,
    program: &Program,
    place: usize,
    asked: Arc<AtomicU64>,
) -> impl Fn() -> std::future::Ready<Result<Option<Box<serde_json::value::RawValue>>, sockeye::BoxError>>
+ Send
+ Sync
+ 'static {
    let own = &program.namespaces[place].auth;
    let template: Option<Template> = own.as_ref().or(run.plan.auth.as_ref()).cloned();
    let (run, tries) = (Arc::clone(run), AtomicU64::new(0));
    move || {
        asked.store(run.micros(), Ordering::Relaxed);
        let n = tries.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(template) = &template else {
            return std::future::ready(Ok(None));
        };
        let random = Random::new(run.plan.seed.wrapping_add(n), number);
        let mut json = String::new();
        let values = Values {
            client: number,
            n,
            random: &random,
        };
        template.expand(values, &mut json);
        std::future::ready(
            serde_json::value::RawValue::from_string(json)
                .map(Some)
                .map_err(Into::into),
        )
    }
}

/// The kind under which a failed attempt to connect or to join is counted.
fn kind_of(error: &ConnectError) -> &'static str {
    use sockeye::net::DialErrorKind;
    match (error.kind(), error.dial()) {
        (ConnectErrorKind::Refused, _) => "join: refused",
        (ConnectErrorKind::Auth, _) => "join: credentials",
        (ConnectErrorKind::Config, _) => "connect: options",
        (_, Some(DialErrorKind::Resolve)) => "connect: name",
        (_, Some(DialErrorKind::Unreachable)) => "connect: unreachable",
        (_, Some(DialErrorKind::Tls | DialErrorKind::Certificate)) => "connect: TLS",
        _ => "connect: failed",
    }
}

fn kind_of_ack(error: &AckError) -> &'static str {
    match error {
        AckError::Timeout { .. } => "ack: timeout",
        AckError::Disconnected { .. } => "ack: disconnected",
        AckError::Dropped { .. } => "ack: dropped",
        AckError::NotSent(_) => "not sent",
        _ => "ack: other",
    }
}
