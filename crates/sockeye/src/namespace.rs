//! One namespace, as its handles and the driver share it, and the list of all of a connection.

use std::collections::HashMap;
use std::sync::Arc;

use sockeye_core::NspOptions;

use crate::client::options::AuthSource;
use crate::dispatch::handlers::Handlers;
use crate::dispatch::queue::Queue;
use crate::inbox::lock;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::waiters::{ConnectCalls, Milestone};

/// How a namespace is, as its handles see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Not joined, and not to be.
    Idle,
    /// On the way, or waiting for a reconnection.
    Active,
    Joined {
        /// The id the server gave.
        id: Box<str>,
    },
}

/// One namespace.
pub(crate) struct NspShared {
    pub(crate) index: usize,
    pub(crate) name: Box<str>,
    pub(crate) options: Mutex<NspOptions>,
    pub(crate) auth: Mutex<AuthSource>,
    status: Mutex<Status>,
    /// Advances whenever the namespace has been joined, and when the driver ends.
    pub(crate) joined: Milestone,
    /// The last join recovered the session before.
    pub(crate) recovered: AtomicBool,
    pub(crate) handlers: Handlers,
    /// What waits for its dispatcher.
    pub(crate) queue: Queue,
    pub(crate) connects: ConnectCalls,
    /// User handles alive.
    pub(crate) handles: AtomicUsize,
    /// Without handles, and kept until what was emitted on it has been sent.
    pub(crate) parting: AtomicBool,
    /// Forgotten: the record is dead, a new one takes its place.
    pub(crate) gone: AtomicBool,
    /// It has listeners to outgoing events, as far as the connection's count of such namespaces knows.
    pub(crate) outgoing: AtomicBool,
    /// How many packets have been given up that listeners have not been told of yet.
    pub(crate) untold: AtomicUsize,
}

impl NspShared {
    pub(crate) fn new(index: usize, name: &str, options: NspOptions, auth: AuthSource) -> Self {
        Self {
            index,
            name: name.into(),
            options: Mutex::new(options),
            auth: Mutex::new(auth),
            status: Mutex::new(Status::Idle),
            joined: Milestone::default(),
            recovered: AtomicBool::new(false),
            handlers: Handlers::new(),
            queue: Queue::new(),
            connects: ConnectCalls::default(),
            handles: AtomicUsize::new(0),
            parting: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            outgoing: AtomicBool::new(false),
            untold: AtomicUsize::new(0),
        }
    }

    pub(crate) fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    pub(crate) fn set_status(&self, status: Status) {
        let joined = matches!(status, Status::Joined { .. });
        *lock(&self.status) = status;
        if joined {
            self.joined.advance();
        }
    }

    /// From idle to active; any other status stays.
    pub(crate) fn activate(&self) {
        let mut status = lock(&self.status);
        if *status == Status::Idle {
            *status = Status::Active;
        }
    }

    pub(crate) fn is_joined(&self) -> bool {
        matches!(*lock(&self.status), Status::Joined { .. })
    }

    pub(crate) fn is_active(&self) -> bool {
        *lock(&self.status) != Status::Idle
    }
}

/// The name by which a namespace is known to the server: without the query that goes out with its CONNECT packet alone.
fn key(name: &str) -> &str {
    match name.split_once('?') {
        Some((name, _)) if cfg!(feature = "eio3") => name,
        _ => name,
    }
}

/// So many are looked through by their names.
const FEW: usize = 8;

/// All namespaces of a connection, by their number and by their name.
#[derive(Default)]
pub(crate) struct Namespaces {
    list: Vec<Arc<NspShared>>,
    /// Made when there are more than a [`FEW`].
    #[allow(
        clippy::box_collection,
        reason = "most connections have none, and there may be many"
    )]
    by_name: Option<Box<HashMap<Box<str>, usize>>>,
    /// Numbers of namespaces that have been left for good.
    free: Vec<usize>,
}

impl Namespaces {
    pub(crate) fn get(&self, index: usize) -> Option<Arc<NspShared>> {
        self.list.get(index).cloned()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<NspShared>> {
        self.list.iter()
    }

    /// The namespace of this name, perhaps with another query.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<NspShared>> {
        let name = key(name);
        let alive = |nsp: &&Arc<NspShared>| !nsp.gone.load(Ordering::Acquire);
        let nsp = match &self.by_name {
            Some(by_name) => self.list.get(*by_name.get(name)?).filter(alive),
            None => {
                let mut all = self.list.iter().filter(alive);
                all.find(|nsp| key(&nsp.name) == name)
            }
        };
        nsp.cloned()
    }

    /// Whether so many have a handle, or something left to send. (Others whose last one is gone wait for the driver to forget them.)
    pub(crate) fn is_full(&self, most: usize) -> bool {
        self.list.len() - self.free.len() >= most
            && self
                .list
                .iter()
                .filter(|nsp| {
                    nsp.handles.load(Ordering::Acquire) > 0 || nsp.parting.load(Ordering::Acquire)
                })
                .count()
                >= most
    }

    /// Adds a namespace; the number of one that has been left for good is taken again.
    pub(crate) fn add(
        &mut self,
        name: &str,
        options: NspOptions,
        auth: AuthSource,
    ) -> Arc<NspShared> {
        let index = self.free.pop().unwrap_or(self.list.len());
        let nsp = Arc::new(NspShared::new(index, name, options, auth));
        match self.list.get_mut(index) {
            Some(place) => *place = Arc::clone(&nsp),
            None => {
                if self.list.is_empty() {
                    // One is what most connections have.
                    self.list.reserve_exact(1);
                }
                self.list.push(Arc::clone(&nsp));
            }
        }
        if let Some(by_name) = &mut self.by_name {
            by_name.insert(key(name).into(), index);
        } else if self.list.len() > FEW {
            let all = self
                .list
                .iter()
                .filter(|nsp| !nsp.gone.load(Ordering::Acquire));
            let by_name = all.map(|nsp| (key(&nsp.name).into(), nsp.index));
            self.by_name = Some(Box::new(by_name.collect()));
        }
        nsp
    }

    /// Takes a namespace off the list unless it has a handle again: whether it is gone now.
    pub(crate) fn forget(&mut self, index: usize) -> Option<Arc<NspShared>> {
        let nsp = self.get(index)?;
        if nsp.handles.load(Ordering::Acquire) > 0 || nsp.gone.swap(true, Ordering::AcqRel) {
            return None;
        }
        if let Some(by_name) = &mut self.by_name {
            by_name.remove(key(&nsp.name));
        }
        self.free.push(index);
        Some(nsp)
    }
}
