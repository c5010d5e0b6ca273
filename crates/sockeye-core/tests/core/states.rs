//! The states of a client, as `docs/states.md` has them: every pair of a state and an input is played, and what it comes
//! to is compared with the cell of the table. `SOCKEYE_BLESS=1` writes the tables anew. And generated runs find no state
//! and no step between states that the tables do not have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_core::{Link, NamespaceId, NspOptions, Storage, Transport, Transports};
use sockeye_testkit::{Opening, Rig, config, response};

use crate::properties::proptest_config;

type Roomy = Storage<8192, 8192, 16, 64, 4, 1024>;

const OPEN: &str = "0{\"sid\":\"E1\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}";

/// A client with one namespace, and what the inputs need to know.
struct Stage<'a> {
    rig: Rig<'a>,
    nsp: NamespaceId,
}

impl<'a> Stage<'a> {
    fn new(storage: &'a mut Roomy) -> Self {
        let mut rig = Rig::new(config(Transports::POLLING_FIRST), storage.memory());
        // What the driver does with a wish for a link is an input of its own.
        rig.opening = Opening::Hold;
        rig.strict = false;
        let mut options = NspOptions::default();
        options.auth = true;
        let nsp = rig.namespace("/n", options);
        Self { rig, nsp }
    }

    /// The state of the session, as a driver sees it.
    fn session(&self) -> &'static str {
        let client = &self.rig.client;
        let any = |is: &dyn Fn(Link) -> bool| Link::ALL.into_iter().any(is);
        let opening = |link| self.rig.is_opening(link);
        let open = |link| self.rig.is_open(link);
        match (client.engine_id(), client.transport()) {
            (Some(_), Some(Transport::WebSocket)) => "websocket",
            (Some(_), _)
                if self.rig.is_open(Link::WebSocket) || self.rig.is_opening(Link::WebSocket) =>
            {
                "probing"
            }
            (Some(_), _) => "polling",
            (None, _) if client.is_down() => "down",
            (None, _) if !client.is_active(self.nsp) => "closing",
            (None, _) if any(&opening) => "dialing",
            (None, _) if any(&open) => "opening",
            (None, _) => "waiting",
        }
    }

    /// The state of the namespace, as a program sees it.
    fn namespace(&self) -> &'static str {
        let client = &self.rig.client;
        match (client.is_connected(self.nsp), client.is_active(self.nsp)) {
            (true, true) => "joined",
            (false, true) => "on its way",
            (false, false) => "idle",
            (true, false) => panic!("joined, and not to be"),
        }
    }

    fn get(&mut self, payload: &str) {
        let body = payload.replace('|', "\u{1e}");
        self.rig
            .feed(Link::Poll, &response("200 OK", "", body.as_bytes()));
    }

    /// What the server says, on whatever carries the session.
    fn say(&mut self, packet: &str) {
        if self.rig.client.transport() == Some(Transport::WebSocket) {
            self.rig.ws(packet);
        } else {
            self.get(packet);
        }
    }

    fn opened(&mut self, link: Link) {
        self.rig.opened(link);
    }

    fn connect(&mut self) {
        let now = self.rig.now();
        self.rig.client.connect(now, self.nsp);
        self.rig.drain();
    }

    fn auth(&mut self) {
        let now = self.rig.now();
        let _ = self.rig.client.provide_auth(now, self.nsp, "{}");
        self.rig.drain();
    }

    /// Goes to a state of the session.
    fn go(&mut self, state: &str) {
        if state == "down" {
            return;
        }
        self.connect();
        if state == "dialing" {
            return;
        }
        self.opened(Link::Poll);
        if state == "opening" {
            return;
        }
        if state == "waiting" {
            self.rig.cut(Link::Poll);
            return;
        }
        self.get(OPEN);
        // (The upgrade begins at once.)
        if state == "probing" {
            return;
        }
        if state == "polling" {
            self.rig.refused(Link::WebSocket);
            return;
        }
        self.opened(Link::WebSocket);
        self.rig.ws_accept();
        self.rig.ws("3probe");
        self.get("6");
        assert_eq!(self.session(), "websocket");
        if state == "closing" {
            self.rig.disconnect(self.nsp);
        }
    }

    /// Goes to a state of the namespace, in a session over WebSocket where there is one.
    fn go_nsp(&mut self, state: &str) {
        match state {
            "idle" => return,
            "waiting" => return self.connect(),
            _ => (),
        }
        self.go("websocket");
        if state == "asked" {
            return;
        }
        self.auth();
        if state == "joining" {
            return;
        }
        if state == "leaving" {
            let now = self.rig.now();
            self.rig.client.disconnect(now, self.nsp);
            self.rig.drain();
            return;
        }
        self.rig.ws("40/n,{\"sid\":\"S\"}");
        assert_eq!(self.namespace(), "joined");
    }
}

/// An input, and how it is given.
type Input = (&'static str, fn(&mut Stage<'_>));

/// What happens to the session.
const SESSION_INPUTS: [Input; 15] = [
    ("link connected", |s| {
        Link::ALL.into_iter().for_each(|link| s.opened(link));
    }),
    ("link refused", |s| {
        Link::ALL.into_iter().for_each(|link| s.rig.refused(link));
    }),
    ("good answer", |s| match s.session() {
        "opening" => s.get(OPEN),
        "probing" => {
            s.opened(Link::WebSocket);
            if s.rig.request(Link::WebSocket).is_some() {
                s.rig.ws_accept();
                s.rig.ws("3probe");
            }
            s.get("6");
        }
        _ => s.say("6"),
    }),
    ("nonsense", |s| {
        for link in Link::ALL {
            s.rig.feed(link, b"\x00\xff nonsense\r\n\r\n");
        }
    }),
    ("stream ends", |s| {
        Link::ALL.into_iter().for_each(|link| s.rig.cut(link));
    }),
    ("stream breaks", |s| s.rig.break_all()),
    ("server closes", |s| {
        if s.rig.client.engine_id().is_some() {
            s.say("1");
        }
    }),
    ("a minute passes", |s| s.rig.pass(60_000)),
    ("connect", |s| s.connect()),
    ("emit", |s| {
        let _ = s
            .rig
            .emit(s.nsp, "x", &(), sockeye_core::EmitOptions::PLAIN);
    }),
    ("disconnect", |s| {
        s.rig.disconnect(s.nsp);
    }),
    ("forget", |s| {
        let now = s.rig.now();
        s.rig.client.forget(now, s.nsp);
        s.rig.drain();
    }),
    ("reconnect", |s| {
        let now = s.rig.now();
        s.rig.client.reconnect(now);
        s.rig.drain();
    }),
    ("reading paused", |s| s.rig.pause_reading(true)),
    ("early timeout", |s| {
        let now = s.rig.now();
        s.rig.client.handle_timeout(now);
        s.rig.drain();
    }),
];

const SESSION_STATES: [&str; 8] = [
    "down",
    "dialing",
    "opening",
    "waiting",
    "polling",
    "probing",
    "websocket",
    "closing",
];

/// What happens to a namespace.
const NSP_INPUTS: [Input; 13] = [
    ("connect", |s| s.connect()),
    ("disconnect", |s| s.rig.disconnect(s.nsp)),
    ("forget", |s| {
        let now = s.rig.now();
        s.rig.client.forget(now, s.nsp);
        s.rig.drain();
    }),
    ("emit", |s| {
        let _ = s.rig.emit(s.nsp, "x", &(), sockeye_core::EmitOptions::ACK);
    }),
    ("volatile emit", |s| {
        let options = sockeye_core::EmitOptions::VOLATILE;
        let _ = s.rig.emit(s.nsp, "x", &(), options);
    }),
    ("auth provided", |s| s.auth()),
    ("auth refused", |s| {
        let now = s.rig.now();
        s.rig.client.refuse_auth(now, s.nsp);
        s.rig.drain();
    }),
    ("`40` consent", |s| feed(s, "40/n,{\"sid\":\"S2\"}")),
    ("`44` refusal", |s| feed(s, "44/n,{\"message\":\"no\"}")),
    ("`41` disconnect", |s| feed(s, "41/n,")),
    ("`42` event", |s| feed(s, "42/n,[\"e\"]")),
    ("session lost", |s| s.rig.break_all()),
    ("a minute passes", |s| s.rig.pass(60_000)),
];

const NSP_STATES: [&str; 6] = ["idle", "waiting", "asked", "joining", "joined", "leaving"];

fn feed(stage: &mut Stage<'_>, packet: &str) {
    if stage.rig.is_open(Link::WebSocket) {
        stage.rig.ws(packet);
    }
}

/// Plays one pair: what it comes to, as the cell of a table.
fn play(state: &str, input: Input, of_session: bool) -> String {
    let mut storage = Box::new(Roomy::new());
    let mut stage = Stage::new(&mut storage);
    if of_session {
        stage.go(state);
        assert_eq!(stage.session(), state);
    } else {
        stage.go_nsp(state);
    }
    stage.rig.take_log();
    input.1(&mut stage);
    let events = stage.rig.take_events();
    let mut told: Vec<&str> = Vec::new();
    for line in events.lines() {
        // The first words name the event.
        let name = line.split(['[', '"', '#']).next().unwrap_or("").trim();
        let name = name.split(" /n").next().unwrap_or(name).trim();
        if !told.contains(&name) {
            told.push(name);
        }
    }
    let after = if of_session {
        stage.session()
    } else {
        stage.namespace()
    };
    if told.is_empty() {
        format!("**{after}**")
    } else {
        format!("**{after}**; {}", told.join(", "))
    }
}

fn table(states: &[&str], inputs: &[Input], of_session: bool) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "| input | {} |", states.join(" | "));
    let _ = writeln!(out, "|---|{}", "---|".repeat(states.len()));
    for input in inputs {
        let cells: Vec<String> = states
            .iter()
            .map(|state| play(state, *input, of_session))
            .collect();
        let _ = writeln!(out, "| {} | {} |", input.0, cells.join(" | "));
    }
    out
}

/// The text between two marks of the document.
fn part(document: &str, name: &str) -> std::ops::Range<usize> {
    let begin = format!("<!-- {name}: begin -->\n");
    let end = format!("<!-- {name}: end -->");
    let from = document.find(&begin).expect("the mark at the beginning") + begin.len();
    let until = document.find(&end).expect("the mark at the end");
    from..until
}

#[test]
fn every_pair_of_state_and_input_is_as_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/states.md");
    let mut document = std::fs::read_to_string(&path).expect("docs/states.md");
    let tables = [
        ("session", table(&SESSION_STATES, &SESSION_INPUTS, true)),
        ("namespace", table(&NSP_STATES, &NSP_INPUTS, false)),
    ];
    let bless = std::env::var_os("SOCKEYE_BLESS").is_some();
    for (name, table) in tables {
        let place = part(&document, name);
        if bless {
            document.replace_range(place, &table);
            continue;
        }
        let documented = &document[place];
        for (said, played) in documented.lines().zip(table.lines()) {
            assert_eq!(
                said, played,
                "docs/states.md, {name}: first what it says, then what the code does"
            );
        }
        assert_eq!(documented, table, "docs/states.md has other rows");
    }
    if bless {
        std::fs::write(path, document).expect("docs/states.md is written");
    }
}

/// The steps between states that the table of sessions has.
fn steps() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut steps: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for state in SESSION_STATES {
        for input in SESSION_INPUTS {
            let cell = play(state, input, true);
            let next = SESSION_STATES
                .into_iter()
                .find(|next| cell.starts_with(&format!("**{next}**")));
            steps.entry(state).or_default().extend(next);
        }
    }
    // The table's goodbye is one over WebSocket. One over polling may have no link left, and while either is under way, what is
    // to follow it can be called off.
    for (from, to) in [
        ("closing", "dialing"),
        ("dialing", "closing"),
        ("opening", "closing"),
    ] {
        steps.entry(from).or_default().insert(to);
    }
    steps
}

proptest! {
    #![proptest_config(proptest_config(64))]

    /// Whatever comes in whatever order, the client is in one of the states, and each step is one of the table's.
    #[test]
    fn no_other_state_and_no_other_step(script in vec(any::<proptest::sample::Index>(), 1..60)) {
        thread_local! {
            static STEPS: BTreeMap<&'static str, BTreeSet<&'static str>> = steps();
        }
        let mut storage = Box::new(Roomy::new());
        let mut stage = Stage::new(&mut storage);
        let mut trace = String::new();
        for index in script {
            let n = index.index(SESSION_INPUTS.len() + NSP_INPUTS.len());
            let (name, give) = if n < SESSION_INPUTS.len() {
                SESSION_INPUTS[n]
            } else {
                NSP_INPUTS[n - SESSION_INPUTS.len()]
            };
            // A namespace that was forgotten is made anew.
            if stage.rig.client.name(stage.nsp).is_empty() {
                let mut options = NspOptions::default();
                options.auth = true;
                stage.nsp = stage.rig.namespace("/n", options);
            }
            if name != "reading paused" {
                stage.rig.pause_reading(false);
            }
            let before = stage.session();
            give(&mut stage);
            let after = stage.session();
            stage.namespace();
            let _ = writeln!(trace, "{before} --{name}--> {after}");
            let known = STEPS.with(|steps| before == after || steps[before].contains(after));
            prop_assert!(known, "a step that docs/states.md does not have:\n{}", trace);
        }
    }
}
