//! Texts of errors. Devices may leave them out, and tell the code alone: `docs/messages.md` says what each stands for. A
//! test holds that list against the texts.

/// A text for people, or its code without the feature `messages`.
macro_rules! message {
    ($code:literal, $text:literal) => {
        if crate::features::MESSAGES {
            $text
        } else {
            $code
        }
    };
}

/// Writes such a text with values in it. Without the feature `messages` the code is written, and the values behind it.
macro_rules! write_message {
    ($f:expr, $code:literal, $text:literal $(, $value:expr)*) => {
        if crate::features::MESSAGES {
            write!($f, $text)
        } else {
            $f.write_str($code)$(.and_then(|()| crate::message::value($f, &$value)))*
        }
    };
}

/// A value behind a code.
#[inline(never)]
pub(crate) fn value(
    f: &mut core::fmt::Formatter<'_>,
    value: &dyn core::fmt::Display,
) -> core::fmt::Result {
    write!(f, " {value}")
}

pub(crate) use {message, write_message};
