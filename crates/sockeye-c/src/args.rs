//! The reader for arguments.

use core::ffi::c_char;

use sockeye_core::packet::Args;

use crate::error::{INVALID_ARG, NOT_FOUND, Outcome, guarded, sockeye_err_t};
use crate::json::{self, sockeye_json_t, sockeye_json_type_t, store};

/// The arguments of an event, or of an answer. Valid as long as the callback that got them. They are read in any order,
/// any number of times; reading one walks over those before it.
pub struct sockeye_args_t<'a>(pub(crate) Args<'a>);

/// Bytes, not ended by a zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_bytes_t {
    /// The first byte; null if there are none.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

impl sockeye_bytes_t {
    pub(crate) const fn new(bytes: &[u8]) -> Self {
        Self {
            data: bytes.as_ptr(),
            len: bytes.len(),
        }
    }
}

/// # Safety
/// `args` is null, or came from this library in a callback that has not returned.
unsafe fn nth<'a>(args: *const sockeye_args_t<'a>, index: usize) -> Outcome<&'a str> {
    // SAFETY: as promised.
    let args = unsafe { args.as_ref() }.ok_or(INVALID_ARG)?;
    args.0.raw(index).ok_or(NOT_FOUND)
}

/// How many arguments there are; 0 for null. With connection state recovery servers add one at the end.
///
/// Errors: none.
/// Threads: the callback, or a task that it waits for.
///
/// # Safety
/// `args` is null, or came from this library in a callback that has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_args_count(args: *const sockeye_args_t<'_>) -> usize {
    // SAFETY: as promised.
    unsafe { args.as_ref() }.map_or(0, |args| args.0.len())
}

/// All arguments as they came: a JSON array, with `{"_placeholder":true,"num":0}` where the first attachment belongs.
///
/// Errors: none; an empty array for null.
/// Threads: the callback, or a task that it waits for.
/// What comes out points into what came in: valid until the callback returns, not to be freed.
///
/// # Safety
/// `args` is null, or came from this library in a callback that has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_args_json(args: *const sockeye_args_t<'_>) -> sockeye_json_t {
    // SAFETY: as promised.
    unsafe { args.as_ref() }.map_or(sockeye_json_t::NONE, |args| {
        sockeye_json_t::new(args.0.json())
    })
}

/// The type of argument `index`, from 0. `SOCKEYE_JSON_NONE` behind the last one.
///
/// Errors: none.
/// Threads: the callback, or a task that it waits for.
///
/// # Safety
/// `args` is null, or came from this library in a callback that has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_args_type(
    args: *const sockeye_args_t<'_>,
    index: usize,
) -> sockeye_json_type_t {
    // SAFETY: as promised.
    unsafe { nth(args, index) }.map_or(json::SOCKEYE_JSON_NONE, json::kind)
}

/// Argument `index` as raw JSON, for `sockeye_json_get_field` and its like, or for another JSON library.
///
/// Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last argument.
/// Threads: the callback, or a task that it waits for.
/// What comes out points into what came in: valid until the callback returns, not to be freed.
///
/// # Safety
/// `args` came from this library in a callback that has not returned; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_args_get(
    args: *const sockeye_args_t<'_>,
    index: usize,
    out: *mut sockeye_json_t,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe { store(out, sockeye_json_t::new(nth(args, index)?)) }
    })
}

/// Argument `index` as a whole number; `7.0` counts as one.
///
/// Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last argument, `SOCKEYE_ERR_TYPE` if it is something else or out of the range.
/// Threads: the callback, or a task that it waits for.
///
/// # Safety
/// `args` came from this library in a callback that has not returned; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_args_get_int(
    args: *const sockeye_args_t<'_>,
    index: usize,
    out: *mut i64,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe { store(out, json::int(nth(args, index)?)?) }
    })
}

/// Argument `index` as a number.
///
/// Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last argument, `SOCKEYE_ERR_TYPE` if it is something else.
/// Threads: the callback, or a task that it waits for.
///
/// # Safety
/// `args` came from this library in a callback that has not returned; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_args_get_double(
    args: *const sockeye_args_t<'_>,
    index: usize,
    out: *mut f64,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe { store(out, json::double(nth(args, index)?)?) }
    })
}

/// Argument `index` as a truth value.
///
/// Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last argument, `SOCKEYE_ERR_TYPE` if it is something else.
/// Threads: the callback, or a task that it waits for.
///
/// # Safety
/// `args` came from this library in a callback that has not returned; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_args_get_bool(
    args: *const sockeye_args_t<'_>,
    index: usize,
    out: *mut bool,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe { store(out, json::boolean(nth(args, index)?)?) }
    })
}

/// Argument `index` as a text, as `sockeye_json_as_string` copies it.
///
/// Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last argument, `SOCKEYE_ERR_TYPE` if it is something else,
/// `SOCKEYE_ERR_BUFFER` if `size` is not more than the length.
/// Threads: the callback, or a task that it waits for.
///
/// # Safety
/// `args` came from this library in a callback that has not returned; `size` bytes can be written at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_args_get_string(
    args: *const sockeye_args_t<'_>,
    index: usize,
    out: *mut c_char,
    size: usize,
    len: *mut usize,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe { json::copy_text(json::string(nth(args, index)?)?, out, size, len) }
    })
}

/// Argument `index` as the bytes of the attachment that it stands for.
///
/// Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last argument, `SOCKEYE_ERR_TYPE` if it stands for none.
/// Threads: the callback, or a task that it waits for.
/// What comes out points into what came in: valid until the callback returns, not to be freed.
///
/// # Safety
/// `args` came from this library in a callback that has not returned; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_args_get_binary(
    args: *const sockeye_args_t<'_>,
    index: usize,
    out: *mut sockeye_bytes_t,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        let value = unsafe { nth(args, index) }?;
        let number = json::placeholder(value)
            .map_err(|_| crate::error::Failure(crate::error::SOCKEYE_ERR_TYPE))?;
        // SAFETY: as promised.
        unsafe { attachment(args, number, out) }
    })
}

/// # Safety
/// As [`sockeye_args_get_attachment`].
unsafe fn attachment(
    args: *const sockeye_args_t<'_>,
    number: usize,
    out: *mut sockeye_bytes_t,
) -> Outcome {
    // SAFETY: as promised.
    let args = unsafe { args.as_ref() }.ok_or(INVALID_ARG)?;
    let bytes = args.0.attachments().get(number).ok_or(NOT_FOUND)?;
    // SAFETY: as promised.
    unsafe { store(out, sockeye_bytes_t::new(bytes)) }
}

/// How many attachments came with the arguments; 0 for null.
///
/// Errors: none.
/// Threads: the callback, or a task that it waits for.
///
/// # Safety
/// `args` is null, or came from this library in a callback that has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_args_attachment_count(args: *const sockeye_args_t<'_>) -> usize {
    // SAFETY: as promised.
    unsafe { args.as_ref() }.map_or(0, |args| args.0.attachments().len())
}

/// Attachment `number`, from 0: the one whose placeholder has this `num`.
///
/// Errors: `SOCKEYE_ERR_NOT_FOUND` behind the last one.
/// Threads: the callback, or a task that it waits for.
/// What comes out points into what came in: valid until the callback returns, not to be freed.
///
/// # Safety
/// `args` came from this library in a callback that has not returned; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_args_get_attachment(
    args: *const sockeye_args_t<'_>,
    number: usize,
    out: *mut sockeye_bytes_t,
) -> sockeye_err_t {
    guarded(|| {
        // SAFETY: as promised.
        unsafe { attachment(args, number, out) }
    })
}
