//! Tasks that are given up when nobody waits for them any more.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::sync::AtomicWaker;
use crate::sync::atomic::{AtomicBool, Ordering};

struct State {
    aborted: AtomicBool,
    waker: AtomicWaker,
}

/// Gives its task up when it is dropped.
pub(super) struct Abort(Arc<State>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.aborted.store(true, Ordering::Release);
        self.0.waker.wake();
    }
}

/// A future that ends when it does, or when the other half is dropped.
pub(super) fn abortable<F>(future: F) -> (impl Future<Output = ()> + Send, Abort)
where
    F: Future<Output = ()> + Send + 'static,
{
    let state = Arc::new(State {
        aborted: AtomicBool::new(false),
        waker: AtomicWaker::new(),
    });
    let abort = Abort(Arc::clone(&state));
    (
        Abortable {
            state,
            future: Box::pin(future),
        },
        abort,
    )
}

struct Abortable {
    state: Arc<State>,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Future for Abortable {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.state.waker.register(cx.waker());
        if self.state.aborted.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.future.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    #[test]
    fn it_ends_when_nobody_waits() {
        let (task, abort) = abortable(std::future::pending());
        let mut task = pin!(task);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(task.as_mut().poll(&mut cx).is_pending());
        drop(abort);
        assert!(task.as_mut().poll(&mut cx).is_ready());
    }
}
