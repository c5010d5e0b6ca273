//! Numbers of values.
use alloc::string::ToString as _;
use core::fmt;

use serde::ser::{Serialize, Serializer};

/// A number in a [`Value`](super::Value): what 64 bits hold, with sign or without, or a float.
///
/// Two are equal if they are of the same kind and value: `1` and `1.0` are not, as in serde_json.
#[derive(Clone, Copy, PartialEq)]
pub struct Number(Kind);

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Unsigned(u64),
    /// Below zero.
    Negative(i64),
    Float(f64),
}

impl Number {
    /// The number, if it is whole, not below zero, and fits.
    pub const fn as_u64(&self) -> Option<u64> {
        match self.0 {
            Kind::Unsigned(n) => Some(n),
            _ => None,
        }
    }

    /// The number, if it is whole and fits.
    pub const fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Kind::Unsigned(n) if n <= i64::MAX as u64 => Some(n as i64),
            Kind::Negative(n) => Some(n),
            _ => None,
        }
    }

    /// The nearest float. Infinite for what no float holds (`1e400`), which is what JavaScript makes of it.
    pub const fn as_f64(&self) -> f64 {
        match self.0 {
            Kind::Unsigned(n) => n as f64,
            Kind::Negative(n) => n as f64,
            Kind::Float(n) => n,
        }
    }

    /// Whether it was made of a float, or read from a text with a fraction or an exponent.
    pub const fn is_float(&self) -> bool {
        matches!(self.0, Kind::Float(_))
    }
}

impl From<u64> for Number {
    fn from(n: u64) -> Self {
        Self(Kind::Unsigned(n))
    }
}

impl From<i64> for Number {
    fn from(n: i64) -> Self {
        Self(match u64::try_from(n) {
            Ok(n) => Kind::Unsigned(n),
            Err(_) => Kind::Negative(n),
        })
    }
}

impl From<f64> for Number {
    fn from(n: f64) -> Self {
        Self(Kind::Float(n))
    }
}

/// As the `f64` that is written with the same digits: `0.1` stays `0.1`.
impl From<f32> for Number {
    fn from(n: f32) -> Self {
        Self::from(n.to_string().parse().unwrap_or_else(|_| f64::from(n)))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Kind::Unsigned(n) => serializer.serialize_u64(n),
            Kind::Negative(n) => serializer.serialize_i64(n),
            Kind::Float(n) => serializer.serialize_f64(n),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Unsigned(n) => n.fmt(f),
            Kind::Negative(n) => n.fmt(f),
            Kind::Float(n) => n.fmt(f),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
