//! Polling payloads (Engine.IO protocol, "HTTP long-polling"): packets joined by 0x1E, binary as `b` + base64.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The record separator between packets of one body.
pub(crate) const SEPARATOR: u8 = 0x1e;

/// Padding is written, and accepted or not when reading: both occur.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes that are encoded at a time where there is no memory for more.
#[cfg(not(feature = "alloc"))]
pub(crate) const STEP: usize = 144;

/// Decodes base64 in place; the length of the result, which starts at the front, or `None` if it is not base64.
pub(crate) fn decode_in_place(buf: &mut [u8]) -> Option<usize> {
    let mut chunk = [0u8; 256];
    let mut out = [0u8; 192];
    let (mut read, mut written) = (0, 0);
    while read < buf.len() {
        let n = (buf.len() - read).min(chunk.len());
        chunk[..n].copy_from_slice(&buf[read..read + n]);
        let got = BASE64.decode_slice(&chunk[..n], &mut out).ok()?;
        // Padding may only end the text.
        if read + n < buf.len() && got != 192 {
            return None;
        }
        buf[written..written + got].copy_from_slice(&out[..got]);
        written += got;
        read += n;
    }
    Some(written)
}

/// Encodes as much of `src`, from byte `at` on, as fits `out`: so many bytes, and so many characters. The text can be written in pieces
/// of any size of at least four characters, one after the other: only the last piece is padded.
pub(crate) fn encode_into(src: &[u8], at: usize, out: &mut [u8]) -> (usize, usize) {
    let left = src.get(at..).unwrap_or_default();
    let taken = left.len().min(out.len() / 4 * 3);
    let written = BASE64.encode_slice(&left[..taken], out).unwrap_or(0);
    (taken, written)
}

/// The length of `n` bytes in base64 with padding.
pub(crate) const fn encoded_len(n: usize) -> usize {
    n.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn round_trips_every_length() {
        for len in 0..700usize {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            let mut text = Vec::new();
            for part in bytes.chunks(144) {
                let mut out = [0; 192];
                let (taken, n) = encode_into(part, 0, &mut out);
                assert_eq!(taken, part.len());
                text.extend_from_slice(&out[..n]);
            }
            assert_eq!(text.len(), encoded_len(len));
            let n = decode_in_place(&mut text).unwrap();
            assert_eq!(text[..n], bytes[..]);
        }
        assert_eq!(decode_in_place(&mut Vec::from(*b"AQIDBA")), Some(4));
    }

    #[test]
    fn pieces_of_any_size_give_the_same_text() {
        for len in 0..100usize {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 11) as u8).collect();
            let mut whole = std::vec![0; encoded_len(len)];
            assert_eq!(encode_into(&bytes, 0, &mut whole), (len, whole.len()));
            for room in 4..=140 {
                let (mut text, mut at) = (Vec::new(), 0);
                while at < len {
                    let mut out = std::vec![0; room];
                    let (taken, written) = encode_into(&bytes, at, &mut out);
                    assert!(
                        taken > 0 && written <= room,
                        "{len} bytes in pieces of {room}"
                    );
                    assert!(
                        at + taken == len || written > room - 4,
                        "no room is left unused"
                    );
                    text.extend_from_slice(&out[..written]);
                    at += taken;
                }
                assert_eq!(text, whole, "{len} bytes in pieces of {room}");
            }
        }
        assert_eq!(encode_into(b"abc", 0, &mut [0; 3]), (0, 0));
        assert_eq!(encode_into(b"abc", 4, &mut [0; 8]), (0, 0));
    }

    #[test]
    fn base64_that_is_none_is_refused() {
        assert_eq!(decode_in_place(&mut Vec::from(*b"AQIDBA")), Some(4));
        assert_eq!(decode_in_place(&mut Vec::from(*b"AQID*A==")), None);
        let mut split = Vec::from(*b"AQ==");
        split.resize(256, b'A');
        split.extend_from_slice(b"AAAA");
        assert_eq!(decode_in_place(&mut split), None);
    }
}
