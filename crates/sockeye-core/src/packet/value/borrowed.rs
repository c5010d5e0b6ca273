//! A value where it was received.
use core::fmt;

use serde::de::value::{BorrowedBytesDeserializer, BorrowedStrDeserializer};
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer as _, SeqAccess, Visitor,
};
use serde::ser::{Serialize, Serializer};

use crate::packet::attachments::{Attachments, BinRef};
use crate::packet::json::{self, read::DecodeError, read::JsonDe};
use crate::packet::text::{Reason, Text};

/// What a [`ValueRef`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ValueKind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
    /// Binary data.
    Binary,
}

/// A value of any shape, binary data included, where it was received: in every tier, without a copy.
///
/// An argument is read as one, or a member of a struct whose shape depends on another. Looking into it walks over its text. With `alloc` a
/// `Value` can be made of it, which owns what it holds: `value.read::<Value>()`.
///
/// ```
/// use sockeye_core::packet::{Args, Attachments, ValueKind, ValueRef};
///
/// let args = Args::new(r#"["set", {"led": {"on": true, "rgb": [255, 0, 16]}}]"#, Attachments::EMPTY)?;
/// let (command, value): (&str, ValueRef<'_>) = args.parse()?;
/// let led = value.get("led").unwrap();
/// assert_eq!((command, led.kind()), ("set", ValueKind::Object));
/// assert_eq!(led.get("on").and_then(|on| on.as_bool()), Some(true));
/// let rgb = led.get("rgb").and_then(|rgb| rgb.read::<[u8; 3]>().ok());
/// assert_eq!(rgb, Some([255, 0, 16]));
/// # Ok::<(), sockeye_core::packet::ArgsError>(())
/// ```
///
/// Sent, it is what it was when it came.
#[derive(Clone, Copy)]
pub struct ValueRef<'a> {
    /// A valid value, without white space around it.
    json: &'a str,
    attachments: Attachments<'a>,
}

impl<'a> ValueRef<'a> {
    /// The newtype name by which our deserializer knows that the value is wanted as it is.
    pub(crate) const NEWTYPE: &'static str = "$sockeye::ValueRef";

    pub(crate) const fn new(json: &'a str, attachments: Attachments<'a>) -> Self {
        Self { json, attachments }
    }

    /// What serde carries it by.
    pub(crate) const fn parts(self) -> Parts<'a> {
        Parts { of: self, next: 0 }
    }

    /// The JSON text; binary data is a placeholder in it.
    pub const fn raw(&self) -> &'a str {
        self.json
    }

    /// What it is.
    pub fn kind(&self) -> ValueKind {
        match self.json.as_bytes().first() {
            Some(b'{') if self.as_bytes().is_some() => ValueKind::Binary,
            Some(b'{') => ValueKind::Object,
            Some(b'[') => ValueKind::Array,
            Some(b'"') => ValueKind::String,
            Some(b't' | b'f') => ValueKind::Bool,
            Some(b'n') | None => ValueKind::Null,
            _ => ValueKind::Number,
        }
    }

    /// Decodes it, as an argument is decoded.
    ///
    /// # Errors
    /// What was expected, and what was found.
    pub fn read<T: Deserialize<'a>>(&self) -> Result<T, Reason> {
        let mut de = JsonDe::new(self.json, 0, self.attachments);
        T::deserialize(&mut de).map_err(DecodeError::into_reason)
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.json == "null"
    }

    /// The bool, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.json {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The number, if it is one, is written without fraction or exponent, is not below zero, and fits.
    pub fn as_u64(&self) -> Option<u64> {
        json::as_u64(self.json)
    }

    /// The number, if it is one, is written without fraction or exponent, and fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self.json.strip_prefix('-') {
            Some(magnitude) => 0i64.checked_sub_unsigned(json::as_u64(magnitude)?),
            None => i64::try_from(json::as_u64(self.json)?).ok(),
        }
    }

    /// The number as the nearest float, if it is one and a float can hold it.
    pub fn as_f64(&self) -> Option<f64> {
        self.read().ok()
    }

    /// The text, if it is a string.
    pub fn as_text(&self) -> Option<Text<'a>> {
        json::as_str(self.json)
    }

    /// The bytes, if it is binary data.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        if self.attachments.is_empty() || !json::is_placeholder(self.json) {
            return None;
        }
        let num = json::as_index(json::field(self.json, "num")?)?;
        self.attachments.get(num)
    }

    /// The member of that name, if it is an object that has one. Of equal names the last one counts, as in JavaScript.
    pub fn get(&self, name: &str) -> Option<Self> {
        let json = json::field(self.json, name)?;
        Some(Self { json, ..*self })
    }

    /// The elements, if it is an array; otherwise none.
    pub fn items(&self) -> impl Iterator<Item = Self> + use<'a> {
        let attachments = self.attachments;
        json::array_items(self.json).map(move |json| Self { json, attachments })
    }

    /// Names and values of the members as they are written, if it is an object; otherwise none.
    pub fn members(&self) -> impl Iterator<Item = (Text<'a>, Self)> + use<'a> {
        let attachments = self.attachments;
        json::members(self.json).map(move |(name, json)| (name, Self { json, attachments }))
    }
}

impl Default for ValueRef<'_> {
    fn default() -> Self {
        Self::new("null", Attachments::EMPTY)
    }
}

/// The text, and the bytes of binary data for its size.
impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_bytes() {
            Some(bytes) => BinRef(bytes).fmt(f),
            None => f.write_str(self.json),
        }
    }
}

impl Serialize for ValueRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.kind() {
            ValueKind::Null => serializer.serialize_unit(),
            ValueKind::Bool => serializer.serialize_bool(self.as_bool().unwrap_or_default()),
            ValueKind::Number => {
                if let Some(n) = self.as_u64() {
                    serializer.serialize_u64(n)
                } else if let Some(n) = self.as_i64() {
                    serializer.serialize_i64(n)
                } else {
                    serializer.serialize_f64(self.as_f64().unwrap_or(f64::INFINITY))
                }
            }
            ValueKind::String => self.as_text().serialize(serializer),
            ValueKind::Array => serializer.collect_seq(self.items()),
            ValueKind::Object => serializer.collect_map(self.members()),
            ValueKind::Binary => BinRef(self.as_bytes().unwrap_or_default()).serialize(serializer),
        }
    }
}

/// The three parts of a value, one after the other.
pub(crate) struct Parts<'a> {
    of: ValueRef<'a>,
    next: u8,
}

impl<'de> SeqAccess<'de> for Parts<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        self.next += 1;
        let attachments = self.of.attachments;
        match self.next {
            1 => seed.deserialize(BorrowedStrDeserializer::new(self.of.json)),
            2 => seed.deserialize(BorrowedBytesDeserializer::new(attachments.as_records())),
            3 => seed.deserialize((attachments.len() as u32).into_deserializer()),
            _ => return Ok(None),
        }
        .map(Some)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ValueRef<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = ValueRef<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            // Only our deserializer comes here, with the parts.
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ValueRef<'de>, A::Error> {
                let json: Option<&'de str> = seq.next_element()?;
                let records: Option<&'de [u8]> = seq.next_element()?;
                let count: Option<u32> = seq.next_element()?;
                let attachments =
                    Attachments::new(records.unwrap_or_default(), count.unwrap_or(0) as usize);
                Ok(ValueRef::new(json.unwrap_or("null"), attachments))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                _: D,
            ) -> Result<ValueRef<'de>, D::Error> {
                Err(de::Error::custom(
                    "ValueRef can only be read from Socket.IO arguments",
                ))
            }
        }
        deserializer.deserialize_newtype_struct(Self::NEWTYPE, Whole)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::packet::json::write::tests::encode;
    use crate::packet::{Args, Attachments};
    use std::format;
    use std::vec::Vec;

    #[test]
    fn looks_into_what_was_received() {
        let records = b"\x02\0\0\0hi";
        let attachments = Attachments::from_records(records, 1).unwrap();
        let json = r#"[ {"n":null, "b":true,"i":-7,"u":18446744073709551615,"f":2.5e0,"t":"a\"b\u00e4","l":[1, [] ,{"x":2}],"p":{"_placeholder":true,"num":0},"i":-8,"big":1e400} , 5]"#;
        let args = Args::new(json, attachments).unwrap();
        let (value, five) = args.parse::<(ValueRef<'_>, u8)>().unwrap();
        assert_eq!(five, 5);
        let get = |name| value.get(name).unwrap();
        assert!(get("n").is_null());
        assert_eq!(get("b").as_bool(), Some(true));
        assert_eq!((get("i").as_i64(), get("i").as_u64()), (Some(-8), None));
        assert_eq!(
            (get("u").as_i64(), get("u").as_u64()),
            (None, Some(u64::MAX))
        );
        assert_eq!((get("f").as_f64(), get("f").as_i64()), (Some(2.5), None));
        assert_eq!((get("big").as_f64(), get("big").raw()), (None, "1e400"));
        assert_eq!(get("t").as_text().unwrap(), "a\"bä");
        assert_eq!(get("p").as_bytes(), Some(&b"hi"[..]));
        assert_eq!(get("p").read::<BinRef<'_>>(), Ok(BinRef(b"hi")));
        assert_eq!(
            format!("{:?} {:?}", get("p"), get("l")),
            r#"BinRef(2 bytes) [1, [] ,{"x":2}]"#
        );
        assert!(value.get("x").is_none() && get("l").get("x").is_none());
        let items: Vec<_> = get("l").items().collect();
        assert_eq!(items.len(), 3);
        assert_eq!(items[2].get("x").and_then(|x| x.as_u64()), Some(2));
        assert_eq!(
            (get("n").items().count(), get("l").members().count()),
            (0, 0)
        );
        use ValueKind::{Array, Binary, Bool, Null, Number, String};
        let kinds: Vec<_> = value.members().map(|(_, value)| value.kind()).collect();
        assert_eq!(
            kinds,
            [
                Null, Bool, Number, Number, Number, String, Array, Binary, Number, Number
            ]
        );
        assert_eq!(value.kind(), ValueKind::Object);
    }

    /// Passed on, it is the same, wherever its attachments come to stand.
    #[test]
    fn is_sent_as_it_came() {
        let records = b"\x01\0\0\0a\x01\0\0\0b";
        let attachments = Attachments::from_records(records, 2).unwrap();
        let json =
            r#"[[1,-2,2.5,"a\nb",null,true,{},{"k":{"_placeholder":true,"num":1},"s":"\ud83d"}]]"#;
        let args = Args::new(json, attachments).unwrap();
        let (value,) = args.parse::<(ValueRef<'_>,)>().unwrap();
        let (sent, attached) = encode(None, &(BinRef(b"first"), value)).unwrap();
        assert_eq!(
            sent,
            "[{\"_placeholder\":true,\"num\":0},[1,-2,2.5,\"a\\nb\",null,true,{},{\"k\":{\"_placeholder\":true,\"num\":1},\"s\":\"\u{fffd}\"}]]"
        );
        assert_eq!(attached, [&b"first"[..], b"b"]);
    }

    #[test]
    #[cfg(feature = "alloc")]
    fn other_deserializers_say_that_they_cannot() {
        assert!(serde_json::from_str::<ValueRef<'_>>("1").is_err());
    }
}
