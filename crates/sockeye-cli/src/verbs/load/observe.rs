//! Once a second: what has happened is taken from the clients, kept, and shown.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::dial::Traffic;
use super::engine::Run;
use super::latency::Timing;
use super::live::Live;
use super::metrics::{Metrics, Tally};
use super::outcome::{Line, Point, Second};
use super::tester::{self, Tester};
use crate::output::Printer;

const SECOND: Duration = Duration::from_secs(1);

/// What was seen.
pub(crate) struct Seen {
    pub(crate) total: Tally,
    pub(crate) points: Vec<Point>,
    pub(crate) peak: u64,
    /// Over the whole run.
    pub(crate) tester: Tester,
}

pub(crate) struct Observer<'a> {
    run: Arc<Run>,
    traffic: Arc<Traffic>,
    printer: &'a Printer,
    live: Live,
    processors: u64,
    seen: Seen,
    /// The tally that is given in exchange for the next one.
    spare: Tally,
    before: Instant,
    cpu_before: Option<Duration>,
    cpu_start: Option<Duration>,
}

impl<'a> Observer<'a> {
    pub(crate) fn new(
        run: Arc<Run>,
        traffic: Arc<Traffic>,
        printer: &'a Printer,
        live: Live,
    ) -> Self {
        let cpu = tester::cpu_time();
        let processors = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        Self {
            before: run.start,
            run,
            traffic,
            printer,
            live,
            processors,
            seen: Seen {
                total: Tally::default(),
                points: Vec::new(),
                peak: 0,
                tester: Tester {
                    cpu: None,
                    processors,
                    memory: None,
                },
            },
            spare: Tally::default(),
            cpu_before: cpu,
            cpu_start: cpu,
        }
    }

    /// Looks once a second until `ended` is told, and once more then.
    pub(crate) async fn watch(mut self, mut ended: oneshot::Receiver<()>) -> Seen {
        let mut next = self.run.start + SECOND;
        loop {
            let over = tokio::select! {
                biased;
                _ = &mut ended => true,
                () = self.run.clock.until(next) => false,
            };
            self.look().await;
            if over {
                break;
            }
            next += SECOND;
        }
        self.live.end();
        let wall = self.before.saturating_duration_since(self.run.start);
        self.seen.tester.cpu = share(self.cpu_start, self.cpu_before, wall);
        self.seen
    }

    async fn look(&mut self) {
        let now = Instant::now();
        let mut tally = self.run.metrics.take(std::mem::take(&mut self.spare));
        (tally.counts.sent_bytes, tally.counts.received_bytes) = self.traffic.take();
        let (cpu, memory) = (tester::cpu_time(), tester::memory());
        let elapsed = now.saturating_duration_since(self.before);
        let second = Second {
            second: round(now.saturating_duration_since(self.run.start)),
            connected: self.run.metrics.connected_now(),
            tester: Tester {
                cpu: share(self.cpu_before, cpu, elapsed),
                processors: self.processors,
                memory,
            },
            tally,
        };
        self.seen.total.add(&second.tally);
        self.seen.peak = self.seen.peak.max(second.connected);
        self.seen.tester.memory = self.seen.tester.memory.max(memory);
        let before = self.seen.points.last().map_or(0.0, |last| last.second);
        let main = super::outcome::MAIN
            .into_iter()
            .find(|timing| self.seen.total.latency.of(*timing).count() > 0);
        let main = main.unwrap_or(Timing::Join);
        self.seen.points.push(Point::new(&second, before, main));
        (self.before, self.cpu_before) = (now, cpu);
        self.live.show(&second, main, elapsed);
        if self.printer.is_json() {
            let line = Line::Second(Box::new(second));
            if let Ok(text) = serde_json::to_string(&line) {
                self.printer.text(text).await;
            }
            let Line::Second(second) = line else { return };
            self.spare = Metrics::emptied(second.tally);
        } else {
            self.spare = Metrics::emptied(second.tally);
        }
    }
}

/// Processors used between two looks.
fn share(before: Option<Duration>, after: Option<Duration>, wall: Duration) -> Option<f64> {
    let used = after?.saturating_sub(before?).as_secs_f64();
    let wall = wall.as_secs_f64();
    (wall > 0.0).then(|| (used / wall * 1000.0).round() / 1000.0)
}

/// Seconds to the millisecond.
pub(crate) fn round(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
