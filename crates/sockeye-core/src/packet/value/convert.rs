//! Values from and to the types around them.
use alloc::borrow::{Cow, ToOwned as _};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Map, Number, Value};
use crate::packet::{Bin, BinRef, Text};

macro_rules! numbers {
    ($wide:ty: $($type:ty)*) => {$(
        impl From<$type> for Value {
            fn from(n: $type) -> Self {
                Self::Number(<$wide>::from(n).into())
            }
        }

        impl PartialEq<$type> for Value {
            fn eq(&self, other: &$type) -> bool {
                matches!(self, Self::Number(number) if *number == <$wide>::from(*other).into())
            }
        }
    )*};
}

numbers!(u64: u8 u16 u32 u64);
numbers!(i64: i8 i16 i32 i64);
numbers!(Number: f32 f64);

impl From<usize> for Value {
    fn from(n: usize) -> Self {
        (n as u64).into()
    }
}

impl From<isize> for Value {
    fn from(n: isize) -> Self {
        (n as i64).into()
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::Null
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<Cow<'_, str>> for Value {
    fn from(text: Cow<'_, str>) -> Self {
        Self::String(text.into_owned())
    }
}

impl From<Text<'_>> for Value {
    fn from(text: Text<'_>) -> Self {
        Self::String(text.into())
    }
}

impl From<Bin> for Value {
    fn from(bin: Bin) -> Self {
        Self::Binary(bin)
    }
}

impl From<BinRef<'_>> for Value {
    fn from(bytes: BinRef<'_>) -> Self {
        Self::Binary(bytes.into())
    }
}

impl From<Map> for Value {
    fn from(members: Map) -> Self {
        Self::Object(members)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        items.into_iter().collect()
    }
}

impl<T: Into<Self>, const N: usize> From<[T; N]> for Value {
    fn from(items: [T; N]) -> Self {
        items.into_iter().collect()
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Self>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<K: Into<String>, V: Into<Self>> FromIterator<(K, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Self {
        let members = members.into_iter();
        Self::Object(
            members
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl PartialEq<str> for Value {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<String> for Value {
    fn eq(&self, other: &String) -> bool {
        *self == **other
    }
}

impl PartialEq<bool> for Value {
    fn eq(&self, other: &bool) -> bool {
        self.as_bool() == Some(*other)
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => {
                let unsigned = || number.as_u64().map(Number::from);
                let signed = || number.as_i64().map(Number::from);
                let float = || number.as_f64().map(Number::from);
                unsigned()
                    .or_else(signed)
                    .or_else(float)
                    .map_or(Self::Null, Self::Number)
            }
            serde_json::Value::String(text) => Self::String(text),
            serde_json::Value::Array(items) => items.into_iter().collect(),
            serde_json::Value::Object(members) => members.into_iter().collect(),
        }
    }
}

/// Why a [`Value`] is no `serde_json::Value`: what of it does not fit, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotJson {
    /// Binary data.
    Binary {
        /// The names and places on the way to it, as in `/data/0`. Empty for the value itself.
        path: String,
    },
    /// A number that is infinite, or none.
    NotFinite {
        /// The names and places on the way to it.
        path: String,
    },
}

impl NotJson {
    /// Puts one more step in front of the way.
    #[cold]
    fn inside(mut self, step: impl fmt::Display) -> Self {
        let (Self::Binary { path } | Self::NotFinite { path }) = &mut self;
        *path = format!("/{step}{path}");
        self
    }
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, path, way) = match self {
            Self::Binary { path } => (
                "binary data",
                path,
                "keep it in a sockeye Value, or replace it first",
            ),
            Self::NotFinite { path } => ("a number that is not finite", path, "replace it first"),
        };
        let place = if path.is_empty() { "the top" } else { path };
        write!(
            f,
            "{what} at {place} does not fit a serde_json::Value: {way}"
        )
    }
}

impl core::error::Error for NotJson {}

/// Fails for what JSON cannot say, and names the place.
impl TryFrom<Value> for serde_json::Value {
    type Error = NotJson;

    fn try_from(value: Value) -> Result<Self, NotJson> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => {
                let unsigned = || number.as_u64().map(serde_json::Number::from);
                let signed = || number.as_i64().map(serde_json::Number::from);
                let float = || serde_json::Number::from_f64(number.as_f64());
                let number = unsigned().or_else(signed).or_else(float);
                Self::Number(number.ok_or(NotJson::NotFinite {
                    path: String::new(),
                })?)
            }
            Value::String(text) => Self::String(text),
            Value::Array(items) => {
                let items = items.into_iter().enumerate();
                items
                    .map(|(i, item)| Self::try_from(item).map_err(|error| error.inside(i)))
                    .collect::<Result<Vec<_>, _>>()?
                    .into()
            }
            Value::Object(members) => {
                let mut out = serde_json::Map::new();
                for (name, value) in members {
                    let value = Self::try_from(value).map_err(|error| error.inside(&name))?;
                    out.insert(name, value);
                }
                Self::Object(out)
            }
            Value::Binary(_) => {
                return Err(NotJson::Binary {
                    path: String::new(),
                });
            }
        })
    }
}
