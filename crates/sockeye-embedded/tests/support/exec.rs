//! Runs one future on a clock that jumps from deadline to deadline: no test sleeps.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use sockeye_embedded::{Clock, Instant};

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(1) };
    static SLEEPS: RefCell<Vec<(u64, Waker)>> = const { RefCell::new(Vec::new()) };
    /// Time that passes at every look at the clock, in microseconds.
    static STEP: Cell<u64> = const { Cell::new(0) };
}

/// The clock of the test that runs on this thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestClock;

impl TestClock {
    /// Lets time pass while nothing runs: a light sleep.
    pub(crate) fn skip(by: Duration) {
        NOW.set(NOW.get() + by.as_micros() as u64);
    }

    pub(crate) fn elapsed() -> Duration {
        Duration::from_micros(NOW.get())
    }
}

impl Clock for TestClock {
    fn now() -> Instant {
        Instant::from_micros(NOW.get())
    }

    fn sleep_until(at: Instant) -> impl Future<Output = ()> {
        Sleep {
            at: at.as_micros(),
            yielded: false,
        }
    }
}

struct Sleep {
    at: u64,
    yielded: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded && NOW.get() >= self.at {
            return Poll::Ready(());
        }
        self.yielded = true;
        SLEEPS.with_borrow_mut(|sleeps| sleeps.push((self.at, cx.waker().clone())));
        Poll::Pending
    }
}

/// Waits on the test's clock.
pub(crate) async fn sleep(time: Duration) {
    TestClock::sleep_until(TestClock::now() + time).await;
}

/// Gives way once.
pub(crate) async fn give_way() {
    let mut first = true;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut first, false) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls `future` whenever it is woken; when nothing moves, the clock jumps to the next deadline.
///
/// # Panics
/// When nothing moves and there is no deadline, after `limit` of the test's time, or after a million polls without time
/// passing (something spins).
pub(crate) fn block_on<F: Future>(limit: Duration, future: F) -> F::Output {
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(flag.clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    let end = NOW.get() + limit.as_micros() as u64;
    let mut polls = 0;
    loop {
        while flag.0.swap(false, Ordering::Relaxed) {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            polls += 1;
            assert!(
                polls < 1_000_000,
                "something spins: a million polls without time passing"
            );
        }
        let next = SLEEPS.with_borrow_mut(|sleeps| {
            let at = sleeps.iter().map(|(at, _)| *at).min()?;
            for (_, waker) in sleeps.extract_if(.., |(due, _)| *due <= at) {
                waker.wake();
            }
            Some(at)
        });
        let at = next.expect("nothing moves, and nothing is waited for: a wake-up was lost");
        if at > NOW.get() {
            polls = 0;
            NOW.set(at);
        }
        assert!(
            NOW.get() <= end,
            "not done after {limit:?} of the test's time"
        );
    }
}
