//! The interrupt controller: acknowledges virtio devices and wakes the network driver.
#![allow(unsafe_code, reason = "device registers and the interrupt enable bits")]

use super::{mmio, nic, virtio};

const PLIC: usize = 0x0c00_0000;
/// Registers of context 0: machine mode of hart 0.
const ENABLE: usize = PLIC + 0x2000;
const THRESHOLD: usize = PLIC + 0x20_0000;
const CLAIM: usize = PLIC + 0x20_0004;

pub(super) fn init() {
    // SAFETY: PLIC registers of `virt`, written before interrupts are on; the handler exists.
    unsafe {
        let mut sources = 0;
        for slot in 0..virtio::SLOTS {
            mmio::write(PLIC + 4 * virtio::irq(slot), 1);
            sources |= 1 << virtio::irq(slot);
        }
        mmio::write(ENABLE, sources);
        mmio::write(THRESHOLD, 0);
        riscv::register::mie::set_mext();
        riscv::interrupt::enable();
    }
}

#[riscv_rt::core_interrupt(riscv::interrupt::Interrupt::MachineExternal)]
fn on_external() {
    loop {
        // SAFETY: reading the claim register takes the next pending source; writing it back ends it.
        let source = unsafe { mmio::read(CLAIM) };
        if source == 0 {
            return;
        }
        virtio::acknowledge(source as usize);
        nic::wake();
        // SAFETY: as above.
        unsafe { mmio::write(CLAIM, source) };
    }
}
