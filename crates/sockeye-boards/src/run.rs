//! Runs a command: its output is passed on, its closing lines are kept, its time is bounded.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// What came of a command.
pub struct Output {
    pub status: Option<ExitStatus>,
    pub lines: Vec<String>,
}

impl Output {
    pub fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .ancestors()
        .nth(2)
        .unwrap_or(manifest)
        .to_path_buf()
}

/// `cargo` in the root, with the arguments split at spaces.
pub fn cargo(args: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args.split_whitespace()).current_dir(root());
    // What the outer `cargo run` set for this program would make the inner one rebuild crates that look at it.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
    command
}

/// The command as one would type it.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let words = [program].into_iter().chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs it for at most `limit`, passing every line on.
pub fn run(command: &mut Command, limit: Duration) -> Result<Output, String> {
    println!("$ {}", shown(command));
    let spawned = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child =
        spawned.map_err(|error| format!("cannot start `{}`: {error}", shown(command)))?;
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        pass_on(stdout, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        pass_on(stderr, sender);
    }

    let started = Instant::now();
    let mut output = Output {
        status: None,
        lines: Vec::new(),
    };
    let mut exited = None;
    loop {
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => {
                println!("{line}");
                output.lines.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            // A grandchild may hold the pipe open after the command itself is gone.
            Err(RecvTimeoutError::Timeout)
                if exited.is_some_and(|at: Instant| at.elapsed() > Duration::from_secs(3)) =>
            {
                break;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if exited.is_none() {
            if let Ok(Some(status)) = child.try_wait() {
                output.status = Some(status);
                exited = Some(Instant::now());
            } else if started.elapsed() > limit {
                stop(&mut child);
                return Err(format!(
                    "`{}` was stopped after {} s, its limit",
                    shown(command),
                    limit.as_secs()
                ));
            }
        }
    }
    if output.status.is_none() {
        output.status = child.wait().ok();
    }
    Ok(output)
}

fn pass_on(from: impl Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            if to
                .send(
                    String::from_utf8_lossy(&line)
                        .trim_end_matches('\r')
                        .to_owned(),
                )
                .is_err()
            {
                return;
            }
        }
    });
}

/// Ends the command: gently first, so that a test runner can end what it started.
fn stop(child: &mut Child) {
    if cfg!(unix) {
        let asked = Command::new("kill").arg(child.id().to_string()).status();
        let patience = Instant::now();
        while asked.is_ok() && patience.elapsed() < Duration::from_secs(5) {
            if matches!(child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
    child.kill().ok();
    child.wait().ok();
}
