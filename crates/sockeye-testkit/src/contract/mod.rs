//! The driver contract: what every driver owes on a network that behaves badly, to a peer that means harm, and to who pays
//! for memory and electricity.
//!
//! The cases are played by the [`Driver`]s of the [`scenarios`](crate::scenarios), against servers of raw bytes on TCP:
//! `sockeye_testkit::contract!(MyDriver)` makes one test of each, so that none can be left out; what a driver cannot hold
//! it names in [`Driver::breaks`], with the reason.
//!
//! What a case measures (memory, CPU time) is measured in a process of its own: the test runs itself once more, alone.

mod cost;
mod hostile;
mod memory;
mod network;
mod peer;

use std::fmt::Debug;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::scenarios::{Client, Driver, Log, Options, PATIENCE, Way};
use cost::{
    a_client_that_gave_up_costs_nothing, an_idle_connection_costs_nothing,
    waiting_for_a_server_costs_next_to_nothing,
};
use hostile::{malformed_answers_to_polling, malformed_everything};
use memory::{memory_is_bounded_whatever_answers_say, memory_is_bounded_whatever_messages_say};
use network::{
    broken_handshakes, broken_messages, broken_polling, close_while_a_handshake_stands_still,
    close_while_the_server_reads_nothing, short_writes_to_a_slow_reader, split_reads,
    stalled_reads,
};

/// One case.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name, which is the test's.
    pub name: &'static str,
    play: fn(&dyn Driver),
    /// Whether it looks at its process, and is to be alone in it.
    alone: bool,
}

impl Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Makes the list, and the macro that makes tests of it.
macro_rules! cases {
    ($d:tt $($name:ident $alone:literal)+) => {
        /// Every case.
        pub const ALL: &[Case] = &[$(
            Case { name: stringify!($name), play: $name, alone: $alone }
        ),+];

        /// One test for each case of the driver contract, in a module `contract`: `contract!(MyDriver)`.
        #[macro_export]
        macro_rules! contract {
            ($d driver:expr) => {
                mod contract {
                    use super::*;

                    $(
                        #[test]
                        fn $name() {
                            let test = concat!(module_path!(), "::", stringify!($name));
                            $d crate::contract::play(&$d driver, stringify!($name), test);
                        }
                    )+

                    #[test]
                    fn every_case_is_held_or_left_out_with_a_reason() {
                        $d crate::contract::check(&$d driver);
                    }
                }
            };
        }
    };
}

cases! { $
    split_reads false
    short_writes_to_a_slow_reader false
    stalled_reads false
    broken_messages false
    broken_handshakes false
    broken_polling false
    close_while_a_handshake_stands_still false
    close_while_the_server_reads_nothing false
    malformed_everything false
    malformed_answers_to_polling false
    memory_is_bounded_whatever_messages_say true
    memory_is_bounded_whatever_answers_say true
    an_idle_connection_costs_nothing true
    waiting_for_a_server_costs_next_to_nothing true
    a_client_that_gave_up_costs_nothing true
}

/// Set in the process that is alone.
const ALONE: &str = "SOCKEYE_CONTRACT_ALONE";

/// Plays the case of this name, unless the driver has said why it cannot hold it. `test` is the test's path, the crate in
/// front.
///
/// # Panics
/// The case fails, or there is none of this name.
pub fn play(driver: &dyn Driver, name: &str, test: &str) {
    if let Some((_, reason)) = driver.breaks().iter().find(|(breaks, _)| *breaks == name) {
        println!("not held by {}: {reason}", driver.name());
        return;
    }
    if !driver.is_there() {
        return;
    }
    let case = ALL
        .iter()
        .find(|case| case.name == name)
        .expect("a case of the list");
    if !case.alone || std::env::var_os(ALONE).is_some() {
        return (case.play)(driver);
    }
    if !cfg!(target_os = "linux") {
        println!("not measured: what a process takes is read from Linux's /proc");
        return;
    }
    // One after the other: what is alone in its process shall not have a busy neighbour either.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let program = std::env::current_exe().expect("the test program");
    let test = test.split_once("::").map_or(test, |(_, test)| test);
    let output = Command::new(program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .expect("the test program can be run");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    for line in out.lines() {
        // (The first one stands behind the test's name.)
        if let Some(at) = line.find(MEASURED) {
            println!("{}", &line[at..]);
        }
    }
    let passed = output.status.success() && out.contains("1 passed");
    assert!(passed, "{test}, alone:\n{out}\n{err}");
}

/// What lines with figures begin with.
const MEASURED: &str = "measured: ";

/// Checks what a driver says that it does not hold: each is a case, and has a reason.
///
/// # Panics
/// If not.
pub fn check(driver: &dyn Driver) {
    for (name, reason) in driver.breaks() {
        let known = ALL.iter().any(|case| case.name == *name);
        assert!(known, "{name} is no case");
        let words = reason.split_whitespace().count();
        assert!(words >= 3, "{name} is left out without a reason");
    }
}

/// A client of this URL, with its log.
fn open(driver: &dyn Driver, url: &str, way: Way) -> (Box<dyn Client>, Log) {
    open_with(driver, url, way, |_| ())
}

/// The same, with other options.
fn open_with(
    driver: &dyn Driver,
    url: &str,
    way: Way,
    change: impl FnOnce(&mut Options),
) -> (Box<dyn Client>, Log) {
    let log = Log::default();
    let mut options = Options::new(url, way);
    options.limit = Some(LIMIT);
    change(&mut options);
    (driver.open(options, log.clone()), log)
}

/// What the clients may receive in one packet, in bytes. (Those with fixed memory have less.)
const LIMIT: usize = 64 << 10;

/// Reads the log up to this line; the lines before it.
fn until(log: &Log, wanted: &str) -> Vec<String> {
    let mut before: Vec<String> = Vec::new();
    // (A client that fails for ever says so for ever.)
    let end = std::time::Instant::now() + 4 * PATIENCE;
    loop {
        let line = log.next();
        if line == wanted {
            return before;
        }
        before.push(line);
        assert!(
            std::time::Instant::now() < end,
            "no {wanted:?} after {} lines, the last of them {:?}",
            before.len(),
            before.last()
        );
    }
}
