//! A strict JSON scanner: it finds where values begin and end, and builds nothing.
//!
//! The grammar is RFC 8259's. Nesting is a bit per level and one call per 64 levels, at most [`MAX_DEPTH`]. UTF-8 is the caller's business
//! (the bytes come from a `str`). No function here panics, whatever the bytes.
use core::fmt;
use core::ops::Range;

mod fields;
pub(in crate::packet) mod read;
mod scan;
pub(in crate::packet) mod write;

use crate::message::message;
#[cfg(feature = "eio3")]
pub(crate) use fields::has_members;
pub(crate) use fields::{
    ArrayItems, array_items, as_count, as_index, as_str, as_u64, canonical_placeholder,
    check_placeholders, field, is_placeholder, members,
};
use scan::Fault;
#[cfg(feature = "msgpack")]
pub(crate) use scan::is_plain_ascii;
pub(crate) use scan::{is_plain, is_special, short_string};

/// How deep arrays and objects may nest in a received payload; deeper ones are refused as a parse error that says so. Types that nest
/// are decoded by recursion: the bound is one on the stack, too. A multiple of 64.
pub(crate) const MAX_DEPTH: u32 = if cfg!(feature = "alloc") { 512 } else { 64 };

/// Why a text is not the JSON that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// The text ends inside a value.
    End { at: u32 },
    /// A byte that cannot stand here.
    Unexpected { at: u32 },
    /// A control character in a string, or an unknown escape.
    BadString { at: u32 },
    /// A number that breaks the grammar, such as `01` or `1.`.
    BadNumber { at: u32 },
    /// More than [`MAX_DEPTH`] levels.
    TooDeep { at: u32 },
    /// Something follows the value.
    Trailing { at: u32 },
    /// The value is not an array.
    NotArray { at: u32 },
    /// Longer than offsets of 32 bits reach.
    TooLong,
}

impl JsonError {
    /// The byte the complaint is about.
    pub(crate) const fn offset(self) -> u32 {
        match self {
            Self::End { at }
            | Self::Unexpected { at }
            | Self::BadString { at }
            | Self::BadNumber { at }
            | Self::TooDeep { at }
            | Self::Trailing { at }
            | Self::NotArray { at } => at,
            Self::TooLong => u32::MAX,
        }
    }

    /// The complaint without its place.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::End { .. } => message!("J1", "the JSON text ends too early"),
            Self::Unexpected { .. } => message!("J2", "unexpected character in JSON"),
            Self::BadString { .. } => {
                message!("J3", "bad escape or control character in a JSON string")
            }
            Self::BadNumber { .. } => message!("J4", "bad JSON number"),
            Self::TooDeep { .. } if MAX_DEPTH == 64 => {
                message!("J5", "JSON nested deeper than 64 levels")
            }
            Self::TooDeep { .. } => "JSON nested deeper than 512 levels",
            Self::Trailing { .. } => message!("J6", "text after the end of the JSON value"),
            Self::NotArray { .. } => message!("J7", "the JSON value is not an array"),
            Self::TooLong => message!("J8", "the JSON text is longer than 4 GiB"),
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.reason(), self.offset())
    }
}

/// What kind of value a text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// What one pass over an array found. Ranges leave out surrounding white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArrayScan {
    /// The first element; `0..0` in an empty array.
    pub first: Range<u32>,
    /// The comma after the first element, if there is a second one.
    pub rest: Option<u32>,
    /// The last element; `0..0` in an empty array.
    pub last: Range<u32>,
    /// Number of elements.
    pub count: u32,
    /// Just after the closing bracket.
    pub end: usize,
    /// Whether its bytes may not all be ASCII. (With `alloc` nobody looks.)
    pub wide: bool,
}

const fn u32_of(at: usize) -> u32 {
    at as u32
}

/// The next byte that is not white space, from `at` on.
#[cfg_attr(feature = "alloc", inline(always))]
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn skip_space(b: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = b.get(at) {
        at += 1;
    }
    at
}

/// As [`skip_space`], and the byte there: zero at the end, where JSON has none.
#[inline(always)]
pub(crate) fn look(b: &[u8], mut at: usize) -> (usize, u8) {
    loop {
        match b.get(at) {
            Some(&c) if c > b' ' => return (at, c),
            Some(b' ' | b'\n' | b'\r' | b'\t') => at += 1,
            Some(&c) => return (at, c),
            None => return (at, 0),
        }
    }
}

fn from(b: &[u8], at: usize) -> &[u8] {
    b.get(at..).unwrap_or_default()
}

/// The first byte, from `at` on, that a plain string cannot contain: a quote, a backslash or a control character.
#[inline]
pub(crate) fn find_special(b: &[u8], at: usize) -> usize {
    b.len() - scan::skip_plain(from(b, at)).len()
}

/// `at` is just after the opening quote; the answer is just after the closing one.
pub(crate) fn skip_string(b: &[u8], at: usize) -> Option<usize> {
    let mut fault = Fault::NONE;
    Some(b.len() - scan::skip_string(from(b, at), &mut fault)?.len())
}

/// Skips white space and one whole value, which is checked; the answer is the byte after it.
pub(crate) fn skip_value(b: &[u8], at: usize) -> Result<usize, JsonError> {
    let mut fault = Fault::NONE;
    match scan::value(from(b, at), &mut fault) {
        Some(left) => Ok(b.len() - left.len()),
        None => Err(fault.in_text(b.len())),
    }
}

/// Checks that the whole text is one value, and says of which kind.
pub(crate) fn check_value(b: &[u8]) -> Result<Kind, JsonError> {
    if u32::try_from(b.len()).is_err() {
        return Err(JsonError::TooLong);
    }
    let end = skip_value(b, 0)?;
    expect_end(b, from(b, end))?;
    Ok(match look(b, 0).1 {
        b'{' => Kind::Object,
        b'[' => Kind::Array,
        b'"' => Kind::String,
        b't' | b'f' => Kind::Bool,
        b'n' => Kind::Null,
        _ => Kind::Number,
    })
}

#[inline]
fn expect_end(b: &[u8], left: &[u8]) -> Result<(), JsonError> {
    if left.is_empty() {
        return Ok(());
    }
    let left = if left.is_empty() {
        left
    } else {
        scan::trim(left)
    };
    if left.is_empty() {
        Ok(())
    } else {
        Err(JsonError::Trailing {
            at: u32_of(b.len() - left.len()),
        })
    }
}

/// Checks that the whole text is one array, and says where its elements lie. Its elements may nest [`MAX_DEPTH`] levels.
pub(crate) fn scan_array(b: &[u8]) -> Result<ArrayScan, JsonError> {
    if u32::try_from(b.len()).is_err() {
        return Err(JsonError::TooLong);
    }
    let mut fault = Fault::NONE;
    match array(b, &mut fault) {
        Some(scan) => {
            expect_end(b, from(b, scan.end))?;
            Ok(scan)
        }
        None => match look(b, 0) {
            (_, b'[') => Err(fault.in_text(b.len())),
            (at, _) if at < b.len() => Err(JsonError::NotArray { at: u32_of(at) }),
            (at, _) => Err(JsonError::End { at: u32_of(at) }),
        },
    }
}

#[inline]
fn array(b: &[u8], fault: &mut Fault) -> Option<ArrayScan> {
    let at = |left: &[u8]| u32_of(b.len() - left.len());
    let mut scan = ArrayScan {
        first: 0..0,
        rest: None,
        last: 0..0,
        count: 0,
        end: 0,
        wide: false,
    };
    let (b'[', mut left) = scan::take(b) else {
        return None;
    };
    if let (b']', tail) = scan::take(left) {
        scan.end = b.len() - tail.len();
        return Some(scan);
    }
    loop {
        if let [..=b' ', ..] = left {
            left = scan::trim(left);
        }
        let start = at(left);
        left = scan::value(left, fault)?;
        scan.last = start..at(left);
        scan.count += 1;
        if scan.count == 1 {
            scan.first = scan.last.clone();
        }
        match scan::take(left) {
            (b',', tail) => {
                left = tail;
                if scan.count == 1 {
                    scan.rest = Some(at(left) - 1);
                }
            }
            (b']', tail) => {
                scan.end = b.len() - tail.len();
                scan.wide = fault.wide;
                return Some(scan);
            }
            _ => return fault.unexpected(left),
        }
    }
}

#[cfg(test)]
mod tests;
