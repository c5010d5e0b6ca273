//! A year in the life of a client, on a clock that jumps: heartbeats, outages from milliseconds to weeks, refusals,
//! recoveries, a device that sleeps. Nothing leaks, no delay drifts, and every counter passes its end.

use std::collections::BTreeMap;
use std::time::Duration;

use sockeye_core::{
    AckId, Config, EmitError, EmitOptions, Limits, Memory, NamespaceId, NspOptions, Reconnection,
    Storage, Transports,
};
use sockeye_testkit::{Opening, Rig, Seeded, Server, Settings, config};

type Device = Storage<4096, 4096, 8, 32, 4, 1024>;

const SECOND: u64 = 1000;
const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// What has been seen of a year, and what is expected of it.
struct Year<'a> {
    rig: Rig<'a>,
    seeded: Seeded,
    policy: Reconnection,
    /// With `retries`, and without.
    nsps: [NamespaceId; 2],
    /// Acknowledgements that were given out and have not been resolved.
    waiting: BTreeMap<u64, usize>,
    emitted: u64,
    answered: u64,
    failed: u64,
    /// Events that the server has emitted for good, and those that have come.
    kept: u64,
    came: u64,
    /// Sessions lost for a reason, and all.
    troubles: u64,
    sessions: u32,
    reconnections: u64,
    delays: u64,
    pings: u64,
    refused: u64,
    recovered: u64,
    /// Packets and acknowledgements that find room while the client is offline: the same every time.
    room: Option<(usize, usize)>,
}

impl<'a> Year<'a> {
    fn new(mut config: Config<'a>, memory: Memory<'a>, seed: u64) -> Self {
        // A minute, and a ping a minute: of everything there are some hundred thousand in a year all the same.
        config.reconnection = Reconnection {
            delay_max: Duration::from_secs(60),
            ..Reconnection::DEFAULT
        };
        let policy = config.reconnection;
        let mut rig = Rig::new(config, memory);
        rig.client.age(25);
        rig.server = Some(Server::new(Settings {
            ping_interval: 60_000,
            ping_timeout: 20_000,
            recovery: true,
            ..Settings::default()
        }));
        rig.latency = Duration::from_millis(40);
        let mut options = NspOptions::default();
        options.retries = Some(1000);
        options.ack_timeout = Some(Duration::from_secs(30));
        let nsps = [
            rig.namespace("/", options),
            rig.namespace("/plain", NspOptions::default()),
        ];
        let now = rig.now();
        nsps.iter().for_each(|nsp| rig.client.connect(now, *nsp));
        rig.drain();
        Self {
            rig,
            seeded: Seeded::new(seed),
            policy,
            nsps,
            waiting: BTreeMap::new(),
            emitted: 0,
            answered: 0,
            failed: 0,
            kept: 0,
            came: 0,
            troubles: 0,
            sessions: 1,
            reconnections: 0,
            delays: 0,
            pings: 0,
            refused: 0,
            recovered: 0,
            room: None,
        }
    }

    /// Between the one and the other; each order of magnitude is as likely.
    fn span(&mut self, least: u64, most: u64) -> u64 {
        let magnitudes = (most / least).ilog2() as usize + 1;
        let scale = least << self.seeded.below(magnitudes);
        (scale + self.seeded.next() % scale).min(most)
    }

    fn pass(&mut self, ms: u64) {
        self.rig.pass(ms);
        self.look();
    }

    /// Takes the lines since the last look for what they say.
    fn look(&mut self) {
        let log = self.rig.take_log();
        for line in log.lines() {
            let mut words = line.split(' ');
            match words.next() {
                Some("ack") => {
                    let number = words.next().and_then(|id| id.strip_prefix('#'));
                    let number: u64 = number.and_then(|n| n.parse().ok()).expect("a number");
                    let which = self.waiting.remove(&number);
                    let which = which.unwrap_or_else(|| panic!("resolved twice: {line}"));
                    if line.contains('[') {
                        self.answered += 1;
                    } else {
                        assert!(which == 1, "with `retries` every event is answered: {line}");
                        self.failed += 1;
                    }
                }
                Some("message") => {
                    let number = line.split(&['[', ',', ']']).nth(1);
                    let number: u64 = number.and_then(|n| n.parse().ok()).expect("a number");
                    assert_eq!(number, self.came, "exactly what was missed: {line}");
                    self.came += 1;
                }
                Some("reconnecting") => {
                    let delay = words.nth(2).and_then(|ms| ms.parse::<u64>().ok());
                    let delay = Duration::from_millis(delay.expect("a delay"));
                    let least = self.policy.delay / 2 - Duration::from_millis(1);
                    assert!(delay >= least && delay <= self.policy.delay_max, "{line}");
                    self.delays += 1;
                }
                Some("reconnected") => self.reconnections += 1,
                Some("connected") => self.recovered += u64::from(line.contains("recovered")),
                Some("connect") => self.refused += 1,
                Some("ping") => self.pings += 1,
                Some("unsent" | "dropped" | "refused") => panic!("nothing is given up: {line}"),
                _ => (),
            }
        }
        // What tests keep for themselves.
        self.rig.masks.clear();
        let server = self.rig.server.as_mut().expect("a server");
        assert_eq!(server.violations, Vec::<String>::new());
        server.received.clear();
        server.auths.clear();
    }

    fn emit(&mut self, which: usize) -> Result<(), EmitError> {
        let result = self.rig.emit(
            self.nsps[which],
            "reading",
            &(self.emitted,),
            EmitOptions::ACK,
        );
        self.look_before_ack(result?, which);
        Ok(())
    }

    fn look_before_ack(&mut self, id: Option<AckId>, which: usize) {
        let id = id.expect("an acknowledgement");
        assert!(
            self.waiting.insert(id.get(), which).is_none(),
            "an id twice"
        );
        self.emitted += 1;
        self.look();
    }

    /// The session works: nothing is left of anything, and no session was lost but for a reason.
    fn calm(&mut self) {
        self.pass(240 * SECOND);
        let client = &self.rig.client;
        for nsp in self.nsps {
            assert!(
                client.is_connected(nsp),
                "{} at {:?}",
                client.name(nsp),
                self.rig.now()
            );
        }
        assert_eq!(
            (
                client.send_queue_len(),
                client.send_queue_bytes(),
                client.pending_acks()
            ),
            (0, 0, 0)
        );
        assert_eq!(client.written_mark(), client.send_mark());
        assert_eq!(self.waiting, BTreeMap::new());
        assert_eq!(self.came, self.kept);
        self.sessions = self.rig.server.as_ref().expect("a server").sessions();
    }

    /// A while without trouble: readings, news, heartbeats. No session is lost in it.
    fn work(&mut self, ms: u64) {
        let sessions = self.rig.server.as_ref().expect("a server").sessions();
        let end = self.rig.now().as_millis() + ms;
        while self.rig.now().as_millis() < end {
            let pause = self.span(SECOND, 4 * HOUR);
            self.pass(pause.min(end - self.rig.now().as_millis()));
            let which = self.seeded.below(2);
            self.emit(which).expect("room");
            self.news();
        }
        self.pass(2 * SECOND);
        assert_eq!(self.waiting, BTreeMap::new());
        let server = self.rig.server.as_ref().expect("a server");
        assert_eq!(
            server.sessions(),
            sessions,
            "no session is lost without a reason"
        );
    }

    fn news(&mut self) {
        let json = format!("[\"news\",{}]", self.kept);
        self.kept += 1;
        self.rig.serve(|server| server.emit_kept(&json));
        self.look();
    }

    /// The server cannot be reached for so long.
    fn outage(&mut self, ms: u64) {
        let refuses = self.seeded.below(3) > 0;
        self.rig.opening = if refuses {
            Opening::Refuse
        } else {
            Opening::Hold
        };
        self.rig.serve(Server::drop_session);
        self.rig.break_all();
        self.look();
        // A little of what happens meanwhile.
        for _ in 0..3 {
            self.pass(ms / 3);
            self.emit(0).expect("room");
            self.news();
        }
        self.rig.opening = Opening::Accept;
        for link in sockeye_core::Link::ALL {
            self.rig.refused(link);
        }
        self.look();
    }

    /// As much as there is room for is emitted while the client is offline: as much as ever.
    fn fill(&mut self) {
        self.rig.opening = Opening::Refuse;
        self.rig.serve(Server::drop_session);
        self.rig.break_all();
        self.look();
        let mut plain = 0;
        while self.emit(1).is_ok() {
            plain += 1;
        }
        let waiting = self.rig.client.pending_acks();
        let mut packets = 0;
        while self
            .rig
            .emit(
                self.nsps[1],
                "more",
                &("of the same length",),
                EmitOptions::PLAIN,
            )
            .is_ok()
        {
            packets += 1;
        }
        assert_eq!(plain, waiting);
        let room = (packets, waiting);
        assert_eq!(
            *self.room.get_or_insert(room),
            room,
            "less room than at the beginning"
        );
        self.rig.opening = Opening::Accept;
    }

    /// The device sleeps, and nobody hears the server meanwhile.
    fn sleep(&mut self, ms: u64) {
        self.rig.sleep(ms);
        let now = self.rig.now();
        self.rig.client.handle_timeout(now);
        self.rig.drain();
        self.look();
    }

    /// The server refuses a namespace, the program asks again later.
    fn refusal(&mut self) {
        let server = self.rig.server.as_mut().expect("a server");
        server.settings.refused = vec!["/plain"];
        self.rig.serve(Server::drop_session);
        self.rig.break_all();
        self.pass(HOUR);
        assert!(!self.rig.client.is_active(self.nsps[1]));
        self.rig
            .server
            .as_mut()
            .expect("a server")
            .settings
            .refused
            .clear();
        let now = self.rig.now();
        self.rig.client.connect(now, self.nsps[1]);
        self.rig.drain();
    }

    /// A namespace is forgotten and made anew.
    fn renew(&mut self) {
        let now = self.rig.now();
        self.rig.client.forget(now, self.nsps[1]);
        self.nsps[1] = self.rig.namespace("/plain", NspOptions::default());
        self.rig.client.connect(now, self.nsps[1]);
        self.rig.drain();
        self.look();
    }

    fn live(mut self, length: u64) -> String {
        self.calm();
        while self.rig.now().as_millis() < length {
            self.troubles += 1;
            match self.seeded.below(12) {
                0..=5 => {
                    let ms = self.span(1, 14 * DAY);
                    self.outage(ms.max(3));
                }
                6 | 7 => {
                    let ms = self.span(10, 8 * HOUR);
                    self.sleep(ms);
                }
                8 => self.fill(),
                9 => self.refusal(),
                10 => self.renew(),
                _ => {
                    let now = self.rig.now();
                    self.rig.client.reconnect(now);
                    self.rig.drain();
                }
            }
            self.calm();
            let ms = self.span(60 * SECOND, 10 * DAY);
            self.work(ms);
            self.calm();
        }
        format!(
            "{} days, {} troubles, {} sessions, {} attempts with a delay, {} reconnections, {} joins recovered, {} refused, \
             {} pings, {} events up ({} answered, {} told as lost), {} down, room {:?}",
            self.rig.now().as_millis() / DAY,
            self.troubles,
            self.sessions,
            self.delays,
            self.reconnections,
            self.recovered,
            self.refused,
            self.pings,
            self.emitted,
            self.answered,
            self.failed,
            self.came,
            self.room
        )
    }
}

fn limits() -> Limits {
    let mut limits = Limits::DEFAULT;
    (limits.acks, limits.packets, limits.send) = (8, 32, 4096);
    limits
}

fn year(transports: Transports, seed: u64, length: u64) {
    let mut config = config(transports);
    config.limits = limits();
    let mut storage = Box::new(Device::new());
    let fixed = Year::new(config.clone(), storage.memory(), seed).live(length);
    println!("fixed memory: {fixed}");
    #[cfg(feature = "alloc")]
    {
        let memory = Memory::growable(&config.limits);
        let growable = Year::new(config, memory, seed).live(length);
        println!("growable memory: {growable}");
    }
}

#[test]
fn a_year_over_websocket() {
    year(Transports::WEBSOCKET, 1, YEAR);
}

#[test]
fn a_month_over_polling() {
    year(Transports::POLLING, 2, 30 * DAY);
}

#[test]
fn a_month_of_upgrades() {
    year(Transports::POLLING_FIRST, 3, 30 * DAY);
}
