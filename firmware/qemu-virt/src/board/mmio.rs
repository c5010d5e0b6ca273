//! Volatile access to device registers, in one place.
#![allow(unsafe_code, reason = "device registers are raw addresses")]

/// Reads the 32-bit register at `address`.
///
/// # Safety
/// `address` must be a register of this machine that is 4-byte aligned and safe to read.
pub(super) unsafe fn read(address: usize) -> u32 {
    // SAFETY: the caller names a readable, aligned register.
    unsafe { (address as *const u32).read_volatile() }
}

/// Writes the 32-bit register at `address`.
///
/// # Safety
/// `address` must be a register of this machine that is 4-byte aligned, and the device's
/// reaction to `value` must not break anybody's memory.
pub(super) unsafe fn write(address: usize, value: u32) {
    // SAFETY: the caller names a writable, aligned register.
    unsafe { (address as *mut u32).write_volatile(value) }
}
