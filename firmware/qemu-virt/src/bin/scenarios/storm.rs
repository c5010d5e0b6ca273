//! The link cut as soon as it has been joined, and before: in the middle of handshakes, of long texts, of acknowledgements.

use core::cell::Cell;
use core::time::Duration;

use embassy_net::Stack;
use embassy_time::Duration as Ticks;
use qemu_virt::metric;
use sockeye_embedded::{EmitOptions, Event, Socket, Storage};

use crate::stage::{Noop, check, client, config, connector, expect, fail, host, play, until};

/// Guest time: the host switches the board off before.
const LIMIT: Ticks = Ticks::from_secs(3600);
/// Acknowledgements under way at one time.
const WINDOW: u32 = 6;
/// The host is told of each so many acknowledgements.
const REPORT: u32 = 8;

/// The text with a number: of most numbers a short one, of each eighth up to 1600 bytes. The server knows the same rule.
fn text(number: u32) -> &'static str {
    static ALPHABET: [u8; 26 * 64] = alphabet();
    let from = (number % 26) as usize;
    let len = if number % 8 == 7 {
        (number * 37) % 1601
    } else {
        number % 64
    };
    core::str::from_utf8(&ALPHABET[from..from + len as usize]).unwrap_or_default()
}

const fn alphabet() -> [u8; 26 * 64] {
    let mut letters = [0; 26 * 64];
    let mut at = 0;
    while at < letters.len() {
        letters[at] = b'a' + (at % 26) as u8;
        at += 1;
    }
    letters
}

/// Upwards `put` by the retries queue, until an acknowledgement says that it is enough: each is acknowledged exactly once, in
/// order. Downwards one `tick` for each new put, by connection state recovery: each arrives exactly once, in order. That
/// ticks follow puts bounds what a slow board is owed after a cut, and has to receive in one piece.
pub(crate) async fn cuts(network: Stack<'static>) {
    let mut config = config("/");
    config.options.retries = Some(u32::MAX);
    config.options.ack_timeout = Some(Duration::from_secs(4));
    config.core.connect_timeout = Some(Duration::from_secs(6));
    config.core.join_timeout = Some(Duration::from_secs(6));
    config.core.reconnection.delay = Duration::from_millis(5);
    config.core.reconnection.delay_max = Duration::from_millis(20);
    let (socket, mut runner) = client!(Storage<4096, 4096, Noop, 8>, config);
    let (emitted, acked, go_on) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(true));
    let (joins, recovered) = (Cell::new(0_u32), Cell::new(0_u32));
    let (next, ticks) = (Cell::new(None::<u32>), Cell::new(0_u32));
    let handler = |_: &Socket, event: &Event<'_>| match event {
        Event::Ack {
            result: Ok(args), ..
        } => {
            let (number, more): (u32, bool) = expect(args.parse(), "answer");
            check!(
                number == acked.get(),
                "answer to {number} where {} was due",
                acked.get()
            );
            acked.set(number + 1);
            go_on.set(go_on.get() && more);
            if acked.get().is_multiple_of(REPORT) {
                host("acked");
            }
        }
        Event::Ack {
            result: Err(error), ..
        } => fail!("put {} failed: {error}", acked.get()),
        Event::Message(message) if message.name == "tick" => {
            let (number, letters): (u32, &str) = expect(message.args.parse(), "tick");
            let due = next.get().unwrap_or(number);
            check!(number == due, "tick {number} where {due} was due");
            check!(letters == text(number), "tick {number} came mangled");
            next.set(Some(number + 1));
            ticks.set(ticks.get() + 1);
        }
        Event::Connected {
            recovered: again, ..
        } => {
            joins.set(joins.get() + 1);
            recovered.set(recovered.get() + u32::from(*again));
            check!(
                *again || next.get().is_none(),
                "the server has not recovered the session"
            );
        }
        Event::MessageTooLarge { bytes, .. } => fail!("a message of {bytes} bytes was skipped"),
        _ => (),
    };
    let script = async {
        until(|| {
            while go_on.get() && emitted.get() - acked.get() < WINDOW {
                let number = emitted.get();
                let id = socket.emit_with("put", &(number, text(number)), EmitOptions::ACK);
                check!(expect(id, "put").is_some(), "no acknowledgement for a put");
                emitted.set(number + 1);
            }
            acked.get() == emitted.get()
        })
        .await;
        metric!("puts", emitted.get());
        metric!("joins", joins.get());
        metric!("recovered", recovered.get());
        metric!("ticks", ticks.get());
        metric!("next_tick", next.get().unwrap_or(0));
    };
    play((&mut runner, connector(network)), handler, LIMIT, script).await;
}
