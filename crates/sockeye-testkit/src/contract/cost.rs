//! The CPU time of a client that has nothing to do: less than a thousandth of a core.

use std::thread;
use std::time::{Duration, Instant};

use super::peer::{Peer, listen, nobody};
use super::{MEASURED, open, open_with};
use crate::scenarios::{Client, Driver, Options, Way};

/// A tenth of a percent.
const LITTLE: f64 = 0.001;

/// The processes that the client is: this one, or those that the driver has started for it.
pub(super) fn processes(client: &dyn Client) -> Vec<u32> {
    let Some(process) = client.process() else {
        return vec![std::process::id()];
    };
    let path = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(path).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|id| id.parse().ok());
    [process].into_iter().chain(children).collect()
}

/// CPU time of all threads of these processes so far, as the kernel counts it, but for the thread that asks: looking on
/// takes more than a client with nothing to do (half a millisecond, on a busy machine several), and is not its cost.
fn cpu(processes: &[u32]) -> Duration {
    let this = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    let mut nanos = 0;
    for process in processes {
        let threads = std::fs::read_dir(format!("/proc/{process}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            if thread.path().ends_with(&this) {
                continue;
            }
            let stat = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            let on_cpu = stat.split(' ').next().and_then(|n| n.parse().ok());
            nanos += on_cpu.unwrap_or(0);
        }
    }
    Duration::from_nanos(nanos)
}

/// Looks on while nothing is to be done, and holds the share of a core against the bound.
fn judge(driver: &dyn Driver, client: &dyn Client, what: &str, seconds: u64) {
    // What was begun before is over.
    thread::sleep(Duration::from_millis(300));
    let processes = processes(client);
    let (before, since) = (cpu(&processes), Instant::now());
    thread::sleep(Duration::from_secs(seconds));
    let share =
        (cpu(&processes).saturating_sub(before)).as_secs_f64() / since.elapsed().as_secs_f64();
    println!(
        "{MEASURED}{}, {what}: {:.4} % of a core",
        driver.name(),
        share * 100.0
    );
    assert!(before > Duration::ZERO, "the kernel counts no CPU time");
    assert!(share < LITTLE, "{what}: {:.4} %", share * 100.0);
}

/// Joined, over each transport.
pub(super) fn an_idle_connection_costs_nothing(driver: &dyn Driver) {
    for way in [Way::WebSocket, Way::Polling] {
        let url = listen(0, move |_, mut peer| match way {
            Way::WebSocket => {
                if peer.join().is_some() {
                    peer.linger();
                }
            }
            _ => {
                if peer.poll() {
                    peer.write(&super::peer::text(super::peer::JOINED));
                    Peer::linger(&mut peer);
                }
            }
        });
        let (client, log) = open(driver, &url, way);
        log.expect(&["joined /"]);
        judge(driver, client.as_ref(), &format!("idle, {way:?}"), 2);
        client.end();
    }
}

/// Attempt after attempt, with the delays that are the default.
pub(super) fn waiting_for_a_server_costs_next_to_nothing(driver: &dyn Driver) {
    let patient = |options: &mut Options| options.patient = true;
    let (client, log) = open_with(driver, &nobody(), Way::WebSocket, patient);
    // The first attempt also loads what the later ones need, and the first delays are short: neither is what waiting costs.
    log.expect(&["failed", "failed"]);
    judge(driver, client.as_ref(), "the server is away", 8);
    client.end();
}

/// After an attempt that was the only one.
pub(super) fn a_client_that_gave_up_costs_nothing(driver: &dyn Driver) {
    let once = |options: &mut Options| options.reconnection = false;
    let (client, log) = open_with(driver, &nobody(), Way::WebSocket, once);
    log.expect(&["failed"]);
    judge(driver, client.as_ref(), "after a failed connect", 2);
    client.end();
}
