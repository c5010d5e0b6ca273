//! Latencies as histograms, exact to three digits, and as JSON that can be added exactly.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest latency that is told apart: an hour.
const LONGEST: u64 = 3_600_000_000;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timing {
    /// From when a client was due until its connection was open: TCP, TLS, the handshake of Engine.IO.
    Connect,
    /// From the CONNECT packet to the server's answer.
    Join,
    /// From when an event was due to its acknowledgement.
    Ack,
    /// From when a step that waits for an event was due to that event.
    Wait,
    /// From the sender's time in a heard event to its arrival.
    Listen,
    /// From when the tester should have done something until it did.
    Lag,
}

impl Timing {
    pub(crate) const ALL: [Self; 6] = [
        Self::Connect,
        Self::Join,
        Self::Ack,
        Self::Wait,
        Self::Listen,
        Self::Lag,
    ];

    /// Its name in conditions and in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Join => "join",
            Self::Ack => "ack",
            Self::Wait => "wait",
            Self::Listen => "listen",
            Self::Lag => "lag",
        }
    }
}

/// One histogram, of microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        // These bounds are right, which is all that can be wrong here.
        Self(Histogram::new_with_bounds(1, LONGEST, 3).expect("good bounds"))
    }
}

impl Latency {
    pub(crate) fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.0.add(&other.0);
    }

    pub(crate) fn clear(&mut self) {
        self.0.reset();
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that so many percent do not exceed; `None` if there are none.
    pub(crate) fn percentile(&self, percent: f64) -> Option<Duration> {
        // 99.9 % of 1000 is 999 of them, which no binary fraction says exactly: a little less comes to the same.
        let quantile = percent / 100.0 - 1e-12;
        (self.count() > 0).then(|| Duration::from_micros(self.0.value_at_quantile(quantile)))
    }

    pub(crate) fn min(&self) -> Option<Duration> {
        (self.count() > 0).then(|| Duration::from_micros(self.0.min()))
    }

    pub(crate) fn max(&self) -> Option<Duration> {
        (self.count() > 0).then(|| Duration::from_micros(self.0.max()))
    }

    pub(crate) fn mean(&self) -> Option<Duration> {
        (self.count() > 0).then(|| Duration::from_secs_f64(self.0.mean() / 1e6))
    }

    /// Non-empty buckets: microseconds, and how many.
    pub(crate) fn buckets(&self) -> Vec<(u64, u64)> {
        let recorded = self.0.iter_recorded();
        recorded
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .collect()
    }

    fn of(buckets: Vec<(u64, u64)>) -> Self {
        let mut latency = Self::default();
        for (micros, count) in buckets {
            latency.0.saturating_record_n(micros, count);
        }
        latency
    }
}

/// Milliseconds for JSON and for people.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

#[derive(Serialize, Deserialize)]
struct Json {
    count: u64,
    #[serde(default)]
    min_ms: f64,
    #[serde(default)]
    mean_ms: f64,
    #[serde(default)]
    p50_ms: f64,
    #[serde(default)]
    p90_ms: f64,
    #[serde(default)]
    p99_ms: f64,
    #[serde(default)]
    p999_ms: f64,
    #[serde(default)]
    max_ms: f64,
    buckets_us: Vec<(u64, u64)>,
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = |percent| self.percentile(percent).map_or(0.0, millis);
        Json {
            count: self.count(),
            min_ms: self.min().map_or(0.0, millis),
            mean_ms: self
                .mean()
                .map_or(0.0, |mean| (mean.as_secs_f64() * 1e6).round() / 1e3),
            p50_ms: at(50.0),
            p90_ms: at(90.0),
            p99_ms: at(99.0),
            p999_ms: at(99.9),
            max_ms: self.max().map_or(0.0, millis),
            buckets_us: self.buckets(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        let latency = Self::of(json.buckets_us);
        if latency.count() == json.count {
            Ok(latency)
        } else {
            Err(serde::de::Error::custom(
                "the buckets do not add up to the count",
            ))
        }
    }
}

/// One histogram for each [`Timing`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies([Latency; 6]);

impl Latencies {
    pub(crate) fn of(&self, timing: Timing) -> &Latency {
        &self.0[timing as usize]
    }

    pub(crate) fn record(&mut self, timing: Timing, time: Duration) {
        self.0[timing as usize].record(time);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            // Most are empty, and adding goes through all buckets.
            if other.count() > 0 {
                own.add(other);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        for latency in &mut self.0 {
            if latency.count() > 0 {
                latency.clear();
            }
        }
    }
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let used = Timing::ALL
            .into_iter()
            .filter(|timing| self.of(*timing).count() > 0);
        serializer.collect_map(used.map(|timing| (timing.name(), self.of(timing))))
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut named = std::collections::BTreeMap::<String, Latency>::deserialize(deserializer)?;
        let mut latencies = Self::default();
        for timing in Timing::ALL {
            if let Some(latency) = named.remove(timing.name()) {
                latencies.0[timing as usize] = latency;
            }
        }
        match named.keys().next() {
            None => Ok(latencies),
            Some(unknown) => Err(serde::de::Error::custom(format!(
                "the latency {unknown:?} is not known: was it written by a newer version?"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seed: u64) -> Latency {
        let mut latency = Latency::default();
        let mut micros = seed;
        for _ in 0..5000 {
            micros = micros
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            latency.record(Duration::from_micros(micros >> 38));
        }
        latency.record(Duration::ZERO);
        latency.record(Duration::from_secs(100_000));
        latency
    }

    #[test]
    fn what_is_written_adds_up_exactly() {
        let (a, b) = (sample(1), sample(2));
        let again = |latency: &Latency| -> Latency {
            serde_json::from_str(&serde_json::to_string(latency).unwrap()).unwrap()
        };
        assert_eq!(again(&a).buckets(), a.buckets());
        let (mut here, mut there) = (a.clone(), again(&a));
        here.add(&b);
        there.add(&again(&b));
        assert_eq!(here.buckets(), there.buckets());
        assert_eq!(
            serde_json::to_string(&here).unwrap(),
            serde_json::to_string(&there).unwrap()
        );
    }

    #[test]
    fn a_file_that_was_changed_is_refused() {
        let text = r#"{"count":3,"buckets_us":[[10,1],[20,1]]}"#;
        assert!(serde_json::from_str::<Latency>(text).is_err());
        assert!(
            serde_json::from_str::<Latencies>(r#"{"other":{"count":0,"buckets_us":[]}}"#).is_err()
        );
    }

    #[test]
    fn percentiles_of_nothing_are_nothing() {
        let latency = Latency::default();
        assert_eq!(latency.percentile(99.0), None);
        assert_eq!(
            (latency.min(), latency.max(), latency.mean()),
            (None, None, None)
        );
    }

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let mut latency = Latency::default();
        for ms in 1..=1000 {
            latency.record(Duration::from_millis(ms));
        }
        for (percent, ms) in [(50.0, 500.0), (99.0, 990.0), (99.9, 999.0), (100.0, 1000.0)] {
            let found = millis(latency.percentile(percent).unwrap());
            assert!((found / ms - 1.0).abs() < 0.001, "{percent}: {found}");
        }
    }
}
