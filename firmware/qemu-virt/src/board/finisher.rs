//! The test finisher: ends QEMU with an exit code.
#![allow(unsafe_code, reason = "a device register and `wfi`")]

use super::mmio;

const FINISHER: usize = 0x10_0000;
const PASS: u32 = 0x5555;
const FAIL: u32 = 0x3333;

/// Ends the run; QEMU exits with `code`.
pub fn exit(code: u16) -> ! {
    let word = if code == 0 {
        PASS
    } else {
        (u32::from(code) << 16) | FAIL
    };
    // SAFETY: the finisher is a write-only 32-bit register of `virt`; writing it stops the machine.
    unsafe { mmio::write(FINISHER, word) };
    loop {
        riscv::asm::wfi();
    }
}
