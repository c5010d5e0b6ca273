//! The line protocol of `sockeye connect --json`, as far as `crates/sockeye-testkit/servers/differential` speaks it: what the programs
//! have in common that speak it for other drivers than the command's.

use std::io::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value as Json, json};
use sockeye_core::packet::{Bin, Map, Value, ValueKind, ValueRef};

/// Writes one record.
pub fn tell(record: &Json) {
    let line = format!("{record}\n");
    let mut out = std::io::stdout().lock();
    // Whoever has closed the pipe wants no more.
    let _ = out.write_all(line.as_bytes());
    let _ = out.flush();
}

/// A value that came, as JSON: binary as the command writes it.
pub fn shown(value: &ValueRef<'_>) -> Json {
    match value.kind() {
        ValueKind::Array => value.items().map(|item| shown(&item)).collect(),
        ValueKind::Object => value
            .members()
            .map(|(name, member)| (name.to_cow().into_owned(), shown(&member)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        ValueKind::Binary => {
            json!({ "_bin": BASE64_STANDARD.encode(value.as_bytes().unwrap_or_default()) })
        }
        ValueKind::String => value
            .as_text()
            .map_or(Json::Null, |text| text.to_cow().into_owned().into()),
        // (Numbers beyond all bounds are JavaScript's infinity, which JSON shows as null.)
        _ => serde_json::from_str(value.raw()).unwrap_or(Json::Null),
    }
}

/// The same of a value that owns what it holds.
pub fn owned(value: &Value) -> Json {
    match value {
        Value::Array(items) => items.iter().map(owned).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), owned(member)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Binary(bytes) => json!({ "_bin": BASE64_STANDARD.encode(bytes) }),
        other => Json::try_from(other.clone()).unwrap_or_default(),
    }
}

/// The arguments that a line gives.
pub fn args(line: &mut Json) -> Vec<Value> {
    match line["args"].take() {
        Json::Array(items) => items.into_iter().map(real).collect(),
        _ => Vec::new(),
    }
}

fn real(json: Json) -> Value {
    match json {
        Json::Array(items) => Value::Array(items.into_iter().map(real).collect()),
        Json::Object(members) => {
            if let (1, Some(Json::String(text))) = (members.len(), members.get("_bin")) {
                let bytes = BASE64_STANDARD.decode(text).unwrap_or_default();
                return Value::Binary(Bin::from(bytes));
            }
            let members = members.into_iter().map(|(name, value)| (name, real(value)));
            Value::Object(members.collect::<Map>())
        }
        other => Value::from(other),
    }
}

/// Tells what came of an event that wants an answer.
pub fn tell_answer(nsp: &str, id: &Json, answer: Result<Json, &str>) {
    tell(&match answer {
        Ok(args) => json!({ "type": "ack", "namespace": nsp, "id": id, "args": args }),
        Err(reason) => {
            json!({ "type": "ack_error", "namespace": nsp, "id": id, "reason": reason, "message": reason })
        }
    });
}

/// Tells what could not be done.
pub fn tell_error(id: &Json, message: &str) {
    tell(&json!({ "type": "error", "id": id, "message": message }));
}
