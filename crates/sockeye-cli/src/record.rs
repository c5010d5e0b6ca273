//! What happened, as records; their JSON form is the line protocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::Value;

use crate::value::{Arg, BIN_KEY};

/// Something that happened. The JSON form is `{"type": "<name in snake case>", …}` with these fields.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Record {
    Connect {
        namespace: String,
        id: String,
        recovered: bool,
        transport: Option<&'static str>,
    },
    Event {
        namespace: String,
        name: String,
        #[serde(serialize_with = "shown")]
        args: Vec<Arg>,
        /// The number to answer with, when the server asks for an acknowledgement.
        #[serde(skip_serializing_if = "Option::is_none")]
        ack: Option<u64>,
    },
    Sent {
        namespace: String,
        event: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
    },
    Ack {
        namespace: String,
        event: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        #[serde(serialize_with = "shown")]
        args: Vec<Arg>,
        round_trip_ms: f64,
    },
    AckError {
        namespace: String,
        event: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        reason: &'static str,
        message: String,
    },
    Answered {
        ack: u64,
        #[serde(serialize_with = "shown")]
        args: Vec<Arg>,
    },
    Disconnect {
        namespace: String,
        reason: &'static str,
        details: String,
        active: bool,
    },
    ConnectError {
        namespace: String,
        message: String,
        data: Option<Value>,
        active: bool,
    },
    Reconnecting {
        attempt: u32,
        delay_ms: u64,
    },
    ReconnectAttempt {
        attempt: u32,
    },
    Reconnect {
        attempt: u32,
    },
    ReconnectFailed,
    Upgrade {
        transport: &'static str,
    },
    UpgradeFailed {
        message: String,
    },
    TooLarge {
        bytes: u64,
        limit: usize,
    },
    Status {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        transport: Option<&'static str>,
        namespaces: Vec<NamespaceStatus>,
    },
    Error {
        message: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
    },
}

/// One namespace in a status.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct NamespaceStatus {
    pub(crate) namespace: String,
    pub(crate) id: Option<String>,
    pub(crate) connected: bool,
    pub(crate) active: bool,
    pub(crate) recovered: bool,
}

/// Serializes for stdout: binary as `{"_bin": "<base64>"}`.
struct Shown<'a>(&'a Arg);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Arg::List(items) => shown(items, serializer),
            Arg::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, &Self(value))?;
                }
                map.end()
            }
            Arg::Bin(bytes) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(BIN_KEY, &STANDARD.encode(bytes))?;
                map.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}

fn shown<S: Serializer>(args: &[Arg], serializer: S) -> Result<S::Ok, S::Error> {
    let mut seq = serializer.serialize_seq(Some(args.len()))?;
    for arg in args {
        seq.serialize_element(&Shown(arg))?;
    }
    seq.end()
}

/// One argument as a JSON text, binary as `{"_bin": …}`.
pub(crate) fn json(arg: &Arg) -> String {
    // Keys are texts and numbers are finite: this cannot fail.
    serde_json::to_string(&Shown(arg)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn event(args: Vec<Arg>, ack: Option<u64>) -> Record {
        Record::Event {
            namespace: "/".into(),
            name: "photo".into(),
            args,
            ack,
        }
    }

    #[test]
    fn json_lines_start_with_the_type_and_carry_binary_in_place() {
        let args = vec![Arg::Object(vec![
            (
                "b".into(),
                Arg::List(vec![Arg::Bin(Bytes::from_static(b"\x01\x02"))]),
            ),
            ("a".into(), Arg::Null),
        ])];
        assert_eq!(
            serde_json::to_string(&event(args, Some(0))).unwrap(),
            r#"{"type":"event","namespace":"/","name":"photo","args":[{"b":[{"_bin":"AQI="}],"a":null}],"ack":0}"#
        );
        assert_eq!(
            serde_json::to_string(&Record::ReconnectFailed).unwrap(),
            r#"{"type":"reconnect_failed"}"#
        );
    }
}
