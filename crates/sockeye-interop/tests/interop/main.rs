//! Sockeye against servers that others wrote. `cargo xtask test --part interop` runs it; see README.md of this crate.

mod client;
mod link;
mod server;
mod tls;
mod wait;

use std::time::Duration;

/// Makes one test per server of `async fn NAME(kind: Kind)`; each is called `module::NAME::server`. What runs on all
/// servers runs once more with a client that is driven by threads instead of tokio. `and older`: on servers of Engine.IO 3 as well.
macro_rules! scenario {
    ($name:ident) => {
        scenario!(@ $name
            bounded node_4_8 Node48,
            bounded node_4_8_msgpack Node48Msgpack,
            bounded node_4_8_tls Node48Tls,
            bounded node_3_1 Node31,
            bounded python Python,
            bounded socketioxide Socketioxide,
            on_threads node_4_8_on_threads Node48
        );
    };
    ($name:ident and older) => {
        scenario!(@ $name
            bounded node_4_8 Node48,
            bounded node_4_8_msgpack Node48Msgpack,
            bounded node_3_1 Node31,
            bounded python Python,
            bounded socketioxide Socketioxide,
            bounded node_2_5 Node25,
            bounded node_2_5_msgpack Node25Msgpack,
            bounded node_1_7 Node17,
            bounded python_4 Python4,
            bounded flask_4 Flask4,
            on_threads node_4_8_on_threads Node48,
            on_threads node_2_5_on_threads Node25
        );
    };
    ($name:ident on $($test:ident $kind:ident),+) => {
        scenario!(@ $name $(bounded $test $kind),+);
    };
    (@ $name:ident $($run:ident $test:ident $kind:ident),+) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs the scenario servers: cargo xtask test --part interop"]
                async fn $test() {
                    crate::$run(super::$name(crate::server::Kind::$kind)).await;
                }
            )+
        }
    };
}

mod acks;
mod binary;
mod chaos;
mod command;
mod compression;
mod connect;
mod differential;
mod events;
mod harness;
mod load;
mod msgpack;
mod older;
mod parsers;
mod reconnect;
mod recovery;
mod strangers;
mod transports;

/// A scenario that takes longer than this hangs.
async fn bounded(scenario: impl Future<Output = ()>) {
    let ended = tokio::time::timeout(Duration::from_secs(60), scenario).await;
    assert!(ended.is_ok(), "the scenario did not end within 60 s");
}

tokio::task_local! {
    /// The clients of this scenario are driven by threads.
    static ON_THREADS: ();
}

/// As [`bounded`], with the clients on threads.
async fn on_threads(scenario: impl Future<Output = ()>) {
    ON_THREADS.scope((), bounded(scenario)).await;
}

/// The client is driven as the scenario wants it.
fn driven(builder: sockeye::ClientBuilder) -> sockeye::ClientBuilder {
    match ON_THREADS.try_with(|()| ()) {
        Ok(()) => builder.threads(),
        Err(_) => builder,
    }
}
