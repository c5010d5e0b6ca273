extern crate std;
use std::{format, string::String, vec, vec::Vec};

use serde::{Deserialize, Serialize};

use super::*;
use crate::json;
use crate::packet::{Args, Attachments, Bin, BinRef, encode_args_to_vec};

/// What is sent of a value, and what is received of that.
fn there_and_back(value: &Value) -> (String, Vec<Vec<u8>>, Value) {
    let (mut json, mut attached) = (Vec::new(), Vec::new());
    encode_args_to_vec(None, &(value,), &mut json, &mut |bytes| {
        attached.push(bytes.to_vec());
        Ok(())
    })
    .unwrap();
    let json = String::from_utf8(json).unwrap();
    let records: Vec<u8> = attached
        .iter()
        .flat_map(|bytes| [&(bytes.len() as u32).to_le_bytes(), &bytes[..]].concat())
        .collect();
    let args = Args::new(&json, Attachments::new(&records, attached.len())).unwrap();
    let (back,) = args.parse::<(Value,)>().unwrap();
    (json, attached, back)
}

#[test]
fn every_kind_of_value_goes_there_and_back() {
    let value = json!({
        "null": null,
        "bools": [true, false],
        "numbers": [0, -1, 1.5, u64::MAX, i64::MIN, 0.1f32],
        "text": "a\n\"b\" é😀",
        "picture": {"data": Bin::from([1, 2]), "more": [BinRef(b"x"), []]},
        "empty": {},
    });
    let (json, attached, back) = there_and_back(&value);
    assert_eq!(
        json,
        concat!(
            r#"[{"bools":[true,false],"empty":{},"null":null,"#,
            r#""numbers":[0,-1,1.5,18446744073709551615,-9223372036854775808,0.1],"#,
            r#""picture":{"data":{"_placeholder":true,"num":0},"more":[{"_placeholder":true,"num":1},[]]},"#,
            r#""text":"a\n\"b\" é😀"}]"#
        )
    );
    assert_eq!(attached, [&b"\x01\x02"[..], b"x"]);
    assert_eq!(back, value);
    assert_eq!(from_value::<Value>(&value), Ok(value));
}

#[test]
fn the_macro_takes_what_serde_jsons_takes() {
    #[derive(Serialize)]
    struct Point {
        x: i8,
        y: Option<f32>,
    }
    let name = "k";
    let list = [1, 2];
    let value = json!([
        null, true, 1 + 1, list, name.len(), [], {},
        {"a": 1, name: 2, (format!("{name}{name}")): [3], "p": Point { x: -1, y: None },},
        if list.len() == 2 { "yes" } else { "no" },
    ]);
    assert_eq!(
        format!("{value}"),
        r#"[null,true,2,[1,2],1,[],{},{"a":1,"k":2,"kk":[3],"p":{"x":-1,"y":null}},"yes"]"#
    );
    assert_eq!(json!(null), Value::Null);
    assert_eq!(json!("x"), "x");
    assert_eq!(json!(7), 7);
    // The names that it uses inside are its own.
    let (object, vec) = (1, 2);
    assert_eq!(json!({"o": object, "v": [vec]}), json!({"v": [2], "o": 1}));
}

#[test]
fn is_looked_at_like_a_value_of_serde_json() {
    let mut value = json!({"a": [1, -2, 2.5, "t", true, Bin::from(b"b")], "o": {"k": null}});
    let a = &value["a"];
    assert_eq!(
        (a[0].as_u64(), a[0].as_i64(), a[0].as_f64()),
        (Some(1), Some(1), Some(1.0))
    );
    assert_eq!(
        (a[1].as_u64(), a[1].as_i64(), a[1].as_f64()),
        (None, Some(-2), Some(-2.0))
    );
    assert_eq!((a[2].as_i64(), a[2].as_f64()), (None, Some(2.5)));
    assert_eq!((a[3].as_str(), a[4].as_bool()), (Some("t"), Some(true)));
    assert_eq!(a[5].as_bytes(), Some(&b"b"[..]));
    assert_eq!((a[6].is_null(), value["b"]["c"][7].is_null()), (true, true));
    assert!(
        value
            .get("o")
            .is_some_and(|o| o.get("k").is_some_and(Value::is_null))
    );
    assert_eq!(
        value.get("a").and_then(Value::as_array).map(Vec::len),
        Some(6)
    );
    assert!(a[0] == 1u8 && a[1] == -2 && a[2] == 2.5 && a[3] == "t" && a[4] == true);
    value.as_object_mut().unwrap().remove("a");
    assert_eq!(format!("{value}"), r#"{"o":{"k":null}}"#);
    assert_eq!(json!([Bin::from(b"abc")]).to_string(), r#"["<3 bytes>"]"#);
    assert_eq!(r#"{"x":[1e3]}"#.parse(), Ok(json!({"x": [1000.0]})));
    assert!("[1".parse::<Value>().is_err());
}

use std::string::ToString as _;

#[test]
fn other_types_are_made_of_it() {
    #[derive(Deserialize, Debug, PartialEq)]
    struct Picture {
        name: String,
        data: Bin,
    }
    let value = json!({"name": "a", "data": BinRef(b"xy")});
    let picture = from_value::<Picture>(&value);
    assert_eq!(
        picture,
        Ok(Picture {
            name: "a".into(),
            data: Bin::from(b"xy")
        })
    );
    let error = from_value::<u8>(&json!("a")).unwrap_err();
    assert_eq!(error.as_str(), "expected u8, found string \"a\"");
}

#[test]
fn conversions_name_the_place_of_what_does_not_fit() {
    let plain = json!({"a": [1, -2, 0.5, "t", null, true, {}]});
    let theirs = serde_json::Value::try_from(plain.clone()).unwrap();
    assert_eq!(
        theirs,
        serde_json::json!({"a": [1, -2, 0.5, "t", null, true, {}]})
    );
    assert_eq!(Value::from(theirs), plain);
    let error = serde_json::Value::try_from(json!({"a": [1, {"data": BinRef(b"x")}]})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "binary data at /a/1/data does not fit a serde_json::Value: keep it in a sockeye Value, or replace it first"
    );
    let infinite: Value = "[1e400]".parse().unwrap();
    assert_eq!(infinite[0].as_f64(), Some(f64::INFINITY));
    let error = serde_json::Value::try_from(infinite).unwrap_err();
    assert_eq!(error, NotJson::NotFinite { path: "/0".into() });
    let error = serde_json::to_value(json!([BinRef(b"x")])).unwrap_err();
    assert!(error.to_string().contains("json!"), "{error}");
}

#[test]
fn what_cannot_be_written_says_so() {
    let error = to_value(&std::collections::BTreeMap::from([((1, 2), 3)])).unwrap_err();
    assert!(error.to_string().contains("a map key"), "{error}");
    let error = to_value(&u128::MAX).unwrap_err();
    assert!(error.to_string().contains("64 bits"), "{error}");
    assert_eq!(to_value(&f64::NAN), Ok(Value::Null));
    assert_eq!(
        to_value(&std::collections::BTreeMap::from([(1, true)])),
        Ok(json!({"1": true}))
    );
}

/// In an unoptimised build, on the stack of a test or of a thread of tokio.
#[test]
fn the_deepest_packet_is_read_and_dropped() {
    let levels = crate::packet::json::MAX_DEPTH as usize;
    let json = format!(
        "[{}1{}]",
        r#"{"a":["#.repeat(levels / 2),
        "]}".repeat(levels / 2)
    );
    let args = Args::new(&json, Attachments::EMPTY).unwrap();
    let (mut value,) = args.parse::<(Value,)>().unwrap();
    assert_eq!(there_and_back(&value).0, json);
    let (theirs,) = args.parse::<(serde_json::Value,)>().unwrap();
    assert_eq!(Value::from(theirs), value);
    for _ in 0..levels / 2 {
        value = value.as_object_mut().unwrap().remove("a").unwrap();
        value = value.as_array_mut().unwrap().remove(0);
    }
    assert_eq!(value, 1);
}

mod generated {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            any::<Vec<u8>>().prop_map(|bytes| Value::Binary(bytes.into())),
        ];
        leaf.prop_recursive(5, 30, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec((any::<String>(), inner), 0..5)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn goes_there_and_back(value in values()) {
            let (_, _, back) = there_and_back(&value);
            prop_assert_eq!(&back, &value);
            prop_assert_eq!(to_value(&value), Ok(value));
        }
    }

    #[test]
    fn an_array_of_bytes_is_no_binary() {
        assert_eq!(json!(vec![1u8, 2]), json!([1, 2]));
    }
}
