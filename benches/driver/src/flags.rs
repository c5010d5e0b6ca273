//! The options.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "made by the macro; what an option is stands above it"
)]

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

xflags::xflags! {
    /// Benchmarks and load tests of Sockeye.
    cmd bench-driver {
        /// `cargo xtask bench`: what an event costs in sockeye, in other clients and in a hard-coded one.
        cmd bench {
            /// One short round, smaller counts under valgrind, no allocation counts.
            optional --quick
            /// Only these rows, with commas between: receive, receive-tls, binary, binary-typed, emit, ack, acks-100,
            /// acks-1000, acks-10000, namespaces-1, namespaces-100, namespaces-1000, fan-in-1, fan-in-1000, idle, idle-tls,
            /// idle-tls-own.
            optional --rows names: String
            /// Only these clients, with commas between: bare, core, sockeye, msgpack, rust_socketio, socket_io_client, node,
            /// python.
            optional --clients names: String
            /// How many events (or idle connections) a timed round has.
            optional --count number: NonZeroU32
            /// Timed rounds, interleaved; the median counts (default 5).
            optional --rounds number: NonZeroUsize
            /// No instruction and allocation counts.
            optional --no-valgrind
            /// Writes the figures as JSON.
            optional --json file: PathBuf
            /// Measures nothing: makes the tables of README.md and docs/performance.md of what --json wrote, which must be of
            /// a whole run.
            optional --readme file: PathBuf
            /// Keeps the callgrind profiles there, for callgrind_annotate.
            optional --profile folder: PathBuf
        }
        /// `cargo xtask load`: starts the official Node server, and N clients (500, then 5000) that send an event a second and
        /// wait for its acknowledgement: of `sockeye load`, and of Artillery. Then N clients (10000) of `sockeye load`, plain
        /// and with TLS. Prints a table. It takes nine minutes and works on Linux.
        cmd load {
            /// How many clients of each, with commas between.
            optional --beside numbers: String
            /// How many clients of `sockeye load` alone.
            optional --many number: NonZeroU32
            /// Puts the table into docs/load-testing.md.
            optional --write
        }
    }
}
