//! Numbers.
use serde::de::{Error as _, Expected, Visitor};

use super::{DecodeError, JsonDe, Result, buffers, json, malformed};

// What a number is for.
const INTEGER: u8 = 0;
const SINGLE: u8 = 1;
const DOUBLE: u8 = 2;
const ANY: u8 = 3;

#[cold]
fn out_of_range(text: &str, expected: &dyn Expected) -> DecodeError {
    let (shown, more) = match text.get(..24) {
        Some(front) => (front, "…"),
        None => (text, ""),
    };
    DecodeError::custom(format_args!(
        "expected {expected}, found number `{shown}{more}`, which is out of range"
    ))
}

impl<'de> JsonDe<'de> {
    /// A number, at whose first byte we are, for a type that takes any value. One that no float can hold is infinite, as in JavaScript: the
    /// type can see it.
    #[inline]
    pub(super) fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.any_number::<V, ANY>(visitor)
    }

    /// A number for an `f64`, which has to fit it.
    #[inline]
    pub(super) fn double<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.any_number::<V, DOUBLE>(visitor)
    }

    /// A number for an `f32`, which has to fit it.
    #[inline]
    pub(super) fn single<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.any_number::<V, SINGLE>(visitor)
    }

    /// A number without fraction. Kept apart so that reading floats is code only of those who read floats.
    #[inline]
    pub(super) fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.any_number::<V, INTEGER>(visitor)
    }

    #[inline]
    fn any_number<V: Visitor<'de>, const WANTED: u8>(&mut self, visitor: V) -> Result<V::Value> {
        let b = self.json.as_bytes();
        let start = self.at;
        let negative = b[start] == b'-';
        let mut at = start + usize::from(negative);
        // Up to nine digits fit 32 bits, and are all that is common.
        let mut short = 0u32;
        let digits = at;
        while let Some(digit @ 0..=9) = b.get(at).map(|c| c.wrapping_sub(b'0')) {
            short = short.wrapping_mul(10).wrapping_add(u32::from(digit));
            at += 1;
        }
        match b.get(at) {
            _ if at - digits > 9 => return self.long_number::<V, WANTED>(visitor, negative),
            Some(b'.') if WANTED != INTEGER => {
                if let Some(value) = self.fraction(at + 1, short) {
                    return visitor.visit_f64(if negative { -value } else { value });
                }
                return self.long_number::<V, WANTED>(visitor, negative);
            }
            Some(b'.' | b'e' | b'E') => return self.long_number::<V, WANTED>(visitor, negative),
            _ => self.at = at,
        }
        if negative && short != 0 {
            return visitor.visit_i64(-i64::from(short));
        }
        if negative {
            // As serde_json does, so that the sign survives.
            return visitor.visit_f64(-0.0);
        }
        visitor.visit_u64(u64::from(short))
    }

    /// A number whose digits after the point begin at `at`, if it is short enough that one division gives the nearest float.
    fn fraction(&mut self, mut at: usize, whole: u32) -> Option<f64> {
        const POWERS: [f64; 16] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
        ];
        let b = self.json.as_bytes();
        let start = at;
        let mut digits = u64::from(whole);
        while let Some(c @ b'0'..=b'9') = b.get(at) {
            digits = digits * 10 + u64::from(c - b'0');
            at += 1;
            // Whole numbers below 2^53 are exact.
            if digits >= 1 << 53 {
                return None;
            }
        }
        if let Some(b'e' | b'E') = b.get(at) {
            return None;
        }
        let power = POWERS.get(at - start)?;
        self.at = at;
        Some(digits as f64 / power)
    }

    /// A number that is long, or has an exponent.
    fn long_number<V: Visitor<'de>, const WANTED: u8>(
        &mut self,
        visitor: V,
        negative: bool,
    ) -> Result<V::Value> {
        let start = self.at;
        let text = self.number_text()?;
        if let Some(magnitude) = json::as_u64(&text[usize::from(negative)..]) {
            if !negative {
                return visitor.visit_u64(magnitude);
            }
            if let Some(value) = 0i64.checked_sub_unsigned(magnitude) {
                return visitor.visit_i64(value);
            }
        }
        if WANTED == INTEGER {
            self.at = start;
            return self.mismatch(&visitor);
        }
        let Ok(value) = text.parse::<f64>() else {
            return Err(malformed());
        };
        let fits = match WANTED {
            SINGLE => (value as f32).is_finite(),
            DOUBLE => value.is_finite(),
            // What will be made of it is not known: infinite might become anything.
            _ => value.is_finite() || !buffers::<V::Value>(),
        };
        if fits {
            return visitor.visit_f64(value);
        }
        Err(out_of_range(text, &visitor))
    }

    /// The text of the number at whose first byte we are.
    #[inline]
    pub(super) fn number_text(&mut self) -> Result<&'de str> {
        let start = self.at;
        self.skip()?;
        self.json.get(start..self.at).ok_or_else(malformed)
    }

    /// Numbers of 128 bits, which the 64 bits of the usual way would round.
    pub(super) fn wide<V: Visitor<'de>, N: core::str::FromStr>(
        &mut self,
        visitor: V,
        visit: impl FnOnce(V, N) -> Result<V::Value>,
    ) -> Result<V::Value> {
        if !matches!(self.peek(), b'-' | b'0'..=b'9') {
            return self.mismatch(&visitor);
        }
        let start = self.at;
        if let Ok(value) = self.number_text()?.parse() {
            return visit(visitor, value);
        }
        self.at = start;
        self.number(visitor)
    }
}
