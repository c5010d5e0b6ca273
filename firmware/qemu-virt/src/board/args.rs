//! Arguments of a run: `key=value` lines that `-device loader` puts into RAM, and one binary file.
#![allow(
    unsafe_code,
    reason = "reads memory that the emulator filled before the start"
)]

const TEXT: usize = 0x8050_0000;
const BLOB: usize = 0x8051_0000;
const MAX: usize = 0x1_0000;

fn memory(address: usize, len: usize) -> &'static [u8] {
    // SAFETY: both areas are RAM of the 8 MiB machine outside of FLASH and RAM in `memory.x`;
    // nothing writes them after QEMU's loader did, and `len` is at most `MAX`.
    unsafe { core::slice::from_raw_parts(address as *const u8, len.min(MAX)) }
}

fn text() -> &'static str {
    let area = memory(TEXT, MAX);
    let len = area.iter().position(|&byte| byte == 0).unwrap_or(MAX);
    core::str::from_utf8(&area[..len]).unwrap_or_default()
}

/// The value of `key`, if the arguments have it.
pub fn get(key: &str) -> Option<&'static str> {
    text()
        .lines()
        .find_map(|line| line.split_once('=').filter(|(name, _)| *name == key))
        .map(|(_, value)| value)
}

/// The value of `key` as a number, if it is one.
pub fn number(key: &str) -> Option<u64> {
    get(key)?.parse().ok()
}

/// The binary file of this run: the length is the argument `blob`.
pub fn blob() -> &'static [u8] {
    memory(BLOB, number("blob").unwrap_or(0) as usize)
}
