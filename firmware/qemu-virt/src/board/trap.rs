//! What ends a run that went wrong: panics and CPU exceptions, told on the UART.
#![allow(
    unsafe_code,
    reason = "the exception handler's name is fixed by riscv-rt"
)]

use core::panic::PanicInfo;

const PANIC: u16 = 101;
const EXCEPTION: u16 = 102;

#[panic_handler]
fn on_panic(info: &PanicInfo<'_>) -> ! {
    crate::println!("{info}");
    super::exit(PANIC)
}

// SAFETY: riscv-rt looks for this symbol with this signature.
#[unsafe(export_name = "ExceptionHandler")]
fn on_exception(frame: &riscv_rt::TrapFrame) -> ! {
    crate::println!(
        "exception {:?} at {:#010x}, value {:#010x}, called from {:#010x}",
        riscv::register::mcause::read().cause(),
        riscv::register::mepc::read(),
        riscv::register::mtval::read(),
        frame.ra
    );
    super::exit(EXCEPTION)
}
