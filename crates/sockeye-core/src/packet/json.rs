//! A strict JSON scanner: it finds where values begin and end, and builds nothing.
//!
//! The grammar is RFC 8259's, without recursion: nesting is a bit per level, at most [`MAX_DEPTH`]. UTF-8 is the caller's business
//! (the bytes come from a `str`). No function here panics, whatever the bytes.
use core::fmt;
use core::ops::Range;

mod fields;

pub(crate) use fields::{
    ArrayItems, array_items, as_str, as_u64, canonical_placeholder, check_placeholders, field,
};

/// How deep arrays and objects may nest in a received payload; deeper ones are refused as a parse error.
pub(crate) const MAX_DEPTH: u32 = 64;

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
            Self::End { .. } => "the JSON text ends too early",
            Self::Unexpected { .. } => "unexpected character in JSON",
            Self::BadString { .. } => "bad escape or control character in a JSON string",
            Self::BadNumber { .. } => "bad JSON number",
            Self::TooDeep { .. } => "JSON nested deeper than 64 levels",
            Self::Trailing { .. } => "text after the end of the JSON value",
            Self::NotArray { .. } => "the JSON value is not an array",
            Self::TooLong => "the JSON text is longer than 4 GiB",
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
}

/// A [`JsonError`] as one number, which comes back in registers: the place times eight, and the reason.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault(usize);

enum Why {
    End,
    Unexpected,
    BadString,
    BadNumber,
    TooDeep,
}

impl Fault {
    #[inline]
    const fn new(why: Why, at: usize) -> Self {
        Self(at << 3 | why as usize)
    }
}

impl From<Fault> for JsonError {
    fn from(fault: Fault) -> Self {
        const WHYS: [fn(u32) -> JsonError; 5] = [
            |at| JsonError::End { at },
            |at| JsonError::Unexpected { at },
            |at| JsonError::BadString { at },
            |at| JsonError::BadNumber { at },
            |at| JsonError::TooDeep { at },
        ];
        WHYS[(fault.0 & 7).min(4)](u32_of(fault.0 >> 3))
    }
}

const fn u32_of(at: usize) -> u32 {
    at as u32
}

/// The next byte that is not white space, from `at` on.
#[inline(always)]
pub(crate) fn skip_space(b: &[u8], mut at: usize) -> usize {
    while let Some(&c) = b.get(at) {
        if c > b' ' || !matches!(c, b' ' | b'\n' | b'\r' | b'\t') {
            break;
        }
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

/// What to say of a byte that cannot stand where it does.
#[cold]
const fn unexpected(b: &[u8], at: usize) -> Fault {
    if at < b.len() {
        Fault::new(Why::Unexpected, at)
    } else {
        Fault::new(Why::End, at)
    }
}

const WORD: usize = size_of::<usize>();

/// Flags, in the highest bit of each byte, those that a plain string cannot contain. The lowest flag is always right; one above it may not
/// be, because borrows run upwards.
#[inline(always)]
const fn special(word: [u8; WORD]) -> usize {
    const ONES: usize = usize::MAX / 255;
    let w = usize::from_le_bytes(word);
    // One bit flipped, the quote lies just above the control characters.
    let low = (w ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let slash = (w ^ (ONES * b'\\' as usize)).wrapping_sub(ONES);
    (low | slash) & !w & (ONES << 7)
}

/// The first byte, from `at` on, that a plain string cannot contain: a quote, a backslash or a control character. A word at a time.
#[inline]
pub(crate) fn find_special(b: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = b.get(at..).and_then(<[u8]>::first_chunk::<WORD>) {
        let hit = special(*chunk);
        if hit != 0 {
            return at + hit.trailing_zeros() as usize / 8;
        }
        at += WORD;
    }
    while let Some(&c) = b.get(at) {
        if c == b'"' || c == b'\\' || c < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

/// Whether a text needs no escape at all. Quick for short ones too: their halves may overlap.
#[inline]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    const HALF: usize = WORD / 2;
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
    find_special(text, 0) == text.len()
}

/// `at` is just after the opening quote; the answer is just after the closing one.
#[inline]
pub(crate) fn skip_string(b: &[u8], at: usize) -> Result<usize, Fault> {
    let at = find_special(b, at);
    if b.get(at) == Some(&b'"') {
        Ok(at + 1)
    } else {
        skip_odd_string(b, at)
    }
}

/// The rest of a string from its first odd byte on.
fn skip_odd_string(b: &[u8], mut at: usize) -> Result<usize, Fault> {
    loop {
        match b.get(at) {
            None => return Err(Fault::new(Why::End, at)),
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match b.get(at + 1) {
                None => return Err(Fault::new(Why::End, at + 1)),
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                Some(b'u') => {
                    for n in at + 2..at + 6 {
                        match b.get(n) {
                            None => return Err(Fault::new(Why::End, n)),
                            Some(c) if c.is_ascii_hexdigit() => {}
                            Some(_) => return Err(Fault::new(Why::BadString, n)),
                        }
                    }
                    at += 6;
                }
                Some(_) => return Err(Fault::new(Why::BadString, at + 1)),
            },
            Some(_) => return Err(Fault::new(Why::BadString, at)),
        }
        at = find_special(b, at);
    }
}

#[inline(always)]
fn skip_digits(b: &[u8], mut at: usize) -> usize {
    while b.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

/// `at` is the first byte of the number, a digit or a minus sign.
#[inline(always)]
fn skip_number(b: &[u8], mut at: usize) -> Result<usize, Fault> {
    let missing = |at: usize| match b.get(at) {
        None => Fault::new(Why::End, at),
        Some(_) => Fault::new(Why::BadNumber, at),
    };
    if b.get(at) == Some(&b'-') {
        at += 1;
    }
    match b.get(at) {
        Some(b'0') => {
            at += 1;
            if b.get(at).is_some_and(u8::is_ascii_digit) {
                return Err(Fault::new(Why::BadNumber, at));
            }
        }
        Some(b'1'..=b'9') => at = skip_digits(b, at + 1),
        _ => return Err(missing(at)),
    }
    if b.get(at) == Some(&b'.') {
        let digits = at + 1;
        at = skip_digits(b, digits);
        if at == digits {
            return Err(missing(at));
        }
    }
    if let Some(b'e' | b'E') = b.get(at) {
        let mut digits = at + 1;
        if let Some(b'+' | b'-') = b.get(digits) {
            digits += 1;
        }
        at = skip_digits(b, digits);
        if at == digits {
            return Err(missing(at));
        }
    }
    Ok(at)
}

#[inline]
fn skip_word(b: &[u8], at: usize, word: &[u8]) -> Result<usize, Fault> {
    if b.get(at..at + word.len()) == Some(word) {
        return Ok(at + word.len());
    }
    let same = b[at..].iter().zip(word).take_while(|(a, b)| a == b).count();
    Err(unexpected(b, at + same))
}

/// Skips white space and one whole value, which is checked; the answer is the byte after it.
#[inline]
pub(crate) fn skip_value(b: &[u8], at: usize) -> Result<usize, JsonError> {
    Ok(value(b, at)?)
}

/// As [`skip_value`].
#[inline]
fn value(b: &[u8], at: usize) -> Result<usize, Fault> {
    let (at, c) = look(b, at);
    match c {
        b'"' => skip_string(b, at + 1),
        b'-' | b'0'..=b'9' => skip_number(b, at),
        b'[' | b'{' => skip_nested(b, at, c),
        _ => skip_other(b, at),
    }
}

/// `true`, `false`, `null`, or the reason why nothing begins here.
fn skip_other(b: &[u8], at: usize) -> Result<usize, Fault> {
    match b.get(at) {
        Some(b't') => skip_word(b, at, b"true"),
        Some(b'f') => skip_word(b, at, b"false"),
        Some(b'n') => skip_word(b, at, b"null"),
        _ => Err(unexpected(b, at)),
    }
}

/// A member's key and colon, `at` being its quote; the answer is the byte after the colon.
#[inline(always)]
fn skip_key(b: &[u8], at: usize) -> Result<usize, Fault> {
    if b.get(at) != Some(&b'"') {
        return Err(unexpected(b, at));
    }
    let (at, c) = look(b, skip_string(b, at + 1)?);
    if c == b':' {
        Ok(at + 1)
    } else {
        Err(unexpected(b, at))
    }
}

/// An array or object; `at` is its bracket, `c`.
fn skip_nested(b: &[u8], mut at: usize, mut c: u8) -> Result<usize, Fault> {
    // Bit 0 is the innermost level: set for an object. The enclosing levels are above it.
    let mut levels: u64 = 0;
    let mut depth: u32 = 0;
    loop {
        // Here a value begins, at `at` with `c`.
        match c {
            b'"' => at = skip_string(b, at + 1)?,
            b'-' | b'0'..=b'9' => at = skip_number(b, at)?,
            b'[' | b'{' => {
                if depth == MAX_DEPTH {
                    return Err(Fault::new(Why::TooDeep, at));
                }
                let open = c;
                (at, c) = look(b, at + 1);
                // ']' and '}' lie two above their opening brackets.
                if c == open + 2 {
                    at += 1;
                } else {
                    depth += 1;
                    levels = levels << 1 | u64::from(open == b'{');
                    if open == b'{' {
                        (at, c) = look(b, skip_key(b, at)?);
                    }
                    continue;
                }
            }
            _ => at = skip_other(b, at)?,
        }
        // Here a value has ended.
        loop {
            if depth == 0 {
                return Ok(at);
            }
            (at, c) = look(b, at);
            let in_object = levels & 1 == 1;
            if c == b',' {
                (at, c) = look(b, at + 1);
                if in_object {
                    (at, c) = look(b, skip_key(b, at)?);
                }
                break;
            }
            if c != if in_object { b'}' } else { b']' } {
                return Err(unexpected(b, at));
            }
            at += 1;
            depth -= 1;
            levels >>= 1;
        }
    }
}

#[inline]
fn expect_end(b: &[u8], at: usize) -> Result<(), JsonError> {
    let at = skip_space(b, at);
    if at == b.len() {
        Ok(())
    } else {
        Err(JsonError::Trailing { at: u32_of(at) })
    }
}

/// Checks that the whole text is one value, and says of which kind.
pub(crate) fn check_value(b: &[u8]) -> Result<Kind, JsonError> {
    if u32::try_from(b.len()).is_err() {
        return Err(JsonError::TooLong);
    }
    let end = value(b, 0)?;
    expect_end(b, end)?;
    Ok(match b[skip_space(b, 0)] {
        b'{' => Kind::Object,
        b'[' => Kind::Array,
        b'"' => Kind::String,
        b't' | b'f' => Kind::Bool,
        b'n' => Kind::Null,
        _ => Kind::Number,
    })
}

/// Checks that the whole text is one array, and says where its elements lie. Its elements may nest [`MAX_DEPTH`] levels.
pub(crate) fn scan_array(b: &[u8]) -> Result<ArrayScan, JsonError> {
    if u32::try_from(b.len()).is_err() {
        return Err(JsonError::TooLong);
    }
    let mut at = skip_space(b, 0);
    match b.get(at) {
        Some(b'[') => {}
        Some(_) => return Err(JsonError::NotArray { at: u32_of(at) }),
        None => return Err(JsonError::End { at: u32_of(at) }),
    }
    let mut scan = ArrayScan {
        first: 0..0,
        rest: None,
        last: 0..0,
        count: 0,
        end: 0,
    };
    at = skip_space(b, at + 1);
    if b.get(at) == Some(&b']') {
        scan.end = at + 1;
        expect_end(b, scan.end)?;
        return Ok(scan);
    }
    loop {
        let start = at;
        let end = value(b, start)?;
        scan.last = u32_of(start)..u32_of(end);
        scan.count += 1;
        if scan.count == 1 {
            scan.first = scan.last.clone();
        }
        at = skip_space(b, end);
        match b.get(at) {
            Some(b',') => {
                if scan.count == 1 {
                    scan.rest = Some(u32_of(at));
                }
                at = skip_space(b, at + 1);
            }
            Some(b']') => {
                scan.end = at + 1;
                expect_end(b, scan.end)?;
                return Ok(scan);
            }
            Some(_) => return Err(JsonError::Unexpected { at: u32_of(at) }),
            None => return Err(JsonError::End { at: u32_of(at) }),
        }
    }
}

#[cfg(test)]
#[path = "tests_json.rs"]
mod tests;
