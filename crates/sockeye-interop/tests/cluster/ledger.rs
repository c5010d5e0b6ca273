//! What the nodes have written down, put together, and held against what the clients were told.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use sockeye_cluster::{Cluster, NODES};

use crate::fleet::Fleet;

/// The ledgers of all nodes.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Of each client and number: when it arrived, each time; a clock of the machine, in nanoseconds, in order.
    puts: HashMap<usize, BTreeMap<u64, Vec<u64>>>,
    /// Of each client: when it joined, at which node, and whether its session was recovered.
    joins: HashMap<usize, Vec<(u64, usize, bool)>>,
    /// Requests that Engine.IO refused: with a session that the node does not know, for instance.
    pub(crate) refused: usize,
    /// Sockets that have left, for whatever reason.
    pub(crate) left: usize,
}

impl Ledger {
    pub(crate) fn read(cluster: &Cluster) -> Self {
        let mut all = Self::default();
        for node in 0..NODES.len() {
            let text = cluster.ledger(node);
            // A line that is being written has no end yet.
            let complete = text.rfind('\n').map_or("", |end| &text[..end]);
            for line in complete.lines() {
                all.line(node, line);
            }
        }
        for arrivals in all.puts.values_mut().flat_map(BTreeMap::values_mut) {
            arrivals.sort_unstable();
        }
        for joins in all.joins.values_mut() {
            joins.sort_unstable();
        }
        all
    }

    /// Where a client has joined last.
    pub(crate) fn node_of(&self, client: usize) -> Option<usize> {
        let joins = self.joins.get(&client)?;
        joins.last().map(|&(_, node, _)| node)
    }

    /// How many joins there were at a node.
    pub(crate) fn joins_at(&self, node: usize) -> usize {
        let joins = self.joins.values().flatten();
        joins.filter(|(_, at, _)| *at == node).count()
    }

    fn line(&mut self, node: usize, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |i: usize| -> u64 { words[i].parse().expect(line) };
        let client = || usize::try_from(number(2)).expect(line);
        match words[1] {
            "put" => {
                let puts = self.puts.entry(client()).or_default();
                puts.entry(number(3)).or_default().push(number(0));
            }
            "join" => {
                let joins = self.joins.entry(client()).or_default();
                joins.push((number(0), node, number(3) == 1));
            }
            "refused" => self.refused += 1,
            "leave" => self.left += 1,
            _ => panic!("what is this? {line}"),
        }
    }

    /// What must hold between the ledgers and the clients, and the figures.
    pub(crate) fn hold(&self, fleet: &Fleet) {
        let (mut acknowledged, mut lost, mut unanswered, mut again) = (0, 0, 0, 0);
        let (mut joins, mut recovered) = (0, 0);
        let (mut news, mut doubled, mut over_recovery) = (0, 0, 0);
        let mut never_sent = BTreeMap::<_, (u32, u64)>::new();
        for (client, member) in fleet.accounts().enumerate() {
            let told = member.told.lock().unwrap();
            let none = BTreeMap::new();
            let puts = self.puts.get(&client).unwrap_or(&none);
            assert!(!told.acknowledged.is_empty(), "client {client} did nothing");
            let mut numbers = told.acknowledged.clone();
            numbers.sort_unstable();
            let mut last = 0;
            for n in &numbers {
                let arrivals = puts.get(n).map_or(&[][..], Vec::as_slice);
                let Some(&first) = arrivals.first() else {
                    panic!("client {client}: event {n} is acknowledged, and in no ledger");
                };
                assert!(
                    first > last,
                    "client {client}: event {n} has arrived before an earlier one"
                );
                last = first;
            }
            numbers.dedup();
            assert_eq!(numbers.len(), told.acknowledged.len(), "two answers");
            for (n, arrivals) in puts {
                // At least once is what `retries` promises; without, nothing is ever sent twice, acknowledged or not.
                assert!(
                    member.retries || arrivals.len() == 1,
                    "client {client}: event {n} has arrived {} times",
                    arrivals.len()
                );
                again += arrivals.len() - 1;
                unanswered += usize::from(numbers.binary_search(n).is_err());
            }
            assert!(
                !member.retries || told.lost == 0,
                "client {client}: `retries` has given up {} events",
                told.lost
            );
            acknowledged += numbers.len();
            lost += told.lost;
            joins += told.joins;
            recovered += told.recovered;
            news += told.news;
            doubled += told.doubled;
            for missing in &told.missing {
                if missing.recovery {
                    over_recovery += 1;
                } else {
                    let entry = never_sent.entry(missing.news.clone()).or_default();
                    *entry = (entry.0 + 1, missing.at);
                }
            }
        }
        let moved = |joins: &Vec<(u64, usize, bool)>| {
            let pairs = joins.windows(2);
            pairs
                .filter(|pair| pair[1].2 && pair[0].1 != pair[1].1)
                .count()
        };
        let moved: usize = self.joins.values().map(moved).sum();
        println!(
            "{acknowledged} events acknowledged, each in a ledger, in order; {lost} told as lost, of them {unanswered} in a \
             ledger all the same; {again} came again by `retries`"
        );
        println!(
            "{joins} joins, {recovered} of them with a recovered session, {moved} of these at another node than before"
        );
        println!(
            "{news} news to clients, {doubled} doubled, {over_recovery} missing over a recovery"
        );
        for ((life, n), (clients, at)) in never_sent {
            let at = Duration::from_millis(at).as_secs_f32();
            println!(
                "news {n} of {life} never came to {clients} clients on one connection; the next one came at {at:.1} s"
            );
        }
        println!(
            "{} requests with a session that a node did not know",
            self.refused
        );
        assert!(moved > 0, "no session was recovered at another node");
    }
}
