//! Byte streams of other kinds, and options of TCP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use sockeye::net::{Connector, DialError, DialErrorKind, Target, TcpConnector, Tls};
use sockeye::{Client, Transport};
use sockeye_testkit::certificates::{Authority, Leaf};
use sockeye_testkit::relay::Relay;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

use crate::peers::{Settings, TlsFront, listener};
use crate::support::{Host, client, quick, within};

/// A pipe in memory for each link; its other end is a TCP connection to the server.
fn pipe(server: SocketAddr, size: usize) -> impl Connector {
    move |_: Target| async move {
        let (ours, mut theirs) = tokio::io::duplex(size);
        let mut server = TcpStream::connect(server).await?;
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut theirs, &mut server).await });
        Ok::<DuplexStream, io::Error>(ours)
    }
}

/// A pipe in memory, one so small that every write waits in it, for both transports.
#[tokio::test]
async fn a_pipe_in_memory() {
    for (size, transports) in [
        (64 << 10, [Transport::WebSocket].as_slice()),
        (7, &[Transport::WebSocket]),
        (7, &[Transport::Polling]),
        (64 << 10, &[Transport::Polling, Transport::WebSocket]),
    ] {
        let host = Host::start();
        let builder = Client::builder("http://in.memory/")
            .connector(pipe(host.address(), size))
            .transports(transports.iter().copied());
        let socket = within("connect", builder.connect()).await.unwrap();
        let text = "y".repeat(5000);
        for _ in 0..3 {
            socket.emit("big", (&text,)).unwrap();
        }
        let received = host.received(3).await;
        assert!(
            received
                .iter()
                .all(|event| *event == format!(r#"/ ["big","{text}"]"#))
        );
        let requests = host.state(|state| state.requests[0].header("host").map(str::to_owned));
        assert_eq!(requests.as_deref(), Some("in.memory"));
        socket.disconnect();
        host.empty().await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket() {
    let host = Host::start();
    let path = std::env::temp_dir().join(format!("sockeye-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let server = host.address();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut server = TcpStream::connect(server).await.unwrap();
            tokio::spawn(
                async move { tokio::io::copy_bidirectional(&mut stream, &mut server).await },
            );
        }
    });
    let socket_path = path.clone();
    let builder = Client::builder("http://localhost/")
        .connector(move |_: Target| tokio::net::UnixStream::connect(socket_path.clone()));
    let socket = within("connect", builder.connect()).await.unwrap();
    socket.emit("hello", ()).unwrap();
    assert_eq!(host.received(1).await, [r#"/ ["hello"]"#]);
    let _ = std::fs::remove_file(&path);
}

/// TLS over another connector's streams; what is asked of that is the plain way to the same host.
#[tokio::test]
async fn tls_over_a_connector() {
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("example.test"));
    let host = Host::start();
    let front = TlsFront::start(&host, &Settings::of(&server)).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (address, notes) = (front.relay.address(), Arc::clone(&asked));
    let inner = move |target: Target| {
        notes.lock().unwrap().push(target);
        TcpStream::connect(address)
    };
    let tls = Tls::new().ca_pem(ca.pem());
    let builder = Client::builder("https://example.test/")
        .connector(tls.over(inner))
        .transports([Transport::WebSocket]);
    within("connect", builder.connect()).await.unwrap();
    assert_eq!(
        *asked.lock().unwrap(),
        [Target::new(false, "example.test", 443)]
    );
    assert_eq!(front.seen()[0].sni.as_deref(), Some("example.test"));
}

/// A type of the application's.
struct Counting {
    inner: TcpConnector,
    count: Arc<AtomicUsize>,
}

impl Connector for Counting {
    type Stream = TcpStream;

    async fn connect(&self, target: &Target) -> Result<TcpStream, DialError> {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.inner.connect(target).await
    }
}

#[tokio::test]
async fn a_type_of_the_applications() {
    let host = Host::start();
    let count = Arc::new(AtomicUsize::new(0));
    let connector = Counting {
        inner: TcpConnector::new(),
        count: Arc::clone(&count),
    };
    within("connect", client(&host).connector(connector).connect())
        .await
        .unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

/// A stream that counts how often it is asked for bytes.
struct Asked {
    inner: TcpStream,
    reads: Arc<AtomicUsize>,
}

impl AsyncRead for Asked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Asked {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// What is sent goes out without a look at what may have come; what does come is read all the same.
#[tokio::test]
async fn a_stream_is_asked_only_when_it_has_woken() {
    let host = Host::start();
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    let builder =
        client(&host)
            .transports([Transport::WebSocket])
            .connector(move |target: Target| {
                let reads = Arc::clone(&counted);
                async move {
                    let inner = TcpConnector::new().connect(&target).await?;
                    Ok::<_, DialError>(Asked { inner, reads })
                }
            });
    let socket = within("connect", builder.connect()).await.unwrap();
    let mut events = socket.events();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = reads.load(Ordering::SeqCst);
    for n in 1..=20 {
        socket.emit("n", (n,)).unwrap();
        // The driver is woken for each, and writes it.
        within("it is written", socket.flush()).await;
    }
    assert_eq!(reads.load(Ordering::SeqCst), before);
    host.emit("/", r#"["news",1]"#);
    within("news", events.next()).await.unwrap();
    assert!(reads.load(Ordering::SeqCst) > before);
}

/// A connector's error is told with its kind; a definitive one ends `connect`, any other is tried again.
#[tokio::test]
async fn errors_of_a_connector() {
    let count = Arc::new(AtomicUsize::new(0));
    let attempts = Arc::clone(&count);
    let patient = quick(Client::builder("http://h/")).wait_for_server(true);
    let builder = patient.connector(move |_: Target| {
        let n = attempts.fetch_add(1, Ordering::SeqCst);
        async move {
            Err::<TcpStream, _>(if n < 3 {
                DialError::new(DialErrorKind::Other, "not now")
            } else {
                DialError::new(DialErrorKind::Certificate, "no\nkey")
            })
        }
    });
    let error = within("connect", builder.connect()).await.unwrap_err();
    assert_eq!(error.to_string(), "could not connect: no key");
    assert_eq!(error.dial(), Some(DialErrorKind::Certificate));
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

/// An address that takes no connections: its queue is full, further SYNs get no answer.
fn dead(port: u16) -> Option<(SocketAddr, Vec<socket2::Socket>)> {
    for last in 2..250 {
        let address = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port));
        let socket = |domain| socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
        let full = socket(socket2::Domain::IPV4);
        if full.bind(&address.into()).is_err() {
            continue;
        }
        full.listen(0).unwrap();
        let mut sockets = vec![full];
        for _ in 0..8 {
            let filler = socket(socket2::Domain::IPV4);
            filler.set_nonblocking(true).unwrap();
            let _ = filler.connect(&address.into());
            sockets.push(filler);
        }
        return Some((address, sockets));
    }
    None
}

/// A name with two addresses of which the first is dead: a fraction of a second, not a timeout.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_dead_address_first() {
    let host = Host::start();
    let (dead, _full) = dead(host.address().port()).expect("another loopback address");
    // The address is dead indeed.
    let attempt = TcpStream::connect(dead);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), attempt)
            .await
            .is_err()
    );
    let start = Instant::now();
    let builder = Client::builder(format!("http://dual.test:{}/", dead.port()))
        .resolve("dual.test", [dead.ip(), host.address().ip()])
        .transports([Transport::WebSocket]);
    within("connect", builder.connect()).await.unwrap();
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(200),
        "the dead address was not tried: {took:?}"
    );
}

/// A dial that takes too long: what it was waiting for is told.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_timeout_was_waiting_for() {
    let (dead, _full) = dead(crate::support::closed_port().port()).expect("a loopback address");
    let never = |_: Target| std::future::pending::<io::Result<TcpStream>>();
    for (builder, words) in [
        (
            Client::builder(format!("http://{dead}/")),
            "no answer from 127.0.0.",
        ),
        (
            Client::builder("http://h/").connector(never),
            "the connector gave no stream to h port 80",
        ),
        (
            Client::builder("http://h.test/").headers_with(std::future::pending),
            "functions for query and headers",
        ),
    ] {
        let builder = builder
            .timeout(Duration::from_millis(100))
            .reconnection(false);
        let error = within("connect", builder.connect()).await.unwrap_err();
        let line = error.to_string();
        let start = "no Socket.IO handshake within the connect timeout: ";
        assert!(line.starts_with(start) && line.contains(words), "{line}");
        assert_eq!(error.dial(), Some(DialErrorKind::Unreachable));
    }
}

/// A zone in the URL: used for connecting, never sent. (Number 1 is the loopback interface.)
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_zone_in_the_url() {
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else {
        eprintln!("skipped: this machine has no IPv6");
        return;
    };
    let host = Host::start();
    let server = host.address();
    let relay = Relay::start(listener, move |stream: TcpStream| async move {
        Ok((stream, server))
    });
    let port = relay.address().port();
    let builder =
        Client::builder(format!("http://[::1%251]:{port}/")).transports([Transport::WebSocket]);
    within("connect", builder.connect()).await.unwrap();
    let header = host.state(|state| state.requests[0].header("host").map(str::to_owned));
    assert_eq!(header, Some(format!("[::1]:{port}")));
}

/// All attempts are told.
#[tokio::test]
async fn no_address_answers() {
    let closed = crate::support::closed_port();
    let ips: [IpAddr; 2] = [
        Ipv4Addr::new(127, 0, 0, 1).into(),
        Ipv4Addr::new(127, 0, 0, 2).into(),
    ];
    let builder = Client::builder(format!("http://dual.test:{}/", closed.port()))
        .resolve("dual.test", ips)
        .reconnection(false);
    let error = within("connect", builder.connect()).await.unwrap_err();
    let line = error.to_string();
    assert!(
        line.contains("none of the 2 addresses of dual.test")
            && line.contains("127.0.0.1 connection refused, 127.0.0.2 connection refused"),
        "{line}"
    );
    assert_eq!(error.dial(), Some(DialErrorKind::Unreachable));
    let builder = Client::builder("http://nowhere.test/")
        .resolve("nowhere.test", [])
        .reconnection(false);
    let error = within("connect", builder.connect()).await.unwrap_err();
    assert_eq!(error.dial(), Some(DialErrorKind::Resolve));
    assert!(
        error
            .to_string()
            .contains("nowhere.test cannot be resolved"),
        "{error}"
    );
}

/// The server sees the local address that was chosen.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn local_address() {
    let host = Host::start();
    let peers = Arc::new(Mutex::new(Vec::new()));
    let (server, notes) = (host.address(), Arc::clone(&peers));
    let relay = Relay::start(listener().await, move |stream: TcpStream| {
        notes.lock().unwrap().push(stream.peer_addr().unwrap().ip());
        async move { Ok((stream, server)) }
    });
    let local: IpAddr = Ipv4Addr::new(127, 0, 0, 9).into();
    let builder = Client::builder(format!("http://{}/", relay.address()))
        .local_address(local)
        .tcp_keepalive(Duration::from_secs(30))
        .transports([Transport::WebSocket]);
    within("connect", builder.connect()).await.unwrap();
    assert_eq!(*peers.lock().unwrap(), [local]);
    // An address of another machine.
    let error = within(
        "connect",
        client(&host)
            .local_address("192.0.2.1".parse().unwrap())
            .reconnection(false)
            .connect(),
    )
    .await
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the local address 192.0.2.1 cannot be used"),
        "{error}"
    );
}

#[tokio::test]
async fn keepalive() {
    let host = Host::start();
    let target = Target::new(false, "127.0.0.1", host.address().port());
    let stream = TcpConnector::new()
        .keepalive(Duration::from_secs(30))
        .connect(&target)
        .await
        .unwrap();
    let socket = socket2::SockRef::from(&stream);
    assert!(socket.keepalive().unwrap());
    #[cfg(target_os = "linux")]
    assert_eq!(
        socket.tcp_keepalive_time().unwrap(),
        Duration::from_secs(30)
    );
    let stream = TcpConnector::new().connect(&target).await.unwrap();
    assert!(!socket2::SockRef::from(&stream).keepalive().unwrap());
}
