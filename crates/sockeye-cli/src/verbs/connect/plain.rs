//! What a person types at the prompt: `event {"json":1} "more"`, `event? args`, `/commands`.

use super::command::{Command, Emit};
#[cfg(test)]
use crate::value::Arg;
use crate::value::{self, Words, arguments, namespace};

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
pub(crate) fn line(text: &str, words: Words) -> Result<Option<Command>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with('/') {
        slash(text, words).map(Some)
    } else {
        event(text, words).map(Some)
    }
}

/// Whether a line may hold credentials: such a line is kept nowhere.
pub(crate) fn is_secret(text: &str) -> bool {
    let text = text.trim_start();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    // A namespace alone is none; whatever else follows may be.
    let namespace_only = |rest: &str| rest.starts_with('/') && !rest.contains(char::is_whitespace);
    match word {
        "/connect" => !rest.trim().is_empty() && !namespace_only(rest.trim()),
        // Also when it was misspelt.
        _ => word.starts_with("/a") && word != "/ack",
    }
}

fn event(text: &str, words: Words) -> Result<Command, String> {
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
    let args = arguments(rest, words)?;
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

fn slash(text: &str, words: Words) -> Result<Command, String> {
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
                Some(value::credentials(auth).map_err(|why| format!("auth: {why}"))?)
            };
            Ok(Command::Connect {
                namespace: optional_namespace(first)?,
                auth,
            })
        }
        "/auth" => {
            let auth = value::credentials(rest)
                .map_err(|why| format!("/auth needs a JSON value, or @FILE with one: {why}"))?;
            Ok(Command::Set {
                auth: Some(auth),
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
                args: arguments(args, words)?,
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

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Words = Words { text: false };

    fn line(text: &str) -> Result<Option<Command>, String> {
        super::line(text, JSON)
    }

    fn json(arg: &Arg) -> String {
        arg.to_json().unwrap()
    }

    fn emit(text: &str) -> (String, Vec<String>, bool) {
        match line(text) {
            Ok(Some(Command::Emit(emit))) => {
                (emit.event, emit.args.iter().map(json).collect(), emit.ack)
            }
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
                vec![r#"{"json":1}"#.into(), "\"more\"".into(), "2".into()],
                false
            )
        );
        assert_eq!(emit(r#"ask? 1"#), ("ask".into(), vec!["1".into()], true));
        assert_eq!(
            emit(r#"ask --ack 1"#),
            ("ask".into(), vec!["1".into()], true)
        );
        assert_eq!(emit("ask ? 1"), ("ask".into(), vec!["1".into()], true));
        assert_eq!(emit("?"), ("?".into(), vec![], false));
        assert_eq!(
            emit(r#""two words"? [1]"#),
            ("two words".into(), vec!["[1]".into()], true)
        );
        assert_eq!(
            emit(r#""really?" 1"#),
            ("really?".into(), vec!["1".into()], false)
        );
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
            (namespace.as_deref(), auth.as_ref().map(json)),
            (Some("/chat"), Some(r#"{"token":"x"}"#.into()))
        );
        let Ok(Some(Command::Connect {
            namespace: None,
            auth: Some(auth),
        })) = line(r#"/connect {"t": 1}"#)
        else {
            panic!()
        };
        assert_eq!(json(&auth), r#"{"t":1}"#);
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

    #[test]
    fn texts_without_quotes_if_wanted() {
        let line = super::line("say hello 5", Words { text: true });
        let Ok(Some(Command::Emit(emit))) = line else {
            panic!("{line:?}")
        };
        assert_eq!(emit.args, [Arg::Text("hello".into()), Arg::Raw("5".into())]);
    }

    #[test]
    fn credentials_are_known_as_such_and_not_quoted() {
        for line in [
            "/auth {\"token\":\"s3cret\"}",
            " /auth s3cret",
            "/auht s3cret",
            "/connect {\"token\":\"s3cret\"}",
            "/connect /chat {\"token\":\"s3cret\"}",
            "/connect s3cret",
        ] {
            assert!(is_secret(line), "{line}");
            if let Err(why) = super::line(line, JSON) {
                assert!(!why.contains("s3cret"), "{why}");
            }
        }
        for line in [
            "greet 1",
            "/ack 1 true",
            "/connect",
            "/connect /chat",
            "/nsp /a",
        ] {
            assert!(!is_secret(line), "{line}");
        }
    }
}
