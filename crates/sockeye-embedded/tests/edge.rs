//! The connector for `edge-nal`, over a stack in memory.
#![cfg(feature = "edge-nal")]

mod support;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use edge_nal::{AddrType, Close, Dns, Readable, TcpConnect, TcpShutdown, TcpSplit};
use embassy_futures::select::{Either, select};
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use sockeye_embedded::net::EdgeNal;
use sockeye_embedded::{ConnectError, Connection, Event, Socket, new_with_clock};
use support::exec::{TestClock, block_on, sleep};
use support::net::{Client, Manners, Net, ReadHalf, WriteHalf};
use support::{Small, config, storage};

/// A stack that knows one name.
struct Stack(Net);

struct Stream(Client);

struct Reader<'a>(ReadHalf<'a>);

impl TcpConnect for Stack {
    type Error = ErrorKind;
    type Socket<'a> = Stream;

    async fn connect(&self, remote: SocketAddr) -> Result<Stream, ErrorKind> {
        assert_eq!(remote, SocketAddr::from(([10, 0, 0, 7], 3000)));
        self.0
            .open()
            .await
            .map(Stream)
            .map_err(|error| match error {
                ConnectError::Refused => ErrorKind::ConnectionRefused,
                _ => ErrorKind::Other,
            })
    }
}

impl Dns for Stack {
    type Error = ErrorKind;

    async fn get_host_by_name(&self, host: &str, kind: AddrType) -> Result<IpAddr, ErrorKind> {
        assert_eq!(kind, AddrType::IPv4);
        if host == "board.local" {
            Ok(IpAddr::from([10, 0, 0, 7]))
        } else {
            Err(ErrorKind::NotFound)
        }
    }

    async fn get_host_by_address(&self, _: IpAddr, _: &mut [u8]) -> Result<usize, ErrorKind> {
        Err(ErrorKind::Unsupported)
    }
}

impl ErrorType for Stream {
    type Error = ErrorKind;
}

impl Read for Stream {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let (mut reader, _) = self.0.split().await.expect("halves");
        reader.read(buf).await
    }
}

impl Write for Stream {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        let (_, mut writer) = self.0.split().await.expect("halves");
        writer.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl Readable for Stream {
    async fn readable(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl TcpShutdown for Stream {
    async fn close(&mut self, what: Close) -> Result<(), ErrorKind> {
        assert!(matches!(what, Close::Both));
        Connection::close(&mut self.0).await;
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl ErrorType for Reader<'_> {
    type Error = ErrorKind;
}

impl Read for Reader<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0.read(buf).await
    }
}

impl Readable for Reader<'_> {
    async fn readable(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl TcpSplit for Stream {
    type Read<'a> = Reader<'a>;
    type Write<'a> = WriteHalf<'a>;

    fn split(&mut self) -> (Reader<'_>, WriteHalf<'_>) {
        let (reader, writer) = self.0.halves();
        (Reader(reader), writer)
    }
}

fn first_failure(url: &'static str) -> String {
    let net = Net::new(Manners::GOOD);
    let (_, mut runner) = new_with_clock(config(url), storage(Small::new()), TestClock).unwrap();
    let mut failure = String::new();
    block_on(Duration::from_secs(60), async {
        let connector = EdgeNal::new(Stack(net.clone()), Stack(net.clone()));
        let handler = |_: &Socket, event: &Event<'_>| {
            if let Event::Closed { details, .. } = event {
                failure = details.to_string();
            }
        };
        select(
            runner.run(connector, handler),
            sleep(Duration::from_millis(1)),
        )
        .await;
    });
    failure
}

#[test]
fn connects_by_name_and_closes_in_order() {
    let net = Net::new(Manners::DRIPPING);
    let stack = Stack(net.clone());
    let config = config("http://board.local:3000");
    let (socket, mut runner) = new_with_clock(config, storage(Small::new()), TestClock).unwrap();
    let ended = block_on(Duration::from_secs(60), async {
        let script = async {
            let wire = net.wire(0).await;
            wire.join().await;
            socket.emit("hi", ()).unwrap();
            wire.expect(r#"42["hi"]"#).await;
            wire.reset();
            let wire = net.wire(1).await;
            wire.join().await;
            socket.ready().await;
            socket.stop();
            wire.expect("41").await;
            wire.next().await;
            wire.send(&[0x88, 0]);
            wire.gone().await;
            assert!(wire.closed.get(), "closed in order");
            std::future::pending::<()>().await;
        };
        select(
            runner.run(EdgeNal::new(&stack, &stack), |_: &Socket, _: &Event<'_>| ()),
            script,
        )
        .await
    });
    assert!(matches!(ended, Either::First(())));
}

#[test]
fn says_what_is_in_the_way() {
    assert!(
        first_failure("http://nowhere.local:3000").contains("the host name could not be looked up")
    );
    assert!(first_failure("https://board.local:3000").contains("this connector has none"));
}
