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
    let endless = ["HTTP/1.1 200 OK\r\n".as_bytes(), &[b'a'; 100_000]].concat();
    assert_eq!(read(&endless, 999, 512), Err(HttpError::Head));
}
