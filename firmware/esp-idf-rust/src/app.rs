//! What the board does: it tells who it is, sends telemetry every second and counts its button, obeys `led`, and comes
//! back by itself. It talks to the demo server (`sockeye demo`) as to any other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sockeye::blocking::{Client, Connector, Notices, PendingAck, RecvError, Socket};
use sockeye::{AckError, ConnectError, DisconnectReason, Notice, Responder, Transport};

/// The stack of each thread of the client's, in bytes. The deepest is the one that connects: a TLS handshake with the
/// check of a chain of certificates.
pub const STACK: usize = 16 * 1024;

/// How often the button is looked at, and answers.
const TICK: Duration = Duration::from_millis(20);
const PERIOD: Duration = Duration::from_secs(1);
const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the board stays away after the server refused it or sent it away.
const AWAY: Duration = Duration::from_secs(15);

/// What the application needs of a board.
pub trait Board: Send + Sync + 'static {
    /// Lights or darkens the LED.
    fn set_led(&self, on: bool);
    /// Whether it is lit.
    fn led(&self) -> bool;
    /// Whether the button is held down.
    fn pressed(&self) -> bool;
    /// Bytes of heap that are free.
    fn free_heap(&self) -> u32;
    /// The signal strength of the access point in dBm; 0 without one.
    fn rssi(&self) -> i32;
    /// One line for the console.
    fn say(&self, topic: &str, line: &str);
}

/// Who the board is, and where it connects to.
#[derive(Clone, Debug)]
pub struct Options {
    /// `http://host:port/namespace`, or `https`.
    pub url: String,
    /// The board's name.
    pub name: String,
    /// The chip's.
    pub chip: String,
}

#[derive(Serialize)]
struct Hello<'a> {
    name: &'a str,
    chip: &'a str,
    firmware: &'a str,
    chart: &'a str,
    led: bool,
}

#[derive(Serialize)]
struct Telemetry {
    /// Seconds since the start.
    uptime: u64,
    free_heap: u32,
    rssi: i32,
    counter: u32,
    /// The round trip of the report before.
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ms: Option<f32>,
}

/// The demo server's answer; other servers may answer as they like.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Receipt {
    ok: Option<bool>,
}

/// Connects, in the background.
///
/// # Errors
/// A URL or an option that cannot work.
pub fn start(
    board: &Arc<impl Board>,
    connector: impl Connector,
    options: Options,
) -> Result<Socket, ConnectError> {
    let lamp = Arc::clone(board);
    let greeter = Arc::clone(board);
    let auth = serde_json::json!({ "name": options.name });
    Client::builder(&options.url)
        // One socket, least memory.
        .transports([Transport::WebSocket])
        .stack_size(STACK)
        .connector(connector)
        .auth(auth)
        .on("led", move |(on,): (bool,), reply: Responder| {
            lamp.set_led(on);
            lamp.say("led", if on { "on" } else { "off" });
            reply.ack((lamp.led(),))
        })
        .on_connect(move |socket: Socket| {
            let hello = Hello {
                name: &options.name,
                chip: &options.chip,
                firmware: env!("CARGO_PKG_VERSION"),
                chart: "rssi",
                led: greeter.led(),
            };
            socket.emit("hello", (hello,))
        })
        .connect_background()
}

/// Does the board's work for ever, or until `socket` is closed.
pub fn run(board: &impl Board, socket: &Socket) {
    let mut notices = socket.notices();
    let mut connection = Notices::from(socket.manager().notices());
    let begun = Instant::now();
    let mut work = Work {
        counter: 0,
        presses: 0,
        was_pressed: board.pressed(),
        due: begun,
        waiting: None,
        rtt_ms: None,
        back_at: None,
    };
    loop {
        match notices.recv_timeout(TICK) {
            Ok(notice) => {
                Work::notice(board, &notice);
                if let Notice::Disconnected(why) = &notice
                    && why.reason == DisconnectReason::IoClientDisconnect
                {
                    return;
                }
            }
            Err(RecvError::Ended) => return,
            Err(RecvError::Timeout) => (),
        }
        while let Ok(notice) = connection.try_recv() {
            if matches!(notice, Notice::Reconnecting { .. } | Notice::Reconnected(_)) {
                Work::notice(board, &notice);
            }
        }
        work.tick(board, socket, begun);
    }
}

struct Work {
    counter: u32,
    presses: u32,
    was_pressed: bool,
    /// When the next report is sent.
    due: Instant,
    waiting: Option<(Instant, PendingAck<(Receipt,)>)>,
    rtt_ms: Option<f32>,
    back_at: Option<Instant>,
}

impl Work {
    fn notice(board: &impl Board, notice: &Notice) {
        let line = match notice {
            Notice::Connected { id, recovered, .. } => {
                let again = if *recovered {
                    ", session recovered"
                } else {
                    ""
                };
                format!("joined with id {id}{again}")
            }
            Notice::Disconnected(why) => format!("left: {why}"),
            Notice::ConnectError(error) => format!("no connection: {error}"),
            Notice::Reconnecting { attempt, delay } => {
                format!(
                    "reconnecting in {} ms, attempt {attempt}",
                    delay.as_millis()
                )
            }
            Notice::Reconnected(attempts) => format!("reconnected at attempt {attempts}"),
            Notice::Mismatch { event, error } => format!("{event}: {error}"),
            Notice::HandlerFailed { event, error } => format!("{event}: {error}"),
            Notice::Unsent { event, .. } => format!("{event} will not be sent"),
            _ => return,
        };
        board.say("client", &line);
    }

    fn tick(&mut self, board: &impl Board, socket: &Socket, begun: Instant) {
        let now = Instant::now();
        // Refused or sent away: the client does not come back by itself then.
        if socket.active() {
            self.back_at = None;
        } else if now >= *self.back_at.get_or_insert(now + AWAY) {
            self.back_at = None;
            board.say("client", "joining again");
            socket.connect_background();
        }
        let pressed = board.pressed();
        if pressed && !self.was_pressed {
            self.presses += 1;
            if let Err(error) = socket.emit("button", (self.presses,)) {
                board.say("button", &error.to_string());
            }
        }
        self.was_pressed = pressed;
        self.answer(board);
        if now < self.due || self.waiting.is_some() || !socket.connected() {
            return;
        }
        self.due = now + PERIOD;
        self.counter += 1;
        let telemetry = Telemetry {
            uptime: begun.elapsed().as_secs(),
            free_heap: board.free_heap(),
            rssi: board.rssi(),
            counter: self.counter,
            rtt_ms: self.rtt_ms,
        };
        let ask = socket.emit_with_ack("telemetry", (telemetry,));
        self.waiting = Some((now, ask.timeout(ACK_TIMEOUT).begin()));
    }

    /// Looks whether the report has been answered.
    fn answer(&mut self, board: &impl Board) {
        let Some((sent, pending)) = &mut self.waiting else {
            return;
        };
        let Some(answer) = pending.try_get() else {
            return;
        };
        let took = sent.elapsed().as_secs_f32() * 1000.0;
        self.waiting = None;
        let counter = self.counter;
        let line = match answer {
            Ok((Receipt { ok: Some(false) },)) => format!("{counter} refused by the server"),
            Ok(_) | Err(AckError::Answer(_)) => {
                self.rtt_ms = Some(took);
                format!("{counter} acknowledged after {took:.0} ms")
            }
            Err(error) => format!("{counter} not acknowledged: {error}"),
        };
        board.say("telemetry", &line);
    }
}
