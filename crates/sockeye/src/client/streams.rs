//! Events and connection events as streams.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use crate::client::args::Event;
use crate::client::error::Notice;

/// Events as a stream: see [`Socket::events`](crate::Socket::events).
#[derive(Debug)]
pub struct EventStream {
    pub(crate) receiver: mpsc::Receiver<Event>,
}

impl EventStream {
    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }
}

impl Stream for EventStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.receiver.poll_recv(cx)
    }
}

/// Connection events as a stream: see [`Socket::notices`](crate::Socket::notices).
#[derive(Debug)]
pub struct NoticeStream {
    pub(crate) receiver: mpsc::UnboundedReceiver<Notice>,
}

impl NoticeStream {
    /// The next one; `None` at the end.
    pub async fn next(&mut self) -> Option<Notice> {
        self.receiver.recv().await
    }
}

impl Stream for NoticeStream {
    type Item = Notice;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        self.receiver.poll_recv(cx)
    }
}
