//! The same jobs on `sockeye-core` itself, driven by a loop over a blocking socket: what the protocol costs, without tasks,
//! channels and handlers. What `sockeye` costs more than this is its driver.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bench_common::{
    Error, Job, Reading, Sequence, Stopwatch, attachment_id, namespace, report_memory,
    resident_bytes,
};
use sockeye_core::packet::BinRef;
use sockeye_core::{
    Client, Config, EmitError, EmitOptions, Entropy, Event, Limits, Memory, NamespaceId,
    NspOptions, Output, Transports,
};

fn main() -> Result<(), Error> {
    let job = Job::from_args()?;
    match job.sized().0 {
        "receive" => receive(&job),
        "namespaces" => receive(&job),
        "binary" => binary(&job, false),
        "binary-typed" => binary(&job, true),
        "emit" => emit(&job),
        "ack" => ack(&job),
        "acks" => acks(&job),
        "idle" => idle(&job),
        other => Err(format!("the core client has no row {other:?}").into()),
    }
}

/// A client with its one WebSocket and its clock.
struct Driver {
    client: Client<'static>,
    nsp: NamespaceId,
    stream: TcpStream,
    origin: Instant,
    timeout: Option<Duration>,
}

fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system has random numbers");
}

impl Driver {
    /// Connects and joins the namespace.
    fn join(job: &Job) -> Result<Self, Error> {
        let mut config = Config::new(format!("127.0.0.1:{}", job.port).into(), Entropy::Fn(fill));
        config.query = job.query().into();
        config.transports = Transports::WEBSOCKET;
        config.reconnection.enabled = false;
        let mut client = Client::new(config, Memory::growable(&Limits::DEFAULT));
        // All of them; the last one is what the rows work on.
        let names = match job.sized() {
            ("namespaces", count) => (0..count).map(namespace).collect(),
            _ => vec!["/".to_owned()],
        };
        let mut all = Vec::new();
        for name in &names {
            all.push(client.namespace(name, NspOptions::default())?);
        }
        let nsp = *all.last().ok_or("no namespace")?;
        let stream = TcpStream::connect(("127.0.0.1", job.port))?;
        stream.set_nodelay(true)?;
        let mut driver = Self {
            client,
            nsp,
            stream,
            origin: Instant::now(),
            timeout: None,
        };
        for nsp in &all {
            driver.client.connect(driver.now(), *nsp);
        }
        let mut left = all.len();
        driver.run(|event| {
            left -= usize::from(matches!(event, Event::Connected { .. }));
            left == 0
        })?;
        Ok(driver)
    }

    fn now(&self) -> sockeye_core::Instant {
        now(self.origin)
    }

    /// The loop of the core's documentation, until the application has seen enough.
    fn run(&mut self, mut app: impl FnMut(Event<'_>) -> bool) -> Result<(), Error> {
        let mut done = false;
        loop {
            let wake = self.drain(&mut |event| done |= app(event))?;
            if done {
                return Ok(());
            }
            self.wait(wake)?;
        }
    }

    /// Does what the core asks for.
    fn drain(
        &mut self,
        app: &mut impl FnMut(Event<'_>),
    ) -> Result<Option<sockeye_core::Instant>, Error> {
        loop {
            match self.client.poll_output() {
                Output::Open(link) => self.client.handle_opened(now(self.origin), link),
                Output::Transmit(link) => {
                    let sent = self.stream.write(self.client.transmit(link))?;
                    self.client.transmitted(link, sent);
                }
                Output::Close(_) => return Err("the connection was closed".into()),
                Output::Event(Event::Closed { details, .. }) => {
                    return Err(format!("the connection ended: {details:?}").into());
                }
                Output::Event(event) => app(event),
                Output::Idle(wake) => return Ok(wake),
            }
        }
    }

    /// Waits for bytes until `wake`.
    fn wait(&mut self, wake: Option<sockeye_core::Instant>) -> Result<(), Error> {
        let link = sockeye_core::Link::WebSocket;
        // A whole second more or less does no harm to a heartbeat, and saves a system call per read.
        let timeout =
            wake.map(|wake| Duration::from_secs(1 + wake.duration_since(self.now()).as_secs()));
        if timeout != self.timeout {
            self.stream.set_read_timeout(timeout)?;
            self.timeout = timeout;
        }
        match self.stream.read(self.client.receive_buf(link)) {
            Ok(0) => self.client.handle_closed(now(self.origin), link, None),
            Ok(n) => self.client.handle_received(now(self.origin), link, n),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                self.client.handle_timeout(now(self.origin));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

fn now(origin: Instant) -> sockeye_core::Instant {
    sockeye_core::Instant::from_micros(origin.elapsed().as_micros() as u64)
}

/// Lets the server begin, and gives every event to `event` until that says that it was the last one.
fn bulk(
    job: &Job,
    mut event: impl FnMut(sockeye_core::Message<'_>, &Sequence) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut driver = Driver::join(job)?;
    let sequence = Sequence::new(job.count);
    let clock = Stopwatch::start();
    let now = driver.now();
    driver
        .client
        .emit(now, driver.nsp, "go", &(), EmitOptions::PLAIN)?;
    let mut failed = None;
    driver.run(|happened| match happened {
        Event::Message(message) if message.name == "event" => event(message, &sequence)
            .unwrap_or_else(|error| {
                failed = Some(error);
                true
            }),
        _ => false,
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    clock.report();
    Ok(())
}

fn receive(job: &Job) -> Result<(), Error> {
    bulk(job, |message, sequence| {
        let (reading,): (Reading,) = message.args.parse()?;
        Ok(sequence.take(reading.id))
    })
}

fn binary(job: &Job, typed: bool) -> Result<(), Error> {
    bulk(job, |message, sequence| {
        if !typed {
            let (bytes,): (BinRef<'_>,) = message.args.parse()?;
            return Ok(sequence.take_attachment(bytes.0));
        }
        let (bytes, reading): (BinRef<'_>, Reading) = message.args.parse()?;
        if reading.id != attachment_id(bytes.0) {
            return Err("not the attachment of this event".into());
        }
        Ok(sequence.take_attachment(bytes.0))
    })
}

fn emit(job: &Job) -> Result<(), Error> {
    /// Accepted before they are written, in bytes.
    const BACKLOG: usize = 64 << 10;
    let mut driver = Driver::join(job)?;
    let clock = Stopwatch::start();
    let mut reading = Reading::number(0);
    for n in 0..job.count {
        reading.id = Reading::id(n);
        let now = driver.now();
        match driver
            .client
            .emit(now, driver.nsp, "event", &(&reading,), EmitOptions::PLAIN)
        {
            Ok(_) => {}
            Err(EmitError::Full) => {
                return Err("the send buffer is smaller than the backlog".into());
            }
            Err(error) => return Err(error.into()),
        }
        if driver.client.send_queue_bytes() >= BACKLOG {
            driver.drain(&mut |_| {})?;
        }
    }
    driver.run(|event| matches!(event, Event::Message(message) if message.name == "done"))?;
    clock.report();
    Ok(())
}

fn ack(job: &Job) -> Result<(), Error> {
    let mut driver = Driver::join(job)?;
    let sequence = Sequence::new(job.count);
    let clock = Stopwatch::start();
    let mut reading = Reading::number(0);
    for n in 0..job.count {
        reading.id = Reading::id(n);
        let now = driver.now();
        let asked = driver
            .client
            .emit(now, driver.nsp, "event", &(&reading,), EmitOptions::ACK)?;
        let mut answer = Err(io::Error::from(ErrorKind::UnexpectedEof).into());
        driver.run(|event| match event {
            Event::Ack { id, result } if Some(id) == asked => {
                answer = result
                    .map_err(Error::from)
                    .and_then(|args| Ok(args.parse::<(u32,)>()?.0));
                true
            }
            _ => false,
        })?;
        sequence.take(answer?);
    }
    clock.report();
    Ok(())
}

/// Has many acknowledgements in flight, which come in random order.
fn acks(job: &Job) -> Result<(), Error> {
    let mut driver = Driver::join(job)?;
    let batch = job.sized().1;
    let clock = Stopwatch::start();
    let mut reading = Reading::number(0);
    let mut asked = HashMap::new();
    let mut done = 0;
    while done < job.count {
        let batch = batch.min(job.count - done);
        for n in done..done + batch {
            reading.id = Reading::id(n);
            let now = driver.now();
            let id =
                driver
                    .client
                    .emit(now, driver.nsp, "event", &(&reading,), EmitOptions::ACK)?;
            asked.insert(id.ok_or("an emit without ack")?.index(), reading.id);
        }
        let mut failed = None;
        driver.run(|event| {
            if let Event::Ack { id, result } = event {
                let answer = result
                    .map_err(Error::from)
                    .and_then(|args| Ok(args.parse::<(u32,)>()?.0));
                match (answer, asked.remove(&id.index())) {
                    (Ok(answer), Some(expected)) if answer == expected => {}
                    (Err(error), _) => failed = Some(error),
                    _ => failed = Some("the answer to another event".into()),
                }
            }
            asked.is_empty() || failed.is_some()
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        done += batch;
    }
    clock.report();
    Ok(())
}

fn idle(job: &Job) -> Result<(), Error> {
    let mut drivers = vec![Driver::join(job)?];
    let before = resident_bytes();
    for _ in 0..job.count {
        drivers.push(Driver::join(job)?);
    }
    report_memory(before);
    Ok(())
}
