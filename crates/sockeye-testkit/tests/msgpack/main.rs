//! MessagePack beside `rmp-serde`: values of every shape, typed, there and back.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use sockeye_core::packet::msgpack::{ArgsText, Decoded, Unpacked, decode, encode, look};
use sockeye_core::packet::{Args, Attachments, Bin, Packet, encode_args_to_vec};
use std::collections::BTreeMap;

mod alike;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(i64),
    Tuple(u8, String),
    Struct { x: f64, y: Option<f32> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    small: i8,
    large: u64,
    least: i64,
    float: f64,
    single: f32,
    text: String,
    bin: Bin,
    option: Option<Option<u16>>,
    list: Vec<Bin>,
    map: BTreeMap<String, i32>,
    shapes: Vec<Shape>,
    nested: Vec<Vec<(bool, char)>>,
}

/// The packet as the server's parser writes it, around a value that `rmp-serde` has written.
#[derive(Serialize)]
struct Outer<'a, T> {
    #[serde(rename = "type")]
    kind: u8,
    data: (&'a str, T),
    nsp: &'a str,
    id: Option<u64>,
}

#[derive(Deserialize)]
struct Inner<T> {
    #[serde(rename = "type")]
    kind: u8,
    data: (String, T),
    nsp: String,
    id: Option<u64>,
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Unit),
        any::<i64>().prop_map(Shape::Newtype),
        (any::<u8>(), any::<String>()).prop_map(|(n, text)| Shape::Tuple(n, text)),
        (finite(), option::of(single())).prop_map(|(x, y)| Shape::Struct { x, y }),
    ]
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |x| x.is_finite()),
        any::<i32>().prop_map(f64::from),
        any::<i16>().prop_map(|n| f64::from(n) / 100.0),
    ]
}

fn single() -> impl Strategy<Value = f32> {
    any::<f32>().prop_filter("finite", |x| x.is_finite())
}

fn bin() -> impl Strategy<Value = Bin> {
    vec(any::<u8>(), 0..300).prop_map(Bin::from)
}

fn everything() -> impl Strategy<Value = Everything> {
    let numbers = (any::<i8>(), any::<u64>(), any::<i64>(), finite(), single());
    let texts = (any::<String>(), bin(), option::of(any::<u16>()));
    let lists = (
        vec(bin(), 0..20),
        btree_map(any::<String>(), any::<i32>(), 0..20),
        vec(shape(), 0..20),
        vec(vec((any::<bool>(), any::<char>()), 0..4), 0..4),
    );
    (numbers, texts, lists).prop_map(|(numbers, texts, lists)| Everything {
        small: numbers.0,
        large: numbers.1,
        least: numbers.2,
        float: numbers.3,
        single: numbers.4,
        text: texts.0,
        bin: texts.1,
        option: texts.2.map(Some),
        list: lists.0,
        map: lists.1,
        shapes: lists.2,
        nested: lists.3,
    })
}

/// The text of this double reads as this double, by the standard library.
fn exact(bits: u64) {
    let value = f64::from_bits(bits);
    let mut message = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e\xcb".to_vec();
    message.extend(bits.to_be_bytes());
    let mut decoded = Decoded::new();
    assert_eq!(
        decode(&message, usize::MAX, 1024, &mut decoded),
        Ok(Unpacked::Packet)
    );
    let text = decoded.text();
    let number = text
        .strip_prefix("2[\"e\",")
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or_else(|| panic!("{text}"));
    if value.is_finite() {
        assert_eq!(number.parse::<f64>(), Ok(value), "{bits:x}: {number}");
    } else {
        assert_eq!(number, "null", "as JSON.stringify writes it");
    }
}

/// Fuzzing found the first one: serde_json, beside which floats are read there, reads its text as the next one.
#[test]
fn floats_are_exact() {
    for bits in [0x0000_db0b_0a00_0d28, 1, 0x000f_ffff_ffff_ffff, 1 << 52] {
        exact(bits);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_float_is_exact(bits in any::<u64>(), exponent in 0_u64..3) {
        exact(bits);
        // Close to zero, and below what is normal.
        exact(bits & !(0x7ff << 52) | exponent << 52);
    }

    #[test]
    fn what_rmp_serde_writes_is_read_typed(value in everything(), id in option::of(any::<u64>())) {
        let outer = Outer { kind: 2, data: ("e", &value), nsp: "/n", id };
        let message = rmp_serde::to_vec_named(&outer).unwrap();
        let mut decoded = Decoded::new();
        prop_assert_eq!(decode(&message, usize::MAX, 1024, &mut decoded), Ok(Unpacked::Packet));
        let packet = Packet::parse(decoded.text(), 1024).unwrap();
        prop_assert_eq!((packet.nsp, packet.id), ("/n", id));
        let mut args = Args::new(packet.data, decoded.attachments()).unwrap();
        prop_assert_eq!(args.next::<&str>().unwrap(), "e");
        prop_assert_eq!(args.next::<Everything>().unwrap(), value.clone());
        let cell = ArgsText::new();
        if let Some(seen) = look(&message, usize::MAX, 1024, &cell) {
            prop_assert_eq!(seen.args.parse::<(Everything,)>().unwrap().0, value);
            prop_assert!(!cell.is_made());
        }
    }

    #[test]
    fn what_we_write_is_read_by_rmp_serde(value in everything(), id in option::of(any::<u64>())) {
        let mut json = Vec::new();
        let mut records = Vec::new();
        let mut attach = |bytes: &[u8]| {
            records.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            records.extend_from_slice(bytes);
            Ok(())
        };
        let count = encode_args_to_vec(Some("e"), &(&value,), &mut json, &mut attach).unwrap();
        let id_text = id.map_or_else(String::new, |id: u64| id.to_string());
        let text = format!("5{count}-/n,{id_text}{}", String::from_utf8(json).unwrap());
        let packet = Packet::parse(&text, 1024).unwrap();
        let attachments = Attachments::from_records(&records, count).unwrap();
        let message = encode(&packet, attachments);
        let inner: Inner<Everything> = rmp_serde::from_slice(&message).unwrap();
        prop_assert_eq!((inner.kind, inner.nsp.as_str(), inner.id), (2, "/n", id));
        prop_assert_eq!((inner.data.0.as_str(), inner.data.1), ("e", value));
    }
}
