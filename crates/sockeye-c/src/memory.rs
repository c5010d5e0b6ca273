//! Memory that is taken once, with failure as an error, and lent to the core.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use sockeye_core::{Memory, Tables};

use crate::error::{INVALID_ARG, NO_MEM, Outcome};

/// A value on the heap that may be lent while its owner is moved (which a `Box` must not be).
pub(crate) struct Heap<T: ?Sized>(NonNull<T>);

impl<T> Heap<T> {
    pub(crate) fn new(value: T) -> Outcome<Self> {
        let mut one = Vec::new();
        one.try_reserve_exact(1).map_err(|_| NO_MEM)?;
        one.push(value);
        let slice = Box::into_raw(one.into_boxed_slice());
        // A boxed slice of one has the layout of a boxed value.
        NonNull::new(slice.cast::<T>()).map(Self).ok_or(NO_MEM)
    }
}

impl<T> Heap<T> {
    /// The same for large values: `make` writes the value to where it stays, so that none lies on the stack. Devices
    /// call this on tasks with a few kilobytes of it.
    pub(crate) fn in_place(make: impl FnOnce(&mut MaybeUninit<T>)) -> Outcome<Self> {
        let slot = Heap::<MaybeUninit<T>>::new(MaybeUninit::uninit())?;
        let pointer = slot.into_ptr();
        // SAFETY: the pointer came from a box, and is this function's alone.
        make(unsafe { &mut *pointer });
        // `make` has written it: a `T` has the layout of its slot.
        NonNull::new(pointer.cast::<T>()).map(Self).ok_or(NO_MEM)
    }
}

impl<T: ?Sized> Deref for Heap<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the value is this one's own; whoever it is lent to does not change it meanwhile.
        unsafe { self.0.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for Heap<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the value is this one's own, and it is not lent while it is borrowed mutably.
        unsafe { self.0.as_mut() }
    }
}

impl Heap<[u8]> {
    pub(crate) fn zeroed(len: usize) -> Outcome<Self> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| NO_MEM)?;
        bytes.resize(len, 0);
        NonNull::new(Box::into_raw(bytes.into_boxed_slice()))
            .map(Self)
            .ok_or(NO_MEM)
    }

    /// The parts one after the other, and a zero.
    pub(crate) fn joined(parts: &[&str]) -> Outcome<Self> {
        let mut bytes = Vec::new();
        let len = parts.iter().map(|part| part.len()).sum::<usize>() + 1;
        bytes.try_reserve_exact(len).map_err(|_| NO_MEM)?;
        for part in parts {
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.push(0);
        NonNull::new(Box::into_raw(bytes.into_boxed_slice()))
            .map(Self)
            .ok_or(NO_MEM)
    }

    /// The text that [`Self::joined`] made.
    ///
    /// # Safety
    /// As [`Self::lend`].
    pub(crate) unsafe fn text(&self) -> &'static str {
        // SAFETY: as promised.
        let bytes = unsafe { self.lend() };
        let text = bytes.split_last().map_or(&[][..], |(_, text)| text);
        core::str::from_utf8(text).unwrap_or("")
    }
}

impl<T: ?Sized> Heap<T> {
    /// Lends the value for longer than the compiler can see.
    ///
    /// # Safety
    /// The borrow ends before `self` is dropped, and nobody borrows it mutably meanwhile.
    pub(crate) const unsafe fn lend(&self) -> &'static T {
        // SAFETY: the pointer came from a box, and its value lives as promised.
        unsafe { self.0.as_ref() }
    }

    /// Lends the value mutably for longer than the compiler can see.
    ///
    /// # Safety
    /// The borrow ends before `self` is dropped, and is the only one.
    pub(crate) const unsafe fn lend_mut(&mut self) -> &'static mut T {
        // SAFETY: the pointer came from a box, and its value lives as promised.
        unsafe { self.0.as_mut() }
    }

    pub(crate) const fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }

    /// Gives the pointer away: [`Self::from_ptr`] takes it back.
    pub(crate) fn into_ptr(self) -> *mut T {
        let pointer = self.0.as_ptr();
        core::mem::forget(self);
        pointer
    }

    /// # Safety
    /// The pointer came from [`Self::into_ptr`], and is taken back once.
    pub(crate) unsafe fn from_ptr(pointer: *mut T) -> Option<Self> {
        NonNull::new(pointer).map(Self)
    }
}

impl<T: ?Sized> Drop for Heap<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a box of this layout, and is dropped once.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// How large the client's memory is to be.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) rx: usize,
    pub(crate) tx: usize,
    pub(crate) head: usize,
    pub(crate) acks: usize,
    pub(crate) packets: usize,
    pub(crate) namespaces: usize,
}

impl Sizes {
    const fn fit(&self, acks: usize, packets: usize, namespaces: usize) -> bool {
        self.acks <= acks && self.packets <= packets && self.namespaces <= namespaces
    }
}

/// The core knows the sizes of its tables at compile time: these are to be had.
enum Ladder {
    Tiny(Heap<Tables<8, 16, 2>>),
    Small(Heap<Tables<16, 32, 4>>),
    Medium(Heap<Tables<64, 128, 8>>),
    Large(Heap<Tables<256, 1024, 32>>),
}

/// Empty tables, where they stay.
fn empty<const ACKS: usize, const PACKETS: usize, const NAMESPACES: usize>(
    slot: &mut MaybeUninit<Tables<ACKS, PACKETS, NAMESPACES>>,
) {
    slot.write(Tables::new());
}

/// Lends the tables to a client.
///
/// # Safety
/// As [`Heap::lend_mut`].
unsafe fn memory_of<const ACKS: usize, const PACKETS: usize, const NAMESPACES: usize>(
    tables: &mut Heap<Tables<ACKS, PACKETS, NAMESPACES>>,
    [rx, tx, head]: [&'static mut [u8]; 3],
) -> Option<Memory<'static>> {
    // SAFETY: as promised.
    unsafe { tables.lend_mut() }.memory(rx, tx, head)
}

/// All that the core works in.
pub(crate) struct Pieces {
    rx: Heap<[u8]>,
    tx: Heap<[u8]>,
    head: Heap<[u8]>,
    tables: Ladder,
    /// Acknowledgements that fit.
    pub(crate) acks: usize,
    /// Namespaces that fit.
    pub(crate) namespaces: usize,
}

impl Pieces {
    pub(crate) fn new(sizes: Sizes) -> Outcome<Self> {
        let (tables, acks, namespaces) = if sizes.fit(8, 16, 2) {
            (Ladder::Tiny(Heap::in_place(empty)?), 8, 2)
        } else if sizes.fit(16, 32, 4) {
            (Ladder::Small(Heap::in_place(empty)?), 16, 4)
        } else if sizes.fit(64, 128, 8) {
            (Ladder::Medium(Heap::in_place(empty)?), 64, 8)
        } else if sizes.fit(256, 1024, 32) {
            (Ladder::Large(Heap::in_place(empty)?), 256, 32)
        } else {
            return Err(INVALID_ARG);
        };
        Ok(Self {
            rx: Heap::zeroed(sizes.rx)?,
            tx: Heap::zeroed(sizes.tx)?,
            head: Heap::zeroed(sizes.head)?,
            tables,
            acks,
            namespaces,
        })
    }

    /// Lends everything to a client.
    ///
    /// # Safety
    /// Called once, and the client is dropped before `self`.
    pub(crate) unsafe fn lend(&mut self) -> Outcome<Memory<'static>> {
        // SAFETY: as promised, each is lent once, and outlives the client.
        let memory = unsafe {
            let areas = [self.rx.lend_mut(), self.tx.lend_mut(), self.head.lend_mut()];
            match &mut self.tables {
                Ladder::Tiny(tables) => memory_of(tables, areas),
                Ladder::Small(tables) => memory_of(tables, areas),
                Ladder::Medium(tables) => memory_of(tables, areas),
                Ladder::Large(tables) => memory_of(tables, areas),
            }
        };
        memory.ok_or(INVALID_ARG)
    }
}
