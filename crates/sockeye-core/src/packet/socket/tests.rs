extern crate std;
use super::*;
use std::string::String;
use std::vec;

fn ok(text: &str) -> Packet<'_> {
    Packet::parse(text, 10).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn reads_every_kind() {
    let p = ok(r#"2["foo"]"#);
    assert_eq!(
        (p.kind, p.nsp, p.id, p.data),
        (Kind::Event, "/", None, r#"["foo"]"#)
    );
    let p = ok(r#"2/admin,456["project:delete",123]"#);
    assert_eq!((p.nsp, p.id), ("/admin", Some(456)));
    let p = ok(r#"52-/admin,012["a",{"_placeholder":true,"num":1}]"#);
    assert_eq!(
        (p.kind, p.attachments, p.id),
        (Kind::BinaryEvent, 2, Some(12))
    );
    assert_eq!(ok(r#"30[]"#).id, Some(0));
    assert_eq!(ok(r#"61-7[{"_placeholder":true,"num":0}]"#).attachments, 1);
    assert_eq!(ok(r#"0{"sid":"x"}"#).kind, Kind::Connect);
    assert_eq!(ok("0/custom").nsp, "/custom");
    assert_eq!(ok("1/x").kind, Kind::Disconnect);
    assert_eq!(ok("41".trim_start_matches('4')).kind, Kind::Disconnect);
    assert_eq!(ok(r#"4{"message":"no"}"#).kind, Kind::ConnectError);
    assert_eq!(ok(r#"4"no""#).kind, Kind::ConnectError);
    assert_eq!(ok(r#"2/a?b=1,["x"]"#).nsp, "/a?b=1");
    assert_eq!(ok(r#"50-["x"]"#).attachments, 0);
    assert_eq!(ok("2").data, "");
    assert_eq!(ok("37").data, "");
    assert_eq!(ok(r#"3["no id"]"#).id, None);
    assert_eq!(ok("3").id, None);
    assert_eq!(ok(r#"2[1,"x"]"#).data, r#"[1,"x"]"#);
    assert_eq!(ok(r#"3999999999999["x"]"#).id, Some(999_999_999_999));
}

#[test]
fn refuses_what_the_official_parser_refuses() {
    use std::string::ToString as _;
    const EARLY: &str = "the payload is not valid JSON: the JSON text ends too early";
    const ODD: &str = "the payload is not valid JSON: unexpected character in JSON";
    const FIT: &str = "the payload does not fit the packet type: expected";
    for (text, at, message) in [
        ("", Some(0), "unknown packet type"),
        ("7", Some(0), "unknown packet type"),
        ("a", Some(0), "unknown packet type"),
        (
            r#"2{"a":1}"#,
            Some(1),
            &*std::format!("{FIT} an array (at byte 1)"),
        ),
        (r#"2["a",]"#, Some(6), &*std::format!("{ODD} (at byte 6)")),
        (
            r#"2/n,1[oops]"#,
            Some(6),
            &*std::format!("{ODD} (at byte 6)"),
        ),
        (r#"2["a""#, Some(5), &*std::format!("{EARLY} (at byte 5)")),
        (
            r#"2["a"]x"#,
            Some(6),
            "the payload is not valid JSON: text after the end of the JSON value (at byte 6)",
        ),
        (
            "2[]",
            Some(1),
            &*std::format!("{FIT} an array that begins with the event's name (at byte 1)"),
        ),
        (
            "2[null]",
            Some(2),
            &*std::format!("{FIT} an array that begins with the event's name (at byte 2)"),
        ),
        (
            "2[{}]",
            Some(2),
            &*std::format!("{FIT} an array that begins with the event's name (at byte 2)"),
        ),
        (r#"2["connect"]"#, None, "the event name is reserved"),
        (
            r#"2["disconn\u0065ct"]"#,
            None,
            "the event name is reserved",
        ),
        (
            r#"31{"a":1}"#,
            Some(2),
            &*std::format!("{FIT} an array (at byte 2)"),
        ),
        (
            "0[]",
            Some(1),
            &*std::format!("{FIT} an object (at byte 1)"),
        ),
        (
            r#"1{"a":1}"#,
            Some(1),
            &*std::format!("{FIT} nothing (at byte 1)"),
        ),
        ("4", Some(1), &*std::format!("{EARLY} (at byte 1)")),
        ("41", Some(2), &*std::format!("{EARLY} (at byte 2)")),
        (
            "4[1]",
            Some(1),
            &*std::format!("{FIT} an object or a string (at byte 1)"),
        ),
        (
            r#"5["x"]"#,
            Some(1),
            "the number of attachments is missing or malformed",
        ),
        (
            r#"5-["x"]"#,
            Some(1),
            "the number of attachments is missing or malformed",
        ),
        (
            r#"51["x"]"#,
            Some(1),
            "the number of attachments is missing or malformed",
        ),
        (
            r#"511-["x"]"#,
            Some(1),
            "more attachments than the limit of 10",
        ),
        (
            r#"54294967296-["x"]"#,
            Some(1),
            "more attachments than the limit of 10",
        ),
        (
            r#"599999999999999999999-["x"]"#,
            Some(1),
            "more attachments than the limit of 10",
        ),
        (
            r#"2/n,99999999999999999999["x"]"#,
            Some(4),
            "ack id is no number or too large (at byte 4)",
        ),
    ] {
        let error = Packet::parse(text, 10).expect_err(text);
        assert_eq!((error.at(), &*error.to_string()), (at, message), "{text}");
    }
}

#[test]
fn deep_nesting_is_not_called_invalid() {
    let limit = json::MAX_DEPTH;
    let deep = |levels: u32| {
        let levels = levels as usize;
        std::format!(r#"2["e",{}{}]"#, "[".repeat(levels), "]".repeat(levels))
    };
    assert_eq!(ok(&deep(limit)).kind, Kind::Event);
    let at = 6 + limit;
    let error = Packet::parse(&deep(limit + 1), 10).unwrap_err();
    assert_eq!(error, PacketError::TooDeep { at, limit });
    assert_eq!(
        std::format!("{error}"),
        std::format!("the payload is nested deeper than {limit} levels (at byte {at})")
    );
}

#[test]
fn the_name_of_a_broken_event_can_be_told() {
    for (text, name) in [
        (r#"2["news",oops]"#, Some("news")),
        (r#"2/chat,17["news","#, Some("news")),
        (r#"2/chat,99999999999999999999[ "a\"b" x"#, Some(r#"a\"b"#)),
        (r#"599-["many",1]"#, Some("many")),
        (r#"5["no count",1]"#, Some("no count")),
        (r#"2[12,"#, Some("12")),
        (r#"2["cut off"#, None),
        ("2[oops]", None),
        ("2", None),
        ("", None),
        (r#"2/chat["x"]"#, None),
        (r#"31["x"]"#, None),
        (r#"4{"message":"x"}"#, None),
    ] {
        assert_eq!(
            event_name_of(text).map(|span| span.of(text)),
            name,
            "{text}"
        );
    }
    // Wherever a packet is sound, it is the name of the parser.
    for text in [
        r#"2["a",1]"#,
        r#"51-/n,3["b",{"_placeholder":true,"num":0}]"#,
        r#"2[7]"#,
    ] {
        assert_eq!(
            event_name_of(text),
            Some(parse(text.as_bytes(), 10).unwrap().name)
        );
    }
}

#[test]
fn finds_name_arguments_and_offset() {
    let text = r#"2/n,["e\"v",{"a":[1,2]},"off-1"]"#;
    let p = parse(text.as_bytes(), 10).unwrap();
    assert_eq!(p.name.of(text), r#"e\"v"#);
    assert_eq!(&text[p.comma as usize..], r#",{"a":[1,2]},"off-1"]"#);
    assert_eq!(p.last_text.of(text), "off-1");
    // Whatever its length and its escapes: it is for others to say what they can keep.
    let long = std::format!(r#"2["e",1,"{}\u003d\/"]"#, "x".repeat(300));
    let p = parse(long.as_bytes(), 10).unwrap();
    assert_eq!(p.last_text.of(&long), &long[9..long.len() - 2]);
    let p = parse(br#"2["only name"]"#, 10).unwrap();
    assert_eq!((p.comma, p.last_text.is_empty()), (0, true));
}

#[test]
fn every_prefix_is_refused_or_sound() {
    let text = r#"52-/admin,456["a",{"_placeholder":true,"num":1},"\u00e9é"]"#;
    for n in 0..text.len() {
        if let Some(prefix) = text.get(..n) {
            let _ = Packet::parse(prefix, 10);
        }
    }
}

#[test]
fn prefix_round_trips() {
    for (kind, attachments, nsp, id, want) in [
        (Kind::Event, 0, "/", None, "42"),
        (Kind::Event, 0, "/", Some(0), "420"),
        (Kind::BinaryEvent, 10, "/a", Some(12), "4510-/a,12"),
        (
            Kind::Ack,
            0,
            "/a",
            Some(u64::MAX),
            "43/a,18446744073709551615",
        ),
        (Kind::Disconnect, 0, "/a", None, "41/a,"),
    ] {
        let prefix = Prefix {
            kind,
            attachments,
            nsp,
            id,
        };
        let mut out = vec![0; prefix.len()];
        prefix.write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), want, "{prefix:?}");
    }
}

#[test]
fn reserved_names_are_known_in_any_spelling() {
    let reserved = |raw: &str| is_reserved(&Text::from_raw(raw));
    for name in RESERVED {
        assert!(reserved(name) && is_reserved_plain(name), "{name}");
        for (at, letter) in name.char_indices() {
            let (before, after) = (&name[..at], &name[at + 1..]);
            let escaped = std::format!("{before}\\u{:04x}{after}", letter as u32);
            assert!(reserved(&escaped), "{escaped}");
            assert!(!is_reserved_plain(&escaped), "{escaped}");
            let other = std::format!("{before}_{}{after}", if at == 0 { "" } else { "x" });
            assert!(!reserved(&other) && !is_reserved_plain(&other), "{other}");
            assert!(!reserved(before) || RESERVED.contains(&before));
        }
    }
    for other in [
        "",
        "reading",
        "con",
        "n",
        "\\",
        "connected",
        "dis\\nconnect",
    ] {
        assert!(!reserved(other) && !is_reserved_plain(other), "{other}");
    }
}
