//! The value itself, and how it is looked at.
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Index;

use serde::ser::{Serialize, Serializer};

use super::Number;
use crate::packet::Bin;

/// The members of an object, in the order of their names.
pub type Map = BTreeMap<String, Value>;

/// A value of any shape: JSON, or binary data, at any depth.
///
/// It is what `serde_json::Value` is, and holds binary data besides, which that cannot. [`json!`](crate::json!) makes one, an argument is
/// read as one, and it is sent like any other argument.
///
/// ```
/// use sockeye_core::json;
/// use sockeye_core::packet::{Bin, Value};
///
/// let picture = json!({ "name": "cat.png", "data": Bin::from([0x89, 0x50]) });
/// assert_eq!(picture["name"], "cat.png");
/// assert_eq!(picture["data"].as_bytes(), Some(&[0x89, 0x50][..]));
/// assert_eq!(picture["nothing"]["here"], Value::Null);
/// ```
///
/// Its [`Display`](fmt::Display) is JSON for people: binary data shows as its size.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string. Half of a surrogate pair, which JavaScript can send, is U+FFFD.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object. Of equal names the last one counts, as in JavaScript.
    Object(Map),
    /// Binary data: an attachment of the packet.
    Binary(Bin),
}

impl Value {
    /// Whether it is `null`.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The bool, if it is one.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is one, and is whole and fits.
    pub const fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// The number, if it is one, and is whole, not below zero, and fits.
    pub const fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// The number as the nearest float, if it is one.
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number.as_f64()),
            _ => None,
        }
    }

    /// The text, if it is a string.
    pub const fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The bytes, if it is binary data.
    pub const fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Binary(bin) => Some(bin.0.as_slice()),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    pub const fn as_array(&self) -> Option<&Vec<Self>> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// As [`as_array`](Self::as_array), to change.
    pub const fn as_array_mut(&mut self) -> Option<&mut Vec<Self>> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members, if it is an object.
    pub const fn as_object(&self) -> Option<&Map> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// As [`as_object`](Self::as_object), to change.
    pub const fn as_object_mut(&mut self) -> Option<&mut Map> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The member of that name, or the element at that place. `None` where there is none, and in what is neither object nor array.
    pub fn get(&self, index: impl ValueIndex) -> Option<&Self> {
        index.of(self)
    }

    /// Leaves `null` in its place.
    pub fn take(&mut self) -> Self {
        core::mem::take(self)
    }
}

/// What a [`Value`] is indexed with: the name of a member, or the place of an element.
pub trait ValueIndex: sealed::Sealed {
    #[doc(hidden)]
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for str {}
    impl Sealed for alloc::string::String {}
    impl Sealed for usize {}
    impl<T: Sealed + ?Sized> Sealed for &T {}
}

impl ValueIndex for str {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.as_object()?.get(self)
    }
}

impl ValueIndex for String {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.as_str().of(value)
    }
}

impl ValueIndex for usize {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.as_array()?.get(*self)
    }
}

impl<T: ValueIndex + ?Sized> ValueIndex for &T {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        (**self).of(value)
    }
}

/// `null` where there is nothing, as in serde_json.
impl<I: ValueIndex> Index<I> for Value {
    type Output = Self;

    fn index(&self, index: I) -> &Self {
        static NULL: Value = Value::Null;
        index.of(self).unwrap_or(&NULL)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(members) => serializer.collect_map(members),
            Self::Binary(bin) => bin.serialize(serializer),
        }
    }
}

/// As the value is written, but for binary data, which is a text with its size.
struct Shown<'v>(&'v Value);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => serializer.collect_seq(items.iter().map(Shown)),
            Value::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, Shown(value))))
            }
            Value::Binary(bin) => serializer.collect_str(&format_args!("<{} bytes>", bin.len())),
            value => value.serialize(serializer),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = Vec::new();
        let args = (Shown(self),);
        crate::packet::encode_args_to_vec(None, &args, &mut json, &mut |_| Ok(()))
            .map_err(|_| fmt::Error)?;
        let text = core::str::from_utf8(&json).map_err(|_| fmt::Error)?;
        // One argument in its array.
        f.write_str(text.get(1..text.len() - 1).unwrap_or_default())
    }
}
