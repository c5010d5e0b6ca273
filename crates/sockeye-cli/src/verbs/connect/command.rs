//! The commands of `sockeye connect`, and their form as JSON lines.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, IgnoredAny};

use crate::value::{self, Arg, plain};

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
        auth: Option<Arg>,
    },
    Disconnect {
        namespace: Option<String>,
    },
    Reconnect,
    Set {
        auth: Option<Arg>,
        query: Option<Vec<(String, String)>>,
        headers: Option<Vec<(String, String)>>,
    },
    Status {
        id: Option<Arg>,
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
    pub(crate) id: Option<Arg>,
}

/// What all lines have: the name of the command tells which fields stand beside it.
#[derive(serde::Deserialize)]
struct Head {
    cmd: Name,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Emit,
    Ack,
    Connect,
    Disconnect,
    Reconnect,
    Set,
    Status,
    Quit,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct EmitLine {
    #[serde(rename = "cmd")]
    _cmd: IgnoredAny,
    event: String,
    #[serde(default)]
    args: Vec<Arg>,
    #[serde(default)]
    ack: bool,
    timeout: Option<u64>,
    #[serde(default)]
    volatile: bool,
    namespace: Option<String>,
    id: Option<Arg>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct AckLine {
    #[serde(rename = "cmd")]
    _cmd: IgnoredAny,
    id: u64,
    #[serde(default)]
    args: Vec<Arg>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectLine {
    #[serde(rename = "cmd")]
    _cmd: IgnoredAny,
    namespace: Option<String>,
    auth: Option<Arg>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct DisconnectLine {
    #[serde(rename = "cmd")]
    _cmd: IgnoredAny,
    namespace: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SetLine {
    #[serde(rename = "cmd")]
    _cmd: IgnoredAny,
    /// `null` is a value here (it clears the credentials), unlike a missing field.
    #[serde(default, deserialize_with = "present")]
    auth: Option<Arg>,
    query: Option<Arg>,
    headers: Option<Arg>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusLine {
    #[serde(rename = "cmd")]
    _cmd: IgnoredAny,
    id: Option<Arg>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct BareLine {
    #[serde(rename = "cmd")]
    _cmd: IgnoredAny,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arg>, D::Error> {
    Arg::deserialize(deserializer).map(Some)
}

/// Reads one JSON line. `None` for an empty one; the error is a sentence for `{"type":"error"}`.
pub(crate) fn json_line(text: &str) -> Result<Option<Command>, String> {
    fn fields<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
        serde_json::from_str(text).map_err(|error| plain(&error))
    }
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if !text.starts_with('{') {
        return Err("a command is a JSON object on one line: {\"cmd\":\"emit\",\"event\":\"x\",\"args\":[1]}".to_owned());
    }
    Ok(Some(match fields::<Head>(text)?.cmd {
        Name::Emit => {
            let line: EmitLine = fields(text)?;
            Command::Emit(Emit {
                namespace: checked(line.namespace)?,
                event: line.event,
                args: line.args,
                ack: line.ack,
                timeout: line.timeout.map(Duration::from_millis),
                volatile: line.volatile,
                id: line.id,
            })
        }
        Name::Ack => {
            let AckLine { id, args, .. } = fields(text)?;
            Command::Ack { id, args }
        }
        Name::Connect => {
            let line: ConnectLine = fields(text)?;
            Command::Connect {
                namespace: checked(line.namespace)?,
                auth: line.auth.map(value::check_credentials).transpose()?,
            }
        }
        Name::Disconnect => Command::Disconnect {
            namespace: checked(fields::<DisconnectLine>(text)?.namespace)?,
        },
        Name::Reconnect => fields::<BareLine>(text).map(|_| Command::Reconnect)?,
        Name::Set => {
            let line: SetLine = fields(text)?;
            Command::Set {
                auth: line.auth.map(value::check_credentials).transpose()?,
                query: line.query.map(|query| pairs("query", query)).transpose()?,
                headers: line
                    .headers
                    .map(|headers| pairs("headers", headers))
                    .transpose()?,
            }
        }
        Name::Status => Command::Status {
            id: fields::<StatusLine>(text)?.id,
        },
        Name::Quit => fields::<BareLine>(text).map(|_| Command::Quit)?,
    }))
}

fn checked(namespace: Option<String>) -> Result<Option<String>, String> {
    namespace
        .map(|namespace| value::namespace(&namespace))
        .transpose()
}

/// Texts by their names. Complaints do not quote the texts, which may be secrets.
fn pairs(what: &str, map: Arg) -> Result<Vec<(String, String)>, String> {
    let Arg::Object(entries) = map else {
        return Err(format!("{what} must be an object: {{\"name\":\"value\"}}"));
    };
    let pair = |(key, value)| match value {
        Arg::Text(text) => Ok((key, text)),
        Arg::Raw(json) if &*json != "null" => Ok((key, json.into())),
        _ => Err(format!(
            "{what}.{key} must be a text, a number or a boolean"
        )),
    };
    entries.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emit_with_everything() {
        let text = r#"{"cmd":"emit","event":"x","args":[1,{"_bin":"AQ=="}],"ack":true,"timeout":250,"id":[7],"volatile":true,"namespace":"/n"}"#;
        let Ok(Some(Command::Emit(emit))) = json_line(text) else {
            panic!()
        };
        assert_eq!(emit.timeout, Some(Duration::from_millis(250)));
        assert_eq!(
            (emit.ack, emit.volatile, emit.id.unwrap().to_json().unwrap()),
            (true, true, "[7]".to_owned())
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
                auth: Some(Arg::Raw("null".into())),
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
            (
                "{\"cmd\":\"set\",\"headers\":\"x: s3cret\"}",
                "headers must be an object",
            ),
            ("{\"cmd\":\"set\",\"auth\":\"s3cret\"}", "a JSON object"),
            ("{\"cmd\":\"quit\",\"x\":1}", "unknown field `x`"),
        ] {
            let error = json_line(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
