//! `sockeye demo`: a server, devices and a page that shows them live, in one process.
//!
//! [`contract`] is what boards and server say to each other; boards of any kind may join beside the built-in devices.

mod cluster;
mod contract;
mod devices;
mod echo;
mod hub;
mod line;
mod link;
mod page;
mod picture;
mod server;
mod stats;
mod tally;
mod target;
mod tls;

use std::io::{IsTerminal as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::cluster::Cluster;
use self::hub::Hub;
use self::link::Link;
use self::stats::human;
use self::tally::{Demands, Summary, Tally};
use self::target::Target;
use self::tls::Tls;
use crate::exit::{Exit, Failure};
use crate::options::Demo;
use crate::output;

/// The port, unless another one is asked for. It is always the same, so that an open page and boards find a demo that was
/// started again.
const PORT: u16 = 7625;
/// How much longer than `--duration` the demo waits for something that is still missing (a busy machine).
const GRACE: Duration = Duration::from_secs(10);
/// Between two cuts of the lossy device's link, when nobody set a duration.
const BETWEEN_CUTS: Duration = Duration::from_secs(25);

/// Runs the demo to its end.
pub(crate) async fn run(options: Demo) -> Result<Exit, Failure> {
    let mut begun = Instant::now();
    let (end, ended) = watch::channel(false);
    let mut tasks = JoinSet::new();

    let (mut taken, mut ca) = (false, None);
    let (target, hub) = match &options.connect {
        Some(url) => (Target::parse(url)?, None),
        None => {
            let hub = Hub::new();
            let (listener, address) = listen(options.bind, options.port, PORT).await?;
            taken = options.port.is_none() && address.port() != PORT;
            if options.tls {
                let tls = Tls::new(options.bind, &options.tls_name, &options.tls_ca)?;
                let listener = tls
                    .listen(listener)
                    .map_err(|error| cannot(address, error))?;
                serve(&mut tasks, listener, &hub);
                ca = Some(tls);
            } else {
                serve(&mut tasks, listener, &hub);
            }
            (Target::local(address, options.tls), Some(hub))
        }
    };
    announce(&options, &target, ca.as_ref(), taken);
    let mut cluster = JoinSet::new();
    let target = match &hub {
        Some(hub) if options.cluster => {
            say("Starting Redis, three Node servers and nginx …");
            let started = Cluster::start().await?;
            let nginx = Target::parse(&started.url)?;
            say(&format!("The devices join a cluster at {}", nginx.page()));
            cluster.spawn(started.relay(hub.clone(), ended.clone()));
            // It may have been built first.
            begun = Instant::now();
            nginx
        }
        _ => target,
    };
    let ca_pem = match (&ca, &options.cacert) {
        (Some(tls), _) => Some(tls.ca_pem.clone().into_bytes()),
        (None, Some(file)) => Some(crate::options::ca_pem(file)?),
        (None, None) => None,
    };

    let count = if options.no_devices {
        0
    } else {
        usize::from(options.devices)
    };
    let mut fleet = Fleet {
        tallies: Vec::new(),
        running: JoinSet::new(),
    };
    for index in 0..count {
        // With fewer devices than models the lossy one must still be among them.
        let (model, name) = devices::model(if count < 3 && index + 1 == count {
            2
        } else {
            index
        });
        let tally = Arc::new(Tally::new(name, model.lossy));
        let url = if model.lossy {
            let link = Link::to(target.server.clone()).await.map_err(|error| {
                Failure::new(
                    Exit::Connect,
                    format!("cannot open a relay on 127.0.0.1: {error}"),
                )
            })?;
            let url = target.url_through(link.address());
            tasks.spawn(cut_now_and_then(link, tally.clone(), options.duration));
            url
        } else {
            target.url.clone()
        };
        if let Some(hub) = &hub {
            tasks.spawn(lamp_test(hub.clone(), tally.name.clone()));
        }
        fleet.running.spawn(devices::run(
            index,
            model,
            url,
            ca_pem.clone(),
            tally.clone(),
            ended.clone(),
        ));
        fleet.tallies.push(tally);
    }

    let demands = Demands {
        whole_contract: hub.is_some(),
        calm: !options.cluster,
    };
    let interrupted = watch_until(&options, &fleet, hub.as_ref(), demands, begun).await;

    end.send_replace(true);
    let _ = tokio::time::timeout(Duration::from_secs(5), async {
        while fleet.running.join_next().await.is_some() {}
    })
    .await;
    tasks.abort_all();
    while cluster.join_next().await.is_some() {}
    let summary = Summary::of(fleet.tallies.iter().map(|tally| &**tally));
    let mut lines = summary_lines(&summary, hub.as_ref(), options.cluster, begun.elapsed());
    let exit = if count == 0 || (interrupted && options.duration.is_none()) {
        Exit::Ok
    } else if interrupted {
        lines.push("Ended by Ctrl-C before the checks were done.".to_owned());
        Exit::Interrupted
    } else {
        let failures = tally::failures(fleet.tallies.iter().map(|tally| &**tally), demands);
        let exit = if failures.is_empty() {
            lines.push("All of it worked.".to_owned());
            Exit::Ok
        } else {
            Exit::Check
        };
        lines.extend(failures.iter().map(|failure| format!("FAILED  {failure}")));
        exit
    };
    // The summary is the result: that it could not be written is an error, also when all else worked.
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{}", lines.join("\n")).and_then(|()| out.flush());
    output::outcome(written)?;
    Ok(exit)
}

/// The port that was asked for, or the usual one, or a free one if another program has it.
async fn listen(
    bind: IpAddr,
    port: Option<u16>,
    usual: u16,
) -> Result<(TcpListener, SocketAddr), Failure> {
    let address = SocketAddr::new(bind, port.unwrap_or(usual));
    match server::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if port.is_none() && error.kind() == std::io::ErrorKind::AddrInUse => {
            let address = SocketAddr::new(bind, 0);
            let bound = server::bind(address)
                .await
                .map_err(|error| cannot(address, error))?;
            Ok(bound)
        }
        Err(error) => Err(cannot(address, error)),
    }
}

fn cannot(address: SocketAddr, error: std::io::Error) -> Failure {
    Failure::usage(format!(
        "cannot listen on {address}: {error}; choose another --port or --bind"
    ))
}

fn serve(
    tasks: &mut JoinSet<()>,
    listener: impl axum::serve::Listener<Addr: std::fmt::Debug>,
    hub: &Hub,
) {
    let hub = hub.clone();
    tasks.spawn(async move {
        if let Err(error) = server::serve(listener, hub).await {
            eprintln!("sockeye: the demo's server ended: {error}");
        }
    });
}

/// The devices: their counters and their tasks.
struct Fleet {
    tallies: Vec<Arc<Tally>>,
    running: JoinSet<()>,
}

fn announce(options: &Demo, target: &Target, tls: Option<&Tls>, taken: bool) {
    match &options.connect {
        Some(_) => say(&format!(
            "Sockeye demo: simulated devices at {}",
            target.url
        )),
        None => say(&format!(
            "Sockeye demo: open {} in a browser",
            target.page()
        )),
    }
    if taken {
        say(&format!(
            "Port {PORT} is taken by another program, so this is a free one."
        ));
    }
    if let Some(tls) = tls {
        let file = tls.file.display();
        say(&format!(
            "Its certificate is by an authority made for this run: {file}\n\
             \x20 browser  import that file as an authority (or accept the warning)\n\
             \x20 sockeye  sockeye emit {} echo '\"hello\"' --ack --cacert {file}\n\
             \x20 board    SOCKEYE_URL=https://<a name of this machine>{}/devices SOCKEYE_CA={file}, and here --bind 0.0.0.0 --tls-name <that name>",
            target.page(),
            target.port()
        ));
    }
    if options.connect.is_none() && !options.no_devices {
        say(&format!("{} simulated devices join it.", options.devices));
    }
    match options.duration {
        Some(duration) => say(&format!(
            "Ends after {} s with a summary.",
            duration.as_secs_f64()
        )),
        None => say("Ctrl-C ends it with a summary."),
    }
}

/// Cuts the link of the lossy device once it works, and mends it.
async fn cut_now_and_then(link: Link, tally: Arc<Tally>, duration: Option<Duration>) {
    let (before, away) = match duration {
        Some(duration) => (
            duration.mul_f64(0.3).min(Duration::from_secs(8)),
            duration.mul_f64(0.15).min(Duration::from_secs(4)),
        ),
        None => (Duration::from_secs(8), Duration::from_secs(4)),
    };
    tokio::time::sleep(before).await;
    loop {
        let acked = tally.acked.get();
        while tally.acked.get() == acked {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        link.cut();
        tally.cuts.add();
        tokio::time::sleep(away).await;
        link.mend();
        // A set duration shows one loss that has time to heal.
        if duration.is_some() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(BETWEEN_CUTS).await;
    }
}

/// The operator's part: switches the LED of a device on and off once it has joined.
async fn lamp_test(hub: Hub, name: String) {
    for on in [true, false] {
        loop {
            while !hub.is_online(&name) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            match hub.command(&name, on).await {
                Ok(_) => break,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}

/// Shows the live line until the end; whether Ctrl-C was it.
async fn watch_until(
    options: &Demo,
    fleet: &Fleet,
    hub: Option<&Hub>,
    demands: Demands,
    started: Instant,
) -> bool {
    let terminal = std::io::stdout().is_terminal();
    let every = if terminal {
        Duration::from_millis(500)
    } else {
        Duration::from_secs(2)
    };
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    let mut line = LiveLine {
        terminal,
        last: None,
    };
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    let tallies = || fleet.tallies.iter().map(|tally| &**tally);
    let end = async {
        let Some(duration) = options.duration else {
            return std::future::pending().await;
        };
        tokio::time::sleep_until((started + duration).into()).await;
        // All is there in time, unless the machine is very busy.
        while started.elapsed() < duration + GRACE
            && !tally::failures(tallies(), demands).is_empty()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::pin!(end);
    let interrupted = loop {
        tokio::select! {
            _ = &mut interrupt => break true,
            () = &mut end => break false,
            _ = ticks.tick() => line.show(&Summary::of(tallies()), hub),
        }
    };
    if terminal {
        say("");
    }
    interrupted
}

struct LiveLine {
    terminal: bool,
    last: Option<(Instant, u64)>,
}

impl LiveLine {
    fn show(&mut self, devices: &Summary, hub: Option<&Hub>) {
        // The server also counts boards that joined from outside.
        let (events, acks, reconnections, trips) = match hub {
            Some(hub) => {
                let totals = hub.totals();
                (
                    totals.events,
                    totals.telemetries,
                    totals.rejoins,
                    hub.round_trips(),
                )
            }
            None => (
                devices.events,
                devices.acked,
                devices.reconnections,
                devices.round_trips.clone(),
            ),
        };
        let now = Instant::now();
        let rate = self.last.map_or(String::new(), |(at, before)| {
            format!(
                "  {:.1} events/s",
                events.saturating_sub(before) as f64 / (now - at).as_secs_f64().max(0.001)
            )
        });
        self.last = Some((now, events));
        let statuses = match hub {
            Some(hub) => {
                let [online, reconnecting, offline] = hub.statuses();
                let all = online + reconnecting + offline;
                let waiting = if reconnecting > 0 {
                    format!(", {reconnecting} reconnecting")
                } else {
                    String::new()
                };
                format!("{online} of {all} online{waiting}")
            }
            None => format!("{} of {} joined", devices.joined, devices.devices),
        };
        let plural = if reconnections == 1 { "" } else { "s" };
        let mut line = format!(
            "{statuses}{rate}  {acks} acks  {reconnections} reconnection{plural}  p50 {}  p99 {}",
            human(trips.quantile(0.5)),
            human(trips.quantile(0.99))
        );
        if self.terminal
            && let Some((terminal_size::Width(width), _)) = terminal_size::terminal_size()
        {
            // A line that wraps could not be overwritten.
            line.truncate(usize::from(width.saturating_sub(1)));
        }
        let mut out = std::io::stdout().lock();
        // Nobody to show it to is no reason to stop the devices.
        let _ = if self.terminal {
            write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush())
        } else {
            writeln!(out, "{line}")
        };
    }
}

/// The figures at the end.
fn summary_lines(
    summary: &Summary,
    hub: Option<&Hub>,
    cluster: bool,
    elapsed: Duration,
) -> Vec<String> {
    let mut lines = vec![format!("Summary after {:.1} s", elapsed.as_secs_f64())];
    let mut row = |name: &str, text: String| lines.push(format!("  {name:<15} {text}"));
    if summary.devices > 0 {
        let trips = &summary.round_trips;
        row(
            "devices",
            format!("{} of {} joined", summary.joined, summary.devices),
        );
        row("events sent", summary.events.to_string());
        row(
            "acknowledged",
            format!(
                "{} of {} asked, {} lost with the link, {} unanswered",
                summary.acked, summary.asked, summary.lost, summary.unanswered
            ),
        );
        row(
            "pictures",
            format!(
                "{} sent, {} arrived intact",
                summary.pictures, summary.pictures_intact
            ),
        );
        row(
            "LED commands",
            format!("{} obeyed and acknowledged", summary.led_commands),
        );
        row(
            "reconnections",
            format!("{} (links cut: {})", summary.reconnections, summary.cuts),
        );
        row(
            "round trip",
            format!(
                "p50 {}  p99 {}",
                human(trips.quantile(0.5)),
                human(trips.quantile(0.99))
            ),
        );
    }
    if let Some(hub) = hub {
        let totals = hub.totals();
        row(
            "server saw",
            format!(
                "{} events, {} pictures, {} LED commands ({} failed)",
                totals.events, totals.pictures, totals.commands, totals.failed_commands
            ),
        );
        if cluster {
            row(
                "cluster",
                format!(
                    "{} joins at another node than before, {} sessions recovered",
                    totals.moves, totals.recovered
                ),
            );
        }
    }
    lines
}

/// Prints a line; a stdout that is gone does not stop the demo.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_usual_port_or_a_free_one_but_never_another_than_asked_for() {
        let bind = IpAddr::from([127, 0, 0, 1]);
        let (_taken, address) = listen(bind, Some(0), 1).await.unwrap();
        let taken = address.port();
        let (_free, address) = listen(bind, None, taken).await.unwrap();
        assert_ne!(address.port(), taken);
        let failure = listen(bind, Some(taken), 1).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        // A demo that is started again finds its port.
        drop(_taken);
        let (_again, address) = listen(bind, None, taken).await.unwrap();
        assert_eq!(address.port(), taken);
    }
}
