//! Where arguments lie, and by way of their JSON: serde reads and writes the same.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use sockeye_core::packet::msgpack::{
    ArgsText, Decoded, Seen, Unpacked, decode, encode, encode_args, event_name, look,
};
use sockeye_core::packet::{
    Args, ArgsError, Attachments, Bin, BinRef, EmitArgs, EncodeError, FromArgs, Map, Packet,
    RawArgs, Text, Value, ValueRef, encode_args_to_vec,
};

use super::{Shape, everything};

/// The same value by way of JSON, as MessagePack.
fn by_text<A: EmitArgs>(event: Option<&str>, args: &A) -> Vec<u8> {
    let (mut json, mut records) = (Vec::new(), Vec::new());
    let mut attach = |bytes: &[u8]| {
        records.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        records.extend_from_slice(bytes);
        Ok(())
    };
    let count = encode_args_to_vec(event, args, &mut json, &mut attach).unwrap();
    let json = String::from_utf8(json).unwrap();
    let text = format!("{}{}", "61024-1", json);
    // Of an acknowledgement the packet has nothing behind its data but that.
    let packet = Packet::parse(&text, 1024).unwrap();
    let message = encode(&packet, Attachments::from_records(&records, count).unwrap());
    let head = b"\x84\xa4type\x03\xa3nsp\xa1/\xa2id\x01\xa4data";
    message.strip_prefix(head).unwrap().to_vec()
}

fn direct<A: EmitArgs>(event: Option<&str>, args: &A) -> Vec<u8> {
    let mut out = b"before".to_vec();
    encode_args(event, args, 1024, &mut out).unwrap();
    out.strip_prefix(b"before").unwrap().to_vec()
}

/// Serde writes the bytes that the JSON would become.
fn written_alike<A: EmitArgs>(args: &A) {
    for event in [None, Some("e"), Some("a \"name\"\n")] {
        let direct = direct(event, args);
        assert_eq!(
            direct.escape_ascii().to_string(),
            by_text(event, args).escape_ascii().to_string()
        );
        assert!(event.is_none() || event_name(&direct) == event);
    }
}

/// The packet of an event `e` with this data behind its name, as servers send it.
fn message(data: &[u8]) -> Vec<u8> {
    let mut message = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data".to_vec();
    message.extend_from_slice(data);
    message
}

/// What a type reads where the arguments lie, and in their text.
fn both_ways<'a, T: FromArgs<'a>>(seen: &Seen<'a>, text: &Args<'a>) -> [Result<T, ArgsError>; 2] {
    assert!(seen.args.as_packed().is_some() && text.as_packed().is_none());
    [seen.args.parse(), text.parse()]
}

/// Both ways say the same of the arguments as this type.
fn read_alike<'a, T: FromArgs<'a> + Debug>(seen: &Seen<'a>, text: &Args<'a>) {
    let [direct, text] = both_ways::<T>(seen, text);
    match (&direct, &text) {
        (Ok(direct), Ok(text)) => assert_eq!(format!("{direct:?}"), format!("{text:?}")),
        // (The words differ where only the text has digits.)
        (
            Err(ArgsError::Invalid { index: a, .. } | ArgsError::Missing { index: a }),
            Err(ArgsError::Invalid { index: b, .. } | ArgsError::Missing { index: b }),
        ) => assert_eq!(a, b, "{direct:?} {text:?}"),
        _ => panic!("{direct:?} {text:?}"),
    }
}

/// An untagged enum, for which serde keeps the value before it looks at it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[allow(dead_code, reason = "shown by Debug")]
enum Any<'a> {
    Bool(bool),
    Whole(i64),
    Float(f64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Bin(Bin),
    Many(Vec<Self>),
    Map(BTreeMap<String, Self>),
    Nothing(()),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
#[allow(dead_code, reason = "shown by Debug")]
enum Tagged {
    A { n: Option<u8> },
    B,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(dead_code, reason = "shown by Debug")]
struct Loose<'a> {
    a: Option<i128>,
    b: Option<u128>,
    #[serde(borrow)]
    // (Not `&str`: with an escape it can be borrowed where it lies, and not from the text.)
    c: Option<Cow<'a, str>>,
    d: Option<Text<'a>>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// Everything that can be asked of arguments.
fn all_read_alike(message: &[u8]) -> bool {
    let cell = ArgsText::new();
    let Some(seen) = look(message, 1 << 20, 1024, &cell) else {
        return false;
    };
    let mut decoded = Decoded::new();
    let verdict = decode(message, 1 << 20, 1024, &mut decoded);
    assert_eq!(verdict, Ok(Unpacked::Packet), "{}", message.escape_ascii());
    let packet = Packet::parse(decoded.text(), 1024).expect("what is not refused is a packet");
    assert_eq!((packet.nsp, packet.id), (seen.nsp, seen.id));
    let whole = Args::from_checked(packet.data, decoded.attachments());
    let mut rest = whole;
    if let Some(event) = seen.event {
        assert_eq!(rest.next::<&str>().unwrap(), event);
    }
    let json: Vec<&str> = whole
        .iter_raw()
        .skip(usize::from(seen.event.is_some()))
        .collect();
    assert_eq!(seen.args.len(), json.len());
    // The offset for recovery. (A date is none, although its text might be one.)
    let last = json.last().and_then(|last| Text::from_json(last));
    let last = last.map(|last| last.to_cow()).unwrap_or_default();
    let is_date = last.len() >= 24 && last.ends_with('Z') && seen.last_text.is_empty();
    assert!(is_date || last == seen.last_text, "{last}");
    let json = format!("[{}]", json.join(","));
    let text = Args::from_checked(&json, decoded.attachments());
    // What is not finite is itself only where it lies.
    let finite = !format!("{:?}", seen.args.parse::<Vec<Value>>()).contains("Infinity");
    if finite {
        read_alike::<Vec<Value>>(&seen, &text);
    }
    read_alike::<Vec<serde::de::IgnoredAny>>(&seen, &text);
    read_alike::<(Option<u8>, Option<i64>)>(&seen, &text);
    read_alike::<(String, String)>(&seen, &text);
    read_alike::<(Cow<'_, str>,)>(&seen, &text);
    read_alike::<(i128, u128)>(&seen, &text);
    read_alike::<(bool,)>(&seen, &text);
    read_alike::<((), char)>(&seen, &text);
    read_alike::<(Bin,)>(&seen, &text);
    read_alike::<(BinRef<'_>, Text<'_>)>(&seen, &text);
    read_alike::<(Shape, Shape)>(&seen, &text);
    read_alike::<(BTreeMap<String, Value>,)>(&seen, &text);
    read_alike::<(BTreeMap<i64, Value>,)>(&seen, &text);
    read_alike::<(BTreeMap<bool, serde::de::IgnoredAny>,)>(&seen, &text);
    read_alike::<(Vec<u8>,)>(&seen, &text);
    read_alike::<([Option<i8>; 2],)>(&seen, &text);
    read_alike::<(Tagged,)>(&seen, &text);
    read_alike::<(Loose<'_>,)>(&seen, &text);
    read_alike::<(ValueRef<'_>, Value)>(&seen, &text);
    read_alike::<Vec<ValueRef<'_>>>(&seen, &text);
    read_alike::<(serde_json::Value,)>(&seen, &text);
    read_alike::<(Box<serde_json::value::RawValue>,)>(&seen, &text);
    if finite && !has_non_finite(&seen.args) {
        read_alike::<(f64, f32)>(&seen, &text);
        read_alike::<(Any<'_>, Any<'_>)>(&seen, &text);
    }
    // The text is made when it is asked for, and is the same.
    assert_eq!(seen.args, text);
    let mut one_by_one = seen.args;
    let first = one_by_one.next::<serde::de::IgnoredAny>().is_ok() && !seen.args.is_empty();
    assert_eq!(one_by_one.next_raw(), text.raw(usize::from(first)));
    let binaries: Vec<&[u8]> = seen.args.packed_binaries().collect();
    assert_eq!(binaries, text.attachments().iter().collect::<Vec<_>>());
    true
}

/// Whether a float that JSON cannot say is among the arguments: Debug tells it.
fn has_non_finite(args: &Args<'_>) -> bool {
    let (items, _) = args.as_packed().unwrap();
    let quiet = |at: usize| match items[at] {
        0xca => items
            .get(at + 1..at + 5)
            .is_some_and(|b| !f32::from_be_bytes(b.try_into().unwrap()).is_finite()),
        0xcb => items
            .get(at + 1..at + 9)
            .is_some_and(|b| !f64::from_be_bytes(b.try_into().unwrap()).is_finite()),
        _ => false,
    };
    (0..items.len()).any(quiet)
}

/// A value as the official parser packs it, `undefined` and dates and numbers of every width included.
fn packed() -> impl Strategy<Value = Vec<u8>> {
    let small = prop_oneof![
        Just(b"\xc0".to_vec()),
        Just(b"\xd4\0\0".to_vec()),
        Just(b"\xc2".to_vec()),
        any::<i64>().prop_map(|n| rmp_serde::to_vec(&n).unwrap()),
        any::<u64>().prop_map(|n| rmp_serde::to_vec(&n).unwrap()),
        any::<i8>().prop_map(|n| rmp_serde::to_vec(&n).unwrap()),
        any::<f64>().prop_map(|n| rmp_serde::to_vec(&n).unwrap()),
        any::<f32>().prop_map(|n| rmp_serde::to_vec(&n).unwrap()),
        any::<i32>().prop_map(|n| rmp_serde::to_vec(&f64::from(n)).unwrap()),
        (-10_000_000_000_000_000..10_000_000_000_000_000_i64).prop_map(|time| [
            &b"\xd7\0"[..],
            &time.to_be_bytes()
        ]
        .concat()),
        any::<String>().prop_map(|text| rmp_serde::to_vec(&text).unwrap()),
        "[a-z\"]{0,40}".prop_map(|text| rmp_serde::to_vec(&text).unwrap()),
        prop_oneof![Just("Unit"), Just("é"), Just("x")]
            .prop_map(|text| rmp_serde::to_vec(text).unwrap()),
        vec(any::<u8>(), 0..40).prop_map(|bytes| rmp_serde::to_vec(&Bin(bytes)).unwrap()),
        Just(b"\xc7\x02\x00hi".to_vec()),
        Just(b"\xd5\x07hi".to_vec()),
    ];
    let key = prop_oneof![
        "[a-d]",
        "t|Newtype|Tuple|Struct|_placeholder|num",
        any::<i8>().prop_map(|n| n.to_string()),
        any::<String>()
    ];
    small.prop_recursive(4, 40, 20, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(|items| {
                let mut out = Vec::new();
                out.extend(head(0x90, items.len()));
                items.iter().for_each(|item| out.extend(item));
                out
            }),
            vec((key.clone(), inner), 0..20).prop_map(|members| {
                let mut out = Vec::new();
                out.extend(head(0x80, members.len()));
                for (key, value) in members {
                    out.extend(rmp_serde::to_vec(&key).unwrap());
                    out.extend(value);
                }
                out
            }),
        ]
    })
}

/// What an array or a map of so many begins with.
fn head(marker: u8, n: usize) -> Vec<u8> {
    match n {
        0..=15 => vec![marker | n as u8],
        _ => [
            &[if marker == 0x90 { 0xdc } else { 0xde }][..],
            &(n as u16).to_be_bytes(),
        ]
        .concat(),
    }
}

fn event_of(items: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    data.extend(head(0x90, items.len() + 1));
    data.extend(b"\xa1e");
    items.iter().for_each(|item| data.extend(item));
    message(&data)
}

/// Most of it does not come up by chance.
#[test]
fn what_is_written_of_odd_types() {
    /// A sequence or a map that does not know its length.
    struct Unknown(usize, bool);
    impl Serialize for Unknown {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::{SerializeMap as _, SerializeSeq as _};
            if self.1 {
                let mut map = serializer.serialize_map(None)?;
                for n in 0..self.0 {
                    map.serialize_entry(&n, &Self(n % 20, false))?;
                }
                return map.end();
            }
            let mut seq = serializer.serialize_seq(None)?;
            for n in 0..self.0 {
                seq.serialize_element(&n)?;
            }
            seq.end()
        }
    }
    /// One that says a wrong one.
    struct Liar(usize, usize);
    impl Serialize for Liar {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq as _;
            let mut seq = serializer.serialize_seq(Some(self.0))?;
            for n in 0..self.1 {
                seq.serialize_element(&n)?;
            }
            seq.end()
        }
    }
    struct Shown(usize);
    impl Serialize for Shown {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&format_args!("{}\"", "é".repeat(self.0)))
        }
    }
    for n in [0, 1, 15, 16, 17, 40, 70_000] {
        written_alike(&(Unknown(n, false), Unknown(n % 1000, true), Shown(n)));
        for m in [0, 15, 16, 70_000] {
            written_alike(&(1, Liar(m, n), "x"));
        }
        let many = vec![n; n];
        written_alike(&many);
        written_alike(&(many,));
        written_alike(&("a".repeat(n), Bin(vec![1; n])));
    }
    let keys: BTreeMap<i64, bool> = [(-1, true), (7, false)].into();
    let bools: BTreeMap<bool, u8> = [(true, 1), (false, 2)].into();
    let chars: BTreeMap<char, Option<()>> = [('"', None), ('x', Some(()))].into();
    written_alike(&(keys, bools, chars));
    let raw =
        serde_json::value::RawValue::from_string(" {\"a\": [1, 2.5e0, \"\\u00e4\"]}".to_owned())
            .unwrap();
    written_alike(&(raw, i128::MAX, i128::MIN, u128::MAX, 5_i128, -5_i128));
    written_alike(&(
        0.1_f32,
        -0.0_f32,
        f32::MAX,
        f32::MIN_POSITIVE,
        16_777_217_f32,
        1e-3_f32,
    ));
    written_alike(&(2.0_f64, -0.0_f64, f64::MAX, 5e-324_f64, 1e21_f64));
    written_alike(&());
    // Floats that are not finite are themselves.
    assert_eq!(
        direct(None, &(f64::INFINITY, f32::NEG_INFINITY)),
        b"\x92\xcb\x7f\xf0\0\0\0\0\0\0\xcb\xff\xf0\0\0\0\0\0\0"
    );
    // Refused as in JSON, and nothing is left behind.
    let bad: BTreeMap<Vec<u8>, u8> = [(vec![1], 1)].into();
    let mut out = b"kept".to_vec();
    let error = encode_args(None, &(bad,), 10, &mut out).unwrap_err();
    assert!(error.to_string().contains("a map key must be"), "{error}");
    let many = [BinRef(b"x"); 4];
    assert_eq!(
        encode_args(None, &many, 3, &mut out),
        Err(EncodeError::TooManyAttachments { limit: 3 })
    );
    assert_eq!(out, b"kept");
    assert_eq!(encode_args(None, &many, 4, &mut out), Ok(4));
}

/// JSON that is passed on, and arguments that came in one form or the other.
#[test]
fn what_is_passed_on() {
    let json =
        r#" [1, {"_placeholder":true,"num":1}, {"x":{"num":0,"_placeholder":true}}, "a\n"] "#;
    let parts: [&[u8]; 2] = [b"zero", b"one"];
    let raw = RawArgs::new(json, &parts).unwrap();
    written_alike(&raw);
    let message = event_of(&[
        b"\x01".to_vec(),
        b"\xc4\x02hi".to_vec(),
        b"\xd7\0\0\0\0\0\0\0\0\0".to_vec(),
    ]);
    let cell = ArgsText::new();
    let seen = look(&message, 1 << 20, 10, &cell).unwrap();
    // As it came, a date a date.
    assert!(message.ends_with(&direct(Some("e"), &seen.args)));
    assert!(!cell.is_made());
    let mut out = Vec::new();
    assert_eq!(
        encode_args(None, &(&seen.args), 0, &mut out),
        Err(EncodeError::TooManyAttachments { limit: 0 })
    );
    let mut json = Vec::new();
    encode_args_to_vec(Some("e"), &seen.args, &mut json, &mut |bytes| {
        assert_eq!(bytes, b"hi");
        Ok(())
    })
    .unwrap();
    assert_eq!(
        String::from_utf8(json).unwrap(),
        r#"["e",1,{"_placeholder":true,"num":0},"1970-01-01T00:00:00.000Z"]"#
    );
    assert!(cell.is_made());
}

/// What JSON cannot say.
#[test]
fn floats_that_are_not_finite_are_read_as_they_are() {
    let message = event_of(&[
        b"\xcb\x7f\xf8\0\0\0\0\0\0".to_vec(),
        b"\xca\xff\x80\0\0".to_vec(),
        b"\xcb\x7f\xf0\0\0\0\0\0\0".to_vec(),
    ]);
    let cell = ArgsText::new();
    let seen = look(&message, 1 << 20, 10, &cell).unwrap();
    let (nan, single, option) = seen.args.parse::<(f64, f32, Option<f64>)>().unwrap();
    assert!(nan.is_nan() && single == f32::NEG_INFINITY && option == Some(f64::INFINITY));
    assert_eq!(
        seen.args.parse::<(serde_json::Value,)>().unwrap().0,
        serde_json::Value::Null
    );
    assert!(!cell.is_made());
    assert_eq!(seen.args.json(), "[null,null,null]");
}

/// Few types want the text; those behind them are read from it as well, and mean the same.
#[test]
fn what_wants_the_text() {
    let message = event_of(&[
        b"\x07".to_vec(),
        b"\xa3a\"b".to_vec(),
        b"\x81\xa1x\xc4\x01y".to_vec(),
        b"\xa1z".to_vec(),
    ]);
    let cell = ArgsText::new();
    let seen = look(&message, 1 << 20, 10, &cell).unwrap();
    let (n, text, map, z) = seen.args.parse::<(u8, &str, Map, Text<'_>)>().unwrap();
    assert_eq!(
        (n, text, map["x"].as_bytes(), z == *"z"),
        (7, "a\"b", Some(&b"y"[..]), true)
    );
    let mut args = seen.args;
    assert!(args.skip_next() && args.skip_next() && args.skip_next());
    assert_eq!(args.next::<&str>(), Ok("z"));
    assert!(!args.skip_next());
    assert_eq!(args.next::<u8>(), Err(ArgsError::Missing { index: 4 }));
    assert_eq!(args.next::<Option<u8>>(), Ok(None));
    assert!(!cell.is_made());
    let (_, text, value, z) = seen
        .args
        .parse::<(u8, Text<'_>, ValueRef<'_>, &str)>()
        .unwrap();
    assert_eq!((text.as_raw(), z), ("a\\\"b", "z"));
    assert_eq!(value.get("x").unwrap().as_bytes(), Some(&b"y"[..]));
    assert!(cell.is_made());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes in MessagePack, a type reads the same where it lies and in its text.
    #[test]
    fn where_it_lies_and_in_its_text(items in vec(packed(), 0..4)) {
        all_read_alike(&event_of(&items));
    }

    /// What is looked through is sound: nothing is accepted that is refused on the other way.
    #[test]
    fn what_is_damaged_is_no_more_accepted(items in vec(packed(), 0..4), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut message = event_of(&items);
        let at = at.index(message.len());
        if cut {
            message.truncate(at);
        } else {
            message[at] = byte;
        }
        all_read_alike(&message);
    }

    #[test]
    fn serde_writes_what_its_json_becomes(value in everything(), items in vec(packed(), 0..4)) {
        written_alike(&(&value, 1));
        let message = event_of(&items);
        let cell = ArgsText::new();
        if let Some(seen) = look(&message, 1 << 20, 1024, &cell)
            && !has_non_finite(&seen.args)
        {
            written_alike(&seen.args.parse::<Vec<Value>>().unwrap());
        }
    }
}
