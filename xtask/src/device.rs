//! `cargo xtask device`: an emulated board as one more device of the demo, beside the simulated ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sockeye_boards::device::{Demo, build, build_demo, name, start};

use crate::qemu::{self, Outcome};
use crate::riscv::Target;

const HELP: &str = "\
cargo xtask device [--connect URL] [--duration SECONDS] [--chip c3|c6] [--yes]
  Attaches an emulated RISC-V board to a demo that runs (`--connect http://127.0.0.1:7625`), or to one that is started
  along with it. `--chip` is the instruction set: c3 (imc, the default) or c6 (imac). Ctrl-C ends it with a summary.
  QEMU and a compiler for RISC-V are installed if they are missing, after a question; `--yes` does not ask.";

struct Options {
    connect: Option<String>,
    duration: Option<u64>,
    target: Target,
}

fn options(args: &[&str]) -> Result<Options, String> {
    let mut options = Options {
        connect: None,
        duration: None,
        target: Target::Imc,
    };
    let mut args = args.iter();
    while let Some(&arg) = args.next() {
        let mut value = || {
            args.next()
                .copied()
                .ok_or_else(|| format!("{arg} needs a value\n{HELP}"))
        };
        match arg {
            "--connect" => options.connect = Some(value()?.to_owned()),
            "--duration" => {
                let text = value()?;
                let seconds = text
                    .trim_end_matches('s')
                    .parse()
                    .ok()
                    .filter(|seconds| *seconds > 0);
                options.duration = Some(
                    seconds.ok_or_else(|| format!("--duration {text}: write seconds, as in 30"))?,
                );
            }
            "--chip" => {
                options.target = match value()? {
                    "c3" => Target::Imc,
                    "c6" => Target::Imac,
                    other => return Err(format!("--chip {other}: there are c3 and c6")),
                };
            }
            _ => return Err(format!("unknown argument `{arg}`\n{HELP}")),
        }
    }
    Ok(options)
}

/// Runs it until `--duration` is over or somebody ends it.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    if let ["--help" | "-h"] = args {
        println!("{HELP}");
        return Ok(());
    }
    let options = options(args)?;
    // All that takes long or talks much comes before the page's address, which stays in sight.
    qemu::need()?;
    println!("Building the firmware of the board (some minutes the first time) …");
    let image = build(options.target)?;
    if options.connect.is_none() {
        println!("Building the demo …");
        build_demo()?;
    }
    let stop = on_interrupt()?;
    let mut demo = None;
    let url = match &options.connect {
        Some(url) => url.clone(),
        None => demo.insert(Demo::start(&[])?).url.clone(),
    };
    let (name, _) = name(options.target);
    println!("The board `{name}` joins the demo at {url}. Ctrl-C ends it with a summary.");
    let started = Instant::now();
    let board = start(&image, options.target, &url, options.duration)?;
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
