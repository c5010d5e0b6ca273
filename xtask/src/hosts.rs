//! `cargo xtask lint --part hosts`: the clients for hosts are type-checked for the systems that are not this one.
//!
//! Everything but the crypto provider of rustls, which is C and assembly and wants a compiler for the system.

use std::process::Command;
use std::time::Duration;

use crate::part::Report;
use crate::run::{cargo, run};

/// Windows and macOS; Linux for where this runs on one of them.
const SYSTEMS: &[&str] = &[
    "x86_64-pc-windows-gnu",
    "aarch64-apple-darwin",
    "x86_64-unknown-linux-gnu",
];

/// Longer than a slow network takes; without one it is not waited for longer.
const DOWNLOAD: Duration = Duration::from_secs(180);

/// All features of the library that need no C compiler.
const FEATURES: &str = "tokio,blocking,rustls-no-provider,platform-verifier,webpki-roots,proxy,derive,deflate,msgpack,eio3";

pub(crate) fn lint(report: &mut Report) -> Result<(), String> {
    let verbose = Command::new("rustc").arg("-vV").output();
    let verbose = verbose.map_err(|error| format!("cannot run rustc: {error}"))?;
    let verbose = String::from_utf8_lossy(&verbose.stdout).into_owned();
    for target in SYSTEMS {
        if verbose.contains(&format!("host: {target}")) {
            continue;
        }
        let mut add = Command::new("rustup");
        add.args(["target", "add", target]);
        if !run(&mut add, DOWNLOAD).is_ok_and(|output| output.success()) {
            report.skipped(&format!(
                "not type-checked for {target}: rustup target add {target}"
            ));
            continue;
        }
        report.check(&mut cargo(&format!(
            "clippy --quiet --locked -p sockeye --lib --no-default-features --features {FEATURES} --target {target} -- -D warnings"
        )))?;
    }
    Ok(())
}
