//! What the client gives out for a namespace and for an acknowledgement, to be named by it again.

use core::num::NonZero;

use crate::memory::{Index, Serial};

/// A namespace of a client: the handle that [`Client::namespace`](crate::Client::namespace) gives out.
///
/// It stays valid over reconnections, until `Client::forget` (feature `extras`), and never names another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NamespaceId {
    pub(crate) index: u16,
    pub(crate) generation: Generation,
}

/// Which it is of those that have had the same place. Where none is ever forgotten there is but one, and nothing to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Generation(
    #[cfg(any(feature = "alloc", feature = "extras"))] u32,
    #[cfg(not(any(feature = "alloc", feature = "extras")))] (),
);

#[cfg(any(feature = "alloc", feature = "extras"))]
impl Generation {
    pub(crate) const fn of(number: u32) -> Self {
        Self(number)
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

#[cfg(not(any(feature = "alloc", feature = "extras")))]
impl Generation {
    pub(crate) const fn of(_: u32) -> Self {
        Self(())
    }

    pub(crate) const fn next(self) -> Self {
        self
    }
}

impl NamespaceId {
    /// No namespace.
    pub(crate) const NONE: Self = Self {
        index: u16::MAX,
        generation: Generation::of(0),
    };

    /// A small number, unique among the namespaces alive: for drivers that keep tables beside the core.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// An acknowledgement that is waited for: given out by an emit, named again by exactly one
/// [`Event::Ack`](crate::Event::Ack). Never used twice in the life of a client (without `alloc`: not before 2^32 others).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AckId {
    /// Never 0, so that `Option<AckId>` takes no more room.
    pub(crate) number: NonZero<Serial>,
    pub(crate) place: Index,
}

impl AckId {
    /// The number behind the id: counts up from 1.
    #[allow(clippy::unnecessary_cast)] // Not where it has 32 bits.
    pub const fn get(self) -> u64 {
        self.number.get() as u64
    }

    pub(crate) fn new(number: Serial, place: Index) -> Option<Self> {
        Some(Self {
            number: NonZero::new(number)?,
            place,
        })
    }

    /// A small number, unique among the acknowledgements that are waited for: for drivers that keep tables beside the
    /// core.
    pub const fn index(self) -> usize {
        self.place as usize
    }
}
