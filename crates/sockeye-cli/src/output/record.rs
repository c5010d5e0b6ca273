//! What happened, as records; their JSON form is the line protocol.

use serde_json::Value;

use crate::value::{Arg, shown, shown_one};

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
    /// The event has been accepted.
    Queued {
        namespace: String,
        event: String,
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_one")]
        id: Option<Arg>,
    },
    /// The event has been written to the network.
    Sent {
        namespace: String,
        event: String,
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_one")]
        id: Option<Arg>,
    },
    Ack {
        namespace: String,
        event: String,
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_one")]
        id: Option<Arg>,
        #[serde(serialize_with = "shown")]
        args: Vec<Arg>,
        round_trip_ms: f64,
    },
    AckError {
        namespace: String,
        event: String,
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_one")]
        id: Option<Arg>,
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
    /// An event that had been accepted is given up: what takes a `sent` back, if that was told.
    Unsent {
        namespace: String,
        event: String,
        bytes: usize,
        message: String,
    },
    TooLarge {
        bytes: u64,
        limit: usize,
    },
    Status {
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_one")]
        id: Option<Arg>,
        transport: Option<&'static str>,
        namespaces: Vec<NamespaceStatus>,
    },
    Error {
        /// The line of the input that could not be done.
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
        message: String,
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_one")]
        id: Option<Arg>,
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

/// A duration as milliseconds with the digits that mean something: microseconds.
pub(crate) fn milliseconds(time: std::time::Duration) -> f64 {
    time.as_micros() as f64 / 1e3
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
            ("a".into(), Arg::Raw("null".into())),
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

    #[test]
    fn times_have_sensible_digits() {
        let record = Record::Ack {
            namespace: "/".into(),
            event: "x".into(),
            id: None,
            args: vec![],
            round_trip_ms: milliseconds(std::time::Duration::from_nanos(2_864_499)),
        };
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.ends_with("\"round_trip_ms\":2.864}"), "{json}");
    }
}
