//! Case 6: text that is UTF-8, and text that is not.

use super::*;

fn packet(text: &[u8]) -> Vec<u8> {
    [b"42[\"e\",\"", text, b"\"]"].concat()
}

fn valid(id: &str, text: &str) {
    let packet = packet(text.as_bytes());
    let shown: String = text
        .chars()
        .map(|c| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect();
    let line = format!("message / e [\"{shown}\"]");
    frames(id, &[(TEXT, &packet)], &[&line], &End::Open);
    // 6.2.3: each octet is a fragment of its own.
    let (first, rest) = packet.split_at(1);
    let (middle, last) = rest.split_at(rest.len() - 1);
    let mut octets = frame(TEXT_PART, first);
    for octet in middle {
        octets.extend(frame(MORE, &[*octet]));
    }
    octets.extend(frame(LAST, last));
    case(id, &octets, &[&line], &End::Open);
}

fn invalid(id: &str, text: &[u8]) {
    let packet = packet(text);
    frames(id, &[(TEXT, &packet)], &[], &End::Fails("Encoding"));
    let (a, b) = packet.split_at(packet.len() - 3);
    frames(
        id,
        &[(TEXT_PART, a), (LAST, b)],
        &[],
        &End::Fails("Encoding"),
    );
}

#[test]
fn case_6_text_that_is_utf8() {
    valid(
        "6.2",
        "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!",
    );
    valid("6.5", "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}");
    for (id, c) in [
        ("6.7.2", '\u{80}'),
        ("6.7.3", '\u{800}'),
        ("6.7.4", '\u{10000}'),
        ("6.9.2", '\u{7ff}'),
        ("6.9.3", '\u{ffff}'),
        ("6.9.4", '\u{10ffff}'),
        ("6.11.1", '\u{d7ff}'),
        ("6.11.2", '\u{e000}'),
        ("6.11.3", '\u{fffd}'),
        ("6.22.1", '\u{fffe}'),
        ("6.22.3", '\u{1fffe}'),
        ("6.22.34", '\u{10fffe}'),
        ("6.23.1", '\u{fff9}'),
    ] {
        valid(id, &c.to_string());
    }
}

#[test]
fn case_6_text_that_is_not() {
    let kosme = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes();
    // 6.3, 6.6: whole characters are text, and what stops within one is not.
    for end in 1..kosme.len() {
        match std::str::from_utf8(&kosme[..end]) {
            Ok(text) => valid("6.6", text),
            Err(_) => invalid("6.6", &kosme[..end]),
        }
    }
    let sequences: [(&str, &[u8]); 28] = [
        (
            "6.3",
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        ),
        ("6.8.1", b"\xf8\x88\x80\x80\x80"),
        ("6.8.2", b"\xfc\x84\x80\x80\x80\x80"),
        ("6.10.1", b"\xf7\xbf\xbf\xbf"),
        ("6.10.2", b"\xfb\xbf\xbf\xbf\xbf"),
        ("6.10.3", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
        ("6.11.5", b"\xf4\x90\x80\x80"),
        ("6.12.1", b"\x80"),
        ("6.12.2", b"\xbf"),
        ("6.12.8", b"\x80\xbf\x80\xbf\x80\xbf\x80\xbf"),
        ("6.13.1", b"\xc0 \xc1 \xc2 \xdf "),
        ("6.13.2", b"\xe0 \xef "),
        ("6.13.3", b"\xf0 \xf7 "),
        ("6.14.1", b"\xc0"),
        ("6.14.2", b"\xe0\x80"),
        ("6.14.3", b"\xf0\x80\x80"),
        ("6.14.8", b"\xf7\xbf\xbf"),
        ("6.15.1", b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80"),
        ("6.16.1", b"\xfe"),
        ("6.16.2", b"\xff"),
        ("6.17.1", b"\xc0\xaf"),
        ("6.17.2", b"\xe0\x80\xaf"),
        ("6.17.3", b"\xf0\x80\x80\xaf"),
        ("6.18.1", b"\xc1\xbf"),
        ("6.18.2", b"\xe0\x9f\xbf"),
        ("6.19.1", b"\xc0\x80"),
        ("6.20.1", b"\xed\xa0\x80"),
        ("6.21.1", b"\xed\xa0\x80\xed\xb0\x80"),
    ];
    for (id, sequence) in sequences {
        invalid(id, sequence);
    }
}
