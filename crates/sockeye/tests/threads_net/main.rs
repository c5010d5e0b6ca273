//! The network below the client, as `tests/net` has it, with the connections driven by threads instead of tokio.

#[path = "../client/support/mod.rs"]
#[allow(dead_code, unused_imports)]
mod support;

#[path = "../net/headers.rs"]
mod headers;
#[path = "../net/peers.rs"]
mod peers;
#[path = "../net/proxies.rs"]
mod proxies;
#[path = "../net/redirects.rs"]
mod redirects;
#[path = "../net/tls.rs"]
mod tls;
#[path = "../net/tls_refused.rs"]
mod tls_refused;
