//! What a client costs that has nothing to do: the CPU time of its thread, which is all it has here.

use std::time::{Duration, Instant};

use sockeye::{Client, Socket, Transport};

use crate::support::{Host, closed_port};

/// CPU time of this thread so far, as the kernel counts it.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = stat.split(' ').next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}

/// Runs `prepare` and then nothing for a while, all on a thread of its own; the share of a core that the while took.
fn share<F, Fut>(what: &str, seconds: u64, prepare: F) -> f64
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Vec<Socket>>,
{
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let sockets = prepare().await;
            let (before, since) = (cpu(), Instant::now());
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            let share = (cpu() - before).as_secs_f64() / since.elapsed().as_secs_f64();
            drop(sockets);
            share
        })
    });
    let share = thread.join().expect("no panic");
    println!("{what}: {:.4} % of a core", share * 100.0);
    share
}

/// A tenth of a percent.
const LITTLE: f64 = 0.001;

#[test]
fn a_client_with_nothing_to_do_costs_nothing() {
    let host = Host::start();
    let url = host.url("/");
    let idle = share("joined, idle", 3, move || async move {
        let builder = Client::builder(url).transports([Transport::WebSocket]);
        vec![builder.connect().await.expect("joined")]
    });
    assert!(idle < LITTLE, "{idle}");

    let host = Host::start();
    let url = host.url("/");
    let polling = share("joined over polling, idle", 3, move || async move {
        let builder = Client::builder(url).transports([Transport::Polling]);
        vec![builder.connect().await.expect("joined")]
    });
    assert!(polling < LITTLE, "{polling}");

    let away = share("the server is away", 12, || async {
        let url = format!("http://{}/", closed_port());
        vec![
            Client::builder(url)
                .connect_background()
                .expect("good options"),
        ]
    });
    assert!(away < LITTLE, "{away}");

    let failed = share("after a failed connect", 3, || async {
        let url = format!("http://{}/", closed_port());
        let socket = Client::builder(url).open().expect("good options");
        assert!(socket.connect().await.is_err());
        vec![socket]
    });
    assert!(failed < LITTLE, "{failed}");
}
