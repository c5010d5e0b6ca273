extern crate std;
use std::{format, string::String, vec::Vec};

use super::*;

const VALID: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "10",
    "123456789012345678901234567890",
    "0.5",
    "-0.25",
    "1e5",
    "1E+5",
    "1e-5",
    "1.5e10",
    "0e0",
    "true",
    "false",
    "null",
    r#""""#,
    r#""abc""#,
    r#""a\"b""#,
    r#""\\""#,
    r#""\/\b\f\n\r\t""#,
    r#""\u0041\uD83d\udE00""#,
    r#""\ud800""#,
    "\"é😀\u{7f}\"",
    "[]",
    "[ ]",
    "[1]",
    "[1,2]",
    " [ 1 , 2 ] ",
    "[[],[[]]]",
    "{}",
    "{ }",
    r#"{"a":1}"#,
    r#" { "a" : [ { "b" : null } ] , "c" : "d" } "#,
    "[{}]",
    r#"{"":{}}"#,
    "\t\r\n 1 \t\r\n",
    r#"["0123456789abcdef\"0123456789abcdef"]"#,
];

const INVALID: &[&str] = &[
    "",
    " ",
    "-",
    "+1",
    "01",
    "-01",
    "00",
    "1.",
    ".5",
    "1.e5",
    "1e",
    "1e+",
    "1E-",
    "0x1",
    "1a",
    "--1",
    "Infinity",
    "NaN",
    "tru",
    "truE",
    "True",
    "nul",
    "falsee",
    "undefined",
    "'a'",
    "\"",
    "\"a",
    r#""\"#,
    r#""\""#,
    r#""\x""#,
    r#""\u12""#,
    r#""\u123g""#,
    r#""\u"#,
    "\"\u{0}\"",
    "\"\n\"",
    "\"\u{1f}\"",
    "\"0123456789\t\"",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "[1]]",
    "[[1]",
    "1,2",
    "1 2",
    "[] []",
    "{",
    "}",
    "{]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{\"a\":1",
    "{,}",
    "{a:1}",
    "{1:1}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1]",
    "[\"a\":1]",
    "[:]",
    ":",
    ",",
    "\u{feff}1",
    "\u{a0}1",
    "\u{b}1",
    "/**/1",
    "\u{0}",
];

/// What a scan says of a text where it does not look, or has seen more than ASCII.
const WIDE: bool = cfg!(feature = "alloc");

#[test]
fn what_is_not_ascii_is_seen_wherever_it_stands() {
    let array = |text: &str| scan_array(text.as_bytes()).map(|scan| scan.wide);
    assert_eq!(array(r#"["led",{"a":[1,"b\u00e9\n"]}, null ]"#), Ok(WIDE));
    for text in [
        r#"["é"]"#,
        r#"["a",{"aé":1}]"#,
        r#"["a",[["\né\n"]]]"#,
        "[\"\u{10ffff}\"]",
    ] {
        assert_eq!(array(text), Ok(true), "{text}");
    }
    // Bytes that are no text are seen as well, and stand in strings alone.
    assert!(scan_array(b"[\"a\xffb\"]").is_ok_and(|scan| scan.wide));
    assert!(scan_array(b"[\xc3]").is_err() && scan_array(b"[1]\xff").is_err());
}

#[test]
fn accepts_what_is_json() {
    for text in VALID {
        assert!(
            check_value(text.as_bytes()).is_ok(),
            "{text}: {:?}",
            check_value(text.as_bytes())
        );
        let array = format!("[{text}, {text}]");
        assert_eq!(
            scan_array(array.as_bytes()).map(|scan| scan.count),
            Ok(2),
            "{array}"
        );
    }
}

#[test]
fn refuses_what_is_not() {
    for text in INVALID {
        let error = check_value(text.as_bytes()).expect_err(text);
        assert!(error.offset() as usize <= text.len(), "{text}: {error}");
        assert!(scan_array(format!("[{text}1").as_bytes()).is_err());
    }
}

#[test]
fn no_prefix_of_a_delimited_value_is_a_value() {
    let text = r#"[{"a":[1.5e-3,true,"\u0041\"",{"b":null,"c":{}}],"é":"😀"},-0,[[]],""]"#;
    assert!(scan_array(text.as_bytes()).is_ok());
    for cut in 0..text.len() {
        let front = &text.as_bytes()[..cut];
        assert!(check_value(front).is_err(), "{cut}");
        assert!(
            matches!(scan_array(front), Err(JsonError::End { at }) if at as usize == cut),
            "{cut}: {:?}",
            scan_array(front)
        );
    }
}

#[test]
fn says_what_is_wrong_and_where() {
    let error = |text: &str| format!("{}", check_value(text.as_bytes()).unwrap_err());
    assert_eq!(error("[1,2"), "the JSON text ends too early (at byte 4)");
    assert_eq!(error("[1,x]"), "unexpected character in JSON (at byte 3)");
    assert_eq!(
        error(r#"["\q"]"#),
        "bad escape or control character in a JSON string (at byte 3)"
    );
    assert_eq!(error("[1.]"), "bad JSON number (at byte 3)");
    assert_eq!(
        error("[] 1"),
        "text after the end of the JSON value (at byte 3)"
    );
    assert_eq!(scan_array(b" {}"), Err(JsonError::NotArray { at: 1 }));
    assert_eq!(scan_array(b" "), Err(JsonError::End { at: 1 }));
}

#[test]
fn depth_is_bounded() {
    let nest = |open: &str, close: &str, n: usize| {
        [
            open.repeat(n),
            "1".repeat(usize::from(open != "[")),
            close.repeat(n),
        ]
        .concat()
    };
    let max = MAX_DEPTH as usize;
    assert_eq!(check_value(nest("[", "]", max).as_bytes()), Ok(Kind::Array));
    assert_eq!(
        check_value(nest("[", "]", max + 1).as_bytes()),
        Err(JsonError::TooDeep { at: MAX_DEPTH })
    );
    assert_eq!(
        check_value(nest("{\"a\":", "}", max).as_bytes()),
        Ok(Kind::Object)
    );
    assert!(matches!(
        check_value(nest("{\"a\":", "}", max + 1).as_bytes()),
        Err(JsonError::TooDeep { .. })
    ));
    assert!(check_value("[".repeat(100_000).as_bytes()).is_err());
    // The levels of both kinds are told apart all the way down.
    let mixed =
        |close: [&str; 2]| [r#"{"a":["#.repeat(max / 2), close.concat().repeat(max / 2)].concat();
    assert_eq!(check_value(mixed(["]", "}"]).as_bytes()), Ok(Kind::Object));
    assert!(check_value(mixed(["}", "]"]).as_bytes()).is_err());
}

#[test]
fn tells_kinds_apart() {
    let kinds = [
        ("{}", Kind::Object),
        (" []", Kind::Array),
        ("\"\"", Kind::String),
        ("-1", Kind::Number),
        ("true", Kind::Bool),
        ("false", Kind::Bool),
        ("null ", Kind::Null),
    ];
    for (text, kind) in kinds {
        assert_eq!(check_value(text.as_bytes()), Ok(kind));
    }
}

#[test]
fn an_array_scan_gives_the_places() {
    let text = r#" [ "event" , {"a":[1]} ,null ] "#;
    let scan = scan_array(text.as_bytes()).unwrap();
    let part = |range: &Range<u32>| &text[range.start as usize..range.end as usize];
    assert_eq!(part(&scan.first), "\"event\"");
    assert_eq!(scan.rest.map(|at| text.as_bytes()[at as usize]), Some(b','));
    assert_eq!(scan.rest, Some(11));
    assert_eq!(part(&scan.last), "null");
    assert_eq!((scan.count, &text[scan.end - 1..]), (3, "] "));

    let one = scan_array(b"[7]").unwrap();
    assert_eq!(
        one,
        ArrayScan {
            first: 1..2,
            rest: None,
            last: 1..2,
            count: 1,
            end: 3,
            wide: WIDE,
        }
    );
    let none = scan_array(b"[ ]").unwrap();
    assert_eq!(
        none,
        ArrayScan {
            first: 0..0,
            rest: None,
            last: 0..0,
            count: 0,
            end: 3,
            wide: false,
        }
    );
}

#[test]
fn find_special_stops_at_every_odd_byte_and_no_other() {
    for lead in 0..20 {
        for odd in 0..=255u8 {
            let mut bytes = [b'a'; 40];
            // Neighbours that borrow or overflow in the word trick.
            bytes[lead + 1] = 0x80;
            bytes[lead + 2] = 0xff;
            bytes[lead] = odd;
            let special = odd == b'"' || odd == b'\\' || odd < 0x20;
            for end in lead + 1..40 {
                assert_eq!(is_plain(&bytes[..end]), !special);
                assert_eq!(is_plain(&bytes[lead..end]), !special);
            }
            assert!(is_plain(&bytes[..lead]));
            assert_eq!(
                find_special(&bytes, 0),
                if special { lead } else { 40 },
                "{lead} {odd}"
            );
        }
    }
}

#[test]
fn fields_of_objects() {
    let object = r#" { "sid" : "abc" , "n":[1,{"sid":2}], "pingInterval":25000,"\u0061\"b":true, "n": -1 } "#;
    assert_eq!(field(object, "sid"), Some("\"abc\""));
    assert_eq!(field(object, "n"), Some("-1"), "the last one wins");
    assert_eq!(field(object, "pingInterval").and_then(as_u64), Some(25000));
    assert_eq!(field(object, "a\"b"), Some("true"));
    assert_eq!(field(object, "x"), None);
    for other in [
        "",
        "[]",
        "1",
        "{",
        "{\"a",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":tru",
        "{a",
        "{}",
    ] {
        assert_eq!(field(other, "a"), None, "{other}");
    }
    assert_eq!(
        as_str("\"a\\n\"").map(|text| text.chars().collect::<String>()),
        Some("a\n".into())
    );
    for other in ["", "\"", "a", "1"] {
        assert!(as_str(other).is_none());
    }
    for (raw, value) in [
        ("0", Some(0)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("-1", None),
        ("1.0", None),
        ("", None),
    ] {
        assert_eq!(as_u64(raw), value);
    }
    assert_eq!(
        array_items(r#" [ "websocket" ,[1,2], {} ] "#).collect::<Vec<_>>(),
        ["\"websocket\"", "[1,2]", "{}"]
    );
    for other in ["", "{}", "1", "[", "[]"] {
        assert_eq!(array_items(other).count(), 0, "{other}");
    }
}

#[test]
fn placeholders_are_checked_at_every_depth() {
    let ok = |text: &str, n| {
        assert!(check_value(text.as_bytes()).is_ok(), "{text}");
        check_placeholders(text.as_bytes(), n)
    };
    assert!(ok(r#"["e",{"_placeholder":true,"num":0}]"#, 1));
    assert!(!ok(r#"["e",{"_placeholder":true,"num":0}]"#, 0));
    assert!(!ok(r#"["e",{"_placeholder":true,"num":1}]"#, 1));
    assert!(ok(
        r#"[{"num" : 1 , "_placeholder" : true},{"_placeholder":true,"x":{"num":9},"num":0}]"#,
        2
    ));
    assert!(ok(r#"[{"a":[{"b":{"_placeholder":true,"num":2}}]}]"#, 3));
    assert!(!ok(
        r#"[{"a":[{"b":{"_placeholder":true,"num":3}}],"num":0}]"#,
        3
    ));
    // The number of another level does not count, neither inside nor outside.
    assert!(!ok(r#"[{"_placeholder":true,"x":{"num":0}}]"#, 1));
    assert!(!ok(r#"[{"num":0,"x":{"_placeholder":true}}]"#, 1));
    assert!(!ok(r#"[{"_placeholder":true}]"#, 1));
    for num in [
        "-1",
        "\"0\"",
        "null",
        "0.5",
        "-0.5",
        "5.0",
        "1e-1",
        "1e400",
        "[0]",
        "18446744073709551616",
    ] {
        assert!(
            !ok(&format!(r#"[{{"_placeholder":true,"num":{num}}}]"#), 5),
            "{num}"
        );
    }
    // A number is one however it is written.
    for num in ["0.0", "-0", "-0.0", "1e0", "10e-1", "0.4E1", "4", "4.000"] {
        assert!(
            ok(&format!(r#"[{{"_placeholder":true,"num":{num}}}]"#), 5),
            "{num}"
        );
    }
    // As JavaScript: only true marks, the last of equal keys counts, keys may be escaped.
    assert!(ok(
        r#"[{"_placeholder":false,"num":9},{"_placeholder":1},{"num":7},"_placeholder","num"]"#,
        0
    ));
    assert!(!ok(r#"[{"_placeholder":true,"num":0,"num":9}]"#, 1));
    assert!(!ok(r#"[{"\u005fplaceholder":true,"num":9}]"#, 1));
    assert!(ok(r#"[{"_placeholder":true,"n\u0075m":0}]"#, 1));
    // However deep, each level has its own.
    for depth in [62, 63, 64, 65, 128, 500] {
        if depth + 2 > MAX_DEPTH as usize {
            continue;
        }
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        let text = |inner: &str, num: u32| {
            format!(r#"{{"num":{num},"a":{open}{inner}{close},"_placeholder":true}}"#)
        };
        assert!(ok(&text(r#"{"num":9}"#, 0), 1), "{depth}");
        assert!(!ok(&text(r#"{"num":0}"#, 9), 1), "{depth}");
        assert!(
            !ok(&text(r#"{"_placeholder":true,"num":9}"#, 0), 1),
            "{depth}"
        );
    }
}

#[test]
fn nothing_panics_on_any_front() {
    for text in VALID.iter().chain(INVALID) {
        for cut in 0..=text.len() {
            let front = &text.as_bytes()[..cut];
            for at in 0..=cut + 1 {
                let _ = skip_value(front, at);
            }
            check_placeholders(front, 1);
            if let Ok(front) = core::str::from_utf8(front) {
                field(front, "a");
                array_items(front).count();
            }
        }
    }
}

mod generated;

#[test]
fn marks_of_placeholders_are_found_as_byte_by_byte() {
    let slow = |text: &[u8]| text.iter().position(|b| matches!(b, b'_' | b'\\'));
    // Every byte alone at every place, and in front of a mark: what is like one hides none.
    for byte in 0..=255u8 {
        for at in 0..20 {
            let mut text = [b'a'; 21];
            text[at] = byte;
            for end in 0..=text.len() {
                assert_eq!(scan::find_mark(&text[..end]), slow(&text[..end]));
            }
            for mark in [b'_', b'\\'] {
                text[at + 1] = mark;
                assert_eq!(scan::find_mark(&text), slow(&text));
            }
        }
    }
    assert_eq!(scan::find_mark(&[b']'; 40]), None);
}
