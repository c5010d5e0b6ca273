//! JSON values that may hold binary: what is typed, sent, received and printed.

mod read;
mod words;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::ser::{Error as _, Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::value::RawValue;

pub(crate) use read::{plain, received, typed};
pub(crate) use words::{Words, arguments, check_credentials, claim_stdin, credentials, namespace};

/// The key of the one-entry object that stands for binary in JSON: `{"_bin": "<base64>"}`.
pub(crate) const BIN_KEY: &str = "_bin";

/// One argument. Unlike [`serde_json::Value`] it holds binary at any depth, keeps the order of object keys, and keeps what
/// Rust's types cannot hold (a number such as `1e400`, a text with half a surrogate pair) as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arg {
    /// A number, `true`, `false`, `null`, or anything that no other variant can hold exactly: JSON without white space
    /// around its tokens, so that it stays on one line.
    Raw(Box<str>),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
    Bin(Bytes),
}

impl Arg {
    /// One JSON text, binary as `{"_bin": …}`.
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Shown(self))
    }
}

fn raw<S: Serializer>(json: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let raw: &RawValue = serde_json::from_str(json).map_err(S::Error::custom)?;
    raw.serialize(serializer)
}

/// Serializes for the wire: binary by `serialize_bytes`, which the client turns into an attachment.
impl Serialize for Arg {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raw(json) => raw(json, serializer),
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

/// Serializes for stdout: binary as `{"_bin": "<base64>"}`.
struct Shown<'a>(&'a Arg);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Arg::List(items) => shown(items, serializer),
            Arg::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, &Self(value))?;
                }
                map.end()
            }
            Arg::Bin(bytes) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(BIN_KEY, &STANDARD.encode(bytes))?;
                map.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}

/// Serializes arguments for stdout, for `#[serde(serialize_with)]`.
pub(crate) fn shown<S: Serializer>(args: &[Arg], serializer: S) -> Result<S::Ok, S::Error> {
    let mut seq = serializer.serialize_seq(Some(args.len()))?;
    for arg in args {
        seq.serialize_element(&Shown(arg))?;
    }
    seq.end()
}

/// The same for a value that may be missing.
pub(crate) fn shown_one<S: Serializer>(
    arg: &Option<Arg>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    arg.as_ref().map(Shown).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_is_read_and_shown_at_any_depth() {
        let text = r#"{"b": [1, {"_bin": "AQID"}], "a": {"_bin": 3}}"#;
        let arg = typed(text).unwrap();
        let Arg::Object(entries) = &arg else {
            panic!("{arg:?}")
        };
        assert_eq!(entries[0].0, "b", "the order of keys is kept");
        let bin = Arg::Bin(Bytes::from_static(&[1, 2, 3]));
        assert_eq!(entries[0].1, Arg::List(vec![Arg::Raw("1".into()), bin]));
        assert_eq!(arg.to_json().unwrap(), text.replace(' ', ""));
    }

    #[test]
    fn what_no_type_can_hold_is_sent_as_it_was_written() {
        let written = ["1e400", r#""\ud800""#, "123456789012345678901234567890"];
        let args = written.map(|text| typed(text).unwrap());
        let mut sent = Vec::new();
        sockeye_wire(&args, &mut sent);
        assert_eq!(
            String::from_utf8(sent).unwrap(),
            r#"[1e400,"\ud800",123456789012345678901234567890]"#
        );
    }

    /// As `serde_json` writes them; the client takes raw JSON by the same convention.
    fn sockeye_wire(args: &[Arg], out: &mut Vec<u8>) {
        serde_json::to_writer(out, args).unwrap();
    }
}
