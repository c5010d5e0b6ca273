//! What the devices did, counted by themselves, and whether all of it worked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::stats::Histogram;

/// A counter that several tasks increase.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one device.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) name: String,
    /// Loses its link on purpose.
    pub(crate) lossy: bool,
    pub(crate) joins: Count,
    pub(crate) reconnections: Count,
    pub(crate) cuts: Count,
    pub(crate) events: Count,
    pub(crate) asked: Count,
    pub(crate) acked: Count,
    /// Acknowledgements that were outstanding when the link broke.
    pub(crate) lost: Count,
    pub(crate) unanswered: Count,
    pub(crate) pictures: Count,
    pub(crate) pictures_intact: Count,
    pub(crate) led_commands: Count,
    pub(crate) round_trips: Mutex<Histogram>,
    pub(crate) trouble: Mutex<Option<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tally {
    pub(crate) fn new(name: String, lossy: bool) -> Self {
        Self {
            name,
            lossy,
            ..Self::default()
        }
    }

    /// An acknowledgement came after `round_trip`.
    pub(crate) fn acknowledged(&self, round_trip: Duration) {
        self.acked.add();
        lock(&self.round_trips).record(round_trip);
    }

    /// Notes the last thing that went wrong, for the summary.
    pub(crate) fn trouble(&self, what: impl Into<String>) {
        *lock(&self.trouble) = Some(what.into());
    }
}

/// What a demonstration must show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demands {
    /// LED commands and pictures are checked: the built-in server knows the device contract.
    pub(crate) whole_contract: bool,
    /// A connection ends only where the demo cuts it: the server is in no trouble of its own.
    pub(crate) calm: bool,
}

/// The counters of all devices, summed up.
pub(crate) struct Summary {
    pub(crate) devices: usize,
    pub(crate) joined: usize,
    pub(crate) events: u64,
    pub(crate) asked: u64,
    pub(crate) acked: u64,
    pub(crate) lost: u64,
    pub(crate) unanswered: u64,
    pub(crate) pictures: u64,
    pub(crate) pictures_intact: u64,
    pub(crate) led_commands: u64,
    pub(crate) reconnections: u64,
    pub(crate) cuts: u64,
    pub(crate) round_trips: Histogram,
}

impl Summary {
    pub(crate) fn of<'a>(tallies: impl Iterator<Item = &'a Tally> + Clone) -> Self {
        let sum = |of: fn(&Tally) -> &Count| tallies.clone().map(|tally| of(tally).get()).sum();
        let mut round_trips = Histogram::default();
        for tally in tallies.clone() {
            round_trips.merge(&lock(&tally.round_trips));
        }
        Self {
            devices: tallies.clone().count(),
            joined: tallies
                .clone()
                .filter(|tally| tally.joins.get() > 0)
                .count(),
            events: sum(|tally| &tally.events),
            asked: sum(|tally| &tally.asked),
            acked: sum(|tally| &tally.acked),
            lost: sum(|tally| &tally.lost),
            unanswered: sum(|tally| &tally.unanswered),
            pictures: sum(|tally| &tally.pictures),
            pictures_intact: sum(|tally| &tally.pictures_intact),
            led_commands: sum(|tally| &tally.led_commands),
            reconnections: sum(|tally| &tally.reconnections),
            cuts: sum(|tally| &tally.cuts),
            round_trips,
        }
    }
}

/// What did not work, a line for each; empty when all of it worked.
pub(crate) fn failures<'a>(
    tallies: impl Iterator<Item = &'a Tally>,
    demands: Demands,
) -> Vec<String> {
    let mut failures = Vec::new();
    for tally in tallies {
        let mut fail = |what: String| failures.push(format!("{}: {what}", tally.name));
        let trouble = || {
            lock(&tally.trouble)
                .as_ref()
                .map_or(String::new(), |trouble| format!(" ({trouble})"))
        };
        if tally.joins.get() == 0 {
            fail(format!("never joined{}", trouble()));
            continue;
        }
        if tally.acked.get() == 0 {
            fail(format!("no telemetry was acknowledged{}", trouble()));
        }
        if tally.unanswered.get() > 0 {
            fail(format!(
                "{} acknowledgements did not come in time{}",
                tally.unanswered.get(),
                trouble()
            ));
        }
        if tally.lossy {
            if tally.cuts.get() == 0 {
                fail("its link was never cut".to_owned());
            } else if tally.reconnections.get() == 0 || tally.joins.get() < 2 {
                fail(format!(
                    "did not come back after its link was cut{}",
                    trouble()
                ));
            }
        } else if demands.calm {
            if tally.lost.get() > 0 {
                fail(format!(
                    "{} acknowledgements were lost with the link, which nobody cut{}",
                    tally.lost.get(),
                    trouble()
                ));
            }
            if tally.reconnections.get() > 0 {
                fail(format!("lost its link, which nobody cut{}", trouble()));
            }
        }
        if demands.whole_contract {
            if tally.led_commands.get() == 0 {
                fail("obeyed no LED command".to_owned());
            }
            if tally.pictures_intact.get() == 0 {
                fail(format!("no picture arrived intact{}", trouble()));
            } else if tally.pictures.get() > tally.pictures_intact.get() + tally.lost.get() {
                fail("a picture arrived damaged".to_owned());
            }
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(lossy: bool) -> Tally {
        let tally = Tally::new("mast".into(), lossy);
        for count in [
            &tally.joins,
            &tally.events,
            &tally.asked,
            &tally.pictures,
            &tally.pictures_intact,
            &tally.led_commands,
        ] {
            count.add();
        }
        tally.acknowledged(Duration::from_millis(1));
        if lossy {
            tally.joins.add();
            tally.cuts.add();
            tally.reconnections.add();
        }
        tally
    }

    const ALL: Demands = Demands {
        whole_contract: true,
        calm: true,
    };

    #[test]
    fn in_a_cluster_in_trouble_any_link_may_break() {
        let tally = good(false);
        tally.reconnections.add();
        assert_eq!(failures([&tally].into_iter(), ALL).len(), 1);
        let troubled = Demands { calm: false, ..ALL };
        assert_eq!(
            failures([&tally].into_iter(), troubled),
            Vec::<String>::new()
        );
    }

    #[test]
    fn all_is_well() {
        let tallies = [good(false), good(true)];
        assert_eq!(failures(tallies.iter(), ALL), Vec::<String>::new());
        let summary = Summary::of(tallies.iter());
        assert_eq!(
            (
                summary.devices,
                summary.joined,
                summary.acked,
                summary.round_trips.quantile(1.0).is_some()
            ),
            (2, 2, 2, true)
        );
    }

    #[test]
    fn every_demand_can_fail() {
        let check = |tally: Tally, part: &str| {
            let failures = failures(std::iter::once(&tally), ALL);
            assert!(
                failures.iter().any(|line| line.contains(part)),
                "{part}: {failures:?}"
            );
        };
        let silent = Tally::new("mast".into(), false);
        silent.trouble("connection refused");
        check(silent, "mast: never joined (connection refused)");
        let joined = Tally::new("mast".into(), true);
        joined.joins.add();
        check(joined, "no telemetry");
        let tally = good(false);
        tally.unanswered.add();
        check(tally, "did not come in time");
        let tally = good(false);
        tally.reconnections.add();
        check(tally, "which nobody cut");
        let tally = good(false);
        tally.pictures.add();
        check(tally, "damaged");
        let never_cut = good(false);
        check(
            Tally {
                lossy: true,
                ..never_cut
            },
            "never cut",
        );
        let tally = good(true);
        check(
            Tally {
                reconnections: Count::default(),
                ..tally
            },
            "did not come back",
        );
        check(
            Tally {
                led_commands: Count::default(),
                ..good(false)
            },
            "LED",
        );
        check(
            Tally {
                pictures_intact: Count::default(),
                ..good(false)
            },
            "intact",
        );
    }
}
