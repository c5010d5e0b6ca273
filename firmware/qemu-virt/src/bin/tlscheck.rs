//! Checks TLS: connects to a server of the host, says a line, expects it back reversed.
//!
//! Arguments: `port`, `host` (the name to expect in the certificate), `blob` (the CA in DER),
//! `time` (Unix seconds, else the board's clock). Exit code 3: the certificate was refused.
#![no_std]
#![no_main]

use core::ffi::CStr;
use embassy_executor::Spawner;
use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, Instant};
use embedded_io_async::{Read, Write};
use qemu_virt::board::{self, args, heap, stack};
use qemu_virt::tls::{Failure, Socket, Tls};
use qemu_virt::{metric, net, println};
use static_cell::ConstStaticCell;

const LINE: &[u8] = b"sockeye\n";
const REVERSED: &[u8] = b"eyekcos\n";

static RX: ConstStaticCell<[u8; 4096]> = ConstStaticCell::new([0; 4096]);
static TX: ConstStaticCell<[u8; 4096]> = ConstStaticCell::new([0; 4096]);

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let nic = board::init();
    let network = net::up(spawner, nic).await;
    let mut socket = TcpSocket::new(network, RX.take(), TX.take());
    socket.set_timeout(Some(Duration::from_secs(10)));
    if let Err(error) = socket.connect((net::HOST, net::port())).await {
        println!("cannot connect to the host: {error:?}");
        board::exit(1);
    }
    match talk(Socket(socket)).await {
        Ok(true) => println!("ok"),
        Ok(false) => {
            println!("the server answered something else");
            board::exit(1);
        }
        Err(failure) => {
            println!("{failure}");
            board::exit(if matches!(failure, Failure::Refused(_)) {
                3
            } else {
                1
            });
        }
    }
    metric!("heap_bytes", heap::high_water());
    metric!("stack_bytes", stack::high_water());
    board::exit(0);
}

async fn talk(socket: Socket<'_>) -> Result<bool, Failure> {
    let mut name = [0; 256];
    let host = args::get("host").unwrap_or("sockeye.test");
    name[..host.len()].copy_from_slice(host.as_bytes());
    let name = CStr::from_bytes_until_nul(&name).expect("a host name is shorter than 256 bytes");

    let tls = Tls::new(args::blob())?;
    let start = Instant::now();
    let mut session = tls.connect(socket, name).await?;
    metric!("handshake_us", start.elapsed().as_micros());
    metric!("heap_steady", heap::used());

    let start = Instant::now();
    let (mut reader, mut writer) = session.split().await.map_err(Failure::Session)?;
    writer.write_all(LINE).await.map_err(Failure::Session)?;
    writer.flush().await.map_err(Failure::Session)?;
    let mut answer = [0; LINE.len()];
    let complete = reader.read_exact(&mut answer).await.is_ok();
    metric!("roundtrip_us", start.elapsed().as_micros());
    drop((reader, writer));
    session.close().await.map_err(Failure::Session)?;
    Ok(complete && answer == *REVERSED)
}
