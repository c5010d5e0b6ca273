//! The main namespace: every event is answered with its own arguments, binary included.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple as _, Serializer};
use socketioxide::extract::{AckSender, Data, SocketRef};

use crate::value::{Arg, Parsed};

/// Answers events, for first steps with `sockeye emit`.
pub(crate) fn listen(socket: &SocketRef) {
    socket.on_fallback(async |Data(arguments): Data<All>, ack: AckSender| {
        // A client that has gone needs no answer.
        let _ = ack.send(&arguments);
    });
}

/// All arguments of an event. The server library takes what deserializes as a tuple for the whole list.
struct All(Vec<Arg>);

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
                while let Some(Parsed::<false>(arg)) = seq.next_element()? {
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
