//! Stack high-water: the free stack is painted at start, and looked through on demand.
#![allow(
    unsafe_code,
    reason = "writes and reads stack memory below the stack pointer"
)]

use core::arch::asm;

const PAINT: u32 = 0x5afe_c0de;
/// Left unpainted below the frame of `paint` itself.
const MARGIN: usize = 256;

unsafe extern "C" {
    /// Lowest address of the stack section, from the linker script (`riscv-rt`).
    static __estack: u32;
    /// Initial stack pointer.
    static _stack_start: u32;
}

fn bounds() -> (usize, usize) {
    (
        (&raw const __estack) as usize,
        (&raw const _stack_start) as usize,
    )
}

pub(super) fn paint() {
    let sp: usize;
    // SAFETY: reads the stack pointer only.
    unsafe { asm!("mv {}, sp", out(reg) sp, options(nomem, nostack)) };
    let mut at = bounds().0;
    while at < sp - MARGIN {
        // SAFETY: between the end of the stack section and the stack pointer, so in no frame;
        // interrupts are still off.
        unsafe { (at as *mut u32).write_volatile(PAINT) };
        at += 4;
    }
}

/// The most bytes of stack that were in use at one time since the start.
pub fn high_water() -> usize {
    let (bottom, top) = bounds();
    let mut at = bottom;
    // SAFETY: reads within the stack section, every word of which is initialised RAM.
    while at < top && unsafe { (at as *const u32).read_volatile() } == PAINT {
        at += 4;
    }
    top - at
}

/// Bytes that the stack may grow to before it meets static data.
pub fn size() -> usize {
    let (bottom, top) = bounds();
    top - bottom
}
