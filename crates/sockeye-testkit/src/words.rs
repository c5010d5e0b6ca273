//! Events and messages as readable text.

use std::fmt::Write as _;

use sockeye_core::{AckError, Details, Event, NamespaceId};

/// A polling payload or packet on one line: record separators as `|`, control characters escaped, long texts cut.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\u{1e}' => out.push('|'),
                c if c.is_control() => out.extend(c.escape_default()),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    cut(out)
}

/// Bytes as hex, long ones cut.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes.iter().take(24) {
        let _ = write!(out, "{byte:02x}");
    }
    if bytes.len() > 24 {
        let sum = bytes.iter().fold(0u32, |sum, b| {
            sum.wrapping_mul(31).wrapping_add(u32::from(*b))
        });
        let _ = write!(out, "…({} bytes, sum {sum:08x})", bytes.len());
    }
    out
}

fn cut(text: String) -> String {
    let len = text.chars().count();
    if len <= 400 {
        return text;
    }
    let sum = text.bytes().fold(0u32, |sum, b| {
        sum.wrapping_mul(31).wrapping_add(u32::from(b))
    });
    let head: String = text.chars().take(60).collect();
    format!("{head}…({len} characters, sum {sum:08x})")
}

fn details(details: &Details<'_>) -> String {
    // The Display form must work for every cause: one line, not empty.
    let shown = details.to_string();
    assert!(
        !shown.is_empty() && !shown.contains('\n'),
        "details must be one line: {shown:?}"
    );
    if details.text.is_empty() {
        format!("[{:?}]", details.cause)
    } else {
        format!("[{:?} {:?}]", details.cause, details.text)
    }
}

/// One event as one line. `name` names namespaces.
pub(crate) fn event<'n>(event: &Event<'_>, name: impl Fn(NamespaceId) -> &'n str) -> String {
    match event {
        Event::Opened { transport, sid } => format!("opened {} {sid}", transport.name()),
        Event::Upgraded => "upgraded".into(),
        Event::UpgradeFailed(why) => format!("upgrade failed {}", details(why)),
        Event::Auth(nsp) => format!("auth {}", name(*nsp)),
        Event::Connected { nsp, recovered } => {
            format!(
                "connected {}{}",
                name(*nsp),
                if *recovered { " recovered" } else { "" }
            )
        }
        Event::ConnectError(refusal) => {
            let mut line = format!(
                "connect error {} \"{}\"",
                name(refusal.nsp),
                refusal.message
            );
            if let Some(data) = refusal.data {
                let _ = write!(line, " {data}");
            }
            line
        }
        Event::Message(message) => {
            let mut line = format!(
                "message {} {} {}",
                name(message.nsp),
                message.name,
                printable(message.args.json().as_bytes())
            );
            for bytes in message.attachments() {
                let _ = write!(line, " <{}>", hex(bytes));
            }
            if let Some(request) = &message.ack {
                let _ = write!(line, " ack {}", request.id());
            }
            line
        }
        Event::Ack { id, result } => match result {
            Ok(args) => {
                let mut line = format!("ack #{} {}", id.get(), printable(args.json().as_bytes()));
                for bytes in args.attachments() {
                    let _ = write!(line, " <{}>", hex(bytes));
                }
                line
            }
            Err(error) => {
                let word = match error {
                    AckError::Timeout { sent: true } => "timeout",
                    AckError::Timeout { sent: false } => "timeout unsent",
                    AckError::Disconnected { sent: true } => "disconnected",
                    AckError::Disconnected { sent: false } => "disconnected unsent",
                    AckError::Dropped { sent: true } => "dropped sent",
                    AckError::Dropped { sent: false } => "dropped",
                };
                format!("ack #{} {word}", id.get())
            }
        },
        Event::Disconnected {
            nsp,
            reason,
            details: why,
        } => {
            format!("disconnected {} {reason} {}", name(*nsp), details(why))
        }
        Event::Closed {
            reason,
            details: why,
            opened,
            retry,
        } => {
            let opened = if *opened { "" } else { " attempt" };
            let retry = if *retry { ", retry" } else { "" };
            format!("closed{opened} {reason} {}{retry}", details(why))
        }
        Event::Reconnecting { attempt, delay } => {
            format!("reconnecting #{attempt} in {} ms", delay.as_millis())
        }
        Event::ReconnectAttempt(n) => format!("attempt #{n}"),
        Event::Reconnected(n) => format!("reconnected #{n}"),
        Event::ReconnectFailed => "reconnect failed".into(),
        Event::Ping => "ping".into(),
        Event::Outgoing(outgoing) => {
            let mut line = format!(
                "outgoing {} {}",
                name(outgoing.nsp()),
                printable(outgoing.data().as_bytes())
            );
            for bytes in outgoing.attachments() {
                let _ = write!(line, " <{}>", hex(bytes));
            }
            line
        }
        Event::Unsent(unsent) => format!(
            "unsent {} {} of {} bytes: {:?}",
            name(unsent.nsp),
            unsent.event,
            unsent.bytes,
            unsent.cause
        ),
        Event::Dropped { nsp, count } => format!("dropped {} {count}", name(*nsp)),
        Event::MessageTooLarge { bytes, limit } => format!("refused {bytes} bytes, limit {limit}"),
        other => format!("{other:?}"),
    }
}
