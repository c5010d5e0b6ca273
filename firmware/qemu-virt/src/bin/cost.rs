//! What the client takes of a processor: instructions for each received event and each emit, without the network stack.
//!
//! The other side is in memory; what it and the waiting cost is measured by itself and subtracted. Run with `-icount`.
#![no_std]
#![no_main]

use core::cell::{Cell, RefCell};
use core::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use embassy_executor::Spawner;
use embassy_futures::select::select;
use embassy_futures::yield_now;
use embedded_io_async::{ErrorType, Read, Write};
use qemu_virt::board::{self, counters::Instructions, entropy, stack};
use qemu_virt::{metric, println};
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use sockeye_embedded::{
    Config, Connect, ConnectError, Connection, EmitOptions, Event, Socket, Storage, Target,
};
use static_cell::ConstStaticCell;

const TIMES: u32 = 1000;

static STORAGE: ConstStaticCell<Storage<2048, 1024>> = ConstStaticCell::new(Storage::new());

/// A byte stream in memory: what is under way each way.
struct Wire {
    to_client: RefCell<Queue>,
    to_server: RefCell<Queue>,
}

struct Queue {
    bytes: [u8; 1024],
    len: usize,
}

impl Queue {
    const EMPTY: Self = Self {
        bytes: [0; 1024],
        len: 0,
    };

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn take(&mut self, out: &mut [u8]) -> usize {
        let n = out.len().min(self.len);
        out[..n].copy_from_slice(&self.bytes[..n]);
        self.bytes.copy_within(n..self.len, 0);
        self.len -= n;
        n
    }
}

impl Wire {
    /// A text frame of the server, shorter than 126 bytes.
    fn say(&self, text: &str) {
        let mut queue = self.to_client.borrow_mut();
        queue.put(&[0x81, text.len() as u8]);
        queue.put(text.as_bytes());
    }

    /// Forgets what the client has sent; whether there was something.
    fn hear(&self) -> bool {
        core::mem::take(&mut self.to_server.borrow_mut().len) > 0
    }

    /// Whether a whole request has come.
    fn is_asked(&self) -> bool {
        let queue = self.to_server.borrow();
        queue.bytes[..queue.len].ends_with(b"\r\n\r\n")
    }

    /// Accepts the WebSocket.
    fn answer(&self) {
        let mut accept = [0; 28];
        {
            let queue = self.to_server.borrow();
            let head = core::str::from_utf8(&queue.bytes[..queue.len]).expect("a request is ASCII");
            let key = head
                .lines()
                .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
                .expect("a key");
            let mut sha = Sha1::new();
            sha.update(key.trim());
            sha.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
            STANDARD
                .encode_slice(sha.finalize(), &mut accept)
                .expect("28 characters");
        }
        self.hear();
        let mut queue = self.to_client.borrow_mut();
        queue.put(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        );
        queue.put(b"Sec-WebSocket-Accept: ");
        queue.put(&accept);
        queue.put(b"\r\n\r\n");
    }

    /// The server's part of the handshakes.
    async fn accept(&self) {
        while !self.is_asked() {
            yield_now().await;
        }
        self.answer();
        self.say("0{\"sid\":\"S\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":100000}");
        while !self.hear() {
            yield_now().await;
        }
        self.say("40{\"sid\":\"T\"}");
    }
}

impl Connect for &Wire {
    type Connection<'c>
        = Ends<'c>
    where
        Self: 'c;

    async fn connect(&self, _: Target) -> Result<Ends<'_>, ConnectError> {
        Ok(Ends(self))
    }
}

struct Ends<'c>(&'c Wire);
struct Reader<'c>(&'c Wire);
struct Writer<'c>(&'c Wire);

impl Connection for Ends<'_> {
    type ReadError = Infallible;
    type WriteError = Infallible;
    type Read<'a>
        = Reader<'a>
    where
        Self: 'a;
    type Write<'a>
        = Writer<'a>
    where
        Self: 'a;

    async fn split(&mut self) -> Result<(Reader<'_>, Writer<'_>), ConnectError> {
        Ok((Reader(self.0), Writer(self.0)))
    }

    async fn close(&mut self) {}
}

impl ErrorType for Reader<'_> {
    type Error = Infallible;
}

impl Read for Reader<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        core::future::poll_fn(|_| match self.0.to_client.borrow_mut().take(buf) {
            0 => core::task::Poll::Pending,
            n => core::task::Poll::Ready(Ok(n)),
        })
        .await
    }
}

impl ErrorType for Writer<'_> {
    type Error = Infallible;
}

impl Write for Writer<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        self.0.to_server.borrow_mut().put(buf);
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Reading<'a> {
    sensor: &'a str,
    celsius: f32,
    counter: u32,
}

/// Instructions of one turn, on average.
async fn measure(times: u32, mut turn: impl AsyncFnMut(u32)) -> u64 {
    let instructions = Instructions::start();
    for number in 0..times {
        turn(number).await;
    }
    instructions.elapsed() / u64::from(times)
}

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    board::init();
    let wire = Wire {
        to_client: RefCell::new(Queue::EMPTY),
        to_server: RefCell::new(Queue::EMPTY),
    };
    let config = Config::new("http://board.test/", entropy::fill).expect("a good URL");
    let (socket, mut runner) =
        sockeye_embedded::new(config, STORAGE.take()).expect("room for one namespace");
    let (led, readings, acks) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let handler = |socket: &Socket, event: &Event<'_>| match event {
        Event::Message(message) if message.name == "led" => {
            if let Ok((true,)) = message.args.parse() {
                led.set(led.get() + 1);
            }
            let _ = socket.reply(message, (true,));
        }
        Event::Message(message) => {
            if let Ok((Reading {
                sensor: "greenhouse",
                counter: 7,
                ..
            },)) = message.args.parse()
            {
                readings.set(readings.get() + 1);
            }
        }
        Event::Ack { result: Ok(_), .. } => acks.set(acks.get() + 1),
        _ => (),
    };
    let script = async {
        wire.accept().await;
        while !socket.connected() {
            yield_now().await;
        }
        let waiting = measure(TIMES, async |_| yield_now().await).await;
        let other_side = measure(TIMES, async |_| {
            wire.say("42[\"reading\",{\"sensor\":\"greenhouse\",\"celsius\":21.5,\"counter\":7}]");
            wire.to_client.borrow_mut().len = 0;
        })
        .await;

        let event = measure(TIMES, async |number| {
            wire.say("42[\"led\",true]");
            while led.get() <= number {
                yield_now().await;
            }
        })
        .await;
        metric!("event_instructions", event - waiting - other_side);
        let reading = measure(TIMES, async |number| {
            wire.say("42[\"reading\",{\"sensor\":\"greenhouse\",\"celsius\":21.5,\"counter\":7}]");
            while readings.get() <= number {
                yield_now().await;
            }
        })
        .await;
        metric!("struct_event_instructions", reading - waiting - other_side);

        let reading = Reading {
            sensor: "greenhouse",
            celsius: 21.5,
            counter: 7,
        };
        let emit = measure(TIMES, async |_| {
            socket
                .emit("reading", (&reading,))
                .expect("room in the send buffer");
            while !wire.hear() {
                yield_now().await;
            }
        })
        .await;
        metric!("emit_instructions", emit - waiting);
        let ack = measure(TIMES, async |number| {
            socket
                .emit_with("reading", &(&reading,), EmitOptions::ACK)
                .expect("room in the send buffer");
            while !wire.hear() {
                yield_now().await;
            }
            wire.to_client.borrow_mut().put(&[0x81]);
            let mut text = [0; 16];
            let len = ack_packet(number, &mut text);
            wire.to_client.borrow_mut().put(&[len as u8]);
            wire.to_client.borrow_mut().put(&text[..len]);
            while acks.get() <= number {
                yield_now().await;
            }
        })
        .await;
        metric!("ack_instructions", ack - 2 * waiting - other_side);
        metric!("idle_poll_instructions", waiting);
    };
    select(runner.run(&wire, handler), script).await;
    metric!("stack_bytes", stack::high_water());
    println!("ok");
    board::exit(0);
}

/// `43<id>[1]`.
fn ack_packet(id: u32, out: &mut [u8; 16]) -> usize {
    out[..2].copy_from_slice(b"43");
    let mut len = 2;
    let mut divisor = 1;
    while id / divisor >= 10 {
        divisor *= 10;
    }
    while divisor > 0 {
        out[len] = b'0' + (id / divisor % 10) as u8;
        len += 1;
        divisor /= 10;
    }
    out[len..len + 3].copy_from_slice(b"[1]");
    len + 3
}
