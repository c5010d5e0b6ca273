//! Checks TLS: connects to a server of the host, says a line, expects it back reversed.
//!
//! Arguments: `port`, `host` (the name to expect in the certificate), `blob` (the CA in DER),
//! `time` (Unix seconds, else the board's clock). Exit code 3: the certificate was refused.
#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_time::{Duration, Instant, with_timeout};
use embedded_io_async::{Read, Write};
use qemu_virt::board::{self, heap, stack};
use qemu_virt::tls::{self, Connector};
use qemu_virt::{metric, net, println};
use sockeye_embedded::net::{EmbassyNet, SocketBuffers};
use sockeye_embedded::{Connect, ConnectError, Connection, Target};
use static_cell::ConstStaticCell;

const LINE: &[u8] = b"sockeye\n";
const REVERSED: &[u8] = b"eyekcos\n";
const PATIENCE: Duration = Duration::from_secs(20);

static BUFFERS: ConstStaticCell<SocketBuffers<1, 4096, 4096>> =
    ConstStaticCell::new(SocketBuffers::new());

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let nic = board::init();
    let network = net::up(spawner, nic).await;
    let connector = tls::connector(EmbassyNet::new(network, BUFFERS.take()));
    match with_timeout(PATIENCE, talk(&connector)).await {
        Ok(Ok(true)) => println!("ok"),
        Ok(Ok(false)) => {
            println!("the server answered something else");
            board::exit(1);
        }
        Ok(Err(error)) => {
            println!("{error}");
            let refused = error.as_str().starts_with("certificate refused");
            board::exit(if refused { 3 } else { 1 });
        }
        Err(_) => {
            println!("no answer in time");
            board::exit(1);
        }
    }
    metric!("heap_bytes", heap::high_water());
    metric!("stack_bytes", stack::high_water());
    board::exit(0);
}

async fn talk(connector: &Connector) -> Result<bool, ConnectError> {
    let start = Instant::now();
    // The host's loopback, as the guest sees it.
    let target = Target::new("10.0.2.2", net::port(), true);
    let mut connection = connector.connect(target).await?;
    metric!("handshake_us", start.elapsed().as_micros());
    metric!("heap_steady", heap::used());

    let start = Instant::now();
    let (mut reader, mut writer) = connection.split().await?;
    let mut answer = [0; LINE.len()];
    let complete = writer.write_all(LINE).await.is_ok()
        && writer.flush().await.is_ok()
        && reader.read_exact(&mut answer).await.is_ok();
    metric!("roundtrip_us", start.elapsed().as_micros());
    drop((reader, writer));
    connection.close().await;
    Ok(complete && answer == *REVERSED)
}
