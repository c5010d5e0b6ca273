//! The testkit's scripted server on a TCP port, waited for by futures. It runs on threads of its own: tests may block, count
//! the tasks of, and end their runtime.

use std::ops::Deref;

use sockeye_testkit::Settings;
pub(crate) use sockeye_testkit::host::State;
use sockeye_testkit::host::{self, empty, joined, received};

use super::PATIENCE;

/// A server on a free port of the loopback interface.
pub(crate) struct Host(host::Host);

impl Deref for Host {
    type Target = host::Host;

    fn deref(&self) -> &host::Host {
        &self.0
    }
}

impl Host {
    pub(crate) fn start() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self(host::Host::start(settings))
    }

    /// Waits until `look` finds something.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> T {
        let found = std::future::poll_fn(|cx| self.0.poll_until(cx, &mut look));
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_) => panic!(
                "{what}: not within {PATIENCE:?}; {}",
                self.state(|state| state.dump())
            ),
        }
    }

    /// Waits until so many events have been received, and gives all.
    pub(crate) async fn received(&self, count: usize) -> Vec<String> {
        self.until("events", received(count)).await
    }

    /// Waits until these namespaces and no others are joined.
    pub(crate) async fn joined(&self, names: &[&str]) {
        self.until("namespaces", joined(names)).await;
    }

    /// Waits until no TCP connection is open.
    pub(crate) async fn empty(&self) {
        self.until("no connection", empty).await;
    }
}
