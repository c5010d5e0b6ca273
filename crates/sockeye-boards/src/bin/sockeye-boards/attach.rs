//! `cargo xtask device`: an emulated board as one more device of the demo, beside the simulated ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sockeye_boards::device::{Demo, build, build_demo, name, start};
use sockeye_boards::qemu::{self, Outcome};
use sockeye_boards::riscv::Target;

use crate::flags::Device;

/// Runs it until `--duration` is over or somebody ends it.
pub(crate) fn run(flags: Device) -> Result<(), String> {
    let target = match flags.chip.as_deref() {
        None | Some("c3") => Target::Imc,
        Some("c6") => Target::Imac,
        Some(other) => return Err(format!("--chip {other}: there are c3 and c6")),
    };
    let seconds = |text: &str| {
        let seconds = text.trim_end_matches('s').parse().ok();
        let seconds = seconds.filter(|seconds| *seconds > 0);
        seconds.ok_or_else(|| format!("--duration {text}: write seconds, as in 30"))
    };
    let duration = flags.duration.as_deref().map(seconds).transpose()?;
    // All that takes long or talks much comes before the page's address, which stays in sight.
    qemu::need()?;
    println!("Building the firmware of the board (some minutes the first time) …");
    let image = build(target)?;
    if flags.connect.is_none() {
        println!("Building the demo …");
        build_demo()?;
    }
    let stop = on_interrupt()?;
    let mut demo = None;
    let url = match &flags.connect {
        Some(url) => url.clone(),
        None => demo.insert(Demo::start(&[])?).url.clone(),
    };
    let (name, _) = name(target);
    println!("The board `{name}` joins the demo at {url}. Ctrl-C ends it with a summary.");
    let started = Instant::now();
    let board = start(&image, target, &url, duration)?;
    let show = |line: &str| println!("    | {line}");
    let ended = board.finish_unless(show, || stop.load(Ordering::Relaxed));
    if let Some(demo) = demo {
        demo.end();
    }
    let (outcome, stopped) = ended?;
    println!("{}", summary(name, &outcome, started.elapsed()));
    if stopped {
        return Ok(());
    }
    outcome.success().map(drop)
}

/// What the board did, from its console: it may have been switched off without a last word.
fn summary(name: &str, outcome: &Outcome, elapsed: Duration) -> String {
    let joins = outcome
        .lines
        .iter()
        .filter(|line| line.starts_with("joined as "))
        .count();
    let metrics = outcome.metrics();
    let acked = match metrics.get("telemetry_acknowledged") {
        Some(acked) => acked.to_string(),
        None => {
            let acked = |line: &String| {
                let (number, rest) = line.strip_prefix("telemetry ")?.split_once(' ')?;
                rest.starts_with("acknowledged")
                    .then(|| number.parse().ok())?
            };
            let last: u64 = outcome.lines.iter().rev().find_map(acked).unwrap_or(0);
            format!("at least {last}")
        }
    };
    let times = if joins == 1 {
        "once"
    } else {
        &format!("{joins} times")
    };
    format!(
        "The board `{name}` ran for {:.0} s: joined {times}, {acked} telemetries acknowledged",
        elapsed.as_secs_f64()
    )
}

/// Whether Ctrl-C has come: the board and the demo are then ended in order. A second one ends this program at once.
fn on_interrupt() -> Result<Arc<AtomicBool>, String> {
    let stop = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    {
        use signal_hook::consts::SIGINT;
        let failed = |error: std::io::Error| format!("cannot listen to Ctrl-C: {error}");
        signal_hook::flag::register_conditional_shutdown(SIGINT, 130, stop.clone())
            .map_err(failed)?;
        signal_hook::flag::register(SIGINT, stop.clone()).map_err(failed)?;
    }
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read_from_the_console() {
        let outcome = |lines: &[&str]| Outcome {
            code: 0,
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
        };
        let cut = outcome(&[
            "joined as x, recovered: false",
            "telemetry 6 acknowledged after 900 us",
            "x",
        ]);
        assert_eq!(
            summary("x", &cut, Duration::from_secs(9)),
            "The board `x` ran for 9 s: joined once, at least 6 telemetries acknowledged"
        );
        let whole = outcome(&["metric telemetry_acknowledged 5"]);
        assert_eq!(
            summary("x", &whole, Duration::from_secs(7)),
            "The board `x` ran for 7 s: joined 0 times, 5 telemetries acknowledged"
        );
    }
}
