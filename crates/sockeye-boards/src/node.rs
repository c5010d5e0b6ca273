//! Servers on Node: each prints `{"port":N}` first, may take commands as JSON lines, and ends when its input does.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::run;

/// The scenario servers, from the root of the repository.
const SCENARIOS: &str = "crates/sockeye-testkit/servers/node";
/// Longer than any of them takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs. Dropping it ends it at once.
pub struct Node {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    pub port: u16,
}

impl Node {
    /// The official Socket.IO server 4.8 with the contract of the interop tests. A port of 0 is any.
    pub fn scenarios(port: u16, options: &[&str]) -> Result<Self, String> {
        Self::scenarios_of("v4", port, options)
    }

    /// As [`Self::scenarios`], in another version: the name of its folder.
    pub fn scenarios_of(version: &str, port: u16, options: &[&str]) -> Result<Self, String> {
        let (script, package) = (
            format!("{SCENARIOS}/server.js"),
            format!("{SCENARIOS}/{version}"),
        );
        let port = port.to_string();
        let mut args = vec!["--package", &package, "--port", &port];
        args.extend(options);
        Self::start(&script, &args)
    }

    /// Starts a script and waits until it listens. All paths are from the root of the repository, or absolute.
    pub fn start(script: &str, args: &[&str]) -> Result<Self, String> {
        let mut command = Command::new("node");
        command
            .arg(Path::new(script))
            .args(args)
            .current_dir(run::root());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let spawned = command.spawn();
        let mut child =
            spawned.map_err(|error| format!("cannot start `{}`: {error}", run::shown(&command)))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("node has no input or output".to_owned());
        };
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut server = Self {
            child,
            input,
            lines,
            port: 0,
        };
        let first = server.line()?;
        let port = number(&first, "port").and_then(|port| u16::try_from(port).ok());
        server.port = port.ok_or_else(|| format!("{script} said `{first}` instead of its port"))?;
        Ok(server)
    }

    /// Gives a command, the fields of a JSON object, and returns the answer.
    pub fn command(&mut self, fields: &str) -> Result<String, String> {
        let written =
            writeln!(self.input, "{{\"id\":1,{fields}}}").and_then(|()| self.input.flush());
        written.map_err(|error| format!("the server takes no command: {error}"))?;
        self.line()
    }

    fn line(&mut self) -> Result<String, String> {
        let line = self.lines.recv_timeout(PATIENCE);
        line.map_err(|_| "the server on Node ended, or said nothing for 20 s".to_owned())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The folder with socket.io 4.8 in it.
pub fn package() -> String {
    format!("{SCENARIOS}/v4")
}

/// The number behind `"name":` in a line of JSON.
pub fn number(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_of_an_answer() {
        let line = r#"{"id":1,"sockets":12,"name":"x"}"#;
        assert_eq!(number(line, "sockets"), Some(12));
        assert_eq!(number(line, "name"), None);
        assert_eq!(number(line, "port"), None);
    }
}
