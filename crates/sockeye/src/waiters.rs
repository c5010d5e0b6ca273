//! Tasks that wait for what the driver will tell. A future that is dropped takes its place along, so that nothing is
//! kept of waits that were given up, however many and however long the server is away.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sockeye_core::AckId;

use crate::client::ack::AckError;
use crate::client::args::Args;
use crate::client::error::ConnectError;
use crate::inbox::{Command, Shared, lock};
use crate::namespace::NspShared;
use crate::sync::AtomicU64;
use crate::sync::Mutex;
use crate::sync::atomic::Ordering;

// ---- a number that grows ----

/// A number that only grows, and the tasks that wait until it has reached theirs.
#[derive(Default)]
pub(crate) struct Milestone {
    state: Mutex<Reached>,
    /// The largest number that was ever waited for.
    wanted: AtomicU64,
}

#[derive(Default)]
struct Reached {
    to: u64,
    /// Nothing is kept while nobody waits: connections may be many, and waits are rare.
    waits: Option<Box<Waits>>,
}

#[derive(Default)]
struct Waits {
    /// A ticket tells waits for the same number apart.
    next_ticket: u64,
    /// By the number waited for, and the ticket.
    waiting: BTreeMap<(u64, u64), Waker>,
}

impl Reached {
    fn tidy(&mut self) {
        if self
            .waits
            .as_ref()
            .is_some_and(|waits| waits.waiting.is_empty())
        {
            self.waits = None;
        }
    }
}

impl Milestone {
    /// The largest number that was ever waited for.
    pub(crate) fn wanted(&self) -> u64 {
        self.wanted.load(Ordering::Acquire)
    }

    /// The number that has been reached.
    pub(crate) fn reached(&self) -> u64 {
        lock(&self.state).to
    }

    /// Everything up to `to` has been reached.
    pub(crate) fn reach(&self, to: u64) {
        self.grow(|_| to);
    }

    /// One more has been reached: for those who wait until something happens again, whatever its number.
    pub(crate) fn advance(&self) {
        self.grow(|to| to.saturating_add(1));
    }

    fn grow(&self, next: impl FnOnce(u64) -> u64) {
        let mut woken = Vec::new();
        let mut state = lock(&self.state);
        let to = next(state.to);
        if to <= state.to {
            return;
        }
        state.to = to;
        if let Some(waits) = &mut state.waits {
            while let Some(first) = waits.waiting.first_entry()
                && first.key().0 <= to
            {
                woken.push(first.remove());
            }
        }
        state.tidy();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Waits for `target`. `begun` is called once, when the wait has begun and is known to [`wanted`](Self::wanted).
    pub(crate) async fn wait(&self, target: u64, begun: impl FnOnce()) {
        let mut wait = Wait {
            milestone: self,
            target,
            ticket: None,
        };
        let mut begun = Some(begun);
        std::future::poll_fn(move |cx| {
            let poll = wait.poll(cx);
            if poll.is_pending()
                && let Some(begun) = begun.take()
            {
                begun();
            }
            poll
        })
        .await;
    }
}

struct Wait<'m> {
    milestone: &'m Milestone,
    target: u64,
    ticket: Option<u64>,
}

impl Wait<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let mut state = lock(&self.milestone.state);
        if self.target <= state.to {
            return Poll::Ready(());
        }
        // (While one waits its ticket is there, and with it the count of them.)
        let waits = state.waits.get_or_insert_default();
        let ticket = *self.ticket.get_or_insert_with(|| {
            waits.next_ticket += 1;
            waits.next_ticket
        });
        waits
            .waiting
            .insert((self.target, ticket), cx.waker().clone());
        self.milestone
            .wanted
            .fetch_max(self.target, Ordering::AcqRel);
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut state = lock(&self.milestone.state);
            let removed = state
                .waits
                .as_mut()
                .and_then(|waits| waits.waiting.remove(&(self.target, ticket)));
            state.tidy();
            drop(state);
            drop(removed);
        }
    }
}

// ---- calls of `connect` ----

/// Calls of `connect` that wait for what it comes to.
///
/// Each has a ticket. What an attempt comes to is told to those whose call the driver has seen before: a later call
/// means a later attempt.
#[derive(Default)]
pub(crate) struct ConnectCalls {
    state: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    next_ticket: u64,
    /// The driver has seen the calls with tickets below this.
    seen: u64,
    /// Nothing is kept while there are none: connections may be many, and calls are rare.
    open: Option<Box<OpenCalls>>,
}

#[derive(Default)]
struct OpenCalls {
    waiting: BTreeMap<u64, Option<Waker>>,
    done: BTreeMap<u64, Result<(), ConnectError>>,
}

impl ConnectCalls {
    /// Begins to wait.
    pub(crate) fn begin(&self) -> u64 {
        let mut state = lock(&self.state);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let open = state.open.get_or_insert_default();
        open.waiting.insert(ticket, None);
        ticket
    }

    /// The driver has seen all calls with tickets below `upto`.
    pub(crate) fn see(&self, upto: u64) {
        let mut state = lock(&self.state);
        state.seen = state.seen.max(upto);
    }

    /// The calls with tickets below this are those that the driver has seen.
    pub(crate) fn seen(&self) -> u64 {
        lock(&self.state).seen
    }

    /// Tells all calls that the driver has seen what they came to.
    pub(crate) fn resolve(&self, result: &Result<(), ConnectError>) {
        self.resolve_upto(self.seen(), result);
    }

    /// Tells the calls with tickets below `seen` what they came to.
    pub(crate) fn resolve_upto(&self, seen: u64, result: &Result<(), ConnectError>) {
        let mut woken = Vec::new();
        let mut state = lock(&self.state);
        if let Some(open) = &mut state.open {
            while let Some(first) = open.waiting.first_entry()
                && *first.key() < seen
            {
                let (ticket, waker) = first.remove_entry();
                open.done.insert(ticket, result.clone());
                woken.extend(waker);
            }
        }
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// The driver has ended: no call comes to anything any more.
    pub(crate) fn close(&self) {
        self.see(u64::MAX);
        self.resolve(&Err(ConnectError::closed()));
    }

    fn poll(&self, ticket: u64, cx: &Context<'_>) -> Poll<Result<(), ConnectError>> {
        let mut state = lock(&self.state);
        let mut done = None;
        if let Some(open) = &mut state.open {
            if let Some(waker) = open.waiting.get_mut(&ticket) {
                *waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            done = open.done.remove(&ticket);
        }
        state.tidy();
        Poll::Ready(done.unwrap_or_else(|| Err(ConnectError::closed())))
    }

    fn forget(&self, ticket: u64) {
        let mut state = lock(&self.state);
        let removed = state
            .open
            .as_mut()
            .map(|open| (open.waiting.remove(&ticket), open.done.remove(&ticket)));
        state.tidy();
        drop(state);
        drop(removed);
    }
}

impl Calls {
    fn tidy(&mut self) {
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.waiting.is_empty() && open.done.is_empty())
        {
            self.open = None;
        }
    }
}

/// One call of `connect`, waiting.
pub(crate) struct ConnectCall<'n> {
    pub(crate) nsp: &'n NspShared,
    pub(crate) ticket: u64,
}

impl Future for ConnectCall<'_> {
    type Output = Result<(), ConnectError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.nsp.connects.poll(self.ticket, cx)
    }
}

impl Drop for ConnectCall<'_> {
    fn drop(&mut self) {
        self.nsp.connects.forget(self.ticket);
    }
}

// ---- acknowledgements ----

type Answer = Result<Args, AckError>;

struct AckCell {
    state: AckState,
    /// The event has not been sent and never will be: it failed, though perhaps nobody has been told yet.
    unsent: bool,
}

enum AckState {
    /// The packet is in the inbox, or waits for its answer under an id of the core.
    Waiting {
        id: Option<AckId>,
        waker: Option<Waker>,
    },
    Answered(Answer),
    /// Nobody waits any more.
    Dropped,
}

/// The two ends of an answer: the driver's and the future's.
pub(crate) fn ack_channel() -> (AckSender, AckReceiver) {
    let cell = Arc::new(Mutex::new(AckCell {
        state: AckState::Waiting {
            id: None,
            waker: None,
        },
        unsent: false,
    }));
    (AckSender(Some(Arc::clone(&cell))), AckReceiver(cell))
}

/// The driver's end: it resolves the answer. Dropped without a word it says that the packet was dropped.
pub(crate) struct AckSender(Option<Arc<Mutex<AckCell>>>);

impl AckSender {
    /// Tells the answer; gives it back when nobody waits for it.
    pub(crate) fn send(mut self, answer: Answer) -> Result<(), Answer> {
        self.resolve(answer)
    }

    fn resolve(&mut self, answer: Answer) -> Result<(), Answer> {
        let Some(cell) = self.0.take() else {
            return Err(answer);
        };
        let mut guard = lock(&cell);
        let AckState::Waiting { waker, .. } = &mut guard.state else {
            return Err(answer);
        };
        let waker = waker.take();
        guard.unsent |= matches!(&answer, Err(error) if !error.sent());
        guard.state = AckState::Answered(answer);
        drop(guard);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// The event will never be sent; the answer that says so has to wait for its turn.
    pub(crate) fn is_not_sent(&self) {
        if let Some(cell) = &self.0 {
            lock(cell).unsent = true;
        }
    }

    /// The core's number of it.
    pub(crate) fn id(&self) -> Option<AckId> {
        match lock(self.0.as_ref()?).state {
            AckState::Waiting { id, .. } => id,
            AckState::Answered(_) | AckState::Dropped => None,
        }
    }

    /// Whether the future has been dropped.
    pub(crate) fn is_closed(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|cell| matches!(lock(cell).state, AckState::Dropped))
    }

    /// The core has the packet and knows its answer by `id`: from now on, dropping the future tells the driver so.
    /// `false` if it has been dropped already.
    pub(crate) fn accepted(&self, id: AckId) -> bool {
        let Some(cell) = &self.0 else { return false };
        match &mut lock(cell).state {
            AckState::Waiting { id: place, .. } => {
                *place = Some(id);
                true
            }
            AckState::Answered(_) | AckState::Dropped => false,
        }
    }
}

impl Drop for AckSender {
    fn drop(&mut self) {
        // What the core has had may have left.
        let sent = self.id().is_some();
        let _ = self.resolve(Err(AckError::Dropped { sent }));
    }
}

/// The future's end.
pub(crate) struct AckReceiver(Arc<Mutex<AckCell>>);

impl AckReceiver {
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<Answer> {
        let mut cell = lock(&self.0);
        let state = &mut cell.state;
        match state {
            AckState::Waiting { waker, .. } => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            AckState::Answered(_) => match std::mem::replace(state, AckState::Dropped) {
                AckState::Answered(answer) => Poll::Ready(answer),
                _ => Poll::Ready(Err(AckError::Dropped { sent: true })),
            },
            AckState::Dropped => Poll::Ready(Err(AckError::Dropped { sent: true })),
        }
    }

    /// What is known of the event, also after the answer has been taken.
    pub(crate) fn fate(&self) -> AckFate {
        AckFate(Arc::clone(&self.0))
    }

    /// Nobody waits any more: the packet is taken back if it has not been begun, and its place is free again.
    pub(crate) fn give_up(&self, shared: &Shared) {
        let old = std::mem::replace(&mut lock(&self.0).state, AckState::Dropped);
        if let AckState::Waiting { id: Some(id), .. } = old {
            shared.command(Command::CancelAck(id));
        }
    }
}

/// What is known of an event that wants an answer.
pub(crate) struct AckFate(Arc<Mutex<AckCell>>);

impl AckFate {
    /// Whether it has not been sent and never will be.
    pub(crate) fn is_unsent(&self) -> bool {
        lock(&self.0).unsent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_milestone_keeps_nothing_of_waits_that_were_dropped() {
        let milestone = Milestone::default();
        for n in 0..1000 {
            let mut wait = Box::pin(milestone.wait(n / 10 + 1, || ()));
            assert!(poll(wait.as_mut()).is_pending());
        }
        assert!(lock(&milestone.state).waits.is_none());
        assert_eq!(milestone.wanted(), 100);
    }

    #[test]
    fn a_milestone_wakes_those_whose_number_is_reached() {
        let milestone = Milestone::default();
        let mut begun = 0;
        let mut three = Box::pin(milestone.wait(3, || begun += 1));
        let mut five = Box::pin(milestone.wait(5, || ()));
        for _ in 0..3 {
            assert!(poll(three.as_mut()).is_pending());
            assert!(poll(five.as_mut()).is_pending());
        }
        milestone.reach(4);
        milestone.reach(2);
        let left = lock(&milestone.state)
            .waits
            .as_ref()
            .map(|waits| waits.waiting.len());
        assert_eq!(left, Some(1));
        assert!(poll(three.as_mut()).is_ready());
        assert!(poll(five.as_mut()).is_pending());
        milestone.reach(u64::MAX);
        assert!(poll(five.as_mut()).is_ready());
        drop((three, five));
        assert_eq!(begun, 1);
        assert!(poll(Box::pin(milestone.wait(9, || panic!("no wait"))).as_mut()).is_ready());
    }

    #[test]
    fn calls_of_connect_hear_of_their_own_attempt() {
        let calls = ConnectCalls::default();
        let cx = Context::from_waker(Waker::noop());
        let (first, second) = (calls.begin(), calls.begin());
        calls.see(first + 1);
        calls.resolve(&Err(ConnectError::closed()));
        assert!(calls.poll(second, &cx).is_pending());
        assert!(matches!(calls.poll(first, &cx), Poll::Ready(Err(_))));
        calls.see(second + 1);
        calls.resolve(&Ok(()));
        calls.forget(second);
        assert!(lock(&calls.state).open.is_none());
    }
}
