//! Counters and round-trip percentiles for the live line and the summary.

use std::time::Duration;

/// Sub-buckets for each power of two: a percentile is at most 1/32 (3 %) off.
const SUB: u32 = 32;

/// A histogram of durations whose memory does not grow with the number of samples.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        // 64-bit microseconds never pass index (64 - 5) * 32 + 31.
        Self {
            buckets: vec![0; 60 * SUB as usize],
            count: 0,
            max: 0,
        }
    }
}

fn index(micros: u64) -> usize {
    if micros < u64::from(SUB) {
        return micros as usize;
    }
    let shift = micros.ilog2() - SUB.ilog2();
    ((shift + 1) * SUB) as usize + (micros >> shift) as usize - SUB as usize
}

fn upper(index: usize) -> u64 {
    let (group, sub) = (index as u32 / SUB, index as u64 % u64::from(SUB));
    // The first value that no longer fits, minus one; wrapping gives u64::MAX for the last bucket.
    if group == 0 {
        sub
    } else {
        ((sub + u64::from(SUB) + 1) << (group - 1)).wrapping_sub(1)
    }
}

impl Histogram {
    /// Adds one sample.
    pub(crate) fn record(&mut self, sample: Duration) {
        let micros = u64::try_from(sample.as_micros()).unwrap_or(u64::MAX);
        self.buckets[index(micros)] += 1;
        self.count += 1;
        self.max = self.max.max(micros);
    }

    /// Adds the samples of another histogram.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// The duration that `share` (0..=1) of all samples do not exceed; none without samples.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(Duration::from_micros(upper(index).min(self.max)));
            }
        }
        None
    }
}

/// A duration as people read it: `0.84 ms`, `12.3 ms`, `1.20 s`; a dash for none.
pub(crate) fn human(duration: Option<Duration>) -> String {
    let Some(duration) = duration else {
        return "-".to_owned();
    };
    let ms = duration.as_secs_f64() * 1e3;
    match ms {
        _ if ms < 10.0 => format!("{ms:.2} ms"),
        _ if ms < 1000.0 => format!("{ms:.1} ms"),
        _ => format!("{:.2} s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_holds_the_values_that_map_to_it() {
        for micros in (0..5000).chain([65_535, 65_536, 1 << 40, u64::MAX]) {
            let at = index(micros);
            assert!(micros <= upper(at), "{micros}");
            assert!(at == 0 || micros > upper(at - 1), "{micros}");
        }
    }

    #[test]
    fn percentiles_are_within_three_percent() {
        let mut histogram = Histogram::default();
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }
        assert_eq!(histogram.count, 1000);
        for (share, expected) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let got = histogram.quantile(share).unwrap().as_secs_f64() * 1e3;
            assert!((got / expected - 1.0).abs() < 0.032, "{share}: {got}");
        }
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(human(Some(Duration::from_micros(842))), "0.84 ms");
        assert_eq!(human(Some(Duration::from_micros(12_340))), "12.3 ms");
        assert_eq!(human(Some(Duration::from_millis(1200))), "1.20 s");
        assert_eq!(human(None), "-");
    }
}
