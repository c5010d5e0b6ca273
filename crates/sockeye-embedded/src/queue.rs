//! Tasks that wait for something to change: [`Socket::ready`](crate::Socket::ready),
//! [`Socket::room`](crate::Socket::room) and [`Socket::flush`](crate::Socket::flush).

use core::task::Waker;

/// Tasks that are woken straight; further ones are woken by one another.
pub(crate) const PLACES: usize = 8;

/// Wakes every task that waits, any number of them, in fixed memory.
///
/// The first [`PLACES`] tasks have a place each. Behind them the queue remembers only the task that came last; its
/// [`Ticket`] keeps the waker of the one that came before it, and so on. Each task that looks again wakes the one that
/// it has kept. So no task is woken before something has changed, however many there are.
pub(crate) struct WaitQueue {
    places: [Option<Waker>; PLACES],
    last: Option<Waker>,
    /// Whether anybody waits.
    any: bool,
    /// Counts how often all have been woken: tickets of an earlier round are void.
    round: u32,
}

/// A task's place in a [`WaitQueue`]. Give it back by [`WaitQueue::leave`].
#[derive(Debug)]
pub(crate) struct Ticket {
    /// 0: it has not been used yet.
    round: u32,
    waker: Option<Waker>,
    /// A task that came earlier, to be woken when this one is.
    kept: Option<Waker>,
}

impl Ticket {
    pub(crate) const NEW: Self = Self {
        round: 0,
        waker: None,
        kept: None,
    };
}

impl WaitQueue {
    pub(crate) const fn new() -> Self {
        Self {
            places: [const { None }; PLACES],
            last: None,
            any: false,
            round: 1,
        }
    }

    /// Has `waker` woken at the next change. Called again before it, this does nothing.
    pub(crate) fn wait(&mut self, ticket: &mut Ticket, waker: &Waker) {
        let same = |other: &Option<Waker>| other.as_ref().is_some_and(|it| it.will_wake(waker));
        if ticket.round == self.round && same(&ticket.waker) {
            return;
        }
        // The future has been woken, or has moved to another task.
        self.leave(ticket);
        self.any = true;
        ticket.round = self.round;
        ticket.waker = Some(waker.clone());
        if same(&self.last) || self.places.iter().any(same) {
            return;
        }
        match self.places.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(waker.clone()),
            None => ticket.kept = self.last.replace(waker.clone()),
        }
    }

    /// Something has changed: wakes all.
    pub(crate) fn wake_all(&mut self) {
        if !core::mem::take(&mut self.any) {
            return;
        }
        self.round = self.round.wrapping_add(1).max(1);
        for place in &mut self.places {
            if let Some(waker) = place.take() {
                waker.wake();
            }
        }
        if let Some(waker) = self.last.take() {
            waker.wake();
        }
    }

    /// The holder of `ticket` does not wait any more, or waits anew.
    pub(crate) fn leave(&mut self, ticket: &mut Ticket) {
        if let Some(kept) = ticket.kept.take() {
            // Nobody would wake the kept task any more: in the current round, all have to come anew.
            if ticket.round == self.round {
                self.wake_all();
            }
            kept.wake();
        }
        ticket.round = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::vec::Vec;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Party {
        queue: WaitQueue,
        tasks: Vec<(Arc<Task>, Waker, Ticket)>,
    }

    impl Party {
        fn new(size: usize) -> Self {
            let tasks = (0..size).map(|_| {
                let task = Arc::new(Task::default());
                (task.clone(), Waker::from(task), Ticket::NEW)
            });
            let (queue, tasks) = (WaitQueue::new(), tasks.collect());
            let mut party = Self { queue, tasks };
            for n in 0..size {
                party.look(n);
            }
            party
        }

        /// Task `n` looks, and waits on.
        fn look(&mut self, n: usize) {
            let (_, waker, ticket) = &mut self.tasks[n];
            self.queue.wait(ticket, waker);
        }

        /// Lets those look that have been woken, until nobody is; how often each looked.
        fn settle(&mut self) -> Vec<usize> {
            let mut looks = std::vec![0; self.tasks.len()];
            loop {
                let woken: Vec<usize> = (0..self.tasks.len())
                    .filter(|n| self.tasks[*n].0.0.swap(0, Ordering::Relaxed) > 0)
                    .collect();
                if woken.is_empty() {
                    return looks;
                }
                for n in woken {
                    looks[n] += 1;
                    assert!(looks[n] < 100, "task {n} of {} spins", looks.len());
                    self.look(n);
                }
            }
        }
    }

    #[test]
    fn any_number_of_tasks_is_woken_once_for_a_change_and_never_without() {
        for size in [0, 1, 7, 8, 9, 10, 40] {
            let mut party = Party::new(size);
            assert_eq!(party.settle(), std::vec![0; size], "nothing has changed");
            for _ in 0..3 {
                party.queue.wake_all();
                let looks = party.settle();
                assert!(
                    looks.iter().all(|looks| (1..=2).contains(looks)),
                    "{size}: {looks:?}"
                );
            }
            // A look out of turn changes nothing.
            for n in 0..size {
                party.look(n);
            }
            assert_eq!(party.settle(), std::vec![0; size]);
        }
    }

    #[test]
    fn whoever_leaves_takes_nobody_along() {
        for leaver in 0..20 {
            let mut party = Party::new(20);
            let (_, _, ticket) = &mut party.tasks[leaver];
            party.queue.leave(ticket);
            party.settle();
            party.queue.wake_all();
            let looks = party.settle();
            for (n, looks) in looks.iter().enumerate().filter(|(n, _)| *n != leaver) {
                assert!(*looks >= 1, "task {n} was forgotten when {leaver} left");
            }
        }
    }

    #[test]
    fn a_future_that_moves_to_another_task_is_woken_there() {
        let mut party = Party::new(12);
        let other = Arc::new(Task::default());
        party.tasks[10].1 = Waker::from(other.clone());
        party.look(10);
        party.settle();
        other.0.store(0, Ordering::Relaxed);
        party.queue.wake_all();
        party.settle();
        assert!(other.0.load(Ordering::Relaxed) > 0);
    }
}
