//! What the benchmark measures.

/// What is measured. The name is also the clients' sub-command and the load server's scenario.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// How many in a timed round.
    pub(super) count: u32,
    /// How many in the first of the two runs under valgrind; 0 where instructions say nothing.
    pub(super) counted: u32,
    /// Client and server share a processor: where they take turns, waking the other one on another processor costs several
    /// times what is measured, and it would depend on where the scheduler has put them.
    pub(super) together: bool,
    /// How many make one batch, so that none is counted in part.
    pub(super) batch: u32,
    /// The peak of the heap says something.
    pub(super) peak: bool,
    /// With TLS.
    pub(super) secure: bool,
    /// Held against its neighbours, and not against other clients.
    pub(super) scale: bool,
    /// On many connections of one process: for clients that can hold them.
    pub(super) fan: bool,
}

impl Row {
    const fn new(name: &'static str, what: &'static str, count: u32, counted: u32) -> Self {
        Self {
            name,
            what,
            count,
            counted,
            together: false,
            batch: 1,
            peak: false,
            secure: false,
            scale: false,
            fan: false,
        }
    }
}

pub(super) const ROWS: &[Row] = &[
    Row::new("receive", "small typed events received", 300_000, 10_000),
    Row {
        peak: true,
        ..Row::new("binary", "1 KiB binary events received", 100_000, 5_000)
    },
    Row {
        peak: true,
        ..Row::new(
            "binary-typed",
            "1 KiB binary events with a typed argument received",
            100_000,
            5_000,
        )
    },
    Row {
        secure: true,
        ..Row::new(
            "receive-tls",
            "small typed events received over TLS",
            300_000,
            10_000,
        )
    },
    Row::new("emit", "small typed events emitted", 300_000, 10_000),
    Row {
        together: true,
        ..Row::new("ack", "sequential emits with ack", 20_000, 2_000)
    },
    Row {
        batch: 100,
        scale: true,
        ..Row::new(
            "acks-100",
            "emits with ack, 100 in flight, answered in random order",
            50_000,
            4_000,
        )
    },
    Row {
        batch: 1_000,
        scale: true,
        ..Row::new(
            "acks-1000",
            "emits with ack, 1 000 in flight, answered in random order",
            100_000,
            8_000,
        )
    },
    Row {
        batch: 10_000,
        scale: true,
        ..Row::new(
            "acks-10000",
            "emits with ack, 10 000 in flight, answered in random order",
            100_000,
            20_000,
        )
    },
    Row {
        scale: true,
        ..Row::new(
            "namespaces-1",
            "small typed events for the only namespace",
            100_000,
            4_000,
        )
    },
    Row {
        scale: true,
        ..Row::new(
            "namespaces-100",
            "small typed events for the last of 100 namespaces",
            100_000,
            4_000,
        )
    },
    Row {
        scale: true,
        ..Row::new(
            "namespaces-1000",
            "small typed events for the last of 1 000 namespaces",
            100_000,
            4_000,
        )
    },
    Row {
        fan: true,
        ..Row::new(
            "fan-in-1",
            "small typed events on one connection, 100 000 a second",
            100_000,
            0,
        )
    },
    Row {
        fan: true,
        ..Row::new(
            "fan-in-1000",
            "small typed events on 1 000 connections, 100 a second each",
            100_000,
            0,
        )
    },
    Row::new("idle", "idle connections", 1_000, 0),
    Row {
        secure: true,
        ..Row::new("idle-tls", "idle connections over TLS", 1_000, 0)
    },
    Row {
        secure: true,
        ..Row::new(
            "idle-tls-own",
            "idle connections over TLS, each with a configuration of its own",
            1_000,
            0,
        )
    },
];
