//! `sockeye-core` alone: the loop of its documentation.

use sockeye_core::{
    Client, Config, EmitOptions, Entropy, Event, Instant, Limits, Link, Memory, NamespaceId,
    NspOptions, Output, Transports,
};

use crate::peer::Peer;
use crate::{Reading, Row};

/// Accepted before they are written, in bytes.
const BACKLOG: usize = 64 << 10;

/// It stands still: nothing here waits.
const NOW: Instant = Instant::from_micros(0);

/// The same in every run.
fn fill(bytes: &mut [u8]) {
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = (n as u8).wrapping_mul(29) ^ 0x5a;
    }
}

struct Driver {
    client: Client<'static>,
    nsp: NamespaceId,
    peer: Peer,
}

impl Driver {
    fn join(row: Row, count: u32) -> Self {
        let mut config = Config::new("127.0.0.1:1".into(), Entropy::Fn(fill));
        config.transports = Transports::WEBSOCKET;
        config.reconnection.enabled = false;
        let mut client = Client::new(config, Memory::growable(&Limits::DEFAULT));
        let nsp = client.namespace("/", NspOptions::default());
        let nsp = nsp.expect("the first namespace");
        let peer = Peer::new(row, count);
        let mut driver = Self { client, nsp, peer };
        driver.client.connect(NOW, nsp);
        driver.run(|event| matches!(event, Event::Connected { .. }));
        driver
    }

    /// Until the application has seen enough.
    fn run(&mut self, mut app: impl FnMut(Event<'_>) -> bool) {
        let mut done = false;
        loop {
            self.drain(&mut |event| done |= app(event));
            if done {
                return;
            }
            let read = self.peer.read(self.client.receive_buf(Link::WebSocket));
            assert!(read > 0, "both wait");
            self.client.handle_received(NOW, Link::WebSocket, read);
        }
    }

    /// Does what the core asks for.
    fn drain(&mut self, app: &mut impl FnMut(Event<'_>)) {
        loop {
            match self.client.poll_output() {
                Output::Open(link) => self.client.handle_opened(NOW, link),
                Output::Transmit(link) => {
                    let bytes = self.client.transmit(link);
                    self.peer.write(bytes);
                    let sent = bytes.len();
                    self.client.transmitted(link, sent);
                }
                Output::Close(_) => panic!("the connection was closed"),
                Output::Event(Event::Closed { details, .. }) => {
                    panic!("the connection ended: {details:?}")
                }
                Output::Event(event) => app(event),
                Output::Idle(_) => return,
            }
        }
    }

    fn emit<A: sockeye_core::packet::EmitArgs>(
        &mut self,
        event: &str,
        args: &A,
        options: EmitOptions,
    ) -> Option<sockeye_core::AckId> {
        self.client
            .emit(NOW, self.nsp, event, args, options)
            .expect("room for it")
    }
}

pub(crate) fn run(row: Row, count: u32) {
    let mut driver = Driver::join(row, count);
    let mut reading = Reading::number(0);
    match row {
        Row::Receive => {
            let mut seen = 0;
            driver.emit("go", &(), EmitOptions::PLAIN);
            driver.run(|event| {
                if let Event::Message(message) = event
                    && message.name == "event"
                {
                    let (reading,): (Reading,) = message.args.parse().expect("a reading");
                    reading.check(seen);
                    seen += 1;
                }
                seen == count
            });
        }
        Row::Emit => {
            for n in 0..count {
                reading.id = Reading::id(n);
                driver.emit("event", &(&reading,), EmitOptions::PLAIN);
                if driver.client.send_queue_bytes() >= BACKLOG {
                    driver.drain(&mut |_| {});
                }
            }
            driver.run(|event| matches!(event, Event::Message(message) if message.name == "done"));
        }
        Row::Ack => {
            for n in 0..count {
                reading.id = Reading::id(n);
                let asked = driver.emit("event", &(&reading,), EmitOptions::ACK);
                let mut answer = 0;
                driver.run(|event| match event {
                    Event::Ack { id, result } if Some(id) == asked => {
                        let args = result.expect("an answer");
                        (answer,) = args.parse::<(u32,)>().expect("a number");
                        true
                    }
                    _ => false,
                });
                assert_eq!(answer, reading.id, "the answer to another event");
            }
        }
    }
}
