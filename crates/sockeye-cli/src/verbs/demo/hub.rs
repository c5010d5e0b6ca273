//! What the server knows about the boards, and the feed of changes that the page listens to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};
use socketioxide::socket::DisconnectReason;
use tokio::sync::broadcast;

use super::contract::{self, PictureFacts};
use super::line::Line;
use super::picture;
use super::stats::Histogram;

/// Telemetries kept for each chart.
const HISTORY: usize = 120;
/// Entries kept of the event log.
const LOG: usize = 120;
/// Console lines kept for each board.
const LINES: usize = 8;
/// The most boards that are shown; more names are refused.
const MAX_BOARDS: usize = 64;
/// A board that lost its link is called offline after this time.
const GIVE_UP: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Online,
    Reconnecting,
    Offline,
}

#[derive(Clone, Debug, Serialize)]
struct Picture {
    version: u64,
    bytes: usize,
    intact: bool,
    at: u64,
    #[serde(skip)]
    file: Bytes,
    #[serde(skip)]
    media: &'static str,
}

/// One board, as the page sees it.
#[derive(Clone, Serialize)]
struct Board {
    name: String,
    status: Status,
    /// Since when (milliseconds of the Unix epoch) it has this status.
    since: u64,
    transport: &'static str,
    /// The node of a cluster that it has joined last, and how often that was another one than before.
    node: Option<String>,
    moves: u32,
    joins: u32,
    facts: Map<String, Value>,
    values: Map<String, Value>,
    updated: u64,
    telemetries: u64,
    led: Option<bool>,
    led_rtt_ms: Option<f64>,
    picture: Option<Picture>,
    lines: VecDeque<String>,
    #[serde(skip)]
    history: VecDeque<Value>,
    #[serde(skip)]
    line: Option<Line>,
    #[serde(skip)]
    lost_at: Option<Instant>,
}

#[derive(Clone, Serialize)]
struct Entry {
    at: u64,
    board: String,
    kind: &'static str,
    text: String,
}

/// Sums over all boards since the server started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) events: u64,
    pub(crate) telemetries: u64,
    pub(crate) pictures: u64,
    pub(crate) commands: u64,
    pub(crate) failed_commands: u64,
    pub(crate) rejoins: u64,
    /// Joins at another node of a cluster than before, and joins whose session was recovered.
    pub(crate) moves: u64,
    pub(crate) recovered: u64,
}

#[derive(Default)]
struct State {
    boards: BTreeMap<String, Board>,
    log: VecDeque<Entry>,
    totals: Totals,
    round_trips: Histogram,
    /// The nodes of a cluster, and how they are.
    nodes: BTreeMap<String, String>,
}

/// Shared by the Socket.IO handlers, the page and the terminal. A clone is the same hub.
#[derive(Clone)]
pub(crate) struct Hub {
    state: Arc<Mutex<State>>,
    feed: broadcast::Sender<Arc<str>>,
}

/// Why a command did not reach a board.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CommandError {
    /// No board of this name is online.
    NotOnline,
    /// The board did not acknowledge in time, or its link broke meanwhile.
    NoAnswer(String),
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotOnline => f.write_str("the board is not online"),
            Self::NoAnswer(why) => write!(f, "the board did not acknowledge: {why}"),
        }
    }
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |age| age.as_millis() as u64)
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::default(),
            feed: broadcast::channel(512).0,
        }
    }

    /// A panic elsewhere leaves the counters usable: keep serving.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes from now on, each a JSON object.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<str>> {
        self.feed.subscribe()
    }

    fn publish(&self, message: &Value) {
        // An error only means that no page is open.
        let _ = self.feed.send(message.to_string().into());
    }

    fn publish_board(&self, board: &Board, point: Option<&Value>) {
        self.publish(&json!({"type": "board", "board": board, "point": point}));
    }

    fn note(&self, state: &mut State, board: &str, kind: &'static str, text: impl Into<String>) {
        let entry = Entry {
            at: now(),
            board: board.to_owned(),
            kind,
            text: text.into(),
        };
        self.publish(&json!({"type": "log", "entry": entry}));
        if state.log.len() == LOG {
            state.log.pop_front();
        }
        state.log.push_back(entry);
    }

    /// Everything, for a page that has just opened.
    pub(crate) fn snapshot(&self) -> Value {
        let state = self.lock();
        let boards = state
            .boards
            .values()
            .map(|board| json!({"board": board, "history": board.history}));
        json!({
            "type": "snapshot",
            "boards": boards.collect::<Vec<_>>(),
            "log": state.log,
            "nodes": state.nodes,
            "totals": totals(&state),
        })
    }

    /// Makes a place for a board that is about to join, or says why there is none.
    pub(crate) fn admit(&self, name: &str) -> Result<(), String> {
        let mut state = self.lock();
        if state.boards.len() >= MAX_BOARDS && !state.boards.contains_key(name) {
            return Err(format!("this demo shows at most {MAX_BOARDS} boards"));
        }
        state
            .boards
            .entry(name.to_owned())
            .or_insert_with(|| Board {
                name: name.to_owned(),
                status: Status::Offline,
                since: now(),
                transport: "",
                node: None,
                moves: 0,
                joins: 0,
                facts: Map::new(),
                values: Map::new(),
                updated: 0,
                telemetries: 0,
                led: None,
                led_rtt_ms: None,
                picture: None,
                lines: VecDeque::new(),
                history: VecDeque::new(),
                line: None,
                lost_at: None,
            });
        Ok(())
    }

    /// A board has joined. Gives the line whose place it takes, if that one is still there.
    pub(crate) fn joined(&self, name: &str, line: Line) -> Option<Line> {
        let mut state = self.lock();
        let (transport, node) = (line.transport(), line.node().map(str::to_owned));
        let recovered = line.recovered();
        let board = state.boards.get_mut(name)?;
        let again = board.joins > 0;
        let away = board.lost_at.take().map(|at| at.elapsed());
        board.joins += 1;
        board.status = Status::Online;
        board.since = now();
        board.transport = transport;
        let moved = again && board.node != node;
        let from = std::mem::replace(&mut board.node, node.clone());
        board.moves += u32::from(moved);
        let replaced = board.line.replace(line);
        self.publish_board(board, None);
        state.totals.rejoins += u64::from(again);
        state.totals.moves += u64::from(moved);
        state.totals.recovered += u64::from(recovered);
        let mut text = match (again, away) {
            (false, _) => format!("joined over {transport}"),
            (true, None) => format!("joined again over {transport}"),
            (true, Some(away)) => format!(
                "joined again over {transport} after {:.1} s",
                away.as_secs_f64()
            ),
        };
        if let Some(node) = node {
            text += &format!(" at {node}");
            if let Some(from) = from.filter(|_| moved) {
                text += &format!(" (before: {from})");
            }
            if recovered {
                text += ", session recovered";
            }
        }
        self.note(&mut state, name, "join", text);
        replaced
    }

    /// A node of the cluster comes or goes. The devices of one that is killed are told by nobody else.
    pub(crate) fn node(&self, node: &str, how: &str) {
        let mut state = self.lock();
        state.nodes.insert(node.to_owned(), how.to_owned());
        self.publish(&json!({"type": "nodes", "nodes": state.nodes}));
        self.note(&mut state, node, "node", how);
        let there = |board: &&Board| board.line.as_ref().and_then(Line::node) == Some(node);
        let left: Vec<_> = state.boards.values().filter(there).collect();
        let left: Vec<_> = left
            .iter()
            .filter_map(|board| Some((board.name.clone(), board.line.as_ref()?.id())))
            .collect();
        drop(state);
        if how == "killed" {
            for (name, id) in left {
                self.left(&name, &id, false, "its node was killed");
            }
        }
    }

    /// Something else that happens to the cluster.
    pub(crate) fn trouble(&self, text: &str) {
        self.note(&mut self.lock(), "cluster", "node", text);
    }

    /// The line `id` of a board has gone: by a goodbye, or for this cause.
    pub(crate) fn left(&self, name: &str, id: &str, goodbye: bool, cause: &str) {
        let mut state = self.lock();
        let Some(board) = state.boards.get_mut(name) else {
            return;
        };
        if board.line.as_ref().is_none_or(|line| line.id() != id) {
            return; // another connection has taken its place
        }
        board.line = None;
        board.since = now();
        let text = if goodbye {
            board.status = Status::Offline;
            "said goodbye".to_owned()
        } else {
            board.status = Status::Reconnecting;
            board.lost_at = Some(Instant::now());
            format!("link lost: {cause}")
        };
        self.publish_board(board, None);
        self.note(&mut state, name, "leave", text);
    }

    fn update(&self, name: &str, change: impl FnOnce(&mut Board) -> Option<Value>) {
        let mut state = self.lock();
        state.totals.events += 1;
        let Some(board) = state.boards.get_mut(name) else {
            return;
        };
        if let Some(line) = &board.line {
            board.transport = line.transport();
        }
        board.updated = now();
        let point = change(board);
        self.publish_board(board, point.as_ref());
    }

    pub(crate) fn hello(&self, name: &str, facts: Map<String, Value>) {
        self.update(name, |board| {
            board.facts = contract::flat(facts);
            if let Some(led) = board.facts.remove("led").and_then(|led| led.as_bool()) {
                board.led = Some(led);
            }
            None
        });
    }

    pub(crate) fn telemetry(&self, name: &str, values: Map<String, Value>) {
        let round_trip = values
            .get("rtt_ms")
            .and_then(Value::as_f64)
            .filter(|ms| (0.0..60_000.0).contains(ms));
        {
            let mut state = self.lock();
            state.totals.telemetries += 1;
            if let Some(ms) = round_trip {
                state.round_trips.record(Duration::from_secs_f64(ms / 1e3));
            }
        }
        self.update(name, |board| {
            board.values = contract::flat(values);
            board.telemetries += 1;
            let numbers: Map<_, _> = board
                .values
                .iter()
                .filter(|(_, v)| v.is_number())
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            let point = json!({"at": board.updated, "values": numbers});
            if board.history.len() == HISTORY {
                board.history.pop_front();
            }
            board.history.push_back(point.clone());
            Some(point)
        });
    }

    /// Keeps a picture; whether it arrived intact.
    pub(crate) fn picture(&self, name: &str, file: Bytes, facts: &PictureFacts) -> bool {
        let media = picture::media_type(&file);
        let intact = media.is_some() && facts.crc32.is_none_or(|sum| sum == picture::crc32(&file));
        let bytes = file.len();
        self.update(name, |board| {
            let version = board.picture.as_ref().map_or(0, |last| last.version) + 1;
            board.picture = media.map(|media| Picture {
                version,
                bytes,
                intact,
                at: now(),
                file,
                media,
            });
            None
        });
        let mut state = self.lock();
        state.totals.pictures += 1;
        let number = facts.seq.map_or(String::new(), |seq| format!(" {seq}"));
        let verdict = match media {
            None => "in no known image format",
            Some(_) if intact => "intact",
            Some(_) => "damaged (checksum differs)",
        };
        self.note(
            &mut state,
            name,
            "picture",
            format!("picture{number}: {bytes} bytes, {verdict}"),
        );
        intact
    }

    /// The last picture of a board with its media type.
    pub(crate) fn picture_of(&self, name: &str) -> Option<(Bytes, &'static str)> {
        let state = self.lock();
        let picture = state.boards.get(name)?.picture.as_ref()?;
        Some((picture.file.clone(), picture.media))
    }

    pub(crate) fn console(&self, name: &str, line: &str) {
        let line = contract::short(line);
        self.update(name, |board| {
            if board.lines.len() == LINES {
                board.lines.pop_front();
            }
            board.lines.push_back(line.clone());
            None
        });
        let mut state = self.lock();
        self.note(&mut state, name, "console", line);
    }

    /// Sends `led` to a board and waits for the acknowledgement; the LED's state and the round trip.
    pub(crate) async fn command(
        &self,
        name: &str,
        on: bool,
    ) -> Result<(bool, Duration), CommandError> {
        let line = self
            .lock()
            .boards
            .get(name)
            .and_then(|board| board.line.clone())
            .ok_or(CommandError::NotOnline)?;
        let started = Instant::now();
        let answer = line.led(on).await.map_err(CommandError::NoAnswer);
        let round_trip = started.elapsed();
        let mut state = self.lock();
        state.totals.commands += 1;
        let word = |on| if on { "on" } else { "off" };
        match answer {
            Ok(led) => {
                let ms = round_trip.as_secs_f64() * 1e3;
                if let Some(board) = state.boards.get_mut(name) {
                    board.led = Some(led);
                    board.led_rtt_ms = Some(ms);
                    self.publish_board(board, None);
                }
                self.note(
                    &mut state,
                    name,
                    "command",
                    format!(
                        "led {} acknowledged ({}) in {ms:.2} ms",
                        word(on),
                        word(led)
                    ),
                );
                Ok((led, round_trip))
            }
            Err(error) => {
                state.totals.failed_commands += 1;
                self.note(
                    &mut state,
                    name,
                    "error",
                    format!("led {}: {error}", word(on)),
                );
                Err(error)
            }
        }
    }

    /// Once a second: marks boards that stay away as offline and publishes the totals.
    pub(crate) fn tick(&self) {
        let mut state = self.lock();
        let mut gone = Vec::new();
        for board in state.boards.values_mut() {
            if board.status == Status::Reconnecting
                && board.lost_at.is_some_and(|at| at.elapsed() > GIVE_UP)
            {
                board.status = Status::Offline;
                board.since = now();
                self.publish_board(board, None);
                gone.push(board.name.clone());
            }
        }
        for name in gone {
            self.note(
                &mut state,
                &name,
                "leave",
                format!("did not come back within {} s", GIVE_UP.as_secs()),
            );
        }
        self.publish(&json!({"type": "totals", "totals": totals(&state)}));
    }

    /// Whether a board of this name is online.
    pub(crate) fn is_online(&self, name: &str) -> bool {
        self.lock()
            .boards
            .get(name)
            .is_some_and(|board| board.status == Status::Online)
    }

    /// How many boards are online, reconnecting and offline.
    pub(crate) fn statuses(&self) -> [usize; 3] {
        statuses(&self.lock())
    }

    /// The round trips that boards have reported.
    pub(crate) fn round_trips(&self) -> Histogram {
        self.lock().round_trips.clone()
    }

    pub(crate) fn totals(&self) -> Totals {
        self.lock().totals.clone()
    }
}

fn statuses(state: &State) -> [usize; 3] {
    [Status::Online, Status::Reconnecting, Status::Offline].map(|status| {
        state
            .boards
            .values()
            .filter(|board| board.status == status)
            .count()
    })
}

fn totals(state: &State) -> Value {
    let [online, reconnecting, offline] = statuses(state);
    let ms = |share| {
        state
            .round_trips
            .quantile(share)
            .map(|trip| trip.as_secs_f64() * 1e3)
    };
    json!({
        "online": online, "reconnecting": reconnecting, "offline": offline,
        "events": state.totals.events, "pictures": state.totals.pictures,
        "commands": state.totals.commands, "rejoins": state.totals.rejoins,
        "moves": state.totals.moves,
        "p50_ms": ms(0.5), "p99_ms": ms(0.99),
    })
}

/// For people.
pub(crate) fn cause(reason: DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::TransportClose => "the connection was closed",
        DisconnectReason::TransportError => "the connection broke",
        DisconnectReason::HeartbeatTimeout => "no answer to the heartbeat",
        DisconnectReason::PacketParsingError => "it sent a packet that cannot be read",
        DisconnectReason::MultipleHttpPollingError => "it polled twice at the same time",
        DisconnectReason::ServerNSDisconnect => "another connection with this name took its place",
        DisconnectReason::ClosingServer => "the server is closing",
        DisconnectReason::ClientNSDisconnect => "it disconnected",
    }
}
