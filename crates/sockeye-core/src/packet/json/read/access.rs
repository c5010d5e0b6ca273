//! What a visitor walks over: elements, members, keys and variants.
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, Error as _, Unexpected, Visitor};

use super::{DecodeError, JsonDe, Raw, Result, malformed};
use crate::packet::attachments::Attachments;
use crate::packet::json;
use crate::packet::text::Text;

/// The elements or members of what we are in.
pub(super) struct Items<'d, 'de> {
    pub(super) de: &'d mut JsonDe<'de>,
    pub(super) first: bool,
}

impl Items<'_, '_> {
    /// Goes to the next one, unless the end is here.
    #[inline(always)]
    fn advance(&mut self, bracket: u8) -> Result<bool> {
        let c = self.de.peek();
        if c == bracket {
            return Ok(false);
        }
        if !core::mem::replace(&mut self.first, false) {
            if c != b',' {
                return Err(malformed());
            }
            self.de.at += 1;
        }
        Ok(true)
    }
}

impl<'de> de::SeqAccess<'de> for Items<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if !self.advance(b']')? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.de).map(Some)
    }
}

impl<'de> de::MapAccess<'de> for Items<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let first = core::mem::replace(&mut self.first, false);
        match self.de.key(first) {
            Some(text) => seed.deserialize(Key(self.de.raw_string(text))).map(Some),
            None if self.de.peek() == b'}' => Ok(None),
            None => Err(malformed()),
        }
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        seed.deserialize(&mut *self.de)
    }
}

/// A member's name, which may have to become a number or a bool.
pub(in crate::packet) struct Key<'de>(pub(in crate::packet) Raw<'de>);

macro_rules! key_values {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            let b = self.0.text.as_bytes();
            if !matches!(json::check_value(b), Ok(json::Kind::Number | json::Kind::Bool)) || b.iter().any(|&c| c <= b' ') {
                return Err(DecodeError::invalid_type(Unexpected::Other("another object key"), &visitor));
            }
            JsonDe::new(self.0.text, 0, Attachments::EMPTY).$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = DecodeError;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.0.visit(visitor)
    }

    key_values!(deserialize_bool deserialize_f32 deserialize_f64);
    key_values!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128);
    key_values!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128);

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        if name == Text::NEWTYPE {
            return visitor.visit_borrowed_str(self.0.text);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_enum(UnitVariant(self.0))
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

/// `"Name"`: a variant without content.
pub(in crate::packet) struct UnitVariant<'de>(pub(in crate::packet) Raw<'de>);

impl<'de> de::EnumAccess<'de> for UnitVariant<'de> {
    type Error = DecodeError;
    type Variant = Self;

    #[inline]
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self)> {
        Ok((seed.deserialize(Key(self.0))?, self))
    }
}

impl<'de> de::VariantAccess<'de> for UnitVariant<'de> {
    type Error = DecodeError;

    #[inline]
    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value> {
        Err(DecodeError::invalid_type(
            Unexpected::UnitVariant,
            &"newtype variant",
        ))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value> {
        Err(DecodeError::invalid_type(
            Unexpected::UnitVariant,
            &"tuple variant",
        ))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value> {
        Err(DecodeError::invalid_type(
            Unexpected::UnitVariant,
            &"struct variant",
        ))
    }
}

/// `{"Name":content}`, after the brace.
pub(super) struct Variant<'d, 'de>(pub(super) &'d mut JsonDe<'de>);

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;
    type Variant = Self;

    #[inline]
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self)> {
        let name = seed.deserialize(Key(self.0.string()?))?;
        if self.0.peek() != b':' {
            return Err(malformed());
        }
        self.0.at += 1;
        Ok((name, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<()> {
        de::Deserialize::deserialize(self.0)
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.0)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.0.seq(visitor, "a shorter tuple variant")
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.0
            .deserialize_struct("a shorter struct variant", fields, visitor)
    }
}

/// The name by which `serde_json::value::RawValue` asks for the JSON text itself, as the only member of a map of that name.
pub(in crate::packet) const RAW_VALUE: &str = "$serde_json::private::RawValue";

pub(super) struct RawValue<'de>(pub(super) Option<&'de str>);

impl<'de> de::MapAccess<'de> for RawValue<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        match self.0 {
            Some(_) => seed
                .deserialize(BorrowedStrDeserializer::new(RAW_VALUE))
                .map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        seed.deserialize(BorrowedStrDeserializer::new(
            self.0.take().unwrap_or("null"),
        ))
    }
}
