//! A client of the cluster test: over TLS, for as long as it is let, through whatever happens to the servers. It emits a
//! numbered event twice a second and says on the UART what becomes of each, and what the nodes tell: see
//! `crates/sockeye-interop/tests/cluster/boards.rs`.
//!
//! Arguments: `port`, `host` (the name to expect in the certificate), `blob` (the CA in DER), `time` (Unix seconds), `client`
//! (its number), `retries` (1: events are repeated until they are acknowledged).
#![no_std]
#![no_main]

use core::cell::Cell;
use core::time::Duration;

use embassy_executor::Spawner;
use embassy_futures::select::select;
use embassy_time::{Duration as Ticks, Ticker};
use qemu_virt::board::{self, args, entropy};
use qemu_virt::{net, println, tls};
use serde::Serialize;
use sockeye_embedded::net::{EmbassyNet, SocketBuffers};
use sockeye_embedded::{Config, EmitOptions, Event, Socket, Storage, Texts, storage};
use static_cell::ConstStaticCell;

/// What the nodes told while this client was away comes in one piece.
type Memory = storage!(rx: 16384, tx: 4096, acks: 16);

static STORAGE: ConstStaticCell<Memory> = ConstStaticCell::new(Storage::new());
static BUFFERS: ConstStaticCell<SocketBuffers<1, 4096, 2048>> =
    ConstStaticCell::new(SocketBuffers::new());
static TEXTS: ConstStaticCell<[u8; 64]> = ConstStaticCell::new([0; 64]);

#[derive(Serialize)]
struct Login {
    client: u64,
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let nic = board::init();
    let network = net::up(spawner, nic).await;
    let mut texts = Texts::new(TEXTS.take());
    let url = texts
        .format(format_args!("https://{}:{}/", net::HOST, net::port()))
        .expect("room for the URL");
    let mut config = Config::new(url, entropy::fill).expect("a good URL");
    config.core.connect_timeout = Some(Duration::from_secs(4));
    config.core.join_timeout = Some(Duration::from_secs(4));
    if args::number("retries") == Some(1) {
        config.options.retries = Some(u32::MAX);
        config.options.ack_timeout = Some(Duration::from_secs(3));
    }
    let (socket, mut runner) =
        sockeye_embedded::new(config, STORAGE.take()).expect("room for one namespace");
    let connector = tls::connector(EmbassyNet::new(network, BUFFERS.take()));

    let client = args::number("client").unwrap_or(0);
    let handler = |socket: &Socket, event: &Event<'_>| match event {
        Event::Auth(_) => {
            if let Err(error) = socket.provide_auth_value(&Login { client }) {
                println!("failed: auth: {error}");
            }
        }
        Event::Connected { recovered, .. } => println!("joined {}", u8::from(*recovered)),
        Event::Closed { details, .. } => println!("closed {details}"),
        Event::Ack {
            result: Ok(args), ..
        } => match args.parse::<(u64,)>() {
            Ok((number,)) => println!("acked {number}"),
            Err(error) => println!("failed: answer: {error}"),
        },
        Event::Ack {
            result: Err(error), ..
        } => println!("lost {error}"),
        Event::Message(message) if message.name == "news" => {
            match message.args.parse::<(&str, u64)>() {
                Ok((life, number)) => println!("news {life} {number}"),
                Err(error) => println!("failed: news: {error}"),
            }
        }
        Event::MessageTooLarge { bytes, .. } => println!("failed: {bytes} bytes were skipped"),
        _ => (),
    };
    let next = Cell::new(0_u64);
    let emitting = async {
        let mut ticker = Ticker::every(Ticks::from_millis(500));
        loop {
            ticker.next().await;
            // No room while it is away: the number waits for the next time.
            if socket
                .emit_with("put", &(next.get(),), EmitOptions::ACK)
                .is_ok()
            {
                println!("put {}", next.get());
                next.set(next.get() + 1);
            }
        }
    };
    select(runner.run(connector, handler), emitting).await;
    println!("failed: the run loop ended by itself");
    board::exit(1)
}
