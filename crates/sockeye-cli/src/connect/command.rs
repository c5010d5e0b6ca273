//! The commands of `sockeye connect`, and their form as JSON lines.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::input;
use crate::value::{Arg, plain};

/// What a person or a script asks of the client.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Emit(Emit),
    /// Answer the server's event number `id`.
    Ack {
        id: u64,
        args: Vec<Arg>,
    },
    Connect {
        namespace: Option<String>,
        auth: Option<Value>,
    },
    Disconnect {
        namespace: Option<String>,
    },
    Reconnect,
    Set {
        auth: Option<Value>,
        query: Option<Vec<(String, String)>>,
        headers: Option<Vec<(String, String)>>,
    },
    Status {
        id: Option<Value>,
    },
    /// Send to this namespace from now on.
    Use {
        namespace: String,
    },
    Help,
    Quit,
}

/// An event to send.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Emit {
    pub(crate) namespace: Option<String>,
    pub(crate) event: String,
    pub(crate) args: Vec<Arg>,
    pub(crate) ack: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) volatile: bool,
    /// The script's own mark, repeated in everything that concerns this event.
    pub(crate) id: Option<Value>,
}

#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Emit {
        event: String,
        #[serde(default)]
        args: Vec<Arg>,
        #[serde(default)]
        ack: bool,
        timeout: Option<u64>,
        #[serde(default)]
        volatile: bool,
        namespace: Option<String>,
        id: Option<Value>,
    },
    Ack {
        id: u64,
        #[serde(default)]
        args: Vec<Arg>,
    },
    Connect {
        namespace: Option<String>,
        auth: Option<Value>,
    },
    Disconnect {
        namespace: Option<String>,
    },
    Reconnect {},
    Set {
        #[serde(default, deserialize_with = "present")]
        auth: Option<Value>,
        query: Option<serde_json::Map<String, Value>>,
        headers: Option<serde_json::Map<String, Value>>,
    },
    Status {
        id: Option<Value>,
    },
    Quit {},
}

/// `null` is a value here (it clears the credentials), unlike a missing field.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Reads one JSON line. `None` for an empty one; the error is a sentence for `{"type":"error"}`.
pub(crate) fn json_line(text: &str) -> Result<Option<Command>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if !text.starts_with('{') {
        return Err("a command is a JSON object on one line: {\"cmd\":\"emit\",\"event\":\"x\",\"args\":[1]}".to_owned());
    }
    let line: Line = serde_json::from_str(text).map_err(|error| plain(&error))?;
    Ok(Some(match line {
        Line::Emit {
            event,
            args,
            ack,
            timeout,
            volatile,
            namespace,
            id,
        } => Command::Emit(Emit {
            namespace: checked(namespace)?,
            event,
            args,
            ack,
            timeout: timeout.map(Duration::from_millis),
            volatile,
            id,
        }),
        Line::Ack { id, args } => Command::Ack { id, args },
        Line::Connect { namespace, auth } => Command::Connect {
            namespace: checked(namespace)?,
            auth,
        },
        Line::Disconnect { namespace } => Command::Disconnect {
            namespace: checked(namespace)?,
        },
        Line::Reconnect {} => Command::Reconnect,
        Line::Set {
            auth,
            query,
            headers,
        } => Command::Set {
            auth,
            query: query.map(|map| pairs("query", map)).transpose()?,
            headers: headers.map(|map| pairs("headers", map)).transpose()?,
        },
        Line::Status { id } => Command::Status { id },
        Line::Quit {} => Command::Quit,
    }))
}

fn checked(namespace: Option<String>) -> Result<Option<String>, String> {
    namespace
        .map(|namespace| input::namespace(&namespace))
        .transpose()
}

fn pairs(what: &str, map: serde_json::Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    map.into_iter()
        .map(|(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            Value::Number(_) | Value::Bool(_) => Ok((key, value.to_string())),
            _ => Err(format!(
                "{what}.{key} must be a text, a number or a boolean"
            )),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn emit_with_everything() {
        let text = r#"{"cmd":"emit","event":"x","args":[1,{"_bin":"AQ=="}],"ack":true,"timeout":250,"id":[7],"volatile":true,"namespace":"/n"}"#;
        let Ok(Some(Command::Emit(emit))) = json_line(text) else {
            panic!()
        };
        assert_eq!(emit.timeout, Some(Duration::from_millis(250)));
        assert_eq!(
            (emit.ack, emit.volatile, emit.id),
            (true, true, Some(json!([7])))
        );
        assert_eq!(emit.namespace.as_deref(), Some("/n"));
        assert_eq!(emit.args[1], Arg::Bin(bytes::Bytes::from_static(&[1])));
    }

    #[test]
    fn short_forms() {
        assert_eq!(json_line("{\"cmd\":\"quit\"}\n"), Ok(Some(Command::Quit)));
        assert_eq!(json_line("  "), Ok(None));
        assert_eq!(
            json_line(r#"{"cmd":"ack","id":0}"#),
            Ok(Some(Command::Ack {
                id: 0,
                args: vec![]
            }))
        );
        let set = json_line(r#"{"cmd":"set","query":{"a":1,"b":"x"}}"#);
        let query = Some(vec![
            ("a".to_owned(), "1".to_owned()),
            ("b".to_owned(), "x".to_owned()),
        ]);
        assert_eq!(
            set,
            Ok(Some(Command::Set {
                auth: None,
                query,
                headers: None
            }))
        );
        let clear = json_line(r#"{"cmd":"set","auth":null}"#);
        assert_eq!(
            clear,
            Ok(Some(Command::Set {
                auth: Some(Value::Null),
                query: None,
                headers: None
            }))
        );
    }

    #[test]
    fn mistakes_name_what_is_wrong() {
        for (text, part) in [
            ("[1]", "JSON object"),
            ("hello", "JSON object"),
            ("{\"cmd\":\"emit\"}", "missing field `event`"),
            (
                "{\"cmd\":\"fly\"}",
                "unknown variant `fly`, expected one of `emit`, `ack`",
            ),
            (
                "{\"cmd\":\"emit\",\"event\":\"x\",\"args\":1}",
                "expected a sequence",
            ),
            (
                "{\"cmd\":\"emit\",\"event\":\"x\",\"arg\":[]}",
                "unknown field `arg`",
            ),
            ("{\"cmd\":\"emit\",\"event\":\"x\"", "EOF"),
            (
                "{\"cmd\":\"connect\",\"namespace\":\"x\"}",
                "starts with a slash",
            ),
            ("{\"cmd\":\"set\",\"query\":{\"a\":[1]}}", "query.a must be"),
            ("{}", "missing field `cmd`"),
        ] {
            let error = json_line(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
