//! The network stack: DHCP, DNS, UDP and TCP over the board's network card.

use crate::board::{Nic, args, entropy};
use embassy_executor::Spawner;
use embassy_net::{Config, Ipv4Address, Runner, Stack, StackResources};
use static_cell::StaticCell;

/// DHCP, DNS, one UDP and four TCP sockets: two more than a client that upgrades from polling needs.
const SOCKETS: usize = 7;

/// QEMU's address of the host's loopback, as the guest sees it.
pub const HOST: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);

static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();

/// Starts the stack and waits for an address.
pub async fn up(spawner: Spawner, nic: Nic) -> Stack<'static> {
    let resources = RESOURCES.init_with(StackResources::new);
    let (stack, runner) = embassy_net::new(
        nic,
        Config::dhcpv4(Default::default()),
        resources,
        entropy::u64(),
    );
    spawner.spawn(run(runner).expect("started once"));
    stack.wait_config_up().await;
    if let Some(config) = stack.config_v4() {
        log::info!("address {}, gateway {:?}", config.address, config.gateway);
    }
    stack
}

/// The port of the host to connect to: the argument `port`.
pub fn port() -> u16 {
    args::number("port")
        .and_then(|port| port.try_into().ok())
        .unwrap_or_else(|| {
            crate::println!("argument missing: port=<a TCP port of the host>");
            crate::board::exit(2)
        })
}

#[embassy_executor::task]
async fn run(mut runner: Runner<'static, Nic>) -> ! {
    runner.run().await
}
