//! A device of the demo: it tells what it is, sends telemetry every second and waits for each acknowledgement, obeys its
//! LED, and shows its console (this UART) to the demo as well.
//!
//! Arguments: `url` (with the namespace), `name`, `chip`, `duration` (seconds; left out: it runs for ever).
#![no_std]
#![no_main]

use core::cell::Cell;
use core::fmt::Write;
use core::future::{pending, poll_fn};
use core::task::Poll;

use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Instant, Ticker, Timer, with_timeout};
use qemu_virt::board::{self, args, entropy, stack};
use qemu_virt::{metric, net, println};
use serde::Serialize;
use sockeye_embedded::net::{EmbassyNet, SocketBuffers};
use sockeye_embedded::{Config, Event, Message, Socket, Storage};
use static_cell::ConstStaticCell;

static STORAGE: ConstStaticCell<Storage<2048, 2048>> = ConstStaticCell::new(Storage::new());
static BUFFERS: ConstStaticCell<SocketBuffers<1, 1024, 1024>> =
    ConstStaticCell::new(SocketBuffers::new());

#[derive(Serialize)]
struct Login<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Hello<'a> {
    chip: &'a str,
    firmware: &'a str,
    board: &'a str,
    chart: &'a str,
    led: bool,
}

#[derive(Serialize)]
struct Telemetry {
    uptime: u64,
    counter: u32,
    free_heap: u32,
    free_stack: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ms: Option<f32>,
}

/// A line of the console.
struct Line {
    bytes: [u8; 120],
    len: usize,
}

impl Line {
    fn text(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Write for Line {
    /// What does not fit is cut off.
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let n = text.floor_char_boundary(self.bytes.len() - self.len);
        self.bytes[self.len..self.len + n].copy_from_slice(&text.as_bytes()[..n]);
        self.len += n;
        Ok(())
    }
}

/// Prints a line on the UART and sends it to the demo; while there is no connection it is only printed.
fn say(socket: &Socket, what: core::fmt::Arguments<'_>) {
    println!("{what}");
    let mut line = Line {
        bytes: [0; 120],
        len: 0,
    };
    let ms = Instant::now().as_millis();
    let _ = write!(line, "[{:5}.{:03}] {what}", ms / 1000, ms % 1000);
    if socket.connected() {
        // A full send buffer loses a line of the console, no more.
        let _ = socket.emit("log", (line.text(),));
    }
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let nic = board::init();
    let network = net::up(spawner, nic).await;
    let name = args::get("name").unwrap_or("qemu-virt");
    let chip = args::get("chip").unwrap_or("riscv32");
    let Some(url) = args::get("url") else {
        println!("argument missing: url=http://<host>:<port>/devices");
        board::exit(2);
    };
    let config = match Config::new(url, entropy::fill) {
        Ok(config) => config,
        Err(error) => {
            println!("{url}: {error}");
            board::exit(2);
        }
    };
    let (socket, mut runner) = match sockeye_embedded::new(config, STORAGE.take()) {
        Ok(client) => client,
        Err(error) => {
            println!("{url}: {error}");
            board::exit(2);
        }
    };

    let (led, acked, joins, refused) = (
        Cell::new(false),
        Cell::new(0_u32),
        Cell::new(0_u32),
        Cell::new(false),
    );
    let handler = |socket: &Socket, event: &Event<'_>| match event {
        Event::Auth(_) => {
            if let Err(error) = socket.provide_auth_value(&Login { name }) {
                println!("auth: {error}");
            }
        }
        Event::Opened { transport, .. } => println!("connected by {}", transport.name()),
        Event::Connected { recovered, .. } => {
            joins.set(joins.get() + 1);
            let hello = Hello {
                chip,
                firmware: concat!("sockeye-embedded, ", env!("CARGO_PKG_NAME")),
                board: "emulated by QEMU",
                chart: "counter",
                led: led.get(),
            };
            let told = socket.emit("hello", (&hello,));
            say(
                socket,
                format_args!("joined as {name}, recovered: {recovered}"),
            );
            if let Err(error) = told {
                println!("hello: {error}");
            }
        }
        Event::Message(message) => obey(socket, message, &led),
        Event::ConnectError(refusal) => {
            println!("refused: {}", refusal.message);
            refused.set(true);
        }
        Event::Disconnected { reason, .. } => println!("disconnected: {reason}"),
        Event::Closed { details, retry, .. } => {
            println!("closed: {details}; another attempt: {retry}");
        }
        Event::Reconnecting { attempt, delay } => {
            println!("attempt {attempt} in {} ms", delay.as_millis());
        }
        _ => (),
    };
    let telemetry = async {
        let (mut ticker, mut rtt_ms) = (Ticker::every(Duration::from_secs(1)), None);
        for counter in 1.. {
            ticker.next().await;
            let values = Telemetry {
                uptime: Instant::now().as_secs(),
                counter,
                free_heap: 0,
                free_stack: stack::size() - stack::high_water(),
                rtt_ms,
            };
            let start = Instant::now();
            let answer = socket.emit_with_ack_read("telemetry", (&values,), |_| Ok(()));
            match answer.timeout(core::time::Duration::from_secs(5)).await {
                Ok(()) => {
                    let took = start.elapsed().as_micros();
                    acked.set(acked.get() + 1);
                    rtt_ms = Some(took as f32 / 1000.0);
                    if counter % 5 == 1 {
                        say(
                            &socket,
                            format_args!("telemetry {counter} acknowledged after {took} us"),
                        );
                    }
                }
                Err(error) => println!("telemetry {counter}: {error}"),
            }
        }
    };
    let end = async {
        match args::number("duration") {
            Some(seconds) => Timer::after(Duration::from_secs(seconds)).await,
            None => pending().await,
        }
    };
    let given_up = poll_fn(|_| {
        if refused.get() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    let script = async {
        select(select(telemetry, end), given_up).await;
        say(&socket, format_args!("goodbye"));
        // What has been said is still sent.
        let _ = with_timeout(Duration::from_secs(2), socket.flush()).await;
        socket.stop();
        pending::<()>().await;
    };
    let run = select(
        runner.run(EmbassyNet::new(network, BUFFERS.take()), handler),
        script,
    );
    let Either::First(()) = run.await else {
        board::exit(1)
    };
    metric!("telemetry_acknowledged", acked.get());
    metric!("joins", joins.get());
    metric!("stack_bytes", stack::high_water());
    board::exit(if acked.get() > 0 && !refused.get() {
        0
    } else {
        1
    });
}

fn obey(socket: &Socket, message: &Message<'_>, led: &Cell<bool>) {
    if message.name != "led" {
        return;
    }
    match message.args.parse() {
        Ok((on,)) => {
            led.set(on);
            say(
                socket,
                format_args!("LED {}", if on { "on" } else { "off" }),
            );
            if let Err(error) = socket.reply(message, (on,)) {
                println!("led: {error}");
            }
        }
        Err(error) => println!("led: {error}"),
    }
}
