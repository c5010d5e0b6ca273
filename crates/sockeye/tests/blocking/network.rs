//! Streams: polling and upgrades, connectors, TLS, proxies, dead addresses.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use sockeye::blocking::{Attempt, Client, Connector, SocketRef, Stream};
use sockeye::net::{DialError, Target};
use sockeye::{ConnectErrorKind, Transport};

use crate::support::{Host, PATIENCE, closed_port};
use crate::{client, eventually, run};

/// A large message both ways, whatever carries it.
fn carries(host: &Host, socket: &sockeye::blocking::Socket) {
    let large = "x".repeat(300_000);
    socket.emit("large", (&large,)).unwrap();
    let received = run(host.received(1));
    assert_eq!(received[0].len(), large.len() + r#"/ ["large",""]"#.len());
    let mut events = socket.stream::<(String,)>("large");
    host.emit("/", &format!("[\"large\",{large:?}]"));
    assert_eq!(events.recv_timeout(PATIENCE).unwrap().0, large);
}

#[test]
fn every_transport() {
    for transports in [
        &[Transport::Polling][..],
        &[Transport::WebSocket],
        &[Transport::Polling, Transport::WebSocket],
    ] {
        let host = Host::start();
        let socket = Client::builder(host.url("/"))
            .transports(transports.iter().copied())
            .connect()
            .unwrap();
        let last = *transports.last().unwrap();
        eventually("the transport", || socket.transport() == Some(last));
        carries(&host, &socket);
        socket.close().unwrap();
        run(host.empty());
    }
}

/// A connector of the application's, and what it is told of the attempt.
struct ByHand(std::net::SocketAddr);

impl Connector for ByHand {
    type Stream = TcpStream;

    fn connect(&self, target: &Target, attempt: &Attempt) -> Result<TcpStream, DialError> {
        assert_eq!(target.host(), "anywhere.test");
        let limit = attempt.remaining().expect("a limit");
        assert!(!limit.is_zero() && !attempt.is_given_up());
        Ok(TcpStream::connect_timeout(&self.0, limit)?)
    }
}

#[test]
fn connectors() {
    let host = Host::start();
    let socket = Client::builder("http://anywhere.test/")
        .connector(ByHand(host.address()))
        .connect()
        .unwrap();
    carries(&host, &socket);
    let fails = |_: Target| -> Result<TcpStream, DialError> { panic!("on purpose") };
    let error = Client::builder("http://x.test/")
        .connector(fails)
        .connect()
        .unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Transport);
    assert!(
        error.to_string().contains("the connector panicked"),
        "{error}"
    );
}

/// One half of a pipe in memory: it has no socket, and wakes by the waker it was given.
#[derive(Default)]
struct Half {
    bytes: VecDeque<u8>,
    ended: bool,
    waker: Option<Waker>,
}

/// How much a pipe holds.
const PIPE: usize = 1000;

struct Pipe {
    from: Arc<Mutex<Half>>,
    to: Arc<Mutex<Half>>,
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut from = self.from.lock().unwrap();
        if from.bytes.is_empty() && !from.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        from.bytes.read(buf)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut to = self.to.lock().unwrap();
        let room = PIPE - to.bytes.len();
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = bytes.len().min(room);
        to.bytes.extend(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Pipe {
    fn start(&mut self, waker: &Waker) -> io::Result<()> {
        self.from.lock().unwrap().waker = Some(waker.clone());
        Ok(())
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        None
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.to.lock().unwrap().ended = true;
    }
}

/// Moves bytes between a pipe and a real connection, by two threads that look again and again.
fn pipe_to(address: std::net::SocketAddr) -> Pipe {
    let (incoming, outgoing) = (Arc::<Mutex<Half>>::default(), Arc::<Mutex<Half>>::default());
    let stream = TcpStream::connect(address).unwrap();
    let wake = {
        let incoming = Arc::clone(&incoming);
        move || {
            if let Some(waker) = &incoming.lock().unwrap().waker {
                waker.wake_by_ref();
            }
        }
    };
    let (to, room, mut reader) = (
        Arc::clone(&incoming),
        wake.clone(),
        stream.try_clone().unwrap(),
    );
    std::thread::spawn(move || {
        let mut buf = [0; 700];
        while let Ok(n @ 1..) = reader.read(&mut buf) {
            to.lock().unwrap().bytes.extend(&buf[..n]);
            room();
        }
        to.lock().unwrap().ended = true;
        room();
    });
    let (from, mut writer) = (Arc::clone(&outgoing), stream);
    std::thread::spawn(move || {
        loop {
            let (bytes, ended) = {
                let mut from = from.lock().unwrap();
                (Vec::from(std::mem::take(&mut from.bytes)), from.ended)
            };
            if !bytes.is_empty() {
                wake();
                if writer.write_all(&bytes).is_err() {
                    return;
                }
            } else if ended {
                let _ = writer.shutdown(std::net::Shutdown::Both);
                return;
            } else {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    });
    Pipe {
        from: incoming,
        to: outgoing,
    }
}

#[test]
fn a_stream_without_a_socket() {
    let host = Host::start();
    let address = host.address();
    let connector = move |_: Target| -> Result<Pipe, DialError> { Ok(pipe_to(address)) };
    let socket = Client::builder("http://pipe.test/")
        .connector(connector)
        .transports([Transport::WebSocket])
        .connect()
        .unwrap();
    carries(&host, &socket);
    socket.close().unwrap();
    run(host.empty());
}

/// A dead address costs a quarter of a second at most, and the one that answers is used.
#[test]
fn addresses_are_tried_in_turn() {
    let host = Host::start();
    let port = host.address().port();
    // 127.0.0.2 refuses: the server listens at 127.0.0.1 alone.
    let socket = Client::builder(format!("http://dual.test:{port}/"))
        .resolve(
            "dual.test",
            [
                IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)),
                IpAddr::V4(Ipv4Addr::LOCALHOST),
            ],
        )
        .connect()
        .unwrap();
    assert!(socket.connected());
}

/// What is given up says what it was waiting for, and holds nothing up.
#[test]
fn a_server_that_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let connect = |url: String| {
        let timeout = Duration::from_millis(50);
        let client = Client::builder(url).timeout(timeout).reconnection(false);
        client.connect().unwrap_err().to_string()
    };
    let error = connect(format!("http://{address}"));
    assert!(error.contains("no Socket.IO handshake"), "{error}");
    #[cfg(feature = "rustls-ring")]
    {
        let error = connect(format!("https://{address}"));
        assert!(
            error.contains("did not finish the TLS handshake"),
            "{error}"
        );
    }
}

#[test]
fn a_proxy_that_is_not_there() {
    let error = client(&Host::start())
        .proxy(format!("http://{}", closed_port()))
        .connect()
        .unwrap_err()
        .to_string();
    assert!(error.contains("the proxy cannot be reached"), "{error}");
}
