//! JSON to MessagePack, as `notepack.io` writes it: everything in the fewest bytes, and floats with 64 bits.

use alloc::vec::Vec;

use crate::packet::Text;
use crate::packet::json;

/// A piece of JSON that is known to be valid.
enum Token<'a> {
    Open {
        map: bool,
    },
    Close,
    /// What stands between the quotes.
    Str(&'a str),
    Number(&'a str),
    Bool(bool),
    Null,
    /// A placeholder.
    Bin(&'a [u8]),
}

struct Tokens<'a, 'b> {
    json: &'a str,
    at: usize,
    attachments: &'b [&'a [u8]],
}

impl<'a> Tokens<'a, '_> {
    /// `None` at the end, and for what is not JSON.
    fn next(&mut self) -> Option<Token<'a>> {
        let b = self.json.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t' | b',' | b':') = b.get(self.at) {
            self.at += 1;
        }
        let start = self.at;
        self.at += 1;
        Some(match b.get(start)? {
            b'{' => match self.placeholder(start) {
                Some(bytes) => Token::Bin(bytes),
                None => Token::Open { map: true },
            },
            b'[' => Token::Open { map: false },
            b'}' | b']' => Token::Close,
            b'"' => {
                self.at = json::skip_string(b, start + 1)?;
                Token::Str(self.json.get(start + 1..self.at - 1)?)
            }
            b't' => {
                self.at = start + 4;
                Token::Bool(true)
            }
            b'f' => {
                self.at = start + 5;
                Token::Bool(false)
            }
            b'n' => {
                self.at = start + 4;
                Token::Null
            }
            b'-' | b'0'..=b'9' => {
                while let Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') = b.get(self.at) {
                    self.at += 1;
                }
                Token::Number(self.json.get(start..self.at)?)
            }
            _ => return None,
        })
    }

    /// The attachment that the object at `start` stands for, if it is a placeholder.
    fn placeholder(&mut self, start: usize) -> Option<&'a [u8]> {
        let object = self.json.get(start..)?;
        if self.attachments.is_empty() || !json::is_placeholder(object) {
            return None;
        }
        if let Some((number, rest)) = json::canonical_placeholder(object.as_bytes()) {
            let bytes = self.attachments.get(number)?;
            self.at = self.json.len() - rest.len();
            return Some(bytes);
        }
        let end = json::skip_value(object.as_bytes(), 0).ok()?;
        let number = json::field(object.get(..end)?, "num").and_then(json::as_index)?;
        let bytes = self.attachments.get(number)?;
        self.at = start + end;
        Some(bytes)
    }
}

/// What packing needs beside its output.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// How many values each array or map has, in the order in which they begin; keys count as values.
    of: Vec<u32>,
    /// Those that are open.
    open: Vec<u32>,
}

impl Counts {
    pub(super) const NONE: Self = Self {
        of: Vec::new(),
        open: Vec::new(),
    };

    /// Looks through a value. `None` if it is not one JSON value.
    fn count(&mut self, mut tokens: Tokens<'_, '_>) -> Option<()> {
        self.of.clear();
        self.open.clear();
        loop {
            let token = tokens.next()?;
            if let Token::Close = token {
                self.open.pop()?;
            } else {
                if let Some(count) = self.open.last().and_then(|i| self.of.get_mut(*i as usize)) {
                    *count += 1;
                }
                if let Token::Open { .. } = token {
                    self.open.push(u32::try_from(self.of.len()).ok()?);
                    self.of.push(0);
                }
            }
            if self.open.is_empty() {
                let rest = tokens.json.get(tokens.at..)?;
                return rest.trim_ascii().is_empty().then_some(());
            }
        }
    }

    pub(super) fn shrink(&mut self) {
        *self = Self::NONE;
    }

    pub(super) fn capacity(&self) -> usize {
        4 * (self.of.capacity() + self.open.capacity())
    }
}

/// Appends a JSON value, whose placeholders stand for `attachments`; `None` if it is not one, after which `out` is of no
/// use.
pub(super) fn value<'a>(
    json: &'a str,
    attachments: &[&'a [u8]],
    counts: &mut Counts,
    out: &mut Vec<u8>,
) -> Option<()> {
    let tokens = || Tokens {
        json,
        at: 0,
        attachments,
    };
    counts.count(tokens())?;
    let mut next = counts.of.iter().copied();
    let mut tokens = tokens();
    while let Some(token) = tokens.next() {
        match token {
            Token::Open { map } => {
                let n = next.next()?;
                if map {
                    map_head(n / 2, out);
                } else {
                    array_head(n, out);
                }
            }
            Token::Close => (),
            Token::Str(raw) => string(Text::from_raw(raw), out),
            Token::Number(text) => number(text, out)?,
            Token::Bool(on) => out.push(if on { 0xc3 } else { 0xc2 }),
            Token::Null => out.push(0xc0),
            Token::Bin(bytes) => {
                bin_head(u32::try_from(bytes.len()).ok()?, out);
                out.extend_from_slice(bytes);
            }
        }
    }
    Some(())
}

/// A length in the fewest bytes: with the marker itself if it is below a bound, else behind one of three others.
#[inline(always)]
fn head(out: &mut Vec<u8>, n: u32, fix: (u8, u32), short: Option<u8>, long: (u8, u8)) {
    let (marker, bound) = fix;
    if n < bound {
        out.push(marker | n as u8);
    } else {
        long_head(out, n, short, long);
    }
}

#[inline(never)]
fn long_head(out: &mut Vec<u8>, n: u32, short: Option<u8>, long: (u8, u8)) {
    match (u8::try_from(n), u16::try_from(n), short) {
        (Ok(len), _, Some(short)) => out.extend_from_slice(&[short, len]),
        (_, Ok(len), _) => {
            out.push(long.0);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(long.1);
            out.extend_from_slice(&n.to_be_bytes());
        }
    }
}

pub(super) fn array_head(n: u32, out: &mut Vec<u8>) {
    head(out, n, (0x90, 16), None, (0xdc, 0xdd));
}

pub(super) fn map_head(n: u32, out: &mut Vec<u8>) {
    head(out, n, (0x80, 16), None, (0xde, 0xdf));
}

pub(super) fn bin_head(n: u32, out: &mut Vec<u8>) {
    head(out, n, (0, 0), Some(0xc4), (0xc5, 0xc6));
}

#[inline]
pub(super) fn plain(text: &str, out: &mut Vec<u8>) {
    string_head(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

#[inline]
pub(super) fn string_head(len: usize, out: &mut Vec<u8>) {
    head(out, len as u32, (0xa0, 32), Some(0xd9), (0xda, 0xdb));
}

fn string(text: Text<'_>, out: &mut Vec<u8>) {
    if let Some(text) = text.as_plain() {
        return plain(text, out);
    }
    string_head(text.len_utf8(), out);
    for c in text.chars() {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

pub(super) fn unsigned(n: u64, out: &mut Vec<u8>) {
    if n < 0x80 {
        out.push(n as u8);
    } else if let Ok(n) = u8::try_from(n) {
        out.extend_from_slice(&[0xcc, n]);
    } else if let Ok(n) = u16::try_from(n) {
        out.push(0xcd);
        out.extend_from_slice(&n.to_be_bytes());
    } else if let Ok(n) = u32::try_from(n) {
        out.push(0xce);
        out.extend_from_slice(&n.to_be_bytes());
    } else {
        out.push(0xcf);
        out.extend_from_slice(&n.to_be_bytes());
    }
}

/// A number below zero.
pub(super) fn signed(n: i64, out: &mut Vec<u8>) {
    if n >= -0x20 {
        out.push(n as u8);
    } else if let Ok(n) = i8::try_from(n) {
        out.extend_from_slice(&[0xd0, n as u8]);
    } else if let Ok(n) = i16::try_from(n) {
        out.push(0xd1);
        out.extend_from_slice(&n.to_be_bytes());
    } else if let Ok(n) = i32::try_from(n) {
        out.push(0xd2);
        out.extend_from_slice(&n.to_be_bytes());
    } else {
        out.push(0xd3);
        out.extend_from_slice(&n.to_be_bytes());
    }
}

/// A number that has no fraction stays one without, whatever its size, as long as 64 bits hold it.
fn number(text: &str, out: &mut Vec<u8>) -> Option<()> {
    if let Some(n) = json::as_u64(text) {
        unsigned(n, out);
        return Some(());
    }
    if let Some(n) = text
        .strip_prefix('-')
        .and_then(json::as_u64)
        .and_then(|n| 0i64.checked_sub_unsigned(n))
        .filter(|n| *n < 0)
    {
        signed(n, out);
        return Some(());
    }
    let n: f64 = text.parse().ok()?;
    out.push(0xcb);
    out.extend_from_slice(&n.to_be_bytes());
    Some(())
}
