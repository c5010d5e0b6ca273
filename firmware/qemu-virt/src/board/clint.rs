//! Time: the CLINT's 10 MHz counter as embassy's time driver.
#![allow(unsafe_code, reason = "device registers and the interrupt enable bit")]

use super::mmio;
use core::cell::RefCell;
use core::task::Waker;
use critical_section::Mutex;
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;
use portable_atomic::{AtomicU32, Ordering};

const MTIMECMP: usize = 0x0200_4000;
const MTIME: usize = 0x0200_bff8;

struct Clint {
    queue: Mutex<RefCell<Queue>>,
    /// Guest seconds per second of the counter: long scenarios run faster than the wall clock.
    speed: AtomicU32,
}

embassy_time_driver::time_driver_impl!(
    static CLINT: Clint = Clint { queue: Mutex::new(RefCell::new(Queue::new())), speed: AtomicU32::new(1) }
);

fn counter() -> u64 {
    loop {
        // SAFETY: `mtime` is two readable 32-bit registers.
        let (high, low, again) = unsafe {
            (
                mmio::read(MTIME + 4),
                mmio::read(MTIME),
                mmio::read(MTIME + 4),
            )
        };
        if high == again {
            return (u64::from(high) << 32) | u64::from(low);
        }
    }
}

fn set_alarm(at: u64) {
    // The compare is a level: a moment in the past raises the interrupt at once, so no alarm is
    // missed. The high word goes to its maximum first, so that no half-written value fires.
    // SAFETY: `mtimecmp` is two writable 32-bit registers of hart 0.
    unsafe {
        mmio::write(MTIMECMP + 4, u32::MAX);
        mmio::write(MTIMECMP, at as u32);
        mmio::write(MTIMECMP + 4, (at >> 32) as u32);
    }
}

impl Clint {
    fn speed(&self) -> u64 {
        u64::from(self.speed.load(Ordering::Relaxed))
    }

    fn rearm(&self, queue: &mut Queue) {
        let next = queue.next_expiration(self.now());
        set_alarm(if next == u64::MAX {
            next
        } else {
            next.div_ceil(self.speed())
        });
    }
}

impl Driver for Clint {
    fn now(&self) -> u64 {
        counter() * self.speed()
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            let mut queue = self.queue.borrow_ref_mut(cs);
            if queue.schedule_wake(at, waker) {
                self.rearm(&mut queue);
            }
        });
    }
}

#[riscv_rt::core_interrupt(riscv::interrupt::Interrupt::MachineTimer)]
fn on_timer() {
    critical_section::with(|cs| CLINT.rearm(&mut CLINT.queue.borrow_ref_mut(cs)));
}

pub(super) fn init(speed: u64) {
    CLINT
        .speed
        .store(speed.clamp(1, 1000) as u32, Ordering::Relaxed);
    set_alarm(u64::MAX);
    // SAFETY: the handler above exists; the queue it takes is a critical-section mutex.
    unsafe { riscv::register::mie::set_mtimer() };
}
