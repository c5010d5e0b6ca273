//! Tasks that wait for acknowledgements, and answers that wait for their tasks.

use core::task::Waker;

use sockeye_core::packet::{Args, Attachments};
use sockeye_core::{AckError, AckId};

/// One task that waits.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    id: Option<AckId>,
    state: State,
    waker: Option<Waker>,
}

impl Waiter {
    pub(crate) const EMPTY: Self = Self {
        id: None,
        state: State::Waiting,
        waker: None,
    };
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Waiting,
    /// The answer's JSON lies at `at` in the answer memory, its attachments behind it.
    Answered {
        at: usize,
        json: usize,
        records: usize,
        count: usize,
    },
    Failed(AckError),
    /// There was no room for an answer of this size.
    NoRoom(usize),
}

/// What has become of an acknowledgement.
#[derive(Debug)]
pub(crate) enum Answer<'a> {
    Waiting,
    Args(Args<'a>),
    Failed(AckError),
    NoRoom(usize),
}

/// The table, and the memory in which answers lie until their tasks look at them.
#[derive(Debug)]
pub(crate) struct Waiters {
    table: &'static mut [Waiter],
    answers: &'static mut [u8],
    used: usize,
}

impl Waiters {
    pub(crate) const fn new(table: &'static mut [Waiter], answers: &'static mut [u8]) -> Self {
        Self {
            table,
            answers,
            used: 0,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.table.iter().all(|waiter| waiter.id.is_some())
    }

    /// Begins to wait. There must be room: see [`Self::is_full`].
    pub(crate) fn add(&mut self, id: AckId) {
        if let Some(free) = self.table.iter_mut().find(|waiter| waiter.id.is_none()) {
            *free = Waiter {
                id: Some(id),
                ..Waiter::EMPTY
            };
        }
    }

    fn find(&mut self, id: AckId) -> Option<&mut Waiter> {
        self.table.iter_mut().find(|waiter| waiter.id == Some(id))
    }

    /// Notes what has become of `id`; whether a task waits for it.
    pub(crate) fn resolve(&mut self, id: AckId, result: &Result<Args<'_>, AckError>) -> bool {
        let (at, room) = (self.used, self.answers.len() - self.used);
        let state = match result {
            Err(error) => State::Failed(*error),
            Ok(args) => {
                let (json, records) = (args.json().as_bytes(), args.attachments().as_records());
                if json.len() + records.len() > room {
                    State::NoRoom(json.len() + records.len())
                } else {
                    State::Answered {
                        at,
                        json: json.len(),
                        records: records.len(),
                        count: args.attachments().len(),
                    }
                }
            }
        };
        let Some(waiter) = self.find(id) else {
            return false;
        };
        waiter.state = state;
        let waker = waiter.waker.take();
        if let (
            State::Answered {
                at, json, records, ..
            },
            Ok(args),
        ) = (state, result)
        {
            self.answers[at..at + json].copy_from_slice(args.json().as_bytes());
            self.answers[at + json..at + json + records]
                .copy_from_slice(args.attachments().as_records());
            self.used = at + json + records;
        }
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// What has become of `id`. While nothing has, `waker` is kept.
    pub(crate) fn poll(&mut self, id: AckId, waker: &Waker) -> Answer<'_> {
        let Some(waiter) = self.find(id) else {
            return Answer::Failed(AckError::Dropped { sent: true });
        };
        match waiter.state {
            State::Waiting => {
                if waiter
                    .waker
                    .as_ref()
                    .is_none_or(|old| !old.will_wake(waker))
                {
                    waiter.waker = Some(waker.clone());
                }
                Answer::Waiting
            }
            State::Failed(error) => Answer::Failed(error),
            State::NoRoom(bytes) => Answer::NoRoom(bytes),
            State::Answered {
                at,
                json,
                records,
                count,
            } => {
                let bytes = self
                    .answers
                    .get(at..at + json + records)
                    .unwrap_or_default();
                let (json, records) = bytes.split_at_checked(json).unwrap_or_default();
                let attachments = Attachments::from_records(records, count).unwrap_or_default();
                let json = core::str::from_utf8(json).unwrap_or("[]");
                Answer::Args(Args::from_checked(json, attachments))
            }
        }
    }

    /// Forgets `id` and its answer.
    pub(crate) fn remove(&mut self, id: AckId) {
        let Some(waiter) = self.find(id) else { return };
        let state = waiter.state;
        *waiter = Waiter::EMPTY;
        if let State::Answered {
            at, json, records, ..
        } = state
        {
            let gone = json + records;
            self.answers.copy_within(at + gone..self.used, at);
            self.used -= gone;
            for other in self.table.iter_mut() {
                if let State::Answered { at: later, .. } = &mut other.state
                    && *later > at
                {
                    *later -= gone;
                }
            }
        }
    }
}
