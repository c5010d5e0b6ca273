//! What virtio drivers need: memory for their queues, and the devices found on the bus.
#![allow(unsafe_code, reason = "device registers and DMA memory")]

use super::mmio;
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use portable_atomic::{AtomicUsize, Ordering};
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

pub(super) const SLOTS: usize = 8;
const BASE: usize = 0x1000_1000;
const STRIDE: usize = 0x1000;
const DEVICE_ID: usize = 0x08;
const INTERRUPT_STATUS: usize = 0x60;
const INTERRUPT_ACK: usize = 0x64;
const NETWORK: u32 = 1;
const ENTROPY: u32 = 4;

/// Two network queues and one entropy queue, two pages each.
const PAGES: usize = 6;

#[repr(C, align(4096))]
struct Pool(UnsafeCell<[[u8; PAGE_SIZE]; PAGES]>);

// SAFETY: pages are handed out once each, see `dma_alloc`; nothing else touches the cell.
unsafe impl Sync for Pool {}

static POOL: Pool = Pool(UnsafeCell::new([[0; PAGE_SIZE]; PAGES]));
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Identity-mapped memory and a pool that is only ever taken from: devices live as long as the run.
pub(super) struct Dma;

// SAFETY: pages come zeroed from `POOL`, aligned by its type, each at most once; addresses are
// physical because there is no MMU.
unsafe impl Hal for Dma {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let first = TAKEN.fetch_add(pages, Ordering::Relaxed);
        assert!(
            first + pages <= PAGES,
            "virtio queues need more than {PAGES} pages"
        );
        // SAFETY: `first` is inside of the pool by the assertion.
        let page =
            unsafe { NonNull::new_unchecked(POOL.0.get().cast::<u8>().add(first * PAGE_SIZE)) };
        (page.as_ptr() as PhysAddr, page)
    }

    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(paddr: PhysAddr, _: usize) -> NonNull<u8> {
        NonNull::new(paddr as usize as *mut u8).expect("no device is at address 0")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

pub(super) type Transport = MmioTransport<'static>;

/// The devices that QEMU was started with.
pub(super) struct Devices {
    pub(super) net: Option<Transport>,
    pub(super) entropy: Option<Transport>,
}

pub(super) const fn irq(slot: usize) -> usize {
    slot + 1
}

const fn base(slot: usize) -> usize {
    BASE + slot * STRIDE
}

/// Finds the devices. Dropping a transport resets its device, so only wanted ones are constructed.
pub(super) fn probe() -> Devices {
    let mut devices = Devices {
        net: None,
        entropy: None,
    };
    for slot in 0..SLOTS {
        // SAFETY: all slots exist on `virt`; an empty one reads as device 0.
        let wanted = match unsafe { mmio::read(base(slot) + DEVICE_ID) } {
            NETWORK => &mut devices.net,
            ENTROPY => &mut devices.entropy,
            _ => continue,
        };
        let header =
            NonNull::new(base(slot) as *mut VirtIOHeader).expect("slots are not at address 0");
        if wanted.is_none() {
            // SAFETY: a virtio-mmio slot of `STRIDE` bytes, constructed once.
            *wanted = unsafe { Transport::new(header, STRIDE) }.ok();
        }
    }
    devices
}

/// Takes the interrupt back from the device behind PLIC source `source`.
pub(super) fn acknowledge(source: usize) {
    if let Some(slot) = source.checked_sub(1).filter(|slot| *slot < SLOTS) {
        // SAFETY: the two interrupt registers of an existing slot; drivers do not use them.
        unsafe {
            let status = mmio::read(base(slot) + INTERRUPT_STATUS);
            mmio::write(base(slot) + INTERRUPT_ACK, status);
        }
    }
}
