//! What the client promises, as `tests/client` has it, with the connections driven by threads instead of tokio.
//!
//! Not here: `in_memory`, `handles` and `told`, which use the server in memory and tokio's paused clock, and `lifetime`, which counts
//! tokio's tasks and ends its runtimes; `tests/blocking` has what they say of handles and of the end.

#[path = "../client/acks.rs"]
mod acks;
#[path = "../client/attacks.rs"]
mod attacks;
#[path = "../client/binary.rs"]
mod binary;
#[path = "../client/bounds.rs"]
mod bounds;
#[path = "../client/buffer.rs"]
mod buffer;
#[path = "../client/connect.rs"]
mod connect;
#[path = "../client/errors.rs"]
mod errors;
#[path = "../client/events.rs"]
mod events;
#[path = "../client/handlers.rs"]
mod handlers;
#[path = "../client/hostile.rs"]
mod hostile;
#[path = "../client/lifecycle.rs"]
mod lifecycle;
#[path = "../client/listeners.rs"]
mod listeners;
#[path = "../client/namespaces.rs"]
mod namespaces;
#[path = "../client/options.rs"]
mod options;
#[path = "../client/order.rs"]
mod order;
#[path = "../client/pressure.rs"]
mod pressure;
#[path = "../client/reconnect.rs"]
mod reconnect;
#[path = "../client/streams.rs"]
mod streams;
#[path = "../client/support/mod.rs"]
mod support;
#[path = "../client/typed.rs"]
mod typed;
#[path = "../client/values.rs"]
mod values;
