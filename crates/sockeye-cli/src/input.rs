//! What a person types at the prompt: `event {"json":1} "more"`, `event? args`, `/commands`.

use crate::connect::command::{Command, Emit};
use crate::value::{self, Arg};

/// The `/commands` with their argument and a word of help, for `/help` and completion.
pub(crate) const COMMANDS: &[(&str, &str, &str)] = &[
    ("/help", "", "this list"),
    (
        "/nsp",
        "[/namespace]",
        "send to this namespace from now on, joining it if needed; alone: list",
    ),
    ("/connect", "[/namespace] [auth JSON]", "join (again)"),
    ("/disconnect", "[/namespace]", "leave"),
    ("/reconnect", "", "drop the connection and make a new one"),
    ("/ack", "N [JSON…]", "answer the server's event number N"),
    ("/auth", "JSON", "credentials for the next join"),
    ("/status", "", "connection, transport, namespaces"),
    ("/quit", "", "disconnect and leave (also Ctrl-D)"),
];

/// Reads one line. `None` for an empty one; the error is a line for the user.
pub(crate) fn line(text: &str) -> Result<Option<Command>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with('/') {
        slash(text).map(Some)
    } else {
        event(text).map(Some)
    }
}

fn event(text: &str) -> Result<Command, String> {
    let (name, rest) = name(text)?;
    let mut rest = rest;
    let mut ack = false;
    // Also a lone question mark, as completion leaves a space behind the name.
    if let Some(more) = rest.trim_start().strip_prefix('?') {
        (ack, rest) = (true, more);
    }
    if let Some(more) = rest.trim_start().strip_prefix("--ack")
        && (more.is_empty() || more.starts_with(char::is_whitespace))
    {
        (ack, rest) = (true, more);
    }
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return Err(format!("a space is missing after the event name {name}"));
    }
    let args = arguments(rest)?;
    Ok(Command::Emit(Emit {
        event: name,
        args,
        ack,
        ..Emit::default()
    }))
}

/// The event name at the start: a JSON string, or a word that ends at a space or before a final `?`.
fn name(text: &str) -> Result<(String, &str), String> {
    if text.starts_with('"') {
        let mut stream = serde_json::Deserializer::from_str(text).into_iter::<String>();
        return match stream.next() {
            Some(Ok(name)) => Ok((name, &text[stream.byte_offset()..])),
            Some(Err(error)) => Err(format!(
                "the event name is not complete: {}",
                value::plain(&error)
            )),
            None => Err("the event name is missing".to_owned()),
        };
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let word = &text[..end];
    if word.starts_with(['{', '[']) {
        return Err("a line starts with the name of an event: event {\"json\": 1}".to_owned());
    }
    let end = if word.len() > 1 && word.ends_with('?') {
        end - 1
    } else {
        end
    };
    Ok((text[..end].to_owned(), &text[end..]))
}

/// Arguments after one another: JSON values and `@file` (or `@"file with spaces"`).
pub(crate) fn arguments(text: &str) -> Result<Vec<Arg>, String> {
    let mut args = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let length = if let Some(path) = rest.strip_prefix('@') {
            let (path, length) = path_of(path)?;
            args.push(Arg::from_word(&format!("@{path}"))?);
            length + 1
        } else {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Arg>();
            match stream.next() {
                Some(Ok(arg)) => args.push(arg),
                Some(Err(error)) => {
                    let word = rest.split_whitespace().next().unwrap_or(rest);
                    return Err(format!(
                        "argument {}: {}",
                        args.len() + 1,
                        value::not_json(word, &value::plain(&error))
                    ));
                }
                None => break,
            }
            stream.byte_offset()
        };
        rest = &rest[length..];
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return Err(format!("a space is missing after argument {}", args.len()));
        }
        rest = rest.trim_start();
    }
    Ok(args)
}

fn path_of(text: &str) -> Result<(String, usize), String> {
    if text.starts_with('"') {
        let mut stream = serde_json::Deserializer::from_str(text).into_iter::<String>();
        return match stream.next() {
            Some(Ok(path)) => Ok((path, stream.byte_offset())),
            _ => Err("the file name after @ has no closing quote".to_owned()),
        };
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    if end == 0 {
        return Err("a file name is missing after @".to_owned());
    }
    Ok((text[..end].to_owned(), end))
}

fn slash(text: &str) -> Result<Command, String> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let none = |command| {
        if rest.is_empty() {
            Ok(command)
        } else {
            Err(format!("{word} takes no argument"))
        }
    };
    match word {
        "/help" | "/?" => none(Command::Help),
        "/quit" | "/exit" | "/q" => none(Command::Quit),
        "/status" => none(Command::Status { id: None }),
        "/reconnect" => none(Command::Reconnect),
        "/nsp" if rest.is_empty() => Ok(Command::Status { id: None }),
        "/nsp" => Ok(Command::Use {
            namespace: namespace(rest)?,
        }),
        "/disconnect" => Ok(Command::Disconnect {
            namespace: optional_namespace(rest)?,
        }),
        "/connect" => {
            let (first, auth) = match rest.split_once(char::is_whitespace) {
                _ if !rest.starts_with('/') => ("", rest),
                Some((first, auth)) => (first, auth.trim()),
                None => (rest, ""),
            };
            let auth = if auth.is_empty() {
                None
            } else {
                Some(
                    Arg::from_word(auth)
                        .map_err(|why| format!("auth: {why}"))?
                        .to_value(),
                )
            };
            Ok(Command::Connect {
                namespace: optional_namespace(first)?,
                auth,
            })
        }
        "/auth" => {
            let auth = Arg::from_json(rest).map_err(|why| {
                format!("/auth needs a JSON value: {}", value::not_json(rest, &why))
            })?;
            Ok(Command::Set {
                auth: Some(auth.to_value()),
                query: None,
                headers: None,
            })
        }
        "/ack" => {
            let (number, args) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let id = number.parse().map_err(|_| {
                "/ack needs the number shown beside the event: /ack 3 true".to_owned()
            })?;
            Ok(Command::Ack {
                id,
                args: arguments(args)?,
            })
        }
        _ => Err(format!("there is no command {word}; /help lists them")),
    }
}

fn optional_namespace(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        Ok(None)
    } else {
        namespace(text).map(Some)
    }
}

/// A namespace as the protocol can carry it.
pub(crate) fn namespace(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("a namespace starts with a slash: /{text}"));
    }
    if text.contains(|c: char| c == ',' || c.is_whitespace() || c.is_control()) {
        return Err(format!(
            "the namespace {text} must not contain a comma or a space"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::json;

    fn emit(text: &str) -> (String, Vec<serde_json::Value>, bool) {
        match line(text) {
            Ok(Some(Command::Emit(emit))) => (
                emit.event,
                emit.args.iter().map(Arg::to_value).collect(),
                emit.ack,
            ),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn events() {
        assert_eq!(emit("ping"), ("ping".into(), vec![], false));
        assert_eq!(
            emit(r#"  event {"json": 1} "more"  2 "#),
            (
                "event".into(),
                vec![json!({"json": 1}), json!("more"), json!(2)],
                false
            )
        );
        assert_eq!(emit(r#"ask? 1"#), ("ask".into(), vec![json!(1)], true));
        assert_eq!(emit(r#"ask --ack 1"#), ("ask".into(), vec![json!(1)], true));
        assert_eq!(emit("ask ? 1"), ("ask".into(), vec![json!(1)], true));
        assert_eq!(emit("?"), ("?".into(), vec![], false));
        assert_eq!(
            emit(r#""two words"? [1]"#),
            ("two words".into(), vec![json!([1])], true)
        );
        assert_eq!(
            emit(r#""really?" 1"#),
            ("really?".into(), vec![json!(1)], false)
        );
    }

    #[test]
    fn binary_from_a_file() {
        let dir = std::env::temp_dir().join(format!("sockeye input {}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("pixel.bin");
        std::fs::write(&path, [1, 2, 3]).unwrap();
        let args = arguments(&format!("1 @\"{}\" {{\"w\":1}}", path.display())).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(args[1], Arg::Bin(Bytes::from_static(&[1, 2, 3])));
        assert_eq!(args.len(), 3);
        assert!(arguments("@").unwrap_err().contains("file name is missing"));
        assert!(arguments("@\"open").unwrap_err().contains("closing quote"));
    }

    #[test]
    fn commands() {
        assert!(matches!(line("/quit"), Ok(Some(Command::Quit))));
        assert!(
            matches!(line("/nsp /chat"), Ok(Some(Command::Use { namespace })) if namespace == "/chat")
        );
        assert!(matches!(
            line("/connect"),
            Ok(Some(Command::Connect {
                namespace: None,
                auth: None
            }))
        ));
        let Ok(Some(Command::Connect { namespace, auth })) =
            line(r#"/connect /chat {"token": "x"}"#)
        else {
            panic!()
        };
        assert_eq!(
            (namespace.as_deref(), auth),
            (Some("/chat"), Some(json!({"token": "x"})))
        );
        let Ok(Some(Command::Connect {
            namespace: None,
            auth: Some(auth),
        })) = line(r#"/connect {"t": 1}"#)
        else {
            panic!()
        };
        assert_eq!(auth, json!({"t": 1}));
        let Ok(Some(Command::Ack { id, args })) = line("/ack 3 true \"x\"") else {
            panic!()
        };
        assert_eq!((id, args.len()), (3, 2));
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, part) in [
            (
                "say hello",
                "argument 1: hello is not JSON: write a text with quotes, \"hello\"",
            ),
            ("say 1 {\"a\":", "argument 2: "),
            ("{\"a\":1}", "starts with the name"),
            ("\"open", "not complete"),
            ("\"a\"b", "space is missing"),
            ("say \"a\"\"b\"", "space is missing"),
            ("/frobnicate", "no command /frobnicate"),
            ("/nsp chat", "starts with a slash: /chat"),
            ("/nsp /a,b", "comma"),
            ("/ack x", "/ack needs the number"),
            ("/auth", "/auth needs"),
            ("/quit now", "takes no argument"),
        ] {
            let error = line(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains('\n'));
        }
        assert!(matches!(line("   "), Ok(None)));
    }
}
