//! Numbers.
use super::{ArgsWriter, Fail, Sink};
#[cfg(not(feature = "alloc"))]
use crate::packet::socket::decimal_len;
#[cfg(not(feature = "alloc"))]
use crate::slices;

impl<S: Sink> ArgsWriter<'_, S> {
    /// A whole number, straight to its place.
    #[cfg(not(feature = "alloc"))]
    #[inline]
    pub(super) fn number(&mut self, negative: bool, magnitude: u64) -> Result<(), Fail> {
        self.fixed(negative, magnitude, 0)
    }

    /// As with `alloc`.
    #[cfg(not(feature = "alloc"))]
    #[inline(never)]
    pub(super) fn decimals(&mut self, negative: bool, mut thousands: u32) -> Result<(), Fail> {
        let mut decimals = 3;
        while decimals > 1 && thousands.is_multiple_of(10) {
            thousands /= 10;
            decimals -= 1;
        }
        self.fixed(negative, thousands.into(), decimals)
    }

    /// A number whose last digits, so many, stand behind a point.
    #[cfg(not(feature = "alloc"))]
    #[inline(never)]
    fn fixed(&mut self, negative: bool, digits: u64, decimals: usize) -> Result<(), Fail> {
        let sign = usize::from(negative);
        let len = decimal_len(digits).max(decimals + 1) + usize::from(decimals > 0);
        let Some(room) = self.out.room(sign + len) else {
            return self.full();
        };
        if negative && let Some(first) = room.first_mut() {
            *first = b'-';
        }
        slices::fill_number(room.get_mut(sign..).unwrap_or_default(), digits, decimals);
        Ok(())
    }

    #[cfg(feature = "alloc")]
    #[inline]
    pub(super) fn number(&mut self, negative: bool, magnitude: u64) -> Result<(), Fail> {
        let mut digits = [0; DIGITS];
        let at = put_digits(&mut digits, negative, magnitude);
        self.put(digits.get(at..).unwrap_or_default())
    }

    /// Floats of up to three decimals, as most measured ones are, without the long way to the shortest digits. `thousands` is the value
    /// times 1000, rounded, and has been seen to give the value back.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(super) fn decimals(&mut self, negative: bool, thousands: u32) -> Result<(), Fail> {
        let rest = thousands % 1000;
        let mut text = [0; DIGITS + 4];
        let Some((digits, decimals)) = text.split_first_chunk_mut::<DIGITS>() else {
            return Ok(());
        };
        decimals.copy_from_slice(&[
            b'.',
            b'0' + (rest / 100) as u8,
            b'0' + (rest / 10 % 10) as u8,
            b'0' + (rest % 10) as u8,
        ]);
        let zeros = if decimals[3] != b'0' {
            0
        } else if decimals[2] != b'0' {
            1
        } else {
            2
        };
        let at = put_digits(digits, negative, u64::from(thousands / 1000));
        self.put(text.get(at..DIGITS + 4 - zeros).unwrap_or_default())
    }

    /// Any float: the shortest digits that give the value back. What is not finite is `null`.
    pub(super) fn float(&mut self, value: impl zmij::Float, finite: bool) -> Result<(), Fail> {
        if !finite {
            return self.put(b"null");
        }
        self.put(zmij::Buffer::new().format_finite(value).as_bytes())
    }
}

/// Digits of the longest number, with its sign.
#[cfg(feature = "alloc")]
const DIGITS: usize = 21;

/// Writes a number to the end of `digits`; where it begins.
#[cfg(feature = "alloc")]
#[inline(always)]
fn put_digits(digits: &mut [u8; DIGITS], negative: bool, magnitude: u64) -> usize {
    let mut at = DIGITS;
    let mut left = magnitude;
    // Division of 64-bit numbers is a library call on small targets: leave it as soon as possible.
    while left > u64::from(u32::MAX)
        && let Some(digit) = digits.get_mut(at - 1)
    {
        at -= 1;
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    let mut left = left as u32;
    while left >= 10
        && let Some(pair) = digits.get_mut(at - 2..at)
    {
        pair.copy_from_slice(&PAIRS[(left % 100) as usize]);
        left /= 100;
        at -= 2;
        if left == 0 {
            return signed(digits, at, negative);
        }
    }
    while let Some(digit) = at.checked_sub(1).and_then(|at| digits.get_mut(at)) {
        at -= 1;
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    signed(digits, at, negative)
}

#[cfg(feature = "alloc")]
#[inline(always)]
fn signed(digits: &mut [u8; DIGITS], at: usize, negative: bool) -> usize {
    if negative && let Some(sign) = at.checked_sub(1).and_then(|at| digits.get_mut(at)) {
        *sign = b'-';
        return at - 1;
    }
    at
}

/// `00` to `99`.
#[cfg(feature = "alloc")]
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// A float as an integer and the power of two that it is divided by. (Subnormal floats, infinities and NaN are none of
/// these: they get a power that [`thousandths`] does not take.)
#[cfg(any(test, not(feature = "alloc")))]
#[derive(Clone, Copy)]
pub(super) struct Parts {
    mantissa: u64,
    shift: u32,
    /// The mantissa of a power of two: the next smaller float is nearer than the next larger one.
    power: u64,
}

#[cfg(any(test, not(feature = "alloc")))]
pub(super) const fn parts_of_f32(v: f32) -> Parts {
    let bits = v.to_bits() & (u32::MAX >> 1);
    let power = 1 << 23;
    Parts {
        mantissa: (bits as u64 & (power - 1)) | power,
        shift: 150u32.wrapping_sub(bits >> 23),
        power,
    }
}

#[cfg(any(test, not(feature = "alloc")))]
pub(super) const fn parts_of_f64(v: f64) -> Parts {
    let bits = v.to_bits() & (u64::MAX >> 1);
    let power = 1 << 52;
    Parts {
        mantissa: (bits & (power - 1)) | power,
        shift: 1075u32.wrapping_sub((bits >> 52) as u32),
        power,
    }
}

/// The thousandths in a float, if it is the one that is nearest to so many. By integers: where there is no unit for floats
/// each step with them is a call. Not for floats of 2^12 or 2^22 and more: thousandths may not be the shortest digits then.
#[cfg(any(test, not(feature = "alloc")))]
#[cfg_attr(not(test), inline(never))]
pub(super) const fn thousandths(parts: Parts) -> Option<u32> {
    let Parts {
        mantissa,
        shift,
        power,
    } = parts;
    let least = if power == 1 << 23 { 12 } else { 31 };
    if shift < least || shift > 63 {
        return None;
    }
    let scaled = mantissa * 1000;
    let thousands = (scaled + (1 << (shift - 1))) >> shift;
    // In thousandths of the distance to the next float; half of it decides. (A tie is left to the slow way.)
    let away = scaled.abs_diff(thousands << shift);
    let most = if mantissa == power { 250 } else { 500 };
    if away < most && thousands > 0 {
        Some(thousands as u32)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_those_that_give_the_float_again() {
        let mut random = 1u64;
        for n in 1..4_096_000u32 {
            let v = (f64::from(n) / 1000.0) as f32;
            assert_eq!(thousandths(parts_of_f32(v)), Some(n), "{v}");
            if n % 16 == 0 {
                let v = f64::from(n) / 1000.0;
                assert_eq!(thousandths(parts_of_f64(v)), Some(n), "{v}");
            }
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let any = f32::from_bits((random >> 32) as u32);
            if let Some(n) = thousandths(parts_of_f32(any)) {
                assert_eq!((f64::from(n) / 1000.0) as f32, any.abs());
            }
            let any = f64::from_bits(random);
            if let Some(n) = thousandths(parts_of_f64(any)) {
                assert_eq!(f64::from(n) / 1000.0, any.abs());
            }
        }
        for v in [
            0.0,
            -0.0,
            4096.0,
            1e-4,
            21.5004,
            f32::NAN,
            f32::INFINITY,
            f32::MIN_POSITIVE,
            1e-40,
        ] {
            assert_eq!(thousandths(parts_of_f32(v)), None, "{v}");
        }
        for v in [
            0.0,
            4_194_304.0,
            1e-4,
            21.5000001,
            f64::NAN,
            f64::INFINITY,
            5e-324,
        ] {
            assert_eq!(thousandths(parts_of_f64(v)), None, "{v}");
        }
    }
}
