//! The C library functions of Mbed TLS that `tinyrlibc` writes in C. Only debug texts use them.
#![allow(unsafe_code, reason = "C calls these by name")]

use core::ffi::{c_char, c_int};
use tinyrlibc as _; // the others: calloc, free, strlen and so on

/// Formats nothing: gives an empty text.
///
/// # Safety
/// `text` must be writable for `size` bytes.
// SAFETY: the C prototype is variadic; a callee that reads no further argument may leave them out here.
#[unsafe(no_mangle)]
unsafe extern "C" fn snprintf(text: *mut c_char, size: usize, _format: *const c_char) -> c_int {
    if size > 0 {
        // SAFETY: the caller gives `size` writable bytes.
        unsafe { text.write(0) };
    }
    0
}

/// As [`snprintf`].
///
/// # Safety
/// `text` must be writable for `size` bytes.
// SAFETY: as above; the argument list is not looked at.
#[unsafe(no_mangle)]
unsafe extern "C" fn vsnprintf(text: *mut c_char, size: usize, format: *const c_char) -> c_int {
    // SAFETY: the caller keeps the contract.
    unsafe { snprintf(text, size, format) }
}
