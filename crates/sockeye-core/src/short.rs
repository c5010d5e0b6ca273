//! Small text kept inline: ids, notes, names.

use core::fmt;

use crate::slices;

/// UTF-8 text of at most `N` bytes, kept inline.
#[derive(Clone, Copy)]
pub(crate) struct Short<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Short<N> {
    pub(crate) const EMPTY: Self = Self {
        len: 0,
        bytes: [0; N],
    };

    /// The longest prefix of `text` that fits and ends at a character boundary.
    pub(crate) fn cut(text: &str) -> Self {
        let mut short = Self::EMPTY;
        short.push_str(text);
        short
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only whole characters are ever stored.
        text_of(&self.bytes, self.len)
    }

    #[cfg(not(feature = "alloc"))]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends what fits, in whole characters; whether all of it did.
    pub(crate) fn push_str(&mut self, text: &str) -> bool {
        append(&mut self.bytes, &mut self.len, text)
    }

    /// Control characters become spaces.
    pub(crate) fn no_control(&mut self) {
        let text = *self;
        self.set_lossy(text.as_str().as_bytes());
    }

    /// Replaces the content with what fits of `bytes`, read as UTF-8; control characters become spaces.
    pub(crate) fn set_lossy(&mut self, bytes: &[u8]) {
        self.clear();
        append_lossy(&mut self.bytes, &mut self.len, bytes);
    }
}

// One copy for all sizes.

#[inline(never)]
fn text_of(bytes: &[u8], len: u8) -> &str {
    match bytes.get(..usize::from(len)) {
        // The main namespace, which every packet asks for.
        Some(b"/") => "/",
        Some(bytes) => core::str::from_utf8(bytes).unwrap_or(""),
        None => "",
    }
}

#[inline(never)]
fn append(bytes: &mut [u8], len: &mut u8, text: &str) -> bool {
    let most = bytes.len().min(255);
    let room = bytes.get_mut(usize::from(*len)..most).unwrap_or_default();
    let mut n = text.len().min(room.len());
    while !text.is_char_boundary(n) {
        n -= 1;
    }
    for (to, from) in room.iter_mut().zip(text.as_bytes().iter().take(n)) {
        *to = *from;
    }
    *len += n as u8;
    n == text.len()
}

fn append_lossy(out: &mut [u8], len: &mut u8, bytes: &[u8]) {
    let mut left = bytes;
    while !left.is_empty() {
        let (valid, invalid) = slices::split_text(left);
        let from = usize::from(*len);
        let fits = append(out, len, valid);
        blank_control(out.get_mut(from..usize::from(*len)).unwrap_or_default());
        if !fits || invalid > 0 && !append(out, len, "\u{fffd}") {
            return;
        }
        left = slices::part(left, valid.len() + invalid, left.len());
    }
}

/// Control characters become spaces: those of one byte, and U+0080 to U+009F, which have two.
fn blank_control(text: &mut [u8]) {
    let mut lead = false;
    for at in 0..text.len() {
        let c = slices::part(text, at, at + 1)
            .first()
            .copied()
            .unwrap_or_default();
        let second = lead && c < 0xa0;
        lead = c == 0xc2;
        if (c < 0x20 || c == 0x7f || second)
            && let Some(blank) = text.get_mut(at - usize::from(second)..=at)
        {
            blank.fill(b' ');
        }
    }
}

impl<const N: usize> Default for Short<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> PartialEq for Short<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl<const N: usize> Eq for Short<N> {}

impl<const N: usize> fmt::Debug for Short<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Write for Short<N> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        // Nothing follows what has been cut.
        if self.push_str(s) {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_characters() {
        assert_eq!(Short::<4>::cut("abé€").as_str(), "abé");
        let mut s = Short::<8>::EMPTY;
        s.set_lossy(b"a\n\xff<b");
        assert_eq!(s.as_str(), "a \u{fffd}<b");
        let mut s = Short::<16>::EMPTY;
        s.set_lossy("\u{80}\u{9f}a\u{a0}\u{e9}\u{7f}\0b\u{20ac}".as_bytes());
        assert_eq!(s.as_str(), "    a\u{a0}\u{e9}  b\u{20ac}");
        s.set_lossy(b"\xe2\x82");
        assert_eq!(s.as_str(), "\u{fffd}");
    }
}
