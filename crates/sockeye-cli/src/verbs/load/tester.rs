//! What the tester itself takes: a tester that is short of something measures itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::latency::{Latencies, Timing, millis};

/// What this process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tester {
    /// Processors used, on average: 1.0 is one processor all the time. Nothing where the system does not tell.
    pub(crate) cpu: Option<f64>,
    /// Processors that it may use.
    pub(crate) processors: u64,
    /// Memory in use (resident), in bytes.
    pub(crate) memory: Option<u64>,
}

/// Processor time of this process.
pub(crate) fn cpu_time() -> Option<Duration> {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let (seconds, nanos) = (
            u64::try_from(time.tv_sec).ok()?,
            u32::try_from(time.tv_nsec).ok()?,
        );
        Some(Duration::new(seconds, nanos))
    }
    #[cfg(not(unix))]
    None
}

/// Resident memory of this process.
pub(crate) fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The greatest share of the processors that leaves the figures alone.
const BUSY: f64 = 0.85;
/// The greatest lag that is always small enough.
const SMALL_LAG: Duration = Duration::from_millis(2);

/// What makes the figures doubtful, in words for people.
pub(crate) fn warnings(tester: &Tester, threads: u64, latency: &Latencies) -> Vec<String> {
    let mut warnings = Vec::new();
    let most = tester.processors.min(threads).max(1) as f64;
    if let Some(cpu) = tester.cpu
        && cpu > BUSY * most
    {
        warnings.push(format!(
            "the tester used {cpu:.2} of its {most} processors: latencies are its own in part; use fewer clients, a lower rate, --threads, or more machines (--shard)"
        ));
    }
    let lag = latency.of(Timing::Lag).percentile(99.0).unwrap_or_default();
    let measured = [Timing::Ack, Timing::Wait, Timing::Listen, Timing::Join];
    let median = measured
        .iter()
        .filter_map(|timing| latency.of(*timing).percentile(50.0))
        .next()
        .unwrap_or_default();
    if lag > SMALL_LAG && lag > median / 5 {
        warnings.push(format!(
            "the tester was late by up to {:.1} ms in 99 % of cases, beside a median of {:.1} ms that it measured: the machine is too busy for these figures",
            millis(lag),
            millis(median)
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_tester_is_told() {
        let mut latency = Latencies::default();
        for _ in 0..100 {
            latency.record(Timing::Lag, Duration::from_micros(100));
            latency.record(Timing::Ack, Duration::from_millis(1));
        }
        let mut tester = Tester {
            cpu: Some(1.0),
            processors: 2,
            memory: None,
        };
        assert_eq!(warnings(&tester, 2, &latency), Vec::<String>::new());
        assert_eq!(warnings(&tester, 1, &latency).len(), 1);
        tester.cpu = None;
        for _ in 0..100 {
            latency.record(Timing::Lag, Duration::from_millis(30));
        }
        let told = warnings(&tester, 1, &latency);
        assert!(told.len() == 1 && told[0].contains("30.0 ms"), "{told:?}");
        // Beside a slow server it does not matter.
        for _ in 0..200 {
            latency.record(Timing::Ack, Duration::from_millis(900));
        }
        assert_eq!(warnings(&tester, 1, &latency), Vec::<String>::new());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells() {
        assert!(cpu_time().is_some());
        assert!(memory().is_some_and(|bytes| bytes > 100_000));
    }
}
