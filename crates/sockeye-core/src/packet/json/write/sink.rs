//! What JSON is written to.
#[cfg(feature = "alloc")]
use alloc::vec::Vec;

#[cfg(feature = "msgpack")]
use serde::Serialize;

#[cfg(feature = "msgpack")]
use super::Fail;
use crate::packet::json;
use crate::slices;

/// Where the JSON goes.
#[doc(hidden)]
pub trait Sink {
    /// Appends, or answers `false` and appends nothing.
    fn put(&mut self, bytes: &[u8]) -> bool;
    /// Appends the parts, or answers `false` and may have appended some of them.
    fn put_all<const N: usize>(&mut self, parts: [&[u8]; N]) -> bool;
    /// Appends a text with what stands around it, or answers `false` and may have appended some of it. Nothing if something
    /// in the text has to be escaped: what has been appended then has been taken back.
    fn put_text(&mut self, before: Edge, text: &[u8], after: Edge) -> Option<bool>;
    /// Appends so many bytes, which the caller fills, if there is room for them.
    #[cfg(not(feature = "alloc"))]
    fn room(&mut self, len: usize) -> Option<&mut [u8]>;
    /// What has been written.
    fn written(&mut self) -> &mut [u8];
    /// Takes back all but the first `len` bytes.
    fn shorten(&mut self, len: usize);

    /// Takes an argument, if it is no JSON that is written there.
    #[cfg(feature = "msgpack")]
    #[inline(always)]
    fn pack<T: Serialize + ?Sized>(&mut self, _: &T) -> Option<Result<(), Fail>> {
        None
    }

    /// Likewise arguments that are a JSON array.
    #[cfg(feature = "msgpack")]
    #[inline(always)]
    fn pack_json(
        &mut self,
        _: &str,
        _: &mut dyn Iterator<Item = &[u8]>,
    ) -> Option<Result<(), Fail>> {
        None
    }

    /// Likewise arguments in MessagePack, one behind the other.
    #[cfg(feature = "msgpack")]
    #[inline(always)]
    fn pack_items(&mut self, _: &[u8], _: u32, _: usize) -> Option<Result<(), Fail>> {
        None
    }
}

#[cfg(feature = "alloc")]
impl Sink for Vec<u8> {
    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) -> bool {
        self.extend_from_slice(bytes);
        true
    }

    #[inline(always)]
    fn put_all<const N: usize>(&mut self, parts: [&[u8]; N]) -> bool {
        parts
            .into_iter()
            .for_each(|part| self.extend_from_slice(part));
        true
    }

    #[inline(always)]
    fn put_text(&mut self, before: Edge, text: &[u8], after: Edge) -> Option<bool> {
        json::is_plain(text).then(|| self.put_all([before.bytes(), text, after.bytes()]))
    }

    #[inline]
    fn written(&mut self) -> &mut [u8] {
        self
    }

    #[inline]
    fn shorten(&mut self, len: usize) {
        self.truncate(len);
    }
}

/// What stands beside a text: a byte or two. On small processors they travel in registers; elsewhere the compiler knows how many there
/// are wherever it sees the slice.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    #[cfg(feature = "alloc")]
    bytes: &'static [u8],
    #[cfg(not(feature = "alloc"))]
    bytes: [u8; 2],
    #[cfg(not(feature = "alloc"))]
    len: u8,
}

#[cfg(feature = "alloc")]
impl Edge {
    #[inline(always)]
    pub(super) const fn one(byte: &'static [u8; 1]) -> Self {
        Self { bytes: byte }
    }

    #[inline(always)]
    pub(super) const fn two(bytes: &'static [u8; 2]) -> Self {
        Self { bytes }
    }

    #[inline(always)]
    const fn len(self) -> usize {
        self.bytes.len()
    }

    #[inline(always)]
    pub(super) const fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// Writes it to where there is just the room for it.
    #[inline(always)]
    fn write(self, out: &mut [u8]) {
        for (to, byte) in out.iter_mut().zip(self.bytes) {
            *to = *byte;
        }
    }
}

#[cfg(not(feature = "alloc"))]
impl Edge {
    pub(super) const fn one(byte: &'static [u8; 1]) -> Self {
        Self {
            bytes: [byte[0], 0],
            len: 1,
        }
    }

    pub(super) const fn two(bytes: &'static [u8; 2]) -> Self {
        Self {
            bytes: *bytes,
            len: 2,
        }
    }

    #[inline(always)]
    const fn len(self) -> usize {
        self.len as usize
    }

    #[inline(always)]
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len()).unwrap_or_default()
    }

    /// Writes it to where there is just the room for it.
    #[inline(always)]
    fn write(self, out: &mut [u8]) {
        if let Some(to) = out.first_mut() {
            *to = self.bytes[0];
        }
        if let Some(to) = out.get_mut(1) {
            *to = self.bytes[1];
        }
    }
}

/// A slice and how much of it is used.
pub(super) struct Slice<'o> {
    pub(super) out: &'o mut [u8],
    pub(super) len: usize,
}

impl Sink for Slice<'_> {
    #[cfg_attr(feature = "alloc", inline(always))]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn put(&mut self, bytes: &[u8]) -> bool {
        // Most of what is put by itself is one byte: brackets and commas.
        if !cfg!(feature = "alloc")
            && let [byte] = bytes
            && let Some(to) = self.out.get_mut(self.len)
        {
            *to = *byte;
            self.len += 1;
            return true;
        }
        let fits = slices::put(self.out, self.len, bytes);
        if fits {
            self.len += bytes.len();
        }
        fits
    }

    #[inline(always)]
    fn put_all<const N: usize>(&mut self, parts: [&[u8]; N]) -> bool {
        if !cfg!(feature = "alloc") {
            // What does not fit is given up as a whole.
            return parts.iter().all(|part| self.put(part));
        }
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        let Some(mut space) = self
            .out
            .get_mut(self.len..)
            .and_then(|free| free.get_mut(..len))
        else {
            return false;
        };
        for part in parts {
            let (front, rest) = space.split_at_mut(part.len());
            front.copy_from_slice(part);
            space = rest;
        }
        self.len += len;
        true
    }

    #[cfg(not(feature = "alloc"))]
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        let room = self.out.get_mut(self.len..)?.get_mut(..len)?;
        self.len += len;
        Some(room)
    }

    #[cfg_attr(feature = "alloc", inline(always))]
    fn put_text(&mut self, before: Edge, text: &[u8], after: Edge) -> Option<bool> {
        if cfg!(feature = "alloc") {
            return json::is_plain(text)
                .then(|| self.put_all([before.bytes(), text, after.bytes()]));
        }
        // One pass over a text, which is short nearly always. (With escapes it is longer still: what has no room as it is
        // has none.)
        let end = self.len + before.len() + text.len() + after.len();
        let room = self.out.get_mut(self.len..end);
        let parts = room.and_then(|room| {
            let (lead, room) = room.split_at_mut_checked(before.len())?;
            let (room, tail) = room.split_at_mut_checked(text.len())?;
            Some((lead, room, tail))
        });
        let Some((lead, room, tail)) = parts else {
            return Some(false);
        };
        for (to, byte) in room.iter_mut().zip(text) {
            if json::is_special(*byte) {
                return None;
            }
            *to = *byte;
        }
        before.write(lead);
        after.write(tail);
        self.len = end;
        Some(true)
    }

    #[inline]
    fn written(&mut self) -> &mut [u8] {
        self.out.get_mut(..self.len).unwrap_or_default()
    }

    #[inline]
    fn shorten(&mut self, len: usize) {
        self.len = len;
    }
}
