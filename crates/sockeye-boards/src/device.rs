//! The board as a device of the demo, and the demo.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::qemu::{Board, Running};
use crate::riscv::{Firmware, Target};
use crate::{FIRMWARE, PREPARED, run};

/// Longer than a cold build takes.
const BUILD: Duration = Duration::from_secs(30 * 60);
/// How long the demo may take to start.
pub const PATIENCE: Duration = Duration::from_secs(30);
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

/// Builds the image, unless it has been built.
pub fn build(target: Target) -> Result<std::path::PathBuf, String> {
    let firmware = Firmware {
        folder: FIRMWARE,
        target,
        features: &[],
        images: &["device"],
    };
    Ok(firmware.built()?.join("device"))
}

/// The board's name in the demo, and its chip.
pub fn name(target: Target) -> (&'static str, &'static str) {
    match target {
        Target::Imc => ("emulated-c3", "RISC-V rv32imc, as ESP32-C3"),
        Target::Imac => ("emulated-c6", "RISC-V rv32imac, as ESP32-C6"),
    }
}

/// Starts the board against the demo at `url`.
pub fn start(
    image: &std::path::Path,
    target: Target,
    url: &str,
    duration: Option<u64>,
) -> Result<Running, String> {
    let (name, chip) = name(target);
    let mut args = vec![
        ("url", guest_url(url)?),
        ("name", name.to_owned()),
        ("chip", chip.to_owned()),
    ];
    args.extend(duration.map(|seconds| ("duration", seconds.to_string())));
    let limit = duration.map_or(FOREVER, |seconds| Duration::from_secs(seconds + 60));
    let board = Board {
        image,
        target,
        args: &args,
        blob: &[],
        count: false,
        limit,
    };
    board.start()
}

/// The URL as the board has to call it: this machine's loopback is 10.0.2.2 there. Without a path it is the namespace of
/// the devices.
fn guest_url(url: &str) -> Result<String, String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| format!("{url}: write http://host:port"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, format!(":{port}")),
        _ => (authority, String::new()),
    };
    let host = if ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"].contains(&host) {
        "10.0.2.2"
    } else {
        host
    };
    let path = if path.len() > 1 { path } else { "/devices" };
    Ok(format!("http://{host}{port}{path}"))
}

/// Builds the demo, unless it has been built.
pub fn build_demo() -> Result<(), String> {
    if std::env::var_os(PREPARED).is_some() {
        return Ok(());
    }
    let mut cargo = run::cargo("build --quiet --package sockeye-cli --bin sockeye");
    if run::run(&mut cargo, BUILD)?.success() {
        Ok(())
    } else {
        Err("the demo does not build".to_owned())
    }
}

/// A demo that was started here. Dropping it kills it; [`Self::end`] lets it say its summary.
pub struct Demo {
    child: Child,
    pub url: String,
    printer: Option<JoinHandle<()>>,
}

impl Demo {
    /// Starts the demo, which must have been built.
    pub fn start(args: &[&str]) -> Result<Self, String> {
        // It lies beside this program, or above it if this is a test; by way of `cargo run` it would outlive its end.
        let this = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
        let name = format!("sockeye{}", std::env::consts::EXE_SUFFIX);
        let demo = this
            .ancestors()
            .skip(1)
            .take(2)
            .map(|folder| folder.join(&name))
            .find(|path| path.is_file());
        let mut command = Command::new(demo.ok_or("the demo is not where programs are built")?);
        command
            .arg("demo")
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let spawned = command.spawn();
        let mut child =
            spawned.map_err(|error| format!("cannot start `{}`: {error}", run::shown(&command)))?;
        let output = child.stdout.take();
        let mut demo = Self {
            child,
            url: String::new(),
            printer: None,
        };
        let lines = lines(output.ok_or("the demo has no output")?);
        let end = Instant::now() + PATIENCE;
        loop {
            let line = lines.recv_timeout(end.saturating_duration_since(Instant::now()));
            let line = line.map_err(|_| {
                format!(
                    "the demo did not say where it is within {} s",
                    PATIENCE.as_secs()
                )
            })?;
            println!("{line}");
            let url = line
                .split_whitespace()
                .find(|word| word.starts_with("http://"));
            if let Some(url) = url {
                demo.url = url.trim_end_matches('/').to_owned();
                break;
            }
        }
        demo.printer = Some(thread::spawn(move || {
            for line in lines {
                println!("{line}");
            }
        }));
        Ok(demo)
    }

    /// Ends it as Ctrl-C does, and passes its summary on.
    pub fn end(mut self) {
        if cfg!(unix) {
            let id = self.child.id().to_string();
            let asked = Command::new("kill").args(["-INT", &id]).status();
            let patience = Instant::now();
            while asked.is_ok() && patience.elapsed() < Duration::from_secs(10) {
                if matches!(self.child.try_wait(), Ok(Some(_))) {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        let printer = self.printer.take();
        drop(self);
        // A panic of the thread lost some lines, no more.
        printer.map(JoinHandle::join);
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The lines of an output, as they come.
pub fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_as_the_board_calls_them() {
        for (url, guest) in [
            ("http://127.0.0.1:3000", "http://10.0.2.2:3000/devices"),
            ("http://localhost:3000/", "http://10.0.2.2:3000/devices"),
            ("http://[::1]:3000/fleet", "http://10.0.2.2:3000/fleet"),
            ("http://192.168.1.7", "http://192.168.1.7/devices"),
        ] {
            assert_eq!(guest_url(url).as_deref(), Ok(guest));
        }
        assert!(guest_url("https://x").is_err());
    }
}
