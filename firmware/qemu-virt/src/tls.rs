//! TLS over the board's sockets, by Mbed TLS: the server must prove its name with a certificate
//! that a given CA signed and that is valid now.
#![allow(unsafe_code, reason = "installs the clocks that Mbed TLS calls")]

use crate::board::{entropy, rtc};
use core::convert::Infallible;
use core::ffi::CStr;
use core::fmt;
use embassy_net::tcp::{TcpReader, TcpSocket, TcpWriter};
use embassy_time::Instant;
use embedded_io_async::{ErrorType, Read, Write};
use mbedtls_rs::sys::hook::timer::{MbedtlsTimer, hook_timer};
use mbedtls_rs::sys::hook::wall_clock::{MbedtlsWallClock, hook_wall_clock};
use mbedtls_rs::sys::{self, mbedtls_ms_time_t, tm};
use mbedtls_rs::{
    AuthMode, Certificate, ClientSessionConfig, Session, SessionConfig, SessionError, Split, X509,
};
use rand_core::{TryCryptoRng, TryRng};
use static_cell::ConstStaticCell;

/// A TCP socket that a TLS session can split.
pub struct Socket<'s>(pub TcpSocket<'s>);

impl ErrorType for Socket<'_> {
    type Error = embassy_net::tcp::Error;
}

impl Read for Socket<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        self.0.read(buf).await
    }
}

impl Write for Socket<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.0.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.0.flush().await
    }
}

impl<'s> Split for Socket<'s> {
    type Read<'a>
        = TcpReader<'a>
    where
        Self: 'a;
    type Write<'a>
        = TcpWriter<'a>
    where
        Self: 'a;

    fn split(&mut self) -> (TcpReader<'_>, TcpWriter<'_>) {
        self.0.split()
    }
}

/// What every TLS connection of an image shares: the trusted CA, entropy and clocks.
pub struct Tls {
    library: mbedtls_rs::Tls<'static>,
    ca: Certificate<'static>,
}

impl Tls {
    /// Trusts the CA certificate `ca` (DER), and no other. Only one may exist.
    pub fn new(ca: &[u8]) -> Result<Self, Failure> {
        static RNG: ConstStaticCell<Rng> = ConstStaticCell::new(Rng);
        // SAFETY: both hooks are `'static` and installed before any use of the library.
        unsafe {
            hook_timer(Some(&Clock));
            hook_wall_clock(Some(&Clock));
        }
        let rng = RNG.try_take().ok_or(Failure::SecondContext)?;
        let library = mbedtls_rs::Tls::new(rng).map_err(|_| Failure::SecondContext)?;
        let ca = Certificate::new(X509::DER(ca)).map_err(|error| Failure::Session(error.into()))?;
        Ok(Self { library, ca })
    }

    /// Makes a connected socket a TLS session with the server called `name`.
    ///
    /// Not cancel-safe: a handshake that is dropped half-way cannot be resumed. Reading from the
    /// halves of [`Session::split`] is cancel-safe, writing is not.
    pub async fn connect<'a, S: Read + Write + Split>(
        &'a self,
        socket: S,
        name: &'a CStr,
    ) -> Result<Session<'a, S>, Failure> {
        if calendar(rtc::unix_seconds()).is_none() {
            return Err(Failure::NoClock);
        }
        let config = ClientSessionConfig {
            ca_chain: Some(self.ca.clone()),
            server_name: Some(name),
            auth_mode: AuthMode::Required,
            ..ClientSessionConfig::new()
        };
        let mut session = Session::new(
            self.library.reference(),
            socket,
            &SessionConfig::Client(config),
        )
        .map_err(Failure::Session)?;
        session
            .connect()
            .await
            .map_err(|error| match session.tls_verification_details() {
                // All bits are set while no certificate was looked at.
                0 | u32::MAX => Failure::Session(error),
                flags => Failure::Refused(Flaws(flags)),
            })?;
        Ok(session)
    }
}

/// Why there is no TLS session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The server's certificate was refused.
    Refused(Flaws),
    /// The handshake failed for another reason, or the connection did.
    Session(SessionError),
    /// The wall clock is not set, so no certificate can be checked.
    NoClock,
    /// A second [`Tls`] was made.
    SecondContext,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(flaws) => write!(f, "certificate refused: {flaws}"),
            Self::Session(error) => write!(f, "TLS failed: {error}"),
            Self::NoClock => {
                f.write_str("the wall clock is not set: give the argument time=<Unix seconds>")
            }
            Self::SecondContext => f.write_str("a second TLS context: keep the first one"),
        }
    }
}

impl Failure {
    /// The same in words that live for ever: of several flaws the first.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Refused(Flaws(flags)) if flags & sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED != 0 => {
                "certificate refused: not signed by the trusted CA"
            }
            Self::Refused(Flaws(flags)) if flags & sys::MBEDTLS_X509_BADCERT_CN_MISMATCH != 0 => {
                "certificate refused: not for this host name"
            }
            Self::Refused(Flaws(flags)) if flags & sys::MBEDTLS_X509_BADCERT_EXPIRED != 0 => {
                "certificate refused: expired, or the clock is wrong"
            }
            Self::Refused(Flaws(flags)) if flags & sys::MBEDTLS_X509_BADCERT_FUTURE != 0 => {
                "certificate refused: not valid yet, or the clock is wrong"
            }
            Self::Refused(_) => "certificate refused: weak hash, weak key or wrong use",
            Self::Session(_) => "the TLS handshake failed: does the server speak TLS on that port?",
            Self::NoClock => "the wall clock is not set, so no certificate can be checked",
            Self::SecondContext => "a second TLS context: keep the first one",
        }
    }
}

/// What is wrong with a certificate, as the verification flags of Mbed TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaws(u32);

impl fmt::Display for Flaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(u32, &str); 6] = [
            (
                sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED,
                "not signed by the trusted CA",
            ),
            (
                sys::MBEDTLS_X509_BADCERT_CN_MISMATCH,
                "not for this host name",
            ),
            (
                sys::MBEDTLS_X509_BADCERT_EXPIRED,
                "expired, or the clock is wrong",
            ),
            (
                sys::MBEDTLS_X509_BADCERT_FUTURE,
                "not valid yet, or the clock is wrong",
            ),
            (sys::MBEDTLS_X509_BADCERT_BAD_MD, "signed with a weak hash"),
            (sys::MBEDTLS_X509_BADCERT_BAD_KEY, "weak key"),
        ];
        let mut rest = self.0;
        let mut first = true;
        for (flag, name) in NAMES.into_iter().filter(|(flag, _)| self.0 & flag != 0) {
            rest &= !flag;
            write!(f, "{}{name}", if first { "" } else { ", " })?;
            first = false;
        }
        if rest != 0 {
            write!(f, "{}flags {rest:#x}", if first { "" } else { ", " })?;
        }
        Ok(())
    }
}

struct Rng;

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(entropy::u64() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(entropy::u64())
    }

    fn try_fill_bytes(&mut self, buf: &mut [u8]) -> Result<(), Infallible> {
        entropy::fill(buf);
        Ok(())
    }
}

// Secret as long as the run has no `seed` argument.
impl TryCryptoRng for Rng {}

struct Clock;

impl MbedtlsTimer for Clock {
    fn now(&self) -> mbedtls_ms_time_t {
        Instant::now().as_millis() as mbedtls_ms_time_t
    }
}

impl MbedtlsWallClock for Clock {
    fn instant(&self) -> Option<tm> {
        calendar(rtc::unix_seconds())
    }
}

/// Unix time as a UTC date. `None` beyond year 9999 or when the clock was never set.
fn calendar(seconds: u64) -> Option<tm> {
    /// A date before this project existed comes from a clock that was not set.
    const FIRST: u64 = 1_700_000_000;
    const LAST: u64 = 253_402_300_799;
    if !(FIRST..=LAST).contains(&seconds) {
        return None;
    }
    let (days, of_day) = ((seconds / 86_400) as i32, (seconds % 86_400) as i32);
    // Years from March on, so that a leap day is the last day of its year; 400 years have 146 097 days.
    let days_from_march = days + 719_468;
    let era = days_from_march / 146_097;
    let of_era = days_from_march % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + i32::from(month < 2);
    Some(tm {
        tm_sec: of_day % 60,
        tm_min: of_day / 60 % 60,
        tm_hour: of_day / 3_600,
        tm_mday: day,
        tm_mon: month,
        tm_year: year - 1_900,
        tm_wday: (days + 4) % 7,
        tm_yday: 0, // Mbed TLS does not read it
        tm_isdst: 0,
    })
}
