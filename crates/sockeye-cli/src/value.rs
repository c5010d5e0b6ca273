//! JSON values that may hold binary: what is typed, sent, received and printed.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Number, Value};

/// The key of the one-entry object that stands for binary in JSON: `{"_bin": "<base64>"}`.
pub(crate) const BIN_KEY: &str = "_bin";
/// The largest file that `@file` reads.
const MAX_FILE: u64 = 64 << 20;

/// One argument. Unlike [`Value`] it holds binary at any depth and keeps the order of object keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arg {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
    Bin(Bytes),
}

impl Arg {
    /// Reads one JSON value; `{"_bin": "…"}` becomes binary.
    pub(crate) fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| plain(&error))
    }

    /// Reads an argument as typed on a command line: JSON, or `@file` for the bytes of a file.
    pub(crate) fn from_word(word: &str) -> Result<Self, String> {
        match word.strip_prefix('@') {
            Some(path) => file(path),
            None => Self::from_json(word).map_err(|why| not_json(word, &why)),
        }
    }

    /// Received arguments: a JSON array, with attachments for the places of its placeholders.
    pub(crate) fn received(json: &str, attachments: &[Bytes]) -> Vec<Self> {
        match serde_json::from_str::<Vec<Parsed<false>>>(json) {
            Ok(args) => args
                .into_iter()
                .map(|Parsed(arg)| arg.filled(attachments))
                .collect(),
            // Say, a number that no float can hold: shown as it came.
            Err(_) => vec![Self::Text(json.to_owned())],
        }
    }

    fn filled(self, attachments: &[Bytes]) -> Self {
        match self {
            Self::List(items) => Self::List(
                items
                    .into_iter()
                    .map(|item| item.filled(attachments))
                    .collect(),
            ),
            Self::Object(entries) => {
                let get = |wanted: &str| {
                    entries
                        .iter()
                        .find(|(key, _)| key == wanted)
                        .map(|(_, value)| value)
                };
                let number = match (get("_placeholder"), get("num")) {
                    (Some(Self::Bool(true)), Some(Self::Number(number))) => number.as_u64(),
                    _ => None,
                };
                match number.and_then(|number| attachments.get(usize::try_from(number).ok()?)) {
                    Some(bytes) => Self::Bin(bytes.clone()),
                    None => Self::Object(
                        entries
                            .into_iter()
                            .map(|(key, value)| (key, value.filled(attachments)))
                            .collect(),
                    ),
                }
            }
            plain => plain,
        }
    }

    /// The same as a [`Value`], binary as `{"_bin": …}`.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(value) => Value::Number(value.clone()),
            Self::Text(value) => Value::String(value.clone()),
            Self::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Self::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key.clone(), value.to_value()))
                    .collect(),
            ),
            Self::Bin(bytes) => serde_json::json!({ BIN_KEY: STANDARD.encode(bytes) }),
        }
    }
}

/// The bytes of a file as an argument.
fn file(path: &str) -> Result<Arg, String> {
    let cannot = |why: &dyn fmt::Display| format!("cannot read {path}: {why}");
    let facts = Path::new(path).metadata().map_err(|error| cannot(&error))?;
    if facts.is_dir() {
        return Err(cannot(&"it is a directory"));
    }
    if facts.len() > MAX_FILE {
        return Err(cannot(&format_args!(
            "it is larger than {} MB",
            MAX_FILE >> 20
        )));
    }
    std::fs::read(path)
        .map(|bytes| Arg::Bin(bytes.into()))
        .map_err(|error| cannot(&error))
}

/// What is wrong with a word that should be JSON, and how to write it.
pub(crate) fn not_json(word: &str, why: &str) -> String {
    let shown: String = word.chars().take(60).collect();
    let bare = !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_alphanumeric() || "-_ .,!?".contains(c));
    if bare {
        format!("{shown} is not JSON: write a text with quotes, \"{shown}\"")
    } else {
        format!("{shown} is not JSON: {why}")
    }
}

/// serde_json's message; its place only when there is more than one line or column to look at.
pub(crate) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.strip_suffix(" at line 1 column 0")
        .unwrap_or(&text)
        .replace(" at line 1 column ", " at character ")
}

/// Serializes for the wire: binary by `serialize_bytes`, which the client turns into an attachment.
impl Serialize for Arg {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => items.serialize(serializer),
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Bin(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

impl<'de> Deserialize<'de> for Arg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Parsed::<true>::deserialize(deserializer).map(|Parsed(arg)| arg)
    }
}

/// A JSON value being read; with `BIN` set, `{"_bin": …}` becomes binary (our user means that, a server does not).
pub(crate) struct Parsed<const BIN: bool>(pub(crate) Arg);

impl<'de, const BIN: bool> Deserialize<'de> for Parsed<BIN> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArgVisitor<const BIN: bool>;
        impl<'de, const BIN: bool> Visitor<'de> for ArgVisitor<BIN> {
            type Value = Arg;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_unit<E>(self) -> Result<Arg, E> {
                Ok(Arg::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Arg, E> {
                Ok(Arg::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Arg, E> {
                Ok(Arg::Number(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Arg, E> {
                Ok(Arg::Number(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Arg, E> {
                Ok(Number::from_f64(value).map_or(Arg::Null, Arg::Number))
            }
            fn visit_str<E>(self, value: &str) -> Result<Arg, E> {
                Ok(Arg::Text(value.to_owned()))
            }
            fn visit_string<E>(self, value: String) -> Result<Arg, E> {
                Ok(Arg::Text(value))
            }
            fn visit_bytes<E>(self, value: &[u8]) -> Result<Arg, E> {
                Ok(Arg::Bin(Bytes::copy_from_slice(value)))
            }
            fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Arg, E> {
                Ok(Arg::Bin(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Arg, A::Error> {
                let mut items = Vec::new();
                while let Some(Parsed::<BIN>(item)) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Arg::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Arg, A::Error> {
                let mut entries: Vec<(String, Arg)> = Vec::new();
                while let Some((key, Parsed::<BIN>(value))) = map.next_entry()? {
                    entries.push((key, value));
                }
                match entries.as_slice() {
                    [(key, Arg::Text(text))] if BIN && key == BIN_KEY => {
                        match STANDARD.decode(text) {
                            Ok(bytes) => Ok(Arg::Bin(bytes.into())),
                            Err(error) => Err(de::Error::custom(format_args!(
                                "the text of \"{BIN_KEY}\" is not base64 ({error})"
                            ))),
                        }
                    }
                    _ => Ok(Arg::Object(entries)),
                }
            }
        }
        deserializer.deserialize_any(ArgVisitor::<BIN>).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn binary_is_read_and_shown_at_any_depth() {
        let arg = Arg::from_json(r#"{"b": [1, {"_bin": "AQID"}], "a": {"_bin": 3}}"#).unwrap();
        let Arg::Object(entries) = &arg else {
            panic!("{arg:?}")
        };
        assert_eq!(entries[0].0, "b", "the order of keys is kept");
        assert_eq!(
            entries[0].1,
            Arg::List(vec![
                Arg::Number(1.into()),
                Arg::Bin(Bytes::from_static(&[1, 2, 3]))
            ])
        );
        assert_eq!(
            arg.to_value(),
            json!({"b": [1, {"_bin": "AQID"}], "a": {"_bin": 3}})
        );
    }

    #[test]
    fn placeholders_become_binary_and_foreign_ones_stay() {
        let bytes = [Bytes::from_static(b"zero"), Bytes::from_static(b"one")];
        let json = r#"[{"z": {"num": 1, "_placeholder": true}, "a": 1}, {"_placeholder": true, "num": 7}, {"_placeholder": false, "num": 0}, {"_bin": "?"}]"#;
        let args = Arg::received(json, &bytes);
        let Arg::Object(entries) = &args[0] else {
            panic!("{args:?}")
        };
        assert_eq!(
            entries[0],
            ("z".to_owned(), Arg::Bin(bytes[1].clone())),
            "the order of keys is kept"
        );
        assert_eq!(args[1].to_value(), json!({"_placeholder": true, "num": 7}));
        assert_eq!(args[2].to_value(), json!({"_placeholder": false, "num": 0}));
        assert_eq!(
            args[3].to_value(),
            json!({"_bin": "?"}),
            "a server may use any key"
        );
        assert_eq!(
            Arg::received("[1e999]", &[]),
            [Arg::Text("[1e999]".to_owned())]
        );
    }

    #[test]
    fn mistakes_are_explained_in_one_line() {
        assert_eq!(
            Arg::from_word("hello").unwrap_err(),
            "hello is not JSON: write a text with quotes, \"hello\""
        );
        assert_eq!(
            Arg::from_word("{\"a\":}").unwrap_err(),
            "{\"a\":} is not JSON: expected value at character 6"
        );
        assert!(
            Arg::from_word("{\"_bin\":\"###\"}")
                .unwrap_err()
                .contains("base64")
        );
        assert!(
            Arg::from_word("@/no/such/file")
                .unwrap_err()
                .starts_with("cannot read /no/such/file: ")
        );
        assert!(Arg::from_word("@/").unwrap_err().contains("directory"));
        assert!(
            Arg::from_json(&"[".repeat(5000))
                .unwrap_err()
                .contains("recursion")
        );
    }

    #[test]
    fn numbers_keep_their_kind() {
        for text in [
            "0",
            "-7",
            "18446744073709551615",
            "1.5",
            "null",
            "true",
            "\"é\\u0000\"",
            "[]",
            "{}",
        ] {
            assert_eq!(
                Arg::from_json(text).unwrap().to_value(),
                serde_json::from_str::<Value>(text).unwrap(),
                "{text}"
            );
        }
    }
}
