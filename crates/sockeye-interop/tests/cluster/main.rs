//! A cluster: three official nodes, and a fourth that is added, with the Redis streams adapter, behind nginx with TLS, and a fleet of clients with
//! traffic while parts of it die, freeze and restart. `cargo xtask test --part cluster` runs it.

#![cfg(unix)]

mod boards;
mod fleet;
mod ledger;
mod plot;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fleet::Fleet;
use ledger::Ledger;
use plot::Panel;
use sockeye_cluster::{Cluster, FIRST, NODES};
use sockeye_testkit::certificates::{Authority, Leaf};

/// `SOCKEYE_CLUSTER_CLIENTS` is another number.
const CLIENTS: usize = 500;

fn clients() -> usize {
    std::env::var("SOCKEYE_CLUSTER_CLIENTS").map_or(CLIENTS, |text| {
        text.parse().expect("SOCKEYE_CLUSTER_CLIENTS is a number")
    })
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Tells how long it took, and when who tried to come back.
async fn back(fleet: &Fleet, trouble: Instant, what: &str) -> Panel {
    let took = fleet.whole(trouble, what).await;
    let bins = fleet.histogram(trouble);
    let [first, all] = &bins;
    let begins = all.iter().position(|&n| n > 0).unwrap_or_default();
    println!(
        "{what} at {:.1} s: whole again after {:.1} s; {} first attempts, {} in all; in each 100 ms, from {begins}00 ms on: {:?}",
        trouble.duration_since(fleet.started).as_secs_f32(),
        took.as_secs_f32(),
        first.iter().sum::<u32>(),
        all.iter().sum::<u32>(),
        &all[begins..],
    );
    let title = format!("{what}; whole again after {:.1} s", took.as_secs_f32());
    Panel { title, bins }
}

/// In good weather each request of a session finds its node, and nobody is thrown out. The start of so many clients, and
/// whatever else a machine has to do, may be bad weather: nodes and clients then miss each other's heartbeats of 2 s. So it
/// is three seconds that have to be good, within half a minute; a balancer that mixes up nodes spoils all of them.
async fn good_weather(cluster: &Cluster) -> Ledger {
    let mut before = Ledger::read(cluster);
    for _ in 0..10 {
        pause(3000).await;
        let now = Ledger::read(cluster);
        let (refused, left) = (now.refused - before.refused, now.left - before.left);
        if (refused, left) == (0, 0) {
            return now;
        }
        println!("no good weather: {refused} requests refused and {left} clients gone in 3 s");
        before = now;
    }
    panic!("half a minute without good weather");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Node, Redis and nginx, and a minute: cargo xtask test --part cluster"]
async fn a_fleet_goes_through_the_troubles_of_a_cluster() {
    let count = clients();
    let images = boards::images();
    let authority = Authority::new("cluster test");
    let identity = authority.issue(&Leaf::named("127.0.0.1"));
    let identity = [identity.chain_pem(), identity.key_pem()];
    let mut cluster = Cluster::start("server.js", Some(identity.each_ref().map(|pem| &**pem)));
    let started = Instant::now();
    let mut fleet = Fleet::launch(&cluster.url(), &authority.pem(), count);
    fleet.boards = boards::start(&images, &fleet, cluster.port, authority.der());
    let took = fleet.whole(started, "the start").await;
    println!(
        "{count} clients and {} boards joined after {:.1} s",
        fleet.boards.len(),
        took.as_secs_f32()
    );

    let calm = good_weather(&cluster).await;
    fleet.hears(&NODES[..FIRST]).await;
    let mut panels = Vec::new();

    let trouble = Instant::now();
    // That of the first board.
    let node = calm.node_of(count).unwrap_or(0);
    cluster.kill_node(node);
    pause(1000).await;
    cluster.restart_node(node);
    panels.push(back(&fleet, trouble, "a node killed, and started after 1 s").await);

    let trouble = Instant::now();
    cluster.reload_nginx();
    // Until then the old workers hold what they have.
    pause(1500).await;
    let what = "nginx reloaded, old connections cut after 1 s";
    panels.push(back(&fleet, trouble, what).await);
    spread(&fleet.histogram(trouble)[0], count);

    let trouble = Instant::now();
    // That of the second board.
    let node = Ledger::read(&cluster).node_of(count + 1).unwrap_or(1);
    cluster.freeze_node(node);
    pause(8000).await;
    cluster.thaw_node(node);
    panels.push(back(&fleet, trouble, "a node frozen for 8 s").await);

    // nginx cuts everybody again, and one in four finds the new node.
    let trouble = Instant::now();
    cluster.add_node();
    pause(1500).await;
    let what = "a node added, nginx reloaded for it";
    panels.push(back(&fleet, trouble, what).await);
    fleet.hears(&NODES).await;
    let there = Ledger::read(&cluster).joins_at(FIRST);
    println!("{there} joins at the node that was added");
    assert!(there * 10 >= count, "{there} joins at the added node");

    let trouble = Instant::now();
    cluster.kill_redis();
    pause(1500).await;
    cluster.restart_redis();
    panels.push(back(&fleet, trouble, "Redis killed, and started after 1.5 s").await);
    let restarted = Instant::now();
    fleet.hears(&NODES).await;
    println!(
        "every client hears every node again {:.1} s after Redis has started",
        restarted.elapsed().as_secs_f32()
    );

    assert!(
        fleet
            .accounts()
            .all(|one| one.connected.load(Ordering::Relaxed)),
        "all are joined at the end"
    );
    fleet.quiet().await;
    fleet.close().await;
    let ledger = Ledger::read(&cluster);
    // What a frozen node had received is in its ledger by now; the processes end before the figures are told.
    drop(cluster);
    ledger.hold(&fleet);
    for board in &fleet.boards {
        println!("{}", board.summary());
    }
    plot::report(&panels);
    println!("the whole took {:.0} s", started.elapsed().as_secs_f32());
}

/// First attempts are spread over the reconnection window of a second (half to one and a half times the delay): the peak is
/// at most three times the mean. It is looked for in pieces of 200 ms, since a busy machine runs late timers in lumps; without
/// jitter it would be five times the mean. (Eight of ten clients are on WebSocket from the start and are cut for certain; a
/// GET may have ended before.)
fn spread(first: &[u32], count: usize) {
    let begins = first.iter().position(|&n| n > 0).expect("all were cut");
    let window = &first[begins..];
    let attempts: u32 = window.iter().sum();
    assert!(attempts as usize >= count * 8 / 10, "{attempts} were cut");
    let pieces = window.chunks(2).map(|piece| piece.iter().sum::<u32>());
    let peak = f64::from(pieces.max().unwrap_or_default());
    let times = peak / (f64::from(attempts) / 5.0);
    println!("the peak of 200 ms is {times:.2} times the mean over a second");
    assert!(times <= 3.0, "{window:?}");
}
