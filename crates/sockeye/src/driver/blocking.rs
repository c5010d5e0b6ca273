//! The driver on a thread: the core's loop over sockets that are polled. User code runs on other threads, one for each
//! namespace that has something to tell: its dispatcher.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use sockeye_core::drive::{Idle, Owner, Work, run_owned};
use sockeye_core::{Client, Instant};

use super::threads::{Task, ThreadOptions, Threads};
use super::{Driver, Parts};
use crate::client::error::ConnectError;
use crate::net::blocking::{Notifier, PollNet};
use crate::net::{Computed, DialError, Network};

/// What the loop's two sides tell each other past the core: the driver and its network, on one thread.
#[derive(Default)]
pub(crate) struct Between {
    /// A link is being connected.
    pub(crate) dialing: Cell<bool>,
    /// Where the next link that is opened leads to; `None`: to the same server as the one before.
    pub(crate) network: RefCell<Option<Arc<Network>>>,
    /// The next link that is opened is the first one of a session.
    pub(crate) fresh: Cell<bool>,
    /// Nothing that brings events is to be read.
    pub(crate) paused: Cell<bool>,
    /// When the driver has something to do by itself.
    pub(crate) deadline: Cell<Option<Instant>>,
    /// Why a link could not be had, or broke.
    pub(crate) failure: RefCell<Option<DialError>>,
    /// What has been computed for the link that is opened next.
    pub(crate) computed: RefCell<Option<Computed>>,
}

/// Starts the thread of a connection.
///
/// # Errors
/// There is no thread, or no way to wake one.
pub(crate) fn spawn(parts: Parts, options: ThreadOptions) -> Result<(), ConnectError> {
    let trouble = |what: &str, error: std::io::Error| {
        ConnectError::config(format!("{what}: {error}; the system is short of resources"))
    };
    let notifier =
        Notifier::new().map_err(|error| trouble("no way to wake the client's thread", error))?;
    let span = parts.span();
    let threads = Threads::new(options.clone(), span.clone());
    options
        .start("sockeye", move || {
            let _entered = span.entered();
            run(parts, &threads, notifier);
            threads.close();
        })
        .map_err(|error| trouble("the client's thread could not be started", error))
}

fn run(parts: Parts, threads: &Threads, notifier: Notifier) {
    let between = Rc::<Between>::default();
    let waker = notifier.waker();
    let timeout = parts.config.connect_timeout;
    let tasks = threads.clone();
    let spawn = move |task: Task| {
        if let Err(error) = tasks.spawn(task) {
            // What the task would have done is told by those it would have told: streams get what there is.
            tracing::error!(%error, "no thread could be started: handlers are not called");
        }
    };
    let driver = Driver::new(parts, Box::new(spawn));
    let mut net = PollNet::new(
        &driver.target,
        timeout,
        threads.clone(),
        notifier,
        Rc::clone(&between),
    );
    let mut thread = Thread {
        driver,
        between,
        waker,
    };
    run_owned(&mut thread, &mut net);
}

/// The driver, and what it has of its thread.
struct Thread {
    driver: Driver,
    between: Rc<Between>,
    waker: Waker,
}

impl Owner<'static> for Thread {
    fn client(&mut self) -> &mut Client<'static> {
        &mut self.driver.core
    }

    fn poll(&mut self, now: Instant) -> Work {
        let Self {
            driver, between, ..
        } = self;
        driver.now = now;
        if let Some(failure) = between.failure.take() {
            driver.failure.set(failure);
        }
        let work = driver.poll(between.dialing.get());
        if let Work::Open(link) = work {
            between.fresh.set(driver.opening(link));
            *between.network.borrow_mut() = Some(Arc::clone(&driver.target.network));
        }
        work
    }

    fn idle(&mut self, now: Instant, down: bool) -> Idle {
        let Self {
            driver,
            between,
            waker,
        } = self;
        driver.now = now;
        if let Some(computed) = between.computed.take() {
            driver.computed(computed);
        }
        // Before the look into the inbox: what comes after it wakes again.
        driver.shared.waker.register(waker);
        driver.take_inbox();
        driver.handle_timers();
        if !std::mem::take(&mut driver.needs_drain) {
            driver.publish();
            driver.hand_over(|driver| driver.register(waker));
            if !std::mem::take(&mut driver.needs_drain) {
                if driver.ending && down {
                    driver.end();
                    return Idle::End;
                }
                between.paused.set(driver.paused);
                between.deadline.set(driver.deadline());
                return Idle::Wait;
            }
        }
        Idle::Again
    }
}
