//! The board behind a network that breaks every connection, as a seed says. `SOCKEYE_CUTS=1000` is the run at full length,
//! `SOCKEYE_SEED=N` (or `random`) another weather.

use std::time::{Duration, Instant};

use sockeye_boards::FIRMWARE;
use sockeye_boards::node::{self, Node};
use sockeye_boards::riscv::Target;
use sockeye_testkit::chaos::Weather;

use crate::client::{Proxy, entry, figure, image, run_for};

/// Enough to meet every kind of cut, in a few seconds.
const CUTS: u64 = 100;

crate::on_both_chips! {
    a_storm_of_cuts: storm,
}

/// What the environment says.
fn setting(name: &str) -> Result<Option<u64>, String> {
    match std::env::var(name).as_deref() {
        Ok("random") => Ok(Some(u64::from(std::process::id()))),
        Ok(text) => {
            let number = text.parse().map(Some);
            number.map_err(|_| format!("{name}={text} is no number"))
        }
        Err(_) => Ok(None),
    }
}

/// Events both ways through so many broken connections; then the server's ledger is compared with what the board says.
fn storm(target: Target) -> Result<(), String> {
    let cuts = setting("SOCKEYE_CUTS")?.unwrap_or(CUTS);
    let seed = setting("SOCKEYE_SEED")?.unwrap_or(0x50c_4e7e);
    println!("SOCKEYE_SEED={seed} SOCKEYE_CUTS={cuts}");
    let image = &image(target)?;
    let mut server = Node::start(
        &format!("{FIRMWARE}/servers/ledger.js"),
        &[&node::package(), "paced"],
    )?;
    let weather = Weather {
        seed,
        most: 8192,
        // The server is told of every end: then it must recover every session, and the board insists on that.
        silent: false,
        rough: true,
    };
    let proxy = Proxy::start(server.port, move |number| weather.fate(number))?;
    let chaos = &proxy.chaos;
    let args = [
        ("scenario", "storm".to_owned()),
        ("port", proxy.port().to_string()),
        ("seed", seed.to_string()),
    ];
    let (started, mut calm) = (Instant::now(), false);
    let limit = Duration::from_secs(60 + cuts);
    let outcome = run_for(limit, image, target, &args, |request| match request {
        "acked" if calm || chaos.broken() < cuts => Ok(()),
        "acked" => {
            calm = true;
            chaos.calm();
            server.command("\"cmd\":\"enough\"").map(drop)
        }
        _ => Err(format!("the board asks for something unknown: {request}")),
    })?;
    let took = started.elapsed();
    let ledger = server.command("\"cmd\":\"ledger\"")?;
    let entry = |name| entry(&ledger, name);
    let figure = |name| figure(&outcome, name);
    let (puts, ticks) = (figure("puts")?, figure("ticks")?);
    println!(
        "{}: {} of {} connections broken in {:.0} s, {puts} events up, each acknowledged once ({} arrivals again after a cut), {ticks} down, each once; {} of {} joins recovered",
        target.name(),
        chaos.broken(),
        chaos.accepted(),
        took.as_secs_f64(),
        entry("repeats")?,
        figure("recovered")?,
        figure("joins")?,
    );
    for wrong in ["missing", "disordered", "mangled"] {
        if entry(wrong)? != 0 {
            return Err(format!("the server's ledger: {ledger}"));
        }
    }
    if entry("numbers")? != puts {
        return Err(format!(
            "the board has {puts} acknowledgements, the server says {ledger}"
        ));
    }
    // Each put has a tick. Only before its first one has arrived is the board owed none of those that it has missed.
    if entry("ticks")? != puts || figure("next_tick")? != puts || puts - ticks > 8 {
        return Err(format!(
            "{ticks} ticks came for {puts} puts, the server says {ledger}"
        ));
    }
    if puts < cuts / 2 {
        return Err("the weather is too bad to show anything".to_owned());
    }
    Ok(())
}
