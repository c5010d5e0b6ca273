//! The blocking loop over a simulated network: the testkit's server, a clock that jumps, writes in small pieces.

use std::collections::VecDeque;

use sockeye_core::drive::{Alone, App, Idle, Net, Owner, Ready, Received, Work, run, run_owned};
use sockeye_core::{
    Client, EmitOptions, Event, Instant, Link, NamespaceId, NspOptions, Output, Storage, Transports,
};
use sockeye_testkit::{Act, Frame, Request, Server, Settings, config};

#[derive(Default)]
struct Stream {
    open: bool,
    news: Option<Result<(), &'static str>>,
    /// From the client, until it makes up a request or a frame.
    out: Vec<u8>,
    incoming: VecDeque<u8>,
    ended: bool,
    frames: bool,
    /// The last write took nothing.
    stalled: bool,
}

/// A network with one server on it.
struct World {
    server: Server,
    now: Instant,
    streams: [Stream; 3],
    refuse: u32,
    /// Writes take so many bytes, and every second one takes none.
    piece: usize,
    turn: bool,
    waits: u32,
}

impl World {
    fn new(piece: usize) -> Self {
        Self {
            server: Server::new(Settings::default()),
            now: Instant::ZERO,
            streams: Default::default(),
            refuse: 0,
            piece,
            turn: false,
            waits: 0,
        }
    }

    fn perform(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Bytes(link, bytes) => {
                    self.server.delivered(&bytes);
                    self.streams[link.index()].incoming.extend(bytes);
                }
                Act::Close(link) => self.streams[link.index()].ended = true,
                Act::Opened => (),
            }
        }
    }

    /// Gives the server what it can read.
    fn serve(&mut self) {
        for link in Link::ALL {
            loop {
                let stream = &mut self.streams[link.index()];
                if stream.frames {
                    let Some((frame, len)) = Frame::parse(&stream.out) else {
                        break;
                    };
                    stream.out.drain(..len);
                    let acts = self.server.frame(self.now, &frame);
                    self.perform(acts);
                } else {
                    let Some((request, len)) = Request::parse(&stream.out) else {
                        break;
                    };
                    stream.out.drain(..len);
                    let (acts, frames) = self.server.request(self.now, link, &request);
                    self.streams[link.index()].frames = frames;
                    self.perform(acts);
                }
            }
        }
    }
}

impl Net for World {
    type Error = &'static str;

    fn now(&mut self) -> Instant {
        self.now
    }

    fn open(&mut self, link: Link) {
        assert!(
            !self.streams[link.index()].open,
            "{link:?} is opened a second time"
        );
        let refused = self.refuse > 0;
        self.refuse = self.refuse.saturating_sub(1);
        self.streams[link.index()] = Stream {
            open: !refused,
            news: Some(if refused { Err("refused") } else { Ok(()) }),
            ..Stream::default()
        };
    }

    fn read(&mut self, link: Link, buf: &mut [u8]) -> Result<Received, &'static str> {
        assert!(!buf.is_empty());
        let stream = &mut self.streams[link.index()];
        assert!(stream.open, "{link:?} is read while closed");
        let mut n = 0;
        while n < buf.len() {
            let Some(byte) = stream.incoming.pop_front() else {
                break;
            };
            buf[n] = byte;
            n += 1;
        }
        Ok(match n {
            0 if stream.ended => Received::End,
            0 => Received::Nothing,
            n => Received::Bytes(n),
        })
    }

    fn write(&mut self, link: Link, bytes: &[u8]) -> Result<usize, &'static str> {
        assert!(!bytes.is_empty());
        let stream = &mut self.streams[link.index()];
        assert!(stream.open, "{link:?} is written while closed");
        if stream.ended {
            return Err("reset by peer");
        }
        self.turn = !self.turn;
        if self.turn {
            stream.stalled = true;
            return Ok(0);
        }
        let n = bytes.len().min(self.piece);
        stream.out.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn close(&mut self, link: Link) {
        let stream = &mut self.streams[link.index()];
        if stream.open && !stream.ended {
            self.server.lost(link);
        }
        *stream = Stream::default();
    }

    fn wait(&mut self, until: Option<Instant>) -> Ready<&'static str> {
        self.waits += 1;
        assert!(self.waits < 100_000, "the loop does not come to rest");
        loop {
            self.serve();
            // Each in turn: a link that is always ready must not starve the others.
            for link in [0, 1, 2].map(|i| Link::ALL[(self.waits as usize + i) % 3]) {
                let stream = &mut self.streams[link.index()];
                if let Some(news) = stream.news.take() {
                    return Ready::Opened(link, news);
                }
                if !stream.open {
                    continue;
                }
                if core::mem::take(&mut stream.stalled) {
                    return Ready::Writable(link);
                }
                if !stream.incoming.is_empty() || stream.ended {
                    return Ready::Readable(link);
                }
            }
            let wake = self.server.wake();
            match (wake, until) {
                (Some(wake), until) if until.is_none_or(|until| wake < until) => {
                    self.now = self.now.max(wake);
                    let acts = self.server.tick(self.now);
                    self.perform(acts);
                }
                (_, Some(until)) => {
                    self.now = self.now.max(until);
                    return Ready::Woken;
                }
                (_, None) => panic!("nothing can ever happen again"),
            }
        }
    }
}

type Small = Storage<4096, 4096, 8, 32, 4, 1024>;

/// Connects, counts three pings of the server, says goodbye; with every piece size and transport.
#[test]
fn runs_a_session_to_its_end() {
    for transports in [
        Transports::POLLING_FIRST,
        Transports::POLLING,
        Transports::WEBSOCKET,
    ] {
        for piece in [1, 7, 100_000] {
            let mut storage = Box::new(Small::new());
            let mut client = Client::new(config(transports), storage.memory());
            let nsp = client.namespace("/", NspOptions::default()).unwrap();
            client.connect(Instant::ZERO, nsp);
            client
                .emit(Instant::ZERO, nsp, "hello", &(1,), EmitOptions::PLAIN)
                .unwrap();
            let mut world = World::new(piece);
            world.refuse = 2;
            let (mut pings, mut seen) = (0, Vec::new());
            let on_event = |client: &mut Client<'_>, now, event: Event<'_>| match event {
                Event::Ping => {
                    pings += 1;
                    if pings == 3 {
                        client.disconnect(now, nsp);
                    }
                }
                Event::Closed { details, .. } => seen.push(details.to_string()),
                Event::Connected { .. } => seen.push("joined".to_owned()),
                Event::Disconnected { reason, .. } => seen.push(reason.to_string()),
                _ => (),
            };
            run(
                &mut Alone {
                    client: &mut client,
                    on_event,
                },
                &mut world,
            );
            assert_eq!(
                seen,
                [
                    "could not connect: refused",
                    "could not connect: refused",
                    "joined",
                    "io client disconnect"
                ],
                "{transports:?}, {piece}"
            );
            assert_eq!(world.server.received, [r#"/ ["hello",1]"#]);
            assert_eq!(world.server.violations, Vec::<String>::new());
            assert!(world.streams.iter().all(|stream| !stream.open));
        }
    }
}

/// Tells events where they lie, what is sent included, and gives its commands when there is nothing else to do.
struct Teller<'c, 'a> {
    client: &'c mut Client<'a>,
    nsp: NamespaceId,
    pings: u32,
    leave: bool,
    seen: Vec<String>,
}

impl<'a> Owner<'a> for Teller<'_, 'a> {
    fn client(&mut self) -> &mut Client<'a> {
        self.client
    }

    fn poll(&mut self, _: Instant) -> Work {
        loop {
            match self.client.poll_output() {
                Output::Open(link) => return Work::Open(link),
                Output::Transmit(link) => return Work::Transmit(link),
                Output::Close(link) => return Work::Close(link),
                Output::Idle(wake) => return Work::Idle(wake),
                Output::Event(Event::Ping) => {
                    self.pings += 1;
                    self.leave |= self.pings == 3;
                }
                Output::Event(Event::Closed { details, .. }) => self.seen.push(details.to_string()),
                Output::Event(Event::Connected { .. }) => self.seen.push("joined".to_owned()),
                Output::Event(Event::Outgoing(event)) => self.seen.push(event.data().to_owned()),
                Output::Event(Event::Disconnected { reason, .. }) => {
                    self.seen.push(reason.to_string());
                }
                Output::Event(_) => (),
            }
        }
    }

    fn idle(&mut self, now: Instant, down: bool) -> Idle {
        if std::mem::take(&mut self.leave) {
            self.client.disconnect(now, self.nsp);
            return Idle::Again;
        }
        if down { Idle::End } else { Idle::Wait }
    }
}

/// As above, by who owns the client.
#[test]
fn an_owner_runs_a_session_to_its_end() {
    for transports in [
        Transports::POLLING_FIRST,
        Transports::POLLING,
        Transports::WEBSOCKET,
    ] {
        for piece in [1, 7, 100_000] {
            let mut storage = Box::new(Small::new());
            let mut client = Client::new(config(transports), storage.memory());
            client.report_outgoing(true);
            let nsp = client.namespace("/", NspOptions::default()).unwrap();
            client.connect(Instant::ZERO, nsp);
            client
                .emit(Instant::ZERO, nsp, "hello", &(1,), EmitOptions::PLAIN)
                .unwrap();
            let mut world = World::new(piece);
            world.refuse = 1;
            let mut owner = Teller {
                client: &mut client,
                nsp,
                pings: 0,
                leave: false,
                seen: Vec::new(),
            };
            run_owned(&mut owner, &mut world);
            assert_eq!(
                owner.seen,
                [
                    "could not connect: refused",
                    "joined",
                    r#"["hello",1]"#,
                    "io client disconnect"
                ],
                "{transports:?}, {piece}"
            );
            assert_eq!(world.server.received, [r#"/ ["hello",1]"#]);
            assert_eq!(world.server.violations, Vec::<String>::new());
            assert!(world.streams.iter().all(|stream| !stream.open));
        }
    }
}

/// An application whose commands come from elsewhere: between what `wait` found and the client's being told.
struct Meddler<'c, 'a> {
    client: &'c mut Client<'a>,
    nsp: NamespaceId,
    /// At which idle points to leave and come back at once.
    meddle: u32,
    idles: u32,
    seen: Vec<String>,
}

impl<'a> App<'a> for Meddler<'_, 'a> {
    fn with<R>(&mut self, use_client: impl FnOnce(&mut Client<'a>) -> R) -> R {
        use_client(self.client)
    }

    fn event(&mut self, now: Instant, event: Event<'_>) {
        match event {
            Event::Connected { nsp, .. } if self.idles > self.meddle => {
                self.client.disconnect(now, nsp);
            }
            Event::Closed { details, .. } => self.seen.push(details.to_string()),
            _ => (),
        }
    }

    fn idle(&mut self, _: Instant, down: bool) -> Idle {
        if down && self.idles > self.meddle {
            Idle::End
        } else {
            Idle::Wait
        }
    }
}

/// A world in which another thread gives commands while the loop waits.
struct Meddling<'w, 'm> {
    world: &'w mut World,
    wake: &'m std::cell::Cell<bool>,
}

impl Net for Meddling<'_, '_> {
    type Error = &'static str;

    fn now(&mut self) -> Instant {
        self.world.now()
    }

    fn open(&mut self, link: Link) {
        self.world.open(link);
    }

    fn read(&mut self, link: Link, buf: &mut [u8]) -> Result<Received, &'static str> {
        self.world.read(link, buf)
    }

    fn write(&mut self, link: Link, bytes: &[u8]) -> Result<usize, &'static str> {
        self.world.write(link, bytes)
    }

    fn close(&mut self, link: Link) {
        self.world.close(link);
    }

    fn wait(&mut self, until: Option<Instant>) -> Ready<&'static str> {
        let found = self.world.wait(until);
        self.wake.set(true);
        found
    }
}

/// As [`Meddler`], but its commands come right after `wait`, before the client hears what was found.
struct Late<'c, 'a, 'm> {
    inner: Meddler<'c, 'a>,
    wake: &'m std::cell::Cell<bool>,
}

impl<'a> App<'a> for Late<'_, 'a, '_> {
    fn with<R>(&mut self, use_client: impl FnOnce(&mut Client<'a>) -> R) -> R {
        if self.wake.take() {
            self.inner.idles += 1;
            if self.inner.idles == self.inner.meddle {
                let nsp = self.inner.nsp;
                self.inner.client.disconnect(Instant::ZERO, nsp);
                self.inner.client.connect(Instant::ZERO, nsp);
            }
        }
        self.inner.with(use_client)
    }

    fn event(&mut self, now: Instant, event: Event<'_>) {
        self.inner.event(now, event);
    }

    fn idle(&mut self, now: Instant, down: bool) -> Idle {
        self.inner.idle(now, down)
    }
}

/// Leaving and coming back between a link's news and their telling must not give the old link's news to the new one.
#[test]
fn commands_between_the_wait_and_its_telling() {
    for transports in [Transports::POLLING_FIRST, Transports::WEBSOCKET] {
        for meddle in 1..30 {
            let mut storage = Box::new(Small::new());
            let mut client = Client::new(config(transports), storage.memory());
            let nsp = client.namespace("/", NspOptions::default()).unwrap();
            client.connect(Instant::ZERO, nsp);
            let mut world = World::new(100_000);
            let wake = std::cell::Cell::new(false);
            let mut app = Late {
                inner: Meddler {
                    client: &mut client,
                    nsp,
                    meddle,
                    idles: 0,
                    seen: Vec::new(),
                },
                wake: &wake,
            };
            run(
                &mut app,
                &mut Meddling {
                    world: &mut world,
                    wake: &wake,
                },
            );
            assert_eq!(
                app.inner.seen,
                Vec::<String>::new(),
                "{transports:?}, command at wait {meddle}"
            );
            assert_eq!(world.server.violations, Vec::<String>::new());
        }
    }
}
