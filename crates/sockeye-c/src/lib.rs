#![cfg_attr(not(feature = "std"), no_std)]
//! A [Socket.IO](https://socket.io) client as a C library: `include/sockeye.h`, over a table of port functions.
//!
//! It is the core of Sockeye in the loop [`sockeye_core::drive`], on one task of its own. Commands of other tasks change
//! the core under a lock and wake that task; events are taken out of the core before the application is told, so that no
//! lock is held while a callback runs. All memory of a client is taken by `sockeye_client_init`, and all later needs of
//! it (handlers, namespaces, signals) report failure as an error.
//!
//! Programs in Rust have better ways to the same core: the crates `sockeye` and `sockeye-embedded`.
//!
//! # Where running out of memory is not an error
//! Nowhere in this library. A port may need memory for a connection; where there is none, the connection fails and is
//! tried again like any other.
#![allow(
    non_camel_case_types,
    reason = "the names are those of the C header, which is made from them"
)]
#![allow(
    clippy::missing_safety_doc,
    reason = "exported functions say it; the header's readers need it most"
)]

extern crate alloc;

pub mod api;
pub mod args;
pub mod config;
pub mod emit;
pub mod error;
pub mod events;
pub mod handle;
pub mod json;
mod memory;
mod net;
pub mod port;
#[cfg(not(any(feature = "std", test)))]
mod runtime;
mod task;
mod text;
pub mod writer;
