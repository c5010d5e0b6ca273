//! Entropy: the virtio generator of the host, or a seed so that a run can be repeated.

use super::virtio::{Dma, Transport};
use core::cell::RefCell;
use critical_section::Mutex;
use virtio_drivers::device::rng::VirtIORng;

#[expect(clippy::large_enum_variant, reason = "one static value, never moved")]
enum Source {
    Device(VirtIORng<Dma, Transport>),
    /// SplitMix64. Repeatable and not secret: for tests only.
    Seeded(u64),
}

static SOURCE: Mutex<RefCell<Option<Source>>> = Mutex::new(RefCell::new(None));

pub(super) fn init(seed: Option<u64>, device: Option<Transport>) {
    let source = match (seed, device) {
        (Some(seed), _) => Source::Seeded(seed),
        (None, Some(device)) => Source::Device(
            VirtIORng::new(device).expect("QEMU's entropy device follows its specification"),
        ),
        (None, None) => {
            crate::println!(
                "no entropy: start QEMU with -device virtio-rng-device, or give the argument seed=<number>"
            );
            super::exit(2);
        }
    };
    critical_section::with(|cs| SOURCE.replace(cs, Some(source)));
}

/// Fills `buf` with random bytes.
pub fn fill(buf: &mut [u8]) {
    critical_section::with(|cs| match SOURCE.borrow_ref_mut(cs).as_mut() {
        Some(Source::Device(device)) => {
            let mut done = 0;
            while done < buf.len() {
                done += device
                    .request_entropy(&mut buf[done..])
                    .expect("the entropy device answers");
            }
        }
        Some(Source::Seeded(state)) => {
            for chunk in buf.chunks_mut(8) {
                chunk.copy_from_slice(&split_mix(state).to_le_bytes()[..chunk.len()]);
            }
        }
        None => panic!("board::init comes first"),
    });
}

/// One random number.
pub fn u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
