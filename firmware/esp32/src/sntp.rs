//! The wall clock, by SNTP: certificates cannot be checked without.
//!
//! The answers are not signed. Who can forge them can make an expired certificate pass, but not one of another CA or
//! for another name.

use core::cell::Cell;
use core::fmt;

use embassy_executor::Spawner;
use embassy_net::dns::DnsQueryType;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpEndpoint, Stack};
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use esp_hal::rng::Rng;

use crate::config;
use crate::console::say;

const PORT: u16 = 123;
const PATIENCE: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_secs(5);
/// The chip's clock is off by less than a second after this.
const REFRESH: Duration = Duration::from_secs(6 * 3600);
/// Seconds from NTP's first day to Unix's.
const UNIX: u64 = 2_208_988_800;

/// Unix time at boot; 0 until it is known.
static BOOT: Mutex<CriticalSectionRawMutex, Cell<u64>> = Mutex::new(Cell::new(0));
static SET: Signal<CriticalSectionRawMutex, ()> = Signal::new();

/// Unix time in seconds, if it is known.
pub(crate) fn now() -> Option<u64> {
    match BOOT.lock(Cell::get) {
        0 => None,
        boot => Some(boot + Instant::now().as_secs()),
    }
}

/// Keeps the clock right from now on, and waits until it is set.
pub(crate) async fn start(spawner: Spawner, stack: Stack<'static>) {
    spawner.spawn(keep(stack).expect("started once"));
    SET.wait().await;
}

#[embassy_executor::task]
async fn keep(stack: Stack<'static>) -> ! {
    loop {
        stack.wait_config_up().await;
        match ask(stack).await {
            Ok(unix) => {
                BOOT.lock(|boot| boot.set(unix.saturating_sub(Instant::now().as_secs())));
                say!("clock", "{unix} s since 1970, by {}", config::SNTP);
                SET.signal(());
                Timer::after(REFRESH).await;
            }
            Err(trouble) => {
                say!(
                    "clock",
                    "no time from {}: {trouble}; again in {} s",
                    config::SNTP,
                    RETRY.as_secs()
                );
                Timer::after(RETRY).await;
            }
        }
    }
}

enum Trouble {
    Dns,
    Network,
    Silence,
    Answer,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "the name could not be looked up",
            Self::Network => "nothing can be sent there",
            Self::Silence => {
                "no answer (is UDP port 123 blocked? set SOCKEYE_SNTP to a server of your network)"
            }
            Self::Answer => "it has no time to give",
        })
    }
}

async fn ask(stack: Stack<'static>) -> Result<u64, Trouble> {
    let addresses = stack
        .dns_query(config::SNTP, DnsQueryType::A)
        .await
        .map_err(|_| Trouble::Dns)?;
    let address = *addresses.first().ok_or(Trouble::Dns)?;
    let server = IpEndpoint::new(address, PORT);

    let (mut rx, mut tx) = ([0; 128], [0; 64]);
    let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 2], [PacketMetadata::EMPTY; 1]);
    let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
    socket.bind(0).map_err(|_| Trouble::Network)?;

    // Version 4, from a client. Instead of its own time it sends a random number, which the answer must repeat.
    let mut packet = [0; 48];
    packet[0] = 0x23;
    let mut nonce = [0; 8];
    Rng::new().read(&mut nonce);
    packet[40..].copy_from_slice(&nonce);
    socket
        .send_to(&packet, server)
        .await
        .map_err(|_| Trouble::Network)?;

    let answered = async {
        loop {
            let (len, from) = socket
                .recv_from(&mut packet)
                .await
                .map_err(|_| Trouble::Answer)?;
            if len == packet.len() && from.endpoint == server && packet[24..32] == nonce {
                return Ok(());
            }
        }
    };
    with_timeout(PATIENCE, answered)
        .await
        .map_err(|_| Trouble::Silence)??;
    read(&packet).ok_or(Trouble::Answer)
}

/// Unix time in the answer of a server that knows the time.
fn read(packet: &[u8; 48]) -> Option<u64> {
    let (leap, mode, stratum) = (packet[0] >> 6, packet[0] & 7, packet[1]);
    if leap == 3 || mode != 4 || !(1..=15).contains(&stratum) {
        return None;
    }
    let seconds = u64::from(u32::from_be_bytes(packet[40..44].try_into().ok()?));
    // 32 bits overflow in 2036; nobody asks before 1968.
    let era = if seconds < 1 << 31 { 1 << 32 } else { 0 };
    (seconds + era).checked_sub(UNIX)
}
