//! A parser of the application's own, which writes text. (The scenarios of `msgpack` and most others run with one that is binary: see `both`.)

use std::time::Duration;

use sockeye_core::packet::{BinRef, Decoded, Kind, Packet, PacketError, PacketParser, WireMessage};
use sockeye_core::{
    Config, EmitError, EmitOptions, Link, Memory, NamespaceId, NspOptions, Parser, Transports,
};
use sockeye_testkit::{Frame, Rig, config, frame};

/// `type;number;namespace;data`, with so many spaces behind packets with a number from `from` on. No binary, no events of two arguments.
#[derive(Debug)]
struct Semicolons {
    spaces: usize,
    from: u64,
}

static SEMICOLONS: Semicolons = Semicolons { spaces: 0, from: 0 };
static WIDE: Semicolons = Semicolons {
    spaces: 100,
    from: 0,
};
static WIDENING: Semicolons = Semicolons {
    spaces: 100,
    from: 2,
};

impl PacketParser for Semicolons {
    fn is_binary(&self) -> bool {
        false
    }

    fn encode(
        &self,
        packet: &Packet<'_>,
        attachments: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        if !attachments.is_empty() {
            return Err("semicolons carry no binary data");
        }
        let id = packet.id.map_or(String::new(), |id| id.to_string());
        let kind = char::from(packet.kind.digit());
        let text = format!("{kind};{id};{};{}", packet.nsp, packet.data);
        out.extend_from_slice(text.as_bytes());
        if packet.id.is_some_and(|id| id >= self.from) {
            out.resize(out.len() + self.spaces, b' ');
        }
        Ok(())
    }

    fn decode(&self, message: WireMessage<'_>, out: &mut Decoded) -> Result<(), PacketError> {
        let bad = |reason| PacketError::Parser { reason };
        let WireMessage::Text(text) = message else {
            return Err(bad("semicolons are text"));
        };
        if text == "-" {
            return Ok(());
        }
        let mut parts = text.trim_end().splitn(4, ';');
        let mut next = || parts.next().ok_or(bad("a part is missing"));
        let kind = Kind::of_digit(next()?).ok_or(bad("there is no such type"))?;
        let id = Some(next()?).filter(|id| !id.is_empty());
        let id = id.map(str::parse).transpose();
        let packet = Packet {
            kind,
            id: id.map_err(|_| bad("the number is none"))?,
            nsp: next()?,
            attachments: 0,
            data: next()?,
        };
        out.set(&packet, &[]);
        Ok(())
    }
}

fn with(parser: &'static Semicolons, transports: Transports) -> Config<'static> {
    let mut config = config(transports);
    config.parser = Parser::Custom(parser);
    config
}

/// A client over a WebSocket whose bytes are kept, joined.
fn joined(parser: &'static Semicolons) -> (Rig<'static>, NamespaceId) {
    let config = with(parser, Transports::WEBSOCKET);
    let memory = Memory::growable(&config.limits);
    let mut rig = Rig::new(config, memory);
    rig.keep_raw = true;
    let nsp = rig.connect("/");
    rig.opened_ws();
    rig.feed(Link::WebSocket, &frame(0x81, br#"40;;/;{"sid":"S1"}"#));
    assert_eq!(
        rig.take_events(),
        "opened websocket E1\nconnected / id=S1\n"
    );
    (rig, nsp)
}

/// The messages of the client.
fn sent(rig: &Rig<'_>) -> Vec<String> {
    let raw = &rig.raw[Link::WebSocket.index()];
    let head = raw
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .expect("a head")
        + 4;
    let (mut rest, mut sent) = (&raw[head..], Vec::new());
    while let Some((frame, len)) = Frame::parse(rest) {
        assert_eq!(frame.first, 0x81, "text");
        sent.push(String::from_utf8(frame.payload).expect("UTF-8"));
        rest = &rest[len..];
    }
    sent
}

#[test]
fn both_ways() {
    let (mut rig, nsp) = joined(&SEMICOLONS);
    rig.emit(nsp, "e", &(1, "é;"), EmitOptions::ACK).unwrap();
    rig.feed(Link::WebSocket, &frame(0x81, br#"43;0;/;["yes"]"#));
    rig.feed(Link::WebSocket, &frame(0x81, br#"42;7;/;["q",";"]"#));
    // Passed over.
    rig.feed(Link::WebSocket, &frame(0x81, b"4-"));
    assert_eq!(
        rig.take_events(),
        "ack #1 [\"yes\"]\nmessage / q [\";\"] ack 7\n"
    );
    rig.answer(&("a",)).unwrap();
    assert_eq!(
        sent(&rig),
        ["40;;/;", "42;0;/;[\"e\",1,\"é;\"]", "43;7;/;[\"a\"]"]
    );
}

#[test]
fn in_a_post_it_is_text_as_well() {
    let config = with(&SEMICOLONS, Transports::POLLING);
    let memory = Memory::growable(&config.limits);
    let mut rig = Rig::new(config, memory);
    rig.connect("/chat");
    rig.opened_polling("[]");
    let request = rig.request(Link::Post).expect("a POST");
    assert_eq!(request.text(), "40;;/chat;");
}

#[test]
fn what_it_cannot_write_is_refused_with_its_words() {
    let (mut rig, nsp) = joined(&SEMICOLONS);
    let refused = rig.emit(nsp, "e", &(BinRef(&[1]),), EmitOptions::ACK);
    let Err(error @ EmitError::Encode(_)) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        error
            .to_string()
            .contains("semicolons carry no binary data"),
        "{error}"
    );
    let left = (rig.client.send_queue_len(), rig.client.pending_acks());
    assert_eq!(left, (0, 0));
}

#[test]
fn what_it_cannot_read_ends_the_connection_with_its_words() {
    for (message, why) in [
        (frame(0x81, b"42;;/"), "a part is missing"),
        (frame(0x82, b"42"), "semicolons are text"),
        // What it gives out is checked as any packet.
        (frame(0x81, b"42;;/;[1"), "ends too early"),
        (
            frame(0x81, br#"42;;/;["e",{"_placeholder":true,"num":0}]"#),
            "",
        ),
    ] {
        let (mut rig, _) = joined(&SEMICOLONS);
        rig.feed(Link::WebSocket, &message);
        let events = rig.take_events();
        if why.is_empty() {
            assert!(events.starts_with("message / e"), "{events}");
        } else {
            assert!(
                events.contains("parse error") && events.contains(why),
                "{events}"
            );
        }
    }
}

/// Tries every 10 ms, without an end.
fn trying() -> NspOptions {
    let mut options = NspOptions::default();
    options.retries = Some(20);
    options.ack_timeout = Some(Duration::from_millis(10));
    options
}

#[test]
fn tries_have_numbers_of_their_own() {
    let (mut rig, nsp) = joined(&SEMICOLONS);
    rig.client.set_options(nsp, trying());
    rig.emit(nsp, "r", &(), EmitOptions::ACK).unwrap();
    rig.pass(150);
    let sent = sent(&rig);
    assert_eq!(sent[12], r#"42;11;/;["r"]"#);
    // The number of the try that is under way.
    let answer = format!("43;{};/;[2]", sent.len() - 2);
    rig.feed(Link::WebSocket, &frame(0x81, answer.as_bytes()));
    assert_eq!(rig.take_events(), "ack #1 [2]\n");
    assert_eq!(rig.client.send_queue_len(), 0);
}

/// A parser that breaks its promise: under the old number nothing could answer the packet, so that it is given up and told.
#[test]
fn what_finds_no_room_for_its_number_is_given_up_and_told() {
    let (mut rig, nsp) = joined(&WIDE);
    rig.client.set_options(nsp, trying());
    for (name, options) in [
        ("asked", EmitOptions::ACK),
        ("unasked", EmitOptions::default()),
        ("again", EmitOptions::ACK),
    ] {
        rig.emit(nsp, name, &(), options).unwrap();
    }
    rig.pass(150);
    assert_eq!(
        rig.take_events(),
        "ack #1 dropped\nunsent / unasked of 17 bytes: Unwritable\nack #3 dropped\n"
    );
    assert_eq!(sent(&rig), ["40;;/;"]);
    let left = (rig.client.send_queue_len(), rig.client.pending_acks());
    assert_eq!(left, (0, 0));
    // Whatever the parser can write goes its way.
    rig.client.set_options(nsp, NspOptions::default());
    rig.emit(nsp, "plain", &(), EmitOptions::default()).unwrap();
    assert_eq!(sent(&rig)[1], r#"42;;/;["plain"]"#);
}

/// The first tries go out, and a later number is one too many.
#[test]
fn a_later_try_may_be_the_one_that_does_not_fit() {
    let (mut rig, nsp) = joined(&WIDENING);
    rig.client.set_options(nsp, trying());
    rig.emit(nsp, "r", &(), EmitOptions::ACK).unwrap();
    rig.emit(nsp, "behind", &(), EmitOptions::ACK).unwrap();
    rig.pass(35);
    assert_eq!(rig.take_events(), "ack #1 dropped sent\nack #2 dropped\n");
    let (joined, first) = ("40;;/;".to_owned(), r#"42;0;/;["r"]"#.to_owned());
    assert_eq!(sent(&rig), [joined, first, r#"42;1;/;["r"]"#.to_owned()]);
    assert_eq!(rig.client.send_queue_len(), 0);
}
