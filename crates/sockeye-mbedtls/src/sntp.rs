//! The time from the network, by SNTP: certificates cannot be checked without.
//!
//! The answers are not signed. Who can forge them can make an expired certificate pass, but not one of another CA or for
//! another name.

use core::fmt;

use embassy_net::dns::DnsQueryType;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpEndpoint, Stack};
use embassy_time::{Duration, with_timeout};

const PORT: u16 = 123;
const PATIENCE: Duration = Duration::from_secs(3);
/// Seconds from NTP's first day to Unix's.
const UNIX: u64 = 2_208_988_800;
const LEN: usize = 48;

/// Why there is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SntpError {
    /// The server's name could not be looked up.
    Dns,
    /// Nothing can be sent there.
    Network,
    /// No answer within three seconds.
    Silence,
    /// The server does not know the time itself.
    Answer,
}

impl fmt::Display for SntpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "the time server's name could not be looked up",
            Self::Network => "nothing can be sent to the time server",
            Self::Silence => {
                "no answer from the time server: is UDP port 123 blocked? use a server of your network"
            }
            Self::Answer => "the time server has no time to give",
        })
    }
}

impl core::error::Error for SntpError {}

/// Asks `server` once: seconds since 1970, for [`clock::set`](crate::clock::set). Takes a free UDP socket of the stack,
/// three seconds at most, and some bytes from `random` by which the answer is known.
///
/// # Errors
/// Why there is no time; try again after a few seconds.
pub async fn ask(stack: Stack<'_>, server: &str, random: fn(&mut [u8])) -> Result<u64, SntpError> {
    let addresses = stack.dns_query(server, DnsQueryType::A).await;
    let address = addresses
        .ok()
        .and_then(|addresses| addresses.first().copied())
        .ok_or(SntpError::Dns)?;
    let server = IpEndpoint::new(address, PORT);

    let (mut rx, mut tx) = ([0; 128], [0; 64]);
    let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 2], [PacketMetadata::EMPTY; 1]);
    let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
    socket.bind(0).map_err(|_| SntpError::Network)?;

    let mut nonce = [0; 8];
    random(&mut nonce);
    let mut packet = request(nonce);
    socket
        .send_to(&packet, server)
        .await
        .map_err(|_| SntpError::Network)?;
    let answered = async {
        loop {
            let (len, from) = socket
                .recv_from(&mut packet)
                .await
                .map_err(|_| SntpError::Answer)?;
            if len == LEN && from.endpoint == server && is_answer(&packet, nonce) {
                return Ok(());
            }
        }
    };
    with_timeout(PATIENCE, answered)
        .await
        .map_err(|_| SntpError::Silence)??;
    read(&packet).ok_or(SntpError::Answer)
}

/// Version 4, from a client. Instead of its own time it sends a random number, which the answer must repeat.
fn request(nonce: [u8; 8]) -> [u8; LEN] {
    let mut packet = [0; LEN];
    packet[0] = 0x23;
    packet[40..].copy_from_slice(&nonce);
    packet
}

fn is_answer(packet: &[u8; LEN], nonce: [u8; 8]) -> bool {
    packet[24..32] == nonce
}

/// Unix time in the answer of a server that knows the time.
fn read(packet: &[u8; LEN]) -> Option<u64> {
    let (leap, mode, stratum) = (packet[0] >> 6, packet[0] & 7, packet[1]);
    if leap == 3 || mode != 4 || !(1..=15).contains(&stratum) {
        return None;
    }
    let seconds = u64::from(u32::from_be_bytes(packet[40..44].try_into().ok()?));
    // 32 bits overflow in 2036; nobody asks before 1968.
    let era = if seconds < 1 << 31 { 1 << 32 } else { 0 };
    (seconds + era).checked_sub(UNIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(first: u8, stratum: u8, seconds: u32) -> [u8; LEN] {
        let mut packet = [0; LEN];
        (packet[0], packet[1]) = (first, stratum);
        packet[40..44].copy_from_slice(&seconds.to_be_bytes());
        packet
    }

    #[test]
    fn reads_the_time_before_and_after_2036() {
        assert_eq!(read(&answer(0x24, 2, 3_909_000_000)), Some(1_700_011_200));
        assert_eq!(read(&answer(0x24, 15, 0)), Some((1 << 32) - UNIX));
        assert_eq!(read(&answer(0x24, 1, 5)), Some((1 << 32) + 5 - UNIX));
    }

    #[test]
    fn takes_no_time_from_a_server_that_has_none() {
        for (first, stratum) in [(0xe4, 2), (0x23, 2), (0x24, 0), (0x24, 16)] {
            assert_eq!(read(&answer(first, stratum, 3_909_000_000)), None);
        }
    }

    #[test]
    fn an_answer_repeats_the_number() {
        let nonce = [1, 2, 3, 4, 5, 6, 7, 8];
        let mut packet = request(nonce);
        assert_eq!((packet[0], packet.len()), (0x23, 48));
        assert!(!is_answer(&packet, nonce));
        packet[24..32].copy_from_slice(&nonce);
        assert!(is_answer(&packet, nonce));
    }
}
