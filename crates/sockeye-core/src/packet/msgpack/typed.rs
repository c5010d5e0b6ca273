//! A deserializer over MessagePack that has been looked through: typed arguments, with no text in between.
//!
//! What a type is given is what the JSON of the same arguments would give it (floats without a fraction are whole numbers,
//! dates are texts, members that are `undefined` are not there), except that floats which are not finite are themselves.
//! Few types want the JSON itself: they are read from the text then, which is made for them.

use alloc::format;

use serde::de::{
    self, DeserializeSeed, Deserializer, Error as _, Expected, MapAccess, SeqAccess, Unexpected,
    Visitor,
};

use super::read::{Head, Reader, date, whole};
use crate::packet::json;
use crate::packet::json::read::{DecodeError, Key, RAW_VALUE, Raw, UnitVariant, too_many};
use crate::packet::text::Text;
use crate::packet::value::ValueRef;

type Result<T> = core::result::Result<T, DecodeError>;

/// Decodes one value that begins at a given place of MessagePack that is known to be valid.
pub(crate) struct PackedDe<'de> {
    reader: Reader<'de>,
    /// The type has asked for the text of something.
    wants_text: bool,
    /// It has been given something that is borrowed from the text only.
    lent_date: bool,
}

#[cold]
fn malformed() -> DecodeError {
    DecodeError::custom("malformed MessagePack")
}

impl<'de> PackedDe<'de> {
    pub(crate) const fn new(items: &'de [u8], at: usize) -> Self {
        Self {
            reader: Reader::new(items, at),
            wants_text: false,
            lent_date: false,
        }
    }

    /// Just after the value, once it has been decoded.
    pub(crate) const fn position(&self) -> usize {
        self.reader.position()
    }

    /// Whether what has been decoded (or, `failed`, could not be) has to be read from the text.
    pub(crate) const fn wants_text(&self, failed: bool) -> bool {
        self.wants_text || failed && self.lent_date
    }

    #[inline]
    fn head(&mut self) -> Result<Head<'de>> {
        self.reader.head().map_err(|_| malformed())
    }

    fn peek(&self) -> Result<Head<'de>> {
        { self.reader }.head().map_err(|_| malformed())
    }

    fn skip(&mut self) -> Result<()> {
        self.reader.skip().map_err(|_| malformed())
    }

    #[cold]
    fn text_wanted<T>(&mut self) -> Result<T> {
        self.wants_text = true;
        Err(DecodeError::custom("this is read from the text"))
    }

    /// Gives a value without elements, or one that begins so, to a visitor that takes anything.
    fn any<V: Visitor<'de>>(&mut self, head: Head<'de>, visitor: V) -> Result<V::Value> {
        match head {
            Head::Nil | Head::Undefined => visitor.visit_unit(),
            Head::Bool(on) => visitor.visit_bool(on),
            Head::Uint(_) | Head::Int(_) | Head::Float(_) => number(head, visitor),
            Head::Str(text) => visitor.visit_borrowed_str(utf8(text)?),
            Head::Bin(bytes) => visitor.visit_borrowed_bytes(bytes),
            Head::Array(left) => self.seq(left, visitor, "fewer elements"),
            Head::Map(left) => self.map(left, visitor),
            Head::Date(time) => self.date(time, visitor),
            Head::Ext(..) => self.text_wanted(),
        }
    }

    fn date<V: Visitor<'de>>(&mut self, time: i64, visitor: V) -> Result<V::Value> {
        self.lent_date = true;
        let text = date(time);
        let text = text
            .strip_prefix(b"\"")
            .and_then(|text| text.strip_suffix(b"\""));
        visitor.visit_str(utf8(text.unwrap_or_default())?)
    }

    #[inline]
    fn seq<V: Visitor<'de>>(
        &mut self,
        left: u32,
        visitor: V,
        expected: &'static str,
    ) -> Result<V::Value> {
        let mut items = Items { de: self, left };
        let value = visitor.visit_seq(&mut items)?;
        if items.left > 0 {
            return Err(too_many(&expected));
        }
        Ok(value)
    }

    #[inline]
    fn map<V: Visitor<'de>>(&mut self, left: u32, visitor: V) -> Result<V::Value> {
        let mut items = Items { de: self, left };
        let value = visitor.visit_map(&mut items)?;
        if items.member()?.is_some() {
            return Err(too_many(&"an object with fewer members"));
        }
        Ok(value)
    }

    fn elements<V: Visitor<'de>>(
        &mut self,
        visitor: V,
        expected: &'static str,
    ) -> Result<V::Value> {
        match self.head()? {
            Head::Array(left) => self.seq(left, visitor, expected),
            head => self.mismatch(head, &visitor),
        }
    }

    fn string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.head()? {
            Head::Str(text) => visitor.visit_borrowed_str(utf8(text)?),
            Head::Date(time) => self.date(time, visitor),
            head => self.mismatch(head, &visitor),
        }
    }

    /// Says what is here instead of what was expected.
    #[cold]
    fn mismatch<T>(&mut self, head: Head<'de>, expected: &dyn Expected) -> Result<T> {
        if let Head::Date(_) | Head::Ext(..) = head {
            return self.text_wanted();
        }
        Err(mismatched(head, expected))
    }
}

#[cold]
#[inline(never)]
fn mismatched(head: Head<'_>, expected: &dyn Expected) -> DecodeError {
    let unexpected = match head {
        Head::Bool(on) => Unexpected::Bool(on),
        Head::Uint(n) => Unexpected::Unsigned(n),
        Head::Int(n) => Unexpected::Signed(n),
        Head::Float(n) => {
            let found = match whole(n) {
                Some(n) => format!("integer `{n}`"),
                None => format!("floating point `{n}`"),
            };
            return DecodeError::custom(format_args!("expected {expected}, found {found}"));
        }
        Head::Str(text) => Unexpected::Str(core::str::from_utf8(text).unwrap_or("")),
        Head::Bin(bytes) => Unexpected::Bytes(bytes),
        Head::Array(_) => Unexpected::Seq,
        Head::Map(_) => Unexpected::Map,
        Head::Nil | Head::Undefined | Head::Date(_) | Head::Ext(..) => Unexpected::Unit,
    };
    DecodeError::invalid_type(unexpected, expected)
}

fn utf8(text: &[u8]) -> Result<&str> {
    core::str::from_utf8(text).map_err(|_| malformed())
}

/// Gives a number to a visitor that may want any.
#[inline]
fn number<'de, V: Visitor<'de>>(head: Head<'de>, visitor: V) -> Result<V::Value> {
    match head {
        Head::Uint(n) => visitor.visit_u64(n),
        Head::Int(n) => visitor.visit_i64(n),
        Head::Float(n) => match whole(n) {
            Some(n) => match u64::try_from(n) {
                Ok(n) => visitor.visit_u64(n),
                Err(_) => visitor.visit_i64(n),
            },
            None => visitor.visit_f64(n),
        },
        head => Err(mismatched(head, &visitor)),
    }
}

/// The elements or members of what we are in.
struct Items<'d, 'de> {
    de: &'d mut PackedDe<'de>,
    left: u32,
}

impl<'de> Items<'_, 'de> {
    /// The key of the next member that is there: one that is `undefined` is not. Its value is next then.
    #[inline]
    fn member(&mut self) -> Result<Option<&'de str>> {
        while self.left > 0 {
            self.left -= 1;
            let Head::Str(key) = self.de.head()? else {
                return Err(malformed());
            };
            if !self.de.reader.is_undefined() {
                return utf8(key).map(Some);
            }
            self.de.skip()?;
        }
        Ok(None)
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(&mut *self.de).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        // (Each one has a byte: what serde makes room for, it bounds itself.)
        Some(self.left as usize)
    }
}

impl<'de> MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        match self.member()? {
            // Keys that JSON would escape are not read here: each is its own spelling.
            Some(key) => seed.deserialize(Key(Raw::plain(key))).map(Some),
            None => Ok(None),
        }
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        seed.deserialize(&mut *self.de)
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.head()? {
                head @ (Head::Uint(_) | Head::Int(_)) => number(head, visitor),
                head @ Head::Float(n) if whole(n).is_some() => number(head, visitor),
                head => self.mismatch(head, &visitor),
            }
        }
    )*};
}

macro_rules! strings {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.string(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut PackedDe<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let head = self.head()?;
        self.any(head, visitor)
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.head()? {
            Head::Bool(on) => visitor.visit_bool(on),
            head => self.mismatch(head, &visitor),
        }
    }

    numbers!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64);
    numbers!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64);
    strings!(deserialize_char deserialize_str deserialize_string deserialize_identifier);

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.head()? {
            Head::Uint(n) => visitor.visit_i128(n.into()),
            Head::Int(n) => visitor.visit_i128(n.into()),
            head @ Head::Float(n) => match whole(n) {
                Some(n) => visitor.visit_i128(n.into()),
                None => number(head, visitor),
            },
            head => self.mismatch(head, &visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.head()? {
            Head::Uint(n) => visitor.visit_u128(n.into()),
            head @ Head::Float(n) => match whole(n).and_then(|n| u128::try_from(n).ok()) {
                Some(n) => visitor.visit_u128(n),
                None => number(head, visitor),
            },
            head @ Head::Int(_) => number(head, visitor),
            head => self.mismatch(head, &visitor),
        }
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.head()? {
            head @ (Head::Uint(_) | Head::Int(_) | Head::Float(_)) => number(head, visitor),
            head => self.mismatch(head, &visitor),
        }
    }

    /// A number that an `f32` can hold, or one that is not finite.
    #[inline]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.head()? {
            Head::Float(n) if n.is_finite() && !(n as f32).is_finite() => {
                Err(DecodeError::custom(format_args!(
                    "expected {}, found number `{n:e}`, which is out of range",
                    &visitor as &dyn Expected
                )))
            }
            head @ (Head::Uint(_) | Head::Int(_) | Head::Float(_)) => number(head, visitor),
            head => self.mismatch(head, &visitor),
        }
    }

    /// Binary data, or an array of numbers.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.head()? {
            Head::Bin(bytes) => visitor.visit_borrowed_bytes(bytes),
            Head::Array(left) => self.seq(left, visitor, "fewer elements"),
            head => self.mismatch(head, &visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek()? {
            Head::Nil | Head::Undefined => {
                self.skip()?;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.head()? {
            Head::Nil | Head::Undefined => visitor.visit_unit(),
            head => self.mismatch(head, &visitor),
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
            return match self.head()? {
                // Its spelling in JSON is wanted, which is itself if nothing in it is escaped.
                Head::Str(text) if json::is_plain(text) => visitor.visit_borrowed_str(utf8(text)?),
                Head::Str(_) => self.text_wanted(),
                head => self.mismatch(head, &visitor),
            };
        }
        if name == ValueRef::NEWTYPE || name == RAW_VALUE {
            return self.text_wanted();
        }
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.elements(visitor, "fewer elements")
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.elements(visitor, "a shorter tuple")
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.elements(visitor, name)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.head()? {
            Head::Map(left) => self.map(left, visitor),
            head => self.mismatch(head, &visitor),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.head()? {
            Head::Map(left) => self.map(left, visitor),
            Head::Array(left) => self.seq(left, visitor, name),
            head => self.mismatch(head, &visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.head()? {
            Head::Str(text) => visitor.visit_enum(UnitVariant(Raw::plain(utf8(text)?))),
            Head::Map(left) => {
                let mut items = Items { de: self, left };
                let Some(name) = items.member()? else {
                    return Err(mismatched(Head::Map(0), &visitor));
                };
                let value = visitor.visit_enum(Variant {
                    name,
                    de: &mut *items.de,
                })?;
                if items.member()?.is_some() {
                    return Err(too_many(&"an object with one member"));
                }
                Ok(value)
            }
            head => self.mismatch(head, &visitor),
        }
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.skip()?;
        visitor.visit_unit()
    }
}

/// `{"Name":content}`, at the content.
struct Variant<'d, 'de> {
    name: &'de str,
    de: &'d mut PackedDe<'de>,
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;
    type Variant = Self;

    #[inline]
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self)> {
        let name = seed.deserialize(Key(Raw::plain(self.name)))?;
        Ok((name, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<()> {
        de::Deserialize::deserialize(self.de)
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.de)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.de.elements(visitor, "a shorter tuple variant")
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.de
            .deserialize_struct("a shorter struct variant", fields, visitor)
    }
}
