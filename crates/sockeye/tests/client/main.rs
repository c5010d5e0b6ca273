//! What the tokio client promises, against a scripted server on loopback: no outside server, no fixed sleeps.

mod acks;
mod binary;
mod bounds;
mod buffer;
mod connect;
mod errors;
mod handlers;
mod hostile;
mod lifetime;
mod logging;
mod namespaces;
mod options;
mod pressure;
mod reconnect;
mod streams;
mod support;
mod values;
