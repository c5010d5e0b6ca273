//! The client against real servers, one scenario a run. `cargo xtask test --part board` starts the servers and the runs.
//!
//! Arguments: `scenario`, `port`, and what the scenario says. Lines `host …` ask the host for something: see
//! `crates/sockeye-boards/tests/boards/client.rs`, which does it. This image links no allocator.
#![no_std]
#![no_main]

mod basics;
mod binary;
mod cuts;
mod faults;
mod stage;
mod storm;
mod transports;

use embassy_executor::Spawner;
use qemu_virt::board::{self, args, stack};
use qemu_virt::{metric, net, println};

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let nic = board::init();
    let network = net::up(spawner, nic).await;
    match args::get("scenario").unwrap_or_default() {
        "namespaces" => basics::namespaces(network).await,
        "events" => basics::events(network).await,
        "acks" => basics::acks(network).await,
        "admin" => basics::admin(network).await,
        "heartbeat" => basics::heartbeat(network).await,
        "binary" => binary::both_ways(network).await,
        "too-large" => binary::too_large(network).await,
        "restart" => faults::restart(network).await,
        "recovery" => faults::recovery(network).await,
        "wrong-server" => faults::wrong_server(network).await,
        "polling" => transports::polling(network).await,
        "upgrade" => transports::upgrade(network).await,
        "cuts" => cuts::cuts(network).await,
        "storm" => storm::cuts(network).await,
        other => {
            println!("there is no scenario `{other}`: give the argument scenario=<name>");
            board::exit(2);
        }
    }
    metric!("stack_bytes", stack::high_water());
    println!("ok");
    board::exit(0);
}
