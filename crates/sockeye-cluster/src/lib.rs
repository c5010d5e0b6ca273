//! The processes of a cluster: three official nodes with the Redis streams adapter, a fourth that may be added, Redis, and
//! nginx in front, in a folder of their own that is removed at the end. The cluster test and `sockeye demo --cluster` use it.
//!
//! Nothing beside the standard library. What cannot be started is a panic that says why.

#![cfg(unix)]
#![allow(
    missing_docs,
    reason = "read by the tests and by the demo alone; what a name does not say, a comment does"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Names of the nodes, of their sockets and of their ledgers.
pub const NODES: [&str; 4] = ["n1", "n2", "n3", "n4"];
/// So many are there from the start; the last one is added.
pub const FIRST: usize = 3;

/// Set by `cargo xtask test --part cluster`, which has installed what a cluster needs: a test that cannot run is a failure
/// then.
pub const PREPARED: &str = "SOCKEYE_CLUSTER_PREPARED";

/// What is missing on this machine for a cluster. Nothing is installed.
pub fn missing() -> Option<&'static str> {
    let works = |probe: &str| {
        let mut probe = Command::new("sh")
            .args(["-c", probe])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        probe.wait().ok()?.success().then_some(())
    };
    let packages = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../sockeye-testkit/servers/cluster/node_modules/socket.io"
    );
    // The folder of system programs is not on everybody's path.
    [
        ("Node is missing", works("node --version")),
        ("Redis is missing", works("redis-server --version")),
        ("nginx is missing", works("PATH=$PATH:/usr/sbin nginx -v")),
        (
            "the packages of the nodes are missing",
            Path::new(packages).is_dir().then_some(()),
        ),
    ]
    .into_iter()
    .find_map(|(what, there)| there.is_none().then_some(what))
}

/// Starts the program, tells its process id, and ends it when standard input ends: when the test drops its end of the pipe,
/// or is no more. SIGTERM first, because a master of nginx that is killed leaves its workers behind; SIGCONT, because what is
/// frozen cannot end; SIGKILL for what has not ended by then.
const KEEPER: &str = r#"
log=$1; shift
PATH=$PATH:/usr/sbin
"$@" >>"$log" 2>&1 </dev/null & pid=$!
echo $pid
read _
kill -TERM $pid; kill -CONT $pid
for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 $pid || exit 0; sleep 0.1; done
kill -KILL $pid
"#;

/// A program that ends with this value.
#[derive(Debug)]
pub struct Process {
    keeper: Child,
    /// Its end ends the program.
    stdin: Option<ChildStdin>,
    pid: u32,
}

impl Process {
    fn start(log: &Path, program: &str, args: &[&str]) -> Self {
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(log)
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().expect("it is piped"))
            .read_line(&mut line)
            .expect("sh tells the process id");
        let stdin = keeper.stdin.take();
        let pid = line.trim().parse().expect("a process id");
        Self { keeper, stdin, pid }
    }

    /// Sends it a signal, by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.pid.to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name} sent");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A folder that is removed with this value.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// All of it. Fields are dropped in this order.
#[derive(Debug)]
pub struct Cluster {
    nginx: Option<Process>,
    nodes: [Option<Process>; 4],
    redis: Option<Process>,
    folder: Folder,
    pub port: u16,
    script: &'static str,
    tls: bool,
}

impl Cluster {
    /// Starts everything, and waits until all of it listens. `script` is what a node runs, of
    /// `crates/sockeye-testkit/servers/cluster`; with a certificate and its key (PEM), nginx ends TLS.
    pub fn start(script: &'static str, identity: Option<[&str; 2]>) -> Self {
        Self::prepared(script, identity, |_| ())
    }

    /// As [`Self::start`]; `prepare` is called with the folder before anything is started there.
    pub fn prepared(
        script: &'static str,
        identity: Option<[&str; 2]>,
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let name = format!("sockeye-cluster-{}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0).expect("a folder for temporary files");
        let mut cluster = Self {
            nginx: None,
            nodes: [None, None, None, None],
            redis: None,
            folder,
            port: 0,
            script,
            tls: identity.is_some(),
        };
        if let Some([certificate, key]) = identity {
            cluster.write("cert.pem", certificate);
            cluster.write("key.pem", key);
        }
        prepare(cluster.folder());
        cluster.start_redis();
        for node in 0..FIRST {
            cluster.start_node(node);
        }
        cluster.start_nginx();
        cluster
    }

    /// The address of the cluster.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/", self.port)
    }

    /// Where everything lies.
    pub fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// The ledger of a node, one line for each thing that happened.
    pub fn ledger(&self, node: usize) -> String {
        let mut text = String::new();
        if self.nodes[node].is_none() {
            return text;
        }
        let path = self.path(&format!("{}.ledger", NODES[node]));
        std::fs::File::open(path)
            .and_then(|mut file| file.read_to_string(&mut text))
            .expect("the node has written a ledger");
        text
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    fn text(&self, name: &str) -> String {
        let path = self.path(name).into_os_string().into_string();
        path.expect("a path in UTF-8")
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("the folder can be written to");
    }

    fn until_listening(&self, what: &str, listens: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !listens() {
            assert!(
                Instant::now() < until,
                "{what} does not listen after 20 s; it says: {}",
                std::fs::read_to_string(self.path(&format!("{what}.log"))).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn start_redis(&mut self) {
        let socket = self.path("redis.sock");
        let _ = std::fs::remove_file(&socket);
        // What it has said is on the disk: a restart forgets nothing.
        let args = format!(
            "--port 0 --unixsocket {} --dir {} --save '' --appendonly yes --appendfsync always",
            socket.display(),
            self.folder.0.display()
        );
        let args: Vec<&str> = args.split(' ').map(|arg| arg.trim_matches('\'')).collect();
        self.redis = Some(Process::start(
            &self.path("redis.log"),
            "redis-server",
            &args,
        ));
        self.until_listening("redis", || UnixStream::connect(&socket).is_ok());
    }

    fn start_node(&mut self, node: usize) {
        let name = NODES[node];
        let socket = self.path(&format!("{name}.sock"));
        let _ = std::fs::remove_file(&socket);
        let script = format!(
            "{}/../sockeye-testkit/servers/cluster/{}",
            env!("CARGO_MANIFEST_DIR"),
            self.script
        );
        let args = [&*script, &self.text(""), name];
        let process = Process::start(&self.path(&format!("{name}.log")), "node", &args);
        self.nodes[node] = Some(process);
        self.until_listening(name, || UnixStream::connect(&socket).is_ok());
    }

    /// The port may be taken by somebody else between the moment that it was free and the start: then another one.
    fn start_nginx(&mut self) {
        for _ in 0..5 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            self.port = free.local_addr().expect("it is bound").port();
            drop(free);
            self.write("nginx.conf", &self.config());
            let (prefix, config) = (self.text(""), self.text("nginx.conf"));
            let log = self.text("nginx.log");
            let args = ["-p", &prefix, "-c", &config, "-e", &log];
            let process = Process::start(&self.path("nginx.log"), "nginx", &args);
            let until = Instant::now() + Duration::from_secs(5);
            while Instant::now() < until {
                if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                    self.nginx = Some(process);
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let log = std::fs::read_to_string(self.path("nginx.log"));
        panic!("nginx does not start: {}", log.unwrap_or_default());
    }

    /// What nginx is told of the nodes that there are.
    fn config(&self) -> String {
        let added = if self.nodes[FIRST].is_some() {
            ""
        } else {
            "# "
        };
        let (ssl, certificate) = if self.tls { ("ssl", "") } else { ("", "# ") };
        include_str!("nginx.conf")
            .replace("SSL ", ssl)
            .replace("CERTIFICATE ", certificate)
            .replace("# ADDED ", added)
            .replace("FOLDER", self.text("").trim_end_matches('/'))
            .replace("PORT", &self.port.to_string())
    }

    /// One node more: it starts, and nginx is told of it.
    pub fn add_node(&mut self) {
        self.start_node(FIRST);
        self.write("nginx.conf", &self.config());
        self.reload_nginx();
    }

    /// Kills a node without a warning.
    pub fn kill_node(&self, node: usize) {
        self.node(node).signal("KILL");
    }

    /// Starts it anew, with the ledger that it had.
    pub fn restart_node(&mut self, node: usize) {
        self.nodes[node] = None;
        self.start_node(node);
    }

    /// The node does nothing until it is thawed; the system goes on accepting and receiving for it.
    pub fn freeze_node(&self, node: usize) {
        self.node(node).signal("STOP");
    }

    /// It goes on, and finds what it has slept through.
    pub fn thaw_node(&self, node: usize) {
        self.node(node).signal("CONT");
    }

    fn node(&self, node: usize) -> &Process {
        self.nodes[node].as_ref().expect("it runs")
    }

    /// Kills Redis without a warning.
    pub fn kill_redis(&self) {
        self.redis.as_ref().expect("it runs").signal("KILL");
    }

    /// Starts it anew, from what it has written.
    pub fn restart_redis(&mut self) {
        self.redis = None;
        self.start_redis();
    }

    /// nginx reads its configuration anew; its old workers end their connections after a second.
    pub fn reload_nginx(&self) {
        self.nginx.as_ref().expect("it runs").signal("HUP");
    }
}
