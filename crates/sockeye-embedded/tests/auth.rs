//! CONNECT packets with `auth` payloads when the send buffer is full: they wait for room, and always get it.

mod support;

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use embassy_futures::select::{Either, select};
use sockeye_embedded::{
    Auth, ConnectError, EmitError, Event, Handler, Memory, Socket, Storage, new_with_clock, storage,
};
use support::exec::{TestClock, block_on, sleep};
use support::net::{Manners, Net, Wire};
use support::peer::Frame;
use support::play::{Log, MINUTE, URL};
use support::{config, storage};

struct Named(&'static str, Log);

impl Handler for Named {
    fn auth(&mut self, _: &Socket) -> Auth<'_> {
        if self.0.is_empty() {
            Auth::None
        } else {
            Auth::Json(self.0)
        }
    }

    fn handle(&mut self, _: &Socket, event: &Event<'_>) {
        self.1.write(event);
    }
}

fn token(len: usize) -> &'static str {
    format!(r#"{{"token":"{}"}}"#, "t".repeat(len)).leak()
}

/// Runs a client in `memory` beside the script.
fn play<H: Handler, F: Future, const LINKS: usize>(
    net: &Net,
    memory: impl Memory<sockeye_embedded::DefaultMutex, LINKS> + 'static,
    handler: H,
    script: impl FnOnce(Socket) -> F,
) -> F::Output {
    let (socket, mut runner) = new_with_clock(config(URL), storage(memory), TestClock).unwrap();
    block_on(10 * MINUTE, async {
        match select(runner.run(net, handler), script(socket)).await {
            Either::First(()) => panic!("the run loop ended by itself"),
            Either::Second(output) => output,
        }
    })
}

/// A server that takes whatever namespace is asked for; gives what the client sends, but for pongs.
async fn serve(wire: &Wire) -> Vec<String> {
    wire.shake_hands().await;
    let mut seen = Vec::new();
    while let Either::First(Frame::Text(text)) = select(wire.next(), sleep(MINUTE / 2)).await {
        if text == "3" {
            continue;
        }
        if let Some(rest) = text.strip_prefix("40/b,") {
            wire.text(r#"40/b,{"sid":"b"}"#);
            assert!(rest.is_empty() || rest.starts_with('{'));
        } else if text.starts_with("40") {
            wire.text(r#"40{"sid":"a"}"#);
        }
        seen.push(text);
    }
    seen
}

fn auth_beside_kept_events<const TX: usize>(auth: usize, event: usize) {
    let net = Net::new(Manners::GOOD);
    let log = Log::default();
    let handler = Named(token(auth), log.clone());
    play(&net, Storage::<2048, TX>::new(), handler, |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            select(serve(&wire), socket.ready()).await;
            net.refuse(Some(ConnectError::Refused));
            wire.end();
            sleep(Duration::from_millis(100)).await;
            let mut kept = 0;
            while socket.emit("telemetry", (&*"x".repeat(event),)).is_ok() {
                kept += 1;
            }
            net.refuse(None);
            let seen = serve(&*net.wire(1).await).await;
            assert!(
                socket.connected(),
                "TX {TX}, auth {auth}: not joined with {kept} events kept"
            );
            assert_eq!(seen.len(), 1 + kept, "everything kept was sent");
        }
    });
    assert!(
        !log.take()
            .iter()
            .any(|line| line.starts_with("connect_error")),
        "TX {TX}, auth {auth}: the namespace was given up"
    );
}

#[test]
fn auth_waits_for_room_beside_what_was_emitted_offline() {
    auth_beside_kept_events::<1024>(300, 60);
    auth_beside_kept_events::<1024>(600, 60);
    auth_beside_kept_events::<512>(250, 60);
    auth_beside_kept_events::<256>(120, 10);
}

type FourPackets = storage!(rx: 512, tx: 512, acks: 2, packets: 4, namespaces: 2, head: 256);

fn two_namespaces<const LINKS: usize>(
    what: &str,
    memory: impl Memory<sockeye_embedded::DefaultMutex, LINKS> + 'static,
    auth: &'static str,
    emit: fn(Socket, Socket),
) {
    let net = Net::new(Manners::GOOD);
    let log = Log::default();
    play(&net, memory, Named(auth, log.clone()), |socket| {
        let net = net.clone();
        async move {
            let b = socket.namespace("/b").unwrap();
            emit(socket, b);
            let seen = serve(&*net.wire(0).await).await;
            assert!(
                socket.connected() && b.connected(),
                "{what}: / {}, /b {}: {seen:?}",
                socket.connected(),
                b.connected()
            );
            assert_eq!(socket.emit("later", (1,)), Ok(()), "{what}");
        }
    });
    let lines = log.take();
    assert!(
        !lines.iter().any(|line| line.starts_with("connect_error")),
        "{what}: {lines:?}"
    );
}

fn fill(socket: Socket) {
    let mut n = 0;
    while socket.emit("e", (n,)).is_ok() {
        n += 1;
    }
    assert!(n > 0);
}

#[test]
fn one_namespace_cannot_keep_another_from_joining() {
    two_namespaces(
        "events for /, four places",
        FourPackets::new(),
        "",
        |a, _| {
            fill(a);
        },
    );
    two_namespaces(
        "events for /b, four places",
        FourPackets::new(),
        "",
        |_, b| {
            fill(b);
        },
    );
    two_namespaces("default sizes", Storage::<2048, 1024>::new(), "", |a, _| {
        fill(a);
    });
    type Least = storage!(rx: 512, tx: 256, acks: 2, packets: 8, head: 256);
    two_namespaces("auth in 256 bytes", Least::new(), token(118), |_, _| ());
}

/// Gives its payload itself, by a closure's way, and counts what happens.
#[derive(Clone, Default)]
struct ByHand {
    asked: Rc<Cell<u32>>,
    full: Rc<Cell<u32>>,
    log: Log,
}

#[test]
fn a_payload_given_by_hand_is_asked_for_again_and_never_left_out() {
    let net = Net::new(Manners {
        // The server reads nothing behind the upgrade request at first.
        window: 230,
        ..Manners::GOOD
    });
    let hand = ByHand::default();
    let ByHand { asked, full, log } = hand.clone();
    let long = token(600);
    let handler = move |socket: &Socket, event: &Event<'_>| {
        log.write(event);
        if let Event::Auth(_) = event {
            asked.set(asked.get() + 1);
            let json = if socket.name(|name| name == "/b") {
                long
            } else {
                r#"{"token":"short"}"#
            };
            match socket.provide_auth(json) {
                Ok(()) => (),
                Err(EmitError::Full) => full.set(full.get() + 1),
                Err(error) => panic!("{error}"),
            }
        }
    };
    play(&net, Storage::<2048, 1024>::new(), handler, |socket| {
        let net = net.clone();
        async move {
            // Only now, so that what was emitted before takes the room.
            fill(socket);
            let b = socket.namespace("/b").unwrap();
            let wire = net.wire(0).await;
            let server = async {
                sleep(Duration::from_secs(5)).await;
                wire.read_on(usize::MAX);
                std::future::pending::<()>().await;
            };
            let Either::First(seen) = select(serve(&wire), server).await else {
                panic!()
            };
            assert!(b.connected() && socket.connected(), "{seen:?}");
            let connect = seen.iter().find(|text| text.starts_with("40/b,"));
            assert_eq!(
                connect.unwrap().as_str(),
                format!("40/b,{long}"),
                "never without its payload"
            );
        }
    });
    let lines = hand.log.take();
    assert!(
        !lines.iter().any(|line| line.starts_with("connect_error")),
        "{lines:?}"
    );
    assert_eq!(
        hand.asked.get(),
        2 + hand.full.get(),
        "asked again as often as there was no room, no more"
    );
}

#[test]
fn a_payload_that_failed_by_hand_is_a_connect_error_not_a_connect_without() {
    #[derive(serde::Serialize)]
    struct Long<'a> {
        token: &'a str,
    }
    let net = Net::new(Manners::GOOD);
    let log = Log::default();
    let entries = log.clone();
    let handler = move |socket: &Socket, event: &Event<'_>| {
        entries.write(event);
        if let Event::Auth(_) = event {
            let auth = Long {
                token: &"x".repeat(600),
            };
            assert!(matches!(
                socket.provide_auth_value(&auth),
                Err(EmitError::Encode(_))
            ));
        }
    };
    play(&net, Storage::<2048, 1024>::new(), handler, |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.shake_hands().await;
            let first = wire.next().await;
            assert_eq!(first, Frame::Close, "no CONNECT without the payload");
            assert!(!socket.active());
        }
    });
    assert!(
        log.take()
            .iter()
            .any(|line| line.starts_with("connect_error")),
    );
}
