//! The walk over one value.
//!
//! Functions take what is left of the text and answer with what is left behind: a slice pattern checks its bounds once, and an index would
//! be checked again at every byte. Short strings, keys with their colons and what parts members are told at sight, and stay in line;
//! everything else is a call. `None` means that [`Fault`] says why; like this the answer comes back in registers.
use super::{JsonError, MAX_DEPTH};

#[derive(Clone, Copy)]
enum Why {
    End,
    Unexpected,
    BadString,
    BadNumber,
    TooDeep,
}

/// What is wrong, and how much of the text is left there, that byte included.
pub(super) struct Fault {
    why: Why,
    left: usize,
    /// Levels around the ones that [`skip_nested`] counts.
    outer: u32,
    /// There may be characters beyond ASCII in what has been skipped.
    pub(super) wide: bool,
}

impl Fault {
    pub(super) const NONE: Self = Self {
        why: Why::End,
        left: 0,
        outer: 0,
        wide: WORDS,
    };

    /// `left` begins with the byte that is wrong.
    #[cold]
    #[inline(never)]
    fn set<T>(&mut self, why: Why, left: &[u8]) -> Option<T> {
        (self.why, self.left) = (why, left.len());
        None
    }

    /// The text ends here, or goes on with something that is wrong.
    #[cold]
    #[inline(never)]
    fn end_or<T>(&mut self, why: Why, left: &[u8]) -> Option<T> {
        match left {
            [] => self.set(Why::End, left),
            _ => self.set(why, left),
        }
    }

    /// The next byte that is not white space cannot stand there.
    #[cold]
    #[inline(never)]
    pub(super) fn unexpected<T>(&mut self, left: &[u8]) -> Option<T> {
        self.end_or(Why::Unexpected, trim(left))
    }

    /// `c`, behind which `left` is, came from [`take`] and cannot stand there.
    #[cold]
    #[inline(never)]
    fn before<T>(&mut self, c: u8, left: &[u8]) -> Option<T> {
        if c == END {
            return self.set(Why::End, left);
        }
        self.set_before(Why::Unexpected, left)
    }

    /// The byte in front of `left` is wrong.
    #[cold]
    fn set_before<T>(&mut self, why: Why, left: &[u8]) -> Option<T> {
        (self.why, self.left) = (why, left.len() + 1);
        None
    }

    /// The error, in a text of this length.
    #[cold]
    pub(super) fn in_text(self, len: usize) -> JsonError {
        let at = (len - self.left.min(len)) as u32;
        match self.why {
            Why::End => JsonError::End { at },
            Why::Unexpected => JsonError::Unexpected { at },
            Why::BadString => JsonError::BadString { at },
            Why::BadNumber => JsonError::BadNumber { at },
            Why::TooDeep => JsonError::TooDeep { at },
        }
    }
}

/// What is left of a text.
pub(super) type Left<'a> = Option<&'a [u8]>;

/// Skips white space.
#[inline(never)]
pub(super) fn trim(mut left: &[u8]) -> &[u8] {
    while let [b' ' | b'\n' | b'\r' | b'\t', tail @ ..] = left {
        left = tail;
    }
    left
}

/// Stands for the end of the text where a byte is looked at: it occurs in no UTF-8.
const END: u8 = 0xff;

/// The next byte that is not white space, and what is behind it.
#[inline(always)]
pub(super) fn take(left: &[u8]) -> (u8, &[u8]) {
    match left {
        [c, tail @ ..] if *c > b' ' => (*c, tail),
        _ => match trim(left) {
            [c, tail @ ..] => (*c, tail),
            [] => (END, &[]),
        },
    }
}

/// Whether to look at words rather than bytes. Chips that read no word at an odd address gain nothing by it but code.
const WORDS: bool = cfg!(feature = "alloc");
const WORD: usize = size_of::<usize>();
const ONES: usize = usize::MAX / 255;
const HIGH: usize = ONES << 7;

/// Flags, in the highest bit of each byte, those that a plain string cannot contain. The lowest flag is always right; one above it may not
/// be, because borrows run upwards.
#[inline(always)]
const fn special(word: [u8; WORD]) -> usize {
    let w = usize::from_le_bytes(word);
    // One bit flipped, the quote lies just above the control characters.
    let low = (w ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let slash = (w ^ (ONES * b'\\' as usize)).wrapping_sub(ONES);
    (low | slash) & !w & HIGH
}

/// The byte that the lowest flag is in.
#[inline(always)]
const fn lowest(flags: usize) -> usize {
    flags.trailing_zeros() as usize / 8
}

/// Skips to the first byte that a plain string cannot contain: a quote, a backslash or a control character. A word at a time.
#[cfg_attr(feature = "alloc", inline)]
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn skip_plain(mut left: &[u8]) -> &[u8] {
    while WORDS && let Some((word, tail)) = left.split_first_chunk::<WORD>() {
        let hit = special(*word);
        if hit != 0 {
            return &left[lowest(hit)..];
        }
        left = tail;
    }
    while let [c, tail @ ..] = left {
        if is_special(*c) {
            break;
        }
        left = tail;
    }
    left
}

/// As [`skip_plain`], and to the first byte that is not ASCII.
#[cfg(not(feature = "alloc"))]
#[inline(always)]
fn skip_ascii(mut left: &[u8]) -> &[u8] {
    while let [c, tail @ ..] = left {
        if is_special(*c) || *c >= 0x80 {
            break;
        }
        left = tail;
    }
    left
}

#[cfg(feature = "alloc")]
#[inline(always)]
fn skip_ascii(left: &[u8]) -> &[u8] {
    skip_plain(left)
}

/// Where the first underscore or backslash is: what a placeholder cannot do without. A word at a time.
pub(super) fn find_mark(b: &[u8]) -> Option<usize> {
    const FAMILY: u8 = 0xfc;
    const MARKS: u8 = b'_' & FAMILY;
    const _: () = assert!(MARKS == b'\\' & FAMILY);
    let mut at = 0;
    while WORDS && let Some(word) = b.get(at..).and_then(<[u8]>::first_chunk::<WORD>) {
        // The two, with the closing bracket and the caret, are alike but for their two lowest bits.
        let others =
            usize::from_le_bytes(*word) & (ONES * FAMILY as usize) ^ (ONES * MARKS as usize);
        // The lowest flag is always right, as in `special`.
        let hit = others.wrapping_sub(ONES) & !others & HIGH;
        if hit == 0 {
            at += WORD;
            continue;
        }
        at += lowest(hit);
        if matches!(b.get(at), Some(b'_' | b'\\')) {
            return Some(at);
        }
        at += 1;
    }
    let tail = b.get(at..)?;
    let found = tail.iter().position(|c| matches!(c, b'_' | b'\\'))?;
    Some(at + found)
}

/// Whether a byte cannot stand in a string as it is.
#[inline(always)]
pub(crate) const fn is_special(c: u8) -> bool {
    c == b'"' || c == b'\\' || c < 0x20
}

/// Whether a text needs no escape at all. Quick for short ones too: their halves may overlap.
#[inline]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    const HALF: usize = WORD / 2;
    if !WORDS {
        return skip_plain(text).is_empty();
    }
    if let Some(end) = text.last_chunk::<WORD>() {
        return text
            .chunks_exact(WORD)
            .all(|chunk| chunk.first_chunk().is_some_and(|word| special(*word) == 0))
            && special(*end) == 0;
    }
    if let (Some(front), Some(end)) = (text.first_chunk::<HALF>(), text.last_chunk::<HALF>()) {
        let mut word = [0; WORD];
        word[..HALF].copy_from_slice(front);
        word[HALF..].copy_from_slice(end);
        return special(word) == 0;
    }
    skip_plain(text).is_empty()
}

/// Whether a text is ASCII that needs no escape, as most short ones are.
#[cfg(feature = "msgpack")]
#[inline]
pub(crate) fn is_plain_ascii(text: &[u8]) -> bool {
    const HALF: usize = WORD / 2;
    const fn odd(word: [u8; WORD]) -> usize {
        let w = usize::from_le_bytes(word);
        let low = (w ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
        let slash = (w ^ (ONES * b'\\' as usize)).wrapping_sub(ONES);
        (low | slash | w) & HIGH
    }
    if let Some(end) = text.last_chunk::<WORD>() {
        return odd(*end) == 0
            && text
                .chunks_exact(WORD)
                .all(|chunk| chunk.first_chunk().is_some_and(|word| odd(*word) == 0));
    }
    if let (Some(front), Some(end)) = (text.first_chunk::<HALF>(), text.last_chunk::<HALF>()) {
        let mut word = [0; WORD];
        word[..HALF].copy_from_slice(front);
        word[HALF..].copy_from_slice(end);
        return odd(word) == 0;
    }
    text.iter().all(|c| c.is_ascii() && !is_special(*c))
}

/// Where the quote is that ends a string of less than a word, if nothing odd comes first. Characters beyond ASCII may count as odd.
#[inline(always)]
pub(crate) fn short_string(left: &[u8]) -> Option<usize> {
    if !WORDS {
        return None;
    }
    let w = usize::from_le_bytes(*left.first_chunk()?);
    let low = (w ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let slash = (w ^ (ONES * b'\\' as usize)).wrapping_sub(ONES);
    let hit = (low | slash) & HIGH;
    (hit != 0).then(|| lowest(hit))
}

/// What is left behind the string, of which the opening quote is gone.
#[inline(always)]
pub(super) fn skip_string<'a>(left: &'a [u8], fault: &mut Fault) -> Left<'a> {
    if let Some(end) = short_string(left)
        && let Some((b'"', tail)) = left[end..].split_first()
    {
        return Some(tail);
    }
    skip_far_string(left, fault)
}

/// As [`skip_string`], for every string.
#[inline(never)]
fn skip_far_string<'a>(mut left: &'a [u8], fault: &mut Fault) -> Left<'a> {
    const BAD: Why = Why::BadString;
    loop {
        left = match skip_ascii(left) {
            [b'"', left @ ..] => return Some(left),
            [0x80..=0xff, left @ ..] if !WORDS => {
                fault.wide = true;
                left
            }
            [
                b'\\',
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                left @ ..,
            ] => left,
            [b'\\', b'u', digits @ ..] => {
                let hex = digits.iter().take_while(|c| c.is_ascii_hexdigit()).take(4);
                let left = super::from(digits, hex.count());
                if digits.len() - left.len() < 4 {
                    return fault.end_or(BAD, left);
                }
                left
            }
            [b'\\', left @ ..] | left => return fault.end_or(BAD, left),
        };
    }
}

/// The first byte of a member's value and what is behind it, when the quote in front of the key is gone.
#[inline(always)]
fn skip_key<'a>(left: &'a [u8], fault: &mut Fault) -> Option<(u8, &'a [u8])> {
    if let Some(end) = short_string(left)
        && let Some((&[quote, colon, c], tail)) = left[end..].split_first_chunk()
        && u16::from_le_bytes([quote, colon]) == u16::from_le_bytes(*b"\":")
        && c > b' '
    {
        return Some((c, tail));
    }
    Some(take(skip_far_key(left, fault)?))
}

/// As [`skip_key`], for every key; the value is still to be taken.
#[inline(never)]
fn skip_far_key<'a>(left: &'a [u8], fault: &mut Fault) -> Left<'a> {
    let left = skip_far_string(left, fault)?;
    match take(left) {
        (b':', left) => Some(left),
        _ => fault.unexpected(left),
    }
}

#[inline(always)]
pub(super) fn skip_digits(mut left: &[u8]) -> &[u8] {
    while let [b'0'..=b'9', tail @ ..] = left {
        left = tail;
    }
    left
}

/// Digits of which one at least must be there.
#[inline]
fn need_digits<'a>(left: &'a [u8], fault: &mut Fault) -> Left<'a> {
    match left {
        [b'0'..=b'9', left @ ..] => Some(skip_digits(left)),
        _ => fault.end_or(Why::BadNumber, left),
    }
}

/// What is behind the number, whose first byte is `c`, or what is wrong with it.
#[inline(never)]
fn skip_number<'a>(c: u8, left: &'a [u8], fault: &mut Fault) -> Left<'a> {
    let (first, mut left) = match left {
        [first, tail @ ..] if c == b'-' => (*first, tail),
        [] if c == b'-' => return fault.set(Why::End, left),
        _ => (c, left),
    };
    match (first, left) {
        (b'1'..=b'9', _) => left = skip_digits(left),
        (b'0', [b'0'..=b'9', ..]) => return fault.set(Why::BadNumber, left),
        (b'0', _) => {}
        _ => return no_number(c, left, fault),
    }
    if let [b'.', tail @ ..] = left {
        left = need_digits(tail, fault)?;
    }
    match left {
        [b'e' | b'E', tail @ ..] => skip_exponent(tail, fault),
        _ => Some(left),
    }
}

#[cold]
#[inline(never)]
fn no_number<'a>(c: u8, left: &'a [u8], fault: &mut Fault) -> Left<'a> {
    if c == b'-' {
        fault.set_before(Why::BadNumber, left)
    } else {
        fault.before(c, left)
    }
}

#[inline(never)]
fn skip_exponent<'a>(left: &'a [u8], fault: &mut Fault) -> Left<'a> {
    match left {
        [b'+' | b'-', left @ ..] | left => need_digits(left, fault),
    }
}

/// `true`, `false`, `null`, or the reason why nothing begins with `c`, behind which `left` is.
#[inline(never)]
fn skip_word<'a>(c: u8, left: &'a [u8], fault: &mut Fault) -> Left<'a> {
    // A comparison each, of a length that is known: no call.
    fn behind<'a, const N: usize>(left: &'a [u8], word: &[u8; N]) -> Left<'a> {
        let (front, left) = left.split_first_chunk()?;
        (front == word).then_some(left)
    }
    let found = match c {
        b't' | b'f' | b'n' if !WORDS => return word(c, left, fault),
        b't' => behind(left, b"rue"),
        b'f' => behind(left, b"alse"),
        b'n' => behind(left, b"ull"),
        _ => return fault.before(c, left),
    };
    if found.is_none() {
        return no_word(c, left, fault);
    }
    found
}

#[cold]
fn no_word<'a>(c: u8, left: &'a [u8], fault: &mut Fault) -> Left<'a> {
    word(c, left, fault)
}

/// The word whose first letter is `c`, letter by letter.
#[inline(always)]
fn word<'a>(c: u8, mut left: &'a [u8], fault: &mut Fault) -> Left<'a> {
    let word: &[u8] = match c {
        b't' => b"rue",
        b'f' => b"alse",
        _ => b"ull",
    };
    for letter in word {
        left = match left {
            [c, tail @ ..] if c == letter => tail,
            _ => return fault.end_or(Why::Unexpected, left),
        };
    }
    Some(left)
}

/// Skips white space and one whole value, which is checked.
#[inline]
pub(super) fn value<'a>(left: &'a [u8], fault: &mut Fault) -> Left<'a> {
    match take(left) {
        (b'"', left) => skip_string(left, fault),
        (c @ (b'-' | b'0'..=b'9'), left) => skip_number(c, left, fault),
        #[cfg(feature = "alloc")]
        (c @ (b'[' | b'{'), left) => match behind_placeholder(c, left) {
            None => skip_nested(c, left, fault),
            left => left,
        },
        #[cfg(not(feature = "alloc"))]
        (c @ (b'[' | b'{'), left) => skip_nested(c, left, fault),
        (c, left) => skip_word(c, left, fault),
    }
}

/// What is behind a binary value's placeholder, whose brace is `c`, if it is written as every server writes one.
#[cfg(feature = "alloc")]
#[inline(always)]
fn behind_placeholder(c: u8, left: &[u8]) -> Left<'_> {
    if c != b'{' {
        return None;
    }
    match left {
        [b'"', b'_', ..] => match left.strip_prefix(br#""_placeholder":true,"num":"#)? {
            [b'0'..=b'9', b'}', left @ ..] => Some(left),
            _ => None,
        },
        _ => None,
    }
}

/// As many levels as a word has bits.
const LEVELS: u32 = u64::BITS;

/// What is behind an array or object with [`LEVELS`] levels around it. One call for so many levels: the stack stays small, and the common
/// way need not know.
#[cold]
#[inline(never)]
fn skip_deeper<'a>(c: u8, left: &'a [u8], fault: &mut Fault) -> Left<'a> {
    if MAX_DEPTH <= LEVELS || fault.outer + LEVELS >= MAX_DEPTH {
        return fault.set_before(Why::TooDeep, left);
    }
    fault.outer += LEVELS;
    let left = skip_nested(c, left, fault)?;
    fault.outer -= LEVELS;
    Some(left)
}

/// What is behind an array or object, whose bracket is `c`.
#[inline(never)]
fn skip_nested<'a>(mut c: u8, mut left: &'a [u8], fault: &mut Fault) -> Left<'a> {
    // Bit 0 is the innermost level: set for an object. The enclosing levels are above it.
    let mut levels: u64 = 0;
    let mut depth: u32 = 0;
    'value: loop {
        // Here a value begins, with `c`.
        'member: {
            if c == b'"' {
                left = skip_string(left, fault)?;
            } else if matches!(c, b'-'..=b'9') {
                left = skip_number(c, left, fault)?;
            } else if c == b'{' || c == b'[' {
                if depth == LEVELS {
                    left = skip_deeper(c, left, fault)?;
                } else {
                    let (first, tail) = take(left);
                    // ']' and '}' lie two above their opening brackets.
                    if first != c + 2 {
                        depth += 1;
                        levels <<= 1;
                        if c == b'[' {
                            (c, left) = (first, tail);
                            continue 'value;
                        }
                        if first != b'"' {
                            return fault.unexpected(left);
                        }
                        levels |= 1;
                        left = tail;
                        break 'member;
                    }
                    left = tail;
                }
            } else {
                left = skip_word(c, left, fault)?;
            }
            // Here a value has ended: what follows is another, or ends of levels.
            loop {
                if depth == 0 {
                    return Some(left);
                }
                let object = levels & 1 == 1;
                if WORDS
                    && object
                    && let Some((&comma, tail)) = left.split_first_chunk()
                    && u16::from_le_bytes(comma) == u16::from_le_bytes(*b",\"")
                {
                    left = tail;
                    break 'member;
                }
                let (next, tail) = take(left);
                if next == b',' {
                    left = tail;
                    let (first, tail) = take(left);
                    if !object {
                        (c, left) = (first, tail);
                        continue 'value;
                    }
                    if first != b'"' {
                        return fault.unexpected(left);
                    }
                    left = tail;
                    break 'member;
                }
                if next != if object { b'}' } else { b']' } {
                    return fault.unexpected(left);
                }
                left = tail;
                depth -= 1;
                levels >>= 1;
            }
        }
        (c, left) = skip_key(left, fault)?;
    }
}
