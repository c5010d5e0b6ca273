//! Frames out, which are masked and never fragmented.

/// Bytes of the header of a masked frame with `len` bytes of payload.
pub(crate) const fn header_len(len: usize) -> usize {
    match len {
        0..=125 => 6,
        126..=65_535 => 8,
        _ => 14,
    }
}

/// Writes the header of an unfragmented masked frame to the front of `out`, which has at least [`header_len`] bytes.
#[cfg_attr(feature = "alloc", inline)]
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn write_header(out: &mut [u8], opcode: u8, len: usize, mask: [u8; 4]) {
    let first = 0x80 | opcode;
    let [k0, k1, k2, k3] = mask;
    match len {
        0..=125 => put(out, [first, 0x80 | len as u8, k0, k1, k2, k3]),
        126..=65_535 => {
            let [l0, l1] = (len as u16).to_be_bytes();
            put(out, [first, 0x80 | 126, l0, l1, k0, k1, k2, k3]);
        }
        _ => {
            put(out, [first, 0x80 | 127]);
            let length = (len as u64).to_be_bytes();
            put(out.get_mut(2..).unwrap_or_default(), length);
            put(out.get_mut(10..).unwrap_or_default(), mask);
        }
    }
}

/// Writes to the front of `out`, which has as many bytes.
#[inline(always)]
fn put<const N: usize>(out: &mut [u8], bytes: [u8; N]) {
    if let Some(front) = out.first_chunk_mut() {
        *front = bytes;
    }
}

/// What [`write_header`] wrote: the length of the header, the length of the payload, and the key. `None` if `frame` does not
/// begin with all of a masked header.
///
/// Whoever keeps frames need not keep this beside them: the frame says it.
// The outbox is to ask for it.
#[allow(dead_code)]
pub(crate) fn read_header(frame: &[u8]) -> Option<(usize, usize, [u8; 4])> {
    let (&[_, second], rest) = frame.split_first_chunk()?;
    if second & 0x80 == 0 {
        return None;
    }
    let (len, rest) = match second & 0x7f {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*len)), rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*len)).ok()?, rest)
        }
        len => (usize::from(len), rest),
    };
    let (key, rest) = rest.split_first_chunk()?;
    Some((frame.len() - rest.len(), len, *key))
}

/// Masks, or unmasks, in place.
#[cfg_attr(feature = "alloc", inline)]
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let mut rest = bytes;
    // As many at a time as machines have wide words.
    if cfg!(feature = "alloc") {
        let word = u32::from_ne_bytes(key);
        let wide = u64::from(word) << 32 | u64::from(word);
        let (chunks, short) = rest.as_chunks_mut::<32>();
        for chunk in chunks {
            for word in chunk.as_chunks_mut::<8>().0 {
                *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
            }
        }
        rest = short;
        let (chunks, short) = rest.as_chunks_mut::<8>();
        for chunk in chunks {
            *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
        }
        rest = short;
    }
    let (chunks, rest) = rest.as_chunks_mut::<4>();
    for [a, b, c, d] in chunks {
        *a ^= key[0];
        *b ^= key[1];
        *c ^= key[2];
        *d ^= key[3];
    }
    for (byte, key) in rest.iter_mut().zip(&key) {
        *byte ^= key;
    }
}
