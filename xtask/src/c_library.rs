//! The C library: its tests at full length.

use crate::part::Report;
use crate::run::cargo;
use crate::servers;
use crate::tools::{Tool, VALGRIND, need};

const TOOLS: &[Tool] = &[
    Tool {
        what: "gcc and g++",
        probe: &["g++", "--version"],
        packages: &["gcc", "g++", "libc6-dev"],
    },
    Tool {
        what: "clang",
        probe: &["clang++", "--version"],
        packages: &["clang"],
    },
    VALGRIND,
    Tool {
        what: "OpenSSL with its headers",
        probe: &["pkg-config", "--exists", "openssl"],
        packages: &["libssl-dev", "openssl", "pkg-config"],
    },
];

/// C programs under sanitizers and valgrind, with 1000 connections and 100 000 events.
pub(crate) fn checks(report: &mut Report) -> Result<(), String> {
    need(TOOLS)?;
    servers::install()?;
    report.tests(cargo("test -p sockeye-c --no-fail-fast").env("SOCKEYE_C_ROUNDS", "1000"))
}
