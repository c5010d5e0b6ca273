//! The client: what the handle points to, how it begins and how it ends.

use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, Ordering};

use sockeye_core::{AckId, AckRequest, Client, Entropy, NamespaceId};

use crate::config::{Settings, blame, sockeye_client_config_t};
use crate::error::{
    Failure, INVALID_ARG, INVALID_STATE, NO_MEM, NOT_FOUND, Outcome, SOCKEYE_ERR_CLOSED,
    SOCKEYE_ERR_INTERNAL, SOCKEYE_ERR_STALE, SOCKEYE_ERR_TIMEOUT, SOCKEYE_ERR_TOO_MANY_NAMESPACES,
    guarded,
};
use crate::events::{sockeye_ack_cb_t, sockeye_ack_t, sockeye_message_cb_t};
use crate::memory::{Heap, Pieces};
use crate::port::{Giver, Guard, Locked, Port, Signal, sockeye_port_t};

/// A client: one connection to one server. Opaque; all functions that take one may be called from any task at any time,
/// until `sockeye_client_destroy`.
pub struct sockeye_client {
    pub(crate) port: Port,
    state: Locked<State>,
    pub(crate) net: NonNull<c_void>,
    /// Given when the client's task has ended, to the one who destroys the client.
    ended: Signal,
    // Dropped last: the core's client borrows from it.
    pub(crate) settings: Settings,
}

/// The handle of a client.
pub type sockeye_client_handle_t = *mut sockeye_client;

/// Whether there is a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Stopped,
    Running,
    /// Goodbye is being said.
    Stopping,
    /// A panic has been caught: the core is not touched any more.
    Broken,
}

pub(crate) struct State {
    // Dropped before what it borrows. On the heap of its own: it is large, and the rest is moved while it is made.
    pub(crate) core: Heap<Client<'static>>,
    pieces: Pieces,
    pub(crate) names: Vec<Name>,
    pub(crate) handlers: Vec<Handler>,
    handlers_made: u64,
    /// In the order of their ids.
    waiters: Vec<Waiter>,
    /// Events that wait for an answer of ours, in the order of their numbers.
    answers: Vec<(sockeye_ack_t, AckRequest)>,
    answers_made: u64,
    run: Run,
    /// The client's task, while there is one.
    task: usize,
    /// The client frees itself when its task ends.
    orphan: bool,
    destroyer: Option<Giver>,
    stoppers: Vec<Giver>,
    flushers: Vec<Giver>,
}

/// A namespace that the application knows.
pub(crate) struct Name {
    pub(crate) id: NamespaceId,
    /// To be joined whenever the client runs.
    wanted: bool,
    /// Its `auth` payload did not fit the send buffer: to be asked for again.
    pub(crate) ask: bool,
}

pub(crate) struct Handler {
    pub(crate) number: u64,
    pub(crate) nsp: NamespaceId,
    /// None: for all events.
    pub(crate) event: Option<Heap<[u8]>>,
    pub(crate) call: sockeye_message_cb_t,
    pub(crate) ctx: *mut c_void,
}

struct Waiter {
    id: AckId,
    call: sockeye_ack_cb_t,
    ctx: *mut c_void,
}

/// The core asks for random bytes without a context: all clients of a program share one port's generator.
static RANDOM: AtomicPtr<sockeye_port_t> = AtomicPtr::new(core::ptr::null_mut());

fn random(bytes: &mut [u8]) {
    // SAFETY: the table is null or outlives all clients.
    if let Some(port) = unsafe { RANDOM.load(Ordering::Acquire).as_ref() } {
        // SAFETY: the bytes can be written.
        unsafe { (port.random)(bytes.as_mut_ptr(), bytes.len()) };
    }
}

impl State {
    /// The namespace of this name; null is the one that was configured.
    pub(crate) fn find(&self, nsp: Option<&str>) -> Outcome<NamespaceId> {
        let entry = match nsp {
            None => self.names.first(),
            Some(name) => {
                let bare = name.strip_prefix('/').unwrap_or(name);
                let same = |entry: &&Name| self.core.name(entry.id).strip_prefix('/') == Some(bare);
                self.names.iter().find(same)
            }
        };
        entry.map(|entry| entry.id).ok_or(NOT_FOUND)
    }

    /// The same, made if there is none. A namespace that has been left makes room if need be.
    pub(crate) fn find_or_make(&mut self, name: &str, settings: &Settings) -> Outcome<NamespaceId> {
        if let Ok(id) = self.find(Some(name)) {
            return Ok(id);
        }
        if self.names.len() == self.pieces.namespaces {
            let left = |entry: &Name| !entry.wanted && !self.core.is_active(entry.id);
            let i = self.names.iter().skip(1).position(left);
            let i = i.ok_or(Failure(SOCKEYE_ERR_TOO_MANY_NAMESPACES))? + 1;
            let old = self.names.remove(i).id;
            self.handlers.retain(|handler| handler.nsp != old);
            self.core.forget(settings.port.now(), old);
        }
        self.names.try_reserve(1).map_err(|_| NO_MEM)?;
        let id = self.core.namespace(name, settings.options())?;
        self.names.push(Name {
            id,
            wanted: false,
            ask: false,
        });
        Ok(id)
    }

    pub(crate) fn entry(&mut self, id: NamespaceId) -> Option<&mut Name> {
        self.names.iter_mut().find(|entry| entry.id == id)
    }

    /// Whether it is the namespace of the configuration.
    pub(crate) fn is_first(&self, id: NamespaceId) -> bool {
        self.names.first().is_some_and(|first| first.id == id)
    }

    pub(crate) fn on(
        &mut self,
        nsp: NamespaceId,
        event: Option<Heap<[u8]>>,
        call: sockeye_message_cb_t,
        ctx: *mut c_void,
    ) -> Outcome {
        self.handlers.try_reserve(1).map_err(|_| NO_MEM)?;
        self.handlers_made += 1;
        self.handlers.push(Handler {
            number: self.handlers_made,
            nsp,
            event,
            call,
            ctx,
        });
        Ok(())
    }

    /// The number of the handler that was added last.
    pub(crate) const fn newest_handler(&self) -> u64 {
        self.handlers_made
    }

    /// Remembers who waits for an answer. There is room for as many as the core accepts.
    pub(crate) fn wait_for(&mut self, id: AckId, call: sockeye_ack_cb_t, ctx: *mut c_void) {
        self.waiters.push(Waiter { id, call, ctx });
    }

    /// Who waits for this answer.
    pub(crate) fn take_waiter(&mut self, id: AckId) -> Option<(sockeye_ack_cb_t, *mut c_void)> {
        let i = self
            .waiters
            .binary_search_by_key(&id, |waiter| waiter.id)
            .ok()?;
        let waiter = self.waiters.remove(i);
        Some((waiter.call, waiter.ctx))
    }

    /// Gives an event that wants an answer its number. The oldest one makes room: its answer is refused as stale.
    pub(crate) fn question(&mut self, request: AckRequest) -> sockeye_ack_t {
        if self.answers.len() == self.pieces.acks {
            self.answers.remove(0);
        }
        self.answers_made += 1;
        self.answers.push((self.answers_made, request));
        self.answers_made
    }

    /// The event behind a number.
    pub(crate) fn asked(&self, number: sockeye_ack_t) -> Outcome<AckRequest> {
        let i = self.answers.binary_search_by_key(&number, |entry| entry.0);
        let entry = i.ok().and_then(|i| self.answers.get(i));
        entry.map(|entry| entry.1).ok_or(Failure(SOCKEYE_ERR_STALE))
    }

    /// It has been answered.
    pub(crate) fn answered(&mut self, number: sockeye_ack_t) {
        self.answers.retain(|entry| entry.0 != number);
    }

    /// Answers over a connection that is gone are not taken any more.
    pub(crate) fn forget_questions(&mut self, nsp: NamespaceId) {
        self.answers.retain(|entry| entry.1.nsp() != nsp);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.run == Run::Stopping
    }

    /// Whether the application must not be told anything any more but the end of its acknowledgements.
    pub(crate) const fn is_orphan(&self) -> bool {
        self.orphan
    }

    /// Tells those who wait for an empty send queue.
    pub(crate) fn flushed(&mut self, port: Port) {
        for giver in self.flushers.drain(..) {
            // SAFETY: a signal is in the list as long as it lives; both change under the lock.
            unsafe { giver.give(port) };
        }
    }

    /// Whether there is a task, and the core can be asked.
    pub(crate) fn runs(&self) -> bool {
        matches!(self.run, Run::Running | Run::Stopping)
    }

    fn say_goodbye(&mut self, now: sockeye_core::Instant) {
        self.run = Run::Stopping;
        self.core.disconnect_all(now);
    }
}

/// The core's client, made where it stays.
///
/// # Safety
/// It is dropped before the settings and the pieces, and these pieces are lent only here.
#[inline(never)]
unsafe fn make_core(settings: &Settings, pieces: &mut Pieces) -> Outcome<Heap<Client<'static>>> {
    // SAFETY: as promised.
    let memory = unsafe { pieces.lend() }?;
    Heap::in_place(|slot| {
        // SAFETY: as promised.
        let config = unsafe { settings.core(Entropy::Fn(random)) };
        slot.write(Client::new(config, memory));
    })
}

impl sockeye_client {
    /// # Safety
    /// As [`Settings::new`].
    unsafe fn new(raw: &sockeye_client_config_t) -> Outcome<Heap<Self>> {
        // SAFETY: as promised.
        let settings = unsafe { Settings::new(raw) }?;
        let port = settings.port;
        RANDOM.store(core::ptr::from_ref(port.0).cast_mut(), Ordering::Release);
        let mut pieces = Pieces::new(settings.sizes())?;
        // SAFETY: `State` drops its client before the pieces, and `sockeye_client` its state before the settings.
        let mut core = unsafe { make_core(&settings, &mut pieces) }?;
        // SAFETY: borrowed only here.
        let name = unsafe { settings.nsp.text() };
        let id = core
            .namespace(name, settings.options())
            .map_err(|error| {
                let must = "or the path of config.uri must be a namespace of at most 48 bytes, without comma and control characters";
                blame(port, error.into(), "nsp", must)
            })?;
        let (mut names, mut waiters, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        names
            .try_reserve_exact(pieces.namespaces)
            .map_err(|_| NO_MEM)?;
        waiters.try_reserve_exact(pieces.acks).map_err(|_| NO_MEM)?;
        answers.try_reserve_exact(pieces.acks).map_err(|_| NO_MEM)?;
        names.push(Name {
            id,
            wanted: true,
            ask: false,
        });
        let state = State {
            core,
            pieces,
            names,
            handlers: Vec::new(),
            handlers_made: 0,
            waiters,
            answers,
            answers_made: 0,
            run: Run::Stopped,
            task: 0,
            orphan: false,
            destroyer: None,
            stoppers: Vec::new(),
            flushers: Vec::new(),
        };
        let state = Locked::new(port, state)?;
        let ended = Signal::new(port)?;
        // SAFETY: the function has no conditions.
        let net = NonNull::new(unsafe { (port.0.net_create)() }).ok_or(NO_MEM)?;
        let client = Self {
            port,
            state,
            net,
            ended,
            settings,
        };
        Heap::new(client)
    }

    /// Makes a client on a task of its own, with the stack that the client's task will have: making one takes several
    /// kilobytes of stack, which the main task of a device does not have by default.
    ///
    /// # Safety
    /// As [`Settings::new`].
    pub(crate) unsafe fn make(raw: &sockeye_client_config_t) -> Outcome<Heap<Self>> {
        // SAFETY: as promised.
        let port = Port(unsafe { raw.port.as_ref() }.ok_or(INVALID_ARG)?);
        let done = Signal::new(port)?;
        let mut order = Order {
            raw,
            port,
            made: Err(Failure(SOCKEYE_ERR_INTERNAL)),
            done: done.giver(),
        };
        let arg = (&raw mut order).cast();
        // SAFETY: the order lives until the task has given the signal, and the task does not touch it after that.
        if !unsafe { (port.0.task_start)(make, arg, &raw const raw.task) } {
            return Err(NO_MEM);
        }
        done.take(u32::MAX);
        order.made
    }

    pub(crate) fn lock(&self) -> Guard<'_, State> {
        self.state.lock()
    }

    /// The state, for a command: refused after a panic, since nobody knows what the core would do.
    pub(crate) fn command(&self) -> Outcome<Guard<'_, State>> {
        let state = self.lock();
        if state.run == Run::Broken {
            Err(Failure(SOCKEYE_ERR_INTERNAL))
        } else {
            Ok(state)
        }
    }

    /// Makes the task look at what a command has changed.
    pub(crate) fn wake(&self) {
        // SAFETY: it lives as long as `self`.
        unsafe { (self.port.0.net_wake)(self.net.as_ptr()) };
    }

    pub(crate) fn provide_auth(&self, nsp: NamespaceId, json: &str) -> Outcome {
        let now = self.port.now();
        Ok(self.lock().core.provide_auth(now, nsp, json)?)
    }

    pub(crate) fn start(&self) -> Outcome {
        {
            let mut state = self.command()?;
            if state.run != Run::Stopped {
                return Err(INVALID_STATE);
            }
            state.run = Run::Running;
        }
        let arg = core::ptr::from_ref(self).cast_mut().cast();
        let config = &raw const self.settings.raw().task;
        // SAFETY: the handle lives until the task has ended: `destroy` waits for it, or leaves the freeing to it.
        if unsafe { (self.port.0.task_start)(task, arg, config) } {
            return Ok(());
        }
        // As if the task had ended at once: another one may be waiting for that already.
        Self::end(core::ptr::from_ref(self).cast_mut(), false);
        Err(NO_MEM)
    }

    /// The task begins: what is wanted is joined.
    pub(crate) fn begin(&self) {
        let now = self.port.now();
        let mut state = self.lock();
        state.task = self.port.task();
        if state.run != Run::Running {
            return;
        }
        let State { core, names, .. } = &mut *state;
        for entry in names.iter().filter(|entry| entry.wanted) {
            core.connect(now, entry.id);
        }
    }

    pub(crate) fn stop(&self) -> Outcome {
        let signal = Signal::new(self.port)?;
        {
            let mut state = self.command()?;
            if state.run == Run::Stopped {
                return Ok(());
            }
            if state.task == self.port.task() {
                state.say_goodbye(self.port.now());
                return Ok(());
            }
            state.stoppers.try_reserve(1).map_err(|_| NO_MEM)?;
            state.stoppers.push(signal.giver());
            state.say_goodbye(self.port.now());
        }
        self.wake();
        signal.take(u32::MAX);
        Ok(())
    }

    /// Whether the caller frees the client; the task does it otherwise.
    pub(crate) fn destroy(&self) -> bool {
        {
            let mut state = self.lock();
            match state.run {
                Run::Stopped => return true,
                // Its task has ended.
                Run::Broken if state.task == 0 => return true,
                Run::Broken => (),
                Run::Running | Run::Stopping => state.say_goodbye(self.port.now()),
            }
            if state.task == self.port.task() {
                state.orphan = true;
                return false;
            }
            state.destroyer = Some(self.ended.giver());
        }
        self.wake();
        self.ended.take(u32::MAX);
        true
    }

    /// The task has ended. Frees the client if nobody else does; it must not be touched after this.
    fn end(this: *mut Self, panicked: bool) {
        // SAFETY: the task lives by the handle, which nobody frees before the signals below are given.
        let (orphan, destroyer, stoppers, port) = unsafe {
            let port = (*this).port;
            let mut state = (*this).lock();
            state.run = if panicked { Run::Broken } else { Run::Stopped };
            state.task = 0;
            state.flushed(port);
            let stoppers = core::mem::take(&mut state.stoppers);
            (state.orphan, state.destroyer.take(), stoppers, port)
        };
        if orphan {
            // SAFETY: the handle came from `Heap::into_ptr`, and whoever destroyed it touches it no more.
            drop(unsafe { Heap::from_ptr(this) });
        }
        for giver in stoppers {
            // SAFETY: those who stop wait without limit, until they are given.
            unsafe { giver.give(port) };
        }
        if let Some(giver) = destroyer {
            // SAFETY: the one who destroys waits without limit, and frees the client after this.
            unsafe { giver.give(port) };
        }
    }

    pub(crate) fn flush(&self, timeout_ms: u32) -> Outcome {
        let signal = Signal::new(self.port)?;
        {
            let mut state = self.command()?;
            if state.core.send_queue_len() == 0 {
                return Ok(());
            }
            if state.run != Run::Running || state.task == self.port.task() {
                return Err(INVALID_STATE);
            }
            state.flushers.try_reserve(1).map_err(|_| NO_MEM)?;
            state.flushers.push(signal.giver());
        }
        self.wake();
        let given = signal.take(timeout_ms);
        let mut state = self.lock();
        state.flushers.retain(|giver| *giver != signal.giver());
        if state.run == Run::Broken {
            Err(Failure(SOCKEYE_ERR_INTERNAL))
        } else if given && state.run == Run::Running || state.core.send_queue_len() == 0 {
            Ok(())
        } else if given {
            Err(Failure(SOCKEYE_ERR_CLOSED))
        } else {
            Err(Failure(SOCKEYE_ERR_TIMEOUT))
        }
    }

    pub(crate) fn join(&self, name: &str) -> Outcome {
        {
            let mut state = self.command()?;
            let id = state.find_or_make(name, &self.settings)?;
            if let Some(entry) = state.entry(id) {
                entry.wanted = true;
            }
            if state.run == Run::Running {
                state.core.connect(self.port.now(), id);
            }
        }
        self.wake();
        Ok(())
    }

    pub(crate) fn leave(&self, name: Option<&str>) -> Outcome {
        {
            let mut state = self.command()?;
            let id = state.find(name)?;
            if let Some(entry) = state.entry(id) {
                entry.wanted = false;
            }
            state.core.disconnect(self.port.now(), id);
        }
        self.wake();
        Ok(())
    }
}

impl Drop for sockeye_client {
    fn drop(&mut self) {
        let waiters = core::mem::take(&mut self.lock().waiters);
        for waiter in waiters {
            if let Some(call) = waiter.call {
                // SAFETY: the application's own function; it is told that there is no client any more.
                unsafe {
                    call(
                        core::ptr::null_mut(),
                        SOCKEYE_ERR_CLOSED,
                        core::ptr::null(),
                        waiter.ctx,
                    );
                }
            }
        }
        // SAFETY: no task waits with it any more.
        unsafe { (self.port.0.net_destroy)(self.net.as_ptr()) };
    }
}

/// A client that is to be made.
struct Order<'c> {
    raw: &'c sockeye_client_config_t,
    port: Port,
    made: Outcome<Heap<sockeye_client>>,
    done: Giver,
}

/// Makes a client.
unsafe extern "C" fn make(arg: *mut c_void) {
    // SAFETY: the order lives until the signal is given, and nobody else looks at it before.
    let order = unsafe { &mut *arg.cast::<Order<'_>>() };
    let (port, done) = (order.port, order.done);
    // After a panic the order says so already.
    guarded(|| {
        // SAFETY: the same conditions as those of `sockeye_client::make`.
        order.made = unsafe { sockeye_client::new(order.raw) };
        Ok(())
    });
    // SAFETY: the one who waits keeps the signal until this.
    unsafe { done.give(port) };
}

/// The client's task.
unsafe extern "C" fn task(arg: *mut c_void) {
    let this: *mut sockeye_client = arg.cast();
    let panicked = guarded(|| {
        // SAFETY: the handle lives until `end`.
        crate::task::run(unsafe { &*this });
        Ok(())
    }) != crate::error::SOCKEYE_OK;
    sockeye_client::end(this, panicked);
}

/// # Safety
/// `client` is null, or a handle that has not been destroyed.
pub(crate) unsafe fn reference<'a>(client: sockeye_client_handle_t) -> Outcome<&'a sockeye_client> {
    // SAFETY: as promised.
    unsafe { client.as_ref() }.ok_or(INVALID_ARG)
}
