extern crate std;
use super::*;
use crate::memory::RxBuf;
use crate::storage::Memory;
use std::vec::Vec;

/// Feeds `bytes` in pieces of the given size and collects messages, pings, closes and skips.
fn decode(bytes: &[u8], piece: usize, room: usize) -> Result<Vec<(char, Vec<u8>)>, WsError> {
    let mut area = std::vec![0u8; room];
    let mut rx = RxBuf::for_test(&mut area);
    let mut decoder = WsDecoder::default();
    let mut out = Vec::new();
    let mut rest = bytes;
    loop {
        while let Some(item) = decoder.step(&mut rx, usize::MAX)? {
            match item {
                Item::Message { binary } => {
                    out.push((if binary { 'b' } else { 't' }, rx.message().to_vec()));
                    rx.drop_message();
                }
                Item::Skipped { bytes, .. } => out.push(('s', bytes.to_string().into_bytes())),
                Item::Ping { len } | Item::Close { len } => {
                    let kind = if matches!(item, Item::Ping { .. }) {
                        'p'
                    } else {
                        'c'
                    };
                    out.push((kind, rx.stream()[..len].to_vec()));
                    rx.consume(len);
                }
                Item::Pong => out.push(('o', Vec::new())),
            }
        }
        if rest.is_empty() {
            return Ok(out);
        }
        let space = rx.space();
        assert!(!space.is_empty(), "the decoder must always make room");
        let n = piece.min(rest.len()).min(space.len());
        space[..n].copy_from_slice(&rest[..n]);
        rx.filled(n);
        rest = &rest[n..];
    }
}

use std::string::ToString as _;

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = std::vec![first];
    match payload.len() {
        n @ 0..=125 => out.push(n as u8),
        n @ 126..=65535 => {
            out.push(126);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(127);
            out.extend((n as u64).to_be_bytes());
        }
    }
    out.extend(payload);
    out
}

#[test]
fn any_split_gives_the_same_messages() {
    let mut wire = Vec::new();
    wire.extend(frame(0x81, b"42[\"hello\"]"));
    wire.extend(frame(0x01, "4é".as_bytes()));
    wire.extend(frame(0x89, b"ping"));
    wire.extend(frame(0x00, b"mid"));
    wire.extend(frame(0x8a, b""));
    wire.extend(frame(0x80, b"end"));
    wire.extend(frame(0x82, &[7; 300]));
    wire.extend(frame(0x81, b""));
    wire.extend(frame(0x88, &[3, 232]));
    let whole = decode(&wire, usize::MAX, 2048).unwrap();
    assert_eq!(
        whole.iter().map(|(k, _)| *k).collect::<Vec<_>>(),
        ['t', 'p', 'o', 't', 'b', 't', 'c']
    );
    assert_eq!(whole[3].1, "4émidend".as_bytes());
    for piece in 1..wire.len() {
        assert_eq!(decode(&wire, piece, 2048).unwrap(), whole, "{piece}");
        assert_eq!(
            decode(&wire, piece, 340).unwrap(),
            whole,
            "{piece} in a small area"
        );
    }
}

#[test]
fn a_message_over_the_room_is_skipped_and_the_next_arrives() {
    let mut wire = frame(0x01, &[b'a'; 1000]);
    wire.extend(frame(0x80, &[b'a'; 70_000]));
    wire.extend(frame(0x81, b"next"));
    for piece in [1, 7, 100, 5000] {
        let got = decode(&wire, piece, 512).unwrap();
        assert_eq!(got, [('s', b"71000".to_vec()), ('t', b"next".to_vec())]);
    }
}

#[test]
fn violations_are_refused() {
    for (bytes, error) in [
        (&[0xc1, 0][..], WsError::Reserved),
        (&[0x83, 0], WsError::Reserved),
        (&[0x81, 0x80], WsError::Masked),
        (&[0x09, 0], WsError::Control),
        (&[0x89, 126], WsError::Control),
        (&[0x80, 0], WsError::Fragment),
        (&[0x01, 0, 0x01, 0], WsError::Fragment),
        (&[0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], WsError::Length),
    ] {
        assert_eq!(decode(bytes, 1, 512), Err(error), "{bytes:x?}");
    }
}

#[test]
fn headers_and_masks() {
    for len in [0usize, 125, 126, 65_535, 65_536] {
        let mut header = std::vec![0; header_len(len)];
        write_header(&mut header, TEXT, len, [1, 2, 3, 4]);
        assert!(header.ends_with(&[1, 2, 3, 4]));
        assert_eq!(header[1] & 0x80, 0x80);
        for cut in 0..header.len() {
            assert_eq!(read_header(&header[..cut]), None, "{cut} of {len}");
        }
        header.extend(b"payload");
        let read = read_header(&header);
        assert_eq!(read, Some((header_len(len), len, [1, 2, 3, 4])));
    }
    assert_eq!(read_header(&[0x81, 2, 1, 2, 3, 4, 5, 6]), None, "no mask");
    let mut bytes: Vec<u8> = (0..29).collect();
    mask(&mut bytes, [9, 8, 7, 6]);
    assert_eq!(bytes[..5], [9, 9, 5, 5, 13]);
    assert_eq!(bytes[28], 28 ^ 9);
    // RFC 6455 section 1.3.
    assert_eq!(
        &accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
        b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    assert_eq!(&key(b"the sample nonce"), b"dGhlIHNhbXBsZSBub25jZQ==");
    let _ = size_of::<Memory<'_>>();
}

/// A message of the server: how long its fragments are, and how long the control frames after each.
fn messages() -> impl proptest::prelude::Strategy<Value = Vec<Vec<(usize, usize)>>> {
    use proptest::collection::vec;
    vec(vec((0usize..200, 0usize..=126), 1..5), 1..6)
}

proptest::proptest! {
    /// In every area there is always room to read on; a message arrives whole wherever it fits beside a control frame, and is
    /// said to be skipped otherwise.
    #[test]
    fn there_is_always_room_to_read_on(messages in messages(), room in 160usize..900, piece in 1usize..300) {
        let (mut wire, mut controls) = (Vec::new(), 0);
        for fragments in &messages {
            for (i, (len, control)) in fragments.iter().enumerate() {
                let opcode = if i == 0 { BINARY } else { CONTINUATION };
                let fin = if i + 1 == fragments.len() { 0x80 } else { 0 };
                wire.extend(frame(fin | opcode, &std::vec![7; *len]));
                // None, or a ping of up to the 125 bytes that are allowed.
                if let Some(len) = control.checked_sub(1) {
                    wire.extend(frame(0x80 | PING, &std::vec![1; len]));
                    controls += 1;
                }
            }
        }
        let got = decode(&wire, piece, room).unwrap();
        proptest::prop_assert_eq!(got.iter().filter(|(kind, _)| *kind == 'p').count(), controls);
        let data: Vec<_> = got.iter().filter(|(kind, _)| *kind != 'p').collect();
        proptest::prop_assert_eq!(data.len(), messages.len());
        for ((kind, bytes), fragments) in data.into_iter().zip(&messages) {
            let len: usize = fragments.iter().map(|(len, _)| len).sum();
            if *kind == 's' {
                let told = len.to_string().into_bytes();
                proptest::prop_assert_eq!(bytes, &told);
                proptest::prop_assert!(len + 160 > room, "{} bytes fit {}", len, room);
            } else {
                proptest::prop_assert_eq!(bytes.len(), len);
            }
        }
    }
}

#[cfg(feature = "deflate")]
#[test]
fn compressed_messages_only_where_they_were_agreed_on() {
    let mut wire = frame(0x41, b"\xf2\x48\xcd");
    wire.extend(frame(0x89, b""));
    wire.extend(frame(0x80, b"\xc9\xc9\x07\x00"));
    wire.extend(frame(0x81, b"plain"));
    let mut area = [0u8; 256];
    let mut rx = RxBuf::for_test(&mut area);
    rx.space()[..wire.len()].copy_from_slice(&wire);
    rx.filled(wire.len());
    let mut decoder = WsDecoder::with_deflate(true);
    let mut next = |rx: &mut RxBuf<'_>| {
        let item = decoder.step(rx, usize::MAX).unwrap();
        (item, decoder.is_compressed())
    };
    assert_eq!(next(&mut rx).0, Some(Item::Ping { len: 0 }));
    assert_eq!(next(&mut rx), (Some(Item::Message { binary: false }), true));
    assert_eq!(rx.message(), b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    rx.drop_message();
    assert_eq!(
        next(&mut rx),
        (Some(Item::Message { binary: false }), false)
    );
    // Elsewhere the bit is reserved as ever, and the others always are.
    for (deflate, first) in [
        (false, 0xc1),
        (true, 0xa1),
        (true, 0xd1),
        (true, 0xc9),
        (true, 0xc0),
    ] {
        let mut area = [0u8; 256];
        let mut rx = RxBuf::for_test(&mut area);
        rx.space()[..2].copy_from_slice(&[first, 0]);
        rx.filled(2);
        let mut decoder = WsDecoder::with_deflate(deflate);
        assert_eq!(
            decoder.step(&mut rx, 100),
            Err(WsError::Reserved),
            "{first:x}"
        );
    }
}

/// What the direct way takes is what a step makes of it; everything else it leaves where it was, and to the step.
#[cfg(feature = "alloc")]
#[test]
fn texts_taken_directly_are_those_of_a_step() {
    let long = std::vec![b'4'; 300];
    let huge = std::vec![b'4'; 70_000];
    let far = [0x81, 126, 0, 3, b'4', b'2', b'x'];
    let frames = [
        (frame(0x81, b"42[\"a\"]"), true),
        (frame(0x81, b"4"), true),
        (frame(0x81, &long), true),
        // Longer than it need be, which is allowed.
        (far.to_vec(), true),
        (frame(0x81, &huge), false),
        (frame(0x81, b""), false),
        (frame(0x81, b"2"), false),
        (frame(0x82, b"4x"), false),
        (frame(0x01, b"4x"), false),
        (frame(0x80, b"4x"), false),
        (frame(0x89, b"4x"), false),
        (frame(0xc1, b"4x"), false),
        (frame(0x81, b"42[\"a\"]")[..8].to_vec(), false),
        (frame(0x81, &long)[..302].to_vec(), false),
        (std::vec![0x81], false),
    ];
    for (bytes, direct) in frames {
        let mut area = std::vec![0; 80_000];
        let mut rx = RxBuf::for_test(&mut area);
        rx.space()[..bytes.len()].copy_from_slice(&bytes);
        rx.filled(bytes.len());
        let mut decoder = WsDecoder::default();
        assert_eq!(decoder.take_text(&mut rx, b'4', 1 << 20), direct);
        if direct {
            let whole = decode(&bytes, bytes.len(), 80_000).unwrap();
            assert_eq!([('t', [b"4", rx.message()].concat())], whole[..]);
            assert!(rx.stream().is_empty());
        } else {
            assert_eq!((rx.message(), rx.stream()), (&[][..], &bytes[..]));
        }
        // Above the limit nothing is taken: the step skips it, and says so.
        let mut rx = RxBuf::for_test(&mut area);
        rx.space()[..bytes.len()].copy_from_slice(&bytes);
        rx.filled(bytes.len());
        assert!(!WsDecoder::default().take_text(&mut rx, b'4', 0));
    }
    // Not between the fragments of a message.
    let mut area = [0; 64];
    let mut rx = RxBuf::for_test(&mut area);
    let both = [frame(0x01, b"a"), frame(0x81, b"4x")].concat();
    rx.space()[..both.len()].copy_from_slice(&both);
    rx.filled(both.len());
    let mut decoder = WsDecoder::default();
    assert!(decoder.step(&mut rx, 99).is_err());
    let mut rx = RxBuf::for_test(&mut area);
    rx.space()[..3].copy_from_slice(&both[..3]);
    rx.filled(3);
    let mut decoder = WsDecoder::default();
    assert_eq!(decoder.step(&mut rx, 99), Ok(None));
    rx.space()[..4].copy_from_slice(&both[3..]);
    rx.filled(4);
    assert!(!decoder.take_text(&mut rx, b'4', 99));
}
