//! How the server reaches a device: by a socket of this process, or by a node of a cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use socketioxide::TransportType;
use socketioxide::extract::SocketRef;

use super::cluster::Commands;

/// The way to a device that has joined. A clone is the same.
#[derive(Clone)]
pub(crate) enum Line {
    /// A socket of the built-in server.
    Socket(SocketRef),
    /// A connection of a node.
    Node(Arc<NodeLine>),
}

/// A connection of a node.
pub(crate) struct NodeLine {
    pub(crate) node: String,
    /// The node's name for it.
    pub(crate) link: String,
    pub(crate) polling: AtomicBool,
    pub(crate) recovered: bool,
    pub(crate) commands: Commands,
}

impl Line {
    /// No other line has it.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Socket(socket) => socket.id.to_string(),
            Self::Node(line) => line.link.clone(),
        }
    }

    pub(crate) fn transport(&self) -> &'static str {
        let polling = match self {
            Self::Socket(socket) => socket.transport_type() == TransportType::Polling,
            Self::Node(line) => line.polling.load(Ordering::Relaxed),
        };
        if polling { "polling" } else { "websocket" }
    }

    /// The node, if there are several.
    pub(crate) fn node(&self) -> Option<&str> {
        match self {
            Self::Socket(_) => None,
            Self::Node(line) => Some(&line.node),
        }
    }

    /// Whether the session before it was recovered.
    pub(crate) fn recovered(&self) -> bool {
        match self {
            Self::Socket(_) => false,
            Self::Node(line) => line.recovered,
        }
    }

    /// Switches the LED, and gives what the device has acknowledged.
    pub(crate) async fn led(&self, on: bool) -> Result<bool, String> {
        match self {
            Self::Socket(socket) => match socket.emit_with_ack::<_, bool>("led", &on) {
                Ok(answer) => answer.await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            },
            Self::Node(line) => line.commands.led(&line.link, on).await,
        }
    }
}
