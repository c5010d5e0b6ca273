//! What applications hold: handles, builders, options, arguments, errors. No socket is touched here, and no user code runs.

pub(crate) mod ack;
pub(crate) mod args;
pub(crate) mod builder;
pub(crate) mod close;
#[cfg(feature = "deflate")]
pub(crate) mod compress;
pub(crate) mod error;
pub(crate) mod listen;
pub(crate) mod manager;
pub(crate) mod namespace;
mod network;
pub(crate) mod options;
pub(crate) mod responder;
pub(crate) mod setup;
pub(crate) mod socket;
pub(crate) mod streams;
pub(crate) mod typed;
pub(crate) mod url;
pub(crate) mod volatile;
pub(crate) mod weak;
