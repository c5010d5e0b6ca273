//! What fits a storage of a given size: the figures that its documentation states.

mod support;

use std::time::Duration;

use embassy_futures::select::select;
use sockeye_embedded::{
    DefaultMutex, EmitError, Event, Memory, Socket, Storage, new_with_clock, storage,
};
use support::exec::{TestClock, block_on, sleep};
use support::net::{Manners, Net};
use support::peer;
use support::play::{MINUTE, URL};
use support::{config, storage};

/// Whether a message of these frames is received, by a fresh client in `memory`.
fn receives<M: Memory<DefaultMutex, 1> + 'static>(memory: M, frames: &[u8]) -> bool {
    let net = Net::new(Manners::GOOD);
    let (socket, mut runner) = new_with_clock(config(URL), storage(memory), TestClock).unwrap();
    let told = std::cell::Cell::new(None);
    let handler = |_: &Socket, event: &Event<'_>| match event {
        Event::Message(_) => told.set(Some(true)),
        Event::MessageTooLarge { .. } => told.set(Some(false)),
        _ => (),
    };
    let script = async {
        let wire = net.wire(0).await;
        wire.join().await;
        socket.ready().await;
        wire.send(frames);
        while told.get().is_none() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    block_on(MINUTE, select(runner.run(&net, handler), script));
    told.get().expect("told one way or the other")
}

/// The largest size for which `fits` says so.
fn largest(limit: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut fit, mut large) = (0, limit);
    while large - fit > 1 {
        let middle = fit.midpoint(large);
        if fits(middle) {
            fit = middle;
        } else {
            large = middle;
        }
    }
    fit
}

fn text(len: usize) -> Vec<u8> {
    let frame = format!(r#"42["e","{}"]"#, "x".repeat(len.saturating_sub(9)));
    peer::text(&frame)
}

/// A packet of `len` bytes together with its attachment.
fn attachment(len: usize) -> Vec<u8> {
    let text = r#"451-["e",{"_placeholder":true,"num":0}]"#;
    let mut frames = peer::text(text);
    frames.extend(peer::binary(&vec![7; len.saturating_sub(text.len())]));
    frames
}

#[test]
fn messages_as_large_as_the_documentation_says_are_received() {
    macro_rules! check {
        ($($rx:literal)*) => {
            $({
                let texts = largest($rx + 100, |n| receives(Storage::<$rx, 1024>::new(), &text(n)));
                let blobs = largest($rx + 100, |n| receives(Storage::<$rx, 1024>::new(), &attachment(n)));
                assert!(
                    ($rx - 16..=$rx).contains(&texts) && ($rx - 176..$rx).contains(&blobs),
                    "RX {}: texts up to {texts}, attachments up to {blobs}", $rx
                );
            })*
        };
    }
    check!(512 1024 2048 4096);
}

/// Packets with `bytes` of JSON that are kept while the client is offline.
fn kept<M: Memory<DefaultMutex, 1> + 'static>(memory: M, bytes: usize) -> usize {
    let (socket, _runner) = new_with_clock(config(URL), storage(memory), TestClock).unwrap();
    let arg = "x".repeat(bytes - 8);
    let mut kept = 0;
    loop {
        match socket.emit("e", (&*arg,)) {
            Ok(()) => kept += 1,
            Err(error) => {
                assert!(
                    matches!(error, EmitError::Full | EmitError::TooLarge),
                    "{error}"
                );
                return kept;
            }
        }
    }
}

#[test]
fn as_many_packets_are_kept_as_the_documentation_says() {
    macro_rules! check {
        ($($memory:ty)*) => {
            $(for bytes in [12, 30, 60, 100, 200, 400, 900] {
                let (promised, kept) = (<$memory>::packets_of(bytes), kept(<$memory>::new(), bytes));
                assert!(
                    promised <= kept,
                    "{}, {bytes} bytes: {kept} kept, {promised} promised", stringify!($memory)
                );
                assert!(
                    kept <= promised + promised / 8 + 1,
                    "{}, {bytes} bytes: {kept} kept, but only {promised} promised", stringify!($memory)
                );
            })*
        };
    }
    check! {
        storage!(tx: 256)
        storage!(tx: 512, packets: 4)
        storage!()
        storage!(tx: 2048, namespaces: 1)
        storage!(tx: 4096, packets: 64, namespaces: 4)
    }
}

#[test]
fn sizes_by_name_are_the_same_type_as_sizes_by_place() {
    type Named = storage!(rx: 4096, tx: 2048, acks: 5, answers: 300, packets: 17, namespaces: 3, head: 600, chunk: 128, links: 3);
    type Placed = Storage<4096, 2048, DefaultMutex, 5, 300, 17, 3, 600, 128, 3>;
    let _: fn(Named) -> Placed = |named| named;
    let _: fn(storage!(tx: 1024)) -> Storage<2048, 1024> = |named| named;
}
