//! Part of Sockeye, of no use alone: it brings `tokio-rustls` to the crate `sockeye` when that is built with tokio *and*
//! with rustls.
//!
//! A Cargo feature cannot ask for two others at once. So rustls brings this crate, tokio switches on its feature `tokio`
//! if it is there (`sockeye-tls?/tokio`), and a blocking client with TLS compiles nothing of tokio.

#[cfg(feature = "tokio")]
pub use tokio_rustls;
