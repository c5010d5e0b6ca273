//! Who is measured: programs of the folder `benches`, each with the same rows.

use std::path::PathBuf;
use std::time::Duration;

use super::rows::Row;
use crate::{run, servers, tools};

const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

pub(super) struct Client {
    pub(super) name: &'static str,
    pub(super) program: Program,
    pub(super) needs: &'static [tools::Tool],
    /// Rows that it cannot do.
    pub(super) lacks: &'static [&'static str],
    /// One of Sockeye's own, which have the rows of scale.
    pub(super) own: bool,
    /// It has the rows with many connections.
    pub(super) fans: bool,
}

/// What is run, of the folder `benches`.
pub(super) enum Program {
    /// The package of this name. Its instructions and allocations can be counted.
    Rust(&'static str),
    /// A file for Node, in a folder with a lock file.
    Node(&'static str),
    /// A file for Python, in a folder with requirements. It gets one event in so many, as it takes that much longer for each.
    Python(&'static str, u32),
}

impl Client {
    pub(super) fn has(&self, row: &Row) -> bool {
        (self.own || !row.scale) && (self.fans || !row.fan) && !self.lacks.contains(&row.name)
    }

    /// How many events it gets of so many.
    pub(super) fn share(&self, count: u32) -> u32 {
        match self.program {
            Program::Python(_, divisor) => (count / divisor).max(1),
            _ => count,
        }
    }

    /// Builds or installs what it runs.
    pub(super) fn prepare(&self) -> Result<(), String> {
        match self.program {
            Program::Rust(package) => build(package),
            Program::Node(file) => servers::npm(&folder_of(file)),
            Program::Python(file, _) => servers::python(&folder_of(file)),
        }
    }

    /// The command that runs it.
    pub(super) fn command(&self) -> Vec<PathBuf> {
        match self.program {
            Program::Rust(package) => vec![program(package)],
            Program::Node(file) => vec!["node".into(), benches().join(file)],
            Program::Python(file, _) => {
                vec![
                    folder_of(file).join(".venv/bin/python"),
                    benches().join(file),
                ]
            }
        }
    }
}

fn folder_of(file: &str) -> PathBuf {
    let mut folder = benches().join(file);
    folder.pop();
    folder
}

/// The headers that native-tls wants, which two of the others have for a dependency.
const OPENSSL_HEADERS: tools::Tool = tools::Tool {
    what: "the OpenSSL headers",
    probe: &["pkg-config", "--exists", "openssl"],
    packages: &["libssl-dev", "pkg-config"],
};

const TLS_ROWS: [&str; 3] = ["receive-tls", "idle-tls", "idle-tls-own"];

/// The first one is the yardstick.
pub(super) const CLIENTS: &[Client] = &[
    Client {
        name: "bare",
        program: Program::Rust("bench-bare"),
        needs: &[],
        lacks: &[],
        own: false,
        fans: true,
    },
    Client {
        name: "core",
        program: Program::Rust("bench-core"),
        needs: &[],
        lacks: &TLS_ROWS,
        own: true,
        fans: false,
    },
    Client {
        name: "sockeye",
        program: Program::Rust("bench-sockeye"),
        needs: &[],
        lacks: &[],
        own: true,
        fans: true,
    },
    // Sockeye once more, with packets in MessagePack: beside JSON where the rows differ by that.
    Client {
        name: "msgpack",
        program: Program::Rust("bench-sockeye-msgpack"),
        needs: &[],
        lacks: &[
            "binary",
            "receive-tls",
            "ack",
            "idle",
            "idle-tls",
            "idle-tls-own",
        ],
        own: false,
        fans: false,
    },
    Client {
        name: "rust_socketio",
        program: Program::Rust("bench-rust-socketio"),
        needs: &[OPENSSL_HEADERS],
        lacks: &["binary-typed", "receive-tls", "idle-tls", "idle-tls-own"],
        own: false,
        fans: false,
    },
    Client {
        name: "socket_io_client",
        program: Program::Rust("bench-socket-io-client"),
        needs: &[OPENSSL_HEADERS],
        lacks: &TLS_ROWS,
        own: false,
        fans: false,
    },
    // The official client.
    Client {
        name: "node",
        program: Program::Node("node/client.js"),
        needs: &[tools::NODE, tools::NPM],
        lacks: &TLS_ROWS,
        own: false,
        fans: false,
    },
    Client {
        name: "python",
        program: Program::Python("python/client.py", 10),
        needs: &[tools::PYTHON],
        lacks: &TLS_ROWS,
        own: false,
        fans: false,
    },
];

fn benches() -> PathBuf {
    run::root().join("benches")
}

/// Each package by itself, so that none gets features of a dependency that only another one asked for.
pub(super) fn build(package: &str) -> Result<(), String> {
    let mut cargo = run::cargo(&format!("build --release --package {package}"));
    let output = run::run(cargo.current_dir(benches()), BUILD_LIMIT)?;
    if output.success() {
        Ok(())
    } else {
        Err(format!("{package} did not build"))
    }
}

pub(super) fn program(package: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| benches().join("target"), PathBuf::from);
    target.join("release").join(package)
}
