//! Numbers.
use serde::ser::{self, Serialize};

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

    pub(super) fn float(&mut self, value: impl Serialize) -> Result<(), Fail> {
        // The longest float takes 24 characters.
        let mut digits = [0; 32];
        match serde_json_core::to_slice(&value, &mut digits) {
            Ok(len) => self.put(&digits[..len]),
            Err(_) => Err(ser::Error::custom("a float cannot be written")),
        }
    }
}
