//! Events that are emitted while their namespace is not joined: the room they find, and what gives way to them.

use super::Client;
use super::acks::Acks;
use super::event::EmitOptions;
use super::namespaces::on_wire;
use super::notices::{Notice, Notices};
use crate::config::Offline;
use crate::error::{AckError, EmitError};
use crate::handle::{AckId, NamespaceId};
use crate::memory::Lane;
use crate::outbox::{Body, Way};
use crate::packet::socket::{Kind, Prefix};

impl Client<'_> {
    /// Sees to the room for an event of a namespace that is not joined, as its options say.
    ///
    /// # Errors
    /// [`EmitError::Full`].
    #[inline(never)]
    pub(super) fn make_offline_room(
        &mut self,
        nsp: NamespaceId,
        body: &Body<'_>,
        options: EmitOptions,
    ) -> Result<(), EmitError> {
        let shared = self.namespaces.active() > 1;
        let Some(entry) = self.namespaces.get_mut(nsp) else {
            return Ok(());
        };
        let wanted = &entry.options;
        let spare = (wanted.spare_bytes as usize, wanted.spare_packets.into());
        let plain = wanted.retries().is_none();
        let policy = if plain {
            wanted.offline
        } else {
            Offline::Refuse
        };
        let most = self.engine.config().limits.acks;
        let refused = options.ack && !self.acks.has_room(most, self.outbox.unasked_queues());
        if refused || spare == (0, 0) && policy == Offline::Refuse {
            return Ok(());
        }
        let attachments = body.attachments();
        let prefix = Prefix {
            kind: Kind::Event,
            attachments,
            nsp: on_wire(&entry.name),
            id: (options.ack && plain).then_some(entry.next_id),
        };
        let base64 = self.engine.config().sends_base64();
        let size = self.outbox.size_of(&prefix, body, base64, plain);
        loop {
            match self.outbox.give_way(nsp, policy, body, size, spare, shared) {
                Way::Free => return Ok(()),
                Way::Blocked => return Err(EmitError::Full),
                Way::Dropped(ack) => {
                    let noted = (&mut self.acks, &mut self.agenda.notices);
                    note_dropped(nsp, (&mut entry.dropped, &mut entry.acks), ack, noted);
                }
            }
        }
    }

    /// Drops the oldest event of the namespace that waits for the join, if it may. In fixed memory there may be no room to
    /// encode a new one, so that its size is not known.
    #[inline(never)]
    pub(super) fn gives_way(&mut self, nsp: NamespaceId, options: EmitOptions) -> bool {
        let Some(entry) = self.namespaces.get_mut(nsp) else {
            return false;
        };
        let may = self.outbox.is_fixed()
            && entry.options.offline == Offline::DropOldest
            && entry.options.retries().is_none()
            && !(options.volatile || entry.is_joined());
        let Some(ack) = may.then(|| self.outbox.drop_oldest(nsp)).flatten() else {
            return false;
        };
        let noted = (&mut self.acks, &mut self.agenda.notices);
        note_dropped(nsp, (&mut entry.dropped, &mut entry.acks), ack, noted);
        true
    }
}

/// An event of the namespace gave way to a newer one: that is told, and `ack` is not waited for any longer.
#[inline(never)]
fn note_dropped(
    nsp: NamespaceId,
    (dropped, waited_for): (&mut u32, &mut Lane),
    ack: Option<AckId>,
    (acks, notices): (&mut Acks<'_>, &mut Notices<'_>),
) {
    if *dropped == 0 {
        notices.push(Notice::Dropped(nsp));
    }
    *dropped = dropped.saturating_add(1);
    if let Some(ack) = ack
        && acks.fail(
            waited_for,
            Acks::place(ack),
            AckError::Dropped { sent: false },
        )
    {
        notices.push(Notice::FailedAcks);
    }
}
