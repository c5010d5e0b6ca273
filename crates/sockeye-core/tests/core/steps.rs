//! No work grows with the square of what waits: doubling the load doubles the steps that the containers take. Steps are
//! counted, not time.

use std::time::Duration;

use sockeye_core::{
    AckId, Client, Config, EmitOptions, Event, Instant, Link, Memory, NamespaceId, NspOptions,
    Offline, Output, Transports, steps,
};
use sockeye_testkit::{Request, accept_key, config, frame, response};

/// A client in growable memory, its links, and what one output costs at most.
struct Core {
    client: Client<'static>,
    now: Instant,
    /// The links take so many bytes more.
    room: usize,
    sent: Vec<u8>,
    messages: usize,
    acks: usize,
    /// The most steps of one `poll_output`.
    most: u64,
}

impl Core {
    fn new(transports: Transports, change: impl FnOnce(&mut Config<'static>)) -> Self {
        let mut config = config(transports);
        config.limits.acks = 1 << 18;
        config.limits.packets = 1 << 20;
        config.limits.namespaces = 20_000;
        config.join_timeout = None;
        change(&mut config);
        let memory = Memory::growable(&config.limits);
        Self {
            client: Client::new(config, memory),
            now: Instant::ZERO,
            room: usize::MAX,
            sent: Vec::new(),
            messages: 0,
            acks: 0,
            most: 0,
        }
    }

    fn drain(&mut self) {
        loop {
            let before = steps();
            let output = self.client.poll_output();
            self.most = self.most.max(steps() - before);
            match output {
                Output::Open(link) => self.client.handle_opened(self.now, link),
                Output::Transmit(link) => {
                    let bytes = self.client.transmit(link);
                    let n = bytes.len().min(self.room);
                    self.sent.extend_from_slice(&bytes[..n]);
                    self.room -= n;
                    self.client.transmitted(link, n);
                }
                Output::Event(Event::Message(_)) => self.messages += 1,
                Output::Event(Event::Ack { .. }) => self.acks += 1,
                Output::Event(_) | Output::Close(_) => (),
                Output::Idle(_) => return,
            }
        }
    }

    fn feed(&mut self, link: Link, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.client.receive_buf(link);
            let n = bytes.len().min(room.len());
            room[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            self.client.handle_received(self.now, link, n);
            self.drain();
        }
    }

    fn ws(&mut self, packets: impl IntoIterator<Item = String>) {
        let bytes: Vec<u8> = packets
            .into_iter()
            .flat_map(|packet| frame(0x81, packet.as_bytes()))
            .collect();
        self.feed(Link::WebSocket, &bytes);
    }

    fn add(&mut self, namespaces: usize, options: NspOptions) -> Vec<NamespaceId> {
        let all = (0..namespaces).map(|i| {
            let nsp = self.client.namespace(&name(i), options).unwrap();
            self.client.connect(self.now, nsp);
            nsp
        });
        all.collect()
    }

    fn opened(&mut self) {
        self.drain();
        let (request, _) = Request::parse(&self.sent).unwrap();
        let accept = accept_key(request.header("sec-websocket-key").unwrap());
        let answer = format!(
            "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.feed(Link::WebSocket, answer.as_bytes());
        self.ws(["0{\"sid\":\"E\",\"pingInterval\":3600000,\"pingTimeout\":3600000}".into()]);
    }

    /// A session on a WebSocket with so many namespaces joined.
    fn joined(namespaces: usize, options: NspOptions) -> (Self, Vec<NamespaceId>) {
        Self::joined_with(namespaces, options, |_| ())
    }

    fn joined_with(
        namespaces: usize,
        options: NspOptions,
        change: impl FnOnce(&mut Config<'static>),
    ) -> (Self, Vec<NamespaceId>) {
        let mut core = Self::new(Transports::WEBSOCKET, change);
        let nsps = core.add(namespaces, options);
        core.opened();
        core.ws((0..namespaces).map(|i| format!("40{}{{\"sid\":\"S\"}}", prefix(i))));
        core.sent.clear();
        (core, nsps)
    }

    fn emit(&mut self, nsp: NamespaceId, options: EmitOptions) -> Option<AckId> {
        self.client
            .emit(self.now, nsp, "e", &(1,), options)
            .unwrap()
    }

    fn emit_all(&mut self, nsp: NamespaceId, n: usize, options: EmitOptions) -> Vec<AckId> {
        (0..n)
            .filter_map(|_| {
                let id = self.emit(nsp, options);
                self.drain();
                id
            })
            .collect()
    }

    /// What `work` costs.
    fn cost(&mut self, work: impl FnOnce(&mut Self)) -> u64 {
        self.most = 0;
        let before = steps();
        work(self);
        steps() - before
    }
}

fn name(i: usize) -> String {
    if i == 0 { "/".into() } else { format!("/n{i}") }
}

fn prefix(i: usize) -> String {
    if i == 0 {
        String::new()
    } else {
        format!("/n{i},")
    }
}

/// Twice the load costs about twice as much.
#[track_caller]
fn linear(what: &str, cost: impl Fn(usize) -> u64) {
    let (one, two) = (cost(1_000), cost(2_000));
    println!("{what}: {one} steps, twice the load {two}");
    assert!(one > 0, "{what}: nothing was counted");
    assert!(
        two * 10 <= one * 23,
        "{what}: {one} steps, twice the load {two}"
    );
}

/// However much waits, the same work costs the same (but for the depth of a heap).
#[track_caller]
fn constant(what: &str, cost: impl Fn(usize) -> u64) {
    let (one, two) = (cost(1_000), cost(4_000));
    println!("{what}: {one} steps, four times the load {two}");
    assert!(
        two * 10 <= one * 13 + 100,
        "{what}: {one} steps, four times the load {two}"
    );
}

fn plain() -> NspOptions {
    NspOptions::default()
}

fn retries() -> NspOptions {
    let mut options = NspOptions::default();
    options.retries = Some(3);
    options.ack_timeout = Some(Duration::from_secs(100));
    options
}

/// Events in front of the replies to CONNECT: of one namespace, and of two, of which the second is joined first.
fn held(n: usize, namespaces: usize) -> (u64, u64) {
    let mut core = Core::new(Transports::WEBSOCKET, |_| ());
    core.add(namespaces, plain());
    core.opened();
    let cost = core.cost(|core| {
        for i in 0..namespaces {
            core.ws((0..n).map(|_| format!("42{}[\"e\",1]", prefix(i))));
        }
        for i in (0..namespaces).rev() {
            core.ws([format!("40{}{{\"sid\":\"S\"}}", prefix(i))]);
        }
    });
    assert_eq!(core.messages, n * namespaces);
    (cost, core.most)
}

#[test]
fn events_before_the_reply() {
    linear("held", |n| held(n, 1).0);
    linear("held by two", |n| held(n, 2).0);
    // No single output does more than sweep the memory of what it told.
    linear("held: one output", |n| held(n, 2).1 + 1_000);
}

#[test]
fn acknowledgements() {
    linear("answered in reverse", |n| {
        let (mut core, nsps) = Core::joined(1, plain());
        core.emit_all(nsps[0], n, EmitOptions::ACK);
        let cost = core.cost(|core| core.ws((0..n).rev().map(|id| format!("43{id}[1]"))));
        assert_eq!(core.acks, n);
        cost
    });
    constant("nobody asked", |n| {
        let (mut core, nsps) = Core::joined(1, plain());
        core.emit_all(nsps[0], n, EmitOptions::ACK);
        core.cost(|core| core.ws((0..500).map(|_| "43999999[1]".to_owned())))
    });
    constant("expiring among others", |n| {
        let (mut core, nsps) = Core::joined(1, plain());
        core.emit_all(
            nsps[0],
            n,
            EmitOptions::ACK.timeout(Duration::from_secs(1_000)),
        );
        for ms in 1..=200 {
            let options = EmitOptions::ACK.timeout(Duration::from_millis(ms));
            core.emit_all(nsps[0], 1, options);
        }
        let cost = core.cost(|core| {
            for _ in 0..200 {
                core.now = core.now + Duration::from_millis(1);
                core.client.handle_timeout(core.now);
                core.drain();
            }
        });
        assert_eq!(core.acks, 200);
        cost
    });
    constant("failing behind others", |n| {
        let (mut core, nsps) = Core::joined(2, plain());
        core.emit_all(nsps[0], n, EmitOptions::ACK);
        core.emit_all(nsps[1], 200, EmitOptions::ACK);
        let cost = core.cost(|core| {
            core.client.disconnect(core.now, nsps[1]);
            core.drain();
        });
        assert_eq!(core.acks, 200);
        cost
    });
    linear("failing", |n| {
        let (mut core, nsps) = Core::joined(2, plain());
        core.emit_all(nsps[1], n, EmitOptions::ACK);
        let cost = core.cost(|core| {
            core.client.disconnect(core.now, nsps[1]);
            core.drain();
        });
        assert_eq!(core.acks, n);
        cost
    });
    linear("cancelled", |n| {
        let (mut core, nsps) = Core::joined(1, plain());
        let ids = core.emit_all(nsps[0], n, EmitOptions::ACK);
        core.room = 0;
        core.emit_all(nsps[0], n, EmitOptions::PLAIN);
        core.cost(|core| {
            for id in ids {
                core.client.cancel_ack(id);
            }
            core.drain();
        })
    });
    linear("cancelled while they wait", |n| {
        let (mut core, nsps) = Core::joined(2, plain());
        core.client.disconnect(core.now, nsps[1]);
        let ids = core.emit_all(nsps[1], n, EmitOptions::ACK);
        let cost = core.cost(|core| {
            for id in ids.iter().rev() {
                core.client.cancel_ack(*id);
            }
        });
        assert_eq!(core.client.send_queue_len(), 0);
        cost
    });
}

#[test]
fn the_send_buffer() {
    constant("clearing it for a namespace that has nothing there", |n| {
        let (mut core, nsps) = Core::joined(2, plain());
        core.emit_all(nsps[0], n, EmitOptions::ACK);
        core.room = 0;
        core.emit_all(nsps[0], n, EmitOptions::PLAIN);
        core.cost(|core| {
            core.client.clear_send_buffer(nsps[1]);
            core.drain();
        })
    });
    linear("clearing it", |n| {
        let (mut core, nsps) = Core::joined(2, plain());
        core.room = 0;
        for _ in 0..n {
            core.emit_all(nsps[0], 1, EmitOptions::PLAIN);
            core.emit_all(nsps[1], 1, EmitOptions::PLAIN);
        }
        core.cost(|core| {
            core.client.clear_send_buffer(nsps[1]);
            core.drain();
        })
    });
    linear("a queue that leaves", |n| {
        let (mut core, nsps) = Core::joined(1, plain());
        core.room = 0;
        core.emit_all(nsps[0], n, EmitOptions::PLAIN);
        core.room = usize::MAX;
        core.cost(|core| {
            core.client.handle_writable(core.now, Link::WebSocket);
            core.drain();
        })
    });
    linear("the end of the connection", |n| {
        let (mut core, nsps) = Core::joined(1, plain());
        core.room = 0;
        core.emit_all(nsps[0], n, EmitOptions::PLAIN);
        core.cost(|core| {
            core.client.handle_closed(core.now, Link::WebSocket, None);
            core.drain();
        })
    });
    linear("thrown out", |n| {
        let (mut core, nsps) = Core::joined(2, plain());
        core.room = 0;
        core.emit_all(nsps[0], n, EmitOptions::PLAIN);
        core.emit_all(nsps[1], n, EmitOptions::PLAIN);
        core.cost(|core| core.ws(["41/n1,".into()]))
    });
    // Full all the time: 64 KiB leave, and as much comes in again.
    let full = |mib: usize| {
        let (mut core, nsps) =
            Core::joined_with(1, plain(), |config| config.limits.send = mib << 20);
        core.room = 0;
        let long = "x".repeat(1000);
        let fill = |core: &mut Core| {
            let emit = |core: &mut Core| {
                core.client
                    .emit(core.now, nsps[0], "e", &(&*long,), EmitOptions::PLAIN)
            };
            while emit(core).is_ok() {}
        };
        fill(&mut core);
        core.cost(|core| {
            for _ in 0..64 {
                core.room = 64 << 10;
                core.sent.clear();
                core.client.handle_writable(core.now, Link::WebSocket);
                core.drain();
                fill(core);
            }
        })
    };
    let (one, four) = (full(1), full(4));
    println!("refilled: {one} steps, with four times as much {four}");
    assert!(
        four * 10 <= one * 13,
        "refilled: {one} steps, with four times as much {four}"
    );
}

#[test]
fn the_retries_queue() {
    linear("answered one by one", |n| {
        let (mut core, nsps) = Core::joined(1, retries());
        core.emit_all(nsps[0], n, EmitOptions::PLAIN);
        let cost = core.cost(|core| {
            for id in 0..n {
                core.ws([format!("43{id}[1]")]);
            }
        });
        assert_eq!(core.client.send_queue_len(), 0);
        cost
    });
    constant("one answer in front of many", |n| {
        let (mut core, nsps) = Core::joined(1, retries());
        core.emit_all(nsps[0], n, EmitOptions::ACK);
        core.cost(|core| core.ws((0..100).map(|id| format!("43{id}[1]"))))
    });
}

#[test]
fn polling() {
    linear("a queue that leaves by POSTs", |n| {
        let mut core = Core::new(Transports::POLLING, |_| ());
        let nsps = core.add(1, plain());
        core.drain();
        let reply = |core: &mut Core, link: Link, body: &str| {
            core.feed(link, &response("200 OK", "", body.as_bytes()));
        };
        reply(
            &mut core,
            Link::Poll,
            "0{\"sid\":\"E\",\"upgrades\":[],\"pingInterval\":3600000,\"pingTimeout\":3600000}",
        );
        reply(&mut core, Link::Post, "ok");
        reply(&mut core, Link::Poll, "40{\"sid\":\"S\"}");
        core.emit_all(nsps[0], n, EmitOptions::PLAIN);
        let cost = core.cost(|core| {
            while core.client.send_queue_len() > 0 {
                reply(core, Link::Post, "ok");
            }
        });
        println!("one output: {}", core.most);
        assert!(core.most < 2_000, "one output took {} steps", core.most);
        cost
    });
}

#[test]
fn namespaces() {
    constant("an event for the last of many", |n| {
        let (mut core, _) = Core::joined(n, plain());
        let packet = format!("42{}[\"e\",1]", prefix(n - 1));
        core.cost(|core| core.ws((0..100).map(|_| packet.clone())))
    });
    linear("joining many", |n| {
        let before = steps();
        Core::joined(n, plain());
        steps() - before
    });
    linear("the end of the connection", |n| {
        let (mut core, _) = Core::joined(n, plain());
        core.cost(|core| {
            core.client.handle_closed(core.now, Link::WebSocket, None);
            core.drain();
        })
    });
    linear("leaving all", |n| {
        let (mut core, nsps) = Core::joined(n, plain());
        core.cost(|core| {
            for nsp in nsps {
                core.client.disconnect(core.now, nsp);
                core.drain();
            }
        })
    });
    linear("thrown out of all on a link that stands still", |n| {
        let (mut core, nsps) = Core::joined(n, plain());
        core.room = 0;
        for nsp in &nsps {
            core.emit(*nsp, EmitOptions::PLAIN);
            core.emit(*nsp, EmitOptions::PLAIN);
        }
        // The last one first. The main one stays, so that the connection does.
        core.cost(|core| core.ws((1..n).rev().map(|i| format!("41{}", prefix(i)))))
    });
    linear("thrown out of all in the order of their packets", |n| {
        let (mut core, nsps) = Core::joined(n, plain());
        core.room = 0;
        for nsp in &nsps {
            core.emit(*nsp, EmitOptions::PLAIN);
        }
        core.cost(|core| core.ws((1..n).map(|i| format!("41{}", prefix(i)))))
    });
    linear("no answer for any but the last", |n| {
        let mut core = Core::new(Transports::WEBSOCKET, |config| {
            config.join_timeout = Some(Duration::from_secs(1));
        });
        core.add(n, plain());
        core.opened();
        core.ws([format!("40{}{{\"sid\":\"S\"}}", prefix(n - 1))]);
        core.cost(|core| {
            core.now = core.now + Duration::from_secs(1);
            core.client.handle_timeout(core.now);
            core.drain();
        })
    });
}

#[test]
fn reports() {
    constant("events of one namespace while many of another wait", |n| {
        let (mut core, nsps) = Core::joined(2, plain());
        core.client.disconnect(core.now, nsps[1]);
        core.client.report_outgoing(true);
        core.emit_all(nsps[1], n, EmitOptions::PLAIN);
        core.cost(|core| {
            core.emit_all(nsps[0], 200, EmitOptions::PLAIN);
        })
    });
    linear("many at once", |n| {
        let (mut core, nsps) = Core::joined(1, plain());
        core.client.report_outgoing(true);
        core.cost(|core| {
            for _ in 0..n {
                core.emit(nsps[0], EmitOptions::PLAIN);
            }
            core.drain();
        })
    });
}

/// An event that another one gives way to costs the same, however many wait.
#[test]
fn giving_way() {
    constant("the oldest gives way", |n| {
        let mut options = plain();
        options.offline = Offline::DropOldest;
        let mut core = Core::new(Transports::WEBSOCKET, |config| config.limits.packets = n);
        let nsp = core.add(1, options)[0];
        core.opened();
        core.emit_all(nsp, n, EmitOptions::PLAIN);
        core.cost(|core| {
            core.emit_all(nsp, 500, EmitOptions::PLAIN);
        })
    });
    constant("the older one gives way", |n| {
        let mut options = plain();
        options.offline = Offline::KeepLatest;
        let mut core = Core::new(Transports::WEBSOCKET, |_| ());
        let nsp = core.add(1, options)[0];
        core.opened();
        core.emit_all(nsp, n, EmitOptions::PLAIN);
        assert_eq!(core.client.send_queue_len(), 1);
        core.cost(|core| {
            core.emit_all(nsp, 500, EmitOptions::PLAIN);
        })
    });
}
