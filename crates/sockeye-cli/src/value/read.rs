//! From JSON text to [`Arg`]s, exactly: nothing is rounded or refused that is JSON. What is received and no text, half a
//! surrogate pair, becomes U+FFFD, so that every reader of the output can read it.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Arg, BIN_KEY};

/// The deepest nesting that is taken apart. Each level is scanned once more, so this also bounds the work.
const MAX_DEPTH: usize = 512;

/// What stands for binary in a text.
#[derive(Clone, Copy)]
enum Binary<'a> {
    /// `{"_bin": "<base64>"}`: our user means that, a server does not.
    Typed,
    /// `{"_placeholder": true, "num": n}`: attachment `n`.
    Attached(&'a [Bytes]),
}

/// Reads one JSON value as our user writes it.
pub(crate) fn typed(text: &str) -> Result<Arg, String> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| plain(&error))?;
    node(raw.get(), Binary::Typed, 0)
}

/// Reads received arguments: a JSON array, with attachments for the places of its placeholders.
pub(crate) fn received(json: &str, attachments: &[Bytes]) -> Vec<Arg> {
    let json = &*whole(json);
    match serde_json::from_str::<Vec<&RawValue>>(json) {
        Ok(args) => args
            .into_iter()
            .map(|arg| {
                let text = arg.get();
                // Too deep to take apart: shown as it came.
                node(text, Binary::Attached(attachments), 0)
                    .unwrap_or_else(|_| Arg::Raw(compact(text)))
            })
            .collect(),
        // The client has checked that it is an array, so this is never met; if it is, nothing is hidden.
        Err(_) => vec![Arg::Text(json.to_owned())],
    }
}

/// Half surrogate pairs are `\ufffd` instead: all else stays as it is, byte for byte.
fn whole(json: &str) -> Cow<'_, str> {
    let unit = |at: usize| {
        let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut mended = Cow::Borrowed(json);
    let mut at = 0;
    while let Some(next) = json.get(at..).and_then(|rest| rest.find('\\')) {
        at += next;
        match unit(at) {
            Some(0xd800..0xdc00) if matches!(unit(at + 6), Some(0xdc00..0xe000)) => at += 12,
            Some(0xd800..0xe000) => {
                mended.to_mut().replace_range(at..at + 6, "\\ufffd");
                at += 6;
            }
            // The escaped character may itself be a backslash.
            _ => at += 2,
        }
    }
    mended
}

impl<'de> Deserialize<'de> for Arg {
    /// As [`typed`]; only for readers of serde_json that read from a text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        typed(raw.get()).map_err(D::Error::custom)
    }
}

fn node(text: &str, binary: Binary<'_>, depth: usize) -> Result<Arg, String> {
    if depth > MAX_DEPTH {
        return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
    }
    match text.as_bytes().first() {
        Some(b'[') => {
            let items: Vec<&RawValue> =
                serde_json::from_str(text).map_err(|error| plain(&error))?;
            let items = items
                .into_iter()
                .map(|item| node(item.get(), binary, depth + 1));
            Ok(Arg::List(items.collect::<Result<_, _>>()?))
        }
        Some(b'{') => match serde_json::from_str::<Entries<'_>>(text) {
            Ok(Entries(entries)) => object(entries, binary, depth),
            // A key with half a surrogate pair.
            Err(_) => Ok(Arg::Raw(compact(text))),
        },
        Some(b'"') => Ok(match serde_json::from_str(text) {
            Ok(value) => Arg::Text(value),
            Err(_) => Arg::Raw(text.into()),
        }),
        _ => Ok(Arg::Raw(text.into())),
    }
}

fn object(
    entries: Vec<(String, &RawValue)>,
    binary: Binary<'_>,
    depth: usize,
) -> Result<Arg, String> {
    match binary {
        Binary::Typed => {
            if let [(key, value)] = entries.as_slice()
                && key == BIN_KEY
                && let Ok(text) = serde_json::from_str::<String>(value.get())
            {
                let bytes = STANDARD.decode(text).map_err(|error| {
                    format!("the text of \"{BIN_KEY}\" is not base64 ({error})")
                })?;
                return Ok(Arg::Bin(bytes.into()));
            }
        }
        Binary::Attached(attachments) => {
            let get = |wanted: &str| {
                let found = entries.iter().find(|(key, _)| key == wanted);
                found.map(|(_, value)| value.get())
            };
            if get("_placeholder") == Some("true")
                && let Some(number) = get("num").and_then(whole_number)
                && let Some(bytes) = attachments.get(number)
            {
                return Ok(Arg::Bin(bytes.clone()));
            }
        }
    }
    let entries = entries
        .into_iter()
        .map(|(key, value)| Ok((key, node(value.get(), binary, depth + 1)?)));
    Ok(Arg::Object(entries.collect::<Result<_, String>>()?))
}

/// A whole number in any of its spellings: JavaScript takes `0`, `-0`, `0.0` and `0e0` alike.
fn whole_number(text: &str) -> Option<usize> {
    let number: f64 = serde_json::from_str(text).ok()?;
    // (No packet has so many attachments that they could not be counted in a `u32`.)
    let whole = number as u32;
    (f64::from(whole) == number).then_some(whole as usize)
}

/// An object's entries in their order, values as text.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// JSON without white space between its tokens.
fn compact(text: &str) -> Box<str> {
    let (mut inside, mut escaped) = (false, false);
    let kept = text.chars().filter(|&c| {
        if inside {
            inside = escaped || c != '"';
            escaped = !escaped && c == '\\';
            return true;
        }
        inside = c == '"';
        !matches!(c, ' ' | '\n' | '\r' | '\t')
    });
    kept.collect::<String>().into()
}

/// serde_json's message; its place only when there is more than one line or column to look at.
pub(crate) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.strip_suffix(" at line 1 column 0")
        .unwrap_or(&text)
        .replace(" at line 1 column ", " at character ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(args: &[Arg]) -> Vec<String> {
        args.iter().map(|arg| arg.to_json().unwrap()).collect()
    }

    #[test]
    fn placeholders_become_binary_and_foreign_ones_stay() {
        let bytes = [Bytes::from_static(b"zero"), Bytes::from_static(b"one")];
        let json = r#"[{"z": {"num": 1, "_placeholder": true}, "a": 1}, {"_placeholder": true, "num": 7}, {"_placeholder": false, "num": 0}, {"_bin": "?"}]"#;
        let args = received(json, &bytes);
        assert_eq!(
            shown(&args),
            [
                r#"{"z":{"_bin":"b25l"},"a":1}"#,
                r#"{"_placeholder":true,"num":7}"#,
                r#"{"_placeholder":false,"num":0}"#,
                r#"{"_bin":"?"}"#,
            ]
        );
    }

    #[test]
    fn the_number_of_a_placeholder_is_a_number() {
        let bytes = [Bytes::from_static(b"zero"), Bytes::from_static(b"one")];
        for (number, found) in [
            ("0", Some("emVybw==")),
            ("-0", Some("emVybw==")),
            ("0.0", Some("emVybw==")),
            ("1e0", Some("b25l")),
            ("10E-1", Some("b25l")),
            ("-1", None),
            ("0.5", None),
            ("\"0\"", None),
            ("4294967296", None),
            ("1e400", None),
        ] {
            let text = format!("{{\"_placeholder\":true,\"num\":{number}}}");
            let wanted = found.map_or(text.clone(), |base64| format!("{{\"_bin\":\"{base64}\"}}"));
            assert_eq!(shown(&received(&format!("[{text}]"), &bytes)), [wanted]);
        }
    }

    #[test]
    fn odd_values_stay_apart_argument_by_argument() {
        let bytes = [Bytes::from_static(b"x")];
        let json = "[1e400, \"\\ud83d\", {\"a\":\n [-1E+999, {\"_placeholder\":true,\"num\":0}]}, \"fine\",\n{\"\\udead\" : \"a b\\\" c\"}]";
        assert_eq!(
            shown(&received(json, &bytes)),
            [
                "1e400",
                "\"\u{fffd}\"",
                "{\"a\":[-1E+999,{\"_bin\":\"eA==\"}]}",
                "\"fine\"",
                "{\"\u{fffd}\":\"a b\\\" c\"}",
            ]
        );
    }

    #[test]
    fn half_surrogate_pairs() {
        for (json, expected) in [
            (r#"["\ud83d\ude00"]"#, r#"["\ud83d\ude00"]"#),
            (r#"["\ud83d","\ude00"]"#, r#"["\ufffd","\ufffd"]"#),
            (
                r#"["\ud83d\ud83d\ude00x\ude00"]"#,
                r#"["\ufffd\ud83d\ude00x\ufffd"]"#,
            ),
            (r#"["\\ud83d\\\udead ä\n"]"#, r#"["\\ud83d\\\ufffd ä\n"]"#),
        ] {
            assert_eq!(whole(json), expected);
        }
    }

    #[test]
    fn numbers_keep_every_digit() {
        for text in [
            "0",
            "-7",
            "18446744073709551615",
            "123456789012345678901234567890",
            "1.50",
            "1e2",
            "0.1000000000000000055511151231257827",
            "null",
            "true",
            "[]",
            "{}",
        ] {
            assert_eq!(typed(text).unwrap().to_json().unwrap(), text);
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(typed(&deep(MAX_DEPTH)).is_ok());
        let why = typed(&deep(MAX_DEPTH + 2)).unwrap_err();
        assert!(why.contains("nested deeper than 512"), "{why}");
        // What a server nests deeper is shown all the same.
        let json = format!("[{},1]", deep(2000));
        assert_eq!(shown(&received(&json, &[])), [deep(2000), "1".to_owned()]);
    }
}
