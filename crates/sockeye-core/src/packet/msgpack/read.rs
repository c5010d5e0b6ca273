//! MessagePack to JSON.

use alloc::vec::Vec;

use crate::packet::PacketError;
use crate::packet::json::{MAX_DEPTH, find_special};

/// What a value begins with: all of it, unless it has elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Head<'a> {
    Nil,
    /// JavaScript's: extension 0 of one byte.
    Undefined,
    Bool(bool),
    Uint(u64),
    /// Below zero.
    Int(i64),
    Float(f64),
    Str(&'a [u8]),
    Bin(&'a [u8]),
    Array(u32),
    Map(u32),
    /// JavaScript's: extension 0 of eight bytes, milliseconds since 1970.
    Date(i64),
    Ext(i8, &'a [u8]),
}

impl Head<'_> {
    /// A whole number that is not negative, whatever it is written as.
    pub(super) fn as_u64(self) -> Option<u64> {
        match self {
            Self::Uint(n) => Some(n),
            Self::Float(n) if (0.0..18_446_744_073_709_551_616.0).contains(&n) => {
                let whole = n as u64;
                (whole as f64 == n).then_some(whole)
            }
            _ => None,
        }
    }
}

/// Walks over MessagePack. Lengths are only believed as far as there are bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

const END: &str = "it ends inside of a value";

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) const fn position(&self) -> usize {
        self.at
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    #[cold]
    fn fault(&self, reason: &'static str) -> PacketError {
        PacketError::MessagePack {
            at: u32::try_from(self.at).unwrap_or(u32::MAX),
            reason,
        }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], PacketError> {
        let end = self.at.checked_add(n);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(bytes) => {
                self.at += n;
                Ok(bytes)
            }
            None => Err(self.fault(END)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PacketError> {
        let bytes = self.take(N)?;
        <[u8; N]>::try_from(bytes).map_err(|_| self.fault(END))
    }

    fn u8(&mut self) -> Result<u8, PacketError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, PacketError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, PacketError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn ext(&mut self, len: usize, fixed: bool) -> Result<Head<'a>, PacketError> {
        let kind = self.u8()? as i8;
        let bytes = self.take(len)?;
        Ok(match (kind, fixed, bytes) {
            (0, true, [_]) => Head::Undefined,
            (0, true, bytes) if len == 8 => {
                let mut time = [0; 8];
                time.copy_from_slice(bytes);
                Head::Date(i64::from_be_bytes(time))
            }
            // An `ArrayBuffer`.
            (0, false, _) => Head::Bin(bytes),
            _ => Head::Ext(kind, bytes),
        })
    }

    /// The next value, or what it begins with.
    #[inline]
    pub(super) fn head(&mut self) -> Result<Head<'a>, PacketError> {
        // Most are told by one byte.
        if let [marker, rest @ ..] = self.bytes.get(self.at..).unwrap_or_default() {
            let (head, more) = match *marker {
                0x00..=0x7f => (Head::Uint(u64::from(*marker)), 0),
                0x80..=0x8f => (Head::Map(u32::from(marker & 0x0f)), 0),
                0x90..=0x9f => (Head::Array(u32::from(marker & 0x0f)), 0),
                0xa0..=0xbf => match rest.get(..usize::from(marker & 0x1f)) {
                    Some(text) => (Head::Str(text), text.len()),
                    None => return self.long_head(),
                },
                0xc2 => (Head::Bool(false), 0),
                0xc3 => (Head::Bool(true), 0),
                _ => return self.long_head(),
            };
            self.at += 1 + more;
            return Ok(head);
        }
        self.long_head()
    }

    /// As [`Self::head`], whatever it is.
    #[inline(never)]
    fn long_head(&mut self) -> Result<Head<'a>, PacketError> {
        let marker = self.u8()?;
        let int = |n: i64| match u64::try_from(n) {
            Ok(n) => Head::Uint(n),
            Err(_) => Head::Int(n),
        };
        Ok(match marker {
            0x00..=0x7f => Head::Uint(marker.into()),
            0x80..=0x8f => Head::Map(u32::from(marker & 0x0f)),
            0x90..=0x9f => Head::Array(u32::from(marker & 0x0f)),
            0xa0..=0xbf => Head::Str(self.take(usize::from(marker & 0x1f))?),
            0xc0 => Head::Nil,
            0xc1 => {
                self.at -= 1;
                return Err(self.fault("0xc1 begins no value"));
            }
            0xc2 => Head::Bool(false),
            0xc3 => Head::Bool(true),
            0xc4 => {
                let len = self.u8()?;
                Head::Bin(self.take(len.into())?)
            }
            0xc5 => {
                let len = self.u16()?;
                Head::Bin(self.take(len.into())?)
            }
            0xc6 => {
                let len = self.u32()?;
                Head::Bin(self.take(len as usize)?)
            }
            0xc7 => {
                let len = self.u8()?;
                self.ext(len.into(), false)?
            }
            0xc8 => {
                let len = self.u16()?;
                self.ext(len.into(), false)?
            }
            0xc9 => {
                let len = self.u32()?;
                self.ext(len as usize, false)?
            }
            0xca => Head::Float(f32::from_be_bytes(self.array()?).into()),
            0xcb => Head::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Head::Uint(self.u8()?.into()),
            0xcd => Head::Uint(self.u16()?.into()),
            0xce => Head::Uint(self.u32()?.into()),
            0xcf => Head::Uint(u64::from_be_bytes(self.array()?)),
            0xd0 => int((self.u8()? as i8).into()),
            0xd1 => int((self.u16()? as i16).into()),
            0xd2 => int((self.u32()? as i32).into()),
            0xd3 => int(i64::from_be_bytes(self.array()?)),
            0xd4..=0xd8 => self.ext(1 << (marker - 0xd4), true)?,
            0xd9 => {
                let len = self.u8()?;
                Head::Str(self.take(len.into())?)
            }
            0xda => {
                let len = self.u16()?;
                Head::Str(self.take(len.into())?)
            }
            0xdb => {
                let len = self.u32()?;
                Head::Str(self.take(len as usize)?)
            }
            0xdc => Head::Array(self.u16()?.into()),
            0xdd => Head::Array(self.u32()?),
            0xde => Head::Map(self.u16()?.into()),
            0xdf => Head::Map(self.u32()?),
            0xe0..=0xff => Head::Int((marker as i8).into()),
        })
    }

    /// Whether the next value is `undefined`.
    #[inline]
    pub(super) fn is_undefined(&self) -> bool {
        // (Most are seen by the first byte not to be.)
        self.bytes.get(self.at) >= Some(&0xc7) && { *self }.head() == Ok(Head::Undefined)
    }

    /// Skips a whole value, however deep it is.
    pub(super) fn skip(&mut self) -> Result<(), PacketError> {
        let mut left = 1u64;
        while left > 0 {
            left -= 1;
            match self.head()? {
                Head::Array(n) => left = left.saturating_add(n.into()),
                Head::Map(n) => left = left.saturating_add(2 * u64::from(n)),
                _ => (),
            }
        }
        Ok(())
    }
}

/// Where the value ends that begins at `at`; the end of everything if it is none.
pub(crate) fn skip_value(bytes: &[u8], at: usize) -> usize {
    let mut reader = Reader::new(bytes, at);
    reader.skip().map_or(bytes.len(), |()| reader.position())
}

/// The text that a value is.
pub(super) fn text_of(value: &[u8]) -> Option<&str> {
    match Reader::new(value, 0).head() {
        Ok(Head::Str(text)) => core::str::from_utf8(text).ok(),
        _ => None,
    }
}

/// Whether so many milliseconds from 1970 are a `Date`.
pub(super) const fn is_date(time: i64) -> bool {
    time.unsigned_abs() <= 8_640_000_000_000_000
}

/// A date as `toJSON` writes it, in its quotes.
pub(super) fn date(time: i64) -> Vec<u8> {
    let mut text = Vec::with_capacity(32);
    Json {
        text: &mut text,
        records: &mut Vec::new(),
        count: 0,
        binary: Binary::Spelt,
        limit: usize::MAX,
        most: 0,
        lookalike: false,
        mark_lookalikes: false,
    }
    .date(time);
    text
}

/// The whole number that a float is, if JavaScript, which knows no other numbers, would write it as one, and every whole
/// number of its size is a float.
pub(super) fn whole(n: f64) -> Option<i64> {
    /// Below it every whole number is a float.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    let whole = n as i64;
    let is_whole = n.abs() < WHOLE && whole as f64 == n && !(whole == 0 && n.is_sign_negative());
    is_whole.then_some(whole)
}

/// Why a value did not become JSON.
pub(super) enum Failure {
    /// The bytes are wrong.
    Bad(PacketError),
    /// It would be larger than it may be: so many bytes so far.
    TooLarge(usize),
}

impl From<PacketError> for Failure {
    fn from(error: PacketError) -> Self {
        Self::Bad(error)
    }
}

/// An array or a map that has been begun.
struct Open {
    /// Values that are still to come, or pairs of them.
    left: u32,
    map: bool,
    empty: bool,
}

/// What binary values become.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    /// Attachments.
    Lifted,
    /// What `JSON.stringify` makes of a `Buffer`: where no attachments can be.
    Spelt,
}

/// Writes one value as JSON, and its binary values as records.
pub(super) struct Json<'o> {
    pub(super) text: &'o mut Vec<u8>,
    pub(super) records: &'o mut Vec<u8>,
    pub(super) count: u32,
    pub(super) binary: Binary,
    /// Bytes that text and records may have together.
    pub(super) limit: usize,
    pub(super) most: u16,
    /// A map looks like a placeholder and is none. With attachments it has to be marked as such.
    pub(super) lookalike: bool,
    pub(super) mark_lookalikes: bool,
}

pub(super) const MARK: &[u8] = b"_placeholder";

impl Json<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }

    /// The value at which `reader` is.
    pub(super) fn value(&mut self, reader: &mut Reader<'_>) -> Result<(), Failure> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let size = self.text.len() + self.records.len();
            if size > self.limit {
                return Err(Failure::TooLarge(size));
            }
            let at = reader.position();
            let head = reader.head()?;
            if let Head::Array(n) | Head::Map(n) = head {
                let map = matches!(head, Head::Map(_));
                // One more than an argument may have: the array of the arguments.
                if open.len() > MAX_DEPTH as usize {
                    return Err(Failure::Bad(PacketError::TooDeep {
                        at: at as u32,
                        limit: MAX_DEPTH,
                    }));
                }
                self.put(if map { b"{" } else { b"[" });
                open.push(Open {
                    left: n,
                    map,
                    empty: true,
                });
            } else {
                self.single(head)?;
            }
            // On to the next value.
            loop {
                let Some(last) = open.last_mut() else {
                    return Ok(());
                };
                if last.left == 0 {
                    let close: &[u8] = if last.map { b"}" } else { b"]" };
                    self.text.extend_from_slice(close);
                    open.pop();
                    continue;
                }
                last.left -= 1;
                let comma: &[u8] = if last.empty { b"" } else { b"," };
                if !last.map {
                    last.empty = false;
                    self.text.extend_from_slice(comma);
                    break;
                }
                let before = self.text.len();
                self.text.extend_from_slice(comma);
                self.key(reader)?;
                let mut ahead = *reader;
                if ahead.head()? == Head::Undefined {
                    // As a member it would not be written at all.
                    self.text.truncate(before);
                    *reader = ahead;
                    continue;
                }
                last.empty = false;
                break;
            }
        }
    }

    fn key(&mut self, reader: &mut Reader<'_>) -> Result<(), Failure> {
        let at = reader.position();
        match reader.head()? {
            Head::Str(text) | Head::Bin(text) => {
                let mark = text == MARK && reader.head_is_true();
                self.lookalike |= mark;
                if mark && self.mark_lookalikes {
                    // The last one counts, and the first one rules a placeholder out.
                    self.put(b"\"_placeholder\":false,");
                }
                self.string(text);
            }
            Head::Undefined => self.put(b"\"undefined\""),
            Head::Float(n) if n.is_nan() => self.put(b"\"NaN\""),
            Head::Float(n) if n.is_infinite() => {
                self.put(if n > 0.0 {
                    b"\"Infinity\""
                } else {
                    b"\"-Infinity\""
                });
            }
            head @ (Head::Nil | Head::Bool(_) | Head::Uint(_) | Head::Int(_) | Head::Float(_)) => {
                self.put(b"\"");
                self.single(head)?;
                self.put(b"\"");
            }
            Head::Date(_) | Head::Array(_) | Head::Map(_) | Head::Ext(..) => {
                return Err(Failure::Bad(PacketError::MessagePack {
                    at: at as u32,
                    reason: "a key is neither text nor number",
                }));
            }
        }
        self.put(b":");
        Ok(())
    }

    /// A value without elements.
    fn single(&mut self, head: Head<'_>) -> Result<(), Failure> {
        match head {
            Head::Bool(true) => self.put(b"true"),
            Head::Bool(false) => self.put(b"false"),
            Head::Uint(n) => self.number(false, n),
            Head::Int(n) => self.number(n < 0, n.unsigned_abs()),
            Head::Float(n) => self.float(n),
            Head::Str(text) => self.string(text),
            Head::Bin(bytes) => self.bytes(bytes)?,
            Head::Date(time) => self.date(time),
            Head::Ext(kind, bytes) => {
                self.put(b"[");
                self.number(kind < 0, kind.unsigned_abs().into());
                self.put(b",");
                self.bytes(bytes)?;
                self.put(b"]");
            }
            Head::Nil | Head::Undefined | Head::Array(_) | Head::Map(_) => self.put(b"null"),
        }
        Ok(())
    }

    fn number(&mut self, negative: bool, magnitude: u64) {
        self.digits(negative, magnitude, 1);
    }

    /// A whole number of at least `least` digits, at most twenty.
    fn digits(&mut self, negative: bool, mut magnitude: u64, least: usize) {
        let mut digits = [b'0'; 20];
        let mut at = digits.len();
        while at > digits.len() - least || magnitude > 0 {
            at -= 1;
            digits[at] = b'0' + (magnitude % 10) as u8;
            magnitude /= 10;
        }
        if negative {
            self.put(b"-");
        }
        self.put(&digits[at..]);
    }

    fn float(&mut self, n: f64) {
        if !n.is_finite() {
            return self.put(b"null");
        }
        if let Some(whole) = whole(n) {
            // So it can be read as a whole number as well.
            return self.number(whole < 0, whole.unsigned_abs());
        }
        let mut buffer = zmij::Buffer::new();
        self.put(buffer.format_finite(n).as_bytes());
    }

    /// A text in its quotes. What is not UTF-8 reads as U+FFFD, as in JavaScript.
    fn string(&mut self, text: &[u8]) {
        self.put(b"\"");
        if core::str::from_utf8(text).is_ok() {
            self.escaped(text);
        } else {
            for chunk in text.utf8_chunks() {
                self.escaped(chunk.valid().as_bytes());
                if !chunk.invalid().is_empty() {
                    self.put("\u{fffd}".as_bytes());
                }
            }
        }
        self.put(b"\"");
    }

    fn escaped(&mut self, text: &[u8]) {
        let mut at = 0;
        loop {
            let end = find_special(text, at);
            self.put(text.get(at..end).unwrap_or_default());
            let Some(&c) = text.get(end) else {
                return;
            };
            match c {
                b'"' | b'\\' => self.put(&[b'\\', c]),
                b'\n' => self.put(b"\\n"),
                b'\r' => self.put(b"\\r"),
                b'\t' => self.put(b"\\t"),
                _ => {
                    let digit = |n: u8| b"0123456789abcdef"[usize::from(n & 15)];
                    self.put(&[b'\\', b'u', b'0', b'0', digit(c >> 4), digit(c)]);
                }
            }
            at = end + 1;
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.binary == Binary::Spelt {
            self.put(b"{\"type\":\"Buffer\",\"data\":[");
            for (n, byte) in bytes.iter().enumerate() {
                if n > 0 {
                    self.put(b",");
                }
                self.number(false, (*byte).into());
            }
            self.put(b"]}");
            return Ok(());
        }
        if self.count >= self.most.into() {
            return Err(Failure::Bad(PacketError::TooManyAttachments {
                limit: self.most,
            }));
        }
        self.put(b"{\"_placeholder\":true,\"num\":");
        self.number(false, self.count.into());
        self.put(b"}");
        self.count += 1;
        self.records
            .extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.records.extend_from_slice(bytes);
        Ok(())
    }

    /// A date as `toJSON` writes it: ISO 8601 in UTC, with milliseconds.
    fn date(&mut self, time: i64) {
        const DAY: i64 = 86_400_000;
        if !is_date(time) {
            return self.put(b"null");
        }
        let (days, rest) = (time.div_euclid(DAY), time.rem_euclid(DAY) as u64);
        // Years begin in March here, so that the day that may be missing is the last one; eras have 400 of them.
        let days = days + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year + era * 400 + i64::from(month <= 2);
        self.put(b"\"");
        if (0..=9999).contains(&year) {
            self.digits(false, year.unsigned_abs(), 4);
        } else {
            if year > 0 {
                self.put(b"+");
            }
            self.digits(year < 0, year.unsigned_abs(), 6);
        }
        let parts: [(&[u8], u64, usize); 6] = [
            (b"-", month.unsigned_abs(), 2),
            (b"-", day.unsigned_abs(), 2),
            (b"T", rest / 3_600_000, 2),
            (b":", rest / 60_000 % 60, 2),
            (b":", rest / 1000 % 60, 2),
            (b".", rest % 1000, 3),
        ];
        for (lead, part, least) in parts {
            self.put(lead);
            self.digits(false, part, least);
        }
        self.put(b"Z\"");
    }
}

impl Reader<'_> {
    fn head_is_true(&self) -> bool {
        self.bytes.get(self.at) == Some(&0xc3)
    }
}
