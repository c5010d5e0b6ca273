//! The clients, and what each of them was told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use sockeye::net::Tls;
use sockeye::{Client, Socket, Transport};
use tokio::task::JoinSet;

use crate::boards::Board;

/// Between two events of a client.
const PACE: Duration = Duration::from_millis(500);
/// Until all are back, on a machine with ten times more to do than it has cores.
const LIMIT: Duration = Duration::from_secs(120);

/// What one client was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Numbers of acknowledged events.
    pub(crate) acknowledged: Vec<u64>,
    /// Events whose acknowledgement will not come.
    pub(crate) lost: u64,
    pub(crate) joins: u64,
    pub(crate) recovered: u64,
    /// Of each life of a node: the number of its news that has to come next, and how many joins there had been at the last.
    next: HashMap<String, (u64, u64)>,
    /// Of each node: when its last news came, in milliseconds from the start of the fleet.
    heard: HashMap<String, u64>,
    pub(crate) news: u64,
    pub(crate) doubled: u64,
    /// News that have never come although no join was as a new socket: which, when the next one came, and whether a session
    /// was recovered in between.
    pub(crate) missing: Vec<Missing>,
}

/// One of the news that has not come.
#[derive(Debug)]
pub(crate) struct Missing {
    /// The life of the node that told it, and its number.
    pub(crate) news: (String, u64),
    /// When it was missed, in milliseconds from the start of the fleet.
    pub(crate) at: u64,
    /// A session was recovered in between.
    pub(crate) recovery: bool,
}

impl Told {
    pub(crate) fn joined(&mut self, recovered: bool) {
        self.joins += 1;
        if recovered {
            self.recovered += 1;
        } else {
            // The server owes a new socket nothing of before.
            self.next.clear();
        }
    }

    pub(crate) fn news(&mut self, life: &str, n: u64, now: u64) {
        let joins = self.joins;
        let (next, joined) = self.next.entry(life.to_owned()).or_insert((n, joins));
        self.news += 1;
        if n < *next {
            self.doubled += 1;
        } else {
            let recovery = *joined < joins;
            self.missing.extend((*next..n).map(|n| Missing {
                news: (life.to_owned(), n),
                at: now,
                recovery,
            }));
            (*next, *joined) = (n + 1, joins);
        }
        let node = life.split('.').next().unwrap_or(life);
        self.heard.insert(node.to_owned(), now);
    }
}

/// What is known of one client, of whichever kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) retries: bool,
    pub(crate) told: Arc<Mutex<Told>>,
    /// When the youngest of its acknowledged events was emitted, in milliseconds from the start of the fleet, plus one.
    pub(crate) answered: Arc<AtomicU64>,
    pub(crate) connected: Arc<AtomicBool>,
}

/// One client of this process.
pub(crate) struct Member {
    pub(crate) socket: Socket,
    account: Account,
}

/// All of them.
pub(crate) struct Fleet {
    pub(crate) members: Vec<Member>,
    /// Emulated boards; their numbers come after those of the members.
    pub(crate) boards: Vec<Board>,
    /// When attempts to reconnect began, and which attempt in a row each was.
    attempts: Arc<Mutex<Vec<(Instant, u32)>>>,
    pub(crate) started: Instant,
    stop: Arc<AtomicBool>,
    traffic: JoinSet<()>,
}

pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).expect("the test ends before")
}

/// Of ten clients eight are on WebSocket, one is on polling and one begins with polling; two of them have `retries`.
fn transports(client: usize) -> &'static [Transport] {
    match client % 10 {
        8 => &[Transport::Polling],
        9 => &[Transport::Polling, Transport::WebSocket],
        _ => &[Transport::WebSocket],
    }
}

impl Fleet {
    /// Lets all of them connect at once, and emit from then on.
    pub(crate) fn launch(url: &str, ca: &str, count: usize) -> Self {
        let started = Instant::now();
        let mut fleet = Self {
            members: Vec::new(),
            boards: Vec::new(),
            attempts: Arc::default(),
            started,
            stop: Arc::default(),
            traffic: JoinSet::new(),
        };
        let tls = Tls::new().ca_pem(ca);
        for client in 0..count {
            let retries = client % 5 == 3;
            let account = Account {
                retries,
                ..Account::default()
            };
            let (joins, news) = (Arc::clone(&account.told), Arc::clone(&account.told));
            let mut builder = Client::builder(url)
                .tls(tls.clone())
                .transports(transports(client).iter().copied())
                .cookies(true)
                .auth(json!({ "client": client }))
                .timeout(Duration::from_secs(4))
                .join_timeout(Duration::from_secs(4))
                .wait_for_server(true)
                .on_connect(move |socket: Socket| {
                    joins.lock().unwrap().joined(socket.recovered());
                })
                .on("news", move |(life, n): (String, u64)| {
                    news.lock().unwrap().news(&life, n, millis(started));
                });
            if retries {
                builder = builder
                    .retries(1_000_000)
                    .ack_timeout(Duration::from_secs(3));
            }
            let socket = builder.connect_background().expect("good options");
            let attempts = Arc::clone(&fleet.attempts);
            socket.manager().on_reconnect_attempt(move |n| {
                attempts.lock().unwrap().push((Instant::now(), n));
            });
            let member = Member { socket, account };
            fleet
                .traffic
                .spawn(member.traffic(client, started, Arc::clone(&fleet.stop)));
            fleet.members.push(member);
        }
        fleet
    }

    /// Waits until every client is joined and had an event acknowledged that it emitted after this moment, and returns how
    /// long that took from `trouble` on.
    pub(crate) async fn whole(&self, trouble: Instant, what: &str) -> Duration {
        let from = millis(self.started);
        let back = |one: &Account| {
            one.connected.load(Ordering::Relaxed) && one.answered.load(Ordering::Relaxed) > from
        };
        self.all(what, back).await;
        trouble.elapsed()
    }

    /// Waits until every client has heard each of these nodes after this moment.
    pub(crate) async fn hears(&self, nodes: &[&str]) {
        let from = millis(self.started);
        self.all("news of every node", |one| {
            let told = one.told.lock().unwrap();
            let heard = |node: &&str| told.heard.get(*node).is_some_and(|&at| at > from);
            nodes.iter().all(heard)
        })
        .await;
    }

    async fn all(&self, what: &str, holds: impl Fn(&Account) -> bool) {
        let until = Instant::now() + LIMIT;
        loop {
            let all = self.accounts().enumerate();
            let missing: Vec<_> = all.filter(|(_, one)| !holds(one)).collect();
            if missing.is_empty() {
                return;
            }
            let numbers: Vec<_> = missing.iter().map(|(number, _)| *number).collect();
            let boards = numbers.iter().filter(|&&n| n >= self.members.len()).count();
            assert!(
                Instant::now() < until,
                "{what}: {} clients are not back after {LIMIT:?}, {boards} of them boards: {numbers:?}",
                numbers.len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// All clients, in the order of their numbers.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = Account> {
        let members = self.members.iter().map(|member| {
            let connected = member.socket.connected();
            member.account.connected.store(connected, Ordering::Relaxed);
            member.account.clone()
        });
        members.chain(self.boards.iter().map(|board| board.account.clone()))
    }

    /// Attempts in each 100 ms after this moment: the first ones after a loss, and all.
    pub(crate) fn histogram(&self, from: Instant) -> [Vec<u32>; 2] {
        let mut bins = [Vec::new(), Vec::new()];
        for &(at, n) in self.attempts.lock().unwrap().iter() {
            let Some(after) = at.checked_duration_since(from) else {
                continue;
            };
            let bin = usize::try_from(after.as_millis() / 100).expect("the test ends before");
            for (counts, counted) in bins.iter_mut().zip([n == 1, true]) {
                if counts.len() <= bin {
                    counts.resize(bin + 1, 0);
                }
                counts[bin] += u32::from(counted);
            }
        }
        bins
    }

    /// No more events; waits until each one is acknowledged or told as lost.
    pub(crate) async fn quiet(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let all = async {
            while let Some(ended) = self.traffic.join_next().await {
                ended.expect("traffic does not panic");
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(20), all).await;
        assert!(ended.is_ok(), "acknowledgements hang");
        for board in &mut self.boards {
            board.switch_off();
        }
    }

    /// Every client leaves.
    pub(crate) async fn close(&self) {
        let mut closing = JoinSet::new();
        for member in &self.members {
            let socket = member.socket.clone();
            closing.spawn(async move { socket.close().await });
        }
        while let Some(closed) = closing.join_next().await {
            closed
                .expect("closing does not panic")
                .expect("all has been sent");
        }
    }
}

impl Member {
    /// Emits numbered events until it is to stop, then waits for what becomes of them.
    fn traffic(
        &self,
        client: usize,
        started: Instant,
        stop: Arc<AtomicBool>,
    ) -> impl Future<Output = ()> + use<> {
        let socket = self.socket.clone();
        let told = Arc::clone(&self.account.told);
        let answered = Arc::clone(&self.account.answered);
        async move {
            // Not all in the same moment.
            tokio::time::sleep(PACE.mul_f64((client % 50) as f64 / 50.0)).await;
            let mut waiting = JoinSet::new();
            let mut ticks = tokio::time::interval(PACE);
            for n in 0u64.. {
                ticks.tick().await;
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let emitted = millis(started);
                let answer = socket.emit_with_ack::<_, (u64,)>("put", (n,)).send();
                let (told, answered) = (Arc::clone(&told), Arc::clone(&answered));
                waiting.spawn(async move {
                    match answer.await {
                        Ok((answer,)) => {
                            assert_eq!(answer, n, "the acknowledgement of another event");
                            told.lock().unwrap().acknowledged.push(n);
                            answered.fetch_max(emitted + 1, Ordering::Relaxed);
                        }
                        Err(_) => told.lock().unwrap().lost += 1,
                    }
                });
                while let Some(ended) = waiting.try_join_next() {
                    ended.expect("its own answer");
                }
            }
            while let Some(ended) = waiting.join_next().await {
                ended.expect("its own answer");
            }
        }
    }
}
