//! Looking into JSON that has been validated.
use super::{MAX_DEPTH, from, scan, skip_space, skip_string, skip_value};
use crate::packet::text::Text;
use crate::slices;

/// The raw text of a member of a valid object; the last one wins, as in JavaScript. `None` for anything else.
pub(crate) fn field<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    members(object)
        .filter(|(name, _)| *name == *key)
        .last()
        .map(|(_, value)| value)
}

/// Whether a JSON object has any members.
#[cfg(feature = "eio3")]
pub(crate) fn has_members(object: &str) -> bool {
    members(object).next().is_some()
}

/// A number without sign, fraction or exponent that fits.
pub(crate) fn as_u64(raw: &str) -> Option<u64> {
    if raw.is_empty() {
        return None;
    }
    raw.bytes().try_fold(0u64, |sum, c| {
        let digit = c.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A number of something that is counted, however it is written: `300`, `300.0`, `3e2`, and any of them as text (`"300"`), because servers
/// write all of these and JavaScript reads them alike. Fractions are cut off, what does not fit is [`usize::MAX`]. `None` for what is no
/// number, and below zero.
pub(crate) fn as_count(raw: &str) -> Option<usize> {
    let text = match raw.strip_prefix('"') {
        Some(text) => text.strip_suffix('"')?.trim_ascii(),
        None => raw,
    };
    number(text).map(|(count, _)| count)
}

/// The place in a list that a number names, however it is written: `1`, `1.0`, `10e-1`, and `-0` for the first. JavaScript reads
/// them alike. `None` for a fraction, for what is below zero, and for what is no number.
pub(crate) fn as_index(raw: &str) -> Option<usize> {
    number(raw)
        .filter(|(_, whole)| *whole)
        .map(|(number, _)| number)
}

/// As [`as_count`], of a number that is none as text, and whether it has no fraction.
fn number(text: &str) -> Option<(usize, bool)> {
    // In a text there may be anything.
    if super::check_value(text.as_bytes()) != Ok(super::Kind::Number) {
        return None;
    }
    // The digits make a whole number, of which the last ones may be zeroes not written, or the fraction.
    let (mut sum, mut zeroes, mut fraction) = (0usize, 0i32, false);
    let mut bytes = text.bytes();
    let negative = text.starts_with('-');
    while let Some(c) = bytes.next() {
        match c {
            b'0'..=b'9' if sum < usize::MAX / 16 => {
                sum = sum * 10 + usize::from(c - b'0');
                zeroes -= i32::from(fraction);
            }
            // More digits than matter.
            b'0'..=b'9' => zeroes += i32::from(!fraction),
            b'.' => fraction = true,
            b'e' | b'E' => {
                let less = bytes.clone().next() == Some(b'-');
                let exponent = bytes.fold(0i32, |sum, c| match c {
                    b'0'..=b'9' => sum.saturating_mul(10).saturating_add(i32::from(c - b'0')),
                    _ => sum,
                });
                let exponent = if less { -exponent } else { exponent };
                zeroes = zeroes.saturating_add(exponent);
                break;
            }
            _ => {}
        }
    }
    let mut whole = true;
    while zeroes < 0 && sum > 0 {
        whole &= sum.is_multiple_of(10);
        sum /= 10;
        zeroes += 1;
    }
    while zeroes > 0 && sum > 0 && sum < usize::MAX {
        sum = sum.saturating_mul(10);
        zeroes -= 1;
    }
    (!negative || sum == 0).then_some((sum, whole))
}

/// A string.
pub(crate) fn as_str(raw: &str) -> Option<Text<'_>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    Some(Text::from_raw(inner))
}

/// The raw elements of a valid array; none for anything else.
pub(crate) fn array_items(raw: &str) -> ArrayItems<'_> {
    let b = raw.as_bytes();
    let open = skip_space(b, 0);
    ArrayItems {
        raw,
        at: if b.get(open) == Some(&b'[') {
            open + 1
        } else {
            b.len()
        },
    }
}

/// See [`array_items`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArrayItems<'a> {
    raw: &'a str,
    /// Where the next element, a comma or the end is.
    at: usize,
}

impl<'a> ArrayItems<'a> {
    /// Goes on in the middle of an array: `at` is before an element (or before the comma in front of it).
    #[inline]
    pub(crate) const fn resume(raw: &'a str, at: usize) -> Self {
        Self { raw, at }
    }

    /// Where the next element's text begins, its comma consumed; `None` at the end.
    #[inline]
    pub(crate) fn seek(&mut self) -> Option<usize> {
        let b = self.raw.as_bytes();
        let mut at = skip_space(b, self.at);
        if b.get(at) == Some(&b',') {
            at = skip_space(b, at + 1);
        }
        self.at = at;
        match b.get(at) {
            None | Some(b']') => None,
            Some(_) => Some(at),
        }
    }

    /// The place reached so far.
    #[inline]
    pub(crate) const fn position(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for ArrayItems<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let start = self.seek()?;
        match skip_value(self.raw.as_bytes(), start) {
            Ok(end) => {
                self.at = end;
                self.raw.get(start..end)
            }
            Err(_) => {
                self.at = self.raw.len();
                None
            }
        }
    }
}

/// Names and raw values of the members of a valid object; none for anything else.
pub(crate) fn members(raw: &str) -> impl Iterator<Item = (Text<'_>, &str)> {
    let b = raw.as_bytes();
    let mut at = skip_space(b, 0);
    at = if b.get(at) == Some(&b'{') {
        skip_space(b, at + 1)
    } else {
        b.len()
    };
    core::iter::from_fn(move || {
        if b.get(at) != Some(&b'"') {
            return None;
        }
        let name_end = skip_string(b, at + 1)?;
        let name = Text::from_raw(raw.get(at + 1..name_end - 1)?);
        at = skip_space(b, name_end);
        if b.get(at) != Some(&b':') {
            return None;
        }
        let start = skip_space(b, at + 1);
        let end = skip_value(b, start).ok()?;
        at = skip_space(b, end);
        if b.get(at) == Some(&b',') {
            at = skip_space(b, at + 1);
        }
        Some((name, raw.get(start..end)?))
    })
}

fn key_is(raw: &[u8], want: &str) -> bool {
    raw == want.as_bytes()
        || raw.contains(&b'\\')
            && core::str::from_utf8(raw).is_ok_and(|raw| Text::from_raw(raw) == *want)
}

/// Whether placeholders as every server writes them are told at sight. The long way finds them, too.
const QUICK: bool = cfg!(feature = "alloc");

/// Whether every binary placeholder in a valid text, at any depth, names one of `attachments` attachments.
///
/// A placeholder is an object whose `_placeholder` is `true`; its `num` must be a whole number in range ([`as_index`]). Keys may be in any order.
pub(crate) fn check_placeholders(json: &[u8], attachments: usize) -> bool {
    QUICK && canonical(json, attachments) || any_placeholders(json, attachments)
}

/// The number of the placeholder at the front of `json` and what follows it, if it is written as every server writes
/// one: without white space, its keys in this order, and a number of one digit.
#[inline]
pub(crate) fn canonical_placeholder(json: &[u8]) -> Option<(usize, &[u8])> {
    if !QUICK {
        return None;
    }
    const PLACEHOLDER: &[u8; 27] = br#"{"_placeholder":true,"num":"#;
    match json.strip_prefix(PLACEHOLDER)? {
        [digit @ b'0'..=b'9', b'}', rest @ ..] => Some((usize::from(digit - b'0'), rest)),
        _ => None,
    }
}

/// Whether the object at the front of a valid text is a placeholder: for readers who did not ask for one, and so at every object of a packet
/// with attachments. Its first member has to be the mark or the number, as everybody writes it, and there is no walk over nested values,
/// because each level of a deep text would be walked over anew.
#[inline]
pub(crate) fn is_placeholder(json: &str) -> bool {
    let b = json.as_bytes();
    match b.get(1..) {
        Some([b'"', first, ..]) => matches!(first, b'_' | b'n' | b'\\') && is_marked(b),
        _ => is_marked(b),
    }
}

#[cold]
#[inline(never)]
fn is_marked(b: &[u8]) -> bool {
    if canonical_placeholder(b).is_some() {
        return true;
    }
    let mut at = skip_space(b, 1);
    while b.get(at) == Some(&b'"') {
        let Some(end) = skip_string(b, at + 1) else {
            return false;
        };
        let key = slices::part(b, at + 1, end - 1);
        at = skip_space(b, end);
        if b.get(at) != Some(&b':') {
            return false;
        }
        at = skip_space(b, at + 1);
        let value = b.get(at..).unwrap_or_default();
        if key_is(key, "_placeholder") {
            return value.starts_with(b"true");
        }
        if let [b'{' | b'[', ..] = value {
            return false;
        }
        let Ok(end) = skip_value(b, at) else {
            return false;
        };
        at = skip_space(b, end);
        if b.get(at) == Some(&b',') {
            at = skip_space(b, at + 1);
        }
    }
    false
}

/// Whether all placeholders are good and canonical: a look for their text is enough. `false` says nothing.
fn canonical(json: &[u8], attachments: usize) -> bool {
    let mut rest = json;
    while let Some(at) = scan::find_mark(rest) {
        // The underscore is the third character.
        let found = at
            .checked_sub(2)
            .and_then(|at| canonical_placeholder(rest.get(at..)?));
        rest = match found {
            Some((num, rest)) if num < attachments => rest,
            _ => return false,
        };
    }
    true
}

/// A bit for each level of nesting. The array around the arguments is one more level, and shares its bit with the deepest: it has no members.
struct Levels([u32; Self::WORDS]);

impl Levels {
    const WORDS: usize = MAX_DEPTH as usize / 32;
    const NONE: Self = Self([0; Self::WORDS]);

    fn place(level: usize) -> (usize, u32) {
        (level % MAX_DEPTH as usize / 32, 1 << (level % 32))
    }

    fn set(&mut self, level: usize, on: bool) {
        let (word, bit) = Self::place(level);
        self.0[word] = self.0[word] & !bit | if on { bit } else { 0 };
    }

    fn get(&self, level: usize) -> bool {
        let (word, bit) = Self::place(level);
        self.0[word] & bit != 0
    }
}

/// The long way: any order of keys, any white space and escapes.
fn any_placeholders(json: &[u8], attachments: usize) -> bool {
    // For each bracket around the place: was `_placeholder: true` seen in it, and a good `num`?
    let (mut marked, mut good) = (Levels::NONE, Levels::NONE);
    let mut level = 0usize;
    let mut at = 0;
    loop {
        at = match json.get(at) {
            None => return true,
            Some(b'{' | b'[') => {
                level += 1;
                marked.set(level, false);
                good.set(level, false);
                at + 1
            }
            Some(b'}' | b']') => {
                if marked.get(level) && !good.get(level) {
                    return false;
                }
                level = level.saturating_sub(1);
                at + 1
            }
            Some(b'"') => {
                let Some(end) = skip_string(json, at + 1) else {
                    return false;
                };
                let colon = skip_space(json, end);
                if json.get(colon) != Some(&b':') {
                    end
                } else {
                    let value = skip_space(json, colon + 1);
                    let key = slices::part(json, at + 1, end - 1);
                    if key_is(key, "_placeholder") {
                        marked.set(level, from(json, value).starts_with(b"true"));
                    } else if key_is(key, "num") {
                        let rest = from(json, value);
                        let is_over =
                            |b: &u8| !matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                        let end = rest.iter().position(is_over).unwrap_or(rest.len());
                        let num = core::str::from_utf8(slices::part(rest, 0, end))
                            .ok()
                            .and_then(as_index);
                        good.set(level, num.is_some_and(|num| num < attachments));
                    }
                    value
                }
            }
            Some(_) => at + 1,
        };
    }
}
