//! The TLS connector of devices, `sockeye-mbedtls`, on a computer. (On boards it is tested by `sockeye-boards`.)

use crate::part::Report;
use crate::riscv::C_TOOLS;
use crate::run::cargo;
use crate::tools;

/// The connector alone, on a computer. It is no member of the workspace, because Mbed TLS is compiled along.
pub(crate) const CONNECTOR: &str = "--manifest-path crates/sockeye-mbedtls/Cargo.toml --target-dir target/mbedtls --features embassy-net,sntp,tokio,log";

/// The tests of the connector.
pub(crate) fn on_a_computer(report: &mut Report) -> Result<(), String> {
    tools::need(C_TOOLS)?;
    report.tests(&mut cargo(&format!("test --quiet {CONNECTOR}")))
}

/// Clippy on the connector.
pub(crate) fn lint(report: &mut Report) -> Result<(), String> {
    tools::need(C_TOOLS)?;
    report.check(&mut cargo(&format!(
        "clippy --quiet {CONNECTOR} --all-targets -- -D warnings"
    )))
}
