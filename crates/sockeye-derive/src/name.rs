//! Names of events.

/// The names that no event can have: see `is_reserved_event` of `sockeye-core`.
const RESERVED: &[(&str, &str)] = &[
    (
        "connect",
        "it tells of the connection, and is handled by `on_connect`",
    ),
    (
        "connect_error",
        "it tells of the connection, and is handled by `on_connect_error`",
    ),
    (
        "disconnect",
        "it tells of the connection, and is handled by `on_disconnect`",
    ),
    ("disconnecting", "Socket.IO uses it itself"),
    ("newListener", "Socket.IO uses it itself"),
    ("removeListener", "Socket.IO uses it itself"),
];

/// Why no event can have the name.
pub(crate) fn refusal(name: &str) -> Option<String> {
    let (_, why) = RESERVED.iter().find(|(reserved, _)| *reserved == name)?;
    Some(format!("{name:?} is reserved: {why}"))
}

/// The name of a type as that of an event: `PositionChanged` is `position_changed`, `HTTPStatus` is `http_status`.
pub(crate) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.trim_start_matches("r#").chars().collect();
    let mut snake = String::new();
    for (n, letter) in letters.iter().enumerate() {
        let after = n.checked_sub(1).and_then(|n| letters.get(n));
        let before = letters.get(n + 1);
        // A word begins with a capital behind a small letter or a digit, and with the last of several capitals.
        let begins = letter.is_uppercase()
            && after.is_some_and(|after| {
                *after != '_'
                    && (!after.is_uppercase() || before.is_some_and(|before| before.is_lowercase()))
            });
        if begins {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_in_snake_case() {
        for (name, event) in [
            ("Led", "led"),
            ("PositionChanged", "position_changed"),
            ("HTTPStatus", "http_status"),
            ("LED", "led"),
            ("Led2", "led2"),
            ("Led2On", "led2_on"),
            ("ABTest", "ab_test"),
            ("r#Move", "move"),
            ("already_snake", "already_snake"),
            ("Odd_Name", "odd_name"),
            ("ÄndereÖl", "ändere_öl"),
            ("X", "x"),
        ] {
            assert_eq!(snake_case(name), event);
        }
    }

    #[test]
    fn the_names_that_the_core_reserves_are_refused() {
        for name in [
            "connect",
            "connect_error",
            "disconnect",
            "disconnecting",
            "newListener",
            "removeListener",
            "error",
            "message",
            "reconnect",
            "ping",
            "",
            "Connect",
        ] {
            let reserved = sockeye_core::packet::is_reserved_event(name);
            assert_eq!(refusal(name).is_some(), reserved, "{name}");
        }
    }
}
