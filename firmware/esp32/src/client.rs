//! The Socket.IO client of the board: its memory, what it sends, and what it does with events.

use core::fmt::{self, Write as _};
use core::time::Duration;

use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_net::Stack;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Instant, Ticker, Timer};
use esp_hal::rng::Rng;
use heapless::String;
use serde::{Deserialize, Serialize};
use sockeye_embedded::net::{EmbassyNet, SocketBuffers};
use sockeye_embedded::{
    AnswerError, Args, Auth, Config, Details, DisconnectReason, Event, Handler, Message, Refusal,
    Socket, storage,
};
use static_cell::ConstStaticCell;

use crate::config::{self, LINKS};
use crate::console::say;
use crate::led::Led;
use crate::wifi::{self, Network};

/// Every byte of the client: messages up to 2 KiB in, 2 KiB waiting to go out, 4 acknowledgements, one namespace.
type Memory = storage!(rx: 2048, tx: 2048, namespaces: 1, chunk: 512, links: LINKS);
/// The buffers of its TCP sockets.
type Buffers = SocketBuffers<LINKS, 2048, 2048>;

const PERIOD: embassy_time::Duration = embassy_time::Duration::from_secs(1);
const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the board stays away after the server refused it or sent it away.
const AWAY: embassy_time::Duration = embassy_time::Duration::from_secs(15);

/// The server refused the board, or sent it away: the client does not come back by itself then.
static SENT_AWAY: Signal<CriticalSectionRawMutex, ()> = Signal::new();

/// The longest name has 40 characters, each up to four bytes.
type Name = String<160>;

/// Runs the client for ever.
pub(crate) async fn run(spawner: Spawner, stack: Stack<'static>, led: Led) {
    // Made at compile time: tens of kilobytes that never lie on the stack.
    static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());
    static BUFFERS: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());

    let mut options =
        Config::new(config::URL, |bytes| Rng::new().read(bytes)).expect("build.rs checked the URL");
    options.core.transports = config::TRANSPORTS;
    let (socket, mut runner) =
        sockeye_embedded::new(options, MEMORY.take()).expect("there is room for one namespace");
    let connector = EmbassyNet::new(stack, BUFFERS.take());
    #[cfg(feature = "tls")]
    let connector = match crate::tls::connector(connector) {
        Ok(connector) => connector,
        Err(error) => return say!("client", "cannot connect: {error}"),
    };
    spawner.spawn(report(socket).expect("started once"));
    spawner.spawn(come_back(socket).expect("started once"));
    let board = Board::new(led);
    say!(
        "client",
        "connecting to {} as \"{}\"",
        config::URL,
        board.name
    );
    runner.run(connector, board).await;
}

/// What the board does with events.
struct Board {
    name: Name,
    auth: String<192>,
    led: Led,
}

/// The facts about a board that do not change; sent after each join.
#[derive(Serialize)]
struct Hello<'a> {
    name: &'a str,
    chip: &'a str,
    firmware: &'a str,
    chart: &'a str,
    led: bool,
}

impl Board {
    fn new(led: Led) -> Self {
        let mut name = Name::new();
        let mut auth = String::new();
        let mac = esp_hal::efuse::base_mac_address();
        let [.., x, y, z] = mac.as_bytes() else {
            unreachable!("a MAC address has six bytes")
        };
        // build.rs limits and checks the given name, so nothing here is too long or needs escapes.
        let written = match config::NAME {
            Some(given) => name.push_str(given).map_err(|_| fmt::Error),
            None => write!(name, "{}-{x:02x}{y:02x}{z:02x}", config::CHIP_ID),
        };
        written
            .and_then(|()| write!(auth, "{{\"name\":\"{name}\"}}"))
            .expect("it fits");
        Self { name, auth, led }
    }
}

impl Handler for Board {
    fn auth(&mut self, _: &Socket) -> Auth<'_> {
        Auth::Json(config::AUTH.unwrap_or(&self.auth))
    }

    fn on_connect(&mut self, socket: &Socket, recovered: bool) {
        let again = if recovered { ", session recovered" } else { "" };
        let id: String<64> = socket.id(|id| id.unwrap_or_default().chars().take(64).collect());
        socket.name(|name| say!("client", "joined {name} with id {id}{again}"));
        let hello = Hello {
            name: &self.name,
            chip: config::CHIP,
            firmware: env!("CARGO_PKG_VERSION"),
            chart: "rssi",
            led: self.led.is_on(),
        };
        if let Err(error) = socket.emit("hello", (hello,)) {
            say!("client", "cannot send hello: {error}");
        }
    }

    fn on_event(&mut self, socket: &Socket, event: &Message<'_>) {
        say!("event", "{} {}", event.name, Values(&event.args));
        if event.name == "led" {
            match event.args.parse::<(bool,)>() {
                Ok((on,)) => self.led.set(on),
                Err(error) => say!("led", "expected true or false: {error}"),
            }
            let on = self.led.is_on();
            match socket.reply(event, (on,)) {
                Ok(()) => say!("led", "{}", if on { "on" } else { "off" }),
                Err(error) => say!(
                    "led",
                    "{}, cannot answer: {error}",
                    if on { "on" } else { "off" }
                ),
            }
        }
    }

    fn on_disconnect(&mut self, socket: &Socket, reason: DisconnectReason, details: &Details<'_>) {
        socket.name(|name| say!("client", "left {name}: {reason} ({details})"));
        if !reason.reconnects() {
            SENT_AWAY.signal(());
        }
    }

    fn on_connect_error(&mut self, socket: &Socket, refusal: &Refusal<'_>) {
        socket.name(|name| say!("client", "{name} refused: {}", refusal.message));
        SENT_AWAY.signal(());
    }

    fn on_manager(&mut self, _: &Socket, event: &Event<'_>) {
        match event {
            Event::Opened { transport, sid } => {
                say!(
                    "client",
                    "handshake over {}, session {sid}",
                    transport.name()
                );
            }
            Event::Upgraded => say!("client", "upgraded to websocket"),
            Event::UpgradeFailed(details) => {
                say!("client", "no websocket, polling goes on: {details}");
            }
            Event::Closed {
                opened: false,
                details,
                ..
            } => say!("client", "no connection: {details}"),
            Event::Closed {
                reason, details, ..
            } => say!("client", "connection lost: {reason} ({details})"),
            Event::Reconnecting { attempt, delay } => {
                say!(
                    "client",
                    "reconnecting in {} ms, attempt {attempt}",
                    delay.as_millis()
                );
            }
            Event::Reconnected(attempts) => say!("client", "reconnected at attempt {attempts}"),
            Event::MessageTooLarge { bytes, limit } => {
                say!(
                    "client",
                    "skipped a message of {bytes} bytes, at most {limit} fit: enlarge Memory in client.rs"
                );
            }
            _ => (),
        }
    }
}

/// The beginning of an event's arguments as JSON: a console is slow.
struct Values<'a>(&'a Args<'a>);

/// Bytes of them that are printed.
const SHOWN: usize = 64;

impl fmt::Display for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = self.0.json();
        let json = json.strip_prefix('[').unwrap_or(json);
        let json = json.strip_suffix(']').unwrap_or(json);
        let shown = &json[..json.floor_char_boundary(SHOWN)];
        f.write_str(shown)?;
        match json.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, "… ({more} bytes more)"),
        }
    }
}

/// What the board reports every second.
#[derive(Serialize)]
struct Telemetry {
    /// Seconds since boot.
    uptime: u64,
    /// Bytes of heap that are free: the radio's and that of TLS.
    free_heap: usize,
    /// dBm.
    rssi: i32,
    counter: u32,
    /// The round trip of the report before.
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ms: Option<f32>,
}

/// The demo server's answer; other servers may answer as they like.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Receipt {
    ok: Option<bool>,
}

/// Sends telemetry every second, and prints how long the acknowledgement took.
#[embassy_executor::task]
async fn report(socket: Socket) -> ! {
    let mut counter = 0;
    let mut rtt_ms = None;
    let mut seconds = Ticker::every(PERIOD);
    loop {
        seconds.next().await;
        if !socket.connected() {
            // Old values are of no use to anybody.
            socket.ready().await;
            seconds.reset();
        }
        counter += 1;
        let uptime = Instant::now().as_secs();
        let telemetry = Telemetry {
            uptime,
            free_heap: esp_alloc::HEAP.free(),
            rssi: wifi::rssi(),
            counter,
            rtt_ms,
        };
        let sent = Instant::now();
        let answer = socket
            .emit_with_ack::<_, (Receipt,)>("telemetry", (telemetry,))
            .timeout(ACK_TIMEOUT)
            .await;
        let took = sent.elapsed().as_micros();
        let (ms, hundredths) = (took / 1000, took / 10 % 100);
        match answer {
            Ok((Receipt { ok: Some(false) },)) => {
                say!("telemetry", "{counter} refused by the server");
            }
            Ok(_) | Err(AnswerError::Args(_)) => {
                rtt_ms = Some(took as f32 / 1000.0);
                say!(
                    "telemetry",
                    "{counter} acknowledged after {ms}.{hundredths:02} ms"
                );
            }
            Err(error) => say!("telemetry", "{counter} not acknowledged: {error}"),
        }
    }
}

/// Does what the client does not by itself: drops the connection when the network is gone, connects at once when it is
/// back, and after a while when the server did not want the board.
#[embassy_executor::task]
async fn come_back(socket: Socket) -> ! {
    loop {
        match select(wifi::CHANGED.wait(), SENT_AWAY.wait()).await {
            Either::First(Network::SameAddress) if socket.connected() => (),
            Either::First(Network::Lost) => {
                say!("client", "disconnecting: the network is gone");
                // The next attempt fails at once, and others follow, until the network is back.
                socket.reconnect();
            }
            Either::First(_) => {
                say!("client", "connecting anew: the network is back");
                socket.reconnect();
            }
            Either::Second(()) => {
                say!("client", "joining again in {} s", AWAY.as_secs());
                Timer::after(AWAY).await;
                socket.connect();
            }
        }
    }
}
