//! A parser of the application's own, on both sides.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use sockeye::parser::{Decoded, Kind as Type, Packet, PacketError, PacketParser, WireMessage};
use sockeye::{Args, Notice, UnsentCause};

use crate::client::{WAYS, connect, connect_by, upgraded};
use crate::link::Link;
use crate::server::{Kind, Server};
use crate::wait::{Seen, eventually, within};

/// Each packet is one text, the JSON of an object, as `JSON.stringify` makes it of the official client's packets. No binary.
#[derive(Debug)]
pub(crate) struct JsonObjects;

pub(crate) static JSON_OBJECTS: JsonObjects = JsonObjects;

#[derive(Serialize, Deserialize)]
struct Object<'a> {
    #[serde(rename = "type")]
    kind: u8,
    nsp: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

impl PacketParser for JsonObjects {
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
            return Err("this parser carries no binary data");
        }
        let data = Some(packet.data).filter(|data| !data.is_empty());
        let data = data.map(serde_json::from_str).transpose();
        let object = Object {
            kind: packet.kind.digit() - b'0',
            nsp: packet.nsp.into(),
            id: packet.id,
            data: data.map_err(|_| "the arguments are not valid JSON")?,
        };
        serde_json::to_writer(out, &object).map_err(|_| "it cannot be written as JSON")
    }

    fn decode(&self, message: WireMessage<'_>, out: &mut Decoded) -> Result<(), PacketError> {
        let bad = |reason| PacketError::Parser { reason };
        let WireMessage::Text(text) = message else {
            return Err(bad("it is binary"));
        };
        let object: Object<'_> = serde_json::from_str(text).map_err(|_| bad("it is no packet"))?;
        let kind = Type::of_digit(&object.kind.to_string());
        let packet = Packet {
            kind: kind.ok_or(bad("there is no such type"))?,
            nsp: &object.nsp,
            id: object.id,
            attachments: 0,
            data: object.data.map_or("", RawValue::get),
        };
        out.set(&packet, &[]);
        Ok(())
    }
}

scenario!(with_the_official_server on node_4_8_own Node48Own);
async fn with_the_official_server(kind: Kind) {
    let mut server = Server::start(kind).await;
    for way in WAYS {
        let socket = connect_by(&server.url("/chat"), way).await;
        let args = json!([1, "é\"\n", {"deep": [null, 1.5]}]);
        let echoed = Seen::new();
        let seen = echoed.clone();
        socket.on("echo", move |args: Args| {
            seen.push(Value::from(args.values()));
        });
        socket
            .emit("echo", args.as_array().unwrap().as_slice())
            .unwrap();
        assert_eq!(echoed.first().await, args, "{way:?}");
        let (n,): (u32,) = within("an answer", socket.emit_with_ack("ack", (7,)))
            .await
            .unwrap();
        assert_eq!(n, 7);
        let answered = Seen::new();
        let seen = answered.clone();
        socket.on("answered", move |(n,): (u32,)| seen.push(n));
        socket.on("question", |(n,): (u32,)| (n + 1,));
        socket.emit("ask", (1,)).unwrap();
        assert_eq!(answered.first().await, 2);
        // What it cannot write is told.
        let binary = sockeye::Bin::from(vec![1]);
        let asked = socket.emit_with_ack::<_, ()>("ack", (binary.clone(),));
        let refused = within("an error", asked).await.unwrap_err();
        assert!(refused.to_string().contains("no binary data"), "{refused}");
        let mut notices = socket.notices();
        socket.emit("echo", (binary,)).unwrap();
        let unsent = async {
            loop {
                if let Notice::Unsent { event, cause, .. } = notices.next().await.expect("a notice")
                {
                    return (event, cause);
                }
            }
        };
        let unsent = within("the notice", unsent).await;
        assert_eq!(unsent, ("echo".into(), UnsentCause::Unwritable));
        let error = within("a refusal", socket.namespace("/admin").connect()).await;
        assert_eq!(error.expect_err("refused").message(), "not authorized");
        socket.disconnect();
        server.has_sockets("/chat", 0).await;
    }
}

scenario!(over_a_reconnection on node_4_8_own Node48Own);
async fn over_a_reconnection(kind: Kind) {
    let server = Server::start(kind).await;
    let link = Link::to(server.port).await;
    let socket = connect(&link.url("/")).await;
    upgraded(&socket).await;
    link.break_down();
    eventually("the loss", || !socket.connected()).await;
    for n in 0..10 {
        socket.emit("count", (n,)).unwrap();
    }
    link.lead_to(server.port);
    let (counted,): (Vec<u32>,) = within("counted", socket.emit_with_ack("counted", ()))
        .await
        .unwrap();
    assert_eq!(counted, (0..10).collect::<Vec<_>>());
}
