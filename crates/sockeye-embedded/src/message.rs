//! Texts of errors: as in the core.

/// A text for people, or its code without the feature `messages`.
macro_rules! message {
    ($code:literal, $text:literal) => {
        if cfg!(any(feature = "alloc", feature = "messages")) {
            $text
        } else {
            $code
        }
    };
}

/// Writes such a text with a value in it. Without the feature `messages` the code is written, and the value behind it.
macro_rules! write_message {
    ($f:expr, $code:literal, $text:literal, $value:expr) => {
        if cfg!(any(feature = "alloc", feature = "messages")) {
            write!($f, $text)
        } else {
            write!($f, concat!($code, " {}"), $value)
        }
    };
}

pub(crate) use {message, write_message};
