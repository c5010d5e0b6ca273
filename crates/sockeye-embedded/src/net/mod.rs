//! Connectors: implementations of [`Connect`](crate::Connect).

#[cfg(feature = "edge-nal")]
mod edge;
#[cfg(feature = "embassy-net")]
mod embassy;
#[cfg(feature = "tokio")]
mod tokio;

#[cfg(feature = "edge-nal")]
pub use edge::{EdgeNal, EdgeSocket};
#[cfg(feature = "embassy-net")]
pub use embassy::{EmbassyNet, EmbassySocket, SocketBuffers, Writer};
#[cfg(feature = "tokio")]
pub use tokio::{Tokio, TokioReader, TokioSocket, TokioWriter};
