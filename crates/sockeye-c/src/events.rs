//! What callbacks are given.

use core::ffi::{c_char, c_void};

use sockeye_core::NamespaceId;

use crate::args::sockeye_args_t;
use crate::error::{INVALID_ARG, guarded, sockeye_err_t};
use crate::handle::sockeye_client;
use crate::json::sockeye_json_t;
use crate::text;

/// What happened to the connection.
pub type sockeye_event_id_t = u8;
/// The client's task runs: it begins to connect.
pub const SOCKEYE_EVENT_READY: sockeye_event_id_t = 0;
/// There is a session over HTTP long-polling.
pub const SOCKEYE_EVENT_CONNECTED_HTTP: sockeye_event_id_t = 1;
/// There is a session over a WebSocket, or the session has moved to one.
pub const SOCKEYE_EVENT_CONNECTED_WS: sockeye_event_id_t = 2;
/// A namespace is joined: `nsp`, `text` (the id of the socket), `recovered`.
pub const SOCKEYE_EVENT_JOINED: sockeye_event_id_t = 3;
/// An event has come: `nsp`, `text` (its name). Its handlers are called after this.
pub const SOCKEYE_EVENT_RECEIVED: sockeye_event_id_t = 4;
/// An attempt to connect failed (`nsp` is null, `text` says why, `will_retry`), or a namespace was refused (`nsp`,
/// `text`, `data`) and is not tried again before `sockeye_client_join`.
pub const SOCKEYE_EVENT_CONNECT_ERROR: sockeye_event_id_t = 5;
/// The WebSocket cannot be used, HTTP long-polling goes on: `text` says why.
pub const SOCKEYE_EVENT_UPGRADE_ERROR: sockeye_event_id_t = 6;
/// Attempt `attempt` follows after `delay_ms`.
pub const SOCKEYE_EVENT_RECONNECTING: sockeye_event_id_t = 7;
/// There is a session again, after `attempt` attempts.
pub const SOCKEYE_EVENT_RECONNECTED: sockeye_event_id_t = 8;
/// All attempts are used up: nothing happens before `sockeye_client_join`.
pub const SOCKEYE_EVENT_RECONNECT_FAILED: sockeye_event_id_t = 9;
/// A namespace that was joined is no longer: `nsp`, `reason` (the official client's words), `text`.
pub const SOCKEYE_EVENT_DISCONNECTED: sockeye_event_id_t = 10;
/// The connection was lost or closed: `reason`, `text`, `will_retry`.
pub const SOCKEYE_EVENT_CLOSED: sockeye_event_id_t = 11;
/// A packet was larger than the receive buffer, and was skipped: `bytes` of it, `limit` of the buffer.
pub const SOCKEYE_EVENT_TOO_LARGE: sockeye_event_id_t = 12;
/// A ping of the server has been answered.
pub const SOCKEYE_EVENT_PING: sockeye_event_id_t = 13;
/// An event could not be told to its handlers for lack of memory: `nsp`.
pub const SOCKEYE_EVENT_NO_MEM: sockeye_event_id_t = 14;
/// The client's task ends. The last event before another `sockeye_client_start`.
pub const SOCKEYE_EVENT_STOPPED: sockeye_event_id_t = 15;
/// A packet that had been accepted was given up, and no acknowledgement can tell it: `nsp` (null for a namespace that has made
/// room for another), `text` (which event and why), `bytes`.
pub const SOCKEYE_EVENT_UNSENT: sockeye_event_id_t = 16;

/// What happened to the connection. Everything in it is valid until the callback returns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_event_t {
    /// A `SOCKEYE_EVENT_` number.
    pub id: sockeye_event_id_t,
    /// The namespace; null for what concerns the whole connection.
    pub nsp: *const c_char,
    /// One line for people; never null.
    pub text: *const c_char,
    /// `transport close`, `io server disconnect`, …: the official client's words; null except for `SOCKEYE_EVENT_CLOSED`
    /// and `SOCKEYE_EVENT_DISCONNECTED`.
    pub reason: *const c_char,
    /// What a server's refusal says beside its message; without length if nothing.
    pub data: sockeye_json_t,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Until the attempt.
    pub delay_ms: u32,
    /// Bytes of the packet that was too large, or given up.
    pub bytes: u64,
    /// The largest that can be received.
    pub limit: u64,
    /// Whether the server kept the session: what was missed follows.
    pub recovered: bool,
    /// Whether another attempt follows by itself.
    pub will_retry: bool,
}

impl sockeye_event_t {
    pub(crate) const fn new(id: sockeye_event_id_t) -> Self {
        Self {
            id,
            nsp: core::ptr::null(),
            text: c"".as_ptr(),
            reason: core::ptr::null(),
            data: sockeye_json_t::NONE,
            attempt: 0,
            delay_ms: 0,
            bytes: 0,
            limit: 0,
            recovered: false,
            will_retry: false,
        }
    }
}

/// Names one event that wants an answer: see `sockeye_client_ack`. 0 names none.
pub type sockeye_ack_t = u64;

/// An event from the server. Everything in it is valid until the callback returns, except `ack`.
#[repr(C)]
pub struct sockeye_message_t<'a> {
    /// The namespace.
    pub nsp: *const c_char,
    /// The name, unescaped and ended by a zero.
    pub event: *const c_char,
    /// Bytes of the name without the zero.
    pub event_len: usize,
    /// The arguments.
    pub args: *const sockeye_args_t<'a>,
    /// Not 0 if the server wants an answer: give it to `sockeye_client_ack`, here or later, on any task.
    pub ack: sockeye_ack_t,
}

/// Called on the client's task for an event from the server, without a lock held: it may call every function of this
/// library, `sockeye_client_destroy` included. While it runs nothing else of this client is told.
pub type sockeye_message_cb_t = Option<
    unsafe extern "C" fn(
        client: *mut sockeye_client,
        message: *const sockeye_message_t<'_>,
        ctx: *mut c_void,
    ),
>;

/// Called exactly once for each `sockeye_client_emit_with_ack` that returned `SOCKEYE_OK`, on the client's task: with
/// `SOCKEYE_OK` and the answer, or without (`args` is null) and why: `SOCKEYE_ERR_TIMEOUT`, `SOCKEYE_ERR_UNSENT`, `SOCKEYE_ERR_DISCONNECTED`,
/// `SOCKEYE_ERR_DROPPED`, or `SOCKEYE_ERR_CLOSED` when the client is destroyed: then on the task that destroys it, with
/// a null `client` if the client's task does not run any more. It may call every function of this library.
pub type sockeye_ack_cb_t = Option<
    unsafe extern "C" fn(
        client: *mut sockeye_client,
        result: sockeye_err_t,
        args: *const sockeye_args_t<'_>,
        ctx: *mut c_void,
    ),
>;

/// The question for an `auth` payload, while its callback runs.
pub struct sockeye_auth_t {
    pub(crate) client: *const sockeye_client,
    pub(crate) nsp: NamespaceId,
    pub(crate) outcome: Option<sockeye_err_t>,
}

/// Answers the question for an `auth` payload, in its callback: a JSON object, or null for a namespace that wants none. The text is
/// copied. A callback that answers nothing has the namespace refused: see `SOCKEYE_EVENT_CONNECT_ERROR`.
///
/// Errors: `SOCKEYE_ERR_JSON` if it is not a JSON object; `SOCKEYE_ERR_TOO_LARGE` if it does not fit the send buffer,
/// `SOCKEYE_ERR_FULL` if it does not fit now: then the callback is called again when there is room.
/// Threads: the callback alone.
///
/// # Safety
/// `auth` is the callback's own, and the callback has not returned; `json` is null or ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_auth_set(
    auth: *mut sockeye_auth_t,
    json: *const c_char,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised; the client lives as long as the callback runs.
        let (auth, json) = unsafe { (auth.as_mut().ok_or(INVALID_ARG)?, text::optional(json)?) };
        // SAFETY: as above.
        let client = unsafe { auth.client.as_ref() }.ok_or(INVALID_ARG)?;
        let outcome = client.provide_auth(auth.nsp, json.unwrap_or(""));
        auth.outcome = Some(crate::error::code(outcome));
        outcome
    })
}
