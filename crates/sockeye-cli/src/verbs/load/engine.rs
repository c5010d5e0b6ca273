//! The run: clients come by their timetable, work until the end, and leave in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::client;
use super::dial::Dialer;
use super::latency::Timing;
use super::metrics::Metrics;
use super::pacer::Clock;
use super::scenario::Scenarios;
use super::template::Template;
use crate::options::{Connection, Shard};

/// Between two looks at whether the tester itself keeps up.
const PROBE: Duration = Duration::from_millis(20);

/// What a run is to be.
pub(crate) struct Plan {
    pub(crate) connection: Connection,
    pub(crate) auth: Option<Template>,
    pub(crate) scenarios: Scenarios,
    /// Of all shards.
    pub(crate) clients: u64,
    pub(crate) shard: Shard,
    /// In which the clients of all shards come.
    pub(crate) ramp: Duration,
    /// After that.
    pub(crate) duration: Duration,
    pub(crate) seed: u64,
}

impl Plan {
    /// The numbers of the clients of this shard, from 1.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> + use<> {
        (self.shard.number..=self.clients).step_by(self.shard.of as usize)
    }

    /// When a client comes, after the start: the timetable is the same however many shards there are.
    pub(crate) fn arrival(&self, number: u64) -> Duration {
        let nanos = self.ramp.as_nanos() * u128::from(number - 1) / u128::from(self.clients);
        Duration::from_nanos(nanos as u64)
    }

    /// From the start to the end, when clients begin to leave.
    pub(crate) fn length(&self) -> Duration {
        self.ramp + self.duration
    }
}

/// What all clients of a run share.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    /// None: the client's own way, for servers in memory.
    pub(crate) dialer: Option<Dialer>,
    pub(crate) end: End,
    /// When the first client is due.
    pub(crate) start: Instant,
}

impl Run {
    /// Microseconds since the start.
    pub(crate) fn micros(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// Waits for a moment of the timetable, and measures how late the tester itself is.
    pub(crate) async fn on_time(&self, due: Instant) {
        if Instant::now() < due {
            self.clock.until(due).await;
            let late = Instant::now().saturating_duration_since(due);
            self.metrics.record(Timing::Lag, late);
        }
    }
}

/// The end of a run, which every client is woken by.
pub(crate) struct End {
    reached: AtomicBool,
    wakers: Box<[AtomicWaker]>,
    /// Closed when all clients have their answers: ten thousand that leave would be in the way of the last ones.
    answered: Semaphore,
}

impl End {
    /// With places for so many clients.
    pub(crate) fn new(clients: usize) -> Self {
        Self {
            reached: AtomicBool::new(false),
            wakers: (0..clients).map(|_| AtomicWaker::new()).collect(),
            answered: Semaphore::new(0),
        }
    }

    /// Whether it is reached; if not, the client of this place is woken when it is.
    pub(crate) fn poll(&self, place: usize, cx: &mut Context<'_>) -> bool {
        if self.is_reached() {
            return true;
        }
        self.wakers[place].register(cx.waker());
        self.is_reached()
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Acquire)
    }

    /// Waits until all clients that were there at the end have their answers.
    pub(crate) async fn all_answered(&self) {
        // It has no permits: this ends with an error, when it is closed.
        let _ = self.answered.acquire().await;
    }

    fn reach(&self) {
        self.reached.store(true, Ordering::Release);
        for waker in &self.wakers {
            waker.wake();
        }
    }
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// Its time was up.
    Complete,
    /// All clients had done their steps before.
    Done,
    /// Ctrl-C.
    Interrupted,
}

/// Runs all clients to their end, which comes when the time is up, when none is left, or when `interrupt` completes.
/// `at_end` is called at the end, before clients leave.
pub(crate) async fn run(
    run: &Arc<Run>,
    interrupt: impl Future<Output = ()>,
    at_end: impl FnOnce(),
) -> Ending {
    let (alive, mut last) = mpsc::channel::<()>(1);
    let (waiting, mut answered) = mpsc::channel::<()>(1);
    let arrivals = {
        let run = Arc::clone(run);
        tokio::spawn(async move {
            for (place, number) in run.plan.numbers().enumerate() {
                let due = run.start + run.plan.arrival(number);
                run.on_time(due).await;
                if run.end.is_reached() {
                    return;
                }
                let client = client::run(Arc::clone(&run), place, number, due, waiting.clone());
                let alive = alive.clone();
                tokio::spawn(async move {
                    client.await;
                    drop(alive);
                });
            }
        })
    };
    let probe = tokio::spawn(probe(Arc::clone(run)));
    let time_up = run.clock.until(run.start + run.plan.length());
    let ending = tokio::select! {
        biased;
        () = interrupt => Ending::Interrupted,
        () = time_up => Ending::Complete,
        _ = last.recv() => Ending::Done,
    };
    at_end();
    run.end.reach();
    // It may be waiting for the next one's moment.
    arrivals.abort();
    let _ = arrivals.await;
    answered.recv().await;
    probe.abort();
    run.end.answered.close();
    last.recv().await;
    ending
}

/// Looks all the time whether the tester keeps up, also when nothing is due.
async fn probe(run: Arc<Run>) {
    let mut due = Instant::now().max(run.start);
    loop {
        due += PROBE;
        run.on_time(due).await;
        // What was missed is one lag, not many.
        due = due.max(Instant::now() - PROBE);
    }
}

/// A future for [`Ending`]'s sake that never completes.
#[cfg(test)]
pub(crate) async fn never() {
    std::future::pending::<()>().await;
}

/// As [`std::future::poll_fn`], for the clients' conditions.
pub(crate) const fn ready_if(done: bool) -> Poll<()> {
    if done { Poll::Ready(()) } else { Poll::Pending }
}
