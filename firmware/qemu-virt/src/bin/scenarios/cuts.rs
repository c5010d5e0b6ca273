//! Ten minutes with the link cut every few seconds.

use core::cell::Cell;
use core::time::Duration;

use embassy_net::Stack;
use embassy_time::{Duration as Ticks, Instant, Timer};
use qemu_virt::metric;
use sockeye_embedded::{EmitOptions, Event, Socket, Storage};

use crate::stage::{Noop, Text, check, client, config, connector, expect, fail, host, play, until};

/// Guest time.
const TIME: Ticks = Ticks::from_secs(600);
const BETWEEN: Ticks = Ticks::from_millis(200);
/// Acknowledgements under way at one time.
const WINDOW: u32 = 6;

/// Upwards `put` with numbers, by the retries queue: each is acknowledged exactly once, in order, and the server has all of
/// them (the host asks it at the end). Downwards `tick` with numbers, by connection state recovery: each arrives exactly
/// once, in order. The host's proxy cuts the link after a seeded number of bytes, in the middle of whatever is under way.
pub(crate) async fn cuts(network: Stack<'static>) {
    let mut config = config("/");
    config.options.retries = Some(u32::MAX);
    config.options.ack_timeout = Some(Duration::from_secs(4));
    config.core.connect_timeout = Some(Duration::from_secs(6));
    config.core.join_timeout = Some(Duration::from_secs(6));
    // The server sends what was missed in front of its consent to the CONNECT: all of it has to fit the receive buffer.
    let (socket, mut runner) = client!(Storage<4096, 1024, Noop, 8>, config);
    let (emitted, acked, joins, recovered) = (
        Cell::new(0_u32),
        Cell::new(0_u32),
        Cell::new(0),
        Cell::new(0),
    );
    let (first, last, ticks) = (
        Cell::new(None::<u32>),
        Cell::new(None::<u32>),
        Cell::new(0_u32),
    );
    let handler = |socket: &Socket, event: &Event<'_>| match event {
        Event::Ack {
            result: Ok(args), ..
        } => {
            let (number,): (u32,) = expect(args.parse(), "answer");
            check!(
                number == acked.get(),
                "answer to {number} where {} was due",
                acked.get()
            );
            acked.set(number + 1);
        }
        Event::Ack {
            result: Err(error), ..
        } => fail!("put {} failed: {error}", acked.get()),
        Event::Message(message) if message.name == "tick" => {
            let (number,): (u32,) = expect(message.args.parse(), "tick");
            if let Some(last) = last.get() {
                check!(number == last + 1, "tick {number} after {last}");
            }
            first.set(first.get().or(Some(number)));
            last.set(Some(number));
            ticks.set(ticks.get() + 1);
        }
        Event::Connected {
            recovered: again, ..
        } => {
            joins.set(joins.get() + 1);
            if *again {
                recovered.set(recovered.get() + 1);
            } else {
                check!(
                    last.get().is_none(),
                    "the server has not recovered the session"
                );
            }
            check!(
                socket.id(|id| id.map(Text::<64>::of)).is_some(),
                "joined without an id"
            );
        }
        Event::MessageTooLarge { bytes, .. } => fail!("a message of {bytes} bytes was skipped"),
        _ => (),
    };
    let script = async {
        let end = Instant::now() + TIME;
        while Instant::now() < end {
            if emitted.get() - acked.get() < WINDOW {
                let id = socket.emit_with("put", &(emitted.get(),), EmitOptions::ACK);
                check!(expect(id, "put").is_some(), "no acknowledgement for a put");
                emitted.set(emitted.get() + 1);
            }
            Timer::after(BETWEEN).await;
        }
        host("calm");
        until(|| acked.get() == emitted.get()).await;
        metric!("guest_seconds", Instant::now().as_secs());
        metric!("puts", emitted.get());
        metric!("joins", joins.get());
        metric!("recovered", recovered.get());
        metric!("ticks", ticks.get());
        check!(
            first
                .get()
                .zip(last.get())
                .is_some_and(|(first, last)| last - first + 1 == ticks.get()),
            "ticks are missing"
        );
    };
    play(
        (&mut runner, connector(network)),
        handler,
        TIME + Ticks::from_secs(120),
        script,
    )
    .await;
}
