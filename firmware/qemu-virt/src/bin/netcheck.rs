//! Checks the board itself: address by DHCP, data echoed by a server of the host over TCP and UDP,
//! and all of it again after the cable was out.
//!
//! Arguments: `port` (TCP), `udp` (left out: not checked), `bytes` (default 1 MiB).
#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_futures::join::join;
use embassy_net::Stack;
use embassy_net::tcp::{self, TcpSocket};
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_time::{Duration, Instant, with_timeout};
use embedded_io_async::Write;
use qemu_virt::board::{self, args, counters::Instructions, nic, stack};
use qemu_virt::{metric, net, println};

/// What byte `at` of the stream is. A prime period, so that lost or doubled pieces do not line up.
fn pattern(at: usize) -> u8 {
    (at % 251) as u8
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let nic = board::init();
    metric!("boot_us", Instant::now().as_micros());

    let instructions = Instructions::start();
    let checksum =
        (0..10_000_usize).fold(0_u32, |sum, at| sum.rotate_left(1) ^ u32::from(pattern(at)));
    metric!("checksum", checksum);
    metric!("checksum_instructions", instructions.elapsed());

    let network = net::up(spawner, nic).await;
    metric!("dhcp_us", Instant::now().as_micros());

    let start = Instant::now();
    let instructions = Instructions::start();
    tcp_echo(network, args::number("bytes").unwrap_or(1 << 20) as usize).await;
    metric!("echo_us", start.elapsed().as_micros());
    metric!("echo_instructions", instructions.elapsed());
    if let Some(port) = args::number("udp") {
        udp_echo(network, port as u16).await;
    }

    let start = Instant::now();
    nic::set_cable(false);
    network.wait_config_down().await;
    nic::set_cable(true);
    network.wait_config_up().await;
    metric!("rejoin_us", start.elapsed().as_micros());
    tcp_echo(network, 1024).await;

    metric!("stack_bytes", stack::high_water());
    metric!("stack_size", stack::size());
    println!("ok");
    board::exit(0);
}

/// Sends `total` bytes and exits with an error unless the same come back.
async fn tcp_echo(network: Stack<'static>, total: usize) {
    let mut rx = [0; 4096];
    let mut tx = [0; 4096];
    let mut socket = TcpSocket::new(network, &mut rx, &mut tx);
    socket.set_timeout(Some(Duration::from_secs(10)));
    let start = Instant::now();
    if let Err(error) = socket.connect((net::HOST, net::port())).await {
        println!("cannot connect to the host: {error:?}");
        board::exit(1);
    }
    metric!("connect_us", start.elapsed().as_micros());

    let (mut reader, mut writer) = socket.split();
    let send = async {
        let mut chunk = [0; 1024];
        let mut at = 0;
        while at < total {
            let len = chunk.len().min(total - at);
            for (offset, byte) in chunk[..len].iter_mut().enumerate() {
                *byte = pattern(at + offset);
            }
            writer.write_all(&chunk[..len]).await?;
            at += len;
        }
        writer.flush().await
    };
    let receive = async {
        let mut chunk = [0; 1024];
        let mut at = 0;
        while at < total {
            let len = reader.read(&mut chunk).await?;
            let as_sent = |(offset, byte): (usize, &u8)| *byte == pattern(at + offset);
            if len == 0 || !chunk[..len].iter().enumerate().all(as_sent) {
                break;
            }
            at += len;
        }
        Ok::<_, tcp::Error>(at)
    };
    match join(send, receive).await {
        (Ok(()), Ok(at)) if at == total => {}
        (sent, received) => {
            println!("echo failed: sent {sent:?}, received {received:?} of {total} bytes as sent");
            board::exit(1);
        }
    }
}

/// Sends one datagram and exits with an error unless the same comes back.
async fn udp_echo(network: Stack<'static>, port: u16) {
    const TEXT: &[u8] = b"sockeye";
    let (mut rx, mut tx) = ([0; 256], [0; 256]);
    let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 2], [PacketMetadata::EMPTY; 2]);
    let mut socket = UdpSocket::new(network, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
    let exchange = async {
        socket.bind(0).ok()?;
        socket.send_to(TEXT, (net::HOST, port)).await.ok()?;
        let mut answer = [0; 64];
        let (len, _) = socket.recv_from(&mut answer).await.ok()?;
        (answer[..len] == *TEXT).then_some(())
    };
    if with_timeout(Duration::from_secs(5), exchange).await != Ok(Some(())) {
        println!("no UDP answer from port {port} of the host");
        board::exit(1);
    }
}
