//! Random sessions beside the official client: `crates/sockeye-testkit/servers/differential`.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::command::sockeye;

/// How many sessions are played, and the first one's seed, unless the environment says otherwise.
const SESSIONS: &str = "50";
const SEED: &str = "1";

/// Plays sessions with a program and with the official client: both tell and send the same, whatever a server and a program do.
///
/// Of a session that differs, the seed, the steps and the differences are printed. To look for more:
/// `SOCKEYE_DIFFERENTIAL_SESSIONS=2000 SOCKEYE_DIFFERENTIAL_SEED=1000 cargo nextest run -p sockeye-interop --test interop
/// --run-ignored all differential`.
async fn same_as_the_official_client(program: impl AsRef<OsStr>, more: &[&str]) {
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
        .arg(program)
        .args(["--sessions", &or("SOCKEYE_DIFFERENTIAL_SESSIONS", SESSIONS)])
        .args(["--seed", &or("SOCKEYE_DIFFERENTIAL_SEED", SEED)])
        .args(more)
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

#[tokio::test]
#[ignore = "needs the scenario servers: cargo xtask test --part interop"]
async fn the_official_client_and_the_command_tell_and_send_the_same() {
    same_as_the_official_client(sockeye(), &[]).await;
}

#[tokio::test]
#[ignore = "needs the scenario servers: cargo xtask test --part interop"]
async fn the_official_client_and_that_of_devices_tell_and_send_the_same() {
    let program = env!("CARGO_BIN_EXE_device-session");
    same_as_the_official_client(program, &["--driver", "device"]).await;
}

#[tokio::test]
#[ignore = "needs the scenario servers: cargo xtask test --part interop"]
async fn the_official_client_and_that_on_threads_tell_and_send_the_same() {
    let program = env!("CARGO_BIN_EXE_threads-session");
    same_as_the_official_client(program, &["--driver", "threads"]).await;
}
