//! Sockeye against servers that others wrote. `cargo xtask test --part interop` runs it; see README.md of this crate.

mod client;
mod link;
mod server;
mod wait;

use std::time::Duration;

/// Makes one test per server of `async fn NAME(kind: Kind)`; each is called `module::NAME::server`.
macro_rules! scenario {
    ($name:ident) => {
        scenario!($name on node_4_8 Node48, node_3_1 Node31, python Python, socketioxide Socketioxide);
    };
    ($name:ident on $($test:ident $kind:ident),+) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs the scenario servers: cargo xtask test --part interop"]
                async fn $test() {
                    crate::bounded(super::$name(crate::server::Kind::$kind)).await;
                }
            )+
        }
    };
}

mod acks;
mod binary;
mod compression;
mod connect;
mod events;
mod harness;
mod reconnect;
mod recovery;
mod strangers;
mod transports;

/// A scenario that takes longer than this hangs.
async fn bounded(scenario: impl Future<Output = ()>) {
    let ended = tokio::time::timeout(Duration::from_secs(60), scenario).await;
    assert!(ended.is_ok(), "the scenario did not end within 60 s");
}
