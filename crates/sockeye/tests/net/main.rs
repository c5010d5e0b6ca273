//! The network below the client: TLS with certificates made in the test, proxies, connectors, addresses and headers.
//! Everything runs on loopback, and waits for what it needs instead of sleeping.

#[path = "../client/support/mod.rs"]
#[allow(dead_code, unused_imports)]
mod support;

mod connectors;
mod headers;
mod peers;
mod proxies;
mod redirects;
mod tls;
#[cfg(feature = "native-tls")]
mod tls_native;
mod tls_refused;
