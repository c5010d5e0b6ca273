//! Those who wait for acknowledgements.

use sockeye_core::AckId;

use crate::waiters::AckSender;

/// Who waits, and in which namespace (by the handles' number).
pub(super) type Pending = (usize, AckSender);

/// At the places that the core has for them, which are few and used again. Every step takes the same time, however many wait.
/// (Boxed: most connections of many have none.)
#[derive(Default)]
pub(super) struct PendingAcks(Option<Box<Places>>);

#[derive(Default)]
struct Places {
    /// With the number behind the id.
    places: Vec<Option<(u64, Pending)>>,
    waiting: usize,
}

/// Room for so many is kept when nobody waits any more.
const KEEP: usize = 1 << 10;

impl PendingAcks {
    pub(super) fn add(&mut self, id: AckId, pending: Pending) {
        let at = id.index();
        let Places { places, waiting } = &mut **self.0.get_or_insert_default();
        if places.len() <= at {
            places.resize_with(at + 1, || None);
        }
        let before = places[at].replace((id.get(), pending));
        debug_assert!(before.is_none(), "who waited here has been told");
        *waiting += usize::from(before.is_none());
    }

    pub(super) fn take(&mut self, id: AckId) -> Option<Pending> {
        let Places { places, waiting } = &mut **self.0.as_mut()?;
        let place = places.get_mut(id.index())?;
        let (_, pending) = place.take_if(|(number, _)| *number == id.get())?;
        *waiting -= 1;
        if *waiting == 0 && places.capacity() > KEEP {
            self.0 = None;
        }
        Some(pending)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Pending> {
        let places = self.0.take().into_iter().flat_map(|all| all.places);
        places.flatten().map(|(_, pending)| pending)
    }
}
