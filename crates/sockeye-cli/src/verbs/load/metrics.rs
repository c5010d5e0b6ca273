//! What happens, counted by the clients and taken away once a second.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::latency::{Latencies, Timing};

/// Things that are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Clients that have come.
    pub(crate) started: u64,
    /// Clients that have done all their steps, or cannot go on.
    pub(crate) ended: u64,
    /// Namespaces joined, again included.
    pub(crate) joins: u64,
    /// Clients whose connection was lost and made again.
    pub(crate) reconnects: u64,
    /// Namespaces left against the client's will.
    pub(crate) disconnects: u64,
    /// Events sent.
    pub(crate) events: u64,
    /// Those among them that asked for no acknowledgement.
    pub(crate) unasked: u64,
    /// Acknowledgements that came.
    pub(crate) acks: u64,
    /// Waits for an event that came.
    pub(crate) waits: u64,
    /// Heard events that came.
    pub(crate) received: u64,
    /// Bytes sent, TLS included.
    pub(crate) sent_bytes: u64,
    /// Bytes received, TLS included.
    pub(crate) received_bytes: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.started += other.started;
        self.ended += other.ended;
        self.joins += other.joins;
        self.reconnects += other.reconnects;
        self.disconnects += other.disconnects;
        self.events += other.events;
        self.unasked += other.unasked;
        self.acks += other.acks;
        self.waits += other.waits;
        self.received += other.received;
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
    }

    /// What was tried and has succeeded.
    fn successes(&self) -> u64 {
        self.joins + self.unasked + self.acks + self.waits
    }
}

/// Errors of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorCount {
    pub(crate) count: u64,
    /// The text of one of them.
    pub(crate) sample: String,
}

/// Errors by kind.
pub(crate) type Errors = BTreeMap<String, ErrorCount>;

/// The longest text of a sample: servers may send long ones.
const SAMPLE: usize = 300;

/// What has happened in a time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    pub(crate) latency: Latencies,
    pub(crate) errors: Errors,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.latency.add(&other.latency);
        for (kind, errors) in &other.errors {
            match self.errors.get_mut(kind) {
                Some(known) => known.count += errors.count,
                None => {
                    self.errors.insert(kind.clone(), errors.clone());
                }
            }
        }
    }

    /// All errors.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.values().map(|errors| errors.count).sum()
    }

    /// Errors as a share of all that was tried, 0 to 1; 0 if nothing was.
    pub(crate) fn error_share(&self) -> f64 {
        let errors = self.errors();
        if errors == 0 {
            return 0.0;
        }
        errors as f64 / (errors + self.counts.successes()) as f64
    }

    fn clear(&mut self) {
        self.counts = Counts::default();
        self.latency.clear();
        self.errors.clear();
    }
}

/// Where all clients count.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Since it was taken last.
    tally: Mutex<Tally>,
    connected: AtomicI64,
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.lock().counts);
    }

    pub(crate) fn record(&self, timing: Timing, time: Duration) {
        self.lock().latency.record(timing, time);
    }

    /// Counts and records at once.
    pub(crate) fn timed(&self, timing: Timing, time: Duration, count: impl FnOnce(&mut Counts)) {
        let mut tally = self.lock();
        tally.latency.record(timing, time);
        count(&mut tally.counts);
    }

    /// Counts an error of a kind; its text is asked for if it is the first one.
    pub(crate) fn error(&self, kind: &str, sample: impl FnOnce() -> String) {
        let mut tally = self.lock();
        if let Some(known) = tally.errors.get_mut(kind) {
            known.count += 1;
            return;
        }
        let mut sample = sample();
        if sample.len() > SAMPLE {
            let end = (0..=SAMPLE).rev().find(|at| sample.is_char_boundary(*at));
            sample.truncate(end.unwrap_or(0));
            sample.push('…');
        }
        tally
            .errors
            .insert(kind.to_owned(), ErrorCount { count: 1, sample });
    }

    /// A client is connected, or is not any more.
    pub(crate) fn connected(&self, change: i64) {
        self.connected.fetch_add(change, Ordering::Relaxed);
    }

    /// Clients that are connected now.
    pub(crate) fn connected_now(&self) -> u64 {
        self.connected.load(Ordering::Relaxed).max(0) as u64
    }

    /// What has happened since this was called last: in exchange for an empty tally.
    pub(crate) fn take(&self, empty: Tally) -> Tally {
        std::mem::replace(&mut self.lock(), empty)
    }

    /// Makes a tally empty for [`Self::take`], keeping its memory.
    pub(crate) fn emptied(mut tally: Tally) -> Tally {
        tally.clear();
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_one_text_and_a_share() {
        let metrics = Metrics::default();
        metrics.count(|counts| counts.joins += 7);
        metrics.error("refused", || "ä".repeat(1000));
        metrics.error("refused", || {
            unreachable!("only the first text is asked for")
        });
        metrics.error("timeout", || "late".into());
        let mut tally = metrics.take(Tally::default());
        assert_eq!(tally.errors["refused"].count, 2);
        assert!(tally.errors["refused"].sample.len() < 310);
        assert!((tally.error_share() - 0.3).abs() < 1e-9);
        tally.add(&tally.clone());
        assert_eq!((tally.errors(), tally.counts.joins), (6, 14));
        assert_eq!(Tally::default().error_share(), 0.0);
        let emptied = Metrics::emptied(tally);
        assert_eq!((emptied.errors(), emptied.counts), (0, Counts::default()));
    }
}
