//! Calling user code: a panic in it is caught and logged, and what runs is known to the thread it runs on.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What a handler's future comes to: an error is told as a notice.
pub(crate) type Outcome = Result<(), String>;
pub(crate) type BoxFuture<T = Outcome> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The join that an `on_connect` handler is told about. The namespace may have been left again by the time the
/// handler runs; to the handler it is joined under this id.
#[derive(Debug)]
pub(crate) struct Join {
    /// Which namespace: the address of its record, which lives as long as its handlers run.
    pub(crate) nsp: usize,
    pub(crate) id: Box<str>,
}

thread_local! {
    static IN_HANDLER: Cell<bool> = const { Cell::new(false) };
    static JOIN: RefCell<Option<Arc<Join>>> = const { RefCell::new(None) };
}

/// Whether a handler runs on this thread.
pub(crate) fn in_handler() -> bool {
    IN_HANDLER.get()
}

/// The id that the `on_connect` handler on this thread is told about, if it is one of this namespace.
pub(crate) fn told_id(nsp: usize) -> Option<String> {
    JOIN.with_borrow(|join| {
        let join = join.as_ref().filter(|join| join.nsp == nsp)?;
        Some(join.id.to_string())
    })
}

/// Runs user code, and catches its panics.
fn caught<R>(join: Option<&Arc<Join>>, call: impl FnOnce() -> R) -> std::thread::Result<R> {
    let outer = IN_HANDLER.replace(true);
    let outer_join = join.map(|join| JOIN.replace(Some(Arc::clone(join))));
    let result = catch_unwind(AssertUnwindSafe(call));
    if let Some(outer) = outer_join {
        JOIN.set(outer);
    }
    IN_HANDLER.set(outer);
    result
}

/// Runs user code; a panic in it is logged and does not end the dispatcher.
pub(crate) fn guard<R>(
    name: &str,
    join: Option<&Arc<Join>>,
    call: impl FnOnce() -> R,
) -> Option<R> {
    caught(join, call)
        .map_err(|panic| report(name, &*panic))
        .ok()
}

fn report(name: &str, panic: &(dyn Any + Send)) {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(
        event = name,
        panic = message.unwrap_or("(no message)"),
        "a handler panicked"
    );
}

/// A handler's future; a panic in it ends it.
pub(crate) struct Guarded<'n> {
    pub(crate) name: &'n str,
    pub(crate) join: Option<Arc<Join>>,
    pub(crate) future: BoxFuture,
}

impl Future for Guarded<'_> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = &mut *self;
        match caught(this.join.as_ref(), || this.future.as_mut().poll(cx)) {
            Ok(poll) => poll,
            Err(panic) => {
                report(this.name, &*panic);
                Poll::Ready(Ok(()))
            }
        }
    }
}

#[cfg(feature = "blocking")]
pub(crate) use on_queue::{OnQueue, let_pass};

/// The way from a handler that blocks its thread to the queue that it holds up.
#[cfg(feature = "blocking")]
mod on_queue {
    use super::*;
    use crate::inbox::NspShared;

    thread_local! {
        /// The namespace whose dispatcher runs on this thread.
        static NAMESPACE: RefCell<Option<Arc<NspShared>>> = const { RefCell::new(None) };
    }

    /// A dispatcher, known to the thread it runs on.
    pub(crate) struct OnQueue<F> {
        nsp: Arc<NspShared>,
        run: Pin<Box<F>>,
    }

    impl<F> OnQueue<F> {
        pub(crate) fn new(nsp: Arc<NspShared>, run: F) -> Self {
            Self {
                nsp,
                run: Box::pin(run),
            }
        }
    }

    impl<F: Future<Output = ()>> Future for OnQueue<F> {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            let outer = NAMESPACE.replace(Some(Arc::clone(&self.nsp)));
            let poll = self.run.as_mut().poll(cx);
            drop(NAMESPACE.replace(outer));
            poll
        }
    }

    /// Runs something that blocks this thread. If it is a handler's, answers pass meanwhile: it may wait for one.
    pub(crate) fn let_pass<R>(wait: impl FnOnce() -> R) -> R {
        let nsp = NAMESPACE.with_borrow(Clone::clone).filter(|_| in_handler());
        let Some(nsp) = nsp else { return wait() };
        let passing = nsp.queue.let_pass_blocked();
        let result = wait();
        if passing {
            nsp.queue.go_on();
        }
        result
    }
}
