//! The list of scenarios that all drivers play, `sockeye_testkit::scenarios`: on this crate's run loop, over real sockets.

mod support;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use sockeye_embedded::net::Tokio;
use sockeye_embedded::{
    AckError, AnswerError, Auth, Event, Handler, RawArgs, Socket, Storage, Transports,
};
use sockeye_testkit::scenarios::{Args, Client, Driver, Log, Options, Way};
use support::{config, storage};
use tokio::runtime::Builder;

type AnyThread = CriticalSectionRawMutex;
/// The send buffer has room for what scenarios emit without waiting, and no more.
type Memory = Storage<4096, 4096, AnyThread, 4, 1024, 32, 3, 512, 256, 3>;

struct Embedded;

sockeye_testkit::scenarios!(Embedded);
sockeye_testkit::contract!(Embedded);

impl Driver for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn open(&self, options: Options, log: Log) -> Box<dyn Client> {
        let mut config = config(options.url.leak());
        config.core.transports = match options.way {
            Way::WebSocket => Transports::WEBSOCKET,
            Way::Polling => Transports::POLLING,
            Way::Upgrade => Transports::POLLING_FIRST,
        };
        config.core.reconnection.enabled = options.reconnection;
        if !options.patient {
            config.core.reconnection.delay = Duration::from_millis(5);
            config.core.reconnection.delay_max = Duration::from_millis(10);
        }
        if let Some((name, value)) = options.header {
            let line: &'static str = format!("{name}: {value}\r\n").leak();
            config.core.headers = sockeye_embedded::text(line);
        }
        if let Some((retries, timeout)) = options.retries {
            config.options.retries = Some(retries);
            config.options.ack_timeout = Some(timeout);
        }
        let heard = Heard::default();
        let handler = Told {
            log: log.clone(),
            heard: Arc::clone(&heard),
            auths: options.counted_auth.then(AtomicU32::default),
            auth: String::new(),
        };
        let (socket, mut runner) =
            sockeye_embedded::new(config, storage(Memory::new())).expect("a good namespace");
        let run = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            runtime
                .expect("a runtime")
                .block_on(runner.run(Tokio, handler));
        });
        Box::new(OnDevice {
            sockets: BTreeMap::from([("/".to_owned(), socket)]),
            heard,
            log,
            run,
        })
    }
}

/// The events that are written down, with the answers to them.
type Heard = Arc<Mutex<BTreeMap<(String, String), Option<&'static str>>>>;

/// Writes down what the client tells.
struct Told {
    log: Log,
    heard: Heard,
    auths: Option<AtomicU32>,
    auth: String,
}

impl Handler<AnyThread> for Told {
    fn auth(&mut self, _: &Socket<AnyThread>) -> Auth<'_> {
        let Some(auths) = &self.auths else {
            return Auth::None;
        };
        let n = 1 + auths.fetch_add(1, Ordering::Relaxed);
        self.auth = format!(r#"{{"n":{n}}}"#);
        Auth::Json(&self.auth)
    }

    fn handle(&mut self, socket: &Socket<AnyThread>, event: &Event<'_>) {
        let nsp = socket.name(str::to_owned);
        let line = match event {
            Event::Connected { recovered, .. } => {
                format!("joined {nsp}{}", if *recovered { " recovered" } else { "" })
            }
            Event::Disconnected { reason, .. } => format!("left {nsp} {reason}"),
            Event::ConnectError(refusal) => {
                let data = refusal.data.unwrap_or("-");
                format!("refused {nsp} {} {data}", refusal.message)
            }
            Event::Closed { opened: false, .. } => "failed".to_owned(),
            Event::Message(message) => {
                let key = (nsp, message.name.to_string());
                let heard = self
                    .heard
                    .lock()
                    .expect("nobody panics with it")
                    .get(&key)
                    .copied();
                if let Some(answer) = heard {
                    let (nsp, name) = key;
                    let head = format!("event {nsp} {name}");
                    let (json, attachments) = (message.args.json(), message.args.attachments());
                    self.log.write_args(&head, json, attachments.iter());
                    if let Some(answer) = answer {
                        let answer = RawArgs::new(answer, &[]).expect("good JSON");
                        socket.reply(message, answer).expect("room for an answer");
                    }
                }
                return;
            }
            _ => return,
        };
        self.log.write(line);
    }
}

struct OnDevice {
    sockets: BTreeMap<String, Socket<AnyThread>>,
    heard: Heard,
    log: Log,
    run: JoinHandle<()>,
}

/// The arguments as the client takes them.
fn raw<'a>(args: &Args<'a>) -> RawArgs<'a> {
    RawArgs::new(args.json, args.attachments).expect("scenarios send good JSON")
}

impl Client for OnDevice {
    fn on(&mut self, nsp: &str, event: &str, answer: Option<&'static str>) {
        let key = (nsp.to_owned(), event.to_owned());
        self.heard
            .lock()
            .expect("nobody panics with it")
            .insert(key, answer);
    }

    fn emit(&mut self, nsp: &str, event: &str, args: Args<'_>) -> bool {
        self.sockets[nsp].emit(event, raw(&args)).is_ok()
    }

    fn emit_volatile(&mut self, nsp: &str, event: &str, args: Args<'_>) -> bool {
        self.sockets[nsp].volatile().emit(event, raw(&args)).is_ok()
    }

    fn ask(
        &mut self,
        nsp: &str,
        event: &str,
        args: Args<'_>,
        question: u32,
        timeout: Option<Duration>,
    ) {
        let (socket, log) = (self.sockets[nsp], self.log.clone());
        let (event, json) = (event.to_owned(), args.json.to_owned());
        let attachments: Vec<_> = args
            .attachments
            .iter()
            .map(|bytes| bytes.to_vec())
            .collect();
        let mut asking = Box::pin(async move {
            let attachments: Vec<&[u8]> = attachments.iter().map(Vec::as_slice).collect();
            let args = RawArgs::new(&json, &attachments).expect("scenarios send good JSON");
            let (told, head) = (log.clone(), format!("answer {question}"));
            let mut request = socket.emit_with_ack_read(&event, args, move |answer| {
                told.write_args(&head, answer.json(), answer.attachments().iter());
                Ok(())
            });
            if let Some(timeout) = timeout {
                request = request.timeout(timeout);
            }
            if let Err(error) = request.await {
                let reason = match error {
                    AnswerError::Ack(AckError::Timeout { sent: true }) => "timeout",
                    AnswerError::Ack(AckError::Timeout { sent: false }) => "timeout unsent",
                    AnswerError::Ack(AckError::Disconnected { sent: true }) => "disconnected",
                    AnswerError::Ack(AckError::Disconnected { sent: false }) => {
                        "disconnected unsent"
                    }
                    AnswerError::Ack(AckError::Dropped { sent: false }) => "dropped",
                    AnswerError::Ack(AckError::Dropped { sent: true }) => "dropped sent",
                    other => panic!("{other}"),
                };
                log.write(format!("no answer {question} {reason}"));
            }
        });
        // It emits when it is first polled, which is now; the answer is waited for elsewhere.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let first = poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx)));
        if runtime.block_on(first).is_pending() {
            thread::spawn(move || runtime.block_on(asking));
        }
    }

    fn join(&mut self, nsp: &str) {
        if let Some(socket) = self.sockets.get(nsp) {
            return socket.connect();
        }
        let socket = self.sockets["/"]
            .namespace(nsp)
            .expect("a good name, and room");
        self.sockets.insert(nsp.to_owned(), socket);
    }

    fn leave(&mut self, nsp: &str) {
        self.sockets[nsp].disconnect();
    }

    fn is_connected(&mut self, nsp: &str) -> bool {
        self.sockets.get(nsp).is_some_and(Socket::connected)
    }

    fn close(self: Box<Self>) {
        self.sockets["/"].stop();
        self.run.join().expect("the run loop ends in order");
    }

    fn end(self: Box<Self>) {
        self.close();
    }
}
