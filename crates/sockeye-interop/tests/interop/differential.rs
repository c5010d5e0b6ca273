//! Random sessions beside the official client: `crates/sockeye-testkit/servers/differential`.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::command::sockeye;

/// How many sessions are played, and the first one's seed, unless the environment says otherwise.
const SESSIONS: &str = "50";
const SEED: &str = "1";

/// The official client and the command `sockeye` tell and send the same, whatever a server and a program do.
///
/// Of a session that differs, the seed, the steps and the differences are printed. To look for more:
/// `SOCKEYE_DIFFERENTIAL_SESSIONS=2000 SOCKEYE_DIFFERENTIAL_SEED=1000 cargo nextest run -p sockeye-interop --test interop
/// --run-ignored all differential`.
#[tokio::test]
#[ignore = "needs the scenario servers: cargo xtask test --part interop"]
async fn the_official_client_and_the_command_tell_and_send_the_same() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../sockeye-testkit/servers/differential");
    assert!(
        folder.join("node_modules").exists(),
        "the official client is not installed; run `cargo xtask servers` once"
    );
    let or = |name: &str, value: &str| std::env::var(name).unwrap_or_else(|_| value.to_owned());
    let output = Command::new("node")
        .arg(folder.join("main.js"))
        .arg("--sockeye")
        .arg(sockeye())
        .args(["--sessions", &or("SOCKEYE_DIFFERENTIAL_SESSIONS", SESSIONS)])
        .args(["--seed", &or("SOCKEYE_DIFFERENTIAL_SEED", SEED)])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("node starts");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
}
