//! Counts steps, so that tests can hold that no work grows with the square of what waits. A step is one look at an entry
//! of a container, or 32 bytes that are moved. Without the feature `count-steps`, which only tests use, nothing is
//! counted.

#[cfg(feature = "count-steps")]
mod counting {
    extern crate std;
    use core::cell::Cell;

    std::thread_local! {
        static STEPS: Cell<u64> = const { Cell::new(0) };
    }

    /// Steps of this thread so far.
    pub fn steps() -> u64 {
        STEPS.get()
    }

    pub(crate) fn step(n: usize) {
        STEPS.set(STEPS.get() + n as u64);
    }
}

#[cfg(feature = "count-steps")]
pub(crate) use counting::step;
#[cfg(feature = "count-steps")]
pub use counting::steps;

#[cfg(not(feature = "count-steps"))]
#[inline(always)]
pub(crate) const fn step(_: usize) {}

/// Bytes are moved.
#[inline(always)]
pub(crate) fn moved(bytes: usize) {
    step(bytes.div_ceil(32));
}
