//! `sockeye load`: many clients, and honest figures of how a server bears them.
//!
//! ```text
//! options, scenario files --> Plan --> engine: arrivals --> one task for each client --> Metrics
//!                                                            observer, once a second <----'
//!                                                            |--> live view, JSON lines
//!                                                            '--> Outcome --> summary, report, conditions
//! ```

mod client;
mod dial;
mod engine;
mod heard;
mod latency;
mod limits;
mod live;
mod merge;
mod metrics;
mod observe;
mod outcome;
mod pacer;
mod report;
mod scenario;
mod summary;
mod template;
mod tester;
#[cfg(test)]
mod tests;
mod threshold;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::Instant;

use self::dial::{Dialer, Traffic};
use self::engine::{End, Ending, Plan, Run};
use self::live::Live;
use self::metrics::Metrics;
use self::observe::{Observer, Seen};
use self::outcome::{Asked, FORMAT, Line, Outcome, Point};
use self::pacer::{Clock, Pacer};
use self::scenario::Scenarios;
use self::template::Template;
pub(crate) use self::threshold::{Condition, condition};
use crate::exit::{Exit, Failure};
use crate::options::{Load, Shard};
use crate::output::Printer;
use crate::session;

/// From the end of preparations to the first client.
const SOON: Duration = Duration::from_millis(50);

/// Does what the options say.
pub(crate) async fn run(options: Load, printer: &Printer) -> Result<Exit, Failure> {
    if options.example {
        printer.text(scenario::EXAMPLE.trim_end().to_owned()).await;
        return Ok(Exit::Ok);
    }
    let (mut outcome, points) = if options.merge.is_empty() {
        measure(&options, printer).await?
    } else {
        merge::merge(&options.merge, options.allow_missing)?
    };
    let judged = options
        .fail_if
        .iter()
        .map(|condition| condition.judge(&outcome));
    outcome.conditions = judged.collect();
    let end = tell(&options, &outcome, &points, printer).await;
    // With a failure of a condition, that of a report is told as well, but not instead.
    end?;
    exit(&outcome)
}

/// What the result means for the exit code.
fn exit(outcome: &Outcome) -> Result<Exit, Failure> {
    if outcome.ending == Ending::Interrupted {
        return Err(crate::output::interrupted());
    }
    if outcome.tally.counts.joins == 0 {
        let error = outcome.tally.errors.values().next();
        let why = error.map_or("no error was told", |error| &error.sample);
        let why = crate::output::human::tame(why);
        return Err(Failure::new(
            Exit::Connect,
            format!("no client could join: {why}"),
        ));
    }
    if outcome.failed() {
        let failed = outcome
            .conditions
            .iter()
            .filter(|condition| condition.failed);
        let failed: Vec<String> = failed
            .map(|verdict| format!("{} (found: {})", verdict.condition, verdict.found))
            .collect();
        return Err(Failure::new(
            Exit::Check,
            format!("--fail-if {}", failed.join(", ")),
        ));
    }
    Ok(Exit::Ok)
}

/// Prints the result and writes the report.
async fn tell(
    options: &Load,
    outcome: &Outcome,
    points: &[Point],
    printer: &Printer,
) -> Result<(), Failure> {
    if printer.is_json() {
        let line = Line::Result(Box::new(outcome.clone()));
        let text = serde_json::to_string(&line).map_err(|error| {
            Failure::new(Exit::Output, format!("cannot print the result: {error}"))
        })?;
        printer.text(text).await;
    } else {
        for line in summary::summary(outcome) {
            printer.text(line).await;
        }
    }
    let Some(path) = &options.report else {
        return Ok(());
    };
    std::fs::write(path, report::page(outcome, points)).map_err(|error| {
        let shown = path.display();
        Failure::new(Exit::Output, format!("--report {shown}: {error}"))
    })
}

/// Runs the load.
async fn measure(options: &Load, printer: &Printer) -> Result<(Outcome, Vec<Point>), Failure> {
    let plan = plan(options)?;
    // What is wrong with the URL or an option is told once, and not by every client.
    let unusable = |error| session::unusable(&options.connection, &error);
    session::builder(&options.connection)?
        .open()
        .map(drop)
        .map_err(unusable)?;
    let own = plan.numbers().count();
    let mut notes: Vec<String> = limits::raise(own as u64, &options.connection)?
        .into_iter()
        .collect();
    let network = &options.connection.network;
    if network.proxy()?.is_some() {
        return Err(Failure::usage(
            "--proxy: a load goes to the server directly, so that the proxy is not what is measured",
        ));
    }
    if !network.is_direct() {
        notes.extend(proxy_note(&options.connection.url));
    }
    let tls = network.tls()?.unwrap_or_default();
    let traffic = Arc::<Traffic>::default();
    let dialer = Dialer::new(
        &tls,
        network.tcp(),
        options.source.clone(),
        Arc::clone(&traffic),
    );
    let pacer = Pacer::start()
        .map_err(|error| Failure::usage(format!("no thread for the timer: {error}")))?;
    let clock = Clock::Precise(pacer);
    let (start, start_time) = begin(options)?;
    tokio::select! {
        biased;
        () = interrupt(1) => return Err(crate::output::interrupted()),
        () = clock.until(start) => (),
    }
    let asked = Asked::new(&plan);
    let shard = plan.shard;
    let live = Live::new(!printer.is_json(), plan.length());
    for note in &notes {
        eprintln(note);
    }
    let run = Arc::new(Run {
        end: End::new(own),
        plan,
        metrics: Metrics::default(),
        clock,
        dialer: Some(dialer),
        start,
    });
    let (ended, end) = oneshot::channel();
    let observer = Observer::new(Arc::clone(&run), traffic, printer, live);
    let mut at_end = (0, Duration::ZERO);
    let engine = async {
        let look = || at_end = (run.metrics.connected_now(), start.elapsed());
        let ending = engine::run(&run, interrupt(1), look).await;
        // The observer may be gone already with a printer that is.
        let _ = ended.send(());
        ending
    };
    let both = async { tokio::join!(engine, observer.watch(end)) };
    let (ending, seen) = tokio::select! {
        both = both => both,
        () = interrupt(2) => at_once(),
    };
    let Seen {
        total,
        points,
        peak,
        tester,
    } = seen;
    let mut warnings = notes;
    warnings.extend(tester::warnings(
        &tester,
        options.threads() as u64,
        &total.latency,
    ));
    let outcome = Outcome {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        asked,
        ending,
        shards: vec![shard],
        start: start_time,
        seconds: observe::round(at_end.1),
        connected: at_end.0,
        peak: peak.max(at_end.0),
        tally: total,
        tester,
        warnings,
        conditions: Vec::new(),
    };
    Ok((outcome, points))
}

fn plan(options: &Load) -> Result<Plan, Failure> {
    let connection = options.connection.clone();
    if connection.url.is_empty() {
        return Err(Failure::usage(
            "the URL of the server is missing (see sockeye load --help)",
        ));
    }
    let auth = match connection.auth_word()? {
        None => None,
        Some(word) => {
            let read = scenario::text_or_file(word).and_then(|text| Template::credentials(&text));
            Some(read.map_err(|why| Failure::usage(format!("--auth: {why}")))?)
        }
    };
    let shard = options.shard.unwrap_or(Shard { number: 1, of: 1 });
    if shard.number > options.clients {
        return Err(Failure::usage(format!(
            "--shard {}/{}: there are only {} clients",
            shard.number, shard.of, options.clients
        )));
    }
    Ok(Plan {
        auth,
        scenarios: Scenarios::new(options)?,
        clients: options.clients,
        shard,
        ramp: options.ramp.time(options.clients),
        duration: options.duration,
        seed: options.seed,
        connection,
    })
}

/// When the first client is due, also in seconds of the Unix epoch.
fn begin(options: &Load) -> Result<(Instant, f64), Failure> {
    let now = SystemTime::now();
    let at = match options.start_at {
        None => now + SOON,
        Some(at) => at,
    };
    let rest = at.duration_since(now).map_err(|late| {
        let late = late.duration().as_secs_f64();
        Failure::usage(format!(
            "--start-at is {late:.1} s ago: choose a time that is to come"
        ))
    })?;
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Ok((Instant::now() + rest, observe::round(since)))
}

/// A word about a proxy that is not used.
fn proxy_note(url: &str) -> Option<String> {
    let secure = url.starts_with("https:") || url.starts_with("wss:");
    let own = if secure { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let name = [own, "ALL_PROXY"]
        .into_iter()
        .find(|name| set(name) || set(&name.to_lowercase()))?;
    Some(format!(
        "{name} is not used: the load goes to the server directly"
    ))
}

/// Completes at the Ctrl-C of this number, counted from now.
async fn interrupt(number: u32) {
    for _ in 0..number {
        // An error: no Ctrl-C will ever be told.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Ends the process: who presses Ctrl-C twice does not want to wait.
fn at_once() -> ! {
    std::process::exit(Exit::Interrupted as i32);
}

fn eprintln(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "note: {line}");
}
