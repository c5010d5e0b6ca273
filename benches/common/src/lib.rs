//! What every benchmark client shares: the job from the command line, the payload, the check that everything arrived in
//! order, and the report that the runner reads. Nothing here depends on a Socket.IO library or on a runtime.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// The namespace-less address suffix that the hard-coded client sends; the libraries build the same by themselves.
pub const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

/// Errors of the benchmark clients are for a person to read, so one boxed type does.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The small typed payload of every row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reading {
    /// Runs through `FIRST_ID..FIRST_ID + CYCLE`, again and again: see [`Sequence`].
    pub id: u32,
    /// A temperature.
    pub t: f32,
    /// A flag.
    pub ok: bool,
    /// Owned, because that is what a handler that outlives the read buffer gets.
    pub name: String,
}

impl Reading {
    /// The reading number `n` of a run, as the load server sends it too.
    #[must_use]
    pub fn number(n: u32) -> Self {
        Self {
            id: Self::id(n),
            t: 21.53,
            ok: true,
            name: "kitchen".to_owned(),
        }
    }

    /// The id of the reading number `n`.
    #[must_use]
    pub fn id(n: u32) -> u32 {
        FIRST_ID + n % CYCLE
    }
}

/// The first id; all ids have four digits, so every frame of a row has the same length.
pub const FIRST_ID: u32 = 1000;
/// How many different events the server pre-builds.
pub const CYCLE: u32 = 1000;
/// Size of the attachment in the binary rows. It begins with the id as four ASCII digits: rust_socketio splits attachments
/// at bytes 0x1e (the separator of long polling), so the big-endian id 1054 would end its run.
pub const ATTACHMENT: usize = 1024;

/// The file with the authority (PEM) that has signed the server's certificate.
///
/// # Errors
/// The runner has not told it.
pub fn authority() -> Result<std::ffi::OsString, Error> {
    std::env::var_os("BENCH_AUTHORITY").ok_or_else(|| "BENCH_AUTHORITY is not set".into())
}

/// Checks that events arrive complete and in order, for the price of a comparison. One thread counts; the atomic is for
/// handlers that must be `Fn`.
#[derive(Debug)]
pub struct Sequence {
    seen: AtomicU32,
    count: u32,
}

impl Sequence {
    /// Expects `count` events.
    #[must_use]
    pub fn new(count: u32) -> Self {
        Self {
            seen: AtomicU32::new(0),
            count,
        }
    }

    /// Takes the id of the next event; true when it was the last one.
    ///
    /// # Panics
    /// If the id is not the expected one: a client that loses or swaps events has no figures worth printing.
    pub fn take(&self, id: u32) -> bool {
        let seen = self.seen.load(Ordering::Relaxed);
        assert_eq!(
            id,
            Reading::id(seen),
            "event {seen} of {} is lost or out of order",
            self.count
        );
        self.seen.store(seen + 1, Ordering::Relaxed);
        seen + 1 == self.count
    }

    /// The same for an attachment, which carries the id in its first four bytes.
    ///
    /// # Panics
    /// As [`Self::take`], and if the length is wrong.
    pub fn take_attachment(&self, bytes: &[u8]) -> bool {
        assert_eq!(
            bytes.len(),
            ATTACHMENT,
            "an attachment has the wrong length"
        );
        self.take(attachment_id(bytes))
    }
}

/// The id at the beginning of an attachment.
#[must_use]
pub fn attachment_id(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .take(4)
        .fold(0, |id, digit| id * 10 + u32::from(digit.wrapping_sub(b'0')))
}

/// One run of one row: `CLIENT ROW PORT COUNT`.
#[derive(Clone, Debug)]
pub struct Job {
    /// The row's name, also the name of the load server's scenario.
    pub row: String,
    /// The load server's port on 127.0.0.1.
    pub port: u16,
    /// Events, acks or connections.
    pub count: u32,
}

impl Job {
    /// Reads the command line, or says how to call the program. A panic in any task ends the process from here on: nobody
    /// would come back to a client that waits for a dead task.
    ///
    /// # Errors
    /// If it is not `ROW PORT COUNT`.
    pub fn from_args() -> Result<Self, Error> {
        std::panic::set_hook(Box::new(|panic| {
            eprintln!("{panic}");
            std::process::exit(101);
        }));
        let args: Vec<String> = std::env::args().skip(1).collect();
        let [row, port, count] = args.as_slice() else {
            return Err("usage: CLIENT ROW PORT COUNT (see benches/README.md)".into());
        };
        Ok(Self {
            row: row.clone(),
            port: port.parse()?,
            count: count.parse()?,
        })
    }

    /// The row without its size, and the size: `acks-100` is `acks` with 100.
    #[must_use]
    pub fn sized(&self) -> (&str, u32) {
        self.row
            .rsplit_once('-')
            .and_then(|(name, size)| Some((name, size.parse().ok()?)))
            .unwrap_or((&self.row, 0))
    }

    /// `scenario=ROW&count=COUNT`: the part of the query that tells the load server what to do.
    #[must_use]
    pub fn query(&self) -> String {
        format!("scenario={}&count={}", self.row, self.count)
    }
}

/// The name of the namespace number `n` in the `namespaces` rows: all have the same length.
#[must_use]
pub fn namespace(n: u32) -> String {
    format!("/n{n:03}")
}

/// Wall clock and processor time of the measured part, which starts when the namespace is joined.
#[derive(Debug)]
pub struct Stopwatch {
    started: Instant,
    cpu: u64,
}

impl Stopwatch {
    /// Starts the clocks.
    #[must_use]
    pub fn start() -> Self {
        Self {
            cpu: cpu_nanos(),
            started: Instant::now(),
        }
    }

    /// Stops them and prints the line that the runner reads.
    pub fn report(&self) {
        let nanos = self.started.elapsed().as_nanos();
        println!("nanos={nanos} cpu={}", cpu_nanos() - self.cpu);
    }
}

/// Prints the growth of resident memory since `before` (from [`resident_bytes`]) .
pub fn report_memory(before: u64) {
    println!("bytes={}", resident_bytes().saturating_sub(before));
}

/// Resident memory of this process.
///
/// # Panics
/// On systems without `/proc`: the benchmark runs on Linux.
#[must_use]
pub fn resident_bytes() -> u64 {
    let status =
        fs::read_to_string("/proc/self/status").expect("the benchmark needs Linux's /proc");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("VmRSS in /proc/self/status");
    let kib: u64 = line
        .split_ascii_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("VmRSS is a number");
    kib * 1024
}

/// Processor time of all threads of this process so far, user and kernel.
fn cpu_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}
