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
    assert_eq!(ok(r#"2[1,"x"]"#).data, r#"[1,"x"]"#);
    assert_eq!(ok(r#"3999999999999["x"]"#).id, Some(999_999_999_999));
}

#[test]
fn refuses_what_the_official_parser_refuses() {
    for (text, error) in [
        ("", PacketError::Type),
        ("7", PacketError::Type),
        ("a", PacketError::Type),
        (r#"2{"a":1}"#, PacketError::Json),
        (r#"2["a",]"#, PacketError::Json),
        (r#"2[oops]"#, PacketError::Json),
        (r#"2["a""#, PacketError::Json),
        (r#"2["a"]x"#, PacketError::Json),
        ("2[]", PacketError::Payload),
        ("2[null]", PacketError::Payload),
        ("2[{}]", PacketError::Payload),
        (r#"2["connect"]"#, PacketError::Reserved),
        (r#"2["disconn\u0065ct"]"#, PacketError::Reserved),
        (r#"3["no id"]"#, PacketError::Id),
        (r#"31{"a":1}"#, PacketError::Payload),
        ("0[]", PacketError::Payload),
        (r#"1{"a":1}"#, PacketError::Payload),
        ("4", PacketError::Json),
        ("41", PacketError::Json),
        ("4[1]", PacketError::Payload),
        (r#"5["x"]"#, PacketError::Attachments),
        (r#"5-["x"]"#, PacketError::Attachments),
        (r#"51["x"]"#, PacketError::Attachments),
        (r#"511-["x"]"#, PacketError::Attachments),
        (r#"54294967296-["x"]"#, PacketError::Attachments),
        (r#"299999999999999999999["x"]"#, PacketError::Id),
    ] {
        assert_eq!(Packet::parse(text, 10), Err(error), "{text}");
    }
}

#[test]
fn finds_name_arguments_and_offset() {
    let text = r#"2/n,["e\"v",{"a":[1,2]},"off-1"]"#;
    let p = parse(text, 10).unwrap();
    assert_eq!(p.name.of(text), r#"e\"v"#);
    assert_eq!(&text[p.comma as usize..], r#",{"a":[1,2]},"off-1"]"#);
    assert_eq!(p.last_text.of(text), "off-1");
    let p = parse(r#"2["only name"]"#, 10).unwrap();
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
