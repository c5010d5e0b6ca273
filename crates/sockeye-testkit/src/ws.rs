//! The server's half of RFC 6455 frames: written plainly, byte by byte, so that it shares no code with the core.

/// One frame of the client, unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// FIN, reserved bits and opcode as sent.
    pub first: u8,
    /// The masking key; `None` if the client did not mask, which it must.
    pub mask: Option<[u8; 4]>,
    /// The payload, unmasked.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The first frame in `bytes` and its length, once it is complete.
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let first = *bytes.first()?;
        let second = *bytes.get(1)?;
        let (len, mut at) = match second & 0x7f {
            126 => (
                usize::from(bytes.get(2).copied()?) << 8 | usize::from(bytes.get(3).copied()?),
                4,
            ),
            127 => (
                bytes
                    .get(2..10)?
                    .iter()
                    .fold(0usize, |n, b| n << 8 | usize::from(*b)),
                10,
            ),
            n => (usize::from(n), 2),
        };
        let mask = if second & 0x80 != 0 {
            let key = [
                *bytes.get(at)?,
                *bytes.get(at + 1)?,
                *bytes.get(at + 2)?,
                *bytes.get(at + 3)?,
            ];
            at += 4;
            Some(key)
        } else {
            None
        };
        let mut payload = bytes.get(at..at.checked_add(len)?)?.to_vec();
        if let Some(key) = mask {
            for (i, byte) in payload.iter_mut().enumerate() {
                *byte ^= key[i % 4];
            }
        }
        Some((
            Self {
                first,
                mask,
                payload,
            },
            at + len,
        ))
    }
}

/// A server's frame: `first` is FIN, reserved bits and opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..=125 => out.push(n as u8),
        n @ 126..=65_535 => {
            out.push(126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}
