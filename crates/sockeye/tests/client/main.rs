//! What the tokio client promises, against a scripted server on loopback: no outside server, no fixed sleeps.

mod acks;
mod binary;
mod connect;
mod errors;
mod handlers;
mod lifetime;
mod options;
mod streams;
mod support;
