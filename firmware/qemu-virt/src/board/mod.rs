//! The emulated board: UART, CLINT, PLIC, virtio network and entropy, RTC, test finisher.

pub mod args;
mod clint;
pub mod counters;
pub mod entropy;
mod finisher;
#[cfg(feature = "tls")]
pub mod heap;
#[cfg(feature = "tls")]
mod libc;
mod mmio;
pub mod nic;
mod plic;
pub mod rtc;
pub mod stack;
mod trap;
pub mod uart;
mod virtio;

pub use finisher::exit;
pub use nic::Nic;

/// Starts the board: log, clock, interrupts, entropy. Call it once, first thing in `main`.
///
/// Gives the network device, which [`crate::net::up`] takes. Without one in the machine it
/// prints why and exits: nothing on this board works without a network.
pub fn init() -> Nic {
    stack::paint();
    #[cfg(feature = "tls")]
    heap::init();
    uart::init_log(args::get("log").and_then(|level| level.parse().ok()));
    clint::init(args::number("speed").unwrap_or(1));
    let devices = virtio::probe();
    entropy::init(args::number("seed"), devices.entropy);
    let Some(net) = devices.net else {
        crate::println!("no network device: start QEMU with -device virtio-net-device");
        exit(2);
    };
    let nic = Nic::new(net);
    plic::init();
    nic
}
