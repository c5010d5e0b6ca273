//! SHA-1 (FIPS 180-4), which RFC 6455 puts into the WebSocket handshake. It keeps no secret: it shows that the server
//! understood the request. Once for each connection and small on chips, rather than fast.

/// The digest of `message`.
pub(crate) fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    let bits = (message.len() as u64 * 8).to_be_bytes();
    // The message, one bit, zeroes, the length: whole blocks of 64 bytes.
    let blocks = (message.len() + 1 + 8).div_ceil(64);
    let byte = |at: usize| match message.get(at) {
        Some(byte) => *byte,
        None if at == message.len() => 0x80,
        None => (at + 8)
            .checked_sub(blocks * 64)
            .and_then(|i| bits.get(i))
            .copied()
            .unwrap_or(0),
    };
    for block in 0..blocks {
        let mut words = [0_u32; 16];
        for (i, word) in words.iter_mut().enumerate() {
            *word = (0..4).fold(0, |word, k| {
                word << 8 | u32::from(byte(block * 64 + i * 4 + k))
            });
        }
        compress(&mut state, &mut words);
    }
    let mut digest = [0; 20];
    for (out, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *out = word.to_be_bytes();
    }
    digest
}

fn compress(state: &mut [u32; 5], words: &mut [u32; 16]) {
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for round in 0..80 {
        if round >= 16 {
            let old = |back: usize| words[(round - back) % 16];
            words[round % 16] = (old(3) ^ old(8) ^ old(14) ^ old(16)).rotate_left(1);
        }
        let (mix, constant) = match round / 20 {
            0 => (b & c | !b & d, 0x5a82_7999),
            1 => (b ^ c ^ d, 0x6ed9_eba1),
            2 => (b & c | b & d | c & d, 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6_u32),
        };
        let sum = a
            .rotate_left(5)
            .wrapping_add(mix)
            .wrapping_add(e)
            .wrapping_add(constant);
        (e, d, c, b, a) = (
            d,
            c,
            b.rotate_left(30),
            a,
            sum.wrapping_add(words[round % 16]),
        );
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(more);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String;
    use std::{format, vec};

    fn hex(bytes: [u8; 20]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn gives_the_digests_of_the_standard() {
        assert_eq!(hex(sha1(b"")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(
            hex(sha1(b"abc")),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        let two = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(hex(sha1(two)), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(
            hex(sha1(&vec![b'a'; 1_000_000])),
            "34aa973cd4c4daa4f61eeb2bdbad27316534016f"
        );
    }

    #[test]
    fn agrees_with_another_implementation_at_every_length() {
        use sha1::Digest as _;
        for len in 0..200 {
            let message: vec::Vec<u8> = (0..len).map(|i| (i * 37 + len) as u8).collect();
            assert_eq!(
                sha1(&message)[..],
                sha1::Sha1::digest(&message)[..],
                "{len} bytes"
            );
        }
    }
}
