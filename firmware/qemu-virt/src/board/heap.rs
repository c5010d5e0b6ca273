//! The heap of images with TLS, and how much of it was in use at most.
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use embedded_alloc::LlffHeap;
use portable_atomic::{AtomicUsize, Ordering};

/// Mbed TLS with records of 16 KiB in and 2 KiB out needs about 32 KiB for one session.
const SIZE: usize = 64 * 1024;

static mut MEMORY: MaybeUninit<[u8; SIZE]> = MaybeUninit::uninit();

#[global_allocator]
static HEAP: Measured = Measured {
    heap: LlffHeap::empty(),
    most: AtomicUsize::new(0),
};

struct Measured {
    heap: LlffHeap,
    most: AtomicUsize,
}

// SAFETY: both methods forward to an allocator that keeps the contract.
unsafe impl GlobalAlloc for Measured {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        let memory = unsafe { self.heap.alloc(layout) };
        self.most.fetch_max(self.heap.used(), Ordering::Relaxed);
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { self.heap.dealloc(memory, layout) };
    }
}

pub(super) fn init() {
    // SAFETY: called once, before anything allocates; nothing else names `MEMORY`.
    unsafe { HEAP.heap.init((&raw mut MEMORY) as usize, SIZE) };
}

/// The most bytes that were in use at one time since the start.
pub fn high_water() -> usize {
    HEAP.most.load(Ordering::Relaxed)
}

/// Bytes in use now.
pub fn used() -> usize {
    HEAP.heap.used()
}
