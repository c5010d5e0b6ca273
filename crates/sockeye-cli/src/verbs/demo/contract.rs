//! The device contract: what a board and the demo server say to each other.
//!
//! A board joins the namespace `/devices` of the demo server with `auth` = `{"name": "greenhouse"}`.
//! The name is the identity of the board: it is 1 to 40 characters long, and a second connection with the
//! same name takes the place of the first one. A CONNECT without a usable name is refused with a message.
//!
//! Board to server:
//!
//! | event | arguments | acknowledgement |
//! |---|---|---|
//! | `hello` | `{name?, chip?, firmware?, board?, chart?, led?, …}`: facts that do not change; `board` says what it is (`simulated`, `emulated by QEMU`), `chart` names the value to draw, `led` is the LED's present state | none |
//! | `telemetry` | `{uptime?, free_heap?, rssi?, counter?, rtt_ms?, …}`: up to 16 values (numbers, texts, booleans); `rtt_ms` is the round trip of the board's previous telemetry; a board without a heap leaves `free_heap` out | `{"ok": true, "counter": <as sent>}` |
//! | `picture` | the file as binary (PNG, JPEG, BMP or GIF, up to 1 MB), then optionally `{width?, height?, seq?, crc32?}` | `{"ok": <arrived intact>, "bytes": n}` |
//! | `log` | one text: a line of the board's console (UART) | none |
//!
//! Server to board:
//!
//! | event | arguments | acknowledgement |
//! |---|---|---|
//! | `led` | `true` or `false` | the state of the LED after the command, `true` or `false` |
//!
//! Every event may be sent with or without asking for an acknowledgement. `hello` is sent after each join.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The namespace of the boards.
pub(crate) const NAMESPACE: &str = "/devices";
/// The longest name of a board, in characters.
pub(crate) const MAX_NAME: usize = 40;
/// The most values of one telemetry that are kept.
pub(crate) const MAX_VALUES: usize = 16;
/// The longest text that is kept of a value or a console line, in characters.
pub(crate) const MAX_TEXT: usize = 160;

/// Checks the `auth` of a CONNECT and gives the board's name.
pub(crate) fn name_of(auth: Option<&Value>) -> Result<String, String> {
    let name = auth
        .and_then(|auth| auth.get("name"))
        .and_then(Value::as_str)
        .map_or("", str::trim);
    let length = name.chars().count();
    if length == 0 {
        return Err("this namespace needs auth {\"name\": \"your-board\"}".to_owned());
    }
    if length > MAX_NAME || name.chars().any(char::is_control) {
        return Err(format!(
            "auth.name must be 1 to {MAX_NAME} printable characters"
        ));
    }
    Ok(name.to_owned())
}

/// Facts or values as they are kept: at most [`MAX_VALUES`], each short, none nested.
pub(crate) fn flat(values: Map<String, Value>) -> Map<String, Value> {
    values
        .into_iter()
        .filter_map(|(key, value)| {
            let value = match value {
                Value::Number(_) | Value::Bool(_) => value,
                Value::String(text) => Value::String(short(&text)),
                _ => return None,
            };
            Some((short(&key), value))
        })
        .take(MAX_VALUES)
        .collect()
}

/// The text without control characters, cut to [`MAX_TEXT`] characters.
pub(crate) fn short(text: &str) -> String {
    text.trim_end()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_TEXT)
        .collect()
}

/// The second argument of `picture`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PictureFacts {
    /// Number of the picture, counted by the board.
    pub(crate) seq: Option<u64>,
    /// CRC-32 of the file.
    pub(crate) crc32: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_checked() {
        assert_eq!(
            name_of(Some(&json!({"name": " mast "}))),
            Ok("mast".to_owned())
        );
        assert!(name_of(None).unwrap_err().contains("auth"));
        assert!(name_of(Some(&json!({"name": 3}))).is_err());
        assert!(name_of(Some(&json!("mast"))).is_err());
        assert!(name_of(Some(&json!({"name": "a\nb"}))).is_err());
        assert!(
            name_of(Some(&json!({"name": "x".repeat(41)})))
                .unwrap_err()
                .contains("40")
        );
    }

    #[test]
    fn values_are_flat_short_and_few() {
        let Value::Object(values) =
            json!({"a": 1, "b": "x".repeat(500), "c": {"deep": 1}, "d": [1], "e": true, "f": null})
        else {
            unreachable!()
        };
        let kept = flat(values);
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["a", "b", "e"]);
        assert_eq!(kept["b"].as_str().map(str::len), Some(MAX_TEXT));
        let many = (0..50).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(flat(many).len(), MAX_VALUES);
        assert_eq!(short("a\tb\u{7}\r\n"), "a b ");
    }
}
