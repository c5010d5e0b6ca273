//! Byte strings that lie end to end, each behind its length: `[len: u32, little endian][bytes]`.

/// Bytes of a record's length.
pub(crate) const RECORD: usize = 4;

/// The number at `at`.
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn get_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    four.try_into().ok().map(u32::from_le_bytes)
}

/// Writes a number to `at`; does nothing if it does not fit.
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn put_u32(bytes: &mut [u8], at: usize, n: u32) {
    if let Some(four) = bytes.get_mut(at..at + 4) {
        four.copy_from_slice(&n.to_le_bytes());
    }
}

/// The content of the record at `at`.
pub(crate) fn get(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let len = get_u32(bytes, at)? as usize;
    bytes.get(at + RECORD..(at + RECORD).checked_add(len)?)
}
