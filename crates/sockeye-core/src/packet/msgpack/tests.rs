use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::packet::{Attachments, Packet, PacketError};

/// What a message is: its text and its attachments, or what is wrong with it.
fn read(message: &[u8]) -> String {
    let mut decoded = Decoded::new();
    match decode(message, 1 << 20, 16, &mut decoded) {
        Ok(Unpacked::Packet) => {
            let mut line = decoded.text().to_string();
            for bytes in decoded.attachments().iter() {
                line.push_str(&format!(" {bytes:x?}"));
            }
            line
        }
        Ok(other) => format!("{other:?}"),
        Err(error) => error.to_string(),
    }
}

fn records(attachments: &[&[u8]]) -> Vec<u8> {
    let mut records = Vec::new();
    for bytes in attachments {
        records.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        records.extend_from_slice(bytes);
    }
    records
}

fn written(text: &str, attachments: &[&[u8]]) -> Vec<u8> {
    let records = records(attachments);
    let attachments = Attachments::from_records(&records, attachments.len()).unwrap();
    encode(&Packet::parse(text, 1024).unwrap(), attachments)
}

/// An event of `/` whose only argument is the value.
fn event(value: &[u8]) -> Vec<u8> {
    let mut message = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e".to_vec();
    message.extend_from_slice(value);
    message
}

/// The JSON of a value without bytes, or the complaint.
fn json(value: &[u8]) -> String {
    let text = read(&event(value));
    let inner = text
        .strip_prefix("2[\"e\",")
        .and_then(|rest| rest.strip_suffix(']'));
    inner.map_or(text.clone(), str::to_string)
}

#[test]
fn what_the_official_parser_writes() {
    // Made by socket.io-msgpack-parser 3.0.2.
    for (message, text) in [
        (&b"\x83\xa4type\x00\xa4data\xd4\x00\x00\xa3nsp\xa1/"[..], "0"),
        (b"\x83\xa4type\x00\xa4data\x82\xa5token\xa1x\xa1n\xfd\xa3nsp\xa5/chat", "0/chat,{\"token\":\"x\",\"n\":-3}"),
        (b"\x82\xa4type\x01\xa3nsp\xa1/", "1"),
        (
            b"\x84\xa4type\x02\xa4data\x97\xa1e\x01\xff\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xc3\xc0\xa4text\xa7options\x81\xa8compress\xc3\xa3nsp\xa1/",
            "2[\"e\",1,-1,1.5,true,null,\"text\"]",
        ),
        (
            b"\x85\xa4type\x02\xa4data\x93\xa1e\xc4\x03\x01\x02\x03\x82\xa1b\xc4\x01x\xa1u\xd4\x00\x00\xa7options\x81\xa8compress\xc2\xa2id\x07\xa3nsp\xa2/n",
            "52-/n,7[\"e\",{\"_placeholder\":true,\"num\":0},{\"b\":{\"_placeholder\":true,\"num\":1}}] [1, 2, 3] [78]",
        ),
        (
            b"\x84\xa4type\x03\xa2id\x00\xa4data\x92\xd7\x00\x00\x00\x01\x6f\x5e\x66\xe8\x00\xd4\x00\x00\xa3nsp\xa1/",
            "30[\"2020-01-01T00:00:00.000Z\",null]",
        ),
        (
            b"\x83\xa4type\x04\xa4data\x82\xa7message\xa2no\xa4data\x81\xa4code\x07\xa3nsp\xa1/",
            "4{\"message\":\"no\",\"data\":{\"code\":7}}",
        ),
        // An `ArrayBuffer`.
        (
            b"\x83\xa4type\x02\xa4data\x92\xa1b\xc7\x02\x00\x09\x08\xa3nsp\xa1/",
            "51-[\"b\",{\"_placeholder\":true,\"num\":0}] [9, 8]",
        ),
    ] {
        assert_eq!(read(message), text);
    }
}

#[test]
fn what_is_written_is_what_the_official_parser_writes() {
    for (text, attachments, message) in [
        ("0", &[] as &[&[u8]], &b"\x82\xa4type\x00\xa3nsp\xa1/"[..]),
        ("0/a,{\"t\":1}", &[], b"\x83\xa4type\x00\xa3nsp\xa2/a\xa4data\x81\xa1t\x01"),
        ("1/a,", &[], b"\x82\xa4type\x01\xa3nsp\xa2/a"),
        (
            "2[\"e\"]",
            &[],
            b"\x84\xa4type\x02\xa3nsp\xa1/\xa7options\x81\xa8compress\xc3\xa4data\x91\xa1e",
        ),
        (
            "51-7[ \"e\" , {\"num\":0, \"_placeholder\":true} ]",
            &[b"\x01\x02"],
            b"\x85\xa4type\x02\xa3nsp\xa1/\xa2id\x07\xa7options\x81\xa8compress\xc3\xa4data\x92\xa1e\xc4\x02\x01\x02",
        ),
        ("61-300[{\"_placeholder\":true,\"num\":0}]", &[b""], b"\x84\xa4type\x03\xa3nsp\xa1/\xa2id\xcd\x01\x2c\xa4data\x91\xc4\x00"),
    ] {
        assert_eq!(written(text, attachments), message, "{text}");
    }
}

#[test]
fn numbers_take_the_fewest_bytes_and_come_back() {
    for (number, bytes) in [
        ("0", &b"\x00"[..]),
        ("127", b"\x7f"),
        ("128", b"\xcc\x80"),
        ("255", b"\xcc\xff"),
        ("256", b"\xcd\x01\x00"),
        ("65535", b"\xcd\xff\xff"),
        ("65536", b"\xce\x00\x01\x00\x00"),
        ("4294967296", b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
        (
            "18446744073709551615",
            b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        ),
        ("-1", b"\xff"),
        ("-32", b"\xe0"),
        ("-33", b"\xd0\xdf"),
        ("-128", b"\xd0\x80"),
        ("-129", b"\xd1\xff\x7f"),
        ("-32769", b"\xd2\xff\xff\x7f\xff"),
        ("-2147483649", b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
        (
            "-9223372036854775808",
            b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
        ),
        ("0.1", b"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"),
        ("1e300", b"\xcb\x7e\x37\xe4\x3c\x88\x00\x75\x9c"),
        ("-0.0", b"\xcb\x80\x00\x00\x00\x00\x00\x00\x00"),
    ] {
        let message = written(&format!("2[\"e\",{number}]"), &[]);
        assert!(message.ends_with(bytes), "{number}: {message:x?}");
        let value = json(bytes);
        assert_eq!(value.parse::<f64>(), number.parse(), "{number}");
        assert_eq!(value.starts_with('-'), number.starts_with('-'), "{number}");
    }
    // Whole numbers of any kind are whole numbers here; a float keeps all its bits.
    for (bytes, number) in [
        (&b"\xcb\x40\x35\x00\x00\x00\x00\x00\x00"[..], "21"),
        (b"\xca\x41\xac\x00\x00", "21.5"),
        (b"\xca\x3d\xcc\xcc\xcd", "0.10000000149011612"),
        (b"\xd3\x00\x00\x00\x00\x00\x00\x00\x05", "5"),
        (b"\xd0\x05", "5"),
        (b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "null"),
        (b"\xca\x7f\xc0\x00\x00", "null"),
    ] {
        assert_eq!(json(bytes), number);
    }
    // Larger than 64 bits hold: as a float, as JavaScript has it.
    let message = written("2[\"e\",18446744073709551616]", &[]);
    assert!(message.ends_with(b"\xcb\x43\xf0\x00\x00\x00\x00\x00\x00"));
}

#[test]
fn texts() {
    for (json_text, plain) in [
        ("", ""),
        ("a\\n\\\"\\\\\\u0001\\u00e9", "a\n\"\\\u{1}é"),
        ("\\ud83d\\ude00", "😀"),
        // Half of a pair cannot be sent.
        ("\\ud83d", "\u{fffd}"),
    ] {
        let message = written(&format!("2[\"e\",\"{json_text}\"]"), &[]);
        assert!(message.ends_with(plain.as_bytes()), "{plain:?}");
        assert_eq!(
            message[message.len() - plain.len() - 1],
            0xa0 | plain.len() as u8
        );
    }
    for len in [31, 32, 255, 256, 65_535, 65_536] {
        let text = "x".repeat(len);
        let message = written(&format!("2[\"e\",\"{text}\"]"), &[]);
        assert_eq!(read(&message), format!("2[\"e\",\"{text}\"]"));
    }
    assert_eq!(json(b"\xa5a\n\"\\\x1f"), "\"a\\n\\\"\\\\\\u001f\"");
    assert_eq!(json(b"\xd9\x02\xc3\xa9"), "\"é\"");
    assert_eq!(json(b"\xa4a\xff\xffb"), "\"a\u{fffd}\u{fffd}b\"");
}

#[test]
fn arrays_and_maps_of_every_size() {
    for n in [0, 1, 15, 16, 17, 65_535, 65_536] {
        let items = vec!["[]"; n].join(",");
        let text = format!("2[\"e\",[{items}]]");
        assert_eq!(read(&written(&text, &[])), text);
        let members: Vec<String> = (0..n).map(|n| format!("\"{n}\":{{\"a\":1}}")).collect();
        let text = format!("2[\"e\",{{{}}}]", members.join(","));
        let mut decoded = Decoded::new();
        let verdict = decode(&written(&text, &[]), 1 << 24, 0, &mut decoded);
        assert_eq!((verdict, decoded.text()), (Ok(Unpacked::Packet), &*text));
    }
}

#[test]
fn members_in_any_order_and_strangers() {
    let members: [&[u8]; 5] = [
        b"\xa4type\x02",
        b"\xa3nsp\xa1/",
        b"\xa2id\x05",
        b"\xa4data\x92\xa1e\x81\xa4type\x09",
        // Of any kind, and keys of any kind.
        b"\x93\x01\x02\x81\xc0\xc0\x82\xa1a\x91\x01\xa1b\xc4\x01\x00",
    ];
    for first in 0..members.len() {
        for second in 0..members.len() {
            if first == second {
                continue;
            }
            let mut message = vec![0x85];
            message.extend_from_slice(members[first]);
            message.extend_from_slice(members[second]);
            for (i, member) in members.iter().enumerate().rev() {
                if i != first && i != second {
                    message.extend_from_slice(member);
                }
            }
            assert_eq!(read(&message), "25[\"e\",{\"type\":9}]");
        }
    }
    // Numbers of any kind; the last of two members counts.
    let widths: [&[u8]; 6] = [
        b"\xcc\x02",
        b"\xcd\x00\x02",
        b"\xce\x00\x00\x00\x02",
        b"\xd1\x00\x02",
        b"\xca\x40\x00\x00\x00",
        b"\xcb\x40\x00\x00\x00\x00\x00\x00\x00",
    ];
    for two in widths {
        let mut message = b"\xde\x00\x06\xa2id\x01\xa4type\xc0\xa4type".to_vec();
        message.extend_from_slice(two);
        message.extend_from_slice(b"\xa2id");
        message.extend_from_slice(two);
        message.extend_from_slice(b"\xa3nsp\xa1/\xa4data\x91\xa1e");
        assert_eq!(read(&message), "22[\"e\"]");
    }
}

#[test]
fn what_is_absent() {
    // `nil` for nothing: Python's server.
    assert_eq!(read(b"\x83\xa4type\x01\xa4data\xc0\xa3nsp\xa1/"), "1");
    assert_eq!(read(b"\x83\xa4type\x00\xa4data\xc0\xa3nsp\xa1/"), "0");
    assert_eq!(
        read(b"\x84\xa4type\x02\xa2id\xc0\xa4data\x91\xa1e\xa3nsp\xa1/"),
        "2[\"e\"]"
    );
    // `undefined` is `null` among elements, and no member.
    assert_eq!(
        json(b"\x93\xd4\x00\x00\x82\xa1a\xd4\x00\x00\xa1b\x01\x81\xa1a\xd4\x00\x00"),
        "[null,{\"b\":1},{}]"
    );
}

/// Version 2 of the parser, for Socket.IO 2: types that say that there is binary, and texts where nothing else is.
#[cfg(feature = "eio3")]
#[test]
fn the_older_parser() {
    let event = b"\x83\xa4type\x05\xa3nsp\xa1/\xa4data\x92\xa1e\xc4\x01\x07";
    assert!(
        read(event).starts_with("51-[\"e\",{\"_placeholder\""),
        "{}",
        read(event)
    );
    let ack = b"\x84\xa4type\x06\xa3nsp\xa1/\xa2id\x07\xa4data\x91\xc4\x01\x07";
    assert!(
        read(ack).starts_with("61-7[{\"_placeholder\""),
        "{}",
        read(ack)
    );
    let text = |text: &str| {
        let mut decoded = Decoded::new();
        let read = decode_text(text.as_bytes(), &mut decoded);
        read.map(|()| String::from(decoded.text()))
            .map_err(|error| error.to_string())
    };
    assert_eq!(text(r#"{"type":0,"nsp":"/"}"#), Ok("0".into()));
    assert_eq!(
        text(r#"{"nsp":"/a","type":1,"options":{}}"#),
        Ok("1/a,".into())
    );
    let refused = r#"{"type":4,"nsp":"/a","data":"no \"entry\""}"#;
    assert_eq!(text(refused), Ok(r#"4/a,"no \"entry\"""#.into()));
    // Of another parser.
    for other in [
        "0",
        r#"2["e"]"#,
        r#"{"type":2,"nsp":"/","data":["e"]}"#,
        "{}",
        "[]",
        "",
    ] {
        assert!(text(other).is_err(), "{other}");
    }
}

#[test]
fn what_is_no_packet() {
    let bad = |message: &[u8], complaint: &str| {
        let found = read(message);
        assert!(found.contains(complaint), "{message:x?}: {found}");
    };
    bad(b"", "it ends inside of a value (at byte 0)");
    bad(b"\x93\x01", "the packet is not a map (at byte 0)");
    bad(b"\xc1", "0xc1 begins no value (at byte 0)");
    bad(b"\x80", "unknown packet type");
    for kind in [
        &b"\x07"[..],
        b"\xff",
        b"\xa12",
        b"\xc0",
        b"\xcb\x40\x04\x00\x00\x00\x00\x00\x00",
    ] {
        let message = [b"\x83\xa4type", kind, b"\xa3nsp\xa1/\xa4data\x91\xa1e"].concat();
        bad(&message, "unknown packet type");
    }
    for nsp in [&b"\xc0"[..], b"\x01", b"\xc4\x01/", b"\xd4\x00\x00"] {
        let message = [b"\x83\xa4type\x02\xa3nsp", nsp, b"\xa4data\x91\xa1e"].concat();
        bad(
            &message,
            "its `nsp` is missing, or not a string (at byte 11)",
        );
    }
    bad(b"\x82\xa4type\x02\xa4data\x91\xa1e", "its `nsp` is missing");
    for id in [
        &b"\xa11"[..],
        b"\xff",
        b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00",
        b"\xc3",
    ] {
        let message = [
            b"\x84\xa4type\x02\xa3nsp\xa1/\xa2id",
            id,
            b"\xa4data\x91\xa1e",
        ]
        .concat();
        bad(&message, "ack id is no number or too large");
    }
    for (kind, data, expected) in [
        (0, &b"\x91\x01"[..], "an object"),
        (0, b"\xa1x", "an object"),
        (1, b"\x80", "nothing"),
        (2, b"\x80", "an array"),
        (2, b"\xc0", "an array"),
        (3, b"\xa1x", "an array"),
        (4, b"\x91\x01", "an object or a string"),
        (4, b"\xc0", "an object or a string"),
    ] {
        let message = [b"\x83\xa4type", &[kind][..], b"\xa3nsp\xa1/\xa4data", data].concat();
        bad(&message, &format!("expected {expected} (at byte 18)"));
    }
    bad(b"\x82\xa4type\x02\xa3nsp\xa1/", "expected an array");
    let mut more = event(b"\x01");
    more.push(0);
    bad(&more, "there are bytes behind the packet");
    bad(&event(b"\x81\x90\x01"), "a key is neither text nor number");
}

#[test]
fn what_is_nobodys() {
    for data in [&b"\x90"[..], b"\x91\xc0", b"\x91\x90", b"\x91\xd4\x00\x00"] {
        let message = [b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data", data].concat();
        assert_eq!(read(&message), "Nobodys");
    }
    for nsp in [&b"\xa0"[..], b"\xa1a", b"\xa3/,a", b"\xa2/\xff"] {
        let message = [b"\x83\xa4type\x02\xa3nsp", nsp, b"\xa4data\x91\xa1e"].concat();
        assert_eq!(read(&message), "Nobodys");
    }
}

#[test]
fn keys_are_texts() {
    assert_eq!(
        json(b"\x88\x01\x01\xff\x01\xc3\x01\xc0\x01\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\x01\xc4\x01k\x01\xd4\x00\x00\x01\xa2\"\n\x01"),
        "{\"1\":1,\"-1\":1,\"true\":1,\"null\":1,\"1.5\":1,\"k\":1,\"undefined\":1,\"\\\"\\n\":1}"
    );
}

#[test]
fn dates() {
    for (time, text) in [
        (0i64, "\"1970-01-01T00:00:00.000Z\""),
        (-1, "\"1969-12-31T23:59:59.999Z\""),
        (951_782_400_000, "\"2000-02-29T00:00:00.000Z\""),
        (1_709_251_199_999, "\"2024-02-29T23:59:59.999Z\""),
        (-2_203_891_200_000, "\"1900-03-01T00:00:00.000Z\""),
        (-62_135_596_800_000, "\"0001-01-01T00:00:00.000Z\""),
        (-62_198_755_200_000, "\"-000001-01-01T00:00:00.000Z\""),
        (253_402_300_800_000, "\"+010000-01-01T00:00:00.000Z\""),
        (8_640_000_000_000_000, "\"+275760-09-13T00:00:00.000Z\""),
        (-8_640_000_000_000_000, "\"-271821-04-20T00:00:00.000Z\""),
        (8_640_000_000_000_001, "null"),
        (i64::MIN, "null"),
    ] {
        let mut value = vec![0xd7, 0];
        value.extend_from_slice(&time.to_be_bytes());
        assert_eq!(json(&value), text, "{time}");
    }
}

#[test]
fn extensions_are_their_number_and_their_bytes() {
    assert_eq!(
        read(&event(b"\xd6\xff\x00\x00\x00\x01")),
        "51-[\"e\",[-1,{\"_placeholder\":true,\"num\":0}]] [0, 0, 0, 1]"
    );
    assert_eq!(
        read(&event(b"\xc7\x01\x05\x07")),
        "51-[\"e\",[5,{\"_placeholder\":true,\"num\":0}]] [7]"
    );
}

#[test]
fn bytes_where_no_attachments_can_be_are_spelt_out() {
    assert_eq!(
        read(b"\x83\xa4type\x04\xa3nsp\xa1/\xa4data\x82\xa7message\xa1m\xa4data\xc4\x02\x01\xff"),
        "4{\"message\":\"m\",\"data\":{\"type\":\"Buffer\",\"data\":[1,255]}}"
    );
}

#[test]
fn what_looks_like_a_placeholder_stays_what_it_is() {
    use crate::packet::{Args, Bin, Value};
    let value = b"\x92\x82\xac_placeholder\xc3\xa3num\x00\xc4\x01y";
    let mut decoded = Decoded::new();
    let verdict = decode(&event(value), 1 << 10, 16, &mut decoded);
    assert_eq!(verdict, Ok(Unpacked::Packet));
    let packet = Packet::parse(decoded.text(), 16).unwrap();
    let args = Args::new(packet.data, decoded.attachments()).unwrap();
    let (_, (map, bin)): (&str, (Value, Bin)) = args.parse().unwrap();
    assert_eq!(map["num"], Value::from(0));
    assert_eq!(map["_placeholder"], Value::from(true));
    assert_eq!(&*bin, b"y");
    // Without attachments nothing is mistaken for one.
    assert_eq!(
        json(b"\x82\xac_placeholder\xc3\xa3num\x00"),
        "{\"_placeholder\":true,\"num\":0}"
    );
}

#[test]
fn every_prefix_is_refused_and_nothing_else_happens() {
    let whole = event(b"\x94\xc4\x02ab\xd7\x00\x00\x00\x00\x00\x00\x00\x00\x00\x82\xa1a\xca\x00\x00\x00\x00\xa1b\xcf\x00\x00\x00\x00\x00\x00\x00\x01\xd9\x01x");
    assert!(read(&whole).starts_with("51-"));
    for end in 0..whole.len() {
        let found = read(&whole[..end]);
        assert!(
            found.contains("it ends inside of a value"),
            "{end}: {found}"
        );
    }
}

#[test]
fn lengths_that_lie_cost_nothing() {
    // Four thousand million elements, keys, bytes: none of them is there.
    for lie in [
        &b"\xdd\xff\xff\xff\xff"[..],
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x00",
    ] {
        for message in [lie.to_vec(), event(lie), [b"\x81", lie].concat()] {
            let found = read(&message);
            let expected = ["it ends inside", "is not a map"];
            assert!(
                expected.iter().any(|e| found.contains(e)),
                "{message:x?}: {found}"
            );
        }
    }
}

#[test]
fn depth_is_bounded_and_costs_no_stack() {
    let nested = |n: usize| event(&[vec![0x91; n], vec![0x01]].concat());
    let limit = crate::packet::json::MAX_DEPTH as usize;
    let deepest = read(&nested(limit));
    assert!(deepest.starts_with("2[\"e\",[[["), "{deepest}");
    assert!(Packet::parse(&deepest, 0).is_ok());
    for n in [limit + 1, 1_000_000] {
        let found = read(&nested(n));
        assert!(found.contains("nested deeper than 512 levels"), "{found}");
    }
    // Where nobody looks, any depth is skipped.
    let mut message = b"\x84\xa4type\x02\xa3nsp\xa1/\xa1x".to_vec();
    message.extend([0x91; 100_000]);
    message.extend_from_slice(b"\xc0\xa4data\x91\xa1e");
    assert_eq!(read(&message), "2[\"e\"]");
    // What is written is as deep as the application makes it.
    let deep = format!("2[\"e\",{}1{}]", "[".repeat(limit), "]".repeat(limit));
    assert_eq!(read(&written(&deep, &[])), deep);
}

#[test]
fn the_limit_counts_what_becomes_of_a_packet() {
    let message = event(&[&b"\xdc\x01\x00"[..], &[0xc0; 256]].concat());
    let text = read(&message);
    let mut decoded = Decoded::new();
    let exact = decode(&message, text.len(), 0, &mut decoded);
    assert_eq!(exact, Ok(Unpacked::Packet));
    for limit in [0, 10, 100, text.len() - 1] {
        match decode(&message, limit, 0, &mut decoded) {
            Ok(Unpacked::TooLarge(bytes)) => assert!(bytes > limit as u64),
            other => panic!("{limit}: {other:?}"),
        }
    }
    let three = event(b"\x93\xc4\x00\xc4\x00\xc4\x00");
    assert_eq!(
        decode(&three, 1 << 10, 2, &mut decoded),
        Err(PacketError::TooManyAttachments { limit: 2 })
    );
}

#[test]
fn what_was_packed_can_be_looked_at() {
    let mut packed = Packed::new();
    packed
        .set_data(
            "[\"na\\nme\",{\"_placeholder\":true,\"num\":0}]",
            &[b"\x01"],
        )
        .unwrap();
    assert_eq!(event_name(packed.data()), Some("na\nme"));
    let mut shown = Decoded::new();
    shown.show(packed.data());
    assert_eq!(
        shown.text(),
        "[\"na\\nme\",{\"_placeholder\":true,\"num\":0}]"
    );
    assert_eq!(shown.attachments().get(0), Some(&b"\x01"[..]));
    for bad in ["[", "[1", "]", "x", "[1] 2", "{\"a\":1", "\"", "[1,x]"] {
        assert_eq!(packed.set_data(bad, &[]), None, "{bad}");
    }
    assert_eq!(packed.set_data("  ", &[]), Some(()));
    assert!(packed.data().is_empty());
}
