extern crate std;
use std::{format, string::String, vec, vec::Vec};

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::*;
use crate::packet::args::{Args, ArgsError};

/// The JSON and the attachments of some arguments; with `alloc`, both kinds of output must agree.
pub(crate) fn encode<A: EmitArgs + ?Sized>(
    event: Option<&str>,
    args: &A,
) -> Result<(String, Vec<Vec<u8>>), EncodeError> {
    let mut out = vec![0; 1 << 20];
    let mut attached: Vec<Vec<u8>> = vec![];
    let done = encode_args_to_slice(event, args, &mut out, &mut |bytes| {
        attached.push(bytes.into());
        Ok(())
    });
    #[cfg(feature = "alloc")]
    {
        let (mut json, mut count) = (b"before".to_vec(), 0);
        let again = encode_args_to_vec(event, args, &mut json, &mut |bytes| {
            assert_eq!(bytes, attached[count]);
            count += 1;
            Ok(())
        });
        assert_eq!(again, done.clone().map(|(_, count)| count));
        assert_eq!(&json[6..], &out[..done.as_ref().map_or(0, |done| done.0)]);
    }
    let (len, count) = done?;
    assert_eq!(count, attached.len());
    Ok((core::str::from_utf8(&out[..len]).unwrap().into(), attached))
}

fn json<A: EmitArgs + ?Sized>(args: &A) -> String {
    encode(None, args).unwrap().0
}

fn refusal<A: EmitArgs + ?Sized>(args: &A) -> String {
    format!("{}", encode(Some("e"), args).unwrap_err())
}

/// A list and a map that serde knows in every tier.
#[derive(Debug, PartialEq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

#[derive(Debug, PartialEq)]
pub(crate) struct Map<K, V>(pub(crate) Vec<(K, V)>);

impl<T, const N: usize> From<[T; N]> for List<T> {
    fn from(items: [T; N]) -> Self {
        Self(items.into())
    }
}

impl<K, V, const N: usize> From<[(K, V); N]> for Map<K, V> {
    fn from(members: [(K, V); N]) -> Self {
        Self(members.into())
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<K: Serialize, V: Serialize> Serialize for Map<K, V> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

struct Collect<C>(C);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Collect<List<T>> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<List<T>, A::Error> {
        while let Some(item) = seq.next_element()? {
            self.0.0.push(item);
        }
        Ok(self.0)
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Collect<Map<K, V>> {
    type Value = Map<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Map<K, V>, A::Error> {
        while let Some(member) = map.next_entry()? {
            self.0.0.push(member);
        }
        Ok(self.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Collect(Self(vec![])))
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Map<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Collect(Self(vec![])))
    }
}

#[derive(Serialize)]
struct Unit;
#[derive(Serialize)]
struct Wrap<T>(T);
#[derive(Serialize)]
struct Pair(u8, &'static str);
#[derive(Serialize)]
struct Named<T> {
    #[serde(rename = "a\"b")]
    quoted: u8,
    value: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<u8>,
}
#[derive(Serialize)]
enum Kinds<T> {
    Unit,
    Newtype(T),
    Tuple(u8, T),
    Struct { value: T },
}

#[test]
fn every_shape_of_arguments() {
    assert_eq!(json(&()), "[]");
    assert_eq!(encode(Some("e"), &()).unwrap().0, r#"["e"]"#);
    assert_eq!(
        encode(Some("a\"\n\u{1}é"), &(1,)).unwrap().0,
        r#"["a\"\n\u0001é",1]"#
    );
    assert_eq!(
        json(&(1, "two", [3.5], None::<u8>)),
        r#"[1,"two",[3.5],null]"#
    );
    assert_eq!(
        json(&(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)),
        "[1,2,3,4,5,6,7,8,9,10,11,12]"
    );
    assert_eq!(json(&[1, 2][..]), "[1,2]");
    assert_eq!(json(&["a", "b"]), r#"["a","b"]"#);
    assert_eq!(json(&&&(true,)), "[true]");
    assert_eq!(json::<[u8]>(&[]), "[]");
    assert_eq!(encode(Some("e"), &[0u8; 0]).unwrap().0, r#"["e"]"#);
    #[cfg(feature = "alloc")]
    {
        assert_eq!(json(&vec![1, 2]), "[1,2]");
        assert_eq!(encode(Some("e"), &Vec::<u8>::new()).unwrap().0, r#"["e"]"#);
        assert_eq!(
            json(&vec![serde_json::json!({"a": [1, null]}), 2.into()]),
            r#"[{"a":[1,null]},2]"#
        );
    }
}

#[test]
fn every_kind_of_value() {
    assert_eq!(
        json(&(i8::MIN, i16::MIN, i32::MIN, i64::MIN)),
        "[-128,-32768,-2147483648,-9223372036854775808]"
    );
    assert_eq!(
        json(&(u8::MAX, u16::MAX, u32::MAX, u64::MAX)),
        "[255,65535,4294967295,18446744073709551615]"
    );
    assert_eq!(
        json(&(i128::MIN, u128::MAX, 0, -1)),
        format!("[{},{},0,-1]", i128::MIN, u128::MAX)
    );
    assert_eq!(
        json(&(4_294_967_296u64, 1_000_000_000_000u64, i64::MAX)),
        "[4294967296,1000000000000,9223372036854775807]"
    );
    assert_eq!(
        json(&(0.1f32, 0.1f64, 1.0, -0.0, f64::NAN, f32::INFINITY)),
        "[0.1,0.1,1.0,-0.0,null,null]"
    );
    assert_eq!(
        json(&(f64::MAX, f64::MIN_POSITIVE, f32::MIN)),
        "[1.7976931348623157e+308,2.2250738585072014e-308,-3.4028235e+38]"
    );
    assert_eq!(
        json(&('x', '"', '😀', '\0', true, ())),
        r#"["x","\"","😀","\u0000",true,null]"#
    );
    assert_eq!(
        json(&("\u{8}\u{c}\n\r\t\"\\/\u{7f}\u{1f}",)),
        "[\"\\b\\f\\n\\r\\t\\\"\\\\/\u{7f}\\u001f\"]"
    );
    assert_eq!(
        json(&(Unit, Wrap(1), Pair(1, "x"), Some(2))),
        r#"[null,1,[1,"x"],2]"#
    );
    assert_eq!(
        json(&(Named {
            quoted: 1,
            value: [(); 0],
            absent: None
        },)),
        r#"[{"a\"b":1,"value":[]}]"#
    );
    assert_eq!(
        json(&(Named {
            quoted: 1,
            value: 2,
            absent: Some(3)
        },)),
        r#"[{"a\"b":1,"value":2,"absent":3}]"#
    );
    assert_eq!(
        json(&[
            Kinds::Unit,
            Kinds::Newtype(1),
            Kinds::Tuple(2, 3),
            Kinds::Struct { value: 4 }
        ]),
        r#"["Unit",{"Newtype":1},{"Tuple":[2,3]},{"Struct":{"value":4}}]"#
    );
    assert_eq!(
        json(&(format_args!("{}-\"{}\"", 1, 2),)),
        r#"["1-\"2\""]"#,
        "collect_str escapes"
    );
    assert_eq!(
        json(&(
            crate::packet::Text::from_raw(r"a\n\u0041"),
            crate::packet::Text::from_raw("b")
        )),
        r#"["a\nA","b"]"#
    );
}

#[test]
fn map_keys_become_strings() {
    let map = |key| Map::from([(key, 1)]);
    assert_eq!(
        json(&(Map::from([("a\"", 1), ("b", 2)]), Map::<u8, u8>(vec![]))),
        r#"[{"a\"":1,"b":2},{}]"#
    );
    assert_eq!(
        json(&(Map::from([(-1, [1]), (20, [2])]),)),
        r#"[{"-1":[1],"20":[2]}]"#
    );
    assert_eq!(
        json(&(
            map(true),
            Map::from([('c', 1)]),
            Map::from([(Some("d"), 1)])
        )),
        r#"[{"true":1},{"c":1},{"d":1}]"#
    );
    let wrong =
        "the arguments cannot be written as JSON: a map key must be a string, number or bool";
    assert_eq!(refusal(&(Map::from([((), 1)]),)), wrong);
    assert_eq!(refusal(&(Map::from([([1, 2], 1)]),)), wrong);
    assert_eq!(refusal(&(Map::from([(BinRef(b"x"), 1)]),)), wrong);
}

#[test]
fn binary_values_are_lifted_out_in_depth_first_order() {
    let bin = |text: &'static str| BinRef(text.as_bytes());
    let hold = |n| format!(r#"{{"_placeholder":true,"num":{n}}}"#);
    let (json, attached) = encode(
        Some("e"),
        &(
            bin("zero"),
            Named {
                quoted: 0,
                value: [Some(bin("one")), None, Some(bin(""))],
                absent: None,
            },
            "text",
            Kinds::Newtype(Wrap(bin("three"))),
            Kinds::Tuple(1, bin("four")),
            Kinds::Struct {
                value: (bin("five"), Map::from([("k", bin("six"))])),
            },
        ),
    )
    .unwrap();
    assert_eq!(
        json,
        format!(
            r#"["e",{},{{"a\"b":0,"value":[{},null,{}]}},"text",{{"Newtype":{}}},{{"Tuple":[1,{}]}},{{"Struct":{{"value":[{},{{"k":{}}}]}}}}]"#,
            hold(0),
            hold(1),
            hold(2),
            hold(3),
            hold(4),
            hold(5),
            hold(6)
        )
    );
    assert_eq!(
        attached,
        ["zero", "one", "", "three", "four", "five", "six"].map(|text| text.as_bytes().to_vec())
    );
    #[cfg(feature = "alloc")]
    assert_eq!(
        encode(None, &(Bin::from([1, 2]), vec![Bin(vec![3])]))
            .unwrap()
            .1,
        [vec![1, 2], vec![3]]
    );
}

#[test]
fn raw_arguments_are_copied_as_they_are() {
    let raw = RawArgs::new(
        " [ 1 , {\"a\": [] }, {\"num\":0, \"_placeholder\":true} ] ",
        &[b"x", b"y"],
    )
    .unwrap();
    let (json, attached) = encode(Some("e"), &raw).unwrap();
    assert_eq!(
        json,
        r#"["e",1 , {"a": [] }, {"num":0, "_placeholder":true}]"#
    );
    assert_eq!(attached, [b"x", b"y"]);
    let empty = RawArgs::new(" [ ] ", &[]).unwrap();
    assert_eq!(encode(Some("e"), &empty).unwrap().0, r#"["e"]"#);
    assert_eq!(encode(None, &empty).unwrap().0, "[]");
    assert_eq!(
        format!("{}", RawArgs::new("[1,]", &[]).unwrap_err()),
        "the arguments are not a JSON array: unexpected character in JSON (at byte 3)"
    );
    assert_eq!(
        RawArgs::new(r#"[{"_placeholder":true,"num":1}]"#, &[b"x"]).unwrap_err(),
        ArgsError::Placeholder
    );
    // Received ones can be passed on.
    let args = Args::new(r#" ["a",1]"#, crate::packet::Attachments::EMPTY).unwrap();
    assert_eq!(encode(Some("e"), &args).unwrap().0, r#"["e","a",1]"#);
}

#[test]
fn every_buffer_that_is_too_small_says_so() {
    let args = (
        "a\"b",
        -12,
        1.5,
        Some(BinRef(b"xyz")),
        Kinds::Struct {
            value: Map::from([(1, true)]),
        },
        'c',
    );
    let need = encode(Some("event\n"), &args).unwrap().0.len();
    for len in 0..need {
        let done = encode_args_to_slice(Some("event\n"), &args, &mut vec![0; len], &mut |_| Ok(()));
        assert_eq!(done, Err(EncodeError::BufferTooSmall), "{len}");
    }
    assert!(
        encode_args_to_slice(Some("event\n"), &args, &mut vec![0; need], &mut |_| Ok(())).is_ok()
    );
}

#[test]
fn errors_of_the_caller_and_of_values_come_through() {
    let mut room = 1;
    let mut attach = |_: &[u8]| match room {
        0 => Err(EncodeError::TooManyAttachments { limit: 1 }),
        _ => {
            room -= 1;
            Ok(())
        }
    };
    let args = ([BinRef(b"a"), BinRef(b"b")],);
    assert_eq!(
        encode_args_to_slice(None, &args, &mut [0; 200], &mut attach),
        Err(EncodeError::TooManyAttachments { limit: 1 })
    );
    #[cfg(feature = "alloc")]
    {
        let mut json = b"kept".to_vec();
        assert!(encode_args_to_vec(Some("e"), &args, &mut json, &mut attach).is_err());
        assert_eq!(json, b"kept");
    }

    struct Refuses;
    impl Serialize for Refuses {
        fn serialize<S: ser::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(ser::Error::custom("no thanks"))
        }
    }
    impl fmt::Display for Refuses {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    let said = if cfg!(feature = "alloc") {
        "no thanks"
    } else {
        "a value refused to be serialized"
    };
    assert_eq!(
        refusal(&([Refuses],)),
        format!("the arguments cannot be written as JSON: {said}")
    );
    assert!(encode(None, &(format_args!("{Refuses}"),)).is_err());
    assert_eq!(
        format!("{}", EncodeError::TooManyAttachments { limit: 10 }),
        "more than 10 binary values in one packet: servers drop the connection over that"
    );
}

#[test]
fn json_text_goes_in_verbatim() {
    // What `serde_json::value::RawValue` does, which our tests cannot switch on.
    #[derive(Serialize)]
    #[serde(rename = "$serde_json::private::RawValue")]
    struct RawValue {
        #[serde(rename = "$serde_json::private::RawValue")]
        text: &'static str,
    }
    let raw = |text| RawValue { text };
    assert_eq!(
        json(&(raw("{\"a\\\\\\n\": [1,\n\t2]}"), raw("1"), [raw("null")])),
        "[{\"a\\\\\\n\": [1,\n\t2]},1,[null]]"
    );
}

#[cfg(feature = "alloc")]
mod generated {
    use super::super::json::check_placeholders;
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use std::collections::BTreeMap;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn strings_and_numbers_as_serde_json_writes_them(texts: Vec<String>, signed: Vec<i64>, unsigned: Vec<u64>, floats: Vec<f64>, map: BTreeMap<i16, String>) {
            let args = (texts, signed, unsigned, map);
            prop_assert_eq!(json(&args), serde_json::to_string(&args).unwrap());
            for float in floats.into_iter().filter(|float| float.is_finite()) {
                prop_assert_eq!(json(&(float,)).trim_matches(&['[', ']'][..]).parse::<f64>(), Ok(float));
            }
        }

        #[test]
        fn twice_is_the_same_and_parses(texts: Vec<String>, bytes: Vec<Vec<u8>>) {
            let args = (BTreeMap::from_iter(texts.iter().zip(bytes.iter().cloned().map(Bin))), bytes.clone().into_iter().map(Bin).collect::<Vec<_>>());
            let (json, attached) = encode(Some("e"), &args).unwrap_or_default();
            prop_assume!(!json.is_empty());
            prop_assert_eq!(encode(Some("e"), &args).unwrap(), (json.clone(), attached.clone()));
            let value: Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(value.as_array().map(Vec::len), Some(3));
            prop_assert!(check_placeholders(json.as_bytes(), attached.len()));
            prop_assert!(attached.is_empty() || !check_placeholders(json.as_bytes(), attached.len() - 1));
        }
    }
}
