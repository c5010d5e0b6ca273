//! [`EmbassyNet`] between two stacks of embassy-net, with a cable in memory.
#![cfg(feature = "embassy-net")]

mod support;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select, select3};
use embassy_net::tcp::{Error, TcpSocket};
use embassy_net::{Ipv4Address, Ipv4Cidr, Stack, StackResources, StaticConfigV4};
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};
use sockeye_embedded::net::{EmbassyNet, SocketBuffers};
use sockeye_embedded::{ConnectError, Connection};
use support::storage;

const SERVER: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
const PORT: u16 = 3000;

/// One direction of the cable.
#[derive(Default)]
struct Wire {
    frames: VecDeque<Vec<u8>>,
    reader: Option<Waker>,
}

/// One end of the cable.
struct End {
    number: u8,
    from: Rc<RefCell<Wire>>,
    to: Rc<RefCell<Wire>>,
}

struct Rx(Vec<u8>);
struct Tx(Rc<RefCell<Wire>>);

impl embassy_net_driver::RxToken for Rx {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

impl embassy_net_driver::TxToken for Tx {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        let mut wire = self.0.borrow_mut();
        wire.frames.push_back(frame);
        if let Some(reader) = wire.reader.take() {
            reader.wake();
        }
        result
    }
}

impl Driver for End {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Rx, Tx)> {
        let mut from = self.from.borrow_mut();
        match from.frames.pop_front() {
            Some(frame) => Some((Rx(frame), Tx(self.to.clone()))),
            None => {
                from.reader = Some(cx.waker().clone());
                None
            }
        }
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Tx> {
        Some(Tx(self.to.clone()))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = 1514;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet([2, 0, 0, 0, 0, self.number])
    }
}

fn stack(end: End) -> (Stack<'static>, embassy_net::Runner<'static, End>) {
    let config = embassy_net::Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, end.number), 24),
        gateway: None,
        dns_servers: Default::default(),
    });
    let seed = u64::from(end.number);
    embassy_net::new(end, config, storage(StackResources::<4>::new()), seed)
}

/// A client's connector and a server's stack, joined by a cable. The test is over when the script is.
fn play<F: Future>(script: impl FnOnce(EmbassyNet<'static, 1>, Stack<'static>) -> F) -> F::Output {
    let (up, down) = <(Rc<RefCell<Wire>>, Rc<RefCell<Wire>>)>::default();
    let end = |number, from: &Rc<RefCell<Wire>>, to: &Rc<RefCell<Wire>>| End {
        number,
        from: from.clone(),
        to: to.clone(),
    };
    let (server, mut server_runner) = stack(end(1, &up, &down));
    let (client, mut client_runner) = stack(end(2, &down, &up));
    let net = EmbassyNet::new(client, storage(SocketBuffers::<1, 512, 512>::new()));
    let script = async {
        join(server.wait_config_up(), client.wait_config_up()).await;
        script(net, server).await
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let all = select3(client_runner.run(), server_runner.run(), script);
    let all = async { tokio::time::timeout(Duration::from_secs(20), all).await };
    match runtime.block_on(all).expect("done in time") {
        embassy_futures::select::Either3::Third(output) => output,
        _ => unreachable!("stacks run for ever"),
    }
}

fn socket(stack: Stack<'static>) -> TcpSocket<'static> {
    TcpSocket::new(stack, storage([0; 512]), storage([0; 512]))
}

#[test]
fn a_connection_that_is_cut_is_told_to_the_server_also_when_the_next_follows_at_once() {
    play(|net, server| async move {
        let (mut first, mut second) = (socket(server), socket(server));
        let accepting = first.accept(PORT);
        let (accepted, connection) = join(accepting, net.connect_tcp("10.0.0.1", PORT)).await;
        accepted.unwrap();
        // Cut, and no time passes before the next one.
        drop(connection.unwrap());
        let both = join(second.accept(PORT), net.connect_tcp("10.0.0.1", PORT)).await;
        both.0.unwrap();
        let _connection = both.1.unwrap();
        let end = first.read(&mut [0]).await;
        assert_eq!(end, Err(Error::ConnectionReset), "the server was not told");
    });
}

#[test]
fn sent_waits_for_the_other_side() {
    play(|net, server| async move {
        let mut socket = socket(server);
        let accepting = socket.accept(PORT);
        let (accepted, connection) = join(accepting, net.connect_tcp("10.0.0.1", PORT)).await;
        accepted.unwrap();
        let mut connection = connection.unwrap();
        let (_reader, mut writer) = connection.split().await.unwrap();
        embedded_io_async::Write::write_all(&mut writer, b"last words")
            .await
            .unwrap();
        embedded_io_async::Write::flush(&mut writer).await.unwrap();
        // It cannot be done before the bytes have arrived.
        let sent = std::pin::pin!(sent(&mut writer));
        let read = async {
            let mut bytes = [0; 10];
            let mut n = 0;
            while n < bytes.len() {
                n += socket.read(&mut bytes[n..]).await.unwrap();
            }
            bytes
        };
        match select(sent, read).await {
            Either::First(()) => panic!("nothing has arrived yet"),
            Either::Second(bytes) => assert_eq!(&bytes, b"last words"),
        }
    });
}

async fn sent(writer: &mut sockeye_embedded::net::Writer<'_>) {
    let sent = sockeye_embedded::net::EmbassySocket::sent(writer).await;
    sent.unwrap();
}

#[test]
fn a_closed_port_is_not_told_as_more_than_is_known() {
    play(|net, _| async move {
        let refused = net.connect_tcp(&SERVER.to_string(), PORT).await;
        assert_eq!(refused.err(), Some(ConnectError::Reset));
    });
}
