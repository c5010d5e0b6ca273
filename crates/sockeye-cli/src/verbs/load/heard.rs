//! Events of the server: counted, timed by the sender's time in them, and waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use serde_json::Value;
use sockeye::{Args, Socket};

use super::engine::Run;
use super::latency::Timing;
use super::scenario::Place;
use super::template::unix_micros;

/// What a client has heard, by namespace and event.
pub(crate) struct Ear {
    places: Box<[Box<[Count]>]>,
    waker: AtomicWaker,
}

#[derive(Default)]
struct Count {
    arrived: AtomicU64,
    /// Those that a wait has taken, or that came before the step that a wait may follow.
    taken: AtomicU64,
}

impl Ear {
    pub(crate) fn new(places: &[Place]) -> Self {
        let counts = |place: &Place| place.heard.iter().map(|_| Count::default()).collect();
        Self {
            places: places.iter().map(counts).collect(),
            waker: AtomicWaker::new(),
        }
    }

    /// Only what comes from now on can be waited for.
    pub(crate) fn mark(&self) {
        for count in self.places.iter().flatten() {
            let arrived = count.arrived.load(Ordering::Acquire);
            count.taken.store(arrived, Ordering::Relaxed);
        }
    }

    /// Takes one that came since the mark, or is woken by the next one.
    pub(crate) fn poll(&self, place: usize, heard: usize, cx: &mut Context<'_>) -> Poll<()> {
        let count = &self.places[place][heard];
        self.waker.register(cx.waker());
        let taken = count.taken.load(Ordering::Relaxed);
        if count.arrived.load(Ordering::Acquire) > taken {
            count.taken.store(taken + 1, Ordering::Relaxed);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// Registers handlers for all that is to be heard in a namespace.
pub(crate) fn listen(socket: &Socket, place: &Place, index: usize, ear: &Arc<Ear>, run: &Arc<Run>) {
    for (at, heard) in place.heard.iter().enumerate() {
        let (ear, run) = (Arc::clone(ear), Arc::clone(run));
        let (counted, sent_at) = (heard.counted, heard.sent_at.clone());
        socket.on(&heard.event, move |args: Args| {
            ear.places[index][at]
                .arrived
                .fetch_add(1, Ordering::Release);
            ear.waker.wake();
            if !counted {
                return;
            }
            match sent_at.as_deref().and_then(|pointer| age(&args, pointer)) {
                Some(age) => {
                    let count = |counts: &mut super::metrics::Counts| counts.received += 1;
                    run.metrics.timed(Timing::Listen, age, count);
                }
                None => run.metrics.count(|counts| counts.received += 1),
            }
        });
    }
}

/// The time since an event was sent, by the sender's time in it.
fn age(args: &Args, pointer: &str) -> Option<Duration> {
    let args: Value = serde_json::from_str(args.json()).ok()?;
    let sent = args.pointer(pointer)?.as_f64()?;
    // The clocks of two machines may differ: an event does not arrive before it is sent.
    let micros = unix_micros() as f64 - sent * 1000.0;
    Duration::try_from_secs_f64((micros / 1e6).max(0.0)).ok()
}
