//! `sockeye demo --cluster`: what its page shows of nodes and devices.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::{LIMIT, Talk};

/// The first node is killed eight seconds after the start of the cluster; then its devices have to find another one.
const DURATION: &str = "16s";

/// What the page is told, event by event.
struct Feed(tokio::io::Lines<BufReader<TcpStream>>);

impl Feed {
    async fn of(page: &str) -> Self {
        let address = page.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address)
            .await
            .expect("the page is there");
        let request =
            format!("GET /api/feed HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it reads");
        Self(BufReader::new(stream).lines())
    }

    async fn next(&mut self) -> Value {
        loop {
            let line = tokio::time::timeout(LIMIT, self.0.next_line()).await;
            let line = line.expect("news in time").expect("the feed is UTF-8");
            let line = line.expect("the feed goes on as long as the demo");
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).expect("the feed is JSON");
            }
        }
    }
}

/// A device that was at a node when that was killed is shown at another one, and the demo ends by itself.
#[tokio::test]
async fn a_device_moves_when_its_node_is_killed() {
    if let Some(what) = sockeye_cluster::missing() {
        assert!(
            std::env::var_os(sockeye_cluster::PREPARED).is_none(),
            "{what}"
        );
        println!("skipped: {what}; `cargo xtask test --part cluster` installs it");
        return;
    }
    let args = ["demo", "--cluster", "--duration", DURATION, "--port", "0"];
    let mut demo = Talk::start(&args);
    let opened = demo.line_with("in a browser").await;
    let page = opened
        .split_whitespace()
        .find(|word| word.starts_with("http://"))
        .unwrap_or_else(|| panic!("no address in `{opened}`"))
        .to_owned();
    let mut feed = Feed::of(&page).await;
    // (It may have to be built first.)
    let joined = demo.line_with("The devices join a cluster").await;
    assert!(joined.contains("http://127.0.0.1:"), "{joined}");
    let (mut killed, mut there, mut moved) = (None, Vec::new(), None);
    let mut at = std::collections::BTreeMap::new();
    while moved.is_none() {
        let news = feed.next().await;
        match news["type"].as_str() {
            Some("nodes") => {
                let nodes = news["nodes"].as_object().expect("nodes");
                let dead = nodes.iter().find(|(_, state)| *state == "killed");
                if let (None, Some((dead, _))) = (&killed, dead) {
                    killed = Some(dead.clone());
                    let at_it = at.iter().filter(|(_, node)| *node == dead);
                    there = at_it.map(|(name, _): (&String, _)| name.clone()).collect();
                    assert!(!there.is_empty(), "nobody is at {dead}: {at:?}");
                }
            }
            Some("board") => {
                let board = &news["board"];
                let (Some(name), Some(node)) = (board["name"].as_str(), board["node"].as_str())
                else {
                    continue;
                };
                at.insert(name.to_owned(), node.to_owned());
                let online = board["status"] == "online";
                if online && there.iter().any(|was| was == name) && killed.as_deref() != Some(node)
                {
                    assert!(board["moves"].as_u64() >= Some(1), "{board}");
                    moved = Some(name.to_owned());
                }
            }
            _ => (),
        }
    }
    println!(
        "{} was at {}, and moved",
        moved.unwrap_or_default(),
        killed.unwrap_or_default()
    );
    let summary = demo.line_with("All of it worked.");
    let ended = tokio::time::timeout(Duration::from_secs(60), summary).await;
    assert!(ended.is_ok(), "it ends by itself");
    let (code, err) = demo.end().await;
    assert_eq!(code, Some(0), "{err}");
}
