//! How much is done at one time, and what happens when one side is faster than the other.

mod support;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use embassy_futures::join::{join, join_array};
use embassy_futures::select::{Either, select};
use sockeye_embedded::{
    Connect, Connection, Event, Handlers, Memory, Socket, Target, Transports, new_with_clock,
    storage,
};
use support::exec::{TestClock, block_on, sleep};
use support::net::{Manners, Net};
use support::peer::{self, Frame};
use support::play::{Log, MINUTE, URL, play, poll_once};
use support::{Small, config, storage};

const SECOND: Duration = Duration::from_secs(1);

fn quiet(_: &Socket, _: &Event<'_>) {}

#[test]
fn flush_waits_for_bytes_that_a_stalled_link_has_not_taken() {
    let net = Net::new(Manners::GOOD);
    play(&net, config(URL), quiet, |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.join().await;
            socket.ready().await;
            wire.take_only(20);
            let long = "x".repeat(150);
            socket.emit("last words", (&*long,)).unwrap();
            let mut flush = pin!(socket.flush());
            let early = select(flush.as_mut(), sleep(10 * SECOND)).await;
            assert!(
                matches!(early, Either::Second(())),
                "the link has not taken everything"
            );
            assert_eq!(socket.send_queue_len(), 0, "the core has given it out");
            wire.read_on(usize::MAX);
            flush.await;
            wire.expect(&format!(r#"42["last words","{long}"]"#)).await;
            // With nothing under way it does not wait.
            assert_eq!(poll_once(pin!(socket.flush())).await, Some(()));
        }
    });
}

#[test]
fn flush_waits_until_the_stack_has_sent_what_was_written() {
    let net = Net::new(Manners::GOOD);
    play(&net, config(URL), quiet, |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.join().await;
            socket.ready().await;
            socket.flush().await;
            wire.unconfirmed.set(true);
            socket.emit("last words", ()).unwrap();
            wire.expect(r#"42["last words"]"#).await;
            let mut flush = pin!(socket.flush());
            let early = select(flush.as_mut(), sleep(SECOND)).await;
            assert!(matches!(early, Either::Second(())), "it lies in the stack");
            wire.confirm();
            flush.await;
            // The end of a connection ends the waiting: nothing is under way any more.
            wire.unconfirmed.set(true);
            socket.emit("lost words", ()).unwrap();
            wire.expect(r#"42["lost words"]"#).await;
            join(socket.flush(), async { wire.reset() }).await;
        }
    });
}

fn poll_now(future: std::pin::Pin<&mut impl Future<Output = ()>>) -> Poll<()> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_server_that_never_pauses_does_not_keep_other_tasks_from_running() {
    let net = Net::new(Manners::GOOD);
    let log = Rc::new(Cell::new(0));
    let told = log.clone();
    let handler = move |_: &Socket, event: &Event<'_>| {
        if let Event::Message(_) = event {
            told.set(told.get() + 1);
        }
    };
    let (socket, mut runner) =
        new_with_clock(config(URL), storage(Small::new()), TestClock).unwrap();
    block_on(MINUTE, async {
        let mut run = pin!(runner.run(&net, handler));
        let begin = async {
            net.wire(0).await.join().await;
            socket.ready().await;
        };
        select(run.as_mut(), begin).await;
        let wire = net.wire(0).await;
        let event = peer::text(r#"42["flood",1]"#);
        wire.endless.borrow_mut().extend(event.iter());
        wire.endless.borrow_mut().extend(peer::text("2"));
        // One poll reads a few times, whatever is there.
        let (reads, events) = (wire.reads.get(), log.get());
        for round in 1..100 {
            assert!(poll_now(run.as_mut()).is_pending());
            let reads = wire.reads.get() - reads;
            assert!(reads <= 4 * round, "{reads} reads in {round} polls");
        }
        assert!(log.get() > events + 50, "and it gets on");
        // Pings among them are answered, and `stop` is heard.
        assert_eq!(wire.next().await, Frame::Text("3".into()));
        socket.stop();
        for _ in 0..1000 {
            if wire.dropped.get() {
                return;
            }
            TestClock::skip(SECOND / 100);
            if poll_now(run.as_mut()).is_ready() {
                return;
            }
        }
        panic!("stop was not heard");
    });
}

#[test]
fn many_tasks_wait_without_waking_each_other() {
    for tasks in [1, 8, 9, 30] {
        let net = Net::new(Manners {
            dead: true,
            ..Manners::GOOD
        });
        let polls = Rc::new(Cell::new(0));
        play(&net, config(URL), quiet, |socket| {
            let (net, polls) = (net.clone(), polls.clone());
            async move {
                // Each is a task of its own: with a waker of its own.
                let waiting: Vec<_> = (0..tasks).map(|_| own_task(socket.ready())).collect();
                let counted: [_; 30] = std::array::from_fn(|n| {
                    let mut task = waiting.get(n).map(|task| task.borrow_mut());
                    let polls = polls.clone();
                    poll_fn(move |cx| match &mut task {
                        Some(task) => {
                            let (ready, polled) = task.poll(cx);
                            polls.set(polls.get() + usize::from(polled));
                            ready
                        }
                        None => Poll::Ready(()),
                    })
                });
                let all = join_array(counted);
                let script = async {
                    sleep(MINUTE).await;
                    net.set_manners(Manners::GOOD);
                    net.wire(0).await.join().await;
                    std::future::pending::<()>().await;
                };
                select(all, script).await;
                assert!(socket.connected());
            }
        });
        // Attempts, delays, the handshake: a few changes, each of which every task looks at.
        assert!(
            polls.get() <= 200 * tasks,
            "{tasks} tasks: {} polls",
            polls.get()
        );
    }
}

/// A future with a waker of its own, as a task has.
struct OwnTask {
    future: std::pin::Pin<Box<dyn Future<Output = ()>>>,
    flag: std::sync::Arc<Flag>,
}

#[derive(Default)]
struct Flag {
    woken: std::sync::atomic::AtomicBool,
    outer: std::sync::Mutex<Option<Waker>>,
}

impl std::task::Wake for Flag {
    fn wake(self: std::sync::Arc<Self>) {
        self.woken.store(true, std::sync::atomic::Ordering::SeqCst);
        if let Some(outer) = self.outer.lock().unwrap().take() {
            outer.wake();
        }
    }
}

fn own_task(future: impl Future<Output = ()> + 'static) -> std::cell::RefCell<OwnTask> {
    let flag = std::sync::Arc::new(Flag::default());
    flag.woken.store(true, std::sync::atomic::Ordering::SeqCst);
    std::cell::RefCell::new(OwnTask {
        future: Box::pin(future),
        flag,
    })
}

impl OwnTask {
    /// Polls the future if it has been woken; whether it was.
    fn poll(&mut self, cx: &Context<'_>) -> (Poll<()>, bool) {
        *self.flag.outer.lock().unwrap() = Some(cx.waker().clone());
        if !self
            .flag
            .woken
            .swap(false, std::sync::atomic::Ordering::SeqCst)
        {
            return (Poll::Pending, false);
        }
        let waker = Waker::from(self.flag.clone());
        let ready = self.future.as_mut().poll(&mut Context::from_waker(&waker));
        (ready, true)
    }
}

#[test]
fn stop_returns_although_a_handshake_stands_still() {
    let net = Net::new(Manners {
        hang_split: true,
        ..Manners::GOOD
    });
    let mut config = config(URL);
    config.core.connect_timeout = None;
    let (socket, mut runner) = new_with_clock(config, storage(Small::new()), TestClock).unwrap();
    block_on(MINUTE, async {
        let script = async {
            net.wire(0).await;
            sleep(10 * SECOND).await;
            socket.stop();
            TestClock::elapsed()
        };
        let ((), stopped) = join(runner.run(&net, quiet), script).await;
        assert!(TestClock::elapsed() - stopped <= 4 * SECOND);
        assert!(net.wire(0).await.dropped.get());
    });
}

#[test]
fn events_that_want_answers_wait_for_room() {
    // The server sends 200 events at once, and takes the answers slowly.
    let net = Net::new(Manners {
        write: 20,
        slow: true,
        ..Manners::GOOD
    });
    let refused = Rc::new(Cell::new(0));
    let count = refused.clone();
    let handler = Handlers::new().on("led", move |socket: &Socket, event| {
        let (on,): (u32,) = event.args.parse()?;
        if socket.reply(event, (on,)).is_err() {
            count.set(count.get() + 1);
        }
        Ok(())
    });
    play(&net, config(URL), handler, |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.join().await;
            socket.ready().await;
            let mut all = Vec::new();
            for n in 0..200 {
                all.extend(peer::text(&format!(r#"42{n}["led",{n}]"#)));
            }
            wire.send(&all);
            for n in 0..200 {
                wire.expect(&format!("43{n}[{n}]")).await;
            }
        }
    });
    assert_eq!(refused.get(), 0, "answers refused");
}

#[test]
fn room_is_waited_for_and_everything_gets_through() {
    let net = Net::new(Manners {
        write: 20,
        slow: true,
        ..Manners::GOOD
    });
    play(&net, config(URL), quiet, |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.join().await;
            socket.ready().await;
            assert_eq!(poll_once(pin!(socket.room())).await, Some(()));
            let emit = async {
                for n in 0..200 {
                    while socket.emit("chunk", (n, "some ballast")).is_err() {
                        assert_eq!(poll_once(pin!(socket.room())).await, None);
                        socket.room().await;
                    }
                }
            };
            let server = async {
                for n in 0..200 {
                    wire.expect(&format!(r#"42["chunk",{n},"some ballast"]"#))
                        .await;
                }
            };
            join(emit, server).await;
        }
    });
}

#[test]
fn a_server_that_takes_no_answers_does_not_stop_the_client() {
    let net = Net::new(Manners {
        window: 400,
        ..Manners::GOOD
    });
    let log = Log::default();
    let entries = log.clone();
    let handler = move |socket: &Socket, event: &Event<'_>| {
        if let Event::Message(message) = event {
            // There is no room for most of the answers.
            let _ = socket.reply(message, ("x".repeat(40).as_str(),));
        }
        entries.write(event);
    };
    play(&net, config(URL), handler, |socket| {
        let net = net.clone();
        async move {
            let wire = net.wire(0).await;
            wire.join().await;
            socket.ready().await;
            let before = TestClock::elapsed();
            for n in 0..60 {
                wire.text(&format!(r#"42{n}["led",{n}]"#));
            }
            wire.text(r#"42["last"]"#);
            while log.take().last().is_none_or(|line| line != "last []") {
                sleep(SECOND / 4).await;
            }
            // Held back for a second at a time, then told all the same.
            assert!(TestClock::elapsed() - before < MINUTE);
            // The server is gone: the heartbeat finds out.
            wire.gone().await;
            assert!(TestClock::elapsed() - before < 2 * MINUTE);
        }
    });
}

/// Answers every request with a body in chunks whose size lines are as long as is allowed.
async fn serve_polling(net: &Net, extension: usize) {
    let mut served = 0;
    let mut wires = Vec::new();
    let mut joined = false;
    loop {
        while wires.len() < net.connections() {
            wires.push(net.wire(wires.len()).await);
        }
        for wire in &wires {
            let Some((head, body)) = poll_once(pin!(wire.request())).await else {
                continue;
            };
            served += 1;
            let answer = if head.starts_with("POST") {
                if body.starts_with("41") {
                    return;
                }
                joined |= body.starts_with("40");
                "ok".to_owned()
            } else if served == 1 {
                peer::OPEN.to_owned()
            } else if std::mem::take(&mut joined) {
                r#"40{"sid":"s"}"#.to_owned()
            } else {
                "6".to_owned()
            };
            let extension = "x".repeat(extension);
            let (len, end) = (answer.len(), "0\r\n\r\n");
            wire.send(
                format!(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{len:x};{extension}\r\n{answer}\r\n{end}"
                )
                .as_bytes(),
            );
        }
        sleep(SECOND / 50).await;
    }
}

fn polling_in<M: Memory<sockeye_embedded::DefaultMutex, 3> + 'static>(memory: M, rx: usize) {
    let net = Net::new(Manners::GOOD);
    let mut config = config(URL);
    config.core.transports = Transports::POLLING;
    let (socket, mut runner) = new_with_clock(config, storage(memory), TestClock).unwrap();
    let script = async {
        let client = async {
            socket.ready().await;
            socket.disconnect();
            std::future::pending::<()>().await;
        };
        select(serve_polling(&net, 245), client).await;
    };
    let run = select(runner.run(&net, quiet), script);
    assert!(
        matches!(block_on(MINUTE, run), Either::Second(())),
        "RX {rx}"
    );
}

#[test]
fn the_least_storage_for_polling_takes_the_longest_size_lines() {
    macro_rules! sizes {
        ($($rx:literal)*) => {
            $(polling_in(<storage!(rx: $rx, links: 3)>::new(), $rx);)*
        };
    }
    sizes!(1536 1600 1792 2048 3000 4096 8192);
}

/// A connector that was written before there was `sent`: it need not implement it.
struct Plain(Net);
struct PlainConnection(support::net::Client);

impl Connect for Plain {
    type Connection<'c> = PlainConnection;

    async fn connect(
        &self,
        target: Target,
    ) -> Result<PlainConnection, sockeye_embedded::ConnectError> {
        self.0.connect(target).await.map(PlainConnection)
    }
}

impl Connection for PlainConnection {
    type ReadError = embedded_io_async::ErrorKind;
    type WriteError = embedded_io_async::ErrorKind;
    type Read<'a> = support::net::ReadHalf<'a>;
    type Write<'a> = support::net::WriteHalf<'a>;

    async fn split(
        &mut self,
    ) -> Result<(Self::Read<'_>, Self::Write<'_>), sockeye_embedded::ConnectError> {
        Ok(self.0.halves())
    }

    async fn close(&mut self) {
        self.0.close().await;
    }
}

#[test]
fn a_connector_need_not_say_what_has_left_the_device() {
    let net = Net::new(Manners::GOOD);
    let (socket, mut runner) =
        new_with_clock(config(URL), storage(Small::new()), TestClock).unwrap();
    let script = async {
        let wire = net.wire(0).await;
        wire.join().await;
        socket.ready().await;
        socket.emit("a", ()).unwrap();
        socket.flush().await;
        wire.expect(r#"42["a"]"#).await;
    };
    block_on(
        MINUTE,
        select(runner.run(Plain(net.clone()), quiet), script),
    );
}
