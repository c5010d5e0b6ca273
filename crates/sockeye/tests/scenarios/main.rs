//! The list of scenarios that all drivers play, `sockeye_testkit::scenarios`: on tokio, and on threads without it.

mod player;

use std::time::Duration;

use sockeye::{AckError, Args, RawArgs};
use sockeye_testkit::scenarios::{Args as Sent, Client, Driver, Log, Options, PATIENCE};

use player::{Player, options, told};

/// The arguments as all clients take them.
fn raw<'a>(args: &Sent<'a>) -> RawArgs<'a> {
    RawArgs::new(args.json, args.attachments).expect("scenarios send good JSON")
}

/// Writes down how a question ended.
fn answered(log: &Log, question: u32, answer: Result<Args, AckError>) {
    match answer {
        Ok(args) => log.write_args(
            &format!("answer {question}"),
            args.json(),
            args.attachments().iter().map(|bytes| &bytes[..]),
        ),
        Err(error) => {
            let reason = match error {
                AckError::Timeout { sent: true } => "timeout",
                AckError::Timeout { sent: false } => "timeout unsent",
                AckError::Disconnected { sent: true } => "disconnected",
                AckError::Disconnected { sent: false } => "disconnected unsent",
                AckError::Dropped { sent: false } => "dropped",
                AckError::Dropped { sent: true } => "dropped sent",
                other => panic!("{other}"),
            };
            log.write(format!("no answer {question} {reason}"));
        }
    }
}

mod on_tokio {
    use super::*;
    use tokio::runtime::{Builder, Runtime};

    struct Tokio;

    sockeye_testkit::scenarios!(Tokio);
    sockeye_testkit::contract!(Tokio);

    impl Driver for Tokio {
        fn name(&self) -> &'static str {
            "tokio"
        }

        fn open(&self, wanted: Options, log: Log) -> Box<dyn Client> {
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime");
            let entered = runtime.enter();
            let mut builder = options!(sockeye::Client::builder(&wanted.url), wanted);
            if wanted.counted_auth {
                let count = std::sync::atomic::AtomicU32::new(0);
                builder = builder.auth_with(move || {
                    let n = 1 + count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    async move { Ok::<_, sockeye::BoxError>(serde_json::json!({ "n": n })) }
                });
            }
            let first = told!(builder, log)
                .connect_background()
                .expect("good options");
            drop(entered);
            let player = Player::new(first, log);
            Box::new(OnTokio { player, runtime })
        }
    }

    struct OnTokio {
        player: Player<sockeye::Socket>,
        runtime: Runtime,
    }

    player::client!(OnTokio {
        ask(this, socket, event, args, question, timeout) {
            let mut request = socket.emit_with_ack::<_, Args>(event, raw(&args));
            if let Some(timeout) = timeout {
                request = request.timeout(timeout);
            }
            let (log, answer) = (this.player.log(), request.send());
            this.runtime.spawn(async move { answered(&log, question, answer.await) });
        }
        close(this, socket) {
            this.runtime
                .block_on(async { tokio::time::timeout(PATIENCE, socket.close()).await })
                .expect("closed in time")
                .expect("everything was sent");
        }
        end(this, socket) {
            // What was not sent is told, and is nobody's loss.
            let _ = this
                .runtime
                .block_on(async { tokio::time::timeout(PATIENCE, socket.close()).await })
                .expect("closed in time");
        }
    });
}

mod on_threads {
    use super::*;
    use sockeye::blocking;

    struct Threads;

    sockeye_testkit::scenarios!(Threads);
    sockeye_testkit::contract!(Threads);

    impl Driver for Threads {
        fn name(&self) -> &'static str {
            "blocking"
        }

        fn open(&self, wanted: Options, log: Log) -> Box<dyn Client> {
            let mut builder = options!(blocking::Client::builder(&wanted.url), wanted);
            if wanted.counted_auth {
                let count = std::sync::atomic::AtomicU32::new(0);
                builder = builder.auth_with(move || {
                    let n = 1 + count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    Ok(serde_json::json!({ "n": n }))
                });
            }
            let first = told!(builder, log)
                .connect_background()
                .expect("good options");
            let player = Player::new(first, log);
            Box::new(OnThreads { player })
        }
    }

    struct OnThreads {
        player: Player<blocking::Socket>,
    }

    player::client!(OnThreads {
        ask(this, socket, event, args, question, timeout) {
            let mut request = socket.emit_with_ack::<_, Args>(event, raw(&args));
            if let Some(timeout) = timeout {
                request = request.timeout(timeout);
            }
            let (log, answer) = (this.player.log(), request.begin());
            std::thread::spawn(move || answered(&log, question, answer.wait()));
        }
        close(this, socket) {
            let _ = &this;
            socket.close().expect("everything was sent");
        }
        end(this, socket) {
            let _ = &this;
            // What was not sent is told, and is nobody's loss.
            let _ = socket.close();
        }
    });
}
