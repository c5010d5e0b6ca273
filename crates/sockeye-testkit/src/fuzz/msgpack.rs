//! Packets in MessagePack beside `rmpv`: what is valid there is read here as the same value, and what we write reads the
//! same in both.

use rmpv::Value as Theirs;
use serde_json::{Map, Value, json};
use sockeye_core::packet::msgpack::{Decoded, Unpacked, decode, encode};
use sockeye_core::packet::{Packet, PacketError};

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

/// Anything as a packet in MessagePack.
pub fn msgpack(data: &[u8]) {
    let mut decoded = Decoded::new();
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
