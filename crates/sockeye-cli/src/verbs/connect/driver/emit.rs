//! Sending an event, and telling what became of it.

use std::time::{Duration, Instant};

use sockeye::{AckError, Args, EmitError, Socket};

use super::super::command::Emit;
use super::super::unsent;
use super::Driver;
use crate::output::record::{Record, milliseconds};
use crate::session;
use crate::value::Arg;

/// How long an event waits for room in a full send buffer.
const ROOM: Duration = Duration::from_secs(10);

impl Driver {
    pub(super) async fn emit(&mut self, emit: Emit) {
        let namespace = emit.namespace.unwrap_or_else(|| self.current.clone());
        let place = self.places.get(&namespace).zip(self.orders.get(&namespace));
        let Some((socket, order)) = place else {
            return self
                .error(
                    format!("{namespace} was never joined; connect to it first"),
                    emit.id,
                )
                .await;
        };
        if let Some(names) = &self.names {
            names.add(&emit.event);
        }
        let (socket, order) = (socket.clone(), order.clone());
        let args: &[Arg] = &emit.args;
        if !emit.ack {
            let result = loop {
                let result = if emit.volatile {
                    socket.volatile().emit(&emit.event, args)
                } else {
                    socket.emit(&emit.event, args)
                };
                match result {
                    Err(EmitError::Full) if room(&socket).await => {}
                    result => break result,
                }
            };
            return match result {
                Ok(()) => {
                    self.queued(&namespace, &emit.event, &emit.id).await;
                    // A volatile event that was accepted may still be lost with the connection.
                    if !emit.volatile {
                        self.unsent.add(&socket, &emit.event, emit.id, None);
                    }
                }
                Err(error) => {
                    self.error(format!("cannot send {}: {error}", emit.event), emit.id)
                        .await;
                }
            };
        }
        let started = Instant::now();
        let (asked, sent) = loop {
            let future = if emit.volatile {
                socket
                    .volatile()
                    .emit_with_ack::<_, Args>(&emit.event, args)
            } else {
                socket.emit_with_ack::<_, Args>(&emit.event, args)
            };
            // Without one of its own the namespace's counts, which with `--retries` is the time of each try: the event
            // waits for a connection as long as it takes then.
            let future = match emit.timeout {
                Some(timeout) => future.timeout(timeout),
                None => future,
            };
            // Sent here and now, so that the order of the commands is kept.
            let mut sent = None;
            let asked = order.ask(|| {
                let answer = future.send();
                sent = Some(answer.sent());
                answer
            });
            let Some(Err(AckError::NotSent(error))) = asked.first() else {
                break (asked, sent);
            };
            let error = error.clone();
            drop(asked);
            if error == EmitError::Full && room(&socket).await {
                continue;
            }
            return self
                .error(format!("cannot send {}: {error}", emit.event), emit.id)
                .await;
        };
        self.queued(&namespace, &emit.event, &emit.id).await;
        let told = self.unsent.add(&socket, &emit.event, emit.id.clone(), sent);
        let json = self.printer.is_json();
        let (event, id) = (emit.event, emit.id);
        let tell = move |answer: Result<Args, AckError>| {
            let round_trip_ms = milliseconds(started.elapsed());
            let mut records = Vec::new();
            let sent = answer.as_ref().map_or_else(AckError::sent, |_| true);
            if told.now() && sent && json {
                records.push(unsent::sent(namespace.clone(), event.clone(), id.clone()));
            }
            records.push(match answer {
                Ok(answer) => Record::Ack {
                    namespace,
                    event,
                    id,
                    args: session::args(&answer),
                    round_trip_ms,
                },
                Err(error) => Record::AckError {
                    namespace,
                    event,
                    id,
                    reason: session::ack_reason(&error),
                    message: error.to_string(),
                },
            });
            records
        };
        self.waiting.spawn(asked.tell(tell));
        self.unanswered += 1;
    }

    /// The event has been accepted.
    async fn queued(&self, namespace: &str, event: &str, id: &Option<Arg>) {
        let (namespace, event, id) = (namespace.to_owned(), event.to_owned(), id.clone());
        self.for_scripts(Record::Queued {
            namespace,
            event,
            id,
        })
        .await;
    }
}

/// Waits for room in the send buffer, as long as there is hope.
async fn room(socket: &Socket) -> bool {
    socket.connected() && tokio::time::timeout(ROOM, socket.room()).await.is_ok()
}
