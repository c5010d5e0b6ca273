//! Plays a script against a client, and writes down what it tells.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use embassy_futures::select::{Either, select};
use sockeye_embedded::{Config, Event, Handler, Socket, new_with_clock};

use super::exec::{TestClock, block_on};
use super::net::Net;
use super::{Small, storage};

pub(crate) const URL: &str = "http://server:3000";
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// One line for each event.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn handler(&self) -> impl Handler + use<> {
        let log = self.clone();
        move |_: &Socket, event: &Event<'_>| log.write(event)
    }

    pub(crate) fn write(&self, event: &Event<'_>) {
        let line = match event {
            Event::Opened { transport, .. } => format!("opened {}", transport.name()),
            Event::Upgraded => "upgraded".into(),
            Event::Connected { recovered, .. } => format!("connect recovered={recovered}"),
            Event::Disconnected {
                reason, details, ..
            } => format!("disconnect {reason}: {details}"),
            Event::ConnectError(refusal) => format!("connect_error {}", refusal.message),
            Event::Message(message) => format!("{} {}", message.name, message.args.json()),
            Event::Ack {
                result: Ok(args), ..
            } => format!("ack {}", args.json()),
            Event::Ack {
                result: Err(error), ..
            } => format!("ack failed: {error}"),
            Event::Closed {
                details,
                opened,
                retry,
                ..
            } => format!("closed opened={opened} retry={retry}: {details}"),
            Event::Reconnecting { attempt, .. } => format!("reconnecting {attempt}"),
            Event::ReconnectAttempt(n) => format!("attempt {n}"),
            Event::Reconnected(n) => format!("reconnected {n}"),
            Event::MessageTooLarge { bytes, .. } => format!("refused {bytes}"),
            Event::Auth(_) | Event::Ping => return,
            other => format!("{other:?}"),
        };
        self.0.borrow_mut().push(line);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Runs a client beside the script, which ends the test.
pub(crate) fn play<H: Handler, F: Future>(
    net: &Net,
    config: Config,
    handler: H,
    script: impl FnOnce(Socket) -> F,
) -> F::Output {
    let (socket, mut runner) =
        new_with_clock(config, storage(Small::new()), TestClock).expect("a valid namespace");
    block_on(10 * MINUTE, async {
        match select(runner.run(net, handler), script(socket)).await {
            Either::First(()) => panic!("the run loop ended by itself"),
            Either::Second(output) => output,
        }
    })
}

/// Polls a future once.
pub(crate) async fn poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match pin!(&mut future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}
