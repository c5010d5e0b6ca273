//! Texts across the boundary: borrowed from C, or built in fixed room for it.

use core::ffi::{CStr, c_char};
use core::fmt;

use crate::error::{Failure, INVALID_ARG, Outcome, SOCKEYE_ERR_UTF8};

/// The text behind a pointer; `None` for null.
///
/// # Safety
/// `text` is null, or ends with a zero and stays as it is during `'a`.
pub(crate) unsafe fn optional<'a>(text: *const c_char) -> Outcome<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: as promised.
    let text = unsafe { CStr::from_ptr(text) };
    match text.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(Failure(SOCKEYE_ERR_UTF8)),
    }
}

/// The text behind a pointer that must not be null.
///
/// # Safety
/// As [`optional`].
pub(crate) unsafe fn required<'a>(text: *const c_char) -> Outcome<&'a str> {
    // SAFETY: as promised.
    unsafe { optional(text) }?.ok_or(INVALID_ARG)
}

/// The bytes behind a pointer and a length; a null pointer is empty.
///
/// # Safety
/// `data` is null, or `len` bytes lie there and stay as they are during `'a`.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize) -> &'a [u8] {
    if data.is_null() {
        return &[];
    }
    // SAFETY: as promised; no object is larger than `isize::MAX`.
    unsafe { core::slice::from_raw_parts(data, len) }
}

/// Copies a text and a zero into a caller's buffer, and says how long the text is.
///
/// # Safety
/// `size` bytes can be written at `out`, if it is not null; `len` is null or can be written.
pub(crate) unsafe fn copy_out(
    text: &str,
    out: *mut c_char,
    size: usize,
    len: *mut usize,
) -> Outcome {
    if !len.is_null() {
        // SAFETY: as promised.
        unsafe { *len = text.len() };
    }
    if out.is_null() || size <= text.len() {
        return Err(Failure(crate::error::SOCKEYE_ERR_BUFFER));
    }
    // SAFETY: the text and the zero fit.
    unsafe {
        core::ptr::copy_nonoverlapping(text.as_ptr(), out.cast(), text.len());
        *out.add(text.len()) = 0;
    }
    Ok(())
}

/// A text of up to `N` − 1 bytes, ended by a zero. What does not fit is cut, between characters.
pub(crate) struct Line<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Line<N> {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    /// For a C function to write into: call [`Self::find_end`] after it.
    pub(crate) const fn buffer(&mut self) -> (*mut c_char, usize) {
        self.len = 0;
        self.bytes = [0; N];
        (self.bytes.as_mut_ptr().cast(), N)
    }

    /// Takes what a C function has written; what is not UTF-8 ends it.
    pub(crate) fn find_end(&mut self) {
        self.bytes[N - 1] = 0;
        let end = self.bytes.iter().position(|b| *b == 0).unwrap_or(0);
        self.len = match core::str::from_utf8(&self.bytes[..end]) {
            Ok(_) => end,
            Err(error) => error.valid_up_to(),
        };
        self.bytes[self.len] = 0;
    }

    pub(crate) fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or("")
    }

    pub(crate) fn as_c(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

impl<const N: usize> fmt::Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = N - 1 - self.len;
        let mut n = text.len().min(room);
        while !text.is_char_boundary(n) {
            n -= 1;
        }
        self.bytes[self.len..self.len + n].copy_from_slice(&text.as_bytes()[..n]);
        self.len += n;
        if n == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

impl<const N: usize> AsRef<str> for Line<N> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}
