//! The rig: one client, three byte streams, one clock.

mod answers;
mod outputs;
#[cfg(feature = "msgpack")]
mod packed;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use sockeye_core::packet::EmitArgs;
use sockeye_core::{
    AckId, AckRequest, Client, Config, EmitError, EmitOptions, Entropy, Instant, Link, Memory,
    NamespaceId, NspOptions, Reconnection, Transports, text,
};

use crate::Seeded;
use crate::http::Request;
use crate::server::{Act, Server};

/// The configuration most tests start from: host `h`, no jitter, no time stamps.
pub fn config(transports: Transports) -> Config<'static> {
    let mut config = Config::new(text("h"), Entropy::Seed(7));
    config.transports = transports;
    config.timestamp = sockeye_core::Timestamp::Never;
    config.reconnection = Reconnection {
        jitter_permille: 0,
        ..Reconnection::DEFAULT
    };
    config
}

/// What becomes of the client's wish to open a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It is open at once (or after the latency).
    Accept,
    /// It is refused.
    Refuse,
    /// Nothing happens until [`Rig::opened`].
    Hold,
}

/// How bytes for the client are cut into reads.
#[derive(Clone, Debug)]
pub enum Pieces {
    /// As much as there is room for.
    Whole,
    /// At most so many at a time.
    Of(usize),
    /// Random sizes.
    Random(Seeded),
}

#[derive(Debug, Default)]
struct Conn {
    open: bool,
    opening: bool,
    /// Bytes from the client that do not make up a request or frame yet.
    out: Vec<u8>,
    /// Frames, not requests.
    frames: bool,
    requests: VecDeque<Request>,
    /// Counts openings, so that what was meant for an older connection is dropped.
    epoch: u32,
}

/// See the [crate] documentation.
#[derive(Debug)]
pub struct Rig<'a> {
    /// The client under test. After giving it a command by hand, call [`Self::drain`].
    pub client: Client<'a>,
    /// What happens when the client opens a link.
    pub opening: Opening,
    /// How reads are cut.
    pub pieces: Pieces,
    /// At most so many bytes are taken by one write; 0 blocks the link until [`Self::writable`].
    pub write: [usize; 3],
    /// The `auth` payload given whenever it is asked for; `None` leaves that to the test.
    pub auth: Option<String>,
    /// The script on the other side; `None`: the test answers.
    pub server: Option<Server>,
    /// Whether the client's requests must wait for each other's answers. Off where the test feeds nonsense.
    pub strict: bool,
    /// Poll by [`Client::poll_detached`] instead of [`Client::poll_output`].
    pub detached: bool,
    /// Have the client look at everything in each poll: it takes no short way where nothing but packets come and go.
    pub thorough: bool,
    /// All lines, where they are wanted, besides the log.
    pub history: Option<String>,
    /// Give random commands from within events: while they are detached, or just after.
    pub meddle: Option<Seeded>,
    /// Acknowledgements that such commands wait for.
    pub meddled: Vec<AckId>,
    /// Whether everything that the client writes is kept in `raw`.
    pub keep_raw: bool,
    /// What the client has written on each link.
    pub raw: [Vec<u8>; 3],
    /// How long bytes and openings travel.
    pub latency: Duration,
    /// What messages wanted answers, oldest first.
    pub wanted: VecDeque<AckRequest>,
    /// Masks of all frames so far.
    pub masks: Vec<[u8; 4]>,
    /// The most outputs that one drain took.
    pub longest_drain: usize,
    /// Compression has been agreed on: frames may be anything.
    compressed: bool,
    now: Instant,
    logged_at: Instant,
    log: String,
    quiet: bool,
    wake: Option<Instant>,
    conns: [Conn; 3],
    names: Vec<(NamespaceId, String)>,
    /// What is under way to the client: time, order, link, epoch, act.
    travelling: Vec<(Instant, u64, Link, u32, Act)>,
    order: u64,
    depth: u32,
    /// The driver does not read: what comes waits on its way.
    paused: bool,
    #[cfg(feature = "msgpack")]
    announced: Option<packed::Announced>,
}

const WORD: [&str; 3] = ["get", "post", "ws"];

fn word(link: Link) -> &'static str {
    WORD[link.index()]
}

impl<'a> Rig<'a> {
    /// A rig at time 0 around a client that does nothing yet.
    pub fn new(config: Config<'a>, memory: Memory<'a>) -> Self {
        Self {
            client: Client::new(config, memory),
            opening: Opening::Accept,
            pieces: Pieces::Whole,
            write: [usize::MAX; 3],
            auth: None,
            server: None,
            strict: true,
            detached: false,
            thorough: false,
            history: None,
            meddle: None,
            meddled: Vec::new(),
            keep_raw: false,
            raw: [Vec::new(), Vec::new(), Vec::new()],
            latency: Duration::ZERO,
            wanted: VecDeque::new(),
            masks: Vec::new(),
            compressed: false,
            longest_drain: 0,
            now: Instant::ZERO,
            logged_at: Instant::ZERO,
            log: String::new(),
            quiet: false,
            wake: None,
            conns: [Conn::default(), Conn::default(), Conn::default()],
            names: Vec::new(),
            travelling: Vec::new(),
            order: 0,
            depth: 0,
            paused: false,
            #[cfg(feature = "msgpack")]
            announced: None,
        }
    }

    // ---- the log ----

    /// Adds a line of the test's own.
    pub fn line(&mut self, line: &str) {
        if self.quiet {
            return;
        }
        if self.now != self.logged_at {
            self.logged_at = self.now;
            let _ = writeln!(self.log, "@{}", self.now.as_millis());
        }
        if let Some(history) = &mut self.history {
            let _ = writeln!(history, "@{} {line}", self.now.as_millis());
        }
        self.log.push_str(line);
        self.log.push('\n');
    }

    /// Whether lines are kept. Off for runs with very much traffic.
    pub const fn set_quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    /// The lines since the last look.
    pub fn take_log(&mut self) -> String {
        std::mem::take(&mut self.log)
    }

    /// Only the lines that are not about bytes and links: what the application sees.
    pub fn take_events(&mut self) -> String {
        let log = self.take_log();
        let wire = |line: &&str| {
            !(line.contains("> ") && WORD.iter().any(|w| line.starts_with(&format!("{w}> ")))
                || WORD
                    .iter()
                    .any(|w| line.starts_with(&format!("{w}< ")) || *line == format!("{w}>"))
                || line.starts_with("open ")
                || line.starts_with("close ")
                || line.starts_with('@'))
        };
        log.lines()
            .filter(wire)
            .fold(String::new(), |mut all, line| {
                all.push_str(line);
                all.push('\n');
                all
            })
    }

    /// Compares the lines since the last look with `expected`, whose indentation and blank edge lines do not count.
    ///
    /// # Panics
    /// If they differ.
    #[track_caller]
    pub fn expect(&mut self, expected: &str) {
        let log = self.take_log();
        let want: Vec<&str> = expected
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let got: Vec<&str> = log.lines().map(str::trim).collect();
        if want != got {
            let mut report = String::from("the lines differ:\n");
            let same = want.iter().zip(&got).take_while(|(a, b)| a == b).count();
            for line in &got[..same] {
                let _ = writeln!(report, "    {line}");
            }
            for line in &want[same..] {
                let _ = writeln!(report, "  - {line}");
            }
            for line in &got[same..] {
                let _ = writeln!(report, "  + {line}");
            }
            panic!("{report}");
        }
    }

    // ---- time ----

    /// The time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The client's next deadline.
    pub const fn wake(&self) -> Option<Instant> {
        self.wake
    }

    /// Lets `ms` milliseconds pass, from deadline to deadline.
    pub fn pass(&mut self, ms: u64) {
        self.run_until(self.now + Duration::from_millis(ms));
    }

    /// Lets time pass until `end`, from deadline to deadline.
    ///
    /// # Panics
    /// If a deadline does not move although it has been served.
    pub fn run_until(&mut self, end: Instant) {
        let mut stuck = 0;
        loop {
            let paused = self.paused;
            let arrives = |act: &Act| !paused || matches!(act, Act::Opened);
            let travelling = self.travelling.iter();
            let travel = travelling
                .filter(|(.., act)| arrives(act))
                .map(|(at, ..)| *at)
                .min();
            let tick = self.server.as_ref().and_then(Server::wake);
            let next = [self.wake, travel, tick]
                .into_iter()
                .flatten()
                .min()
                .filter(|at| *at <= end);
            let Some(next) = next else { break };
            stuck = if next > self.now { 0 } else { stuck + 1 };
            assert!(stuck < 10_000, "the deadline {next:?} does not move");
            self.now = self.now.max(next);
            if self.wake.is_some_and(|at| at <= self.now) {
                self.client.handle_timeout(self.now);
                self.drain();
            }
            self.arrivals();
            if let Some(mut server) = self.server.take() {
                let acts = server.tick(self.now);
                self.server = Some(server);
                self.perform(acts);
            }
        }
        self.now = self.now.max(end);
    }

    /// The clock jumps while the device sleeps: nothing is served, nothing is told.
    pub fn sleep(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
    }

    fn arrivals(&mut self) {
        while let Some(i) = (0..self.travelling.len())
            .filter(|i| {
                let (at, .., act) = &self.travelling[*i];
                *at <= self.now && (!self.paused || matches!(act, Act::Opened))
            })
            .min_by_key(|i| (self.travelling[*i].0, self.travelling[*i].1))
        {
            let (_, _, link, epoch, act) = self.travelling.remove(i);
            if self.conns[link.index()].epoch != epoch {
                continue;
            }
            match act {
                Act::Opened => self.opened(link),
                Act::Bytes(_, bytes) => {
                    if let Some(server) = &mut self.server {
                        server.delivered(&bytes);
                    }
                    self.feed(link, &bytes);
                }
                Act::Close(_) => self.cut(link),
            }
        }
    }

    /// What the server wants to happen, after the latency.
    pub(crate) fn perform(&mut self, acts: Vec<Act>) {
        for act in acts {
            let link = match &act {
                Act::Bytes(link, _) | Act::Close(link) => *link,
                Act::Opened => continue,
            };
            self.travel(link, act);
        }
        if self.latency.is_zero() && self.depth == 0 {
            self.depth += 1;
            self.arrivals();
            self.depth -= 1;
        }
    }

    /// The driver stops reading, or goes on: what has come meanwhile is read then.
    pub fn pause_reading(&mut self, paused: bool) {
        self.paused = paused;
        self.client.handle_reading_paused(self.now, paused);
        self.drain();
        if !paused {
            self.arrivals();
        }
    }

    pub(crate) const fn is_paused(&self) -> bool {
        self.paused
    }

    pub(crate) fn travel(&mut self, link: Link, act: Act) {
        self.order += 1;
        let epoch = self.conns[link.index()].epoch;
        self.travelling
            .push((self.now + self.latency, self.order, link, epoch, act));
    }

    /// Something the server does on its own.
    ///
    /// # Panics
    /// Without a server.
    pub fn serve(&mut self, act: impl FnOnce(&mut Server) -> Vec<Act>) {
        self.agree();
        let mut server = self.server.take().expect("a server");
        let acts = act(&mut server);
        self.server = Some(server);
        self.perform(acts);
    }

    // ---- the client ----

    /// Adds a namespace.
    ///
    /// # Panics
    /// If the client refuses it.
    pub fn namespace(&mut self, name: &str, options: NspOptions) -> NamespaceId {
        let nsp = self
            .client
            .namespace(name, options)
            .expect("room for a namespace");
        let name = self.client.name(nsp).to_owned();
        self.names.retain(|(old, _)| *old != nsp);
        self.names.push((nsp, name));
        nsp
    }

    /// Adds a namespace and connects it.
    pub fn connect(&mut self, name: &str) -> NamespaceId {
        let nsp = self.namespace(name, NspOptions::default());
        self.client.connect(self.now, nsp);
        self.drain();
        nsp
    }

    /// Disconnects a namespace.
    pub fn disconnect(&mut self, nsp: NamespaceId) {
        self.client.disconnect(self.now, nsp);
        self.drain();
    }

    /// Emits, and lets the client work.
    ///
    /// # Errors
    /// The client's.
    pub fn emit(
        &mut self,
        nsp: NamespaceId,
        event: &str,
        args: &(impl EmitArgs + ?Sized),
        options: EmitOptions,
    ) -> Result<Option<AckId>, EmitError> {
        let result = self.client.emit(self.now, nsp, event, args, options);
        self.drain();
        result
    }

    /// Answers the oldest message that wanted it.
    ///
    /// # Errors
    /// The client's.
    ///
    /// # Panics
    /// If no message waits for an answer.
    pub fn answer(&mut self, args: &(impl EmitArgs + ?Sized)) -> Result<(), EmitError> {
        let request = self
            .wanted
            .pop_front()
            .expect("a message that wants an answer");
        let result = self.client.ack(self.now, request, args);
        self.drain();
        result
    }
}
