//! What the tokio client promises, against a scripted server on loopback: no outside server, no fixed sleeps.

mod acks;
mod binary;
mod buffer;
mod connect;
mod errors;
mod handlers;
mod lifetime;
mod namespaces;
mod options;
mod reconnect;
mod streams;
mod support;
