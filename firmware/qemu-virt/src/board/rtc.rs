//! Wall clock: the argument `time` (Unix seconds at start), else QEMU's real-time clock.
#![allow(unsafe_code, reason = "device registers")]

use super::{args, mmio};
use embassy_time::Instant;

/// The "goldfish" clock: Unix time in nanoseconds; reading the low word latches the high one.
const RTC: usize = 0x10_1000;

/// Seconds since 1970.
pub fn unix_seconds() -> u64 {
    if let Some(start) = args::number("time") {
        return start + Instant::now().as_secs();
    }
    // SAFETY: the two time registers of the clock are readable.
    let (low, high) = unsafe { (mmio::read(RTC), mmio::read(RTC + 4)) };
    ((u64::from(high) << 32) | u64::from(low)) / 1_000_000_000
}
