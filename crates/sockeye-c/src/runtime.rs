//! What a program without Rust's standard library needs: memory from the port, and an end for panics.

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

use crate::port::{Port, SOCKEYE_LOG_ERROR, sockeye_port_t};

unsafe extern "C" {
    static sockeye_port_platform: sockeye_port_t;
    fn abort() -> !;
}

fn platform() -> Port {
    // SAFETY: the port that is linked in defines it, and never changes it.
    Port(unsafe { &sockeye_port_platform })
}

struct PortMemory;

// SAFETY: the port's `alloc` and `free` are an allocator; types of a larger alignment than it promises get nothing.
unsafe impl GlobalAlloc for PortMemory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > 16 {
            return core::ptr::null_mut();
        }
        // SAFETY: the function has no conditions.
        unsafe { (platform().0.alloc)(layout.size()) }.cast()
    }

    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: it came from `alloc`.
        unsafe { (platform().0.free)(memory.cast()) };
    }
}

#[global_allocator]
static MEMORY: PortMemory = PortMemory;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    match info.location() {
        Some(at) => platform().log(
            SOCKEYE_LOG_ERROR,
            format_args!(
                "bug in sockeye at {}:{}: {}",
                at.file(),
                at.line(),
                info.message()
            ),
        ),
        None => platform().log(SOCKEYE_LOG_ERROR, format_args!("bug in sockeye")),
    }
    // SAFETY: the C library's; it does not come back.
    unsafe { abort() }
}
