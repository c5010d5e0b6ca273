//! The life of a client and its state, as C calls them.

use core::ffi::c_char;

use crate::config::sockeye_client_config_t;
use crate::error::{INVALID_ARG, INVALID_STATE, SOCKEYE_OK, guarded, sockeye_err_t};
use crate::handle::{reference, sockeye_client, sockeye_client_handle_t};
use crate::memory::Heap;
use crate::text;

/// Makes a client, stopped, and takes all its memory but that of handlers and further namespaces. `*client` is null after
/// an error. A short-lived task does that, so that the caller's stack need not be large: with the stack of the client's
/// task.
///
/// Errors, and one line in the log that says what is wrong with which field: `SOCKEYE_ERR_INVALID_ARG`, `SOCKEYE_ERR_URI`,
/// `SOCKEYE_ERR_JSON`, `SOCKEYE_ERR_UTF8`, `SOCKEYE_ERR_NOT_SUPPORTED` (a transport that is not compiled in). Also
/// `SOCKEYE_ERR_NO_MEM`, and `SOCKEYE_ERR_INVALID_ARG` for null.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `config` and its texts can be read, `client` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_init(
    config: *const sockeye_client_config_t,
    client: *mut sockeye_client_handle_t,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        let (config, client) = unsafe {
            (
                config.as_ref().ok_or(INVALID_ARG)?,
                client.as_mut().ok_or(INVALID_ARG)?,
            )
        };
        *client = core::ptr::null_mut();
        // SAFETY: as promised.
        *client = unsafe { sockeye_client::make(config) }?.into_ptr();
        Ok(())
    })
}

/// Starts the client's task, which connects and joins the namespace of the configuration and those of
/// `sockeye_client_join`.
///
/// Errors: `SOCKEYE_ERR_INVALID_STATE` if it has been started, also while its last task still ends (as in
/// `SOCKEYE_EVENT_STOPPED`: `sockeye_client_stop` on another task waits for that), `SOCKEYE_ERR_NO_MEM` if there is no room for
/// the task.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_start(client: sockeye_client_handle_t) -> sockeye_err_t {
    // SAFETY: as promised.
    guarded(|| unsafe { reference(client) }?.start())
}

/// Sends what has been accepted, says goodbye, closes the connection and ends the client's task: at most
/// `close_timeout_ms` later, unless a callback or the look-up of a name takes longer. It can be started again; handlers and
/// the wish for namespaces stay, and so do packets for namespaces that were not joined. In a callback of this client it
/// returns at once, and the task ends after the callback: `SOCKEYE_EVENT_STOPPED`.
///
/// Errors: `SOCKEYE_ERR_NO_MEM`, and then nothing has been done. A client that is stopped already is no error.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_stop(client: sockeye_client_handle_t) -> sockeye_err_t {
    // SAFETY: as promised.
    guarded(|| unsafe { reference(client) }?.stop())
}

/// Stops the client as `sockeye_client_stop` does, and frees it. Acknowledgements that are still waited for are told
/// `SOCKEYE_ERR_CLOSED`. In a callback of this client it returns at once; then no other callback but those of
/// acknowledgements is called any more, and the task frees the client. The handle is invalid from here on, also for
/// other tasks. Never fails; null is allowed.
///
/// Errors: none.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed and that no other task uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_destroy(client: sockeye_client_handle_t) {
    let outcome = guarded(|| {
        // SAFETY: as promised.
        let Some(this) = (unsafe { client.as_ref() }) else {
            return Ok(());
        };
        if this.destroy() {
            // SAFETY: the handle came from `Heap::into_ptr`, and there is no task.
            drop(unsafe { Heap::from_ptr(client) });
        }
        Ok(())
    });
    debug_assert_eq!(outcome, SOCKEYE_OK);
}

/// Joins a namespace, now or as soon as there is a connection, and again after each reconnection. Also tries again where
/// the server has refused or disconnected it, or all attempts to connect were used up.
///
/// Errors: `SOCKEYE_ERR_INVALID_ARG` for a name with a comma or a control character or of more than 48 bytes,
/// `SOCKEYE_ERR_TOO_MANY_NAMESPACES`, `SOCKEYE_ERR_NO_MEM`, `SOCKEYE_ERR_UTF8`.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed; `nsp` ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_join(
    client: sockeye_client_handle_t,
    nsp: *const c_char,
) -> sockeye_err_t {
    // SAFETY: as promised.
    guarded(|| unsafe { reference(client)?.join(text::required(nsp)?) })
}

/// Leaves a namespace; null is that of the configuration. Packets that were accepted still go out. The connection ends with its
/// last namespace. Handlers stay, and what is emitted then is kept, until another namespace needs the place (see `max_namespaces`): what
/// was kept is told by `SOCKEYE_EVENT_UNSENT` then.
///
/// Errors: `SOCKEYE_ERR_NOT_FOUND` for one that was never joined.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed; `nsp` is null or ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_leave(
    client: sockeye_client_handle_t,
    nsp: *const c_char,
) -> sockeye_err_t {
    // SAFETY: as promised.
    guarded(|| unsafe { reference(client)?.leave(text::optional(nsp)?) })
}

/// Drops the connection and makes a new one at once; a wait for the next attempt ends now.
///
/// Errors: none but those of a wrong handle.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_reconnect(
    client: sockeye_client_handle_t,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        let client = unsafe { reference(client) }?;
        client.command()?.core.reconnect(client.port.now());
        client.wake();
        Ok(())
    })
}

/// Whether a namespace is joined: events flow. Null is that of the configuration.
///
/// Errors: none; false for null or a namespace that was never joined.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed; `nsp` is null or ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_is_connected(
    client: sockeye_client_handle_t,
    nsp: *const c_char,
) -> bool {
    let mut connected = false;
    let result = guarded(|| {
        // SAFETY: as promised.
        let (client, nsp) = unsafe { (reference(client)?, text::optional(nsp)?) };
        let state = client.command()?;
        connected = state.core.is_connected(state.find(nsp)?);
        Ok(())
    });
    result == SOCKEYE_OK && connected
}

/// Copies the id of the socket in a namespace, ended by a zero: up to 65 bytes. Null is the namespace of the configuration.
///
/// Errors: `SOCKEYE_ERR_NOT_FOUND` for a namespace that was never joined, `SOCKEYE_ERR_INVALID_STATE` for one that is not
/// joined now, `SOCKEYE_ERR_BUFFER`.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed; `nsp` is null or ends with a zero; `size` bytes can be
/// written at `id`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_get_id(
    client: sockeye_client_handle_t,
    nsp: *const c_char,
    id: *mut c_char,
    size: usize,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        let (client, nsp) = unsafe { (reference(client)?, text::optional(nsp)?) };
        let state = client.command()?;
        let found = state.core.id(state.find(nsp)?).ok_or(INVALID_STATE)?;
        // SAFETY: as promised.
        unsafe { text::copy_out(found, id, size, core::ptr::null_mut()) }
    })
}

/// The state of the connection.
pub type sockeye_state_t = u8;
/// Not started, or stopped.
pub const SOCKEYE_STATE_STOPPED: sockeye_state_t = 0;
/// There is no session: being made, or waited for.
pub const SOCKEYE_STATE_CONNECTING: sockeye_state_t = 1;
/// There is a session over HTTP long-polling.
pub const SOCKEYE_STATE_CONNECTED_HTTP: sockeye_state_t = 2;
/// There is a session over a WebSocket.
pub const SOCKEYE_STATE_CONNECTED_WS: sockeye_state_t = 3;
/// Nothing is connected, and nothing will be before `sockeye_client_join`.
pub const SOCKEYE_STATE_DOWN: sockeye_state_t = 4;

/// The state of the connection; `SOCKEYE_STATE_STOPPED` for null.
///
/// Errors: none.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_get_state(
    client: sockeye_client_handle_t,
) -> sockeye_state_t {
    let mut found = SOCKEYE_STATE_STOPPED;
    let result = guarded(|| {
        // SAFETY: as promised.
        let client = unsafe { reference(client) }?;
        let state = client.command()?;
        found = match (state.runs(), state.core.transport()) {
            (false, _) => SOCKEYE_STATE_STOPPED,
            (_, Some(sockeye_core::Transport::WebSocket)) => SOCKEYE_STATE_CONNECTED_WS,
            (_, Some(sockeye_core::Transport::Polling)) => SOCKEYE_STATE_CONNECTED_HTTP,
            (_, None) if state.core.is_down() => SOCKEYE_STATE_DOWN,
            (_, None) => SOCKEYE_STATE_CONNECTING,
        };
        Ok(())
    });
    if result == SOCKEYE_OK {
        found
    } else {
        SOCKEYE_STATE_STOPPED
    }
}

/// How much has been accepted and is not written yet: packets, and their bytes with framing. Either may be null.
///
/// Errors: none but those of a wrong handle.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed; the others are null or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_get_send_queue(
    client: sockeye_client_handle_t,
    packets: *mut usize,
    bytes: *mut usize,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        let client = unsafe { reference(client) }?;
        let state = client.command()?;
        // SAFETY: as promised.
        unsafe {
            if let Some(packets) = packets.as_mut() {
                *packets = state.core.send_queue_len();
            }
            if let Some(bytes) = bytes.as_mut() {
                *bytes = state.core.send_queue_bytes();
            }
        }
        Ok(())
    })
}

/// Waits until everything accepted so far has been written to the network, at most so long (`UINT32_MAX`: for ever).
///
/// Errors: `SOCKEYE_ERR_TIMEOUT`, `SOCKEYE_ERR_CLOSED` if the client was stopped meanwhile, `SOCKEYE_ERR_INVALID_STATE` in a
/// callback of this client or while it is stopped, `SOCKEYE_ERR_NO_MEM`.
/// Threads: any task, but no callback of this client.
///
/// # Safety
/// `client` is null, or a handle that is not destroyed meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_flush(
    client: sockeye_client_handle_t,
    timeout_ms: u32,
) -> sockeye_err_t {
    // SAFETY: as promised.
    guarded(|| unsafe { reference(client) }?.flush(timeout_ms))
}
