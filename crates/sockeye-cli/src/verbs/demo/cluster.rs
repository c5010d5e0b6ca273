//! `--cluster`: the servers are three nodes behind nginx, which the program `sockeye-cluster` of the repository starts and
//! troubles. It tells by lines of JSON what the nodes see, which becomes what the page shows.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot, watch};

use super::contract::PictureFacts;
use super::hub::Hub;
use super::line::{Line, NodeLine};
use crate::exit::{Exit, Failure};

/// Building the program is part of its start.
const START: Duration = Duration::from_secs(300);
/// A node that was asked answers within five seconds; one that is frozen or gone does not.
const ANSWER: Duration = Duration::from_secs(6);

/// Its processes end within a second each.
const END: Duration = Duration::from_secs(10);

/// What the nodes tell, line by line.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Told {
    Node {
        node: String,
        state: String,
    },
    Note {
        text: String,
    },
    Join {
        node: String,
        device: String,
        link: String,
        transport: String,
        recovered: bool,
    },
    Leave {
        device: String,
        link: String,
        reason: String,
    },
    Hello {
        device: String,
        values: Map<String, Value>,
    },
    Telemetry {
        device: String,
        link: String,
        values: Map<String, Value>,
        transport: String,
    },
    Picture {
        device: String,
        file: Vec<u8>,
        #[serde(default)]
        facts: PictureFacts,
    },
    Log {
        device: String,
        line: String,
    },
    Led {
        n: u64,
        on: Option<bool>,
        error: Option<String>,
    },
}

type Answers = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<bool, String>>>>>;

/// Commands to the devices of all nodes. A clone is the same.
#[derive(Clone)]
pub(crate) struct Commands {
    lines: mpsc::UnboundedSender<String>,
    answers: Answers,
    next: Arc<AtomicU64>,
}

impl Commands {
    /// Switches the LED of the device at the other end of `link`.
    pub(crate) async fn led(&self, link: &str, on: bool) -> Result<bool, String> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        lock(&self.answers).insert(n, answer);
        let sent = self
            .lines
            .send(json!({"n": n, "link": link, "on": on}).to_string());
        let answer = match sent {
            Ok(()) => tokio::time::timeout(ANSWER, answered).await,
            Err(_) => return Err("the cluster is gone".to_owned()),
        };
        lock(&self.answers).remove(&n);
        match answer {
            Ok(Ok(answer)) => answer,
            _ => Err("its node does not answer".to_owned()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A cluster that runs; it ends with this value, by the end of its input.
pub(super) struct Cluster {
    child: Child,
    /// Where devices connect.
    pub(super) url: String,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Cluster {
    /// Starts it, and waits until all of it listens.
    pub(super) async fn start() -> Result<Self, Failure> {
        let failed = |why: String| {
            let hint = "--cluster runs in a checkout of Sockeye's repository, with Node, Redis and nginx; \
                        `cargo xtask test --part cluster` installs what it takes";
            Failure::new(Exit::Connect, format!("no cluster: {why}\n{hint}"))
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args(["run", "--quiet", "--package", "sockeye-cluster"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // Ctrl-C is for the demo alone, which then ends it in order.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command
            .spawn()
            .map_err(|error| failed(format!("cannot start cargo: {error}")))?;
        let output = child.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(output).lines();
        let first = tokio::time::timeout(START, lines.next_line()).await;
        let line = match first {
            Ok(Ok(Some(line))) => line,
            _ => return Err(failed("it did not start".to_owned())),
        };
        let url = serde_json::from_str::<Value>(&line)
            .ok()
            .and_then(|first| Some(first.get("url")?.as_str()?.to_owned()))
            .ok_or_else(|| failed(format!("it said `{line}`")))?;
        Ok(Self { child, url, lines })
    }

    /// Tells the hub what the nodes see, until the demo has `ended`; then waits for the end of the cluster.
    pub(super) async fn relay(mut self, hub: Hub, mut ended: watch::Receiver<bool>) {
        let (lines, commands) = mpsc::unbounded_channel();
        let stdin = self.child.stdin.take().expect("it is piped");
        let writing = tokio::spawn(write(stdin, commands));
        let commands = Commands {
            lines,
            answers: Answers::default(),
            next: Arc::default(),
        };
        let mut links = HashMap::new();
        loop {
            let over = async {
                // (Also when the demo is gone.)
                let _ = ended.wait_for(|ended| *ended).await;
            };
            let line = tokio::select! {
                line = self.lines.next_line() => line,
                () = over => {
                    writing.abort();
                    // With the task goes the pipe that it had.
                    let _ = writing.await;
                    let _ = tokio::time::timeout(END, self.child.wait()).await;
                    return;
                }
            };
            let Ok(Some(line)) = line else { break };
            match serde_json::from_str(&line) {
                Ok(told) => tell(&hub, &commands, &mut links, told),
                Err(error) => eprintln!("sockeye: the cluster said `{line}`: {error}"),
            }
        }
        writing.abort();
        hub.trouble("the cluster has ended");
        eprintln!("sockeye: the cluster has ended");
    }
}

async fn write(mut stdin: ChildStdin, mut commands: mpsc::UnboundedReceiver<String>) {
    while let Some(line) = commands.recv().await {
        if stdin
            .write_all(format!("{line}\n").as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

fn tell(hub: &Hub, commands: &Commands, links: &mut HashMap<String, Arc<NodeLine>>, told: Told) {
    match told {
        Told::Node { node, state } => hub.node(&node, &state),
        Told::Note { text } => hub.trouble(&text),
        Told::Join {
            node,
            device,
            link,
            transport,
            recovered,
        } => {
            if let Err(why) = hub.admit(&device) {
                hub.trouble(&format!("{device} is not shown: {why}"));
                return;
            }
            let line = Arc::new(NodeLine {
                node,
                link: link.clone(),
                polling: AtomicBool::new(transport == "polling"),
                recovered,
                commands: commands.clone(),
            });
            let replaced = hub.joined(&device, Line::Node(Arc::clone(&line)));
            if let Some(Line::Node(old)) = replaced {
                links.remove(&old.link);
            }
            links.insert(link, line);
        }
        Told::Leave {
            device,
            link,
            reason,
        } => {
            links.remove(&link);
            hub.left(
                &device,
                &link,
                reason == "client namespace disconnect",
                &reason,
            );
        }
        Told::Hello { device, values } => hub.hello(&device, values),
        Told::Telemetry {
            device,
            link,
            values,
            transport,
        } => {
            if let Some(line) = links.get(&link) {
                line.polling
                    .store(transport == "polling", Ordering::Relaxed);
            }
            hub.telemetry(&device, values);
        }
        Told::Picture {
            device,
            file,
            facts,
        } => {
            hub.picture(&device, file.into(), &facts);
        }
        Told::Log { device, line } => hub.console(&device, &line),
        Told::Led { n, on, error } => {
            if let Some(answer) = lock(&commands.answers).remove(&n) {
                let error = error.unwrap_or_else(|| "no answer".to_owned());
                let _ = answer.send(on.ok_or(error));
            }
        }
    }
}
