//! Namespaces: one entry each, multiplexed on the connection.

use core::time::Duration;

use super::deferred::Deferred;
use super::recovery::Recovery;
use crate::config::EXTRAS;
#[cfg(feature = "offline")]
use crate::config::Offline;
use crate::handle::{Generation, NamespaceId};
use crate::id::Id;
use crate::memory::{Empty, Index, Lane, NONE, Slab};
#[cfg(feature = "alloc")]
use crate::memory::{HashIndex, hash_bytes};
use crate::time::Instant;

/// The options of one namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct NspOptions {
    /// Ask for the `auth` payload at every CONNECT by [`Event::Auth`](crate::Event::Auth).
    pub auth: bool,
    /// Timeout of acknowledgements that have none of their own.
    pub ack_timeout: Option<Duration>,
    /// The `retries` queue: every packet waits for its acknowledgement before the next one is sent, and is sent at most
    /// this many times more. Needs a timeout, or a lost answer holds the queue up until the next reconnection. The server
    /// must acknowledge every event.
    #[cfg(feature = "retries")]
    pub retries: Option<u32>,
    /// What gives way when an event is emitted while the namespace is not joined and finds no room. Packets of the `retries`
    /// queue never do.
    #[cfg(feature = "offline")]
    pub offline: Offline,
    /// Bytes of the send buffer that events emitted while the namespace is not joined leave free, so that what is emitted at
    /// the join finds room even after a long outage. Framing counts: 6 to 14 bytes a packet.
    #[cfg(feature = "offline")]
    pub spare_bytes: u32,
    /// Packets for which they leave room, likewise.
    #[cfg(feature = "offline")]
    pub spare_packets: u16,
}

impl NspOptions {
    pub(super) const DEFAULT: Self = Self {
        auth: false,
        ack_timeout: None,
        #[cfg(feature = "retries")]
        retries: None,
        #[cfg(feature = "offline")]
        offline: Offline::Refuse,
        #[cfg(feature = "offline")]
        spare_bytes: 0,
        #[cfg(feature = "offline")]
        spare_packets: 0,
    };

    #[cfg(feature = "retries")]
    pub(super) const fn retries(&self) -> Option<u32> {
        self.retries
    }

    #[cfg(not(feature = "retries"))]
    #[allow(clippy::unused_self, reason = "as with the feature")]
    pub(super) const fn retries(&self) -> Option<u32> {
        None
    }
}

#[cfg(feature = "alloc")]
pub(crate) type Name = alloc::string::String;
#[cfg(not(feature = "alloc"))]
pub(crate) type Name = crate::short::Short<{ crate::limits::NAMESPACE_LEN }>;

/// What a namespace is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NspState {
    /// Not connected, and not to be.
    Idle,
    /// To be connected as soon as there is a session; the application may have to be asked for `auth`.
    Waiting,
    /// The application has been asked for `auth`.
    Asked,
    /// CONNECT has been sent.
    Joining,
    /// CONNECT has been sent, but the application has changed its mind; or has forgotten the namespace altogether.
    Leaving {
        forgotten: bool,
    },
    Joined,
    /// It has been left and forgotten, but its DISCONNECT packet may still have to arrive: a new namespace of the same
    /// name has to wait for that. No handle leads here.
    Parted,
}

/// What the server has said about a namespace that is not joined yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Nothing,
    /// A CONNECT without an id, as Socket.IO 2 sends it, and as some servers do before the real one.
    Bare,
    /// Its consent, before it was asked; the id is in the entry.
    Consent,
}

/// The DISCONNECT packet of a namespace that may have to arrive before the next CONNECT: a server that finds both in
/// one segment takes the CONNECT for one of the old socket, and ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    None,
    /// It lies in the outbox, accepted under this number.
    Unwritten {
        packet: Index,
        number: u64,
    },
    /// It has been written to a WebSocket: so long is the server waited for at most, and by this ping it was asked for a
    /// sign that it has read as far, if somebody waits.
    Written {
        until: Instant,
        ping: Option<u32>,
    },
}

#[derive(Debug)]
pub(crate) struct Namespace {
    pub(super) id: NamespaceId,
    pub(super) name: Name,
    state: NspState,
    pub(super) options: NspOptions,
    /// For the answer to the CONNECT.
    deadline: Option<Instant>,
    pub(super) heard: Heard,
    pub(super) parting: Parting,
    /// Bytes of the last CONNECT packet, without what recovery adds.
    pub(super) connect_len: u32,
    /// Bytes of a CONNECT packet for which there was no room.
    pub(super) room_wanted: u32,
    /// Which join this is, counted over the client: answers to events of older ones are stale.
    pub(super) join: u32,
    /// The next ack id: from 0, never reset.
    pub(super) next_id: u64,
    /// Events that gave way to newer ones, and are not told yet.
    #[cfg(feature = "offline")]
    pub(super) dropped: u32,
    pub(super) sid: Id,
    pub(super) recovered: bool,
    pub(super) recovery: Recovery,
    /// Who waits for the answer to the packet of the `retries` queue that is under way.
    pub(super) retry_ack: Index,
    /// Acknowledgements that are waited for.
    pub(super) acks: Lane,
    /// Events that came before the CONNECT reply.
    pub(super) deferred: Deferred,
}

impl Namespace {
    #[inline(always)]
    const fn free() -> Self {
        Self {
            id: NamespaceId::NONE,
            #[cfg(feature = "alloc")]
            name: Name::new(),
            #[cfg(not(feature = "alloc"))]
            name: Name::EMPTY,
            state: NspState::Idle,
            options: NspOptions::DEFAULT,
            #[cfg(feature = "offline")]
            dropped: 0,
            deadline: None,
            heard: Heard::Nothing,
            parting: Parting::None,
            connect_len: 0,
            room_wanted: 0,
            join: 0,
            next_id: 0,
            sid: Id::EMPTY,
            recovered: false,
            recovery: Recovery::EMPTY,
            retry_ack: NONE,
            acks: Lane::EMPTY,
            deferred: Deferred::EMPTY,
        }
    }
}

impl Empty for Namespace {
    const EMPTY: Self = Self::free();

    #[cfg(not(feature = "alloc"))]
    #[inline(never)]
    fn empty() -> Self {
        Self::free()
    }
}

/// The name on the wire: with the feature `eio3` a query behind it is for CONNECT packets alone.
pub(super) fn on_wire(name: &Name) -> &str {
    #[cfg(feature = "eio3")]
    return without_query(name.as_str());
    #[cfg(not(feature = "eio3"))]
    return name.as_str();
}

/// The name of a namespace in front of the query, if there is one.
#[cfg(feature = "eio3")]
pub(super) fn without_query(name: &str) -> &str {
    let end = name.bytes().position(|byte| byte == b'?');
    name.get(..end.unwrap_or(name.len())).unwrap_or(name)
}

impl Namespace {
    pub(super) fn name(&self) -> &str {
        #[cfg(feature = "alloc")]
        return &self.name;
        #[cfg(not(feature = "alloc"))]
        return self.name.as_str();
    }

    /// The name on the wire: see [`on_wire`].
    pub(super) fn wire_name(&self) -> &str {
        on_wire(&self.name)
    }

    pub(super) const fn state(&self) -> NspState {
        self.state
    }

    pub(super) fn is_joined(&self) -> bool {
        self.state == NspState::Joined
    }

    /// Whatever was said in a session is void with it.
    pub(super) const fn session_over(&mut self) {
        self.heard = Heard::Nothing;
        self.parting = Parting::None;
        self.deferred = Deferred::EMPTY;
    }

    /// Whether the namespace (re)connects with the connection.
    pub(super) const fn is_active(&self) -> bool {
        !matches!(
            self.state,
            NspState::Idle | NspState::Leaving { .. } | NspState::Parted
        )
    }
}

/// What the server of an Engine.IO 3 session does about the main namespace.
#[cfg(feature = "eio3")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Main {
    /// It joins it by itself, and has not said so yet.
    Awaited,
    /// This client is in it.
    Joined,
    /// This client has left it, or was refused: it has to be asked for.
    Left,
}

/// All of them. Those that wait for a CONNECT packet, or for the answer to one, are in lanes, so that nothing scans the
/// table.
#[derive(Debug)]
pub(crate) struct Namespaces<'a> {
    slab: Slab<'a, Namespace>,
    #[cfg(feature = "alloc")]
    by_name: HashIndex,
    /// The place of the main namespace, which most packets are for.
    #[cfg(feature = "alloc")]
    main: Index,
    /// So many have been made.
    made: Generation,
    active: usize,
    joined: usize,
    /// Counts joins.
    joins: u32,
    waiting: Lane,
    /// In the order of their deadlines; in front those whose deadline has been moved up, the last of them first.
    joining: Lane,
    parted: Lane,
    /// What a server of Engine.IO 3 does about the main one.
    #[cfg(feature = "eio3")]
    main_of_old: Main,
}

impl<'a> Namespaces<'a> {
    pub(super) const fn new(slab: Slab<'a, Namespace>) -> Self {
        Self {
            slab,
            #[cfg(feature = "alloc")]
            by_name: HashIndex::new(),
            #[cfg(feature = "alloc")]
            main: NONE,
            made: Generation::of(0),
            active: 0,
            joined: 0,
            joins: 0,
            waiting: Lane::EMPTY,
            joining: Lane::EMPTY,
            parted: Lane::EMPTY,
            #[cfg(feature = "eio3")]
            main_of_old: Main::Awaited,
        }
    }

    /// The entry behind a handle; `None` for a stale one.
    // Small code, rather than fast, where flash is scarce: called in very many places.
    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn get(&self, id: NamespaceId) -> Option<&Namespace> {
        self.slab
            .get(id.index as Index)
            .filter(|entry| entry.id == id)
    }

    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(super) fn get_mut(&mut self, id: NamespaceId) -> Option<&mut Namespace> {
        self.slab
            .get_mut(id.index as Index)
            .filter(|entry| entry.id == id)
    }

    /// The entry at a place, whatever it is.
    pub(super) fn at(&self, place: usize) -> Option<&Namespace> {
        self.slab.get(place as Index)
    }

    /// One past the last place in use.
    pub(super) const fn places(&self) -> usize {
        self.slab.places()
    }

    /// What a server of Engine.IO 3 does about the main namespace.
    #[cfg(feature = "eio3")]
    pub(super) const fn main_of_old(&self) -> Main {
        self.main_of_old
    }

    #[cfg(feature = "eio3")]
    pub(super) const fn set_main(&mut self, main: Main) {
        self.main_of_old = main;
    }

    /// How many want to be connected.
    pub(super) const fn active(&self) -> usize {
        self.active
    }

    /// How many are joined.
    pub(super) const fn joined(&self) -> usize {
        self.joined
    }

    /// The counters stand shortly before their ends, as after years.
    #[cfg(feature = "count-steps")]
    pub(super) const fn age(&mut self, left: u32) {
        self.made = Generation::of(u32::MAX - left);
        self.joins = u32::MAX - left;
    }

    /// The number of the next join.
    pub(super) const fn next_join(&mut self) -> u32 {
        self.joins = self.joins.wrapping_add(1);
        self.joins
    }

    /// The namespace of this name.
    pub(super) fn find(&self, name: &[u8]) -> Option<NamespaceId> {
        let is = |i: Index| {
            self.slab
                .get(i)
                .is_some_and(|entry| entry.wire_name().as_bytes() == name)
        };
        // Mostly there is one, or the first is meant.
        let place = if is(0) {
            Some(0)
        } else {
            self.look_up(name, is)
        };
        place.and_then(|i| self.slab.get(i)).map(|entry| entry.id)
    }

    /// The main namespace, if it is known without a search.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(super) fn main(&self) -> Option<NamespaceId> {
        self.slab.get(self.main).map(|entry| entry.id)
    }

    /// The main namespace, if it is joined.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(super) fn joined_main(&self) -> Option<NamespaceId> {
        let entry = self.slab.get(self.main)?;
        entry.is_joined().then_some(entry.id)
    }

    fn look_up(&self, name: &[u8], is: impl Fn(Index) -> bool) -> Option<Index> {
        #[cfg(feature = "alloc")]
        if !self.slab.is_fixed() {
            // (The main one is in no index: most clients have no other.)
            if name == b"/" && self.main != NONE && is(self.main) {
                return Some(self.main);
            }
            return self.by_name.find(hash_bytes(name), is);
        }
        let _ = name;
        (0..self.slab.places() as Index).find(|i| is(*i))
    }

    pub(super) const fn has_room(&self) -> bool {
        self.slab.room() > 0
    }

    /// Adds a namespace; `None` if there is no room.
    pub(super) fn add(&mut self, name: Name, options: NspOptions) -> Option<NamespaceId> {
        self.made = self.made.next();
        if self.slab.len() > usize::from(u16::MAX - 1) {
            return None;
        }
        let i = self.slab.insert_empty()?;
        #[allow(clippy::useless_conversion)] // Not where an index has 32 bits.
        let id = NamespaceId {
            index: u16::try_from(i).ok()?,
            generation: self.made,
        };
        let entry = self.slab.get_mut(i)?;
        (entry.id, entry.name, entry.options) = (id, name, options);
        #[cfg(feature = "alloc")]
        if self.main == NONE && entry.wire_name() == "/" {
            self.main = i;
        }
        #[cfg(feature = "alloc")]
        if !self.slab.is_fixed() && self.main != i {
            let hash = |i: Index| {
                let entry = self.slab.get(i);
                entry.map_or(0, |entry| hash_bytes(entry.wire_name().as_bytes()))
            };
            self.by_name.insert(hash(i), i, hash);
        }
        Some(id)
    }

    /// Removes a namespace that waits for nothing.
    pub(super) fn remove(&mut self, id: NamespaceId) {
        self.set_state(id, NspState::Idle);
        #[cfg(feature = "alloc")]
        if !self.slab.is_fixed()
            && self.main != id.index as Index
            && let Some(entry) = self.get(id)
        {
            let hash = hash_bytes(entry.wire_name().as_bytes());
            self.by_name.remove(hash, id.index as Index);
        }
        if self.get(id).is_some() {
            #[cfg(feature = "alloc")]
            if self.main == id.index as Index {
                self.main = NONE;
            }
            self.slab.remove(id.index as Index);
        }
    }

    /// Forgets a namespace, but keeps its place until the server has worked on its DISCONNECT: see [`NspState::Parted`].
    pub(super) fn part(&mut self, id: NamespaceId) {
        self.set_state(id, NspState::Parted);
        self.made = self.made.next();
        let generation = self.made;
        if let Some(entry) = self.get_mut(id) {
            // Handles of it are stale from here on.
            entry.id.generation = generation;
        }
    }

    /// The first of those that have been forgotten, and keep their place.
    pub(super) fn first_parted(&self) -> Option<NamespaceId> {
        if !EXTRAS {
            return None;
        }
        let entry = self.slab.get(self.parted.head()?)?;
        Some(entry.id)
    }

    /// Changes the state. The deadline of [`NspState::Joining`] is set by [`Self::set_joining`].
    pub(super) fn set_state(&mut self, id: NamespaceId, state: NspState) {
        let i = id.index as Index;
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        let was = entry.is_active();
        let old = core::mem::replace(&mut entry.state, state);
        entry.deadline = None;
        let is = entry.is_active();
        if was != is {
            self.active = if is { self.active + 1 } else { self.active - 1 };
        }
        if old == state {
            return;
        }
        self.joined -= usize::from(old == NspState::Joined);
        self.joined += usize::from(state == NspState::Joined);
        match old {
            NspState::Waiting => self.slab.unlink(&mut self.waiting, i),
            NspState::Joining => self.slab.unlink(&mut self.joining, i),
            NspState::Parted if EXTRAS => self.slab.unlink(&mut self.parted, i),
            _ => (),
        }
        match state {
            NspState::Waiting => self.slab.push_back(&mut self.waiting, i),
            NspState::Joining => self.slab.push_back(&mut self.joining, i),
            NspState::Parted if EXTRAS => self.slab.push_back(&mut self.parted, i),
            _ => (),
        }
    }

    /// CONNECT has been sent: its answer is waited for until `deadline`.
    pub(super) fn set_joining(&mut self, id: NamespaceId, deadline: Option<Instant>) {
        self.set_state(id, NspState::Joining);
        if let Some(entry) = self.get_mut(id) {
            entry.deadline = deadline;
        }
    }

    /// The answer to the CONNECT of a namespace is waited for until `deadline` at the latest. (That of another which has been
    /// moved up before waits for this one; they are moments apart.)
    pub(super) fn expect_sooner(&mut self, id: NamespaceId, deadline: Instant) {
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        if entry.state != NspState::Joining || entry.deadline.is_some_and(|at| at <= deadline) {
            return;
        }
        entry.deadline = Some(deadline);
        let i = id.index as Index;
        self.slab.unlink(&mut self.joining, i);
        self.slab.push_front(&mut self.joining, i);
    }

    /// The first that waits for a CONNECT packet, and the one behind `after`.
    pub(super) fn next_waiting(&self, after: Option<NamespaceId>) -> Option<NamespaceId> {
        let place = match after {
            None => self.waiting.head(),
            Some(id) => self.slab.next(id.index as Index),
        };
        place.and_then(|i| self.slab.get(i)).map(|entry| entry.id)
    }

    /// Until when the next answer to a CONNECT is waited for, and whose it is.
    pub(super) fn next_deadline(&self) -> Option<(Instant, NamespaceId)> {
        let entry = self.slab.get(self.joining.head()?)?;
        Some((entry.deadline?, entry.id))
    }
}
