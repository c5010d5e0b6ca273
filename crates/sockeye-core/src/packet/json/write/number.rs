//! Numbers.
use super::{ArgsWriter, Fail, Sink};

impl<S: Sink> ArgsWriter<'_, S> {
    #[inline]
    pub(super) fn number(&mut self, negative: bool, magnitude: u64) -> Result<(), Fail> {
        let mut digits = [0; 21];
        let mut at = digits.len();
        let mut left = magnitude;
        // Division of 64-bit numbers is a library call on small targets: leave it as soon as possible.
        while left > u64::from(u32::MAX) {
            at -= 1;
            digits[at] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        let mut left = left as u32;
        loop {
            at -= 1;
            digits[at] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        if negative {
            at -= 1;
            digits[at] = b'-';
        }
        self.put(&digits[at..])
    }

    /// Floats of up to three decimals, as most measured ones are, without the long way to the shortest digits. `thousands` is the value
    /// times 1000, rounded, and has been seen to give the value back.
    #[inline]
    pub(super) fn decimals(&mut self, negative: bool, thousands: u32) -> Result<(), Fail> {
        self.number(negative, u64::from(thousands / 1000))?;
        let rest = thousands % 1000;
        let digits = [
            b'.',
            b'0' + (rest / 100) as u8,
            b'0' + (rest / 10 % 10) as u8,
            b'0' + (rest % 10) as u8,
        ];
        let len = if digits[3] != b'0' {
            4
        } else if digits[2] != b'0' {
            3
        } else {
            2
        };
        self.put(&digits[..len])
    }

    /// Any float: the shortest digits that give the value back. What is not finite is `null`.
    pub(super) fn float(&mut self, value: impl zmij::Float, finite: bool) -> Result<(), Fail> {
        if !finite {
            return self.put(b"null");
        }
        self.put(zmij::Buffer::new().format_finite(value).as_bytes())
    }
}
