//! The driver's side of namespaces: found by the handles' number and by the core's, joined, left, forgotten.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sockeye_core::{NamespaceId, Reconnection};

use super::Driver;
use super::abort::{Abort, abortable};
use super::timers::Timer;
use crate::client::error::{ConnectError, ConnectErrorKind, Notice};
use crate::client::options::{AuthSource, caught};
use crate::inbox::{Command, NspShared, lock};
use crate::namespace::Status;

/// A namespace as the driver sees it.
pub(super) struct NamespaceSlot {
    pub(super) nsp: NamespaceId,
    pub(super) shared: Arc<NspShared>,
    /// Joined, as far as events have told. (Handles see `disconnect` earlier.)
    pub(super) joined: bool,
    /// Failed attempts do not end it: it was connected in the background, waits for its server, or has been joined.
    pub(super) keep_trying: bool,
    /// The `auth` function is at work, or will be called again.
    pub(super) auth_call: Option<AuthCall>,
    /// Failures of the `auth` function since it succeeded last.
    auth_failures: u32,
}

/// A call of an `auth` function; it is given up when nobody waits for the answer any more.
pub(super) struct AuthCall {
    pub(super) number: u64,
    /// It is at work; `None` until its time has come.
    _task: Option<Abort>,
}

/// All namespaces that the core has been told of.
#[derive(Default)]
pub(super) struct Slots {
    /// By the handles' number.
    slots: Vec<Option<NamespaceSlot>>,
    /// The handles' number by the core's. Nothing as long as both are the same, as they are on most connections.
    #[allow(
        clippy::box_collection,
        reason = "most connections of many have none: a word for each of them, and not three"
    )]
    by_core: Option<Box<Vec<usize>>>,
}

impl Slots {
    pub(super) fn get(&mut self, index: usize) -> Option<&mut NamespaceSlot> {
        self.slots.get_mut(index)?.as_mut()
    }

    pub(super) fn of_core(&mut self, nsp: NamespaceId) -> Option<&mut NamespaceSlot> {
        let index = match &self.by_core {
            None => nsp.index(),
            Some(by_core) => *by_core.get(nsp.index())?,
        };
        self.get(index).filter(|slot| slot.nsp == nsp)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut NamespaceSlot> {
        self.slots.iter_mut().flatten()
    }

    pub(super) fn take(&mut self, index: usize) -> Option<NamespaceSlot> {
        self.slots.get_mut(index)?.take()
    }

    fn add(&mut self, nsp: NamespaceId, shared: Arc<NspShared>) {
        let index = shared.index;
        // One is what most connections have.
        if self.slots.is_empty() {
            self.slots.reserve_exact(index + 1);
        }
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        if index != nsp.index() && self.by_core.is_none() {
            let mut by_core = Box::default();
            for slot in self.slots.iter().flatten() {
                set(&mut by_core, slot.nsp, slot.shared.index);
            }
            self.by_core = Some(by_core);
        }
        if let Some(by_core) = &mut self.by_core {
            set(by_core, nsp, index);
        }
        self.slots[index] = Some(NamespaceSlot {
            nsp,
            shared,
            joined: false,
            keep_trying: false,
            auth_call: None,
            auth_failures: 0,
        });
    }
}

fn set(by_core: &mut Vec<usize>, nsp: NamespaceId, index: usize) {
    if by_core.len() <= nsp.index() {
        by_core.resize(nsp.index() + 1, usize::MAX);
    }
    by_core[nsp.index()] = index;
}

/// The delay before the `auth` function is called again after so many failures: as before a reconnection.
fn delay(policy: &Reconnection, failures: u32) -> Duration {
    let base = policy
        .delay
        .saturating_mul(
            1u32.checked_shl(failures.saturating_sub(1))
                .unwrap_or(u32::MAX),
        )
        .min(policy.delay_max);
    let jitter = f64::from(policy.jitter_permille.min(1000)) / 1000.0;
    let random = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
    Duration::try_from_secs_f64(base.as_secs_f64() * (1.0 + jitter * (2.0 * random - 1.0)))
        .unwrap_or(policy.delay_max)
        .min(policy.delay_max)
}

impl Driver {
    /// The core's handle of a namespace; made when it is first needed.
    #[inline]
    pub(super) fn core_handle(&mut self, index: usize) -> Option<NamespaceId> {
        if let Some(slot) = self.slots.get(index) {
            return Some(slot.nsp);
        }
        self.new_core_handle(index)
    }

    #[cold]
    fn new_core_handle(&mut self, index: usize) -> Option<NamespaceId> {
        let shared = lock(&self.shared.nsps).get(index)?;
        if shared.gone.load(Ordering::Acquire) {
            return None;
        }
        let options = *lock(&shared.options);
        let nsp = match self.core.namespace(&shared.name, options) {
            Ok(nsp) => nsp,
            Err(error) => {
                tracing::warn!(%error, namespace = %shared.name, "a namespace was not added");
                return None;
            }
        };
        // The core may know the name from a handle that is gone.
        self.core.set_options(nsp, options);
        self.slots.add(nsp, shared);
        Some(nsp)
    }

    /// Connects a namespace. Calls of `connect` with tickets below `upto` wait for what comes of it.
    pub(super) fn connect(&mut self, index: usize, upto: u64, keep_trying: bool) {
        let Some(nsp) = self.core_handle(index) else {
            if let Some(shared) = lock(&self.shared.nsps).get(index) {
                shared.set_status(Status::Idle);
                shared.connects.see(upto);
                let error = ConnectError::config(
                    "too many namespaces on one connection: raise `Limits::namespaces`",
                );
                shared.connects.resolve(&Err(error));
            }
            return;
        };
        let Some(slot) = self.slots.get(index) else {
            return;
        };
        slot.shared.connects.see(upto);
        if self.core.is_connected(nsp) {
            slot.shared.connects.resolve(&Ok(()));
            return;
        }
        slot.keep_trying |= keep_trying;
        self.core.connect(self.now, nsp);
        self.show_status(nsp);
    }

    /// Leaves a namespace because its handle said so.
    pub(super) fn disconnect(&mut self, index: usize) {
        if let Some(slot) = self.slots.get(index) {
            slot.auth_call = None;
            slot.auth_failures = 0;
            slot.keep_trying = false;
            slot.shared.connects.resolve(&Err(ConnectError::closed()));
            let nsp = slot.nsp;
            self.core.disconnect(self.now, nsp);
            self.show_status(nsp);
        }
    }

    /// The last handle of a namespace is gone: it is left once what was emitted on it has been sent. Whether it has been left,
    /// or need not be.
    pub(super) fn forget(&mut self, index: usize) {
        if self.is_parting(index) {
            let slot = self.slots.get(index);
            let is_new = slot.is_some_and(|slot| !slot.shared.parting.swap(true, Ordering::AcqRel));
            if is_new {
                self.partings.get_or_insert_default().push(index);
            }
            return;
        }
        // A handle may have been made again meanwhile.
        let Some(shared) = lock(&self.shared.nsps).forget(index) else {
            return;
        };
        shared.handlers.clear();
        self.outlet.end(&shared);
        self.shared.sync_outgoing(&shared);
        if self.shared.handles.load(Ordering::Acquire) == 0 {
            // All are gone: the connection is closed as a whole, after what was accepted has been written.
            return;
        }
        if let Some(slot) = self.slots.take(index) {
            // What nobody is left to join it for is told, event for event.
            self.core.forget(self.now, slot.nsp);
            self.needs_drain = true;
        }
    }

    /// Whether something was emitted on a namespace without handles that is still to be sent, and may be.
    fn is_parting(&mut self, index: usize) -> bool {
        if self.shared.handles.load(Ordering::Acquire) == 0 {
            return false;
        }
        let Some(slot) = self.slots.get(index) else {
            return false;
        };
        let nsp = slot.nsp;
        slot.shared.handles.load(Ordering::Acquire) == 0
            && self.core.is_active(nsp)
            && self.core.has_unsent(nsp)
    }

    /// Looks after namespaces whose last handle is gone and that had something to send.
    pub(super) fn advance_partings(&mut self) {
        for index in self.partings.take().into_iter().flat_map(|list| *list) {
            if let Some(slot) = self.slots.get(index) {
                slot.shared.parting.store(false, Ordering::Release);
            }
            // (It is put on the list again if it is not time yet.)
            self.forget(index);
            self.needs_drain |= self.slots.get(index).is_none();
        }
    }

    /// Shows handles how a namespace is that is not joined.
    pub(super) fn show_status(&mut self, nsp: NamespaceId) {
        let active = self.core.is_active(nsp);
        if let Some(slot) = self.slots.of_core(nsp) {
            slot.shared
                .set_status(if active { Status::Active } else { Status::Idle });
        }
    }

    /// A namespace has been joined; `tell`: it is time to say so.
    pub(super) fn joined(&mut self, nsp: NamespaceId, tell: bool) {
        let Some(slot) = self.slots.of_core(nsp) else {
            return;
        };
        let id = self.core.id(nsp).unwrap_or("");
        let recovered = self.core.is_recovered(nsp);
        slot.shared.recovered.store(recovered, Ordering::Release);
        slot.joined = true;
        slot.keep_trying = true;
        slot.shared.set_status(Status::Joined { id: id.into() });
        if !tell {
            return;
        }
        tracing::debug!(namespace = %slot.shared.name, id, recovered, "namespace joined");
        let notice = Notice::Connected {
            id: id.to_owned(),
            recovered,
            transport: self.core.transport(),
        };
        self.batch.notice(&slot.shared, &notice);
        self.batch.connected(&slot.shared, Ok(()));
        self.tidy_inbox();
    }

    // ---- auth ----

    /// The core asks for the `auth` payload of a namespace.
    pub(super) fn ask_auth(&mut self, nsp: NamespaceId) {
        let Some(slot) = self.slots.of_core(nsp) else {
            return;
        };
        let index = slot.shared.index;
        let source = lock(&slot.shared.auth).clone();
        match source {
            AuthSource::None => self.auth(index, Ok(String::new())),
            AuthSource::Value(json) => self.auth(index, Ok(json.to_string())),
            AuthSource::Function(_) => self.call_auth(index, Duration::ZERO),
        }
    }

    /// Calls the `auth` function after a while.
    fn call_auth(&mut self, index: usize, after: Duration) {
        self.auth_calls += 1;
        let call = self.auth_calls;
        let Some(slot) = self.slots.get(index) else {
            return;
        };
        slot.auth_call = Some(AuthCall {
            number: call,
            _task: None,
        });
        if after.is_zero() {
            self.auth_due(index, call);
        } else {
            self.timers
                .set(self.now + after, Timer::Auth { index, call });
        }
    }

    /// Calls the `auth` function, if that is still wanted. It is user code: in a task of its own it cannot hold heartbeats
    /// up.
    pub(super) fn auth_due(&mut self, index: usize, call: u64) {
        let shared = Arc::downgrade(&self.shared);
        let Some(slot) = self.slots.get(index) else {
            return;
        };
        let nsp = Arc::clone(&slot.shared);
        let Some(auth_call) = slot.auth_call.as_mut().filter(|auth| auth.number == call) else {
            return;
        };
        let (task, abort) = abortable(async move {
            // It may have been replaced meanwhile.
            let source = lock(&nsp.auth).clone();
            let auth = match source {
                AuthSource::None => Ok(String::new()),
                AuthSource::Value(json) => Ok(json.to_string()),
                AuthSource::Function(function) => {
                    caught(function).await.map_err(|error| error.to_string())
                }
            };
            if let Some(shared) = shared.upgrade() {
                shared.command(Command::Auth {
                    nsp: index,
                    call,
                    auth,
                });
            }
        });
        auth_call._task = Some(abort);
        self.outlet.start(task);
    }

    /// A call of an `auth` function has come to something.
    pub(super) fn auth_called(&mut self, index: usize, call: u64, auth: Result<String, String>) {
        // The place may have been taken by another namespace, or the answer by a later call.
        let current = self
            .slots
            .get(index)
            .and_then(|slot| slot.auth_call.as_ref())
            .is_some_and(|current| current.number == call);
        if current {
            self.auth(index, auth);
        }
    }

    /// The `auth` payload has been computed. A failure counts as a failed attempt to join.
    fn auth(&mut self, index: usize, auth: Result<String, String>) {
        let Some(slot) = self.slots.get(index) else {
            return;
        };
        slot.auth_call = None;
        let nsp = slot.nsp;
        let result = auth.and_then(|json| {
            self.core
                .provide_auth(self.now, nsp, &json)
                .map_err(|error| error.to_string())
        });
        let Err(error) = result else {
            slot.auth_failures = 0;
            return;
        };
        let mut error = ConnectError::new(
            ConnectErrorKind::Auth,
            format!("the auth payload could not be had: {error}"),
        );
        let policy = self.core.config().reconnection;
        slot.auth_failures = slot.auth_failures.saturating_add(1);
        let failures = slot.auth_failures;
        error.active = slot.keep_trying
            && policy.enabled
            && policy.attempts.is_none_or(|attempts| failures <= attempts);
        if error.active {
            let after = delay(&policy, failures);
            tracing::debug!(namespace = %slot.shared.name, failures, ?after, %error, "auth is computed again");
            let notice = Notice::ConnectError(error.clone());
            self.batch.notice(&slot.shared, &notice);
            if !self.shared.wait_for_server {
                self.batch.connected(&slot.shared, Err(error));
            }
            self.call_auth(index, after);
            return;
        }
        slot.auth_failures = 0;
        slot.keep_trying = false;
        slot.shared.set_status(Status::Idle);
        let notice = Notice::ConnectError(error.clone());
        self.batch.notice(&slot.shared, &notice);
        self.batch.connected(&slot.shared, Err(error));
        self.core.refuse_auth(self.now, nsp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_to_its_cap_and_spreads() {
        let policy = Reconnection::DEFAULT;
        for (failures, least, most) in [(1, 500, 1500), (2, 1000, 3000), (99, 2500, 5000)] {
            for _ in 0..100 {
                let delay = delay(&policy, failures).as_millis();
                assert!((least..=most).contains(&delay), "{failures}: {delay}");
            }
        }
        let endless = Reconnection {
            delay: Duration::MAX,
            delay_max: Duration::MAX,
            ..policy
        };
        assert!(delay(&endless, u32::MAX) > Duration::from_secs(u64::MAX / 4));
    }
}
