//! The words of scenario files: each says what was expected in its place.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};

use super::super::template::Template;
use super::{Ack, Loop};
use crate::value;

/// Values that are read from one text, with words for what was expected.
macro_rules! from_text {
    ($name:ident($inner:ty), $expected:literal, $read:expr) => {
        #[derive(Debug)]
        pub(super) struct $name(pub(super) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Reader;
                impl Visitor<'_> for Reader {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        let read: fn(&str) -> Result<$inner, String> = $read;
                        read(text).map($name).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Reader)
            }
        }
    };
}

from_text!(
    Time(Duration),
    "a time such as \"1.5s\"",
    crate::options::duration
);
from_text!(
    Namespace(String),
    "the name of a namespace such as \"/chat\"",
    |text| value::namespace(text)
);
from_text!(Name(String), "the name of an event", |text| {
    let reserved = [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
    ];
    if reserved.contains(&text) {
        return Err(format!("{text} is a reserved name: no event can have it"));
    }
    Ok(text.to_owned())
});
from_text!(
    Auth(Template),
    "credentials as a JSON text such as '{\"token\":\"{{client}}\"}'",
    Template::credentials
);
from_text!(
    Pointer(String),
    "a JSON pointer such as \"/0/at\"",
    crate::options::pointer
);

/// `true` and nothing else.
pub(super) struct Yes;

impl<'de> Deserialize<'de> for Yes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Yes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true")
            }

            fn visit_bool<E: serde::de::Error>(self, on: bool) -> Result<Yes, E> {
                if on {
                    Ok(Yes)
                } else {
                    Err(E::custom("true is expected; leave the step out instead"))
                }
            }
        }
        deserializer.deserialize_bool(Reader)
    }
}

pub(super) struct Weight(pub(super) u32);

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Weight;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 1 to 10000")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Weight, E> {
                match u32::try_from(number) {
                    Ok(weight @ 1..=10_000) => Ok(Weight(weight)),
                    _ => Err(E::invalid_value(
                        serde::de::Unexpected::Unsigned(number),
                        &self,
                    )),
                }
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Weight, E> {
                match u64::try_from(number) {
                    Ok(number) => self.visit_u64(number),
                    Err(_) => Err(E::invalid_value(
                        serde::de::Unexpected::Signed(number),
                        &self,
                    )),
                }
            }
        }
        deserializer.deserialize_u64(Reader)
    }
}

/// One time, or a range.
pub(super) struct Pause(pub(super) Duration, pub(super) Duration);

impl<'de> Deserialize<'de> for Pause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pause;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as \"1s\", or a range such as [\"1s\", \"3s\"]")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Pause, E> {
                let time = crate::options::duration(text).map_err(E::custom)?;
                Ok(Pause(time, time))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Pause, A::Error> {
                let mut next = |at| -> Result<Duration, A::Error> {
                    let time: Option<Time> = items.next_element()?;
                    time.map(|time| time.0)
                        .ok_or_else(|| A::Error::invalid_length(at, &"two times"))
                };
                let (from, to) = (next(0)?, next(1)?);
                if items.next_element::<Time>()?.is_some() {
                    return Err(A::Error::custom("two times are expected, not more"));
                }
                if from > to {
                    return Err(A::Error::custom("the shorter time is expected first"));
                }
                Ok(Pause(from, to))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// How often.
#[derive(Default)]
pub(super) struct Repeat(pub(super) Loop);

impl<'de> Deserialize<'de> for Repeat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Repeat;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("how often (10), for how long (\"30s\"), or \"forever\"")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Repeat, E> {
                if number == 0 {
                    return Err(E::custom("at least 1 is expected"));
                }
                Ok(Repeat(Loop {
                    times: Some(number),
                    ..Loop::default()
                }))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Repeat, E> {
                self.visit_u64(u64::try_from(number).unwrap_or(0))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Repeat, E> {
                if text == "forever" {
                    return Ok(Repeat(Loop::default()));
                }
                let during = crate::options::duration(text)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))?;
                Ok(Repeat(Loop {
                    during: Some(during),
                    ..Loop::default()
                }))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

pub(super) struct AckWord(pub(super) Ack);

impl<'de> Deserialize<'de> for AckWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = AckWord;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or \"later\"")
            }

            fn visit_bool<E: serde::de::Error>(self, on: bool) -> Result<AckWord, E> {
                Ok(AckWord(if on { Ack::Wait } else { Ack::No }))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AckWord, E> {
                match text {
                    "later" => Ok(AckWord(Ack::Later)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A JSON text with placeholders, or a list of values.
pub(super) struct Arguments(pub(super) Template);

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Arguments;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "arguments as a JSON text such as '[{{n}}, \"hi\"]', or a list of values",
                )
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Arguments, E> {
                Template::arguments(text)
                    .map(Arguments)
                    .map_err(|why| E::custom(format!("args, {why}")))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Arguments, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = items.next_element::<serde_json::Value>()? {
                    values.push(value);
                }
                let text = serde_json::Value::Array(values).to_string();
                Template::arguments(&text)
                    .map(Arguments)
                    .map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
