//! Packets in MessagePack beside `rmpv`: what is valid there is read here as the same value, and what we write reads the
//! same in both.

use rmpv::Value as Theirs;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use sockeye_core::packet::msgpack::{
    ArgsText, Decoded, Unpacked, decode, encode, encode_args, look,
};
use sockeye_core::packet::{
    Args, ArgsError, Bin, FromArgs, Packet, PacketError, Value as Ours, ValueRef,
};
use std::collections::BTreeMap;
use std::fmt::Debug;

use super::differential::close;

/// What `JSON.stringify` makes of a value, with binary values lifted out of it. `None` for `undefined`, `Err` for what
/// their value does not tell apart (an extension of any width), or for what is no key.
fn stringify(value: &Theirs, lifted: &mut Vec<Vec<u8>>) -> Result<Option<Value>, ()> {
    let mut lift = |bytes: &[u8]| {
        lifted.push(bytes.to_vec());
        json!({"_placeholder": true, "num": lifted.len() - 1})
    };
    Ok(Some(match value {
        Theirs::Nil => Value::Null,
        Theirs::Boolean(on) => json!(on),
        Theirs::Integer(n) => match (n.as_u64(), n.as_i64()) {
            (Some(n), _) => json!(n),
            (_, n) => json!(n.expect("64 bits hold it")),
        },
        Theirs::F32(n) => json!(f64::from(*n)),
        Theirs::F64(n) => json!(n),
        Theirs::String(text) => json!(String::from_utf8_lossy(text.as_bytes())),
        Theirs::Binary(bytes) => lift(bytes),
        Theirs::Ext(0, bytes) if matches!(bytes.len(), 1 | 2 | 4 | 8 | 16) => return Err(()),
        Theirs::Ext(0, bytes) => lift(bytes),
        Theirs::Ext(kind, bytes) => json!([kind, lift(bytes)]),
        Theirs::Array(items) => {
            let mut all = Vec::new();
            for item in items {
                all.push(stringify(item, lifted)?.unwrap_or(Value::Null));
            }
            all.into()
        }
        Theirs::Map(members) => {
            let mut all = Map::new();
            for (key, value) in members {
                let key = match key {
                    Theirs::String(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
                    Theirs::Binary(text) => String::from_utf8_lossy(text).into_owned(),
                    Theirs::Nil => "null".to_owned(),
                    Theirs::Boolean(on) => on.to_string(),
                    Theirs::Integer(n) => n.to_string(),
                    // Their text is JavaScript's business.
                    _ => return Err(()),
                };
                if let Some(value) = stringify(value, lifted)? {
                    all.insert(key, value);
                }
            }
            all.into()
        }
    }))
}

/// Floats without a fraction are whole numbers for us, as for JavaScript. (`floats_are_exact` does without serde_json, which
/// reads floats only nearly.)
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(a), Value::Number(b)) => {
            close(a.as_f64().unwrap_or(0.0), b.as_f64().unwrap_or(0.0))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => ours == theirs,
    }
}

/// A type for which serde keeps the value before it looks at it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[allow(dead_code, reason = "shown by Debug")]
enum Kept {
    Whole(i64),
    Text(String),
    Bin(Bin),
    Many(Vec<Self>),
    Members(BTreeMap<String, Self>),
}

/// What a type reads is the same where the arguments lie and in their text.
fn read_alike<'a, T: FromArgs<'a> + Debug>(direct: &Args<'a>, text: &Args<'a>, shown: &str) {
    match (direct.parse::<T>(), text.parse::<T>()) {
        (Ok(direct), Ok(text)) => {
            assert_eq!(format!("{direct:?}"), format!("{text:?}"), "{shown}");
        }
        (
            Err(ArgsError::Invalid { index: a, .. } | ArgsError::Missing { index: a }),
            Err(ArgsError::Invalid { index: b, .. } | ArgsError::Missing { index: b }),
        ) => assert_eq!(a, b, "{shown}"),
        (direct, text) => panic!("{shown}: {direct:?} {text:?}"),
    }
}

/// What the client reads where it lies is a packet that becomes text as well, and means the same.
fn in_place(data: &[u8], shown: &str) {
    let cell = ArgsText::new();
    let Some(seen) = look(data, 1 << 20, u16::MAX, &cell) else {
        return;
    };
    let mut decoded = Decoded::new();
    let verdict = decode(data, 1 << 20, u16::MAX, &mut decoded);
    assert_eq!(verdict, Ok(Unpacked::Packet), "{shown}");
    let packet = Packet::parse(decoded.text(), u16::MAX);
    let packet = packet.unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert_eq!((packet.nsp, packet.id), (seen.nsp, seen.id), "{shown}");
    // Taken as the client takes it: a map that only looks like a placeholder is spelt so that no reader of arguments takes
    // it for one, which the check of what servers write as text does not let pass.
    let whole = Args::from_checked(packet.data, decoded.attachments());
    let named = usize::from(seen.event.is_some());
    if let Some(event) = seen.event {
        assert_eq!({ whole }.next::<&str>().as_deref(), Ok(event), "{shown}");
    }
    let rest: Vec<&str> = whole.iter_raw().skip(named).collect();
    let json = format!("[{}]", rest.join(","));
    let text = Args::from_checked(&json, decoded.attachments());
    assert_eq!(seen.args.len(), rest.len(), "{shown}");
    // Before anybody asks for the text. (A float that is not finite is itself there, and `null` in the text.)
    let values = seen.args.parse::<Vec<Ours>>().expect("every value");
    let plain = !(0..data.len()).any(|at| is_odd_float(data, at));
    if plain {
        read_alike::<Vec<Ours>>(&seen.args, &text, shown);
        read_alike::<(f64, f32)>(&seen.args, &text, shown);
        read_alike::<Vec<Kept>>(&seen.args, &text, shown);
        read_alike::<(Option<i64>, String)>(&seen.args, &text, shown);
        let mut direct = Vec::new();
        let count = encode_args(seen.event, &values, u16::MAX, &mut direct);
        // (Of equal members the last one counts.)
        assert!(
            count.is_ok_and(|n| n <= decoded.attachments().len()),
            "{shown}"
        );
        let mut rest = &direct[..];
        rmpv::decode::read_value(&mut rest).expect("what we write is MessagePack");
        assert!(rest.is_empty(), "{shown}");
        // Read again, what serde has written is what it was given.
        let again = ArgsText::new();
        let skip = match values.len() + named {
            0..=15 => 1,
            16..=0xffff => 3,
            _ => 5,
        };
        let count = (values.len() + named) as u32;
        let mut back = Args::from_packed(&direct[skip..], count, &again);
        if named > 0 {
            assert!(back.skip_next());
        }
        for value in &values {
            assert_eq!(back.next::<Ours>().as_ref(), Ok(value), "{shown}");
        }
    }
    read_alike::<Vec<IgnoredAny>>(&seen.args, &text, shown);
    read_alike::<(BTreeMap<String, IgnoredAny>, Bin)>(&seen.args, &text, shown);
    read_alike::<Vec<ValueRef<'_>>>(&seen.args, &text, shown);
    assert_eq!(seen.args, text, "{shown}");
    let binaries: Vec<&[u8]> = seen.args.packed_binaries().collect();
    assert_eq!(
        binaries,
        text.attachments().iter().collect::<Vec<_>>(),
        "{shown}"
    );
}

/// Whether a float that JSON cannot say may be here.
fn is_odd_float(data: &[u8], at: usize) -> bool {
    let rest = &data[at..];
    match *rest {
        [0xca, a, b, c, d, ..] => !f32::from_be_bytes([a, b, c, d]).is_finite(),
        [0xcb, a, b, c, d, e, f, g, h, ..] => {
            !f64::from_be_bytes([a, b, c, d, e, f, g, h]).is_finite()
        }
        _ => false,
    }
}

/// Anything as a packet in MessagePack.
pub fn msgpack(data: &[u8]) {
    let mut decoded = Decoded::new();
    in_place(data, &data.escape_ascii().to_string());
    let ours = decode(data, 1 << 20, u16::MAX, &mut decoded);
    let mut rest = data;
    let theirs = rmpv::decode::read_value(&mut rest);
    let shown = data.escape_ascii();
    match (&ours, theirs) {
        (Ok(Unpacked::Packet), Ok(theirs)) => {
            assert!(rest.is_empty(), "{shown}");
            compare(&decoded, &theirs, &shown.to_string());
            again(&decoded, &shown.to_string());
        }
        (Ok(_), Ok(_)) => assert!(rest.is_empty(), "{shown}"),
        (Ok(_), Err(error)) => {
            // They allow fewer levels in a member that we skip.
            assert!(
                matches!(error, rmpv::decode::Error::DepthLimitExceeded),
                "{shown}: {error}"
            );
        }
        // Bytes that are no value are none to them either (but for 0xc1, which they let pass).
        (Err(PacketError::MessagePack { reason, .. }), Ok(_)) => {
            assert!(!reason.contains("inside of a value"), "{shown}");
            assert!(
                !reason.contains("bytes behind") || !rest.is_empty(),
                "{shown}"
            );
        }
        (Err(_), _) => (),
    }
}

fn compare(decoded: &Decoded, theirs: &Theirs, shown: &str) {
    let text = decoded.text();
    // What the parser of text still refuses: reserved names, a level too many, ids that are missing.
    let Ok(packet) = Packet::parse(text, u16::MAX) else {
        return;
    };
    let member = |name: &str| {
        let members = theirs.as_map().expect("a packet is a map");
        let found = members.iter().rfind(|(key, _)| key.as_str() == Some(name));
        found.map(|(_, value)| value)
    };
    assert_eq!(
        member("nsp").and_then(Theirs::as_str),
        Some(packet.nsp),
        "{shown}"
    );
    let mut lifted = Vec::new();
    let data = member("data").map(|data| stringify(data, &mut lifted));
    let theirs = match data {
        Some(Ok(Some(data))) => data,
        _ => return,
    };
    if packet.data.is_empty() {
        assert_eq!(theirs, Value::Null, "{shown}");
        return;
    }
    let Ok(ours) = serde_json::from_str::<Value>(packet.data) else {
        // Deeper than serde_json reads.
        return;
    };
    if matches!(packet.kind.digit(), b'0' | b'4') && !lifted.is_empty() {
        assert_eq!(decoded.attachments().len(), 0, "{shown}");
        return;
    }
    assert!(same(&ours, &theirs), "{shown}: {ours} and {theirs}");
    let attachments: Vec<Vec<u8>> = decoded.attachments().iter().map(<[u8]>::to_vec).collect();
    assert_eq!(attachments, lifted, "{shown}");
}

/// What we write of a packet is the packet.
fn again(decoded: &Decoded, shown: &str) {
    let Ok(packet) = Packet::parse(decoded.text(), u16::MAX) else {
        return;
    };
    if packet.data.contains("\"_placeholder\":false") {
        return;
    }
    let message = encode(&packet, decoded.attachments());
    let mut rest = &message[..];
    rmpv::decode::read_value(&mut rest).expect("what we write is MessagePack");
    assert!(rest.is_empty(), "{shown}");
    let mut second = Decoded::new();
    let verdict = decode(&message, usize::MAX, u16::MAX, &mut second);
    assert_eq!(verdict, Ok(Unpacked::Packet), "{shown}");
    assert_eq!(second.text(), decoded.text(), "{shown}");
    assert_eq!(second.attachments(), decoded.attachments(), "{shown}");
}
