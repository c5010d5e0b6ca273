//! The main namespace: every event is answered with its own arguments, binary included.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple as _, Serializer};
use socketioxide::extract::{AckSender, Data, SocketRef};

/// Answers events, for first steps with `sockeye emit`.
pub(crate) fn listen(socket: &SocketRef) {
    socket.on_fallback(async |Data(arguments): Data<All>, ack: AckSender| {
        // A client that has gone needs no answer.
        let _ = ack.send(&arguments);
    });
}

/// All arguments of an event. The server library takes what deserializes as a tuple for the whole list.
struct All(Vec<Echoed>);

impl<'de> Deserialize<'de> for All {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AllVisitor;
        impl<'de> Visitor<'de> for AllVisitor {
            type Value = All;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("arguments")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<All, A::Error> {
                let mut all = Vec::new();
                while let Some(arg) = seq.next_element()? {
                    all.push(arg);
                }
                Ok(All(all))
            }
        }
        deserializer.deserialize_tuple(0, AllVisitor)
    }
}

impl Serialize for All {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for arg in &self.0 {
            tuple.serialize_element(arg)?;
        }
        tuple.end()
    }
}

/// One argument, as the server library's reader gives it.
enum Echoed {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
    Bin(Bytes),
}

impl<'de> Deserialize<'de> for Echoed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Echoed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Echoed, E> {
                Ok(Echoed::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Echoed, E> {
                Ok(Echoed::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Echoed, E> {
                Ok(Echoed::Signed(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Echoed, E> {
                Ok(Echoed::Unsigned(value))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Echoed, E> {
                Ok(Echoed::Float(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Echoed, E> {
                Ok(Echoed::Text(value.to_owned()))
            }
            fn visit_bytes<E>(self, value: &[u8]) -> Result<Echoed, E> {
                Ok(Echoed::Bin(Bytes::copy_from_slice(value)))
            }
            fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Echoed, E> {
                Ok(Echoed::Bin(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Echoed, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Echoed::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Echoed, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Echoed::Object(entries))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Serialize for Echoed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => items.serialize(serializer),
            Self::Object(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key, value)))
            }
            Self::Bin(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}
