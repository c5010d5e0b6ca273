//! Checks the board itself: address by DHCP, then data echoed by a TCP server of the host.
//!
//! Arguments: `port`, `bytes` (default 1 MiB).
#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_futures::join::join;
use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, Instant};
use embedded_io_async::Write;
use qemu_virt::board::{self, args, counters::Instructions, stack};
use qemu_virt::{metric, net, println};
use static_cell::ConstStaticCell;

static RX: ConstStaticCell<[u8; 4096]> = ConstStaticCell::new([0; 4096]);
static TX: ConstStaticCell<[u8; 4096]> = ConstStaticCell::new([0; 4096]);

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

    let mut socket = TcpSocket::new(network, RX.take(), TX.take());
    socket.set_timeout(Some(Duration::from_secs(10)));
    let start = Instant::now();
    if let Err(error) = socket.connect((net::HOST, net::port())).await {
        println!("cannot connect to the host: {error:?}");
        board::exit(1);
    }
    metric!("connect_us", start.elapsed().as_micros());

    let total = args::number("bytes").unwrap_or(1 << 20) as usize;
    let start = Instant::now();
    let instructions = Instructions::start();
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
            if len == 0
                || chunk[..len]
                    .iter()
                    .enumerate()
                    .any(|(offset, byte)| *byte != pattern(at + offset))
            {
                break;
            }
            at += len;
        }
        Ok::<_, embassy_net::tcp::Error>(at)
    };
    match join(send, receive).await {
        (Ok(()), Ok(at)) if at == total => {}
        (sent, received) => {
            println!(
                "echo failed: sent {sent:?}, received {received:?} of {total} bytes as they should be"
            );
            board::exit(1);
        }
    }
    metric!("echo_us", start.elapsed().as_micros());
    metric!("echo_instructions", instructions.elapsed());
    metric!("stack_bytes", stack::high_water());
    metric!("stack_size", stack::size());
    println!("ok");
    board::exit(0);
}
