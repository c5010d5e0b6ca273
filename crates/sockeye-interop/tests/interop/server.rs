//! Scenario servers as child processes. What they offer: `crates/sockeye-testkit/servers/README.md`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;

use serde_json::{Value, json};
use sockeye::Parser;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::tls::{self, PemFile};
use crate::wait::within;

/// The implementations that the scenarios run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Node48,
    /// The same with socket.io-msgpack-parser.
    Node48Msgpack,
    /// The same with a parser of its own: each packet is JSON.
    Node48Own,
    /// The same on https and wss.
    Node48Tls,
    Node31,
    Python,
    Socketioxide,
    /// Socket.IO 2 (Engine.IO 3).
    Node25,
    /// The same with the socket.io-msgpack-parser of that time.
    Node25Msgpack,
    /// Socket.IO 1 (Engine.IO 3).
    Node17,
    /// python-socketio 4 (Engine.IO 3).
    Python4,
    /// Flask-SocketIO 4, on python-socketio 4 and eventlet (Engine.IO 3).
    Flask4,
}

impl Kind {
    /// Whether it is on python-socketio 4, which makes nothing of binary data without a byte: handlers get `None`, and an
    /// echo of that is `null`.
    pub(crate) const fn loses_empty_binary(self) -> bool {
        matches!(self, Self::Python4 | Self::Flask4)
    }

    /// What it speaks.
    fn parser(self) -> Parser {
        match self {
            Self::Node48Msgpack | Self::Node25Msgpack => Parser::MessagePack,
            Self::Node48Own => Parser::Custom(&crate::parsers::JSON_OBJECTS),
            _ => Parser::Json,
        }
    }

    fn command(self) -> Command {
        let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sockeye-testkit/servers");
        let node = |version: &str| {
            let package = servers.join("node").join(version);
            installed(&package.join("node_modules"));
            let mut command = Command::new("node");
            command
                .arg(servers.join("node/server.js"))
                .arg("--package")
                .arg(package);
            command
        };
        let python = |folder: &str, program: &str| {
            let python = servers.join(folder).join(".venv/bin/python");
            installed(&python);
            let mut command = Command::new(python);
            command.arg(servers.join(program));
            command
        };
        match self {
            Self::Node48 | Self::Node48Tls => node("v4"),
            Self::Node48Msgpack | Self::Node25Msgpack | Self::Node48Own => {
                let version = if self == Self::Node25Msgpack {
                    "v2"
                } else {
                    "v4"
                };
                let own = self == Self::Node48Own;
                let mut command = node(version);
                command.args(["--parser", if own { "json" } else { "msgpack" }]);
                command
            }
            Self::Node31 => node("v3"),
            Self::Node25 => node("v2"),
            Self::Node17 => node("v1"),
            Self::Python => python("python", "python/server.py"),
            Self::Python4 => python("python4", "python/server.py"),
            Self::Flask4 => python("flask4", "flask4/server.py"),
            Self::Socketioxide => Command::new(env!("CARGO_BIN_EXE_socketioxide-server")),
        }
    }
}

/// The parsers of the servers behind these ports. What a client is to speak goes with its server's port, whatever task
/// or thread makes the client.
static PARSERS: Mutex<BTreeMap<u16, Parser>> = Mutex::new(BTreeMap::new());

/// What the server behind this port speaks from here on.
pub(crate) fn parser_is(port: u16, parser: Parser) {
    let mut parsers = PARSERS.lock().expect("nobody panics with it");
    parsers.insert(port, parser);
}

/// What the server behind this port speaks.
pub(crate) fn parser_of(port: u16) -> Parser {
    let parsers = PARSERS.lock().expect("nobody panics with it");
    parsers.get(&port).copied().unwrap_or_default()
}

fn installed(path: &Path) {
    assert!(
        path.exists(),
        "the scenario servers are not installed; run `cargo xtask servers` once"
    );
}

/// A running server. Dropping it ends the process.
pub(crate) struct Server {
    kind: Kind,
    options: Vec<String>,
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    commands: u64,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) async fn start(kind: Kind) -> Self {
        Self::start_with(kind, &[]).await
    }

    /// Options as the servers take them: `["--ping-interval", "100"]`.
    pub(crate) async fn start_with(kind: Kind, options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let mut command = kind.command();
        // They are read before the server says its port.
        let identity = (kind == Kind::Node48Tls).then(PemFile::server);
        if let Some([certificate, key]) = &identity {
            command.args(["--cert", certificate.path(), "--key", key.path()]);
        }
        command
            .args(&options)
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start the {kind:?} server: {error}"));
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut stdout = BufReader::new(stdout).lines();
        let line = within("the server's port line", stdout.next_line()).await;
        let line = line
            .expect("stdout is readable")
            .unwrap_or_else(|| panic!("the {kind:?} server ended at its start"));
        let hello: Value = serde_json::from_str(&line).expect("the first line is JSON");
        let port = u16::try_from(hello["port"].as_u64().expect("a port")).expect("a port number");
        parser_is(port, kind.parser());
        tls::secure_is(port, kind == Kind::Node48Tls);
        Self {
            kind,
            options,
            child,
            stdin,
            stdout,
            commands: 0,
            port,
        }
    }

    pub(crate) fn url(&self, path_and_query: &str) -> String {
        tls::url(self.port, path_and_query)
    }

    /// Gives a command and waits for its answer.
    pub(crate) async fn command(&mut self, mut command: Value) -> Value {
        self.commands += 1;
        command["id"] = self.commands.into();
        let line = format!("{command}\n");
        let exchange = async {
            self.stdin
                .write_all(line.as_bytes())
                .await
                .expect("the server reads commands");
            self.stdin.flush().await.expect("the server reads commands");
            self.stdout
                .next_line()
                .await
                .expect("stdout is readable")
                .expect("the server answers")
        };
        let answer: Value =
            serde_json::from_str(&within(&line, exchange).await).expect("the answer is JSON");
        assert_eq!(
            answer["id"], command["id"],
            "answers come in order: {answer}"
        );
        answer
    }

    /// Sockets that the server counts in the namespace.
    pub(crate) async fn sockets(&mut self, nsp: &str) -> u64 {
        self.command(json!({"cmd": "sockets", "nsp": nsp})).await["sockets"]
            .as_u64()
            .expect("a number")
    }

    /// Waits until the server counts that many.
    pub(crate) async fn has_sockets(&mut self, nsp: &str, n: u64) {
        let counted = async {
            while self.sockets(nsp).await != n {
                tokio::time::sleep(crate::wait::POLL).await;
            }
        };
        within(&format!("{n} sockets in {nsp} on the server"), counted).await;
    }

    /// Emits to every socket of the namespace.
    pub(crate) async fn emit(&mut self, nsp: &str, event: &str, args: Value) {
        self.command(json!({"cmd": "emit", "nsp": nsp, "event": event, "args": args}))
            .await;
    }

    /// Takes every socket out of the namespace.
    pub(crate) async fn disconnect(&mut self, nsp: &str) {
        self.command(json!({"cmd": "disconnect", "nsp": nsp})).await;
    }

    /// Sends a signal to its process: `STOP`, `CONT`.
    #[cfg(unix)]
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}")).arg(pid);
        let status = within("kill", kill.status()).await;
        assert!(status.expect("kill is there").success());
    }

    /// Ends it in an orderly way: connections are closed by the server.
    pub(crate) async fn stop(mut self) {
        self.command(json!({"cmd": "stop"})).await;
        within("the server's end", self.child.wait())
            .await
            .expect("a child can be waited for");
    }

    /// Ends the process at once and starts another one, on another port.
    pub(crate) async fn restart(&mut self) {
        self.child.kill().await.expect("a child can be killed");
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let next = Self::start_with(self.kind, &options).await;
        *self = next;
    }
}
