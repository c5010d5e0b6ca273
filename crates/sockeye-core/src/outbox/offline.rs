//! What waits for a join gives way to what is emitted later.

use super::{Body, Class, Outbox};
use crate::config::Offline;
use crate::handle::{AckId, NamespaceId};
use crate::memory::Index;
use crate::memory::steps::step;
#[cfg(feature = "msgpack")]
use crate::packet::msgpack::event_name;

/// Whether an event of a namespace that is not joined finds room.
pub(crate) enum Way {
    Free,
    /// Now that another one was dropped, whose answer somebody may have waited for: ask again.
    Dropped(Option<AckId>),
    Blocked,
}

impl Outbox<'_> {
    /// Room for an event of `size` bytes of a namespace that is not joined, besides `spare` bytes and packets: what waits
    /// gives way as the policy says, if that helps.
    pub(crate) fn give_way(
        &mut self,
        nsp: NamespaceId,
        policy: Offline,
        body: &Body<'_>,
        size: usize,
        (bytes, packets): (usize, usize),
        shared: bool,
    ) -> Way {
        let (reserve, slots) = self.reserved(Class::Event);
        if size + reserve > self.max {
            return Way::Free; // It will be refused as too large.
        }
        let fits_without = |freed: usize, places: usize| {
            self.live - freed + size + reserve + bytes <= self.max
                && self.packets.room() + places > slots + packets
        };
        if policy == Offline::KeepLatest
            && let Some(i) = self.same_event(nsp, body)
            && let Some(packet) = self.packets.get(i)
        {
            let ack = packet.ack;
            if !fits_without(packet.size as usize, 1) {
                return Way::Blocked;
            }
            self.drop_waiting(nsp, i);
            return Way::Dropped(ack);
        }
        let queue = self
            .queues
            .get(nsp.index())
            .filter(|queue| queue.owner == nsp);
        let waiting = queue.map_or((0, 0), |queue| (queue.held_bytes, queue.held));
        if fits_without(0, 0) && !(shared && self.has_its_share(nsp, size)) {
            return Way::Free;
        }
        let helps = policy == Offline::DropOldest && fits_without(waiting.0, waiting.1);
        match helps.then(|| self.drop_oldest(nsp)).flatten() {
            Some(ack) => Way::Dropped(ack),
            None => Way::Blocked,
        }
    }

    /// The event of the same name that waits for the join.
    fn same_event(&self, nsp: NamespaceId, body: &Body<'_>) -> Option<Index> {
        let name = match body {
            #[cfg(any(feature = "alloc", feature = "extras"))]
            Body::Bytes(json, _) => name_token(json),
            Body::Staged(staged) => {
                let end = staged.from + staged.json_len;
                name_token(self.mem.get().get(staged.from..end)?)
            }
            Body::Parts(_) => return None,
            #[cfg(feature = "msgpack")]
            Body::Packed(data, _) => event_name(data)?.as_bytes(),
        };
        let queue = self
            .queues
            .get(nsp.index())
            .filter(|queue| queue.owner == nsp)?;
        let is_same = |waiting: &[u8]| {
            #[cfg(feature = "msgpack")]
            if let Body::Packed(..) = body {
                return event_name(waiting).is_some_and(|other| other.as_bytes() == name);
            }
            #[cfg(feature = "msgpack")]
            if self.packs() {
                return self.has_name(waiting, name);
            }
            name_token(waiting) == name
        };
        let mut at = queue.waiting.head();
        while let Some(i) = at {
            step(1);
            if is_same(self.json_bytes(i)) {
                return Some(i);
            }
            at = self.packets.next(i);
        }
        None
    }

    /// Drops the oldest packet of the namespace that waits for the join: who waits for its answer, if anybody.
    pub(crate) fn drop_oldest(&mut self, nsp: NamespaceId) -> Option<Option<AckId>> {
        let queue = self
            .queues
            .get(nsp.index())
            .filter(|queue| queue.owner == nsp)?;
        let i = queue.waiting.head()?;
        let ack = self.packets.get(i)?.ack;
        self.drop_waiting(nsp, i);
        Some(ack)
    }

    fn drop_waiting(&mut self, nsp: NamespaceId, i: Index) {
        self.account_held(i, false);
        if let Some(queue) = self
            .queues
            .get_mut(nsp.index())
            .filter(|queue| queue.owner == nsp)
        {
            self.packets.unlink(&mut queue.waiting, i);
            self.remove(i);
        }
    }
}

/// The event's name in `["name",…]`, as it is spelt.
pub(super) fn name_token(json: &[u8]) -> &[u8] {
    let mut escaped = false;
    let end = json.iter().skip(2).position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    json.get(2..2 + end.unwrap_or(0)).unwrap_or_default()
}
