//! The wall clock, by which certificates are valid or not.
//!
//! A chip without a battery does not know the time after a reset: learn it (by [`sntp`](crate::sntp), or from wherever
//! your device gets it) and [`set`] it.

use core::cell::Cell;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::Instant;
use mbedtls_rs::sys::hook::timer::{MbedtlsTimer, hook_timer};
use mbedtls_rs::sys::hook::wall_clock::{MbedtlsWallClock, hook_wall_clock};
use mbedtls_rs::sys::{mbedtls_ms_time_t, tm};

/// A time before this crate existed comes from a clock that was not set.
const FIRST: u64 = 1_700_000_000;
/// The end of the year 9999, which certificates know as the end of time.
const LAST: u64 = 253_402_300_799;

/// Unix time at boot; 0 until it is known.
static BOOT: Mutex<CriticalSectionRawMutex, Cell<u64>> = Mutex::new(Cell::new(0));
/// Tells Unix time.
type Source = fn() -> Option<u64>;
/// What the connector was told to ask.
static SOURCE: Mutex<CriticalSectionRawMutex, Cell<Source>> = Mutex::new(Cell::new(now));

/// Sets the clock: seconds since 1970, now. It goes on by the chip's own timer, which may be off by a second after some
/// hours.
pub fn set(unix_seconds: u64) {
    let boot = unix_seconds.saturating_sub(Instant::now().as_secs());
    BOOT.lock(|cell| cell.set(boot));
}

/// Seconds since 1970, if the clock has been [`set`].
pub fn now() -> Option<u64> {
    match BOOT.lock(Cell::get) {
        0 => None,
        boot => Some(boot + Instant::now().as_secs()),
    }
}

struct Clock;

impl MbedtlsTimer for Clock {
    fn now(&self) -> mbedtls_ms_time_t {
        Instant::now().as_millis() as mbedtls_ms_time_t
    }
}

impl MbedtlsWallClock for Clock {
    fn instant(&self) -> Option<tm> {
        SOURCE.lock(Cell::get)().and_then(calendar)
    }
}

/// Has Mbed TLS ask `source` for the time.
#[allow(unsafe_code, reason = "installs the clocks that Mbed TLS calls")]
pub(crate) fn install(source: Source) {
    SOURCE.lock(|cell| cell.set(source));
    // SAFETY: both hooks are `'static`, and installed before the library is used: `Mbedtls::new` makes the only `Tls` after
    // this.
    unsafe {
        hook_timer(Some(&Clock));
        hook_wall_clock(Some(&Clock));
    }
}

/// Unix time as a date in UTC; `None` if the clock cannot have been set.
fn calendar(seconds: u64) -> Option<tm> {
    if !(FIRST..=LAST).contains(&seconds) {
        return None;
    }
    let (days, of_day) = ((seconds / 86_400) as i32, (seconds % 86_400) as i32);
    // Years from March on, so that a leap day is the last day of its year; 400 years have 146 097 days.
    let days_from_march = days + 719_468;
    let (era, of_era) = (days_from_march / 146_097, days_from_march % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let month = (month_from_march + 2) % 12;
    Some(tm {
        tm_sec: of_day % 60,
        tm_min: of_day / 60 % 60,
        tm_hour: of_day / 3_600,
        tm_mday: of_year - (153 * month_from_march + 2) / 5 + 1,
        tm_mon: month,
        tm_year: era * 400 + year_of_era + i32::from(month < 2) - 1_900,
        tm_wday: (days + 4) % 7,
        tm_yday: 0, // Mbed TLS does not read it
        tm_isdst: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(seconds: u64) -> Option<(i32, i32, i32, i32, i32, i32, i32)> {
        let tm = calendar(seconds)?;
        let (year, month) = (tm.tm_year + 1_900, tm.tm_mon + 1);
        Some((
            year, month, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_wday,
        ))
    }

    #[test]
    fn tells_dates_of_leap_years_and_others() {
        assert_eq!(date(1_700_000_000), Some((2023, 11, 14, 22, 13, 20, 2)));
        assert_eq!(date(1_709_164_799), Some((2024, 2, 28, 23, 59, 59, 3)));
        assert_eq!(date(1_709_164_800), Some((2024, 2, 29, 0, 0, 0, 4)));
        assert_eq!(date(1_709_251_200), Some((2024, 3, 1, 0, 0, 0, 5)));
        assert_eq!(date(1_735_689_599), Some((2024, 12, 31, 23, 59, 59, 2)));
        assert_eq!(date(4_107_542_400), Some((2100, 3, 1, 0, 0, 0, 1)));
        assert_eq!(date(253_402_300_799), Some((9999, 12, 31, 23, 59, 59, 5)));
    }

    #[test]
    fn a_clock_that_was_never_set_tells_nothing() {
        assert_eq!(date(0), None);
        assert_eq!(date(1_699_999_999), None);
        assert_eq!(date(253_402_300_800), None);
        assert_eq!(date(u64::MAX), None);
    }
}
