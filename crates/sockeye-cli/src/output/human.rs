//! Records as lines for people.

use super::record::Record;
use crate::value::Arg;

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Event,
    State,
}

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";

fn paint(color: bool, code: &str, text: &str) -> String {
    if color {
        format!("{code}{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// Text of a peer without anything that could steer the terminal or reorder the line.
pub(crate) fn tame(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    if !text.contains(steers) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| {
            if steers(c) {
                format!("\\u{:04x}", u32::from(c))
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// One argument as JSON. What cannot be written, which never happens, is at least seen.
fn json(arg: &Arg) -> String {
    arg.to_json().unwrap_or_else(|error| format!("<{error}>"))
}

/// Arguments on one line for people: JSON, binary by its size.
fn brief(args: &[Arg]) -> String {
    fn write(arg: &Arg, out: &mut String) {
        match arg {
            Arg::Bin(bytes) => out.push_str(&format!("<{} bytes>", bytes.len())),
            Arg::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    write(item, out);
                }
                out.push(']');
            }
            Arg::Object(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    out.push_str(&json(&Arg::Text(key.clone())));
                    out.push_str(": ");
                    write(value, out);
                }
                out.push('}');
            }
            plain => out.push_str(&json(plain)),
        }
    }
    let mut line = String::new();
    for arg in args {
        line.push(' ');
        write(arg, &mut line);
    }
    tame(&line)
}

/// An event's name, quoted when it would not read as one word.
fn name(name: &str) -> String {
    let plain = !name.is_empty()
        && name
            .chars()
            .all(|c| !c.is_whitespace() && !c.is_control() && c != '"');
    tame(&if plain {
        name.to_owned()
    } else {
        json(&Arg::Text(name.to_owned()))
    })
}

fn place(namespace: &str) -> String {
    if namespace == "/" {
        String::new()
    } else {
        format!("{} ", tame(namespace))
    }
}

/// Where a line for people goes, and the line.
pub(crate) fn line(record: &Record, color: bool) -> (Channel, String) {
    let paint = |code, text: &str| paint(color, code, text);
    let state =
        |mark: &str, code, text: String| (Channel::State, format!("{} {text}", paint(code, mark)));
    match record {
        Record::Connect {
            namespace,
            id,
            recovered,
            transport,
        } => {
            let how = transport.map_or(String::new(), |transport| format!(" over {transport}"));
            let recovered = if *recovered {
                ", session recovered"
            } else {
                ""
            };
            state(
                "*",
                GREEN,
                format!(
                    "joined {}{how} {}",
                    tame(namespace),
                    paint(DIM, &format!("(id {}{recovered})", tame(id)))
                ),
            )
        }
        Record::Event {
            namespace,
            name: event,
            args,
            ack,
        } => {
            let ask = ack.map_or(String::new(), |ack| {
                paint(YELLOW, &format!("  (answer with /ack {ack} …)"))
            });
            (
                Channel::Event,
                format!(
                    "{} {}{}{}{ask}",
                    paint(CYAN, "<"),
                    paint(DIM, &place(namespace)),
                    paint(BOLD, &name(event)),
                    brief(args)
                ),
            )
        }
        Record::Queued {
            namespace, event, ..
        } => state("+", DIM, format!("{}{}", place(namespace), name(event))),
        Record::Sent {
            namespace, event, ..
        } => state(">", DIM, format!("{}{}", place(namespace), name(event))),
        Record::Ack {
            namespace,
            event,
            args,
            round_trip_ms,
            ..
        } => {
            let after = paint(DIM, &format!("  ({round_trip_ms:.2} ms)"));
            (
                Channel::Event,
                format!(
                    "{} {}{}{}{after}",
                    paint(GREEN, "="),
                    paint(DIM, &place(namespace)),
                    paint(BOLD, &name(event)),
                    brief(args)
                ),
            )
        }
        Record::AckError {
            namespace,
            event,
            message,
            ..
        } => state(
            "!",
            RED,
            format!("{}{}: {}", place(namespace), name(event), tame(message)),
        ),
        Record::Answered { ack, args } => state(">", DIM, format!("answer {ack}{}", brief(args))),
        Record::Disconnect {
            namespace,
            reason,
            details,
            active,
        } => {
            let next = if *active { "; reconnecting" } else { "" };
            state(
                "*",
                YELLOW,
                format!(
                    "left {}: {reason} ({}){next}",
                    tame(namespace),
                    tame(details)
                ),
            )
        }
        Record::ConnectError {
            namespace,
            message,
            data,
            active,
        } => {
            let data = data.as_ref().map_or(String::new(), |data| {
                format!(" {}", tame(&data.to_string()))
            });
            let next = if *active { ", trying again" } else { "" };
            state(
                "!",
                RED,
                format!(
                    "cannot join {}: {}{data}{next}",
                    tame(namespace),
                    tame(message)
                ),
            )
        }
        Record::Reconnecting { attempt, delay_ms } => state(
            "*",
            DIM,
            format!("attempt {attempt} in {:.1} s", *delay_ms as f64 / 1e3),
        ),
        Record::ReconnectAttempt { attempt } => state("*", DIM, format!("attempt {attempt}")),
        Record::Reconnect { attempt } => {
            state("*", GREEN, format!("reconnected at attempt {attempt}"))
        }
        Record::ReconnectFailed => state("!", RED, "gave up reconnecting".to_owned()),
        Record::Upgrade { transport } => state("*", DIM, format!("upgraded to {transport}")),
        Record::UpgradeFailed { message } => state(
            "*",
            DIM,
            format!("the upgrade to websocket failed: {}", tame(message)),
        ),
        Record::Unsent { event, message, .. } => state(
            "!",
            RED,
            format!("{} was not sent: {}", tame(event), tame(message)),
        ),
        Record::TooLarge { bytes, limit } => state(
            "!",
            RED,
            format!("skipped a message of {bytes} bytes: at most {limit} can be received"),
        ),
        Record::Status {
            transport,
            namespaces,
            ..
        } => {
            let mut lines = vec![format!(
                "{} transport: {}",
                paint(DIM, "*"),
                transport.unwrap_or("none, not connected")
            )];
            for status in namespaces {
                let word = match (status.connected, status.active) {
                    (true, _) => "joined",
                    (false, true) => "waiting for the connection",
                    (false, false) => "left",
                };
                let id = status.id.as_deref().map_or(String::new(), |id| {
                    paint(DIM, &format!(" (id {})", tame(id)))
                });
                lines.push(format!("  {} {word}{id}", tame(&status.namespace)));
            }
            (Channel::State, lines.join("\n"))
        }
        Record::Error { line, message, .. } => {
            let line = line.map_or(String::new(), |line| format!("line {line}: "));
            state("!", RED, format!("{line}{}", tame(message)))
        }
    }
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
    fn people_see_sizes_instead_of_bytes() {
        let args = vec![
            Arg::Bin(Bytes::from(vec![0; 300])),
            Arg::Object(vec![("w".into(), Arg::Raw("1".into()))]),
        ];
        assert_eq!(
            line(&event(args, None), false),
            (Channel::Event, "< photo <300 bytes> {\"w\": 1}".to_owned())
        );
        assert_eq!(
            line(&event(vec![], Some(2)), false).1,
            "< photo  (answer with /ack 2 …)"
        );
        let chat = Record::Event {
            namespace: "/chat".into(),
            name: "two words".into(),
            args: vec![],
            ack: None,
        };
        assert_eq!(line(&chat, false).1, "< /chat \"two words\"");
    }

    #[test]
    fn a_peer_cannot_steer_the_terminal() {
        let evil = "\u{1b}[2J\u{9b}31m\u{202e}x";
        let record = Record::Event {
            namespace: "/".into(),
            name: evil.into(),
            args: vec![Arg::Text(evil.into())],
            ack: None,
        };
        let (_, shown) = line(&record, false);
        assert!(
            shown.chars().all(|c| !c.is_control() && c != '\u{202e}'),
            "{shown:?}"
        );
        let error = Record::ConnectError {
            namespace: "/".into(),
            message: evil.into(),
            data: None,
            active: false,
        };
        assert!(!line(&error, false).1.contains('\u{1b}'));
    }

    #[test]
    fn colours_only_when_wanted() {
        assert!(
            line(&event(vec![], None), true)
                .1
                .contains("\x1b[1mphoto\x1b[0m")
        );
    }
}
