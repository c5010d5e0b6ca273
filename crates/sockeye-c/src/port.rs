//! The port: the table of functions by which the library reaches the platform.

use core::cell::UnsafeCell;
use core::ffi::{c_char, c_void};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::config::sockeye_tls_config_t;
use crate::error::{NO_MEM, Outcome};

/// `sockeye_wait_t`: bytes, the end of the stream or an error can be read.
pub const SOCKEYE_WAIT_READ: u8 = 1;
/// `sockeye_wait_t`: bytes can be written.
pub const SOCKEYE_WAIT_WRITE: u8 = 2;
/// `sockeye_wait_t`: `conn_continue` can make progress.
pub const SOCKEYE_WAIT_OPEN: u8 = 4;

/// `conn_read`, `conn_write`: nothing now.
pub const SOCKEYE_IO_AGAIN: isize = -1;
/// `conn_read`, `conn_write`: the connection broke.
pub const SOCKEYE_IO_ERROR: isize = -2;

/// Levels of `log`.
pub const SOCKEYE_LOG_ERROR: i32 = 1;
/// Levels of `log`.
pub const SOCKEYE_LOG_WARN: i32 = 2;
/// Levels of `log`.
pub const SOCKEYE_LOG_INFO: i32 = 3;
/// Levels of `log`.
pub const SOCKEYE_LOG_DEBUG: i32 = 4;

/// The client's task, as the configuration wants it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_task_config_t {
    /// Bytes of stack; 0 for the port's default.
    pub stack: u32,
    /// The RTOS's priority; 0 for the port's default.
    pub priority: u32,
    /// The core to run on; -1 for any.
    pub core: i32,
}

/// Where to connect to. Everything in it is valid until `conn_close`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_target_t {
    /// A name or an address (IPv6 without brackets).
    pub host: *const c_char,
    /// The port number.
    pub port: u16,
    /// Null for a plain connection.
    pub tls: *const sockeye_tls_config_t,
}

/// One connection in `net_wait`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_wait_t {
    /// From `conn_open`.
    pub conn: *mut c_void,
    /// What to wait for: `SOCKEYE_WAIT_` bits.
    pub want: u8,
    /// What is there: the port sets the bits.
    pub ready: u8,
}

/// The platform: what a port implements. The library comes with `port_posix.c` and, in the ESP-IDF component,
/// `port_esp_idf.c`; each defines `sockeye_port_platform`.
///
/// All functions are called from any task at any time, except where it says otherwise, and none may call the library.
/// Texts for errors are one line for people, cut to the size given, ended by a zero, without secrets.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_port_t {
    /// Memory for any type of up to 16 bytes' alignment, or null. Used only where the library is built without `std`.
    pub alloc: unsafe extern "C" fn(size: usize) -> *mut c_void,
    /// Gives back what `alloc` gave.
    pub free: unsafe extern "C" fn(memory: *mut c_void),
    /// Microseconds on a clock that never runs backwards.
    pub now_us: unsafe extern "C" fn() -> u64,
    /// Fills with unpredictable bytes.
    pub random: unsafe extern "C" fn(bytes: *mut u8, len: usize),
    /// One line for the log, ended by a zero; the level is a `SOCKEYE_LOG_` number.
    pub log: unsafe extern "C" fn(level: i32, line: *const c_char),

    /// A mutex that is not recursive, or null.
    pub lock_create: unsafe extern "C" fn() -> *mut c_void,
    /// Waits for the mutex.
    pub lock_acquire: unsafe extern "C" fn(lock: *mut c_void),
    /// Gives the mutex back, on the task that has it.
    pub lock_release: unsafe extern "C" fn(lock: *mut c_void),
    /// Frees the mutex, which nobody holds.
    pub lock_destroy: unsafe extern "C" fn(lock: *mut c_void),

    /// A binary semaphore that is not given, or null.
    pub signal_create: unsafe extern "C" fn() -> *mut c_void,
    /// Takes the semaphore, waiting for so long at most (`UINT32_MAX`: for ever); whether it was given.
    pub signal_take: unsafe extern "C" fn(signal: *mut c_void, timeout_ms: u32) -> bool,
    /// Gives the semaphore. The one who takes it may destroy it at once.
    pub signal_give: unsafe extern "C" fn(signal: *mut c_void),
    /// Frees the semaphore.
    pub signal_destroy: unsafe extern "C" fn(signal: *mut c_void),

    /// Runs `entry(arg)` on a task of its own; whether it could be started. The task frees itself when `entry` returns.
    pub task_start: unsafe extern "C" fn(
        entry: unsafe extern "C" fn(arg: *mut c_void),
        arg: *mut c_void,
        config: *const sockeye_task_config_t,
    ) -> bool,
    /// A number that is not 0 and tells the calling task from all others alive.
    pub task_current: unsafe extern "C" fn() -> usize,

    /// What one client waits with, or null.
    pub net_create: unsafe extern "C" fn() -> *mut c_void,
    /// Ends the `net_wait` under way, or the next one, at once. Many calls before one wait count as one.
    pub net_wake: unsafe extern "C" fn(net: *mut c_void),
    /// Waits until a connection is ready, `net_wake`, or so many microseconds have passed (negative: for ever). Sets
    /// `ready` of each connection. May return early. On the client's task only.
    pub net_wait: unsafe extern "C" fn(
        net: *mut c_void,
        conns: *mut sockeye_wait_t,
        count: usize,
        timeout_us: i64,
    ),
    /// Frees it.
    pub net_destroy: unsafe extern "C" fn(net: *mut c_void),

    /// Begins to connect; null with a text if that failed at once. May block while a name is looked up. The `conn_`
    /// functions are called on the client's task only.
    pub conn_open: unsafe extern "C" fn(
        net: *mut c_void,
        target: *const sockeye_target_t,
        error: *mut c_char,
        error_size: usize,
    ) -> *mut c_void,
    /// Goes on connecting: 1 connected, 0 not yet, -1 failed, with a text.
    pub conn_continue:
        unsafe extern "C" fn(conn: *mut c_void, error: *mut c_char, error_size: usize) -> i32,
    /// Reads without blocking: the number of bytes, 0 at the end of the stream, `SOCKEYE_IO_AGAIN`, or
    /// `SOCKEYE_IO_ERROR` with a text.
    pub conn_read: unsafe extern "C" fn(
        conn: *mut c_void,
        bytes: *mut u8,
        len: usize,
        error: *mut c_char,
        error_size: usize,
    ) -> isize,
    /// Writes without blocking: the number of bytes, `SOCKEYE_IO_AGAIN`, or `SOCKEYE_IO_ERROR` with a text. After
    /// `SOCKEYE_IO_AGAIN` the next call has the same bytes at its front.
    pub conn_write: unsafe extern "C" fn(
        conn: *mut c_void,
        bytes: *const u8,
        len: usize,
        error: *mut c_char,
        error_size: usize,
    ) -> isize,
    /// Closes and frees a connection, in whatever state it is.
    pub conn_close: unsafe extern "C" fn(conn: *mut c_void),
}

/// A port, used by reference. Its table outlives all clients: that is a condition of `sockeye_client_init`.
#[derive(Clone, Copy)]
pub(crate) struct Port(pub(crate) &'static sockeye_port_t);

impl Port {
    /// Microseconds since the port's origin.
    pub(crate) fn now(self) -> sockeye_core::Instant {
        // SAFETY: the function has no conditions.
        sockeye_core::Instant::from_micros(unsafe { (self.0.now_us)() })
    }

    /// The calling task.
    pub(crate) fn task(self) -> usize {
        // SAFETY: the function has no conditions.
        unsafe { (self.0.task_current)() }
    }

    /// Writes one line to the log, cut at 255 bytes.
    pub(crate) fn log(self, level: i32, line: core::fmt::Arguments<'_>) {
        let mut text = crate::text::Line::<256>::new();
        // A line that does not fit is cut.
        let _ = core::fmt::Write::write_fmt(&mut text, line);
        // SAFETY: the text ends with a zero and lives as long as the call.
        unsafe { (self.0.log)(level, text.as_c().as_ptr()) };
    }
}

/// A value behind one of the port's mutexes.
pub(crate) struct Locked<T> {
    raw: NonNull<c_void>,
    port: Port,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through the guard, which exists once at a time.
unsafe impl<T> Sync for Locked<T> {}

impl<T> Locked<T> {
    pub(crate) fn new(port: Port, value: T) -> Outcome<Self> {
        // SAFETY: the function has no conditions.
        let raw = NonNull::new(unsafe { (port.0.lock_create)() }).ok_or(NO_MEM)?;
        Ok(Self {
            raw,
            port,
            value: UnsafeCell::new(value),
        })
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        // SAFETY: the mutex lives as long as `self`, and no caller holds it already: guards are not kept over calls.
        unsafe { (self.port.0.lock_acquire)(self.raw.as_ptr()) };
        Guard { of: self }
    }
}

impl<T> Drop for Locked<T> {
    fn drop(&mut self) {
        // SAFETY: with `&mut self` nobody holds it.
        unsafe { (self.port.0.lock_destroy)(self.raw.as_ptr()) };
    }
}

/// The value, while the mutex is held.
pub(crate) struct Guard<'l, T> {
    of: &'l Locked<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the mutex is held.
        unsafe { &*self.of.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the mutex is held, and the guard is borrowed mutably.
        unsafe { &mut *self.of.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this task acquired it.
        unsafe { (self.of.port.0.lock_release)(self.of.raw.as_ptr()) };
    }
}

/// A binary semaphore of the port.
pub(crate) struct Signal {
    raw: NonNull<c_void>,
    port: Port,
}

impl Signal {
    pub(crate) fn new(port: Port) -> Outcome<Self> {
        // SAFETY: the function has no conditions.
        let raw = NonNull::new(unsafe { (port.0.signal_create)() }).ok_or(NO_MEM)?;
        Ok(Self { raw, port })
    }

    /// Whether it was given within so many milliseconds.
    pub(crate) fn take(&self, timeout_ms: u32) -> bool {
        // SAFETY: it lives as long as `self`.
        unsafe { (self.port.0.signal_take)(self.raw.as_ptr(), timeout_ms) }
    }

    pub(crate) const fn giver(&self) -> Giver {
        Giver(self.raw)
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        // SAFETY: whoever drops it has taken it, or withdrawn its giver.
        unsafe { (self.port.0.signal_destroy)(self.raw.as_ptr()) };
    }
}

/// The giving end of a [`Signal`], kept in a list under the client's lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Giver(NonNull<c_void>);

impl Giver {
    /// Gives the semaphore.
    ///
    /// # Safety
    /// Its signal has not been dropped.
    pub(crate) unsafe fn give(self, port: Port) {
        // SAFETY: as promised.
        unsafe { (port.0.signal_give)(self.0.as_ptr()) };
    }
}
