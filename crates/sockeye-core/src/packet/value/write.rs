//! A serializer that makes values: what is in an expression of [`json!`](crate::json!).
use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use serde::ser::{self, Serialize, Serializer};

use super::{Map, Value};
use crate::packet::{EncodeError, Reason, read_json};

/// Makes a [`Value`] of anything that can be sent, by the same conventions; see [`EmitArgs`](crate::packet::EmitArgs).
///
/// # Errors
/// [`EncodeError::Serialize`] if an implementation of `Serialize` fails, for keys of maps that are neither strings nor numbers nor bools,
/// and for integers beyond 64 bits.
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, EncodeError> {
    match value.serialize(ToValue) {
        Ok(value) => Ok(value),
        Err(Fail(reason)) => Err(EncodeError::Serialize(reason)),
    }
}

#[derive(Debug)]
struct Fail(Reason);

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Fail {}

impl ser::Error for Fail {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Reason::new(message))
    }
}

struct ToValue;

type Done = Result<Value, Fail>;

macro_rules! simple {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, value: $type) -> Done {
            Ok(value.into())
        }
    )*};
}

impl Serializer for ToValue {
    type Ok = Value;
    type Error = Fail;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeStructVariant = Members;

    simple! {
        serialize_bool(bool)
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_str(&str)
    }

    fn serialize_i128(self, value: i128) -> Done {
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => Ok(value.into()),
            (_, Ok(value)) => Ok(value.into()),
            _ => Err(ser::Error::custom(format_args!(
                "the integer {value} does not fit 64 bits"
            ))),
        }
    }

    fn serialize_u128(self, value: u128) -> Done {
        match i128::try_from(value) {
            Ok(value) => self.serialize_i128(value),
            Err(_) => Err(ser::Error::custom(format_args!(
                "the integer {value} does not fit 64 bits"
            ))),
        }
    }

    /// Not a number, and infinite, is `null`, as it is written.
    fn serialize_f32(self, value: f32) -> Done {
        Ok(if value.is_finite() {
            value.into()
        } else {
            Value::Null
        })
    }

    fn serialize_f64(self, value: f64) -> Done {
        Ok(if value.is_finite() {
            value.into()
        } else {
            Value::Null
        })
    }

    fn serialize_char(self, value: char) -> Done {
        Ok(Value::String(value.into()))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Done {
        Ok(Value::Binary(bytes.into()))
    }

    fn serialize_none(self) -> Done {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        Ok(in_variant(Some(variant), value.serialize(self)?))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Items, Fail> {
        Ok(Items {
            variant: None,
            // A length that somebody claims.
            items: Vec::with_capacity(len.unwrap_or(0).min(1024)),
        })
    }

    fn serialize_tuple(self, len: usize) -> Result<Items, Fail> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Items, Fail> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items, Fail> {
        let mut items = self.serialize_seq(Some(len))?;
        items.variant = Some(variant);
        Ok(items)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members, Fail> {
        Ok(Members::default())
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Members, Fail> {
        Ok(Members {
            verbatim: name == "$serde_json::private::RawValue"
                || name == "$serde_json::private::Number",
            ..Members::default()
        })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members, Fail> {
        Ok(Members {
            variant: Some(variant),
            ..Members::default()
        })
    }
}

/// `{"Variant":value}`, or the value alone.
fn in_variant(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => [(variant, value)].into_iter().collect(),
        None => value,
    }
}

struct Items {
    variant: Option<&'static str>,
    items: Vec<Value>,
}

#[derive(Default)]
struct Members {
    variant: Option<&'static str>,
    members: Map,
    /// The key whose value is next.
    key: String,
    /// A `RawValue` or a number of arbitrary precision of `serde_json`: its only field is the JSON text.
    verbatim: bool,
}

impl Members {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Fail> {
        let mut value = value.serialize(ToValue)?;
        if self.verbatim
            && let Some(json) = value.as_str()
        {
            value = read_json(json).map_err(Fail)?;
        }
        self.members.insert(name.to_owned(), value);
        Ok(())
    }

    fn finish(mut self) -> Done {
        if self.verbatim
            && let Some((_, value)) = self.members.pop_first()
        {
            return Ok(value);
        }
        Ok(in_variant(self.variant, Value::Object(self.members)))
    }
}

macro_rules! compound {
    ($type:ty: $($kind:ident: $method:ident($($key:ident)?) = $call:ident;)*) => {$(
        impl ser::$kind for $type {
            type Ok = Value;
            type Error = Fail;

            fn $method<T: Serialize + ?Sized>(&mut self, $($key: &'static str,)? value: &T) -> Result<(), Fail> {
                self.$call($($key,)? value)
            }

            fn end(self) -> Done {
                self.finish()
            }
        }
    )*};
}

impl Items {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fail> {
        self.items.push(value.serialize(ToValue)?);
        Ok(())
    }

    fn finish(self) -> Done {
        Ok(in_variant(self.variant, Value::Array(self.items)))
    }
}

compound! { Items:
    SerializeSeq: serialize_element() = item;
    SerializeTuple: serialize_element() = item;
    SerializeTupleStruct: serialize_field() = item;
    SerializeTupleVariant: serialize_field() = item;
}

compound! { Members:
    SerializeStruct: serialize_field(key) = field;
    SerializeStructVariant: serialize_field(key) = field;
}

impl ser::SerializeMap for Members {
    type Ok = Value;
    type Error = Fail;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fail> {
        self.key = match key.serialize(ToValue)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            _ => {
                return Err(ser::Error::custom(
                    "a map key must be a string, number or bool",
                ));
            }
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fail> {
        let key = core::mem::take(&mut self.key);
        self.members.insert(key, value.serialize(ToValue)?);
        Ok(())
    }

    fn end(self) -> Done {
        self.finish()
    }
}
