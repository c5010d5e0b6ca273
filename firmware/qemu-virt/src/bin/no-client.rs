//! The program that `client` would be without its client: network, one TCP connection, tasks, timers, a line now and then.
//!
//! Arguments: `port`.
#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_net::Stack;
use embassy_net::dns::DnsQueryType;
use embassy_net::tcp::TcpSocket;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Timer, with_timeout};
use embedded_io_async::Write;
use qemu_virt::board::{self, entropy, stack};
use qemu_virt::{metric, net, println};
use static_cell::{ConstStaticCell, StaticCell};

static BUFFERS: ConstStaticCell<([u8; 1024], [u8; 1024])> =
    ConstStaticCell::new(([0; 1024], [0; 1024]));
static DONE: StaticCell<Signal<NoopRawMutex, usize>> = StaticCell::new();

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let nic = board::init();
    let network = net::up(spawner, nic).await;
    let done: &'static Signal<NoopRawMutex, usize> = DONE.init(Signal::new());
    spawner.spawn(run(network, done).expect("started once"));
    for counter in 0..5_u32 {
        println!(
            "telemetry {counter}, {} s",
            embassy_time::Instant::now().as_secs()
        );
        Timer::after(Duration::from_millis(20)).await;
    }
    println!("{} bytes answered", done.wait().await);
    metric!("stack_bytes", stack::high_water());
    println!("ok");
    board::exit(0);
}

#[embassy_executor::task]
async fn run(network: Stack<'static>, done: &'static Signal<NoopRawMutex, usize>) {
    let (rx, tx) = BUFFERS.take();
    let mut socket = TcpSocket::new(network, rx, tx);
    socket.set_nagle_enabled(false);
    let addresses = network.dns_query("10.0.2.2", DnsQueryType::A).await;
    let Some(address) = addresses
        .ok()
        .and_then(|addresses| addresses.first().copied())
    else {
        println!("no address");
        board::exit(1);
    };
    if let Err(error) = socket.connect((address, net::port())).await {
        println!("cannot connect: {error:?}");
        board::exit(1);
    }
    let mut nonce = [0; 4];
    entropy::fill(&mut nonce);
    let (mut reader, mut writer) = socket.split();
    let request =
        writer.write_all(b"GET /nothing HTTP/1.1\r\nHost: board\r\nConnection: close\r\n\r\n");
    let sent = with_timeout(Duration::from_secs(1), request).await;
    let mut answer = [0; 64];
    let mut bytes = 0;
    while let Either::First(Ok(n @ 1..)) = select(
        reader.read(&mut answer),
        Timer::after(Duration::from_secs(1)),
    )
    .await
    {
        bytes += n;
    }
    println!("sent: {}, {nonce:?}", sent.is_ok());
    socket.close();
    let _ = socket.flush().await;
    socket.abort();
    done.signal(bytes);
}
