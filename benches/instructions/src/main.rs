//! `bench-instructions CLIENT ROW COUNT`: the rows receive, emit and ack of the benchmarks, with a server in memory in place
//! of sockets: what runs is the same in every run, up to the seeds of hash tables. `tests/budget.rs` has callgrind count.

mod core_client;
mod peer;
mod tokio_client;

use serde::{Deserialize, Serialize};

/// How many different events there are.
const CYCLE: u32 = 1000;

/// What is done so many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// Takes `42["event",{"id":1000,"t":21.53,"ok":true,"name":"kitchen"}]` as a typed struct.
    Receive,
    /// Emits that.
    Emit,
    /// Emits it, and takes the typed answer before the next one.
    Ack,
}

/// As in the benchmarks.
#[derive(Serialize, Deserialize)]
struct Reading {
    id: u32,
    t: f32,
    ok: bool,
    name: String,
}

impl Reading {
    fn number(n: u32) -> Self {
        Self {
            id: Self::id(n),
            t: 21.53,
            ok: true,
            name: "kitchen".to_owned(),
        }
    }

    /// All ids have four digits.
    fn id(n: u32) -> u32 {
        1000 + n % CYCLE
    }

    /// Whether it is the one with this number.
    fn check(&self, n: u32) {
        assert_eq!(self.id, Self::id(n), "lost, or out of order");
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [client, row, count] = args[..] else {
        panic!("usage: core|sockeye receive|emit|ack COUNT");
    };
    let row = match row {
        "receive" => Row::Receive,
        "emit" => Row::Emit,
        "ack" => Row::Ack,
        other => panic!("there is no row {other}"),
    };
    let count: u32 = count.parse().expect("a number");
    match client {
        "core" => core_client::run(row, count),
        "sockeye" => tokio_client::run(row, count),
        other => panic!("there is no client {other}"),
    }
}
