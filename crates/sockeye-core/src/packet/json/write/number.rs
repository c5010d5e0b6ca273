//! Numbers.
use super::{ArgsWriter, Fail, Sink};

impl<S: Sink> ArgsWriter<'_, S> {
    #[inline]
    pub(super) fn number(&mut self, negative: bool, magnitude: u64) -> Result<(), Fail> {
        let mut digits = [0; DIGITS];
        let at = put_digits(&mut digits, negative, magnitude);
        self.put(digits.get(at..).unwrap_or_default())
    }

    /// Floats of up to three decimals, as most measured ones are, without the long way to the shortest digits. `thousands` is the value
    /// times 1000, rounded, and has been seen to give the value back.
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
const DIGITS: usize = 21;

/// Writes a number to the end of `digits`; where it begins.
#[cfg_attr(feature = "alloc", inline(always))]
#[cfg_attr(not(feature = "alloc"), inline(never))]
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
    #[cfg(feature = "alloc")]
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
