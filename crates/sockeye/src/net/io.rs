//! The core's links on tokio.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::stream::Open;
use super::{Computed, DialError, compute};

/// What a finished dial brings.
pub(crate) struct Dialed {
    pub(crate) stream: Open,
    pub(crate) computed: Computed,
}

type DialFuture = Pin<Box<dyn Future<Output = Result<Dialed, DialError>> + Send>>;

/// One of the core's links.
pub(crate) enum Io {
    Closed,
    Dialing(DialFuture),
    Open(Open),
}

/// Begins to connect. `fresh`: the first link of a session, for which query and headers are computed anew.
pub(crate) fn dial(target: &crate::driver::Target, fresh: bool) -> DialFuture {
    let network = Arc::clone(&target.network);
    let query = target.query().filter(|_| fresh);
    let headers = target.headers().filter(|_| fresh);
    Box::pin(async move {
        network.begin();
        let computed = compute(&network, query, headers).await?;
        let stream = Open::new(network.connect().await?);
        Ok(Dialed { stream, computed })
    })
}

impl Io {
    #[inline]
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Open(open) => open.poll_write(cx, bytes),
            _ => Poll::Pending,
        }
    }

    /// Moves on what an encrypted stream holds back.
    #[inline]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Open(open) => open.poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Whether a dial is under way.
    pub(crate) const fn is_dialing(&self) -> bool {
        matches!(self, Self::Dialing(_))
    }

    /// Gives a dial up, or closes the stream.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        if let Self::Open(open) = std::mem::replace(self, Self::Closed) {
            open.close(cx);
        }
    }
}
