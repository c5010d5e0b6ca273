//! The demo's devices: programs that behave as boards do, on the `sockeye` client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use sockeye::net::Tls;
use sockeye::{AckError, Bin, Client, ConnectError, Responder, Socket, Transport};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::contract;
use super::picture;
use super::tally::Tally;

/// How often a device reports.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a device waits for an acknowledgement.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// What kind of board a device plays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    name: &'static str,
    chip: &'static str,
    firmware: &'static str,
    transports: &'static [Transport],
    /// Its link is cut now and then.
    pub(crate) lossy: bool,
    /// The value that its chart shows first, around `base` and swinging by `swing`.
    chart: &'static str,
    base: f64,
    swing: f64,
    second: &'static str,
    second_base: f64,
    /// Telemetries between two pictures.
    picture_every: u64,
}

const BOTH: &[Transport] = &[Transport::Polling, Transport::WebSocket];

/// The devices of the demo, in this order; more than these are further boards of the same models.
const MODELS: [Model; 5] = [
    Model {
        name: "greenhouse",
        chip: "ESP32-C3",
        firmware: "2.4.1",
        transports: BOTH,
        lossy: false,
        chart: "temperature",
        base: 23.5,
        swing: 2.4,
        second: "humidity",
        second_base: 61.0,
        picture_every: 7,
    },
    Model {
        name: "weather-mast",
        chip: "ESP32-S3",
        firmware: "1.9.0",
        transports: &[Transport::WebSocket],
        lossy: false,
        chart: "wind",
        base: 5.2,
        swing: 2.9,
        second: "pressure",
        second_base: 1013.2,
        picture_every: 9,
    },
    Model {
        name: "water-tank",
        chip: "ESP32",
        firmware: "1.2.7",
        transports: BOTH,
        lossy: true,
        chart: "level",
        base: 68.0,
        swing: 6.0,
        second: "flow",
        second_base: 3.4,
        picture_every: 11,
    },
    Model {
        name: "barn-door",
        chip: "ESP32-C2",
        firmware: "0.8.3",
        transports: &[Transport::Polling],
        lossy: false,
        chart: "light",
        base: 340.0,
        swing: 120.0,
        second: "battery",
        second_base: 3.81,
        picture_every: 12,
    },
    Model {
        name: "beehive",
        chip: "ESP32-C6",
        firmware: "3.0.2",
        transports: BOTH,
        lossy: false,
        chart: "temperature",
        base: 34.6,
        swing: 0.7,
        second: "co2",
        second_base: 1650.0,
        picture_every: 10,
    },
];

/// The model and the name of device number `index`.
pub(crate) fn model(index: usize) -> (Model, String) {
    let model = MODELS[index % MODELS.len()];
    let name = match index / MODELS.len() {
        0 => model.name.to_owned(),
        again => format!("{}-{}", model.name, again + 1),
    };
    (
        Model {
            lossy: model.lossy && index < MODELS.len(),
            ..model
        },
        name,
    )
}

/// Runs one device until `end` is set; then it says goodbye.
pub(crate) async fn run(
    index: usize,
    model: Model,
    url: String,
    ca_pem: Option<Vec<u8>>,
    tally: Arc<Tally>,
    mut end: watch::Receiver<bool>,
) {
    let led = Arc::new(AtomicBool::new(false));
    let socket = match connect(model, &url, ca_pem, &tally, &led) {
        Ok(socket) => socket,
        Err(error) => return tally.trouble(error.to_string()),
    };
    let mut board = Board {
        index,
        model,
        socket: socket.clone(),
        tally,
        led,
        started: Instant::now(),
        counter: 0,
        round_trip: None,
        picture_owed: false,
    };
    let mut ticks =
        tokio::time::interval_at(tokio::time::Instant::now() + first_report(index), PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = async { drop(end.wait_for(|end| *end).await) } => break,
            _ = ticks.tick() => board.report().await,
        }
    }
    socket.disconnect();
    socket.flush().await;
}

/// Boards do not report at the same instant.
fn first_report(index: usize) -> Duration {
    Duration::from_millis(300 + 130 * (index as u64 % 7))
}

fn connect(
    model: Model,
    url: &str,
    ca_pem: Option<Vec<u8>>,
    tally: &Arc<Tally>,
    led: &Arc<AtomicBool>,
) -> Result<Socket, ConnectError> {
    let (joined, refused, back, obeyed) =
        (tally.clone(), tally.clone(), tally.clone(), tally.clone());
    let (state, lamp) = (led.clone(), led.clone());
    let mut builder = Client::builder(url);
    if let Some(pem) = ca_pem {
        builder = builder.tls(Tls::new().ca_pem(pem));
    }
    let socket = builder
        .auth(json!({"name": tally.name}))
        .transports(model.transports.iter().copied())
        .reconnection_delay(Duration::from_millis(400))
        .reconnection_delay_max(Duration::from_secs(3))
        .on("led", move |(on,): (bool,), reply: Responder| {
            lamp.store(on, Ordering::Relaxed);
            if reply.ack((on,)).is_ok() {
                obeyed.led_commands.add();
            }
        })
        .on_connect(move |socket: Socket| {
            joined.joins.add();
            joined.events.add();
            let hello = json!({
                "name": joined.name, "chip": model.chip, "firmware": model.firmware,
                "board": "simulated", "chart": model.chart, "led": state.load(Ordering::Relaxed),
            });
            if let Err(error) = socket.emit("hello", (hello,)) {
                joined.trouble(error.to_string());
            }
        })
        .on_connect_error(move |_, error: ConnectError| refused.trouble(error.to_string()))
        .connect_background()?;
    socket
        .manager()
        .on_reconnect(move |_attempts: u32| back.reconnections.add());
    Ok(socket)
}

/// The running program of a board.
struct Board {
    index: usize,
    model: Model,
    socket: Socket,
    tally: Arc<Tally>,
    led: Arc<AtomicBool>,
    started: Instant,
    counter: u64,
    round_trip: Option<Duration>,
    picture_owed: bool,
}

impl Board {
    /// One telemetry, and now and then a picture and a console line.
    async fn report(&mut self) {
        if !self.socket.connected() {
            return; // old values are of no use to anybody
        }
        self.counter += 1;
        let values = self.values();
        let sent = Instant::now();
        if self.ask("telemetry", (values,)).await.is_some() {
            self.round_trip = Some(sent.elapsed());
        }
        // The first picture soon after the start, so that a short demonstration has one of each board.
        let turn = self.counter == 2 || self.counter.is_multiple_of(self.model.picture_every);
        if turn || self.picture_owed {
            self.picture_owed = !self.picture().await;
        }
        if self.counter % 5 == 1 {
            let line = format!(
                "I ({}) {}: {} {}",
                self.started.elapsed().as_millis(),
                self.model.name,
                self.model.chart,
                round(self.reading())
            );
            self.tally.events.add();
            if let Err(error) = self.socket.emit("log", (line,)) {
                self.tally.trouble(error.to_string());
            }
        }
    }

    /// Sends a picture; whether it has arrived.
    async fn picture(&self) -> bool {
        let lamp = self.led.load(Ordering::Relaxed);
        let seconds = self.started.elapsed().as_secs_f64() * 2.0 + 27.0 + 9.0 * self.index as f64;
        let file = picture::scene(seconds, 11 * self.index as u32 + 3, lamp);
        let facts = json!({"width": picture::WIDTH, "height": picture::HEIGHT, "seq": self.tally.pictures.get() + 1, "crc32": picture::crc32(&file)});
        self.tally.pictures.add();
        let Some(answer) = self.ask("picture", (Bin::from(file), facts)).await else {
            return false; // lost with the link: sent again with the next telemetry
        };
        if answer.get("ok") == Some(&Value::Bool(true)) {
            self.tally.pictures_intact.add();
        } else {
            self.tally
                .trouble(format!("the server said of a picture: {answer}"));
        }
        true
    }

    /// Emits and waits for the answer; what goes wrong is counted.
    async fn ask(&self, event: &str, args: impl sockeye::EmitArgs) -> Option<Value> {
        self.tally.events.add();
        self.tally.asked.add();
        let sent = Instant::now();
        match self
            .socket
            .emit_with_ack::<_, (Value,)>(event, args)
            .timeout(ACK_TIMEOUT)
            .await
        {
            Ok((answer,)) => {
                self.tally.acknowledged(sent.elapsed());
                Some(answer)
            }
            Err(AckError::Disconnected { .. }) => {
                self.tally.lost.add();
                None
            }
            Err(error) => {
                self.tally.unanswered.add();
                self.tally.trouble(format!("{event}: {error}"));
                None
            }
        }
    }

    fn reading(&self) -> f64 {
        let t = self.started.elapsed().as_secs_f64() + 13.0 * self.index as f64;
        let slow = (t / 21.0).sin() * 0.75 + (t / 6.3).sin() * 0.2;
        self.model.base + self.model.swing * (slow + self.jitter(1) * 0.1)
    }

    /// A repeatable unrest between -1 and 1.
    fn jitter(&self, salt: u64) -> f64 {
        let mut x = (self.counter + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ ((self.index as u64 + 1) << 32)
            ^ salt;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((x >> 40) as f64 / f64::from(1 << 23)) - 1.0
    }

    fn values(&self) -> Value {
        let mut values = Map::new();
        values.insert(self.model.chart.into(), json!(round(self.reading())));
        values.insert(
            self.model.second.into(),
            json!(round(
                self.model.second_base * (1.0 + 0.01 * self.jitter(2))
            )),
        );
        values.insert("uptime".into(), json!(self.started.elapsed().as_secs()));
        values.insert(
            "free_heap".into(),
            json!(
                214_000 - self.index * 9_000 + ((self.jitter(3) * 1_500.0) as i64 + 1_500) as usize
            ),
        );
        values.insert(
            "rssi".into(),
            json!(-58 - self.index as i64 * 3 + (self.jitter(4) * 3.0) as i64),
        );
        values.insert("counter".into(), json!(self.counter));
        if let Some(trip) = self.round_trip {
            values.insert("rtt_ms".into(), json!(round(trip.as_secs_f64() * 1e3)));
        }
        debug_assert!(values.len() <= contract::MAX_VALUES);
        Value::Object(values)
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
