//! The emulated board: starts QEMU's `virt` machine with an image and arguments, reads its UART, bounds its time.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::riscv::Target;
use crate::run;
use crate::tools::{self, beside};

const QEMU: &str = "qemu-system-riscv32";
const PACKAGE: &str = "qemu-system-misc";

/// Where the firmware looks for its arguments and for its binary file.
const ARGUMENTS: &str = "0x80500000";
const BLOB: &str = "0x80510000";
/// Either area is 64 KiB.
const AREA: usize = 0x1_0000;

/// Sees to it that boards can be started.
pub fn need() -> Result<(), String> {
    tools::need_somewhere("QEMU for RISC-V", PACKAGE, || works(&mut program()))
}

/// QEMU: that on the path, else the one that was unpacked below `target/`.
fn program() -> Command {
    let installed = Command::new(QEMU);
    if works(&mut Command::new(QEMU)) {
        return installed;
    }
    let data = [("-L", "usr/share/qemu"), ("-L", "usr/share/seabios")];
    beside::command(PACKAGE, QEMU, &data).unwrap_or(installed)
}

fn works(program: &mut Command) -> bool {
    let silent = program
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    silent.is_ok_and(|status| status.success())
}

/// A board to start.
pub struct Board<'a> {
    pub image: &'a Path,
    pub target: Target,
    /// `key=value` lines for the firmware.
    pub args: &'a [(&'a str, String)],
    /// One binary file for the firmware, such as a CA certificate.
    pub blob: &'a [u8],
    /// Counts instructions: one instruction takes one nanosecond of guest time, so figures repeat.
    pub count: bool,
    /// After this time the board is stopped and the run has failed.
    pub limit: Duration,
}

/// A board that ended by itself.
#[derive(Debug)]
pub struct Outcome {
    /// 0 is success; the firmware says what else. 101 is a panic, 102 a CPU exception.
    pub code: i32,
    /// What it wrote on the UART.
    pub lines: Vec<String>,
}

impl Outcome {
    /// The figures that it wrote as `metric <name> <value>`; the last one of a name counts.
    pub fn metrics(&self) -> BTreeMap<&str, u64> {
        let lines = self
            .lines
            .iter()
            .filter_map(|line| line.strip_prefix("metric "));
        lines
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
            .collect()
    }

    /// Fails unless the board ended with success.
    pub fn success(self) -> Result<Self, String> {
        self.ended(0)
    }

    /// Fails unless the board ended with this exit code.
    pub fn ended(self, code: i32) -> Result<Self, String> {
        if self.code == code {
            Ok(self)
        } else {
            let last = self
                .lines
                .iter()
                .rev()
                .find(|line| !line.starts_with("metric "));
            let last = last.map_or("nothing", String::as_str);
            Err(format!(
                "the board ended with code {}, not {code}; it said: {last}",
                self.code
            ))
        }
    }
}

/// A board that runs. Dropping it switches it off.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    limit: Duration,
    started: Instant,
    files: PathBuf,
}

impl Board<'_> {
    /// Runs the board to its end, passing its UART on.
    pub fn run(&self) -> Result<Outcome, String> {
        self.start()?.finish(|line| println!("    | {line}"))
    }

    /// Starts the board.
    pub fn start(&self) -> Result<Running, String> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        need()?;
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let files =
            std::env::temp_dir().join(format!("sockeye-board-{}-{run}", std::process::id()));
        let mut text: String = self
            .args
            .iter()
            .map(|(key, value)| format!("{key}={value}\n"))
            .collect();
        if !self.blob.is_empty() {
            text += &format!("blob={}\n", self.blob.len());
        }
        if text.len() >= AREA || self.blob.len() > AREA {
            return Err(format!(
                "a board takes at most {AREA} bytes of arguments and as many of a file"
            ));
        }
        // The loader refuses an empty file.
        text += "\n";
        let write = |name: &str, bytes: &[u8]| {
            let path = files.join(name);
            fs::write(&path, bytes)
                .map(|()| path)
                .map_err(|error| format!("cannot write {name} for the board: {error}"))
        };
        fs::create_dir_all(&files)
            .map_err(|error| format!("cannot make {}: {error}", files.display()))?;

        let mut qemu = program();
        qemu.args([
            "-M",
            "virt",
            "-m",
            "8M",
            "-bios",
            "none",
            "-cpu",
            cpu(self.target),
        ]);
        qemu.arg("-kernel").arg(self.image);
        qemu.args(["-nographic", "-monitor", "none", "-serial", "stdio"]);
        qemu.args([
            "-netdev",
            "user,id=n0",
            "-device",
            "virtio-net-device,netdev=n0",
        ]);
        qemu.args(["-device", "virtio-rng-device"]);
        load(&mut qemu, &write("args", text.as_bytes())?, ARGUMENTS);
        if !self.blob.is_empty() {
            load(&mut qemu, &write("blob", self.blob)?, BLOB);
        }
        if self.count {
            qemu.args(["-icount", "shift=0"]);
        }
        let spawned = qemu
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let mut child =
            spawned.map_err(|error| format!("cannot start `{}`: {error}", run::shown(&qemu)))?;
        let (sender, lines) = mpsc::channel();
        if let Some(uart) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(uart).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line)
                        .trim_end_matches('\r')
                        .to_owned();
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Running {
            child,
            lines,
            limit: self.limit,
            started: Instant::now(),
            files,
        })
    }
}

impl Running {
    /// Waits for the end. `on_line` sees every line of the UART when it comes.
    pub fn finish(self, on_line: impl FnMut(&str)) -> Result<Outcome, String> {
        self.finish_unless(on_line, || false)
            .map(|(outcome, _)| outcome)
    }

    /// The same; the board is switched off as soon as `stop` says so, which the flag beside the outcome tells.
    pub fn finish_unless(
        mut self,
        mut on_line: impl FnMut(&str),
        stop: impl Fn() -> bool,
    ) -> Result<(Outcome, bool), String> {
        const LOOK: Duration = Duration::from_millis(100);
        let mut lines = Vec::new();
        loop {
            let left = self.limit.saturating_sub(self.started.elapsed());
            match self.lines.recv_timeout(left.min(LOOK)) {
                Ok(line) => {
                    on_line(&line);
                    lines.push(line);
                }
                Err(_) if stop() => return Ok((Outcome { code: 0, lines }, true)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if left > LOOK => {}
                Err(RecvTimeoutError::Timeout) => {
                    let last = lines.last().map_or("nothing", String::as_str);
                    return Err(format!(
                        "the board was switched off after {} s, its limit; it last said: {last}",
                        self.limit.as_secs()
                    ));
                }
            }
        }
        let status = self
            .child
            .wait()
            .map_err(|error| format!("lost QEMU: {error}"))?;
        let code = status
            .code()
            .ok_or_else(|| format!("QEMU was stopped: {status}"))?;
        Ok((Outcome { code, lines }, false))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if QEMU is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.files).ok();
    }
}

fn cpu(target: Target) -> &'static str {
    match target {
        Target::Imc => "rv32,a=false,f=false,d=false",
        Target::Imac => "rv32,f=false,d=false",
    }
}

fn load(qemu: &mut Command, file: &Path, address: &str) {
    // A comma in a path is doubled in QEMU's options.
    let file = file.to_string_lossy().replace(',', ",,");
    qemu.arg("-device")
        .arg(format!("loader,file={file},addr={address},force-raw=on"));
}
