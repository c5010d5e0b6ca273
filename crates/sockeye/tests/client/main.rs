//! What the client promises, against a scripted server on loopback: no outside server, no fixed sleeps. On tokio here, and
//! once more on threads in `tests/threads`.

mod acks;
mod attacks;
mod binary;
mod bounds;
mod buffer;
mod connect;
mod errors;
mod events;
mod handlers;
mod handles;
mod hostile;
mod in_memory;
mod lifecycle;
mod lifetime;
mod listeners;
mod namespaces;
mod options;
mod order;
mod parity;
mod pressure;
mod reconnect;
mod streams;
mod support;
mod told;
mod typed;
mod values;
