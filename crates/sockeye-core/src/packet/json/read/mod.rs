//! A deserializer over JSON that has been validated: it checks types, not grammar, and hands out attachments where bytes are asked for.
//!
//! It is ours, and the same in every tier, because placeholders must turn into borrowed bytes at any depth, and because a second
//! validation of what the scanner has accepted is time that a microcontroller notices. Malformed text still ends in an error, never a panic.
#[cfg(feature = "alloc")]
use alloc::string::String;

use serde::de::{Deserializer, Error as _, Expected, Unexpected, Visitor};

use crate::features::MESSAGES;
use crate::packet::attachments::Attachments;
use crate::packet::json;
use crate::packet::text::Text;
use crate::packet::value::ValueRef;

mod access;
mod error;
mod number;

#[cfg(feature = "msgpack")]
pub(in crate::packet) use access::Key;
use access::{Items, RawValue, Variant};
pub(in crate::packet) use access::{RAW_VALUE, UnitVariant};
pub(crate) use error::DecodeError;
use error::malformed;

/// Without `alloc`, the longest unescaped string that a type gets which does not borrow it.
#[cfg(not(feature = "alloc"))]
const SCRATCH: usize = 256;

type Result<T> = core::result::Result<T, DecodeError>;

/// What is found in the place of another type, and what takes it. Short without `alloc`, where a [`Reason`](super::super::Reason) is.
#[cfg(feature = "alloc")]
const BINARY: &str = "binary data (read it as Bin, or in a Value)";
#[cfg(not(feature = "alloc"))]
const BINARY: &str = "a BinRef";

/// A string that is shown.
const STRING: &str = "string ";

/// Decodes one value that begins at a given place of a valid JSON text.
pub(crate) struct JsonDe<'de> {
    json: &'de str,
    at: usize,
    /// The string read last had no escape in it.
    plain: bool,
    attachments: Attachments<'de>,
}

impl<'de> JsonDe<'de> {
    #[inline]
    pub(crate) const fn new(json: &'de str, at: usize, attachments: Attachments<'de>) -> Self {
        Self {
            json,
            at,
            plain: true,
            attachments,
        }
    }

    /// Just after the value, once it has been decoded.
    #[inline]
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// The next byte that is not white space, which stays. Zero at the end.
    #[inline(always)]
    fn peek(&mut self) -> u8 {
        let (at, c) = json::look(self.json.as_bytes(), self.at);
        self.at = at;
        c
    }

    #[inline]
    fn skip(&mut self) -> Result<()> {
        self.at = json::skip_value(self.json.as_bytes(), self.at).map_err(|_| malformed())?;
        Ok(())
    }

    /// The string here, whose opening quote has been seen.
    #[inline]
    fn string(&mut self) -> Result<Raw<'de>> {
        match self.string_text(self.at + 1) {
            Some(text) => Ok(self.raw_string(text)),
            None => Err(malformed()),
        }
    }

    #[inline]
    const fn raw_string(&self, text: &'de str) -> Raw<'de> {
        let plain = self.plain;
        Raw { text, plain }
    }

    /// What is between the quotes, from `start` on; notes whether something in it is escaped.
    fn string_text(&mut self, start: usize) -> Option<&'de str> {
        let b = self.json.as_bytes();
        let mut end = start + json::short_string(b.get(start..)?).unwrap_or(0);
        self.plain = true;
        if b.get(end) != Some(&b'"') {
            end = json::find_special(b, start);
            if b.get(end) != Some(&b'"') {
                self.plain = false;
                end = json::skip_string(b, end)? - 1;
            }
        }
        self.at = end + 1;
        self.json.get(start..end)
    }

    /// The next member's key, from the comma in front of it (unless it is the `first`) to the colon behind. `None` at anything else.
    fn key(&mut self, first: bool) -> Option<&'de str> {
        let (front, rest) = self.json.as_bytes().get(self.at..)?.split_first()?;
        let left = match (first, front, rest) {
            (true, b'"', left) | (false, b',', [b'"', left @ ..]) => left,
            (_, b'}', _) => return None,
            _ => return self.far_key(first),
        };
        let start = self.json.len() - left.len();
        let Some(end) = json::short_string(left) else {
            return self.far_key(first);
        };
        let Some([b'"', b':', ..]) = left.get(end..) else {
            return self.far_key(first);
        };
        self.plain = true;
        self.at = start + end + 2;
        self.json.get(start..)?.get(..end)
    }

    /// As [`key`], for every one.
    #[inline(never)]
    fn far_key(&mut self, first: bool) -> Option<&'de str> {
        if !first {
            if self.peek() != b',' {
                return None;
            }
            self.at += 1;
        }
        if self.peek() != b'"' {
            // Not taken for the end of the object.
            self.at -= usize::from(!first);
            return None;
        }
        let text = self.string_text(self.at + 1)?;
        if self.peek() != b':' {
            return None;
        }
        self.at += 1;
        Some(text)
    }

    #[inline]
    fn word(&mut self, word: &str) -> Result<()> {
        let here = self.json.as_bytes().get(self.at..).unwrap_or_default();
        if here.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(malformed())
    }

    #[inline]
    fn visit_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.string()?.visit(visitor)
    }

    /// Says what is here instead of what was expected.
    #[cold]
    fn mismatch<T>(&mut self, expected: &dyn Expected) -> Result<T> {
        Err(self.mismatched(expected))
    }

    // Once for all types that may be expected.
    #[cold]
    #[inline(never)]
    fn mismatched(&mut self, expected: &dyn Expected) -> DecodeError {
        // Beside the type that the program knows, what is there would be half a kilobyte for a few words.
        if !MESSAGES {
            return DecodeError::custom(format_args!("expected {expected}"));
        }
        let Some((kind, text, mark)) = self.found() else {
            return malformed();
        };
        #[cfg(feature = "alloc")]
        if kind == STRING {
            return DecodeError::invalid_type(Unexpected::Str(text), expected);
        }
        DecodeError::custom(format_args!(
            "expected {expected}, found {kind}{mark}{text}{mark}"
        ))
    }

    /// What is here, in the words of serde's `Unexpected`, which has more than is needed here: the kind, and a text between
    /// marks.
    fn found(&mut self) -> Option<(&'static str, &'de str, &'static str)> {
        Some(match self.peek() {
            b'"' => {
                let text = self.string_text(self.at + 1)?;
                if self.plain {
                    (STRING, text, "\"")
                } else {
                    ("string", "", "")
                }
            }
            b'[' => ("sequence", "", ""),
            b'{' if self.is_placeholder() => (BINARY, "", ""),
            b'{' => ("map", "", ""),
            b't' => ("boolean ", "true", "`"),
            b'f' => ("boolean ", "false", "`"),
            b'n' => ("null", "", ""),
            b'-' | b'0'..=b'9' => {
                let text = self.raw()?;
                if text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) {
                    ("floating point ", text, "`")
                } else {
                    ("integer ", text, "`")
                }
            }
            _ => return None,
        })
    }

    /// The raw text of the value here, which stays.
    fn raw(&self) -> Option<&'de str> {
        let end = json::skip_value(self.json.as_bytes(), self.at).ok()?;
        self.json.get(self.at..end)
    }

    /// Whether the object here stands for binary data: for those who did not ask for it.
    fn at_binary(&self) -> bool {
        self.json.get(self.at..).is_some_and(json::is_placeholder)
    }

    fn is_placeholder(&self) -> bool {
        self.raw().and_then(|raw| json::field(raw, "_placeholder")) == Some("true")
    }

    /// The attachment that the object here stands for.
    fn attachment(&mut self, expected: &dyn Expected) -> Result<&'de [u8]> {
        let here = self.json.as_bytes().get(self.at..).unwrap_or_default();
        if let Some((num, rest)) = json::canonical_placeholder(here)
            && let Some(bytes) = self.attachments.get(num)
        {
            self.at = self.json.len() - rest.len();
            return Ok(bytes);
        }
        if !self.is_placeholder() {
            return self.mismatch(expected);
        }
        let raw = self.raw().unwrap_or("");
        self.at += raw.len();
        let num = json::field(raw, "num").unwrap_or("nothing");
        json::as_index(num)
            .and_then(|num| self.attachments.get(num))
            .ok_or_else(|| {
                let have = self.attachments.len();
                DecodeError::custom(format_args!(
                    "no attachment for placeholder {num} (of {have})"
                ))
            })
    }

    /// Leaves an array or object, at whose end we should be if it has been read. (The result stays where it is: taken apart
    /// and put together again, it would be copied.)
    #[inline(always)]
    fn close<T>(
        &mut self,
        mut result: Result<T>,
        bracket: u8,
        expected: &dyn Expected,
    ) -> Result<T> {
        if result.is_ok() {
            if self.peek() == bracket {
                self.at += 1;
            } else {
                result = Err(too_many(expected));
            }
        }
        result
    }

    #[inline]
    fn seq<V: Visitor<'de>>(&mut self, visitor: V, expected: &'static str) -> Result<V::Value> {
        if self.peek() != b'[' {
            return self.mismatch(&visitor);
        }
        self.at += 1;
        let result = visitor.visit_seq(Items {
            de: self,
            first: true,
        });
        self.close(result, b']', &expected)
    }

    #[inline]
    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        if self.peek() != b'{' || !self.attachments.is_empty() && self.at_binary() {
            return self.mismatch(&visitor);
        }
        self.at += 1;
        let result = visitor.visit_map(Items {
            de: self,
            first: true,
        });
        self.close(result, b'}', &"an object with fewer members")
    }
}

/// Whether `T` is what serde keeps values in that it will look at later: for tagged and untagged enums, and for flattened structs. What
/// type will look at them is not known yet. Serde has no other mark of it than its name; a test watches over that.
fn buffers<T>() -> bool {
    core::any::type_name::<T>().contains("::content::Content")
}

#[cold]
pub(in crate::packet) fn too_many(expected: &dyn Expected) -> DecodeError {
    DecodeError::custom(format_args!("expected {expected}, found more"))
}

/// A string between its quotes.
#[derive(Clone, Copy)]
pub(in crate::packet) struct Raw<'de> {
    text: &'de str,
    /// Nothing in it is escaped.
    plain: bool,
}

impl<'de> Raw<'de> {
    /// A text that stands for itself.
    #[cfg(feature = "msgpack")]
    pub(in crate::packet) const fn plain(text: &'de str) -> Self {
        Self { text, plain: true }
    }

    /// Gives the string to a visitor: borrowed if it can be.
    #[inline]
    fn visit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.plain {
            visitor.visit_borrowed_str(self.text)
        } else {
            visit_escaped(Text::from_raw(self.text), visitor)
        }
    }
}

#[cold]
#[cfg(feature = "alloc")]
fn visit_escaped<'de, V: Visitor<'de>>(text: Text<'de>, visitor: V) -> Result<V::Value> {
    visitor.visit_string(String::from(text))
}

#[cold]
#[cfg(not(feature = "alloc"))]
fn visit_escaped<'de, V: Visitor<'de>>(text: Text<'de>, visitor: V) -> Result<V::Value> {
    match text.copy_to(&mut [0; SCRATCH]) {
        Some(plain) => visitor.visit_str(plain),
        None => Err(DecodeError::custom(
            "escaped string too long: read it as Text",
        )),
    }
}

macro_rules! numbers {
    ($number:ident: $($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.peek() {
                b'-' | b'0'..=b'9' => self.$number(visitor),
                _ => self.mismatch(&visitor),
            }
        }
    )*};
}

macro_rules! strings {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.peek() {
                b'"' => self.visit_string(visitor),
                _ => self.mismatch(&visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut JsonDe<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            b'"' => self.visit_string(visitor),
            b'-' | b'0'..=b'9' => self.number(visitor),
            // Types that take anything get the bytes: those that cannot hold them say so.
            b'{' if !self.attachments.is_empty() && self.at_binary() => {
                let bytes = self.attachment(&visitor)?;
                visitor.visit_borrowed_bytes(bytes)
            }
            b'{' => self.map(visitor),
            b'[' => self.seq(visitor, "fewer elements"),
            b'n' => self.deserialize_unit(visitor),
            _ => self.deserialize_bool(visitor),
        }
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            b't' => {
                self.word("true")?;
                visitor.visit_bool(true)
            }
            b'f' => {
                self.word("false")?;
                visitor.visit_bool(false)
            }
            _ => self.mismatch(&visitor),
        }
    }

    numbers!(integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64);
    numbers!(integer: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64);
    numbers!(double: deserialize_f64);
    numbers!(single: deserialize_f32);
    strings!(deserialize_char deserialize_str deserialize_string deserialize_identifier);

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.wide(visitor, Visitor::visit_i128)
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.wide(visitor, Visitor::visit_u128)
    }

    /// An attachment, or an array of numbers.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            b'{' => {
                let bytes = self.attachment(&visitor)?;
                visitor.visit_borrowed_bytes(bytes)
            }
            b'[' => self.seq(visitor, "fewer elements"),
            _ => self.mismatch(&visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            b'n' => {
                self.word("null")?;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            b'n' => {
                self.word("null")?;
                visitor.visit_unit()
            }
            _ => self.mismatch(&visitor),
        }
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        if name == Text::NEWTYPE {
            return match self.peek() {
                b'"' => visitor.visit_borrowed_str(self.string()?.text),
                _ => self.mismatch(&visitor),
            };
        }
        if name == ValueRef::NEWTYPE {
            self.peek();
            let raw = self.raw().ok_or_else(malformed)?;
            self.at += raw.len();
            return visitor.visit_seq(ValueRef::new(raw, self.attachments).parts());
        }
        if name == RAW_VALUE {
            self.peek();
            let raw = self.raw().ok_or_else(malformed)?;
            self.at += raw.len();
            return visitor.visit_map(RawValue(Some(raw)));
        }
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.seq(visitor, "fewer elements")
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.seq(visitor, "a shorter tuple")
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.seq(visitor, name)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.map(visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.peek() {
            b'[' => self.seq(visitor, name),
            _ => self.map(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.peek() {
            b'"' => {
                let raw = self.string()?;
                visitor.visit_enum(UnitVariant(raw))
            }
            b'{' => {
                self.at += 1;
                if self.peek() != b'"' {
                    return Err(DecodeError::invalid_type(Unexpected::Map, &visitor));
                }
                let result = visitor.visit_enum(Variant(self));
                self.close(result, b'}', &"an object with one member")
            }
            _ => self.mismatch(&visitor),
        }
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.skip()?;
        visitor.visit_unit()
    }
}
