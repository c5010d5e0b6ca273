//! Lines that handlers write and tests wait for.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::within;

/// A list of lines; clones share it.
#[derive(Clone)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    changed: watch::Sender<()>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self {
            lines: Arc::default(),
            changed: watch::Sender::new(()),
        }
    }

    pub(crate) fn push(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
        self.changed.send_replace(());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits until there are so many lines, and gives all.
    pub(crate) async fn wait(&self, count: usize) -> Vec<String> {
        let mut changed = self.changed.subscribe();
        let enough = async {
            while self.lines().len() < count {
                changed.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(super::PATIENCE, enough).await.is_err() {
            panic!("{count} lines awaited, only {:?} came", self.lines());
        }
        self.lines()
    }

    /// Waits until a line is there.
    pub(crate) async fn wait_for(&self, line: &str) {
        let mut changed = self.changed.subscribe();
        within(line, async {
            while !self.lines().iter().any(|l| l == line) {
                changed.changed().await.unwrap();
            }
        })
        .await;
    }
}
