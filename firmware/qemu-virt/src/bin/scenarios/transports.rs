//! Polling, and the upgrade from it: three sockets.

use core::cell::Cell;

use embassy_net::Stack;
use qemu_virt::metric;
use sockeye_embedded::net::{EmbassyNet, SocketBuffers};
use sockeye_embedded::{BinRef, Event, Socket, Storage, Transport, Transports};
use static_cell::ConstStaticCell;

use crate::stage::{LIMIT, Noop, check, client, config, expect, fail, play, report, until};

type Three = Storage<4096, 2048, Noop, 4, 2048, 16, 2, 512, 256, 3>;

fn connector(network: Stack<'static>) -> EmbassyNet<'static, 3> {
    static BUFFERS: ConstStaticCell<SocketBuffers<3, 1024, 1024>> =
        ConstStaticCell::new(SocketBuffers::new());
    EmbassyNet::new(network, BUFFERS.take())
}

/// Events, acknowledgements and binary by HTTP requests alone, on two namespaces.
pub(crate) async fn polling(network: Stack<'static>) {
    let mut config = config("/");
    config.core.transports = Transports::POLLING;
    let (socket, mut runner) = client!(Three, config);
    let chat = expect(socket.namespace("/chat"), "namespace");
    let next = Cell::new(0);
    let handler = handler(&next);
    let script = async {
        socket.ready().await;
        chat.ready().await;
        check!(
            socket.transport() == Some(Transport::Polling),
            "not polling"
        );
        let back: (u32,) = expect(socket.emit_with_ack("ack", (7_u32,)).await, "ack");
        check!(back == (7,), "another answer");
        let bytes = [0, 1, 2, 0xff, 0x1e, 0x0a];
        let (len, sum): (u32, u32) =
            expect(chat.emit_with_ack("size", (BinRef(&bytes),)).await, "size");
        check!(
            (len, sum) == (6, 298),
            "the server received {len} bytes with the sum {sum}"
        );
        let binary = socket.emit_with_ack_read("binary", (), |args| {
            Ok(args
                .attachments()
                .iter()
                .flatten()
                .copied()
                .eq([1, 2, 3, 0xff, 0, 0x80]))
        });
        check!(expect(binary.await, "binary"), "other attachments arrived");
        expect(socket.emit("burst", (100,)), "emit");
        until(|| next.get() == 100).await;
        check!(
            socket.transport() == Some(Transport::Polling),
            "not polling any more"
        );
    };
    play((&mut runner, connector(network)), handler, LIMIT, script).await;
}

/// The upgrade happens amidst events both ways: none is lost, doubled or out of order.
pub(crate) async fn upgrade(network: Stack<'static>) {
    let mut config = config("/");
    config.core.transports = Transports::POLLING_FIRST;
    let (socket, mut runner) = client!(Three, config);
    let (next, upgraded) = (Cell::new(0), Cell::new(false));
    let mut inner = handler(&next);
    let handler = |socket: &Socket, event: &Event<'_>| {
        match event {
            Event::Upgraded => upgraded.set(true),
            Event::UpgradeFailed(details) => fail!("no upgrade: {details}"),
            _ => (),
        }
        inner(socket, event);
    };
    let script = async {
        socket.ready().await;
        expect(socket.emit("burst", (200,)), "emit");
        let mut sent = 0_u32;
        while sent < 400 && !(upgraded.get() && sent >= 100) {
            // Full: wait until some of it has been written.
            match socket.emit("count", (sent,)) {
                Ok(()) => sent += 1,
                Err(_) => socket.flush().await,
            }
            embassy_futures::yield_now().await;
        }
        until(|| upgraded.get() && next.get() == 200).await;
        check!(
            socket.transport() == Some(Transport::WebSocket),
            "not on WebSocket"
        );
        let counted = socket.emit_with_ack_read("counted", (), |mut args| {
            let numbers = args.next_raw().unwrap_or_default();
            let in_order = numbers.trim_matches(['[', ']']).split(',').enumerate();
            Ok(in_order
                .take_while(|(at, number)| number.parse() == Ok(*at))
                .count())
        });
        let arrived = expect(counted.await, "counted");
        check!(
            arrived == sent as usize,
            "{arrived} of {sent} events arrived in order"
        );
        metric!("events_over_the_upgrade", sent);
    };
    play((&mut runner, connector(network)), handler, LIMIT, script).await;
}

/// Counts the events of a burst, and insists on their order.
fn handler(next: &Cell<u32>) -> impl FnMut(&Socket, &Event<'_>) {
    |_, event| {
        report(event);
        match event {
            Event::Message(message) if message.name == "burst" => {
                let (number,): (u32,) = expect(message.args.parse(), "burst");
                check!(
                    number == next.get(),
                    "event {number} came where {} was due",
                    next.get()
                );
                next.set(number + 1);
            }
            Event::Disconnected { reason, .. } => fail!("disconnected: {reason}"),
            _ => (),
        }
    }
}
