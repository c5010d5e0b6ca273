#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! TLS for [`sockeye_embedded`] by [Mbed TLS](https://www.trustedfirmware.org/projects/mbed-tls/): `https` URLs on
//! microcontrollers.
//!
//! A server is taken for what it claims to be only if its certificate is signed by the given CA (or an intermediate one
//! below it), is made out to the host of the URL, and is valid now. So the wall clock must be known: without it, every
//! certificate is refused.
//!
//! ```ignore
//! use sockeye_embedded::net::{EmbassyNet, SocketBuffers};
//! use sockeye_mbedtls::{Mbedtls, Options, clock, sntp};
//!
//! /// The CA's certificate in DER: `openssl x509 -in ca.pem -outform der -out ca.der`.
//! static CA: &[u8] = include_bytes!("ca.der");
//!
//! // Once before connecting, and again every few hours:
//! clock::set(sntp::ask(stack, "pool.ntp.org", random).await?);
//!
//! let connector = Mbedtls::new(EmbassyNet::new(stack, BUFFERS.take()), Options::new(CA, random))?;
//! runner.run(connector, handler).await;
//! ```
//!
//! # What it takes
//! A heap: with P-256 certificates 32 KiB at most and 29 KiB while connected, 11 KiB of stack, and 180 KiB of flash. TLS 1.2
//! and 1.3, AES-GCM, ECDSA and RSA chains, P-256, P-384 and X25519. At build time clang, CMake and Ninja, because Mbed TLS
//! is compiled with the hook of the wall clock. There is one [`Mbedtls`] for each program.
//!
//! # Resumption
//! With TLS 1.2, a connection that follows another one to the same server offers to resume its session: that spares both
//! sides the certificates, most of the computing and a round trip. A resumed session does not look at the certificate
//! again, so one that has expired meanwhile is noticed when the server has forgotten the session. [`Options::resume`]
//! switches it off. With TLS 1.3 every connection shakes hands in full, because `mbedtls-rs` has Mbed TLS ignore the
//! server's tickets; where a cheap reconnection counts for more, [`Options::max_version`] keeps to TLS 1.2.
//!
//! # Features
//! - `embassy-net`: over [`sockeye_embedded::net::EmbassyNet`]. - `sntp`: [`sntp::ask`].
//! - `tokio`: over `sockeye_embedded::net::Tokio`, on a computer.
//! - `log`: the exact error of a failed handshake.

extern crate alloc;

pub mod clock;
mod connection;
mod failure;
#[cfg(feature = "sntp")]
pub mod sntp;
mod tcp;

use alloc::ffi::CString;
use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::ffi::CStr;
use core::fmt;

pub use mbedtls_rs::TlsVersion;
use mbedtls_rs::{
    AuthMode, Certificate, ClientSessionConfig, SavedSession, Session, SessionConfig, Tls, X509,
};
use rand_core::{TryCryptoRng, TryRng};
use sockeye_embedded::{Connect, ConnectError, Target};
use static_cell::StaticCell;

pub use connection::{Encrypted, ReadHalf, WriteHalf};
pub use failure::Unusable;
pub use mbedtls_rs;
#[cfg(feature = "embassy-net")]
pub use tcp::EmbassyTcp;
#[cfg(feature = "tokio")]
pub use tcp::TokioTcp;
pub use tcp::{Stream, Tcp};

/// What a [`Mbedtls`] is told once.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Options {
    /// The certificate of the CA that has signed the server's, in DER. No other is trusted.
    pub ca: &'static [u8],
    /// Fills a slice with unpredictable bytes: the chip's generator. All secrecy rests on it.
    pub random: fn(&mut [u8]),
    /// Seconds since 1970, or `None` while the time is not known. [`clock::now`] unless you have a real-time clock.
    pub unix_time: fn() -> Option<u64>,
    /// The name that the certificate must be made out to. `None`, the default: the host of the URL, a name or an address.
    pub server_name: Option<&'static CStr>,
    /// Resume the session of the connection before. Default true. Has an effect with TLS 1.2.
    pub resume: bool,
    /// The newest version of TLS that is offered. Default 1.3. The oldest is 1.2.
    pub max_version: TlsVersion,
}

impl Options {
    /// The defaults, with a CA and a generator.
    pub const fn new(ca: &'static [u8], random: fn(&mut [u8])) -> Self {
        Self {
            ca,
            random,
            unix_time: clock::now,
            server_name: None,
            resume: true,
            max_version: TlsVersion::Tls1_3,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("server_name", &self.server_name)
            .field("resume", &self.resume)
            .field("max_version", &self.max_version)
            .finish_non_exhaustive()
    }
}

/// A session that may be resumed, and with whom.
struct Saved {
    host: &'static str,
    port: u16,
    session: SavedSession,
}

/// Connects by `N`, and makes a TLS session of every connection. Refuses URLs without TLS.
pub struct Mbedtls<N> {
    net: N,
    library: Tls<'static>,
    ca: Certificate<'static>,
    options: Options,
    /// The session of the last connection.
    saved: RefCell<Option<Saved>>,
    /// Whether a flush has to wait for the other side.
    deep: Cell<bool>,
}

impl<N> fmt::Debug for Mbedtls<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbedtls")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<N: Tcp> Mbedtls<N> {
    /// TLS over `net`.
    ///
    /// # Errors
    /// There has been one before in this program, or the CA's certificate cannot be read.
    pub fn new(net: N, options: Options) -> Result<Self, Unusable> {
        static RANDOM: StaticCell<Random> = StaticCell::new();
        let random = RANDOM
            .try_init(Random(options.random))
            .ok_or(Unusable::Twice)?;
        clock::install(options.unix_time);
        let library = Tls::new(random).map_err(|_| Unusable::Twice)?;
        let ca = Certificate::new(X509::DER(options.ca)).map_err(|_| Unusable::Ca)?;
        Ok(Self {
            net,
            library,
            ca,
            options,
            saved: RefCell::new(None),
            deep: Cell::new(false),
        })
    }

    /// What is below TLS.
    pub const fn net(&self) -> &N {
        &self.net
    }
}

impl<N: Tcp> Connect for Mbedtls<N> {
    type Connection<'c>
        = Encrypted<'c, N::Socket<'c>>
    where
        Self: 'c;

    async fn connect(&self, target: Target) -> Result<Self::Connection<'_>, ConnectError> {
        if !target.tls {
            return Err(ConnectError::Other(
                "this connector speaks TLS only: use an https URL",
            ));
        }
        if (self.options.unix_time)().is_none() {
            return Err(ConnectError::Other(failure::NO_TIME));
        }
        let config = ClientSessionConfig {
            ca_chain: Some(self.ca.clone()),
            auth_mode: AuthMode::Required,
            max_version: Some(self.options.max_version),
            ..ClientSessionConfig::new()
        };
        let tcp = self.net.connect_tcp(target.host, target.port).await?;
        let stream = Stream::new(tcp, &self.deep, N::FLUSH);
        let config = SessionConfig::Client(config);
        let mut session = Session::new(self.library.reference(), stream, &config)
            .map_err(|error| failure::words(error, 0))?;
        let named = match self.options.server_name {
            Some(name) => session.set_server_name(name),
            None => {
                let host = CString::new(target.host)
                    .map_err(|_| ConnectError::Other("the host name has a NUL byte"))?;
                session.set_server_name(&host)
            }
        };
        named.map_err(|error| failure::words(error, 0))?;
        // If the server will have none of the old session, both shake hands anew; if even that fails, the next attempt
        // knows of no old session.
        let saved = self.saved.take();
        let saved = saved.filter(|it| (it.host, it.port) == (target.host, target.port));
        let shaken = match &saved {
            Some(saved) => session.connect_with_session(&saved.session).await,
            None => session.connect().await,
        };
        match shaken {
            Ok(()) => Ok(Encrypted::new(session, self, target)),
            Err(error) => Err(failure::words(error, session.tls_verification_details())),
        }
    }
}

impl<N> Mbedtls<N> {
    /// Keeps a session for the next connection to the same server.
    fn keep(&self, target: Target, session: Option<SavedSession>) {
        if self.options.resume {
            *self.saved.borrow_mut() = session.map(|session| Saved {
                host: target.host,
                port: target.port,
                session,
            });
        }
    }
}

/// The application's generator.
struct Random(fn(&mut [u8]));

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        (self.0)(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        (self.0)(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        (self.0)(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Random {}
