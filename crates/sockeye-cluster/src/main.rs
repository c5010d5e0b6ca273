//! The cluster of `sockeye demo --cluster`, which starts this program: three nodes behind nginx, without TLS, and one trouble
//! after the other. Lines of JSON on standard output: first `{"url":…}`, then what the nodes tell of their devices, and
//! `{"kind":"node","node":…,"state":…}` when one comes or goes. Lines on standard input go to all nodes. It ends when its
//! input does.

#[cfg(unix)]
mod demo {
    use std::collections::BTreeMap;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    use sockeye_cluster::{Cluster, FIRST, NODES};

    /// Between two troubles, so that one can see what came of each.
    const CALM: Duration = Duration::from_secs(8);

    /// The nodes that are connected, by the number of their connection.
    type Nodes = Arc<Mutex<BTreeMap<u64, UnixStream>>>;

    /// A line at a time: nodes tell at the same time.
    fn say(line: &str) {
        let mut out = std::io::stdout().lock();
        // The demo is gone: so is the end of standard input.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    fn state(node: usize, state: &str) {
        say(&format!(
            "{{\"kind\":\"node\",\"node\":\"{}\",\"state\":\"{state}\"}}",
            NODES[node]
        ));
    }

    /// Passes on what nodes tell.
    fn listen(listener: UnixListener, nodes: &Nodes) {
        let nodes = Arc::clone(nodes);
        std::thread::spawn(move || {
            for (number, node) in listener.incoming().flatten().enumerate() {
                let (nodes, number) = (Arc::clone(&nodes), number as u64);
                let Ok(commands) = node.try_clone() else {
                    continue;
                };
                lock(&nodes).insert(number, commands);
                std::thread::spawn(move || {
                    for line in BufReader::new(node).lines().map_while(Result::ok) {
                        say(&line);
                    }
                    lock(&nodes).remove(&number);
                });
            }
        });
    }

    fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives commands to the nodes; the receiver is closed when there will be no more.
    fn commands(nodes: Nodes) -> Receiver<()> {
        let (open, closed) = mpsc::channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                for node in lock(&nodes).values_mut() {
                    // A node that is gone answers nothing, and the demo does not wait for ever.
                    let _ = writeln!(node, "{line}");
                }
            }
            drop(open);
        });
        closed
    }

    pub(super) fn run() {
        let nodes = Nodes::default();
        let listening = nodes.clone();
        let mut cluster = Cluster::prepared("demo.js", None, |folder| {
            let listener = UnixListener::bind(folder.join("page.sock")).expect("a socket");
            listen(listener, &listening);
        });
        say(&format!("{{\"url\":\"{}\"}}", cluster.url()));
        (0..FIRST).for_each(|node| state(node, "up"));
        let end = commands(nodes);
        let over = |time: Duration| end.recv_timeout(time) != Err(RecvTimeoutError::Timeout);
        for round in 0.. {
            let node = round % FIRST;
            if over(CALM) {
                return;
            }
            state(node, "killed");
            cluster.kill_node(node);
            if over(Duration::from_secs(3)) {
                return;
            }
            cluster.restart_node(node);
            state(node, "up");
            if over(CALM) {
                return;
            }
            say(
                "{\"kind\":\"note\",\"text\":\"nginx reloads, and cuts old connections after 1 s\"}",
            );
            cluster.reload_nginx();
            if over(CALM) {
                return;
            }
            let node = (node + 1) % FIRST;
            state(node, "frozen");
            cluster.freeze_node(node);
            let ended = over(Duration::from_secs(6));
            cluster.thaw_node(node);
            if ended {
                return;
            }
            state(node, "up");
            if round == 0 {
                if over(CALM) {
                    return;
                }
                cluster.add_node();
                state(FIRST, "up");
            }
        }
    }
}

fn main() {
    #[cfg(unix)]
    demo::run();
}
