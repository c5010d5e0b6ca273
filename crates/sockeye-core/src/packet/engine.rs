//! Engine.IO v4 packets: one type character, then the payload (Engine.IO protocol, "Packet encoding").

use core::time::Duration;

use super::json;
use crate::features::POLLING;

/// What an Engine.IO packet is, by its first character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Open,
    Close,
    Ping,
    Pong,
    Message,
    Upgrade,
    Noop,
}

impl Type {
    /// The type of a text packet; `None` if it is empty or of an unknown type.
    pub(crate) fn of(packet: &[u8]) -> Option<Self> {
        Some(match packet.first()? {
            b'0' => Self::Open,
            b'1' => Self::Close,
            b'2' => Self::Ping,
            b'3' => Self::Pong,
            b'4' => Self::Message,
            b'5' => Self::Upgrade,
            b'6' => Self::Noop,
            _ => return None,
        })
    }
}

/// The payload of the `open` packet. Only `sid` is required: servers without `maxPayload` exist, and unknown fields
/// are ignored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Handshake<'a> {
    /// A JSON string with its quotes, not empty. Any text can be an id.
    pub(crate) sid: &'a str,
    /// The server offers `websocket` in `upgrades`; not looked at where there is no polling to upgrade from.
    pub(crate) upgrade: bool,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    /// Bytes of one POST body that the server accepts; 0 if it did not say.
    pub(crate) max_payload: usize,
    /// A field whose value makes no sense, so that its default is taken: to be told, because a wrong heartbeat ends sessions.
    pub(crate) unreadable: Option<&'static str>,
}

impl<'a> Handshake<'a> {
    /// Reads the JSON after the `0`; `None` if it is not an object with a string `sid`.
    pub(crate) fn parse(data: &'a str) -> Option<Self> {
        if json::check_value(data.as_bytes()) != Ok(json::Kind::Object) {
            return None;
        }
        let sid = json::field(data, "sid").filter(|sid| sid.len() > 2 && sid.starts_with('"'))?;
        let mut unreadable = None;
        // Absent, or null: not said. Zero is no time and no size.
        let mut count = |key: &'static str| {
            let raw = json::field(data, key).filter(|raw| *raw != "null")?;
            let value = json::as_count(raw).filter(|n| *n > 0);
            if value.is_none() {
                unreadable = unreadable.or(Some(key));
            }
            value
        };
        let millis = |value: Option<usize>, default| {
            // A day bounds nonsense values without touching real ones.
            Duration::from_millis(value.unwrap_or(default).min(86_400_000) as u64)
        };
        Some(Self {
            sid,
            upgrade: POLLING
                && json::field(data, "upgrades").is_some_and(|list| {
                    json::array_items(list)
                        .any(|item| json::as_str(item).is_some_and(|name| name == *"websocket"))
                }),
            ping_interval: millis(count("pingInterval"), 25_000),
            ping_timeout: millis(count("pingTimeout"), 20_000),
            max_payload: count("maxPayload").unwrap_or(0),
            unreadable,
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;

    #[test]
    fn reads_the_handshake_leniently() {
        let full = r#"{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000,"x":{}}"#;
        let h = Handshake::parse(full).unwrap();
        assert_eq!(
            (h.sid, h.upgrade, h.max_payload, h.unreadable),
            (r#""lv_VI97HAXpY6yYWAAAC""#, POLLING, 1_000_000, None)
        );
        assert_eq!(h.ping_interval + h.ping_timeout, Duration::from_millis(500));
        let bare = Handshake::parse(r#"{"sid":"a b\u00e4","pingTimeout":null}"#).unwrap();
        assert_eq!(
            (bare.upgrade, bare.max_payload, bare.ping_interval),
            (false, 0, Duration::from_secs(25))
        );
        assert_eq!((bare.sid, bare.unreadable), (r#""a b\u00e4""#, None));
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"sid":1}"#,
            r#"{"sid":null}"#,
            r#"{"sid":""}"#,
            r#"{"sid":"a"} x"#,
        ] {
            assert_eq!(Handshake::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_are_read_however_they_are_written() {
        for (written, millis) in [
            ("15000", Some(15_000)),
            ("300.0", Some(300)),
            ("300.9", Some(300)),
            ("3e2", Some(300)),
            ("3E+2", Some(300)),
            ("0.03e4", Some(300)),
            ("30000000e-5", Some(300)),
            (r#""15000""#, Some(15_000)),
            (r#"" 300.0 ""#, Some(300)),
            (r#""3e2""#, Some(300)),
            ("1e400", Some(86_400_000)),
            ("99999999999999999999999", Some(86_400_000)),
            ("1e99999999999999999999", Some(86_400_000)),
            ("0", None),
            ("0e9", None),
            ("1e-99999999999999999999", None),
            ("0.9", None),
            ("-300", None),
            (r#""""#, None),
            (r#""15 s""#, None),
            (r#""[1]""#, None),
            ("true", None),
            ("[300]", None),
            ("{}", None),
        ] {
            let data = format!(r#"{{"sid":"a","pingInterval":{written}}}"#);
            let h = Handshake::parse(&data).unwrap();
            let expected = (
                Duration::from_millis(millis.unwrap_or(25_000)),
                millis.is_none().then_some("pingInterval"),
            );
            assert_eq!((h.ping_interval, h.unreadable), expected, "{written}");
        }
        let odd = r#"{"sid":"a","maxPayload":"1e6","pingTimeout":"soon","pingInterval":5}"#;
        let h = Handshake::parse(odd).unwrap();
        assert_eq!(
            (h.max_payload, h.unreadable),
            (1_000_000, Some("pingTimeout"))
        );
    }
}
