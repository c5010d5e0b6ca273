//! Those who wait for acknowledgements.

use sockeye_core::AckId;

use crate::waiters::AckSender;

/// Who waits, and in which namespace (by the handles' number).
pub(super) type Pending = (usize, AckSender);

/// At the places that the core has for them, which are few and used again. Every step takes the same time, however many wait.
#[derive(Default)]
pub(super) struct PendingAcks {
    /// With the number behind the id.
    places: Vec<Option<(u64, Pending)>>,
    waiting: usize,
}

/// Room for so many is kept when nobody waits any more.
const KEEP: usize = 1 << 10;

impl PendingAcks {
    pub(super) fn add(&mut self, id: AckId, pending: Pending) {
        let place = id.index();
        if self.places.len() <= place {
            self.places.resize_with(place + 1, || None);
        }
        let before = self.places[place].replace((id.get(), pending));
        debug_assert!(before.is_none(), "who waited here has been told");
        self.waiting += usize::from(before.is_none());
    }

    pub(super) fn take(&mut self, id: AckId) -> Option<Pending> {
        let place = self.places.get_mut(id.index())?;
        let (_, pending) = place.take_if(|(number, _)| *number == id.get())?;
        self.waiting -= 1;
        if self.waiting == 0 && self.places.capacity() > KEEP {
            self.places = Vec::new();
        }
        Some(pending)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Pending> {
        self.waiting = 0;
        let places = std::mem::take(&mut self.places).into_iter();
        places.flatten().map(|(_, pending)| pending)
    }
}
