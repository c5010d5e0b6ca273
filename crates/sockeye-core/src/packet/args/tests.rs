extern crate std;
use std::{format, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::*;
use crate::packet::attachments::BinRef;
#[cfg(feature = "alloc")]
use crate::packet::json::write::Bin;
use crate::packet::json::write::tests::{List, Map, encode};

fn args(json: &str) -> Args<'_> {
    Args::new(json, Attachments::EMPTY).unwrap()
}

/// Attachments as the receive buffer holds them.
fn records(all: &[&[u8]]) -> Vec<u8> {
    all.iter()
        .flat_map(|bytes| [&(bytes.len() as u32).to_le_bytes(), *bytes].concat())
        .collect()
}

fn one<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    args(json).next().map_err(|error| format!("{error}"))
}

#[test]
fn reads_one_after_another() {
    let mut args = args(r#" [ "a" , {"b":[1]} ,-3, "x\ny", null ] "#);
    assert_eq!(args.json(), r#"[ "a" , {"b":[1]} ,-3, "x\ny", null ]"#);
    assert_eq!((args.len(), args.is_empty()), (5, false));
    assert_eq!(args.raw(1), Some(r#"{"b":[1]}"#));
    assert_eq!(args.raw(5), None);
    assert_eq!(
        args.iter_raw().collect::<Vec<_>>(),
        ["\"a\"", r#"{"b":[1]}"#, "-3", r#""x\ny""#, "null"]
    );
    assert_eq!(args.next::<&str>(), Ok("a"));
    assert_eq!(args.next_raw(), Some(r#"{"b":[1]}"#));
    assert_eq!(args.next::<i8>(), Ok(-3));
    assert!(args.next_text().unwrap() == "x\ny");
    assert_eq!(args.len(), 5, "reading does not change the count");
    assert_eq!(args.next_raw(), Some("null"));
    assert_eq!(args.next_raw(), None);
    assert_eq!(args.next::<Option<u8>>(), Ok(None));
    assert_eq!(args.next::<u8>(), Err(ArgsError::Missing { index: 5 }));
    assert_eq!(
        args.next_text().unwrap_err(),
        ArgsError::Missing { index: 5 }
    );
    assert!(Args::EMPTY.is_empty() && Args::default().next_raw().is_none());
}

#[test]
fn an_error_leaves_the_next_argument_next() {
    let mut args = args(r#"[{"a":[1,2,"]"]}, 7]"#);
    #[derive(Debug, Deserialize)]
    struct Numbers {
        #[allow(dead_code)]
        a: List<u8>,
    }
    assert_eq!(
        format!("{}", args.next::<Numbers>().unwrap_err()),
        "argument 0: expected u8, found string \"]\""
    );
    assert_eq!(args.next(), Ok(7));
    // A type that does not look at its argument does not stop the walk.
    struct Blind;
    impl<'de> Deserialize<'de> for Blind {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }
    let (_, second) = self::args("[[1,2],3]").parse::<(Blind, u8)>().unwrap();
    assert_eq!(second, 3);
}

#[test]
fn arity_is_lenient() {
    let two = args(r#"["a",1]"#);
    assert_eq!(two.parse(), Ok(()));
    assert_eq!(two.parse(), Ok(("a",)));
    assert_eq!(two.parse(), Ok(("a", 1)));
    assert_eq!(two.parse(), Ok(("a", 1, None::<u8>)));
    assert_eq!(two.parse(), Ok(("a", 1, ())));
    assert_eq!(
        two.parse::<(&str, u8, u8)>(),
        Err(ArgsError::Missing { index: 2 })
    );
    assert_eq!(
        format!("{}", ArgsError::Missing { index: 2 }),
        "argument 2 is missing: the peer sent 2 (use an Option if it may be absent)"
    );
    assert_eq!(
        args("[1,2,3,4,5,6,7,8,9,10,11,12,13]").parse(),
        Ok((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12))
    );
    assert_eq!(two.parse::<Args<'_>>(), Ok(two));
    // From the first one, however far it has been read.
    let mut read = two;
    read.next_raw();
    assert_eq!(read.parse(), Ok(("a", 1)));
    #[cfg(feature = "alloc")]
    {
        assert_eq!(two.parse(), Ok(std::vec![serde_json::json!("a"), 1.into()]));
        assert_eq!(args("[]").parse(), Ok(Vec::<serde_json::Value>::new()));
    }
}

#[test]
fn errors_say_what_was_expected_and_found() {
    let text = |json: &str| one::<u32>(json).unwrap_err();
    assert_eq!(
        text(r#"["x"]"#),
        "argument 0: expected u32, found string \"x\""
    );
    assert_eq!(text(r#"["\n"]"#), "argument 0: expected u32, found string");
    assert_eq!(text("[-1]"), "argument 0: expected u32, found integer `-1`");
    assert_eq!(
        text("[4294967296]"),
        "argument 0: expected u32, found integer `4294967296`"
    );
    assert_eq!(
        text("[1.5]"),
        "argument 0: expected u32, found floating point `1.5`"
    );
    assert_eq!(text("[null]"), "argument 0: expected u32, found null");
    assert_eq!(text("[{}]"), "argument 0: expected u32, found map");
    assert_eq!(text("[[]]"), "argument 0: expected u32, found sequence");
    assert_eq!(
        text("[true]"),
        "argument 0: expected u32, found boolean `true`"
    );
    assert_eq!(
        one::<&str>("[17]").unwrap_err(),
        "argument 0: expected a borrowed string, found integer `17`"
    );
    assert_eq!(
        one::<bool>("[5e1]").unwrap_err(),
        "argument 0: expected a boolean, found floating point `5e1`"
    );
    assert_eq!(
        one::<(u8, u8)>("[[1]]").unwrap_err(),
        "argument 0: expected a tuple of size 2, found 1 elements"
    );
    assert_eq!(
        one::<(u8, u8)>("[[1,2,3]]").unwrap_err(),
        "argument 0: expected a shorter tuple, found more"
    );
    assert_eq!(
        args("[1,2,{}]").parse::<(u8, u8, u8)>().unwrap_err(),
        ArgsError::Invalid {
            index: 2,
            reason: Reason::new("expected u8, found map")
        }
    );
    assert_eq!(
        format!("{}", Args::new("{}", Attachments::EMPTY).unwrap_err()),
        "the arguments are not a JSON array: the JSON value is not an array (at byte 0)"
    );
    assert!(size_of::<ArgsError>() <= 56);
}

#[test]
fn numbers_are_exact_or_refused() {
    assert_eq!(
        args("[0,255,-128,65535,-32768]").parse(),
        Ok((0u8, 255u8, -128i8, 65535u16, -32768i16))
    );
    assert_eq!(
        args("[4294967295,-2147483648,999999999,1000000000]").parse(),
        Ok((u32::MAX, i32::MIN, 999_999_999, 1_000_000_000))
    );
    assert_eq!(
        args("[18446744073709551615,-9223372036854775808,9223372036854775807]").parse(),
        Ok((u64::MAX, i64::MIN, i64::MAX))
    );
    assert!(
        one::<u8>("[256]").is_err()
            && one::<i8>("[-129]").is_err()
            && one::<u64>("[18446744073709551616]").is_err()
    );
    assert!(one::<i64>("[9223372036854775808]").is_err() && one::<u64>("[1e3]").is_err());
    assert_eq!(
        args("[340282366920938463463374607431768211455,-170141183460469231731687303715884105728]")
            .parse(),
        Ok((u128::MAX, i128::MIN))
    );
    assert!(
        one::<u128>("[-1]").is_err()
            && one::<u128>("[1.5]").is_err()
            && one::<i128>("[\"1\"]").is_err()
    );
    assert_eq!(
        args("[1.5,-2,1e300,0.1,123456789012345678901]").parse(),
        Ok((1.5f32, -2.0f64, 1e300f64, 0.1f64, 123456789012345678901f64))
    );
    let zero = one::<f64>("[-0]").unwrap();
    assert!(zero == 0.0 && zero.is_sign_negative());
    assert_eq!(args("[true,false]").parse(), Ok((true, false)));
}

#[test]
fn strings_borrow_and_text_reads_escapes() {
    assert_eq!(args(r#"["é😀","","x"]"#).parse(), Ok(("é😀", "", 'x')));
    assert!(
        one::<&str>(r#"["a\n"]"#)
            .unwrap_err()
            .starts_with("argument 0: expected a borrowed string, found string")
    );
    assert_eq!(
        one::<Text<'_>>(r#"["a\n\"\u0041"]"#).map(|text| text == "a\n\"A"),
        Ok(true)
    );
    assert_eq!(
        one::<Text<'_>>("[1]").unwrap_err(),
        "argument 0: expected a string, found integer `1`"
    );
    assert_eq!(one::<char>(r#"["\""]"#), Ok('"'));
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        text: Text<'a>,
        name: &'a str,
        #[serde(borrow)]
        more: Option<Text<'a>>,
    }
    let line: Line<'_> = one(r#"[{"text":"a\tb","name":"c","n\u0061me2":1}]"#).unwrap();
    assert!(line.text == "a\tb" && line.name == "c" && line.more.is_none());
    let line: Line<'_> = one(r#"[{"n\u0061me":"c","more":"\\","text":""}]"#).unwrap();
    assert!(line.text.is_empty() && line.name == "c" && line.more.unwrap() == "\\");
    let map: Map<u8, Text<'_>> = one(r#"[{"1":"\n"}]"#).unwrap();
    assert!(map.0[0].0 == 1 && map.0[0].1 == "\n");
    // Types that copy: without `alloc`, up to 256 bytes.
    assert_eq!(
        one::<Copied>(&format!(r#"["\n{}"]"#, "x".repeat(255))),
        Ok(Copied(256))
    );
    let long = one::<Copied>(&format!(r#"["\n{}"]"#, "x".repeat(256)));
    #[cfg(feature = "alloc")]
    assert_eq!(long, Ok(Copied(257)));
    #[cfg(not(feature = "alloc"))]
    assert_eq!(
        long.unwrap_err(),
        "argument 0: escaped string too long: read it as Text"
    );
    #[cfg(feature = "alloc")]
    {
        use std::borrow::Cow;
        assert_eq!(one::<String>(r#"["a\n"]"#), Ok("a\n".into()));
        #[derive(Deserialize)]
        struct Lazy<'a>(#[serde(borrow)] Cow<'a, str>);
        assert!(matches!(one(r#"["ab"]"#), Ok(Lazy(Cow::Borrowed("ab")))));
        assert!(matches!(one(r#"["a\n"]"#), Ok(Lazy(Cow::Owned(text))) if text == "a\n"));
        // Text does not pass off another format's unescaped string as a raw one.
        assert!(serde_json::from_str::<Text<'_>>("\"ab\"").unwrap() == "ab");
        assert!(serde_json::from_str::<Text<'_>>(r#""a\n""#).is_err());
    }
}

/// Like a string type with storage of its own.
#[derive(Debug, PartialEq)]
struct Copied(usize);

impl<'de> Deserialize<'de> for Copied {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Length;
        impl serde::de::Visitor<'_> for Length {
            type Value = Copied;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E>(self, text: &str) -> Result<Copied, E> {
                Ok(Copied(text.len()))
            }
        }
        deserializer.deserialize_str(Length)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Kinds<T> {
    Unit,
    #[serde(rename = "new\n")]
    Newtype(T),
    Tuple(u8, T),
    Struct {
        value: T,
    },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wrap<T>(T);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Named<T> {
    first: T,
    second: Option<T>,
    #[serde(default)]
    third: u8,
}

#[test]
fn every_shape_of_type() {
    assert_eq!(
        one(
            r#"[["Unit",{"new\n":1},{"Tuple":[2,3]},{"Struct":{"value":4,"x":[{}]}},{"Unit":null}]]"#
        ),
        Ok([
            Kinds::Unit,
            Kinds::Newtype(1),
            Kinds::Tuple(2, 3),
            Kinds::Struct { value: 4 },
            Kinds::Unit
        ])
    );
    for wrong in [
        "\"Newtype\"",
        "{}",
        "{\"Unit\":1}",
        "{\"Other\":1}",
        "\"Tuple\"",
        "\"Struct\"",
        "{\"new\\n\":1,\"Unit\":null}",
        "{\"Tuple\":[1,2,3]}",
        "1",
        "{\"Struct\":{}}",
    ] {
        assert!(one::<Kinds<u8>>(&format!("[{wrong}]")).is_err(), "{wrong}");
    }
    assert_eq!(
        args(r#"[null,[1,[2]],3]"#).parse(),
        Ok((Unit, (1, [2]), Wrap(Wrap(3))))
    );
    assert_eq!(
        one(r#"[{"first":1,"unknown":{"first":[9]},"second":2}]"#),
        Ok(Named {
            first: 1,
            second: Some(2),
            third: 0
        })
    );
    assert_eq!(
        one(r#"[[1,null,3]]"#),
        Ok(Named {
            first: 1,
            second: None,
            third: 3
        }),
        "structs may be arrays, as in serde_json"
    );
    assert_eq!(
        one::<Named<u8>>(r#"[{"second":1}]"#).unwrap_err(),
        "argument 0: missing field `first`"
    );
    assert_eq!(
        one::<Named<u8>>(r#"[{"first":1,"first":2}]"#).unwrap_err(),
        "argument 0: duplicate field `first`"
    );
    assert_eq!(one("[[true,null]]"), Ok(List::from([Some(true), None])));
    assert_eq!(
        one(r#"[{"-1":"a","2":"b"}]"#),
        Ok(Map::from([(-1, "a"), (2, "b")]))
    );
    assert_eq!(one(r#"[{"true":[]}]"#), Ok(Map::from([(true, [0u8; 0])])));
    assert_eq!(
        one(r#"[{"Unit":1}]"#),
        Ok(Map::from([(Some(Wrap(Kinds::<u8>::Unit)), 1)]))
    );
    for wrong in [
        r#"{" 1":0}"#,
        r#"{"1x":0}"#,
        r#"{"":0}"#,
        r#"{"true":0}"#,
        r#"{"01":0}"#,
    ] {
        assert!(
            one::<Map<i8, u8>>(&format!("[{wrong}]")).is_err(),
            "{wrong}"
        );
    }
    assert_eq!(
        one::<serde::de::IgnoredAny>(r#"[{"a":[1,{}]}]"#).map(|_| ()),
        Ok(())
    );
}

/// Types must not crash on text that nobody has checked.
#[test]
fn malformed_text_is_an_error() {
    let valid = r#"[{"first":{"Tuple":[1,["é\n",-1.5e3]]},"second":{"_placeholder":true,"num":0},"third":2}]"#;
    type Any<'a> = Named<Kinds<(Text<'a>, f64)>>;
    for cut in (1..valid.len()).filter(|cut| valid.is_char_boundary(*cut)) {
        for end in ["", "]", "}", "\"", ",", ":", "x", "-", "1"] {
            let text = format!("{}{end}", &valid[..cut]);
            let mut args = Args::trusted(&text, Attachments::EMPTY);
            let _ = args.next::<Any<'_>>();
            let _ = args.next::<BinRef<'_>>();
            let mut args = Args::trusted(&text, Attachments::EMPTY);
            let _ = (args.next_raw(), args.next_text(), args.len());
            let _ = args.parse::<(Map<&str, BinRef<'_>>, Option<bool>)>();
            #[cfg(feature = "alloc")]
            let _ = args.parse::<Vec<serde_json::Value>>();
        }
    }
}

/// As `serde_json::value::RawValue` asks for the text of an argument.
#[test]
fn json_text_can_be_asked_for() {
    #[derive(Debug, PartialEq)]
    struct RawValue<'a>(&'a str);
    impl<'de: 'a, 'a> Deserialize<'de> for RawValue<'a> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            const NAME: &str = "$serde_json::private::RawValue";
            struct Raw;
            impl<'de> serde::de::Visitor<'de> for Raw {
                type Value = RawValue<'de>;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("any value")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<RawValue<'de>, A::Error> {
                    assert_eq!(map.next_key::<&str>()?, Some(NAME));
                    let value = map.next_value()?;
                    assert_eq!(map.next_key::<&str>()?, None);
                    Ok(RawValue(value))
                }
            }
            deserializer.deserialize_newtype_struct(NAME, Raw)
        }
    }
    assert_eq!(
        args(r#"[{"a": [1]}, "x\n", 3]"#).parse(),
        Ok((RawValue(r#"{"a": [1]}"#), RawValue(r#""x\n""#), 3))
    );
}

/// Half an emoji and numbers beyond every float, as JavaScript sends them: one odd value does not change the others.
#[test]
fn odd_values_are_read_alike_everywhere() {
    let odd = r#"[1,"cut \ud83d",{"a":2},1e400,-1e400,1e39,0.1e999]"#;
    let args = args(odd);
    let (first, text, map) = args.parse::<(u8, Text<'_>, Map<&str, u8>)>().unwrap();
    assert_eq!(
        (first, text.chars().last(), map.0.as_slice()),
        (1, Some('\u{fffd}'), &[("a", 2)][..])
    );
    assert_eq!(args.raw(3), Some("1e400"));
    #[cfg(feature = "alloc")]
    {
        let values = args.parse::<Vec<serde_json::Value>>().unwrap();
        assert_eq!(values.len(), 7);
        assert_eq!(values[1], "cut \u{fffd}");
        assert_eq!(values[2]["a"], 2);
        assert!(values[3].is_null() && values[4].is_null());
        assert_eq!(values[5], 1e39);
    }
    for n in [3, 4, 6] {
        let json = format!("[{}]", args.raw(n).unwrap());
        let error = one_of::<f64>(&json);
        assert!(error.contains(args.raw(n).unwrap()), "{error}");
        assert!(error.contains("expected f64"), "{error}");
        #[cfg(feature = "alloc")]
        assert!(error.ends_with("which is out of range"), "{error}");
        one_of::<f32>(&json);
        one_of::<Option<f64>>(&json);
        one_of::<i64>(&json);
        one_of::<u128>(&json);
        #[cfg(feature = "alloc")]
        one_of::<Untagged>(&json);
    }
    one_of::<f32>("[1e39]");
    one_of::<f32>("[400000000000000000000000000000000000000]");
    assert_eq!(one::<f32>("[3.4e38]"), Ok(3.4e38));
    assert_eq!(one::<f64>("[1e39]"), Ok(1e39));
    assert_eq!(one::<f64>("[1e-400]"), Ok(0.0));

    #[cfg(feature = "alloc")]
    #[derive(Deserialize, Debug)]
    #[serde(untagged)]
    enum Untagged {
        #[allow(dead_code)]
        Number(f64),
    }

    fn one_of<'a, T: Deserialize<'a> + fmt::Debug>(json: &'a str) -> String {
        one::<T>(json).expect_err(json)
    }
}

mod binary;

#[cfg(feature = "alloc")]
mod generated {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use std::{collections::BTreeMap, vec};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        A { x: Option<i64> },
        B { y: Vec<String> },
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(i64),
        Text(String),
        Many(Vec<Self>),
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Flat {
        id: u64,
        #[serde(flatten)]
        rest: BTreeMap<String, bool>,
    }

    fn check<T: Serialize + for<'a> Deserialize<'a> + PartialEq + fmt::Debug>(value: &T) {
        let text = serde_json::to_string(&[value]).unwrap();
        assert_eq!(args(&text).next::<T>().as_ref(), Ok(value), "{text}");
        let (ours, _) = encode(None, &(value,)).unwrap();
        assert_eq!(ours, text);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn serde_json_agrees_on_types(
            text: String, number: i64, unsigned: u64, small: Option<i8>, texts: Vec<String>, map: BTreeMap<String, Option<u32>>, chars: Vec<char>,
            flags: BTreeMap<bool, (u8, i16)>, rest: BTreeMap<String, bool>, x: Option<i64>,
        ) {
            check(&(text.clone(), number, unsigned, small));
            check(&(map, chars, flags));
            check(&[Tagged::A { x }, Tagged::B { y: texts.clone() }]);
            check(&Untagged::Many(vec![Untagged::Number(number), Untagged::Text(text), Untagged::Many(vec![])]));
            check(&[Kinds::Newtype(number), Kinds::Unit, Kinds::Tuple(1, number), Kinds::Struct { value: number }]);
            check(&Flat { id: unsigned, rest });
            let values: Vec<Value> = texts.into_iter().map(Value::from).chain([Value::Null, number.into(), (f64::from(number as i32) / 8.0).into()]).collect();
            check(&values);
        }

        #[test]
        fn decimals_are_exact_and_short(number: i32, small in -99_999i32..99_999, places in 0u32..6) {
            for number in [number, small] {
                let value = f64::from(number) / f64::from(10u32.pow(places));
                let text = serde_json::to_string(&[value]).unwrap();
                prop_assert_eq!(encode(None, &[value]).unwrap().0, &*text);
                prop_assert_eq!(args(&text).next::<f64>(), Ok(value));
                let value = value as f32;
                let text = serde_json::to_string(&[value]).unwrap();
                prop_assert_eq!(encode(None, &[value]).unwrap().0, &*text);
                prop_assert_eq!(args(&text).next::<f32>(), Ok(value));
            }
        }

        #[test]
        fn any_json_text_gives_the_same_value(pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\\n\"", "\"a\":", "12", "-0.5", "true", "null", " ", "{\"a\":1}", "[1,2]",
        ]), 0..20)) {
            let text = format!("[{}]", pieces.concat());
            match Args::new(&text, Attachments::EMPTY) {
                Ok(args) => prop_assert_eq!(args.parse::<Vec<Value>>().unwrap(), serde_json::from_str::<Vec<Value>>(&text).unwrap()),
                Err(_) => prop_assert!(serde_json::from_str::<Vec<Value>>(&text).is_err()),
            }
        }

        #[test]
        fn attachments_come_back(all: Vec<Vec<u8>>) {
            let sent = (all.iter().cloned().map(Bin).collect::<Vec<_>>(),);
            let Ok((json, attached)) = encode(None, &sent) else { return Ok(()) };
            let records = records(&attached.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let received = Args::new(&json, Attachments::new(&records, attached.len())).unwrap();
            prop_assert_eq!(received.parse::<(Vec<Bin>,)>().unwrap(), sent);
        }
    }
}
