//! What JSON is written to.
#[cfg(feature = "alloc")]
use alloc::vec::Vec;

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
    fn put_text(&mut self, before: &[u8], text: &[u8], after: &[u8]) -> Option<bool>;
    /// What has been written.
    fn written(&mut self) -> &mut [u8];
    /// Takes back all but the first `len` bytes.
    fn shorten(&mut self, len: usize);
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
    fn put_text(&mut self, before: &[u8], text: &[u8], after: &[u8]) -> Option<bool> {
        json::is_plain(text).then(|| self.put_all([before, text, after]))
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

/// A slice and how much of it is used.
pub(super) struct Slice<'o> {
    pub(super) out: &'o mut [u8],
    pub(super) len: usize,
}

/// So many bytes are copied sooner than they are handed to a function that copies.
const SHORT: usize = 16;

impl Slice<'_> {
    #[inline(always)]
    fn put_short(&mut self, bytes: &[u8]) -> bool {
        let mut room = self.out.get_mut(self.len..).unwrap_or_default().iter_mut();
        for byte in bytes {
            let Some(to) = room.next() else {
                return false;
            };
            *to = *byte;
        }
        true
    }
}

impl Sink for Slice<'_> {
    #[cfg_attr(feature = "alloc", inline(always))]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    fn put(&mut self, bytes: &[u8]) -> bool {
        let fits = if cfg!(feature = "alloc") || bytes.len() > SHORT {
            slices::put(self.out, self.len, bytes)
        } else {
            self.put_short(bytes)
        };
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

    #[cfg_attr(feature = "alloc", inline(always))]
    fn put_text(&mut self, before: &[u8], text: &[u8], after: &[u8]) -> Option<bool> {
        if cfg!(feature = "alloc") {
            return json::is_plain(text).then(|| self.put_all([before, text, after]));
        }
        // One pass over a text, which is short nearly always.
        let start = self.len;
        if !self.put(before) {
            return Some(false);
        }
        let mut room = self.out.get_mut(self.len..).unwrap_or_default().iter_mut();
        for byte in text {
            if json::is_special(*byte) {
                self.len = start;
                return None;
            }
            let Some(to) = room.next() else {
                return Some(false);
            };
            *to = *byte;
        }
        self.len += text.len();
        Some(self.put(after))
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
