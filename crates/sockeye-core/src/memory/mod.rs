//! Where the core keeps things: generic containers that know no tenant. Each lies in memory that the caller sized, or
//! (with `alloc`) grows up to a cap.
//!
//! `bytes.rs` is an area of bytes, `rx.rs` one that is received into, `records.rs` the format of byte strings that lie
//! end to end, `slab.rs` entries with a place of their own (`fixed.rs` without `alloc`) and `lanes.rs` lanes that run through
//! them, `table.rs` a ring,
//! `timers.rs` and `index.rs` (with `alloc`) find entries without scanning. `steps.rs` counts what all of that costs, in
//! tests.

/// The how-manieth of its kind something is. Without a heap the upper half is left out: those that are kept at one time
/// never lie four thousand million apart.
#[cfg(feature = "alloc")]
pub(crate) type Serial = u64;
/// The how-manieth of its kind something is. Without a heap the upper half is left out: those that are kept at one time
/// never lie four thousand million apart.
#[cfg(not(feature = "alloc"))]
pub(crate) type Serial = u32;

/// An entry's value while its place is free.
pub(crate) trait Empty: Sized {
    const EMPTY: Self;

    /// The same, for entries so large that code which makes it takes less flash than a constant to copy it from.
    #[cfg(not(feature = "alloc"))]
    fn empty() -> Self {
        Self::EMPTY
    }
}

mod bytes;
#[cfg(not(feature = "alloc"))]
mod fixed;
#[cfg(feature = "alloc")]
mod index;
mod lanes;
pub(crate) mod records;
mod rx;
#[cfg(feature = "alloc")]
mod slab;
pub(crate) mod steps;
mod table;
#[cfg(feature = "alloc")]
mod timers;

pub(crate) use bytes::Bytes;
#[cfg(not(feature = "alloc"))]
pub(crate) use fixed::{Places, Slab};
#[cfg(feature = "alloc")]
pub(crate) use index::{HashIndex, hash_bytes, hash_pair};
pub(crate) use lanes::{Index, Lane, NONE};
pub(crate) use records::RECORD;
#[cfg(feature = "polling")]
pub(crate) use rx::HOLD_ROOM;
#[cfg(feature = "alloc")]
pub(crate) use rx::RX_CHUNK;
pub(crate) use rx::RxBuf;
#[cfg(feature = "alloc")]
pub(crate) use slab::{Places, Slab};
pub(crate) use table::Table;
#[cfg(feature = "alloc")]
pub(crate) use timers::TimerHeap;

/// Empty entries in every place, of whatever a former client has left.
pub(crate) fn fill<T, const N: usize>(
    table: &mut arrayvec::ArrayVec<T, N>,
    empty: fn() -> T,
) -> &mut [T] {
    table.clear();
    while table.try_push(empty()).is_ok() {}
    table
}
