//! Parts of byte strings without panics. Where flash is scarce each is one function, called in many places: a panic of
//! its own takes 30 bytes at each, and the name of the file.

/// The bytes from `from` up to `to`; none if there are no such bytes.
#[cfg_attr(feature = "alloc", inline)]
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn part(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    bytes.get(from..to).unwrap_or_default()
}

/// At most the first `most` bytes.
pub(crate) fn front(bytes: &[u8], most: usize) -> &[u8] {
    part(bytes, 0, most.min(bytes.len()))
}

/// Copies `bytes` to `out` from index `at` on: whether there is room. Without it nothing is copied.
#[must_use]
#[cfg_attr(feature = "alloc", inline)]
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> bool {
    let room = out.get_mut(at..).and_then(|out| out.get_mut(..bytes.len()));
    match room {
        Some(room) => {
            room.copy_from_slice(bytes);
            true
        }
        None => false,
    }
}

/// Copies `bytes` to `out` from index `at` on, where the caller has seen to the room.
#[cfg_attr(feature = "alloc", inline)]
pub(crate) fn write(out: &mut [u8], at: usize, bytes: &[u8]) {
    let fits = put(out, at, bytes);
    debug_assert!(fits, "{} bytes at {at} of {}", bytes.len(), out.len());
}

/// The text in front of the first `byte`, which is ASCII, and what is behind it.
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn split_once(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|other| other == byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The text at the front of some bytes, and how many bytes behind it are none.
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn split_text(bytes: &[u8]) -> (&str, usize) {
    match core::str::from_utf8(bytes) {
        Ok(text) => (text, 0),
        Err(error) => {
            let valid = error.valid_up_to();
            let invalid = error.error_len().unwrap_or(bytes.len() - valid);
            let text = core::str::from_utf8(front(bytes, valid));
            (text.unwrap_or(""), invalid)
        }
    }
}

/// The number that decimal digits make, if there is nothing else in the text, and it fits.
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let (number, end) = digits(text, 0);
    number.filter(|_| end > 0 && end == text.len())
}

/// The number that a run of decimal digits from `at` on makes, if it fits, and where the run ends.
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn digits(text: &[u8], at: usize) -> (Option<u64>, usize) {
    let mut n = Some(0u64);
    let mut end = at;
    while let Some(digit @ b'0'..=b'9') = text.get(end) {
        n = n.and_then(|n| n.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
        end += 1;
    }
    (n, end)
}

/// Writes a number over the whole of `out`, in front of whose last `decimals` digits there is a point, if it has such.
#[cfg_attr(feature = "alloc", inline)]
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn fill_number(out: &mut [u8], mut n: u64, decimals: usize) {
    let point = out.len().wrapping_sub(decimals + 1);
    for (place, to) in out.iter_mut().enumerate().rev() {
        if place == point && decimals > 0 {
            *to = b'.';
        } else if let Ok(short) = u32::try_from(n) {
            *to = b'0' + (short % 10) as u8;
            n = u64::from(short / 10);
        } else {
            // (A library's business on small chips.)
            *to = b'0' + (n % 10) as u8;
            n /= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_empty_and_what_does_not_fit_is_not_begun() {
        assert_eq!(part(b"abc", 1, 3), b"bc");
        assert_eq!((part(b"abc", 1, 4), part(b"abc", 3, 2)), (&[][..], &[][..]));
        assert_eq!(
            (front(b"abc", 2), front(b"abc", 9)),
            (&b"ab"[..], &b"abc"[..])
        );
        let mut out = [0; 4];
        assert!(
            put(&mut out, 2, b"xy") && !put(&mut out, 3, b"12") && !put(&mut out, usize::MAX, b"1")
        );
        assert_eq!(&out, b"\0\0xy");
    }

    #[test]
    fn numbers_are_all_digits_and_fit() {
        assert_eq!(number(b"0080"), Some(80));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for text in ["", "+1", "-1", "1 ", "1a", "18446744073709551616"] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
        assert_eq!(digits(b"a12-", 1), (Some(12), 3));
    }

    #[test]
    fn numbers_fill_what_they_are_given() {
        let is = |text: &str, n, decimals| {
            let mut out = [b' '; 24];
            fill_number(&mut out[..text.len()], n, decimals);
            assert_eq!(&out[..text.len()], text.as_bytes());
        };
        is("18446744073709551615", u64::MAX, 0);
        is("4294967295", u64::from(u32::MAX), 0);
        is("429496729.6", u64::from(u32::MAX) + 1, 1);
        is("0", 0, 0);
        is("0.07", 7, 2);
        is("12.345", 12345, 3);
        is("", 7, 0);
    }

    #[test]
    fn texts_end_where_bytes_are_none() {
        assert_eq!(split_text("é".as_bytes()), ("é", 0));
        assert_eq!(split_text(b"a\xff\xffb"), ("a", 1));
        assert_eq!(split_text(b"\xe2\x82"), ("", 2));
    }

    #[test]
    fn texts_are_split_as_the_library_does() {
        for text in ["", ":", "a:b:c", "é:ü", "none"] {
            assert_eq!(split_once(text, b':'), text.split_once(':'));
        }
    }
}
