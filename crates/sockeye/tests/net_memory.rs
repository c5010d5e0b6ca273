//! What an idle connection keeps in memory: plain, and over TLS.

#[path = "client/support/mod.rs"]
#[allow(dead_code, unused_imports)]
mod support;

#[path = "net/peers.rs"]
#[allow(dead_code)]
mod peers;

use allocation_counter::measure;
use serde_json::json;
use sockeye::net::{Connector, Target, Tls};
use sockeye::{Client, ClientBuilder, Socket, Transport};
use sockeye_testkit::certificates::{Authority, Leaf};
use sockeye_testkit::relay::Relay;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use peers::{Settings, TlsFront};
use support::{Host, within};

/// Connects, moves a few events each way, and rests until heartbeats have found it idle. (What large events leave in TLS
/// is the other test.)
async fn used(host: &Host, builder: ClientBuilder) -> Socket {
    let socket = within("connect", builder.connect()).await.unwrap();
    let mut events = socket.events();
    let text = "x".repeat(1 << 10);
    let before = host.state(|state| state.server.received.len());
    socket.emit("big", (&text,)).unwrap();
    host.until("events", |state| {
        (state.server.received.len() > before).then_some(())
    })
    .await;
    host.emit("/", &json!(["big", text]).to_string());
    host.emit("/", r#"["small"]"#);
    within("big", events.next()).await.unwrap();
    within("small", events.next()).await.unwrap();
    // An answer to a ping: reads and writes have come to rest.
    socket.emit("last", ()).unwrap();
    host.until("the last", |state| {
        (state.server.received.len() > before + 1).then_some(())
    })
    .await;
    drop(events);
    // Two heartbeats with nothing in between: the connection is idle.
    for pongs in 1..=2 {
        host.send("2");
        host.until("a pong", |state| {
            (state.server.pongs >= pongs).then_some(())
        })
        .await;
    }
    // The client's tasks run on this thread: they get their turns until nothing is left to do.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    socket
}

/// The client's runtime, on the thread that counts, and that of the servers, which is not counted.
fn runtimes() -> (Runtime, Runtime) {
    let client = Builder::new_current_thread().enable_all().build();
    let servers = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    (client.unwrap(), servers.unwrap())
}

/// Bytes that a used and idle connection keeps on the client's side. `begin` makes a server for each.
fn idle<G>(client: &Runtime, begin: impl Fn() -> (Host, G, ClientBuilder)) -> i64 {
    let mut kept = i64::MAX;
    let mut alive = Vec::new();
    for round in 0..10 {
        let (host, guard, builder) = begin();
        let mut socket = None;
        let info = measure(|| socket = Some(client.block_on(used(&host, builder))));
        // What is made once for a process or a runtime is there after the first rounds.
        if round > 1 {
            kept = kept.min(info.bytes_current);
        }
        // What a socket leaves behind when it ends is not to be counted with the next one.
        alive.push((socket, guard, host));
    }
    kept
}

#[test]
fn idle_connections() {
    let (client, servers) = runtimes();
    let plain = idle(&client, || {
        let host = Host::start();
        let builder = Client::builder(host.url("/")).transports([Transport::WebSocket]);
        (host, (), builder)
    });
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("localhost"));
    let tls = Tls::new().ca_pem(ca.pem());
    let encrypted = idle(&client, || {
        let host = Host::start();
        let front = servers.block_on(TlsFront::start(&host, &Settings::of(&server)));
        let builder = Client::builder(front.url("localhost", "/"))
            .tls(tls.clone())
            .transports([Transport::WebSocket]);
        (host, front, builder)
    });
    // What is made for one client alone is kept by its connection.
    let own = idle(&client, || {
        let host = Host::start();
        let front = servers.block_on(TlsFront::start(&host, &Settings::of(&server)));
        let builder = Client::builder(front.url("localhost", "/"))
            .tls(Tls::new().ca_pem(ca.pem()))
            .transports([Transport::WebSocket]);
        (host, front, builder)
    });
    println!(
        "an idle connection keeps {plain} bytes, over TLS {encrypted}, with a configuration of its own {own}"
    );
    // rustls keeps a read buffer of 4 KiB, the keys, and the server's certificates.
    assert!(
        encrypted - plain <= 10 << 10 && encrypted <= 24 << 10,
        "{plain} bytes, over TLS {encrypted}"
    );
    // Beside the sessions, the trusted CA and the crypto provider's table: some 7.5 KB. Each of the two figures is up to 1 KB
    // higher where the queues between the tasks had to grow, which depends on the turns that the machine gave them.
    assert!(own - encrypted <= 9 << 10, "{encrypted} bytes, with {own}");
}

/// Buffers that large messages made grow have shrunk when a stream is idle.
#[test]
fn tls_buffers_shrink() {
    const SIZE: usize = 1 << 20;
    let (client, servers) = runtimes();
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("localhost"));
    // Everything comes back.
    let relay = servers.block_on(async {
        let echo = peers::listener().await;
        let address = echo.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = echo.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        let acceptor = tokio_rustls::TlsAcceptor::from(Settings::of(&server).config());
        Relay::start(peers::listener().await, move |stream: TcpStream| {
            let acceptor = acceptor.clone();
            async move { Ok((acceptor.accept(stream).await?, address)) }
        })
    });
    let connector = Tls::new()
        .ca_pem(ca.pem())
        .over(sockeye::net::TcpConnector::new());
    let target = Target::new(true, "localhost", relay.address().port());
    let data = vec![7; SIZE];
    let mut back = vec![0; SIZE];
    let mut exchange = || {
        client.block_on(async {
            let stream = within("connect", connector.connect(&target)).await.unwrap();
            let (mut read, mut write) = tokio::io::split(stream);
            let both = async { tokio::join!(write.write_all(&data), read.read_exact(&mut back)) };
            let (written, got) = within("echo", both).await;
            written.and(got.map(drop)).unwrap();
            let mut stream = read.unsplit(write);
            // A driver always waits for the next byte.
            std::future::poll_fn(|cx| {
                let mut more = [0; 1024];
                let mut more = tokio::io::ReadBuf::new(&mut more);
                let poll =
                    tokio::io::AsyncRead::poll_read(std::pin::Pin::new(&mut stream), cx, &mut more);
                assert!(poll.is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            stream
        })
    };
    // Sessions to resume are kept up to a bound, once for all connections.
    let mut streams: Vec<_> = (0..10).map(|_| exchange()).collect();
    streams.reserve(1);
    let info = measure(|| streams.push(exchange()));
    println!(
        "a TLS stream keeps {} bytes, {} at most",
        info.bytes_current, info.bytes_max
    );
    assert!(
        info.bytes_current <= 12 << 10,
        "{} bytes",
        info.bytes_current
    );
}

/// On a runtime of one thread handlers keep up with what is read: nothing gathers between the two, however much has come.
///
/// A dispatcher also gives way after some milliseconds, and where the machine runs something else meanwhile that is less than the
/// driver reads in its turn: of several rounds, the least disturbed counts.
#[test]
fn handlers_keep_up_with_the_driver() {
    let (client, _) = runtimes();
    let most = (0..8)
        .map(|_| most_that_waits(&client))
        // (It was three times as much, in every round, when dispatchers took fewer entries in a turn than the driver read.)
        .take_while(|bytes| *bytes > 1 << 20)
        .collect::<Vec<_>>();
    assert!(most.len() < 8, "{most:?} bytes");
}

/// The most bytes that lie in memory while a client reads and handles many events that have come already.
fn most_that_waits(client: &Runtime) -> u64 {
    const EVENTS: usize = 40_000;
    let host = Host::start();
    let done = std::sync::Arc::new(tokio::sync::Notify::new());
    let (all, seen) = (done.clone(), std::sync::atomic::AtomicUsize::new(0));
    let builder = Client::builder(host.url("/"))
        .transports([Transport::WebSocket])
        .on("event", move |(_,): (u32,)| {
            if seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 == EVENTS {
                all.notify_one();
            }
        });
    let socket = client
        .block_on(within("connect", builder.connect()))
        .unwrap();
    // The client does not run meanwhile: it finds all of them.
    for n in 0..EVENTS {
        host.emit("/", &format!(r#"["event",{}]"#, 1_000_000 + n));
    }
    let info = measure(|| client.block_on(within("the events", done.notified())));
    drop(socket);
    info.bytes_max
}
