//! TLS by Mbed TLS: the server must prove its name with a certificate that the given CA signed and that is valid now.
#![allow(unsafe_code, reason = "installs the clocks that Mbed TLS calls")]

extern crate alloc;

use alloc::boxed::Box;
use core::convert::Infallible;
use core::fmt;
use core::future::Future;
use core::pin::Pin;

use embassy_net::tcp::{self, TcpReader, TcpWriter};
use embassy_time::Instant;
use embedded_io_async::{ErrorType, Read, Write};
use esp_hal::rng::Rng;
use mbedtls_rs::sys::hook::timer::{MbedtlsTimer, hook_timer};
use mbedtls_rs::sys::hook::wall_clock::{MbedtlsWallClock, hook_wall_clock};
use mbedtls_rs::sys::{self, mbedtls_ms_time_t, tm};
use mbedtls_rs::{
    AuthMode, Certificate, ClientSessionConfig, Session, SessionConfig, SessionError, Split, Tls,
    X509,
};
use rand_core::{TryCryptoRng, TryRng};
use sockeye_embedded::net::{EmbassyNet, EmbassySocket};
use sockeye_embedded::{Connect, ConnectError, Connection, Target};
use static_cell::ConstStaticCell;

use crate::config::{self, LINKS};
use crate::console::say;
use crate::sntp;

/// Connects by TCP and makes a TLS session of it.
pub(crate) struct Connector {
    tcp: EmbassyNet<'static, LINKS>,
    library: Tls<'static>,
    ca: Certificate<'static>,
}

impl Connector {
    /// Only one may exist.
    pub(crate) fn new(tcp: EmbassyNet<'static, LINKS>) -> Result<Self, Unusable> {
        static RNG: ConstStaticCell<Random> = ConstStaticCell::new(Random);
        // SAFETY: both hooks are `'static` and installed before any use of the library.
        unsafe {
            hook_timer(Some(&Clock));
            hook_wall_clock(Some(&Clock));
        }
        let rng = RNG.try_take().ok_or(Unusable::Twice)?;
        let library = Tls::new(rng).map_err(|_| Unusable::Twice)?;
        let ca =
            Certificate::new(X509::DER(config::CA)).map_err(|error| Unusable::Ca(error.into()))?;
        Ok(Self { tcp, library, ca })
    }
}

/// Why there can be no TLS at all.
pub(crate) enum Unusable {
    Twice,
    Ca(SessionError),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice => f.write_str("Mbed TLS is in use already"),
            Self::Ca(error) => write!(
                f,
                "Mbed TLS cannot read the certificate of SOCKEYE_CA: {error}"
            ),
        }
    }
}

impl Connect for Connector {
    type Connection<'c> = Encrypted<'c>;

    async fn connect(&self, target: Target) -> Result<Encrypted<'_>, ConnectError> {
        if sntp::now().is_none() {
            return Err(ConnectError::Other(
                "the time is not known, so no certificate can be checked",
            ));
        }
        let socket = Socket(self.tcp.connect_tcp(target.host, target.port).await?);
        let config = ClientSessionConfig {
            ca_chain: Some(self.ca.clone()),
            server_name: Some(config::HOST),
            auth_mode: AuthMode::Required,
            ..ClientSessionConfig::new()
        };
        let session = Session::new(
            self.library.reference(),
            socket,
            &SessionConfig::Client(config),
        );
        let mut session = session.map_err(|error| failed(error, 0))?;
        let begun = Instant::now();
        match session.connect().await {
            Ok(()) => say!(
                "tls",
                "certificate accepted, handshake took {} ms",
                begun.elapsed().as_millis()
            ),
            Err(error) => return Err(failed(error, session.tls_verification_details())),
        }
        Ok(Encrypted(session))
    }
}

/// Tells the exact error, and gives the words for the client's.
fn failed(error: SessionError, flaws: u32) -> ConnectError {
    const FLAWS: [(u32, &str); 5] = [
        (
            sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED,
            "certificate refused: not signed by the CA of SOCKEYE_CA",
        ),
        (
            sys::MBEDTLS_X509_BADCERT_CN_MISMATCH,
            "certificate refused: it is not for the host of SOCKEYE_URL",
        ),
        (
            sys::MBEDTLS_X509_BADCERT_EXPIRED,
            "certificate refused: expired, or the clock is wrong",
        ),
        (
            sys::MBEDTLS_X509_BADCERT_FUTURE,
            "certificate refused: not valid yet, or the clock is wrong",
        ),
        (
            u32::MAX,
            "certificate refused: weak hash, weak key or wrong use",
        ),
    ];
    // All bits are set while no certificate was looked at.
    let flaws = if flaws == u32::MAX { 0 } else { flaws };
    let words = FLAWS
        .into_iter()
        .find(|(flag, _)| flaws & flag != 0)
        .map(|(_, words)| words);
    ConnectError::Other(words.unwrap_or_else(|| {
        say!("tls", "{error}");
        "the TLS handshake failed: does the server speak TLS on that port?"
    }))
}

/// A TCP socket that a TLS session can split.
struct Socket<'c>(EmbassySocket<'c, 'static>);

impl ErrorType for Socket<'_> {
    type Error = tcp::Error;
}

impl Read for Socket<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, tcp::Error> {
        self.0.socket().read(buf).await
    }
}

impl Write for Socket<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, tcp::Error> {
        self.0.socket().write(buf).await
    }

    async fn flush(&mut self) -> Result<(), tcp::Error> {
        self.0.socket().flush().await
    }
}

impl Split for Socket<'_> {
    type Read<'a>
        = TcpReader<'a>
    where
        Self: 'a;
    type Write<'a>
        = TcpWriter<'a>
    where
        Self: 'a;

    fn split(&mut self) -> (TcpReader<'_>, TcpWriter<'_>) {
        self.0.socket().split()
    }
}

/// A TLS session over a TCP socket.
pub(crate) struct Encrypted<'c>(Session<'c, Socket<'c>>);

impl Connection for Encrypted<'_> {
    type ReadError = SessionError;
    type WriteError = SessionError;
    type Read<'a>
        = Half<dyn AnyRead + 'a>
    where
        Self: 'a;
    type Write<'a>
        = Half<dyn AnyWrite + 'a>
    where
        Self: 'a;

    async fn split(&mut self) -> Result<(Self::Read<'_>, Self::Write<'_>), ConnectError> {
        let (read, write) = self.0.split().await.map_err(|error| failed(error, 0))?;
        Ok((Half(Box::new(read)), Half(Box::new(write))))
    }

    async fn close(&mut self) {
        // The connection is cut in any case.
        let _ = self.0.close().await;
    }
}

/// A half of a session. Its type has no name, so it is boxed; there is a heap anyway, and a read or a write costs one
/// small allocation.
pub(crate) struct Half<T: ?Sized>(Box<T>);

type Boxed<'b, T> = Pin<Box<dyn Future<Output = Result<T, SessionError>> + 'b>>;

pub(crate) trait AnyRead {
    fn read<'b>(&'b mut self, buf: &'b mut [u8]) -> Boxed<'b, usize>;
}

impl<T: Read<Error = SessionError>> AnyRead for T {
    fn read<'b>(&'b mut self, buf: &'b mut [u8]) -> Boxed<'b, usize> {
        Box::pin(Read::read(self, buf))
    }
}

pub(crate) trait AnyWrite {
    fn write<'b>(&'b mut self, buf: &'b [u8]) -> Boxed<'b, usize>;
    fn flush(&mut self) -> Boxed<'_, ()>;
}

impl<T: Write<Error = SessionError>> AnyWrite for T {
    fn write<'b>(&'b mut self, buf: &'b [u8]) -> Boxed<'b, usize> {
        Box::pin(Write::write(self, buf))
    }

    fn flush(&mut self) -> Boxed<'_, ()> {
        Box::pin(Write::flush(self))
    }
}

impl<T: ?Sized> ErrorType for Half<T> {
    type Error = SessionError;
}

impl Read for Half<dyn AnyRead + '_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, SessionError> {
        self.0.read(buf).await
    }
}

impl Write for Half<dyn AnyWrite + '_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, SessionError> {
        self.0.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), SessionError> {
        self.0.flush().await
    }
}

/// The chip's generator; truly random while the radio is on.
struct Random;

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(Rng::new().random())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let rng = Rng::new();
        Ok(u64::from(rng.random()) << 32 | u64::from(rng.random()))
    }

    fn try_fill_bytes(&mut self, buf: &mut [u8]) -> Result<(), Infallible> {
        Rng::new().read(buf);
        Ok(())
    }
}

impl TryCryptoRng for Random {}

struct Clock;

impl MbedtlsTimer for Clock {
    fn now(&self) -> mbedtls_ms_time_t {
        Instant::now().as_millis() as mbedtls_ms_time_t
    }
}

impl MbedtlsWallClock for Clock {
    fn instant(&self) -> Option<tm> {
        sntp::now().map(calendar)
    }
}

/// Unix time as a UTC date.
fn calendar(seconds: u64) -> tm {
    let (days, of_day) = ((seconds / 86_400) as i32, (seconds % 86_400) as i32);
    // Years from March on, so that a leap day is the last day of its year; 400 years have 146 097 days.
    let days_from_march = days + 719_468;
    let (era, of_era) = (days_from_march / 146_097, days_from_march % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let month = (month_from_march + 2) % 12;
    tm {
        tm_sec: of_day % 60,
        tm_min: of_day / 60 % 60,
        tm_hour: of_day / 3_600,
        tm_mday: of_year - (153 * month_from_march + 2) / 5 + 1,
        tm_mon: month,
        tm_year: era * 400 + year_of_era + i32::from(month < 2) - 1_900,
        tm_wday: (days + 4) % 7,
        tm_yday: 0, // Mbed TLS does not read it
        tm_isdst: 0,
    }
}
