//! Certificates and proxies, by real runs of the command against the demo over https.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::{Talk, sockeye};

const NAME: &str = "board.test";

/// The demo over https: its port, where its authority is, and the command that it prints.
struct Demo {
    _running: Talk,
    advice: Vec<String>,
    port: u16,
    ca: std::path::PathBuf,
}

impl Demo {
    async fn start(of: &str) -> Self {
        let file = format!("sockeye-trust-{of}-{}.pem", std::process::id());
        let ca = std::env::temp_dir().join(file);
        let mut running = Talk::start(&[
            "demo",
            "--port",
            "0",
            "--devices",
            "1",
            "--tls",
            "--tls-name",
            NAME,
            "--tls-ca",
            ca.to_str().expect("UTF-8"),
        ]);
        let line = running.line_with("  sockeye emit ").await;
        let words = line.split_whitespace().skip_while(|word| *word != "emit");
        let advice: Vec<String> = words.map(|word| word.trim_matches('\'').into()).collect();
        let (_, port) = advice[1].rsplit_once(':').expect("a port");
        Self {
            _running: running,
            port: port.parse().expect("a port"),
            advice,
            ca,
        }
    }

    /// `emit` to the demo by this host name: the arguments that a run needs without any of trust.
    fn emit(&self, host: &str) -> [String; 5] {
        let url = format!("https://{host}:{}", self.port);
        ["emit", &url, "echo", "\"hi\"", "--ack"].map(String::from)
    }

    fn ca(&self) -> &str {
        self.ca.to_str().expect("UTF-8")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ca);
    }
}

async fn run(args: &[String], more: &[&str]) -> (Option<i32>, String, String) {
    let args: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    let outcome = sockeye(&args).await;
    (outcome.code, outcome.out, outcome.err)
}

#[tokio::test]
async fn what_the_demo_prints_is_true() {
    let demo = Demo::start("advice").await;
    let said = run(&demo.advice, &[]).await;
    assert_eq!(said, (Some(0), "\"hello\"\n".into(), String::new()));
    // A board trusts one authority.
    let pem = std::fs::read_to_string(demo.ca()).expect("the authority");
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 1);
    let local = demo.emit("127.0.0.1");
    for trust in [
        &["--cacert", demo.ca()][..],
        &["--ca", demo.ca()],
        &["--insecure"],
        &["-k"],
    ] {
        for transport in ["polling", "websocket", "both"] {
            let said = run(&local, &[trust, &["-t", transport]].concat()).await;
            let wanted = (Some(0), "\"hi\"\n".into(), String::new());
            assert_eq!(said, wanted, "{trust:?} {transport}");
        }
    }
    // Nobody trusts it by himself, nor under another name.
    let (code, out, err) = run(&local, &[]).await;
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("--cacert"), "{err}");
    let given = format!("{NAME}:{}:127.0.0.1", demo.port);
    let said = run(&demo.emit(NAME), &["--ca", demo.ca(), "--resolve", &given]).await;
    assert_eq!(said, (Some(0), "\"hi\"\n".into(), String::new()));
    let given = format!("other.test:{}:127.0.0.1", demo.port);
    let args = demo.emit("other.test");
    let (code, _, err) = run(&args, &["--ca", demo.ca(), "--resolve", &given]).await;
    assert!(code == Some(1) && err.contains("other.test"), "{err}");
}

/// A proxy for `port`, whatever is asked for; the requests that it gets.
async fn proxy(port: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let own = listener.local_addr().expect("an address").port();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let notes = Arc::clone(&notes);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await?);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                notes.lock().expect("sound").push(head);
                let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (own, heads)
}

#[tokio::test]
async fn through_a_proxy() {
    let demo = Demo::start("proxy").await;
    let (own, heads) = proxy(demo.port).await;
    let url = format!("http://user:pass@127.0.0.1:{own}");
    let said = run(&demo.emit(NAME), &["--ca", demo.ca(), "--proxy", &url]).await;
    assert_eq!(said, (Some(0), "\"hi\"\n".into(), String::new()));
    let heads = std::mem::take(&mut *heads.lock().expect("sound"));
    assert!(!heads.is_empty());
    for head in heads {
        let first = format!("CONNECT {NAME}:{} HTTP/1.1\r\n", demo.port);
        assert!(head.starts_with(&first), "{head}");
        assert!(
            head.contains("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"),
            "{head}"
        );
    }
}
