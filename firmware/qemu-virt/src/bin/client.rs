//! A small program with the client, as devices have it: what it is larger than `no-client` is what the client costs.
//!
//! Arguments: `port`.
#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_time::{Duration, Timer};
use qemu_virt::board::{self, entropy, stack};
use qemu_virt::{metric, net, println};
use serde::Serialize;
use sockeye_embedded::net::{EmbassyNet, SocketBuffers};
use sockeye_embedded::{Config, EmbassyClock, Handlers, Runner, Socket, Storage};
use static_cell::ConstStaticCell;

use embassy_net::Stack;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;

static STORAGE: ConstStaticCell<Storage<2048, 1024>> = ConstStaticCell::new(Storage::new());
static BUFFERS: ConstStaticCell<SocketBuffers<1, 1024, 1024>> =
    ConstStaticCell::new(SocketBuffers::new());

#[derive(Serialize)]
struct Telemetry {
    uptime: u64,
    counter: u32,
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let nic = board::init();
    let network = net::up(spawner, nic).await;
    // A device has its URL from its configuration; the port of this one is known at the start only.
    let mut config = Config::new("http://10.0.2.2/", entropy::fill).expect("a good URL");
    config.port = net::port();
    let (socket, runner) =
        sockeye_embedded::new(config, STORAGE.take()).expect("room for one namespace");
    spawner.spawn(run(runner, network).expect("started once"));
    socket.ready().await;
    for counter in 0..5_u32 {
        let telemetry = Telemetry {
            uptime: embassy_time::Instant::now().as_secs(),
            counter,
        };
        match socket.emit_with_ack::<_, ()>("ack", (&telemetry,)).await {
            Ok(()) => println!("telemetry {counter} acknowledged"),
            Err(error) => println!("telemetry {counter}: {error}"),
        }
        Timer::after(Duration::from_millis(20)).await;
    }
    metric!("stack_bytes", stack::high_water());
    println!("ok");
    board::exit(0);
}

#[embassy_executor::task]
async fn run(mut runner: Runner<NoopRawMutex, EmbassyClock, 1>, network: Stack<'static>) {
    let handlers = Handlers::new()
        .on("led", |socket: &Socket, event| {
            let (on,): (bool,) = event.args.parse()?;
            println!("LED {on}");
            Ok(socket.reply(event, (on,))?)
        })
        .on_connect(|_, _| println!("joined"))
        .on_disconnect(|_, reason, _| println!("left: {}", reason.as_str()));
    runner
        .run(EmbassyNet::new(network, BUFFERS.take()), handlers)
        .await;
}
