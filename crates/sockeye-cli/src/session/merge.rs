//! Events, notices and acknowledgements of a namespace come by ways of their own, and become one here: in the order in which
//! they happened, as who reads the output of a command expects it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use sockeye::{Event, EventStream, Notice, NoticeStream, Socket, WeakSocket};
use tokio::sync::{mpsc, oneshot};

use super::{Happening, Outlet};
use crate::output::record::Record;

/// The turn of what comes by another way than the events.
struct Mark {
    /// So many events came before it.
    before: u64,
    what: What,
}

enum What {
    /// The next [`Notice::Connected`] or [`Notice::Disconnected`].
    Notice,
    /// An answer: what is to be told of it comes at once.
    Answer(oneshot::Receiver<Vec<Record>>),
}

/// Gives what happens on a namespace its turn among the events.
#[derive(Clone)]
pub(crate) struct Order {
    /// So many have come. The namespace's next event waits for this lock.
    events: Arc<Mutex<u64>>,
    marks: mpsc::UnboundedSender<Mark>,
}

impl Order {
    fn mark(&self, what: What) {
        let before = *lock(&self.events);
        self.mark_at(before, what);
    }

    fn mark_at(&self, before: u64, what: What) {
        // An error means that nobody listens any more.
        let _ = self.marks.send(Mark { before, what });
    }

    /// Emits an event by `send`, and hears its answer from that moment on: it gets its turn behind everything that happened before
    /// it, and in front of what happened after it.
    ///
    /// A task that awaits an answer runs at some time after its waker was called, and two tasks in any order; the wakers
    /// themselves are called in the order of the answers, between the handlers of the events around them. An answer that is
    /// there before anybody waits calls no waker: so no event gets its turn from the emit until somebody does.
    ///
    /// `send` must not resolve another answer on this thread: its waker would wait for the lock that is held meanwhile. (An emit
    /// leaves all of that to the connection's own task.)
    pub(crate) fn ask<F: Future + Unpin>(&self, send: impl FnOnce() -> F) -> Asked<F> {
        let (teller, told) = oneshot::channel();
        let bell = Arc::new(Bell {
            order: self.clone(),
            told: Mutex::new(Some(told)),
            task: Mutex::new(None),
        });
        let events = lock(&self.events);
        let mut answer = send();
        let first = match bell.ask(*events, &mut answer) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        };
        drop(events);
        Asked {
            answer,
            first,
            bell,
            teller,
        }
    }
}

/// An event that was emitted, and whose answer is heard. Dropping it gives the answer up.
pub(crate) struct Asked<F: Future> {
    answer: F,
    first: Option<F::Output>,
    bell: Arc<Bell>,
    teller: oneshot::Sender<Vec<Record>>,
}

impl<F: Future + Unpin> Asked<F> {
    /// The answer, if it was there at once.
    pub(crate) const fn first(&self) -> Option<&F::Output> {
        self.first.as_ref()
    }

    /// Awaits the answer: what `tell` makes of it becomes a [`Happening::Answered`] at its turn. To be spawned.
    pub(crate) fn tell<T: FnOnce(F::Output) -> Vec<Record>>(
        self,
        tell: T,
    ) -> impl Future<Output = ()> + use<F, T> {
        let Self {
            mut answer,
            mut first,
            bell,
            teller,
        } = self;
        async move {
            let output = std::future::poll_fn(|cx| {
                *lock(&bell.task) = Some(cx.waker().clone());
                // (Asked again, for it may have called before it knew this task.)
                match first.take() {
                    Some(output) => Poll::Ready(output),
                    None => {
                        let events = lock(&bell.order.events);
                        bell.ask(*events, &mut answer)
                    }
                }
            })
            .await;
            let _ = teller.send(tell(output));
        }
    }
}

/// Hears the call of an answer that is there.
struct Bell {
    order: Order,
    told: Mutex<Option<oneshot::Receiver<Vec<Record>>>>,
    /// The task that awaits the answer.
    task: Mutex<Option<Waker>>,
}

impl Bell {
    /// Asks for the answer after so many events, while no other gets its turn. One that is there may have called nobody: it
    /// takes its turn here.
    fn ask<F: Future + Unpin>(self: &Arc<Self>, events: u64, answer: &mut F) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        let output = Pin::new(answer).poll(&mut Context::from_waker(&waker));
        if output.is_ready() {
            self.ring(|| events);
        }
        output
    }

    fn ring(&self, before: impl FnOnce() -> u64) {
        let told = lock(&self.told).take();
        if let Some(told) = told {
            self.order.mark_at(before(), What::Answer(told));
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring(|| *lock(&self.order.events));
        let task = lock(&self.task).take();
        if let Some(task) = task {
            task.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forwards everything that happens on `socket` and to its connection, in the order in which it happened, until it is
/// gone; answers are to be given to the [`Order`].
pub(crate) fn forward(socket: &Socket, to: Outlet) -> Order {
    forward_from(socket, Some(socket.manager().notices()), to)
}

/// Forwards everything that happens on a further namespace of a connection.
pub(crate) fn forward_namespace(socket: &Socket, to: Outlet) -> Order {
    forward_from(socket, None, to)
}

fn forward_from(socket: &Socket, connection: Option<NoticeStream>, to: Outlet) -> Order {
    // Events and notices come by two streams, answers by none. How many events were before each tells the order.
    let (marker, marks) = mpsc::unbounded_channel();
    let order = Order {
        events: Arc::default(),
        marks: marker,
    };
    let events = Arc::clone(&order.events);
    socket.on_any(move |_| {
        *lock(&events) += 1;
    });
    let joined = order.clone();
    socket.on_connect(move |_| joined.mark(What::Notice));
    let left = order.clone();
    socket.on_disconnect(move |_, _| left.mark(What::Notice));
    let merge = Merge {
        namespace: socket.name().to_owned(),
        socket: socket.downgrade(),
        events: socket.events(),
        notices: socket.notices(),
        connection,
        marks,
        next_mark: None,
        forwarded: 0,
        ends: 0,
        goes_on: false,
        to,
    };
    tokio::spawn(merge.run());
    order
}

/// The streams of a namespace, becoming one.
struct Merge {
    namespace: String,
    socket: WeakSocket,
    events: EventStream,
    notices: NoticeStream,
    /// What concerns the whole connection.
    connection: Option<NoticeStream>,
    /// For each answer, [`Notice::Connected`] and [`Notice::Disconnected`], in their order.
    marks: mpsc::UnboundedReceiver<Mark>,
    next_mark: Option<Mark>,
    forwarded: u64,
    /// Ends of connections and of attempts that the namespace was told and the connection has not been followed up yet.
    ends: u64,
    /// By its last account the namespace will be tried again.
    goes_on: bool,
    to: Outlet,
}

/// So long the namespace's own account of an end is waited for, before what the connection tells about the next attempt.
const ACCOUNT: Duration = Duration::from_millis(500);

impl Merge {
    /// `None` once nobody listens, or the socket is gone.
    async fn run(mut self) -> Option<()> {
        loop {
            tokio::select! {
                biased;
                notice = self.notices.next() => match notice {
                    Some(notice) => self.notice(notice).await?,
                    None => return self.rest().await,
                },
                notice = next_of(&mut self.connection) => match notice {
                    Some(notice) => self.of_connection(notice).await?,
                    None => self.connection = None,
                },
                Some(mark) = self.marks.recv(), if self.next_mark.is_none() => {
                    self.next_mark = Some(mark);
                    self.answers().await?;
                }
                event = self.events.next() => {
                    let event = event?;
                    while let Some(mark) = self.mark_before(self.forwarded) {
                        if let What::Answer(told) = mark.what {
                            self.answer(told).await?;
                        } else {
                            self.next_mark = Some(mark);
                            let notice = self.notices.next().await?;
                            self.notice(notice).await?;
                        }
                    }
                    self.event(event).await?;
                }
            }
        }
    }

    /// The socket is gone: what its streams still hold.
    async fn rest(&mut self) -> Option<()> {
        while let Some(event) = self.events.next().await {
            while let Some(mark) = self.mark_before(self.forwarded) {
                if let What::Answer(told) = mark.what {
                    self.answer(told).await?;
                }
            }
            self.event(event).await?;
        }
        while let Some(mark) = self.mark_before(u64::MAX) {
            if let What::Answer(told) = mark.what {
                self.answer(told).await?;
            }
        }
        while let Some(notice) = ready(next_of(&mut self.connection)).await.flatten() {
            self.of_connection(notice).await?;
        }
        None
    }

    /// The next mark, taken out, if so many events or fewer were before it.
    fn mark_before(&mut self, events: u64) -> Option<Mark> {
        let mark = self
            .next_mark
            .take()
            .or_else(|| self.marks.try_recv().ok())?;
        if mark.before <= events {
            return Some(mark);
        }
        self.next_mark = Some(mark);
        None
    }

    /// Passes on the answers whose turn it is next, behind the events that came before them.
    async fn answers(&mut self) -> Option<()> {
        while let Some(mark) = self.mark_before(u64::MAX) {
            match mark.what {
                What::Answer(told) => {
                    self.events_before(mark.before).await?;
                    self.answer(told).await?;
                }
                What::Notice => {
                    self.next_mark = Some(mark);
                    break;
                }
            }
        }
        Some(())
    }

    async fn events_before(&mut self, before: u64) -> Option<()> {
        while self.forwarded < before {
            let event = self.events.next().await?;
            self.event(event).await?;
        }
        Some(())
    }

    async fn answer(&mut self, told: oneshot::Receiver<Vec<Record>>) -> Option<()> {
        match told.await {
            Ok(records) => self.send(Happening::Answered(records)).await,
            // Who awaited it has been given up.
            Err(_) => Some(()),
        }
    }

    async fn notice(&mut self, notice: Notice) -> Option<()> {
        if matches!(notice, Notice::Connected { .. }) {
            // What the connection told until then comes first.
            while let Some(notice) = ready(next_of(&mut self.connection)).await.flatten() {
                self.of_connection(notice).await?;
            }
        }
        if matches!(notice, Notice::ConnectError(_) | Notice::Disconnected(_)) {
            self.ends += 1;
        }
        self.account(notice).await
    }

    /// Passes a notice of the namespace on, behind the events and answers that came before it.
    async fn account(&mut self, notice: Notice) -> Option<()> {
        match &notice {
            Notice::ConnectError(error) => self.goes_on = error.active(),
            Notice::Disconnected(left) => self.goes_on = left.will_reconnect,
            Notice::Connected { .. } => self.goes_on = false,
            _ => (),
        }
        if matches!(notice, Notice::Connected { .. } | Notice::Disconnected(_)) {
            loop {
                let mark = match self.next_mark.take() {
                    Some(mark) => mark,
                    None => self.marks.recv().await?,
                };
                self.events_before(mark.before).await?;
                match mark.what {
                    What::Notice => break,
                    What::Answer(told) => self.answer(told).await?,
                }
            }
        }
        self.send(Happening::Notice(notice)).await
    }

    async fn of_connection(&mut self, notice: Notice) -> Option<()> {
        // The namespaces are told of failed attempts as well.
        if matches!(notice, Notice::ConnectError(_)) {
            return Some(());
        }
        if matches!(
            notice,
            Notice::Reconnecting { .. } | Notice::ReconnectFailed
        ) {
            // The namespace's account of the end comes first.
            while self.ends == 0 {
                let own = match ready(self.notices.next()).await {
                    Some(own) => own,
                    None if self.owes(&notice) => {
                        let wait = tokio::time::timeout(ACCOUNT, self.notices.next());
                        wait.await.unwrap_or_default()
                    }
                    None => break,
                };
                // The socket is gone, or says nothing. What else came of it is still told.
                let Some(own) = own else { break };
                self.ends += u64::from(matches!(
                    own,
                    Notice::ConnectError(_) | Notice::Disconnected(_)
                ));
                self.account(own).await?;
            }
            self.ends = 0;
        }
        self.send(Happening::Notice(notice)).await
    }

    /// Whether the namespace has to say something of the end before this: one that was left, or never was to be joined, has
    /// not. When all attempts are used up, it is not active any more, but says so.
    fn owes(&self, notice: &Notice) -> bool {
        let active = || self.socket.upgrade().is_some_and(|own| own.active());
        matches!(notice, Notice::ReconnectFailed) && self.goes_on || active()
    }

    async fn event(&mut self, event: Event) -> Option<()> {
        self.forwarded += 1;
        self.send(Happening::Event(event)).await
    }

    async fn send(&self, happening: Happening) -> Option<()> {
        self.to.send((self.namespace.clone(), happening)).await.ok()
    }
}

/// The next notice; for ever if there is no stream.
async fn next_of(stream: &mut Option<NoticeStream>) -> Option<Notice> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}

/// What a future comes to at once, if it does.
async fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> (Order, mpsc::UnboundedReceiver<Mark>) {
        let (marks, marked) = mpsc::unbounded_channel();
        let events = Arc::default();
        (Order { events, marks }, marked)
    }

    /// The server has answered, and sent more, before anybody waits.
    #[tokio::test]
    async fn an_answer_that_is_there_at_once_comes_before_what_happens_next() {
        let (order, mut marked) = order();
        *lock(&order.events) = 3;
        let mut next = None;
        let asked = order.ask(|| {
            let events = Arc::clone(&order.events);
            next = Some(std::thread::spawn(move || *lock(&events) += 1));
            std::future::ready("answer")
        });
        next.unwrap().join().unwrap();
        assert_eq!(asked.first(), Some(&"answer"));
        assert_eq!(*lock(&order.events), 4);
        let mark = marked.try_recv().unwrap();
        assert_eq!(mark.before, 3);
        asked.tell(|_| Vec::new()).await;
        let What::Answer(told) = mark.what else {
            panic!("an answer")
        };
        assert!(told.await.unwrap().is_empty());
        assert!(marked.try_recv().is_err(), "its turn comes once");
    }

    /// It comes while its task has not run yet.
    #[tokio::test]
    async fn an_answer_that_comes_later_takes_its_turn_when_it_comes() {
        let (order, mut marked) = order();
        let (answer, receiver) = oneshot::channel();
        let asked = order.ask(|| receiver);
        assert!(asked.first().is_none() && marked.try_recv().is_err());
        *lock(&order.events) = 7;
        answer.send(()).unwrap();
        *lock(&order.events) = 8;
        asked.tell(|_| Vec::new()).await;
        assert_eq!(marked.try_recv().unwrap().before, 7);
        assert!(marked.try_recv().is_err(), "its turn comes once");
    }
}
