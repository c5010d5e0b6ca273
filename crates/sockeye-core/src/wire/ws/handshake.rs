//! What the opening handshake proves: that the server understood the request (RFC 6455 section 4).

use super::sha1::sha1;

/// `Sec-WebSocket-Key` of 16 random bytes: 24 characters.
pub(crate) fn key(nonce: &[u8; 16]) -> [u8; 24] {
    let mut out = [0; 24];
    base64(nonce, &mut out);
    out
}

/// The `Sec-WebSocket-Accept` that answers `key` (RFC 6455 section 4.2.2).
pub(crate) fn accept(key: &[u8; 24]) -> [u8; 28] {
    let mut text = [0; 60];
    let (front, back) = text.split_at_mut(24);
    front.copy_from_slice(key);
    back.copy_from_slice(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut out = [0; 28];
    base64(&sha1(&text), &mut out);
    out
}

/// Base64 with padding for the few bytes of a handshake: small, where the polling transport's is fast.
fn base64(bytes: &[u8], out: &mut [u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (group, out) in bytes.chunks(3).zip(out.chunks_exact_mut(4)) {
        let bits = group
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for (i, out) in out.iter_mut().enumerate() {
            *out = if i > group.len() {
                b'='
            } else {
                ALPHABET[(bits >> (18 - 6 * i) & 63) as usize]
            };
        }
    }
}
