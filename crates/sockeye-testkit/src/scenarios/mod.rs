//! One list of scenarios for every driver: what a Socket.IO client does, whatever moves its bytes.
//!
//! The scenarios are written once, against two small traits: a [`Driver`] opens clients, a [`Client`] is told what to
//! do, and writes down what it is told in a [`Log`], one line each. [`scenarios!`](crate::scenarios!) makes one test of
//! each for a driver, so that none can be left out; what a driver cannot play it names in [`Driver::lacks`], with the
//! reason. The other side is the scripted [`Server`](crate::Server) on a TCP port ([`Host`](crate::host::Host)).
//!
//! Drivers test what is theirs alone elsewhere; here is what must not differ.
//!
//! | line | means |
//! |---|---|
//! | `joined NSP`, `joined NSP recovered` | the namespace is joined, anew or with the session that it had |
//! | `left NSP REASON` | it was left or lost, in the official client's words |
//! | `refused NSP MESSAGE DATA` | the server refused it; `DATA` is JSON, `-` if there is none |
//! | `failed` | the first attempt of a connection, or one after a loss, has failed |
//! | `event NSP NAME ARGS` | an event that [`Client::on`] has asked for; each attachment follows as `<hex>` |
//! | `answer N ARGS`, `no answer N REASON` | the end of a question: `timeout`, `disconnected` or `dropped` |

mod list;

use std::fmt::Debug;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use crate::host::PATIENCE;
pub use list::ALL;

/// Which transports are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// WebSocket alone.
    WebSocket,
    /// Polling alone.
    Polling,
    /// Polling, then WebSocket.
    Upgrade,
}

/// All of them.
pub const WAYS: [Way; 3] = [Way::WebSocket, Way::Polling, Way::Upgrade];

/// How a client is to behave. Delays before reconnections are a few milliseconds.
#[derive(Clone, Debug)]
pub struct Options {
    /// The URL: the path is the namespace.
    pub url: String,
    /// The transports.
    pub way: Way,
    /// The `auth` payload is computed for each CONNECT of the first namespace: `{"n":1}`, `{"n":2}`, …
    pub counted_auth: bool,
    /// A header of every request.
    pub header: Option<(&'static str, &'static str)>,
    /// Whether it comes back by itself.
    pub reconnection: bool,
    /// The `retries` queue of the first namespace, with so long for each try.
    pub retries: Option<(u32, Duration)>,
    /// The most bytes of one received packet (`Limits::receive`). Drivers with fixed memory have the size of that.
    pub limit: Option<usize>,
    /// The delays before reconnections are the default instead.
    pub patient: bool,
}

impl Options {
    /// Of a client of this URL that reconnects, and nothing more.
    pub fn new(url: impl Into<String>, way: Way) -> Self {
        Self {
            url: url.into(),
            way,
            counted_auth: false,
            header: None,
            reconnection: true,
            retries: None,
            limit: None,
            patient: false,
        }
    }
}

/// A way of driving the core.
pub trait Driver {
    /// `tokio`, `blocking`, `embedded`, …
    fn name(&self) -> &'static str;

    /// The scenarios that it cannot play, each with the reason.
    fn lacks(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The cases of the [`contract`](crate::contract) that it does not hold, each with the reason.
    fn breaks(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Whether it can run on this machine. It says what is missing.
    fn is_there(&self) -> bool {
        true
    }

    /// Begins a client that connects in the background, and writes down what happens.
    fn open(&self, options: Options, log: Log) -> Box<dyn Client>;
}

/// Arguments: a JSON array, and what its placeholders stand for.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    /// The array.
    pub json: &'a str,
    /// The attachments.
    pub attachments: &'a [&'a [u8]],
}

impl<'a> From<&'a str> for Args<'a> {
    fn from(json: &'a str) -> Self {
        let attachments = &[];
        Self { json, attachments }
    }
}

/// A client under test. Nothing here waits, but [`close`](Self::close).
pub trait Client {
    /// Events of this name in this namespace are written down from now on, and answered with `answer`, a JSON array, where
    /// the server wants that.
    fn on(&mut self, nsp: &str, event: &str, answer: Option<&'static str>);
    /// Emits an event; whether it was accepted.
    fn emit(&mut self, nsp: &str, event: &str, args: Args<'_>) -> bool;
    /// Emits an event now or never; whether it was accepted.
    fn emit_volatile(&mut self, nsp: &str, event: &str, args: Args<'_>) -> bool;
    /// Emits an event that wants an answer. Its end is written down under `question`.
    fn ask(
        &mut self,
        nsp: &str,
        event: &str,
        args: Args<'_>,
        question: u32,
        timeout: Option<Duration>,
    );
    /// Joins a namespace, for the first time or again.
    fn join(&mut self, nsp: &str);
    /// Leaves a namespace.
    fn leave(&mut self, nsp: &str);
    /// Whether it is joined.
    fn is_connected(&mut self, nsp: &str) -> bool;
    /// Sends what was emitted, says goodbye, and waits for both.
    fn close(self: Box<Self>);
    /// Ends it in any state, as `close` does, but whatever has become of what was emitted.
    fn end(self: Box<Self>);
    /// The process that the client is, if it is not this one.
    fn process(&self) -> Option<u32> {
        None
    }
}

/// What a client was told, line by line. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Debug, Default)]
struct Lines {
    all: Vec<String>,
    read: usize,
}

impl Log {
    /// Writes a line.
    pub fn write(&self, line: impl Into<String>) {
        let (lines, changed) = &*self.0;
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.all.push(line.into());
        changed.notify_all();
    }

    /// Writes an event or an answer: `head`, the JSON of the arguments, and the attachments.
    pub fn write_args<'a>(
        &self,
        head: &str,
        json: &str,
        attachments: impl IntoIterator<Item = &'a [u8]>,
    ) {
        let mut line = format!("{head} {json}");
        for bytes in attachments {
            line.push_str(&format!(" <{}>", crate::words::hex(bytes)));
        }
        self.write(line);
    }

    /// The next line that was not read yet; waits for it.
    ///
    /// # Panics
    /// It does not come within [`PATIENCE`].
    pub fn next(&self) -> String {
        let end = Instant::now() + PATIENCE;
        let (lines, changed) = &*self.0;
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(line) = lines.all.get(lines.read) {
                let line = line.clone();
                lines.read += 1;
                return line;
            }
            let left = end.saturating_duration_since(Instant::now());
            let all = &lines.all;
            assert!(
                !left.is_zero(),
                "no further line within {PATIENCE:?} after {all:?}"
            );
            lines = match changed.wait_timeout(lines, left) {
                Ok((lines, _)) => lines,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// The next lines are these. `failed` is passed over: how often it takes is the network's matter.
    ///
    /// # Panics
    /// They are not.
    #[track_caller]
    pub fn expect<S: AsRef<str>>(&self, wanted: &[S]) {
        for wanted in wanted {
            let next = loop {
                let next = self.next();
                if next != "failed" || wanted.as_ref() == "failed" {
                    break next;
                }
            };
            let (lines, _) = &*self.0;
            let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            assert_eq!(next, wanted.as_ref(), "of {:?}", lines.all);
        }
    }

    /// Takes the next lines, which have to be these in any order: each answer may be awaited by a thread of its own, which
    /// runs when it can.
    ///
    /// # Panics
    /// They are others.
    pub fn expect_in_any_order(&self, wanted: &[&str]) {
        let mut lines: Vec<String> = wanted.iter().map(|_| self.next()).collect();
        lines.sort_unstable();
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        assert_eq!(lines, wanted);
    }

    /// The next line begins so.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn expect_start(&self, wanted: &str) {
        let next = self.next();
        assert!(next.starts_with(wanted), "{next:?} instead of {wanted:?}…");
    }

    /// Everything was read.
    ///
    /// # Panics
    /// It was not.
    #[track_caller]
    pub fn is_read(&self) {
        let (lines, _) = &*self.0;
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = &lines.all[lines.read..];
        assert!(rest.is_empty(), "nobody waits for {rest:?}");
    }
}

/// One scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name, which is the test's.
    pub name: &'static str,
    play: fn(&dyn Driver),
}

impl Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Plays the scenario of this name, unless the driver has said why it cannot.
///
/// # Panics
/// The scenario fails, or there is none of this name.
pub fn play(driver: &dyn Driver, name: &str) {
    if let Some((_, reason)) = driver.lacks().iter().find(|(lacks, _)| *lacks == name) {
        println!("not with {}: {reason}", driver.name());
        return;
    }
    if !driver.is_there() {
        return;
    }
    let scenario = ALL.iter().find(|scenario| scenario.name == name);
    (scenario.expect("a scenario of the list").play)(driver);
}

/// Checks what a driver says that it lacks: each is a scenario, and has a reason.
///
/// # Panics
/// If not.
pub fn check_lacks(driver: &dyn Driver) {
    for (name, reason) in driver.lacks() {
        let known = ALL.iter().any(|scenario| scenario.name == *name);
        assert!(known, "{name} is no scenario");
        let words = reason.split_whitespace().count();
        assert!(words >= 3, "{name} is left out without a reason");
    }
    let played = ALL.len() - driver.lacks().len();
    assert!(
        played * 4 >= ALL.len() * 3,
        "{} plays {played} alone",
        driver.name()
    );
}
