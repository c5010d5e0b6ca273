//! The threads of a blocking client: each task has one while it runs, and a thread that has nothing to do waits a while
//! for the next task. That goes to the thread that has waited least, so that the others come to their end: in turns, tasks that
//! come now and then would keep every thread that there ever was.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::inbox::lock;
use crate::sync::{self, Condvar, Mutex};

/// A thread without a task ends after this.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How the threads of a client are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThreadOptions {
    /// Bytes; `None`: the platform's default.
    pub(crate) stack_size: Option<usize>,
}

impl ThreadOptions {
    /// Starts a thread.
    pub(crate) fn start(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        sync::start_thread(name, self.stack_size, run)
    }
}

#[derive(Default)]
struct Pool {
    /// Of threads that wait for a task, the last to come at the end. Whoever takes one out tells it something.
    idle: Vec<Arc<Seat>>,
    /// No more tasks come.
    closed: bool,
}

/// Where one thread waits.
#[derive(Default)]
struct Seat {
    told: Mutex<Option<Told>>,
    news: Condvar,
}

enum Told {
    Task(Task),
    End,
}

impl Seat {
    fn tell(&self, told: Told) {
        *lock(&self.told) = Some(told);
        self.news.notify_one();
    }

    /// What it is told until then.
    fn wait(&self, until: Option<Instant>) -> Option<Told> {
        let mut told = lock(&self.told);
        loop {
            if let Some(told) = told.take() {
                return Some(told);
            }
            told = match until {
                None => self.news.wait(told).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = self.news.wait_timeout(told, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

struct Inner {
    options: ThreadOptions,
    span: tracing::Span,
    pool: Mutex<Pool>,
}

/// Runs the tasks of one client. A cheap clone of a handle.
#[derive(Clone)]
pub(crate) struct Threads(Arc<Inner>);

impl Threads {
    pub(crate) fn new(options: ThreadOptions, span: tracing::Span) -> Self {
        Self(Arc::new(Inner {
            options,
            span,
            pool: Mutex::default(),
        }))
    }

    /// Runs a task on a thread of its own.
    ///
    /// # Errors
    /// The system has no more threads. The task is dropped.
    pub(crate) fn spawn(&self, task: Task) -> io::Result<()> {
        let waits = lock(&self.0.pool).idle.pop();
        if let Some(seat) = waits {
            seat.tell(Told::Task(task));
            return Ok(());
        }
        let inner = Arc::clone(&self.0);
        self.0.options.start("sockeye-task", move || {
            let _entered = inner.span.clone().entered();
            let seat = Arc::new(Seat::default());
            let mut next = Some(task);
            while let Some(task) = next {
                block_on(task);
                next = inner.next(&seat);
            }
        })
    }

    /// Threads that wait for a task end; those at work do when they are done.
    pub(crate) fn close(&self) {
        let idle = {
            let mut pool = lock(&self.0.pool);
            pool.closed = true;
            std::mem::take(&mut pool.idle)
        };
        for seat in idle {
            seat.tell(Told::End);
        }
    }
}

impl Inner {
    /// The next task, if one comes in time.
    fn next(&self, seat: &Arc<Seat>) -> Option<Task> {
        let until = Instant::now() + PATIENCE;
        {
            let mut pool = lock(&self.pool);
            if pool.closed {
                return None;
            }
            pool.idle.push(Arc::clone(seat));
        }
        let told = seat.wait(Some(until)).or_else(|| {
            let mut pool = lock(&self.pool);
            let at = pool.idle.iter().position(|other| Arc::ptr_eq(other, seat));
            match at {
                Some(at) => {
                    pool.idle.remove(at);
                    None
                }
                // Somebody has just taken it out, to tell it something.
                None => {
                    drop(pool);
                    seat.wait(None)
                }
            }
        });
        match told? {
            Told::Task(task) => Some(task),
            Told::End => None,
        }
    }
}

/// What a thread waits for. (It does not park: whoever has called us may use that for something else.)
pub(crate) struct Bell(Arc<Ring>);

#[derive(Default)]
struct Ring {
    rung: Mutex<bool>,
    news: Condvar,
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *lock(&self.rung) = true;
        self.news.notify_one();
    }
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    /// Waits until its waker is woken; `false` when the time is up.
    pub(crate) fn wait(&self, until: Option<Instant>) -> bool {
        let Ring { rung, news } = &*self.0;
        let mut rung = lock(rung);
        loop {
            if std::mem::take(&mut *rung) {
                return true;
            }
            rung = match until {
                None => news.wait(rung).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    let waited = news.wait_timeout(rung, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// Runs a future on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    loop_until(std::pin::pin!(future), None).unwrap_or_else(|| unreachable!("no time limit"))
}

/// Runs a future on this thread, until the time is up: then it is given up. Without a limit it is always `Some`.
pub(crate) fn block_on_until<T>(
    future: impl Future<Output = T>,
    until: Option<Instant>,
) -> Option<T> {
    loop_until(std::pin::pin!(future), until)
}

fn loop_until<T>(
    mut future: Pin<&mut impl Future<Output = T>>,
    until: Option<Instant>,
) -> Option<T> {
    // One for each wait: a wait inside of a handler must not take the news of the one around it.
    let bell = Bell::new();
    let waker = bell.waker();
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return Some(value);
        }
        if !bell.wait(until) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn threads() -> Threads {
        Threads::new(ThreadOptions::default(), tracing::Span::none())
    }

    fn until_idle(threads: &Threads, count: usize) {
        while lock(&threads.0.pool).idle.len() < count {
            std::thread::yield_now();
        }
    }

    /// Otherwise all of them would stay for as long as a task comes now and then.
    #[test]
    fn the_thread_that_was_done_last_takes_the_next_task() {
        let threads = threads();
        let (sender, receiver) = mpsc::channel();
        let both = Arc::new(std::sync::Barrier::new(2));
        for _ in 0..2 {
            let both = Arc::clone(&both);
            let task = async move {
                both.wait();
            };
            threads.spawn(Box::pin(task)).unwrap();
        }
        until_idle(&threads, 2);
        let mut ran = std::collections::HashSet::new();
        for _ in 0..20 {
            let sender = sender.clone();
            let task = async move { sender.send(std::thread::current().id()).unwrap() };
            threads.spawn(Box::pin(task)).unwrap();
            ran.insert(receiver.recv().unwrap());
            until_idle(&threads, 2);
        }
        assert_eq!(ran.len(), 1);
        threads.close();
    }

    #[test]
    fn a_thread_that_is_done_takes_the_next_task() {
        let threads = threads();
        let (sender, receiver) = mpsc::channel();
        let run = |sender: mpsc::Sender<std::thread::ThreadId>| -> Task {
            Box::pin(async move { sender.send(std::thread::current().id()).unwrap() })
        };
        threads.spawn(run(sender.clone())).unwrap();
        let first = receiver.recv().unwrap();
        until_idle(&threads, 1);
        threads.spawn(run(sender.clone())).unwrap();
        assert_eq!(receiver.recv().unwrap(), first);
        threads.close();
        // All its threads end at once, for nothing else holds them.
        while Arc::strong_count(&threads.0) > 1 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn tasks_that_wait_for_each_other_do_not_share_a_thread() {
        let threads = threads();
        let (to_second, second) = mpsc::channel::<()>();
        let (done, all_done) = mpsc::channel();
        let also_done = done.clone();
        threads
            .spawn(Box::pin(async move {
                second.recv().unwrap();
                done.send(()).unwrap();
            }))
            .unwrap();
        threads
            .spawn(Box::pin(async move {
                to_second.send(()).unwrap();
                also_done.send(()).unwrap();
            }))
            .unwrap();
        all_done.recv().unwrap();
        all_done.recv().unwrap();
        threads.close();
    }

    #[test]
    fn waits_end_when_the_time_is_up_and_nest() {
        let soon = Some(Instant::now() + Duration::from_millis(5));
        assert_eq!(block_on_until(std::future::pending::<()>(), soon), None);
        let (sender, receiver) = futures_channel::oneshot::channel();
        let outer = async {
            // The inner wait is woken by what is meant for nobody else.
            let (inner, got) = futures_channel::oneshot::channel();
            std::thread::spawn(move || {
                sender.send(7).unwrap();
                inner.send(8).unwrap();
            });
            assert_eq!(block_on(got), Ok(8));
            receiver.await
        };
        assert_eq!(block_on(outer), Ok(7));
    }
}
