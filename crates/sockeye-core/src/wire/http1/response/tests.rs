extern crate std;
use super::*;
use std::string::String;
use std::vec::Vec;

/// Reads all responses in `wire`, given in pieces; each as (status, body, keep_alive).
fn read(wire: &[u8], piece: usize, room: usize) -> Result<Vec<(u16, Vec<u8>, bool)>, HttpError> {
    let mut area = std::vec![0u8; room];
    let mut rx = RxBuf::for_test(&mut area);
    let mut http = HttpDecoder::new();
    let (mut out, mut body, mut rest) = (Vec::new(), Vec::new(), wire);
    loop {
        match http.step(&mut rx)? {
            Step::Wait => {
                if rest.is_empty() {
                    if http.ends_with_close() {
                        out.push((http.status, body, http.keep_alive));
                    }
                    return Ok(out);
                }
                let space = rx.space();
                assert!(!space.is_empty());
                let n = piece.min(rest.len()).min(space.len());
                space[..n].copy_from_slice(&rest[..n]);
                rx.filled(n);
                rest = &rest[n..];
            }
            Step::Header { .. } => http.header_done(&mut rx),
            Step::Head => assert!(http.status >= 100),
            Step::Body { n } => {
                body.extend_from_slice(&rx.stream()[..n]);
                rx.consume(n);
                http.body_taken(n);
            }
            Step::End => {
                out.push((http.status, core::mem::take(&mut body), http.keep_alive));
                http = HttpDecoder::new();
            }
        }
    }
}

#[test]
fn any_split_gives_the_same_responses() {
    let mut wire = String::new();
    wire.push_str("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\n\r\nhello");
    wire.push_str("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n");
    wire.push_str("HTTP/1.1 204 No Content\nconnection: Close\n\nHTTP/1.1 400 Bad\r\nX-Long: ");
    wire.push_str(&"y".repeat(900));
    wire.push_str(
        "\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}HTTP/1.0 200 OK\r\n\r\nuntil the end",
    );
    let whole = read(wire.as_bytes(), usize::MAX, 4096).unwrap();
    let want: Vec<(u16, &[u8], bool)> = std::vec![
        (200, b"hello", true),
        (200, b"abc0123456789", true),
        (204, b"", false),
        (400, b"{}", true),
        (200, b"until the end", false),
    ];
    assert_eq!(
        whole
            .iter()
            .map(|(s, b, k)| (*s, b.as_slice(), *k))
            .collect::<Vec<_>>(),
        want
    );
    for piece in 1..200 {
        assert_eq!(
            read(wire.as_bytes(), piece, 4096).unwrap(),
            whole,
            "{piece}"
        );
        assert_eq!(
            read(wire.as_bytes(), piece, 160).unwrap(),
            whole,
            "{piece} in a small area"
        );
    }
}

#[test]
fn bad_responses_are_refused() {
    for (wire, error) in [
        ("SSH-2.0-x\r\n", HttpError::StatusLine),
        ("HTTP/2 200\r\n", HttpError::StatusLine),
        ("HTTP/1.1 20 OK\r\n", HttpError::StatusLine),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            HttpError::Length,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            HttpError::Length,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            HttpError::Coding,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            HttpError::Chunk,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
            HttpError::Chunk,
        ),
    ] {
        assert_eq!(read(wire.as_bytes(), 3, 512), Err(error), "{wire}");
    }
    for size in [
        "",
        "g",
        "1x",
        "1 2",
        "1\r2",
        "-1",
        "11111111111111111",
        ";x",
    ] {
        let wire = std::format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n");
        for piece in [1, 512] {
            let result = read(wire.as_bytes(), piece, 512);
            assert_eq!(result, Err(HttpError::Chunk), "{size}");
        }
    }
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let endless = [chunked.as_bytes(), b"1;", &[b'a'; 100_000]].concat();
    assert_eq!(read(&endless, 999, 512), Err(HttpError::Chunk));
    let endless = [chunked.as_bytes(), b"0\r\n", &[b'a'; 100_000]].concat();
    assert_eq!(read(&endless, 999, 512), Err(HttpError::Head));
    // A length that cannot be read is not passed over.
    let wire = std::format!(
        "HTTP/1.1 200 OK\r\nContent-Length:{}5\r\n\r\nhello",
        " ".repeat(200)
    );
    assert_eq!(read(wire.as_bytes(), 9, 128), Err(HttpError::Head));
    let endless = ["HTTP/1.1 200 OK\r\n".as_bytes(), &[b'a'; 100_000]].concat();
    assert_eq!(read(&endless, 999, 512), Err(HttpError::Head));
}

/// The smallest area: that of the POST link in the smallest storage.
const LEAST: usize = 128;

proptest::proptest! {
    /// Whatever is long (reasons, header lines, chunk extensions, trailers), and however small the area is: there is always room to
    /// read on, and the response is the same.
    #[test]
    fn there_is_always_room_to_read_on(
        room in LEAST..600,
        piece in 1usize..300,
        reason in 0usize..400,
        header in 0usize..700,
        chunks in proptest::collection::vec((1usize..300, 0usize..600), 0..5),
        trailer in 0usize..700,
    ) {
        let mut wire = std::format!("HTTP/1.1 200 {}\r\n", "r".repeat(reason));
        wire += &std::format!("X-Long: {}\r\nTransfer-Encoding: chunked\r\n\r\n", "h".repeat(header));
        let mut body = Vec::new();
        for (len, extension) in &chunks {
            let extension = if *extension > 0 { std::format!(" ;{}", "e".repeat(*extension)) } else { String::new() };
            wire += &std::format!("{len:x}{extension}\r\n{}\r\n", "b".repeat(*len));
            body.resize(body.len() + len, b'b');
        }
        wire += &std::format!("0\r\nT: {}\r\n\r\n", "t".repeat(trailer));
        let once = read(wire.as_bytes(), piece, room).unwrap();
        proptest::prop_assert_eq!(&once, &[(200, body, true)]);
        let twice = read(wire.repeat(2).as_bytes(), piece, room).unwrap();
        proptest::prop_assert_eq!(twice, [once.clone(), once].concat());
    }
}

#[test]
fn a_cookie_that_does_not_fit_is_noticed() {
    for (len, skipped) in [(20, false), (LEAST * 2, true)] {
        let wire = std::format!(
            "HTTP/1.1 200 OK\r\nset-Cookie: {}\r\nContent-Length: 0\r\n\r\n",
            "c".repeat(len)
        );
        let (mut area, mut rest) = ([0u8; LEAST], wire.as_bytes());
        let mut rx = RxBuf::for_test(&mut area);
        let mut http = HttpDecoder::new();
        let mut shown = 0;
        loop {
            match http.step(&mut rx).unwrap() {
                Step::Wait => {
                    let space = rx.space();
                    let n = rest.len().min(space.len());
                    space[..n].copy_from_slice(&rest[..n]);
                    rx.filled(n);
                    rest = &rest[n..];
                }
                Step::Header { .. } => {
                    shown += 1;
                    http.header_done(&mut rx);
                }
                Step::Head | Step::Body { .. } => {}
                Step::End => break,
            }
        }
        assert_eq!(
            (shown, http.cookie_skipped),
            (usize::from(!skipped), skipped)
        );
    }
}
