//! Events that were accepted and are not known to be written: `sent` is told when they are, `error` when they never will be.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use sockeye::{Sent, Socket};
use tokio::task::JoinSet;

use crate::output::record::Record;
use crate::value::Arg;

/// An event on its way.
pub(super) struct Accepted {
    pub(super) namespace: String,
    pub(super) event: String,
    pub(super) id: Option<Arg>,
    told: Told,
    /// Of one that wants an answer.
    sent: Option<Sent>,
}

impl Accepted {
    /// Whether what became of it is to be told here, which is so once. An event whose time was up before it was sent is gone
    /// from the send buffer as one that was: its acknowledgement fails, and that tells.
    fn is_ours_to_tell(&mut self) -> bool {
        !self.sent.as_mut().is_some_and(will_never_be) && self.told.now()
    }
}

/// Whether it is certain that an event will not be sent.
fn will_never_be(sent: &mut Sent) -> bool {
    Pin::new(sent).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(false)
}

/// Whether `sent` has been told. An acknowledgement may be faster than the news that all was written; then it tells.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<AtomicBool>);

impl Told {
    /// True for the first one who asks.
    pub(super) fn now(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

/// The record of an event that was sent.
pub(super) fn sent(namespace: String, event: String, id: Option<Arg>) -> Record {
    Record::Sent {
        namespace,
        event,
        id,
    }
}

/// All events that wait, in the order in which they were accepted.
#[derive(Default)]
pub(super) struct Unsent {
    /// With their numbers.
    events: VecDeque<(u64, Accepted)>,
    next: u64,
    /// One question at a time, whether everything before has been written.
    flush: JoinSet<u64>,
}

impl Unsent {
    /// An event has been accepted on `socket`.
    pub(super) fn add(
        &mut self,
        socket: &Socket,
        event: &str,
        id: Option<Arg>,
        sent: Option<Sent>,
    ) -> Told {
        let told = Told::default();
        let entry = Accepted {
            namespace: socket.name().to_owned(),
            event: event.to_owned(),
            id,
            told: told.clone(),
            sent,
        };
        self.events.push_back((self.next, entry));
        self.next += 1;
        self.ask(socket);
        told
    }

    fn ask(&mut self, socket: &Socket) {
        if self.flush.is_empty() && !self.events.is_empty() {
            let (socket, before) = (socket.clone(), self.next);
            self.flush.spawn(async move {
                socket.flush().await;
                before
            });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.flush.is_empty()
    }

    /// Waits until some have been written; the records that tell so. Cancel-safe.
    pub(super) async fn written(&mut self, socket: Option<&Socket>) -> Vec<Record> {
        let mut records = Vec::new();
        // A flush that panicked is asked for again with the next event.
        if let Some(Ok(before)) = self.flush.join_next().await {
            while let Some((_, mut event)) =
                self.events.pop_front_if(|(number, _)| *number < before)
            {
                if event.is_ours_to_tell() {
                    records.push(sent(event.namespace, event.event, event.id));
                }
            }
        }
        if let Some(socket) = socket {
            self.ask(socket);
        }
        records
    }

    /// What waits for a namespace will never be sent: takes it out.
    pub(super) fn give_up(&mut self, namespace: &str) -> Vec<Accepted> {
        let (gone, kept) = std::mem::take(&mut self.events)
            .into_iter()
            .partition(|(_, event)| event.namespace == namespace);
        self.events = kept;
        let gone: VecDeque<(u64, Accepted)> = gone;
        let gone = gone.into_iter().map(|(_, event)| event);
        let ours = |mut event: Accepted| event.is_ours_to_tell().then_some(event);
        gone.filter_map(ours).collect()
    }
}
