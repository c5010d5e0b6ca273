//! Sending, and who is told what comes.

use core::ffi::{c_char, c_void};
use core::time::Duration;

use sockeye_core::EmitOptions;
use sockeye_core::packet::{RawArgs, is_reserved_event};

use crate::args::sockeye_bytes_t;
use crate::error::{
    Failure, INVALID_ARG, NOT_FOUND, Outcome, SOCKEYE_ERR_RESERVED,
    SOCKEYE_ERR_TOO_MANY_ATTACHMENTS, guarded, sockeye_err_t,
};
use crate::events::{sockeye_ack_cb_t, sockeye_ack_t, sockeye_message_cb_t};
use crate::handle::{reference, sockeye_client, sockeye_client_handle_t};
use crate::memory::Heap;
use crate::text;
use crate::writer::sockeye_writer_t;

/// Attachments that one packet may carry: official servers close the connection on more.
pub const SOCKEYE_MAX_ATTACHMENTS: usize = 10;

/// An event with everything that can be said about it; zeroes and nulls are the defaults.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_packet_t {
    /// The namespace; null for that of the configuration.
    pub nsp: *const c_char,
    /// The name. Needed.
    pub event: *const c_char,
    /// The arguments, a JSON array, with `{"_placeholder":true,"num":0}` where the first attachment belongs; null for none.
    pub args_json: *const c_char,
    /// What the placeholders stand for; each attachment needs its own.
    pub attachments: *const sockeye_bytes_t,
    /// How many there are: up to `SOCKEYE_MAX_ATTACHMENTS`.
    pub attachment_count: usize,
    /// Drop the packet where it cannot be written at once.
    pub is_volatile: bool,
    /// For the acknowledgement, in ms; 0 for `ack_timeout_ms` of the configuration.
    pub timeout_ms: u32,
    /// Told the answer, or that there is none; null if none is wanted.
    pub ack_cb: sockeye_ack_cb_t,
    /// For `ack_cb`.
    pub ack_ctx: *mut c_void,
}

/// Attachments on their way into the core.
struct Parts<'a> {
    list: [&'a [u8]; SOCKEYE_MAX_ATTACHMENTS],
    count: usize,
}

impl<'a> Parts<'a> {
    /// # Safety
    /// `count` entries lie at `list`, whose bytes stay as they are during `'a`.
    unsafe fn new(list: *const sockeye_bytes_t, count: usize) -> Outcome<Self> {
        if count > SOCKEYE_MAX_ATTACHMENTS {
            return Err(Failure(SOCKEYE_ERR_TOO_MANY_ATTACHMENTS));
        }
        if list.is_null() && count > 0 {
            return Err(INVALID_ARG);
        }
        let mut parts = Self {
            list: [&[]; SOCKEYE_MAX_ATTACHMENTS],
            count,
        };
        for (i, part) in parts.list.iter_mut().enumerate().take(count) {
            // SAFETY: as promised.
            *part = unsafe {
                let bytes = *list.add(i);
                if bytes.data.is_null() && bytes.len > 0 {
                    return Err(INVALID_ARG);
                }
                text::bytes(bytes.data, bytes.len)
            };
        }
        Ok(parts)
    }

    fn args<'p>(&'p self, json: &'p str) -> Outcome<RawArgs<'p>> {
        Ok(RawArgs::new(json, &self.list[..self.count])?)
    }
}

/// How an event is to be sent.
struct How {
    is_volatile: bool,
    timeout_ms: u32,
    call: sockeye_ack_cb_t,
    ctx: *mut c_void,
}

const PLAIN: How = How {
    is_volatile: false,
    timeout_ms: 0,
    call: None,
    ctx: core::ptr::null_mut(),
};

impl sockeye_client {
    fn emit(&self, nsp: Option<&str>, event: &str, args: &RawArgs<'_>, how: &How) -> Outcome {
        let mut options = EmitOptions::PLAIN;
        options.volatile = how.is_volatile;
        options.ack = how.call.is_some();
        options.timeout =
            (how.timeout_ms != 0).then(|| Duration::from_millis(how.timeout_ms.into()));
        {
            let mut state = self.command()?;
            let nsp = state.find(nsp)?;
            let id = state
                .core
                .emit(self.port.now(), nsp, event, args, options)?;
            if let Some(id) = id {
                state.wait_for(id, how.call, how.ctx);
            }
        }
        self.wake();
        Ok(())
    }

    fn ack(&self, number: sockeye_ack_t, args: &RawArgs<'_>) -> Outcome {
        {
            let mut state = self.command()?;
            let request = state.asked(number)?;
            state.core.ack(self.port.now(), request, args)?;
            state.answered(number);
        }
        self.wake();
        Ok(())
    }
}

/// Emits an event. While its namespace is not joined it is kept in the send buffer, and sent after the next join, in order.
/// `args_json` is a JSON array, one item an argument: `["on", 3]`; null for none. Everything is copied.
///
/// Errors, and then nothing is sent: `SOCKEYE_ERR_JSON`, `SOCKEYE_ERR_UTF8`, `SOCKEYE_ERR_RESERVED`, `SOCKEYE_ERR_FULL`,
/// `SOCKEYE_ERR_TOO_LARGE`, `SOCKEYE_ERR_NOT_FOUND` for a namespace that `sockeye_client_join` has not been called for.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed; the texts are null or end with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_emit(
    client: sockeye_client_handle_t,
    nsp: *const c_char,
    event: *const c_char,
    args_json: *const c_char,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        let (client, nsp, event, json) = unsafe {
            (
                reference(client)?,
                text::optional(nsp)?,
                text::required(event)?,
                text::optional(args_json)?.unwrap_or("[]"),
            )
        };
        client.emit(nsp, event, &RawArgs::new(json, &[])?, &PLAIN)
    })
}

/// Emits an event whose arguments were written by a `sockeye_writer_t`, attachments included. The writer stays as it is.
///
/// Errors: the writer's first one; `SOCKEYE_ERR_INVALID_STATE` if an array or object is still open; else as
/// `sockeye_client_emit`.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed; the texts are null or end with a zero; `writer` was begun by
/// `sockeye_writer_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_emit_args(
    client: sockeye_client_handle_t,
    nsp: *const c_char,
    event: *const c_char,
    writer: *mut sockeye_writer_t,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        let (client, nsp, event, writer) = unsafe {
            (
                reference(client)?,
                text::optional(nsp)?,
                text::required(event)?,
                writer.as_mut().ok_or(INVALID_ARG)?,
            )
        };
        // SAFETY: the writer's attachments are as long-lived as the writer: that is its condition.
        let parts = unsafe { Parts::new(writer.attachments.as_ptr(), writer.attachment_count) }?;
        client.emit(nsp, event, &parts.args(writer.json()?)?, &PLAIN)
    })
}

/// Emits an event and asks for an answer, which `ack_cb` is told exactly once, or that there is none. `timeout_ms` counts
/// from now, with `retries` until the first try and then from each one; 0 is `ack_timeout_ms` of the configuration, which
/// with `retries` is the time of a try alone. `ctx` must stay usable until `ack_cb` has been called.
///
/// Errors, and then nothing is sent and `ack_cb` is not called: as `sockeye_client_emit`, and `SOCKEYE_ERR_TOO_MANY_ACKS`.
/// Threads: any task, and callbacks.
///
/// # Safety
/// As `sockeye_client_emit`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_emit_with_ack(
    client: sockeye_client_handle_t,
    nsp: *const c_char,
    event: *const c_char,
    args_json: *const c_char,
    timeout_ms: u32,
    ack_cb: sockeye_ack_cb_t,
    ctx: *mut c_void,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        let (client, nsp, event, json) = unsafe {
            (
                reference(client)?,
                text::optional(nsp)?,
                text::required(event)?,
                text::optional(args_json)?.unwrap_or("[]"),
            )
        };
        let how = How {
            timeout_ms,
            call: Some(ack_cb.ok_or(INVALID_ARG)?),
            ctx,
            ..PLAIN
        };
        client.emit(nsp, event, &RawArgs::new(json, &[])?, &how)
    })
}

/// Emits an event with everything that can be said about it. Everything is copied.
///
/// Errors, and then nothing is sent and `ack_cb` is not called: as `sockeye_client_emit`, and `SOCKEYE_ERR_TOO_MANY_ACKS`,
/// `SOCKEYE_ERR_TOO_MANY_ATTACHMENTS`, `SOCKEYE_ERR_NOT_WRITABLE` for a volatile packet that was dropped.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed; everything in `packet` can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_emit_packet(
    client: sockeye_client_handle_t,
    packet: *const sockeye_packet_t,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe {
            let packet = packet.as_ref().ok_or(INVALID_ARG)?;
            let json = text::optional(packet.args_json)?.unwrap_or("[]");
            let parts = Parts::new(packet.attachments, packet.attachment_count)?;
            let how = How {
                is_volatile: packet.is_volatile,
                timeout_ms: packet.timeout_ms,
                call: packet.ack_cb,
                ctx: packet.ack_ctx,
            };
            let (nsp, event) = (text::optional(packet.nsp)?, text::required(packet.event)?);
            reference(client)?.emit(nsp, event, &parts.args(json)?, &how)
        }
    })
}

/// Answers an event that wanted it, once: in its handler or later, on any task. `args_json` as for `sockeye_client_emit`.
///
/// Errors: `SOCKEYE_ERR_STALE` if it has been answered, its connection is gone, or `max_acks` newer ones came since;
/// `SOCKEYE_ERR_JSON`, `SOCKEYE_ERR_UTF8`, `SOCKEYE_ERR_TOO_LARGE`; `SOCKEYE_ERR_FULL`, after which it can be tried again.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed; `args_json` is null or ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_ack(
    client: sockeye_client_handle_t,
    ack: sockeye_ack_t,
    args_json: *const c_char,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        let (client, json) = unsafe {
            (
                reference(client)?,
                text::optional(args_json)?.unwrap_or("[]"),
            )
        };
        client.ack(ack, &RawArgs::new(json, &[])?)
    })
}

/// Answers an event as `sockeye_client_ack` does, with arguments that were written by a `sockeye_writer_t`.
///
/// Errors: the writer's first one; `SOCKEYE_ERR_INVALID_STATE` if an array or object is still open; else as
/// `sockeye_client_ack`.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed; `writer` was begun by `sockeye_writer_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_ack_args(
    client: sockeye_client_handle_t,
    ack: sockeye_ack_t,
    writer: *mut sockeye_writer_t,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        let (client, writer) = unsafe { (reference(client)?, writer.as_mut().ok_or(INVALID_ARG)?) };
        // SAFETY: the writer's attachments are as long-lived as the writer: that is its condition.
        let parts = unsafe { Parts::new(writer.attachments.as_ptr(), writer.attachment_count) }?;
        client.ack(ack, &parts.args(writer.json()?)?)
    })
}

/// Calls `call(client, message, ctx)` for each event of this name in a namespace (null: that of the configuration), or, with a
/// null `event`, for all events. Several handlers are called in the order in which they were added; one that is added while an event is told
/// gets those after it. Joins nothing: call it before `sockeye_client_join`, and what the server sends at once finds its handler.
///
/// Errors: `SOCKEYE_ERR_RESERVED`, `SOCKEYE_ERR_NO_MEM`, `SOCKEYE_ERR_UTF8`; for a namespace that is not known yet those of
/// `sockeye_client_join`.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed; the texts are null or end with a zero; `call` may be called
/// with `ctx` until it is taken off, on the client's task.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_on(
    client: sockeye_client_handle_t,
    nsp: *const c_char,
    event: *const c_char,
    call: sockeye_message_cb_t,
    ctx: *mut c_void,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        let (client, nsp, event) = unsafe {
            (
                reference(client)?,
                text::optional(nsp)?,
                text::optional(event)?,
            )
        };
        if call.is_none() {
            return Err(INVALID_ARG);
        }
        if event.is_some_and(is_reserved_event) {
            return Err(Failure(SOCKEYE_ERR_RESERVED));
        }
        let event = event.map(|event| Heap::joined(&[event])).transpose()?;
        let mut state = client.command()?;
        let nsp = match nsp {
            None => state.find(None)?,
            Some(name) => state.find_or_make(name, &client.settings)?,
        };
        state.on(nsp, event, call, ctx)
    })
}

/// Takes handlers off: those of this name (null: those for all events) that call `call` (null: whatever they call). In a
/// callback of this client they are not called any more when this returns; on another task, one may still be running.
///
/// Errors: `SOCKEYE_ERR_NOT_FOUND` if there are none.
/// Threads: any task, and callbacks.
///
/// # Safety
/// `client` is null, or a handle that has not been destroyed; the texts are null or end with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_off(
    client: sockeye_client_handle_t,
    nsp: *const c_char,
    event: *const c_char,
    call: sockeye_message_cb_t,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        let (client, nsp, event) = unsafe {
            (
                reference(client)?,
                text::optional(nsp)?,
                text::optional(event)?,
            )
        };
        let mut state = client.command()?;
        let nsp = state.find(nsp)?;
        let before = state.handlers.len();
        let address = |call: sockeye_message_cb_t| call.map(|call| call as usize);
        state.handlers.retain(|handler| {
            // SAFETY: borrowed only here, under the lock.
            let name = handler.event.as_ref().map(|name| unsafe { name.text() });
            let meant = handler.nsp == nsp
                && name == event
                && (call.is_none() || address(handler.call) == address(call));
            !meant
        });
        if state.handlers.len() == before {
            Err(NOT_FOUND)
        } else {
            Ok(())
        }
    })
}
