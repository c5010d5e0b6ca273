//! What is to be done at a time, beside the core's own deadlines.

use std::collections::BTreeMap;

use sockeye_core::Instant;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The time for the close of this number is up.
    Close(u64),
    /// The last handle is gone, and what was emitted before is not waited for any longer.
    Farewell,
    /// The `auth` function of a namespace is called again, if this call is still wanted.
    Auth { index: usize, call: u64 },
}

/// A timer that has been set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Instant, u64);

/// All of a connection, by their time. Every step takes O(log n). (Boxed: most connections of many have none.)
#[derive(Default)]
pub(super) struct Timers(Option<Box<All>>);

#[derive(Default)]
struct All {
    set: BTreeMap<Key, Timer>,
    made: u64,
}

impl Timers {
    pub(super) fn set(&mut self, at: Instant, timer: Timer) -> Key {
        let all = self.0.get_or_insert_default();
        all.made += 1;
        let key = Key(at, all.made);
        all.set.insert(key, timer);
        key
    }

    pub(super) fn cancel(&mut self, key: Key) {
        if let Some(all) = &mut self.0 {
            all.set.remove(&key);
        }
    }

    /// When the first one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let first = self.0.as_ref()?.set.first_key_value();
        first.map(|(key, _)| key.0)
    }

    /// The first one, if it is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let first = self.0.as_mut()?.set.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_due_in_the_order_of_their_time() {
        let at = Instant::from_micros;
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(at(20), Timer::Close(1));
        let second = timers.set(at(10), Timer::Close(2));
        let third = timers.set(at(10), Timer::Close(3));
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.take_due(at(9)), None);
        timers.cancel(second);
        assert_eq!(timers.take_due(at(10)), Some(Timer::Close(3)));
        timers.cancel(third);
        assert_eq!(timers.take_due(at(10)), None);
        assert_eq!(timers.take_due(at(20)), Some(Timer::Close(1)));
        assert_eq!(timers.next(), None);
    }
}
