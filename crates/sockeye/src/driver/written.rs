//! Waiting until packets are written: `flush`, and the clean end of a namespace.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_channel::oneshot;
use sockeye_core::{Client, Instant};

use super::Driver;
use super::timers::{Key, Timer};
use crate::client::close::CloseError;
use crate::dispatch::Answer;
use crate::inbox::lock;
use crate::sync::Mutex;

/// A place in the order of the packets that the core has accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(u64);

/// Behind everything that the core has accepted so far.
fn mark(core: &Client<'_>) -> Mark {
    Mark(core.send_mark())
}

/// Whether everything before a mark has been written or dropped.
fn is_written(core: &Client<'_>, mark: Mark) -> bool {
    core.written_mark() >= mark.0
}

/// Flushes under way: the handles' number of a packet, and the core's mark behind it. In order.
#[derive(Default)]
pub(super) struct Flushes {
    marks: VecDeque<(u64, Mark)>,
    /// The number of the last mark.
    last: u64,
}

/// Who waits for the end of a close; taken by who tells it.
type Done = Arc<Mutex<Option<oneshot::Sender<Result<(), CloseError>>>>>;

/// Namespaces that are being left cleanly.
#[derive(Default)]
pub(super) struct Closings {
    list: Vec<Closing>,
    begun: u64,
}

/// One of them.
struct Closing {
    number: u64,
    index: usize,
    /// The namespace was joined, or just being left, when its close was asked for.
    was_joined: bool,
    stage: Stage,
    done: Done,
    timer: Key,
}

/// The last handle is gone while something that was emitted before waits for a namespace that is on its way.
#[derive(Clone, Copy)]
pub(super) struct Farewell {
    /// Behind the packet that was accepted last.
    mark: Mark,
    /// It is not waited for longer than this.
    limit: Instant,
}

enum Stage {
    /// What was emitted before goes out.
    Flushing(Mark),
    /// The goodbye goes out. So many packets have not, because the namespace was not to be joined.
    Leaving(Mark, usize),
    /// It is over, with so many packets unsent. Who waits is told when what came before has been.
    Telling(usize),
}

impl Driver {
    /// Answers those who wait for packets to be written.
    pub(super) fn publish_written(&mut self) {
        // One mark for all who wait for packets that were taken meanwhile.
        let written = &self.shared.written;
        let wanted = written.wanted();
        if wanted == 0 {
            return;
        }
        let flushes = self.flushes.get_or_insert_default();
        if wanted > flushes.last && self.taken > flushes.last {
            flushes.last = self.taken;
            flushes.marks.push_back((self.taken, mark(&self.core)));
        }
        let mut reached = None;
        while let Some(&(number, mark)) = flushes.marks.front()
            && is_written(&self.core, mark)
        {
            flushes.marks.pop_front();
            reached = Some(number);
        }
        if let Some(number) = reached {
            written.reach(number);
        }
    }

    /// Leaves a namespace cleanly: `done` is told when that has come to its end.
    pub(super) fn close(&mut self, index: usize, done: oneshot::Sender<Result<(), CloseError>>) {
        let limit = self.now + self.shared.close_timeout;
        let was_joined = self.slots.get(index).is_some_and(|slot| slot.joined);
        let closings = self.closings.get_or_insert_default();
        closings.begun += 1;
        let number = closings.begun;
        let timer = self.timers.set(limit, Timer::Close(number));
        closings.list.push(Closing {
            number,
            index,
            was_joined,
            stage: Stage::Flushing(mark(&self.core)),
            done: Arc::new(Mutex::new(Some(done))),
            timer,
        });
    }

    /// Goes on with namespaces that are being left.
    pub(super) fn advance_closings(&mut self) {
        let Some(closings) = &mut self.closings else {
            return;
        };
        if closings.list.is_empty() {
            return;
        }
        let mut list = std::mem::take(&mut closings.list);
        // Namespaces that are left in this very round are looked at in the next one.
        let others = self.any_active();
        list.retain_mut(|closing| match closing.stage {
            Stage::Flushing(mark) => {
                let written = is_written(&self.core, mark);
                // What is kept for a namespace that is not to be joined will not be written: there is no waiting for it.
                let active = self
                    .slots
                    .get(closing.index)
                    .is_some_and(|slot| slot.shared.is_active());
                let on_its_way = active || closing.was_joined || !others && !self.core.is_down();
                if on_its_way && !written {
                    return true;
                }
                let unsent = if written {
                    0
                } else {
                    self.core.send_queue_len()
                };
                self.disconnect(closing.index);
                self.needs_drain = true;
                closing.stage = Stage::Leaving(self::mark(&self.core), unsent);
                true
            }
            Stage::Leaving(mark, unsent) => {
                let over =
                    unsent > 0 || self.core.is_down() || others && is_written(&self.core, mark);
                if over {
                    self.tell_closed_in_turn(closing, unsent);
                }
                true
            }
            Stage::Telling(_) => {
                let told = lock(&closing.done).is_none();
                if told {
                    self.timers.cancel(closing.timer);
                }
                !told
            }
        });
        self.closings.get_or_insert_default().list.append(&mut list);
    }

    /// The last handle is gone: whether the goodbye may be said, because what was emitted before has been written, or
    /// goes out before it, or will not be written at all: no namespace is on its way, or the time for closing is up.
    pub(super) fn may_leave(&mut self) -> bool {
        let Farewell { mark, limit } = **self.farewell.get_or_insert_with(|| {
            let limit = self.now + self.shared.close_timeout;
            self.timers.set(limit, Timer::Farewell);
            Box::new(Farewell {
                mark: mark(&self.core),
                limit,
            })
        });
        let core = &self.core;
        if is_written(core, mark) {
            return true;
        }
        let (mut to_join, mut on_its_way) = (false, false);
        for slot in self.slots.iter_mut().filter(|slot| !slot.joined) {
            to_join = true;
            on_its_way |= core.is_active(slot.nsp);
        }
        if on_its_way && self.now < limit {
            return false;
        }
        if to_join {
            let unsent = core.send_queue_len();
            tracing::warn!(
                unsent,
                "the last handle is gone: what could not be sent is dropped"
            );
        }
        true
    }

    /// Whether some namespace keeps the connection.
    fn any_active(&mut self) -> bool {
        self.slots
            .iter_mut()
            .any(|slot| self.core.is_active(slot.nsp))
    }

    /// The time for closing a namespace is up: it ends as it is.
    pub(super) fn close_timed_out(&mut self, number: u64) {
        let Some(closings) = &mut self.closings else {
            return;
        };
        let is = |closing: &Closing| closing.number == number;
        let Some(at) = closings.list.iter().position(is) else {
            return;
        };
        let closing = closings.list.swap_remove(at);
        match closing.stage {
            Stage::Flushing(mark) | Stage::Leaving(mark, _) => {
                let unsent = if is_written(&self.core, mark) {
                    0
                } else {
                    self.core.send_queue_len()
                };
                tell(&closing.done, unsent);
                self.disconnect(closing.index);
            }
            // A handler that is called before has not returned.
            Stage::Telling(unsent) => tell(&closing.done, unsent),
        }
    }

    /// What has been told before comes first: the goodbye, and what was given up.
    fn tell_closed_in_turn(&mut self, closing: &mut Closing, unsent: usize) {
        closing.stage = Stage::Telling(unsent);
        let done = Arc::clone(&closing.done);
        let answer = Answer::Call(Box::new(move || tell(&done, unsent)));
        match self.slots.get(closing.index) {
            Some(slot) => self.batch.answer(&slot.shared, answer),
            None => answer.send(),
        }
    }
}

fn tell(done: &Done, unsent: usize) {
    let result = match unsent {
        0 => Ok(()),
        unsent => Err(CloseError { unsent }),
    };
    let done = lock(done).take();
    if let Some(done) = done {
        let _ = done.send(result);
    }
}
