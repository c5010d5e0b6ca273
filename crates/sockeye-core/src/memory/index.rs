//! Finds entries of a slab by a key, without scanning: a hash table of places. The keys stay in the entries.

use hashbrown::HashTable;

use super::Index;
use super::steps::step;

/// Places by the hash of their entries' keys.
#[derive(Debug, Default)]
pub(crate) struct HashIndex(HashTable<Index>);

impl HashIndex {
    pub(crate) const fn new() -> Self {
        Self(HashTable::new())
    }

    /// The place under `hash` whose entry `is` the one looked for.
    pub(crate) fn find(&self, hash: u64, mut is: impl FnMut(Index) -> bool) -> Option<Index> {
        step(1);
        self.0.find(hash, |i| is(*i)).copied()
    }

    /// Adds a place; `hash_of` gives the hashes of the others, should the table have to grow.
    pub(crate) fn insert(&mut self, hash: u64, i: Index, hash_of: impl Fn(Index) -> u64) {
        self.0.insert_unique(hash, i, |i| hash_of(*i));
    }

    /// Removes a place. When the last one goes, memory after a burst goes back.
    pub(crate) fn remove(&mut self, hash: u64, i: Index) {
        if let Ok(entry) = self.0.find_entry(hash, |other| *other == i) {
            entry.remove();
        }
        if self.0.is_empty() && self.0.capacity() > 1024 {
            self.0 = HashTable::new();
        }
    }
}

/// Spreads the bits of small keys. Which keys there are is for this side to say (ack ids count up, namespaces are the
/// application's), so that no peer can choose keys that meet.
pub(crate) const fn hash_pair(a: u64, b: u64) -> u64 {
    let mixed = (a.rotate_left(32) ^ b).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

/// The hash of a name.
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut eight = [0; 8];
        eight[..chunk.len()].copy_from_slice(chunk);
        hash = hash_pair(hash, u64::from_le_bytes(eight));
    }
    hash
}
