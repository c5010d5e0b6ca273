//! Time.

use core::future::Future;

pub use sockeye_core::Instant;

/// A monotonic clock. [`EmbassyClock`] is the ready one; write your own only where `embassy-time` is not to be had, or
/// for tests that own the time.
///
/// The clock must go on counting while the chip sleeps: the client finds out by it, at the first call after a sleep,
/// that the heartbeat's deadline has passed.
pub trait Clock: 'static {
    /// The time.
    fn now() -> Instant;

    /// Waits until `at`. Cancel-safe. Gives way to other futures at least once, even if `at` is past.
    fn sleep_until(at: Instant) -> impl Future<Output = ()>;
}

/// The clock of `embassy-time`, with whatever time driver the firmware has.
#[cfg(feature = "embassy-time")]
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbassyClock;

#[cfg(feature = "embassy-time")]
impl Clock for EmbassyClock {
    fn now() -> Instant {
        Instant::from_micros(embassy_time::Instant::now().as_micros())
    }

    fn sleep_until(at: Instant) -> impl Future<Output = ()> {
        // A tick may be longer than a microsecond: never wake before the deadline.
        let at = embassy_time::Instant::from_micros(at.as_micros());
        embassy_time::Timer::at(
            at.checked_add(embassy_time::Duration::from_ticks(1))
                .unwrap_or(at),
        )
    }
}
