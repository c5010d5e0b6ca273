//! The `sockeye` command, as a program, against a real server in this process.

#[cfg(all(unix, feature = "demo"))]
mod cluster;
mod connect;
mod load;
mod oneshot;
mod order;
mod server;
#[cfg(feature = "demo")]
mod trust;

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Longer than anything here takes, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// What a run of the command gave.
#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Outcome {
    /// Stdout as JSON lines.
    fn records(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }

    /// The only line of stderr.
    fn complaint(&self) -> &str {
        assert_eq!(
            self.err.lines().count(),
            1,
            "one line is expected: {self:?}"
        );
        self.err.trim_end()
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    command
        .args(args)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs the command to its end.
async fn sockeye(args: &[&str]) -> Outcome {
    let output = tokio::time::timeout(LIMIT, command(args).output())
        .await
        .expect("the command ends")
        .expect("the command starts");
    Outcome {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        err: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

/// A running command that is talked to line by line.
struct Talk {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    seen: Vec<Value>,
}

impl Talk {
    fn start(args: &[&str]) -> Self {
        let mut child = command(args)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self {
            stdin: child.stdin.take(),
            child,
            stdout,
            seen: Vec::new(),
        }
    }

    async fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin
            .write_all(format!("{line}\n").as_bytes())
            .await
            .expect("the command reads");
    }

    /// The next record that `wanted` accepts, among all from the start on; each is found once.
    async fn record(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut at = 0;
        loop {
            while at < self.seen.len() {
                if wanted(&self.seen[at]) {
                    return self.seen.remove(at);
                }
                at += 1;
            }
            let line = tokio::time::timeout(LIMIT, self.stdout.next_line()).await;
            match line {
                Ok(Ok(Some(line))) => self.seen.push(
                    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")),
                ),
                other => panic!("no such record ({other:?}) among {:?}", self.seen),
            }
        }
    }

    /// The next record of a type.
    async fn of(&mut self, kind: &str) -> Value {
        self.record(|record| record["type"] == kind).await
    }

    /// The next line of stdout that contains a text, as it is.
    async fn line_with(&mut self, part: &str) -> String {
        loop {
            let line = tokio::time::timeout(LIMIT, self.stdout.next_line()).await;
            match line.expect("a line in time").expect("stdout is UTF-8") {
                Some(line) if line.contains(part) => return line,
                Some(_) => {}
                None => panic!("the end came before {part}"),
            }
        }
    }

    /// Closes stdin and waits for the end; the exit code and stderr.
    async fn end(mut self) -> (Option<i32>, String) {
        drop(self.stdin.take());
        let rest = async {
            while let Ok(Some(_)) = self.stdout.next_line().await {}
            let mut err = String::new();
            let stderr = self.child.stderr.as_mut().expect("piped");
            stderr
                .read_to_string(&mut err)
                .await
                .expect("stderr is UTF-8");
            (
                self.child.wait().await.expect("the command ends").code(),
                err,
            )
        };
        tokio::time::timeout(LIMIT, rest)
            .await
            .expect("the command ends")
    }
}
