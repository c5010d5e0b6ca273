//! Large messages: binary both ways, and what does not fit.

use core::cell::Cell;

use embassy_net::Stack;
use embassy_time::Instant;
use qemu_virt::{metric, println};
use sockeye_embedded::{AckId, BinRef, EmitOptions, Event, Socket, Storage};

use crate::stage::{
    LIMIT, Noop, Text, check, client, config, connector, expect, fail, host, play, report, until,
};

const LARGE: usize = 64 * 1024;

/// A prime period, so that lost or doubled pieces do not line up; what the server sends as a blob.
const fn pattern() -> [u8; LARGE] {
    let mut bytes = [0; LARGE];
    let mut at = 0;
    while at < LARGE {
        bytes[at] = (at % 251) as u8;
        at += 1;
    }
    bytes
}

/// 64 KiB to the server and back as an event, 64 KiB as an acknowledgement, and a nested structure with several
/// attachments. What the server sends arrives in fragments (the host's proxy cuts its frames up, with pings in between).
pub(crate) async fn both_ways(network: Stack<'static>) {
    // In flash: RAM is for the client's buffers.
    static DATA: [u8; LARGE] = pattern();
    let data: &[u8] = &DATA;
    // To send: besides the packet, up to 1 KiB is kept free for answers, and some for CONNECT packets.
    let (socket, mut runner) = client!(Storage<{ LARGE + 1024 }, { LARGE + 2048 }, Noop, 4, 256, 16, 1, 512, 1024>, config("/"));
    let (echoed, asked, answered) = (Cell::new(0), Cell::new(None::<AckId>), Cell::new(0));
    let whole = |bytes: &[u8]| bytes.len() == LARGE && bytes == data;
    let handler = |_: &Socket, event: &Event<'_>| {
        report(event);
        match event {
            Event::Message(message) if message.name == "echo" => match message.args.parse() {
                Ok((BinRef(bytes), tail)) => {
                    check!(
                        whole(bytes),
                        "the echo is not what was sent: {} bytes",
                        bytes.len()
                    );
                    check!(
                        Some("tail") == tail,
                        "the argument behind the attachment is lost"
                    );
                    echoed.set(echoed.get() + 1);
                }
                Err(error) => fail!("echo: {error}"),
            },
            Event::Ack {
                id,
                result: Ok(args),
            } if Some(*id) == asked.get() => match args.parse() {
                Ok((BinRef(bytes),)) => {
                    check!(
                        whole(bytes),
                        "the answer is not what was asked for: {} bytes",
                        bytes.len()
                    );
                    answered.set(answered.get() + 1);
                }
                Err(error) => fail!("blob: {error}"),
            },
            Event::Ack {
                result: Err(error), ..
            } => fail!("no answer: {error}"),
            _ => (),
        }
    };
    let script = async {
        socket.ready().await;
        let start = Instant::now();
        expect(
            socket.emit("echo", (BinRef(data), "tail")),
            "emit of 64 KiB",
        );
        until(|| echoed.get() == 1).await;
        metric!("echo_64k_us", start.elapsed().as_micros());

        let id = socket.emit_with("blob", &(LARGE,), EmitOptions::ACK);
        asked.set(expect(id, "emit"));
        until(|| answered.get() == 1).await;

        let (len, sum): (usize, usize) =
            expect(socket.emit_with_ack("size", (BinRef(data),)).await, "size");
        let expected: usize = data.iter().map(|byte| usize::from(*byte)).sum();
        check!(
            (len, sum) == (LARGE, expected),
            "the server received {len} bytes with the sum {sum}"
        );

        let several = socket.emit_with_ack_read("binary", (), |args| {
            let lengths = args.attachments().iter().map(<[u8]>::len);
            let bytes = args.attachments().iter().flatten().copied();
            Ok(lengths.eq([3, 0, 3]) && bytes.eq([1, 2, 3, 0xff, 0, 0x80]))
        });
        check!(expect(several.await, "binary"), "other attachments arrived");
    };
    play((&mut runner, connector(network)), handler, LIMIT, script).await;
}

/// 8 KiB for a receive buffer of 2 KiB: reported with both sizes; the connection and all that follows live on. The same
/// with binary, and with a packet that the send buffer can never hold.
pub(crate) async fn too_large(network: Stack<'static>) {
    let (socket, mut runner) = client!(Storage<2048, 1024>, config("/"));
    let (refused, sizes, wanted) = (Cell::new(0), Cell::new((0, 0)), Cell::new(0));
    let handler = |_: &Socket, event: &Event<'_>| {
        report(event);
        match event {
            Event::MessageTooLarge { bytes, limit } => {
                refused.set(refused.get() + 1);
                sizes.set((*bytes, *limit));
            }
            Event::Message(message) if message.name == "large" => {
                fail!("8 KiB were delivered in 2 KiB");
            }
            Event::Message(message) if message.name == "small" => wanted.set(wanted.get() + 1),
            Event::Disconnected { reason, .. } => fail!("disconnected: {reason}"),
            _ => (),
        }
    };
    let script = async {
        socket.ready().await;
        let id = socket.id(|id| id.map(Text::<64>::of));
        // The host has the server emit `large` with 8 KiB of text, then `small`.
        host("emit-large");
        until(|| refused.get() == 1 && wanted.get() == 1).await;
        let (bytes, limit) = sizes.get();
        check!(
            bytes >= 8192 && limit <= 2048,
            "refused {bytes} bytes with the limit {limit}"
        );
        println!("refused {bytes} bytes, the limit is {limit}");

        // An answer that is too large is reported, and its task is told when its time is up.
        let answer = socket
            .emit_with_ack::<_, ()>("blob", (8192,))
            .timeout(core::time::Duration::from_millis(500));
        check!(
            answer.await.is_err(),
            "an answer of 8 KiB came through 2 KiB"
        );
        check!(
            refused.get() == 2,
            "the binary answer was not reported: {} reports",
            refused.get()
        );

        let big = [b'x'; 1500];
        let sent = socket.emit("echo", (BinRef(&big),));
        check!(
            sent == Err(sockeye_embedded::EmitError::TooLarge),
            "1500 bytes were accepted for 1 KiB: {sent:?}"
        );

        let back: (u32,) = expect(
            socket.emit_with_ack("ack", (5_u32,)).await,
            "ack after refusals",
        );
        check!(back == (5,), "another answer");
        check!(
            socket.id(|now| now.map(Text::of)) == id,
            "the connection was made anew"
        );
    };
    play((&mut runner, connector(network)), handler, LIMIT, script).await;
}
