//! Why a value is not what was asked for.
use core::fmt;

#[cfg(feature = "alloc")]
use alloc::boxed::Box;

use serde::de::{self, Error as _, Expected, Unexpected};

use crate::packet::text::Reason;

/// Why a value is not of the type asked for. Thin where it can be: every value passes one of these up, or might.
#[derive(Debug)]
#[cfg(feature = "alloc")]
pub(crate) struct DecodeError(Box<Reason>);

/// Why a value is not of the type asked for.
#[derive(Debug)]
#[cfg(not(feature = "alloc"))]
pub(crate) struct DecodeError(Reason);

impl DecodeError {
    pub(crate) fn into_reason(self) -> Reason {
        #[cfg(feature = "alloc")]
        return *self.0;
        #[cfg(not(feature = "alloc"))]
        return self.0;
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl de::StdError for DecodeError {}

// What was expected comes first: the tier without `alloc` cuts the end off.
/// As serde shows it, except that writing floats, which is a lot of code, is left to those who use floats.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Unexpected::Unit => "null",
            Unexpected::Unsigned(n) => return write!(f, "integer `{n}`"),
            Unexpected::Signed(n) => return write!(f, "integer `{n}`"),
            Unexpected::Bool(b) => return write!(f, "boolean `{b}`"),
            #[cfg(feature = "alloc")]
            Unexpected::Str(text) => return write!(f, "string {text:?}"),
            // `Debug` of a text has tables of Unicode behind it: 5 KB.
            #[cfg(not(feature = "alloc"))]
            Unexpected::Str(text) => return write!(f, "string \"{text}\""),
            Unexpected::Other(what) => what,
            Unexpected::Float(_) => "floating point",
            Unexpected::Char(_) => "character",
            Unexpected::Bytes(_) => super::BINARY,
            Unexpected::Option => "Option value",
            Unexpected::NewtypeStruct => "newtype struct",
            Unexpected::Seq => "sequence",
            Unexpected::Map => "map",
            Unexpected::Enum => "enum",
            Unexpected::UnitVariant => "unit variant",
            Unexpected::NewtypeVariant => "newtype variant",
            Unexpected::TupleVariant => "tuple variant",
            Unexpected::StructVariant => "struct variant",
        })
    }
}

impl de::Error for DecodeError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        #[cfg(feature = "alloc")]
        return Self(Box::new(Reason::new(message)));
        #[cfg(not(feature = "alloc"))]
        return Self(Reason::new(message));
    }

    #[cold]
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!(
            "expected {expected}, found {}",
            Found(unexpected)
        ))
    }

    #[cold]
    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    #[cold]
    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {len} elements"))
    }
}

#[cold]
pub(super) fn malformed() -> DecodeError {
    DecodeError::custom("malformed JSON")
}
