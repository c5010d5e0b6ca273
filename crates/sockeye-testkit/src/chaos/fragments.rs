//! A server's WebSocket messages in fragments.

/// Splits WebSocket messages of a server into fragments, behind the HTTP head of the handshake.
pub(super) struct Splitter {
    size: usize,
    pending: Vec<u8>,
    frames: bool,
    count: usize,
}

impl Splitter {
    pub(super) const fn new(size: usize) -> Self {
        Self {
            size,
            pending: Vec::new(),
            frames: false,
            count: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.pending.extend(bytes);
        if !self.frames {
            let Some(end) = self.pending.windows(4).position(|four| four == b"\r\n\r\n") else {
                return;
            };
            out.extend(self.pending.drain(..end + 4));
            self.frames = true;
        }
        while let Some((header, len)) = frame(&self.pending) {
            let whole: Vec<u8> = self.pending.drain(..header + len).collect();
            let (first, payload) = (whole[0], &whole[header..]);
            if first & 0x88 != 0x80 || payload.len() <= self.size {
                // Control frames, and what is a fragment already.
                out.extend(&whole);
                continue;
            }
            let pieces = payload.len().div_ceil(self.size);
            for (at, piece) in payload.chunks(self.size).enumerate() {
                self.count += 1;
                if self.count.is_multiple_of(4) {
                    out.extend(b"\x89\x02hi");
                }
                let opcode = if at == 0 { first & 0x0f } else { 0 };
                let end = if at + 1 == pieces { 0x80 } else { 0 };
                out.push(end | opcode);
                if piece.len() < 126 {
                    out.push(piece.len() as u8);
                } else {
                    out.push(126);
                    out.extend((piece.len() as u16).to_be_bytes());
                }
                out.extend(piece);
            }
        }
    }
}

/// The lengths of header and payload, if the whole frame is there.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (header, len) = match *bytes.get(1)? {
        126 => (
            4,
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        ),
        127 => (
            10,
            u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
        ),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= header + len).then_some((header, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_become_fragments_whatever_the_reads() {
        let mut stream = b"HTTP/1.1 101 OK\r\n\r\n\x81\x02ok".to_vec();
        stream.extend(b"\x82\x05abcde\x89\x00");
        let mut whole = Vec::new();
        Splitter::new(2).push(&stream, &mut whole);
        assert_eq!(
            whole,
            b"HTTP/1.1 101 OK\r\n\r\n\x81\x02ok\x02\x02ab\x00\x02cd\x80\x01e\x89\x00"
        );
        let (mut splitter, mut dripped) = (Splitter::new(2), Vec::new());
        for byte in stream.chunks(1) {
            splitter.push(byte, &mut dripped);
        }
        assert_eq!(dripped, whole);
    }
}
