//! Engine.IO v4 packets: one type character, then the payload (Engine.IO protocol, "Packet encoding").

use core::time::Duration;

use super::json;

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
    pub(crate) sid: &'a str,
    /// The server offers `websocket` in `upgrades`.
    pub(crate) upgrade: bool,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    /// Bytes of one POST body that the server accepts; 0 if it did not say.
    pub(crate) max_payload: usize,
}

impl<'a> Handshake<'a> {
    /// Reads the JSON after the `0`; `None` if it is not an object with a plain string `sid`.
    pub(crate) fn parse(data: &'a str) -> Option<Self> {
        if json::check_value(data.as_bytes()) != Ok(json::Kind::Object) {
            return None;
        }
        let millis = |key, default| {
            let value = json::field(data, key)
                .and_then(json::as_u64)
                .filter(|ms| *ms > 0);
            // A day bounds nonsense values without touching real ones.
            Duration::from_millis(value.unwrap_or(default).min(86_400_000))
        };
        let sid = json::field(data, "sid")
            .and_then(json::as_str)?
            .as_plain()?;
        if sid.is_empty() || !sid.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        Some(Self {
            sid,
            upgrade: json::field(data, "upgrades").is_some_and(|list| {
                json::array_items(list)
                    .any(|item| json::as_str(item).is_some_and(|name| name == *"websocket"))
            }),
            ping_interval: millis("pingInterval", 25_000),
            ping_timeout: millis("pingTimeout", 20_000),
            max_payload: json::field(data, "maxPayload")
                .and_then(json::as_u64)
                .map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_handshake_leniently() {
        let full = r#"{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000,"x":{}}"#;
        let h = Handshake::parse(full).unwrap();
        assert_eq!(
            (h.sid, h.upgrade, h.max_payload),
            ("lv_VI97HAXpY6yYWAAAC", true, 1_000_000)
        );
        assert_eq!(h.ping_interval + h.ping_timeout, Duration::from_millis(500));
        let bare = Handshake::parse(r#"{"sid":"a","pingInterval":"x"}"#).unwrap();
        assert_eq!(
            (bare.upgrade, bare.max_payload, bare.ping_interval),
            (false, 0, Duration::from_secs(25))
        );
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"sid":1}"#,
            r#"{"sid":""}"#,
            r#"{"sid":"a b"}"#,
            r#"{"sid":"a"} x"#,
        ] {
            assert_eq!(Handshake::parse(bad), None, "{bad}");
        }
    }
}
