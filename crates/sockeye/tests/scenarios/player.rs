//! What the two clients of this crate have in common: the same methods, on types of their own.

use std::collections::BTreeMap;

use sockeye::{Args, Responder};
use sockeye_testkit::scenarios::Log;

/// The sockets of one client, by namespace.
pub(crate) struct Player<S> {
    pub(crate) sockets: BTreeMap<String, S>,
    log: Log,
}

impl<S> Player<S> {
    pub(crate) fn new(first: S, log: Log) -> Self {
        let sockets = BTreeMap::from([("/".to_owned(), first)]);
        Self { sockets, log }
    }

    pub(crate) fn log(&self) -> Log {
        self.log.clone()
    }
}

/// A handler that writes an event down, and answers it.
pub(crate) fn heard(
    log: Log,
    head: String,
    answer: Option<&'static str>,
) -> impl Fn(Args, Responder) + Send + Sync + 'static {
    move |args, responder| {
        let attachments = args.attachments();
        log.write_args(
            &head,
            args.json(),
            attachments.iter().map(|bytes| &bytes[..]),
        );
        if let Some(answer) = answer.filter(|_| responder.is_requested()) {
            let answer = sockeye::RawArgs::new(answer, &[]).expect("good JSON");
            responder.ack(answer).expect("accepted");
        }
    }
}

/// The options of a builder.
macro_rules! options {
    ($builder:expr, $wanted:expr) => {{
        use sockeye::Transport::{Polling, WebSocket};
        use sockeye_testkit::scenarios::Way;
        let transports: &[_] = match $wanted.way {
            Way::WebSocket => &[WebSocket],
            Way::Polling => &[Polling],
            Way::Upgrade => &[Polling, WebSocket],
        };
        let mut builder = $builder
            .transports(transports.iter().copied())
            .reconnection($wanted.reconnection);
        if !$wanted.patient {
            builder = builder
                .reconnection_delay(std::time::Duration::from_millis(5))
                .reconnection_delay_max(std::time::Duration::from_millis(10));
        }
        if let Some(limit) = $wanted.limit {
            let mut limits = sockeye::Limits::default();
            limits.receive = limit;
            builder = builder.limits(limits);
        }
        if let Some((name, value)) = $wanted.header {
            builder = builder.header(name, value);
        }
        if let Some((retries, timeout)) = $wanted.retries {
            builder = builder.retries(retries).ack_timeout(timeout);
        }
        builder
    }};
}

/// What a namespace's builder is told about it goes to the log.
macro_rules! told {
    ($builder:expr, $log:expr) => {{
        let (joined, left, refused) = ($log.clone(), $log.clone(), $log.clone());
        $builder
            .on_connect(move |socket| {
                let recovered = if socket.recovered() { " recovered" } else { "" };
                joined.write(format!("joined {}{recovered}", socket.name()));
            })
            .on_disconnect(move |socket, why: sockeye::Disconnected| {
                left.write(format!("left {} {}", socket.name(), why.reason));
            })
            .on_connect_error(move |socket, error: sockeye::ConnectError| {
                if error.kind() != sockeye::ConnectErrorKind::Refused {
                    return refused.write("failed");
                }
                let data = error.data().map_or("-".to_owned(), ToString::to_string);
                refused.write(format!(
                    "refused {} {} {data}",
                    socket.name(),
                    error.message()
                ));
            })
    }};
}

/// `Client` for a type with a [`Player`], whose sockets have the same methods but for what waits.
macro_rules! client {
    ($name:ident {
        ask($asker:ident, $socket:ident, $event:ident, $args:ident, $question:ident, $timeout:ident) $ask:block
        close($closer:ident, $last:ident) $close:block
        end($ender:ident, $ended:ident) $end:block
    }) => {
        impl $name {
            fn socket(&mut self, nsp: &str) -> &player::socket_of!($name) {
                let log = self.player.log();
                let sockets = &mut self.player.sockets;
                if !sockets.contains_key(nsp) {
                    let root = sockets.values().next().expect("the first one");
                    let socket = told!(root.namespace(nsp), log).open().expect("a good name");
                    sockets.insert(nsp.to_owned(), socket);
                }
                &self.player.sockets[nsp]
            }
        }

        impl Client for $name {
            fn on(&mut self, nsp: &str, event: &str, answer: Option<&'static str>) {
                let (log, head) = (self.player.log(), format!("event {nsp} {event}"));
                self.socket(nsp).on(event, player::heard(log, head, answer));
            }

            fn emit(&mut self, nsp: &str, event: &str, args: Sent<'_>) -> bool {
                self.socket(nsp).emit(event, raw(&args)).is_ok()
            }

            fn emit_volatile(&mut self, nsp: &str, event: &str, args: Sent<'_>) -> bool {
                self.socket(nsp).volatile().emit(event, raw(&args)).is_ok()
            }

            fn ask(
                &mut self,
                nsp: &str,
                $event: &str,
                $args: Sent<'_>,
                $question: u32,
                $timeout: Option<Duration>,
            ) {
                let $socket = self.socket(nsp).clone();
                let $asker = self;
                $ask
            }

            fn join(&mut self, nsp: &str) {
                self.socket(nsp).connect_background();
            }

            fn leave(&mut self, nsp: &str) {
                self.socket(nsp).disconnect();
            }

            fn is_connected(&mut self, nsp: &str) -> bool {
                self.socket(nsp).connected()
            }

            fn close(mut self: Box<Self>) {
                let $last = self.player.sockets.remove("/").expect("the first one");
                let $closer = &*self;
                $close
            }

            fn end(mut self: Box<Self>) {
                let $ended = self.player.sockets.remove("/").expect("the first one");
                let $ender = &*self;
                $end
            }
        }
    };
}

/// The type of a client's sockets.
macro_rules! socket_of {
    (OnTokio) => {
        sockeye::Socket
    };
    (OnThreads) => {
        sockeye::blocking::Socket
    };
}

pub(crate) use {client, options, socket_of, told};
