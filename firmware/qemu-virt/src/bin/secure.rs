//! The client over TLS: joins two namespaces of a server whose certificate a private CA has signed, and exchanges text
//! and binary; or is told in plain words why not.
//!
//! Arguments: `port`, `host` (the name to expect in the certificate), `blob` (the CA in DER), `time` (Unix seconds, else the
//! board's clock). Exit code 3: no connection.
#![no_std]
#![no_main]

use core::cell::Cell;

use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Instant, with_timeout};
use qemu_virt::board::{self, entropy, heap, stack};
use qemu_virt::{metric, net, println, tls};
use sockeye_embedded::net::{EmbassyNet, SocketBuffers};
use sockeye_embedded::{BinRef, Config, Event, Socket, Storage, Texts};
use static_cell::ConstStaticCell;

type Memory = Storage<4096, 4096>;

static STORAGE: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());
static BUFFERS: ConstStaticCell<SocketBuffers<1, 4096, 2048>> =
    ConstStaticCell::new(SocketBuffers::new());
static TEXTS: ConstStaticCell<[u8; 64]> = ConstStaticCell::new([0; 64]);
static DATA: ConstStaticCell<[u8; 2048]> = ConstStaticCell::new([0x5a; 2048]);

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let nic = board::init();
    let network = net::up(spawner, nic).await;
    let mut texts = Texts::new(TEXTS.take());
    let url = texts
        .format(format_args!("https://{}:{}/", net::HOST, net::port()))
        .expect("room for the URL");
    let mut config = Config::new(url, entropy::fill).expect("a good URL");
    config.core.reconnection.attempts = Some(0);
    let (socket, mut runner) =
        sockeye_embedded::new(config, STORAGE.take()).expect("room for one namespace");
    let chat = socket.namespace("/chat").expect("room for two namespaces");
    let connector = tls::connector(EmbassyNet::new(network, BUFFERS.take()));

    let refused = Cell::new(false);
    let data = DATA.take();
    let (echoed, start) = (Cell::new(false), Instant::now());
    let handler = |_: &Socket, event: &Event<'_>| match event {
        Event::Closed {
            details, opened, ..
        } => {
            println!("closed: {details}");
            refused.set(!opened);
        }
        Event::Message(message) if message.name == "echo" => {
            echoed.set(message.args.parse() == Ok((BinRef(data),)));
        }
        _ => (),
    };
    let script = async {
        socket.ready().await;
        chat.ready().await;
        metric!("join_us", start.elapsed().as_micros());
        metric!("heap_steady", heap::used());
        let start = Instant::now();
        let back = chat
            .emit_with_ack::<_, (u32, bool)>("ack", (7_u32, true))
            .await;
        metric!("ack_us", start.elapsed().as_micros());
        let sent = socket.emit("echo", (BinRef(data),));
        core::future::poll_fn(|_| {
            if echoed.get() {
                core::task::Poll::Ready(())
            } else {
                core::task::Poll::Pending
            }
        })
        .await;
        back == Ok((7, true)) && sent.is_ok()
    };
    let given_up = core::future::poll_fn(|_| {
        if refused.get() {
            core::task::Poll::Ready(())
        } else {
            core::task::Poll::Pending
        }
    });
    let run = select(runner.run(connector, handler), select(script, given_up));
    let code = match with_timeout(Duration::from_secs(30), run).await {
        Ok(Either::Second(Either::First(true))) => 0,
        Ok(Either::Second(Either::Second(()))) => 3,
        Ok(Either::Second(Either::First(false))) => {
            println!("failed: other data came back");
            1
        }
        Ok(Either::First(())) | Err(_) => {
            println!("failed: not done within 30 s");
            1
        }
    };
    metric!("heap_bytes", heap::high_water());
    metric!("stack_bytes", stack::high_water());
    if code == 0 {
        println!("ok");
    }
    board::exit(code)
}
