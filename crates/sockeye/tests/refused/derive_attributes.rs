//! error: `names` is unknown: known are `name = "…"`, `ack = (…)`, `args`, `value` and `crate = "…"`
//! error: `name` is said twice
//! error: an acknowledgement is a tuple of its arguments: `ack = (bool,)` for one of the type `bool`
//! error: an acknowledgement is a tuple of its arguments: `ack = (Option<u8>,)` for one of the type `Option<u8>`
//! error: either each field is an argument (`args`) or the whole is one (`value`)
//! error: only the fields of a struct can be arguments of their own: an enum is one argument
//! error: a union cannot be an event
//! error: `with` would have no effect: each field is an argument of its own here
//! error: make one argument of the whole: `#[event(value)]`
use serde::{Deserialize, Serialize};
use sockeye::Event;

#[derive(Event)]
#[event(names = "x")]
struct Unknown;

#[derive(Event)]
#[event(name = "x", name = "y")]
struct Twice;

#[derive(Event)]
#[event(ack = bool)]
struct Single;

#[derive(Event)]
#[event(ack = Option<u8>)]
struct Maybe;

#[derive(Event)]
#[event(args, value)]
struct Both(u8);

#[derive(Event)]
#[event(args)]
enum Many {
    A,
}

#[derive(Event)]
union Either {
    a: u8,
    b: i8,
}

#[derive(Event, Serialize, Deserialize)]
struct Sideways(#[serde(default, with = "text")] u8);

mod text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    pub fn serialize<S: Serializer>(n: &u8, to: S) -> Result<S::Ok, S::Error> {
        n.to_string().serialize(to)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
        u8::deserialize(from)
    }
}

fn main() {}
