//! `sockeye emit`: send one event, and print its answer.

use std::time::Instant;

use sockeye::{AckError, EmitError, Socket, UnsentCause};

use crate::exit::{Exit, Failure};
use crate::options::Emit;
use crate::output::record::{Record, milliseconds};
use crate::output::{self, Printer, human};
use crate::session::{self, Fate, Happening, Inbox};
use crate::value::Arg;

/// Connects, sends, waits for what was asked, disconnects.
pub(crate) async fn run(options: Emit, printer: &Printer) -> Result<Exit, Failure> {
    let args = options.args()?;
    let socket = session::open(&options.connection)?;
    let (sender, mut inbox) = session::inbox();
    session::forward(&socket, sender);
    socket.connect_background();
    let end = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(output::interrupted()),
        () = printer.closed() => Ok(Exit::Ok),
        end = send(&options, &args, &socket, &mut inbox, printer) => end,
    };
    let left = session::leave_one(socket, inbox, printer).await;
    end.and_then(|exit| left.map(|()| exit))
}

async fn send(
    options: &Emit,
    args: &[Arg],
    socket: &Socket,
    inbox: &mut Inbox,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let mut fate = Fate::default();
    wait_for(options, inbox, &mut fate, printer, true).await?;
    let (namespace, event) = (socket.name().to_owned(), options.event.clone());
    let cannot = |error: EmitError| {
        Failure::usage(format!(
            "cannot send {}: {error}",
            human::tame(&options.event)
        ))
    };
    if !options.ack {
        let accepted = if options.volatile {
            socket.volatile().emit(&event, args)
        } else {
            socket.emit(&event, args)
        };
        // A volatile event that was dropped is what was asked for: that is told, and no failure.
        if accepted == Err(EmitError::NotWritable) {
            if printer.is_json() {
                // (It has not become bytes.)
                let dropped = Record::Unsent {
                    namespace,
                    event,
                    bytes: 0,
                    message: UnsentCause::NotWritable.to_string(),
                };
                printer.print(dropped).await;
            }
            return Ok(Exit::Ok);
        }
        accepted.map_err(cannot)?;
        queued(printer, &namespace, &event).await;
        tokio::select! {
            () = socket.flush() => {}
            end = wait_for(options, inbox, &mut fate, printer, false) => end?,
        }
        // A volatile event that was accepted may still be lost with the connection.
        if printer.is_json() && !options.volatile {
            let id = None;
            printer
                .print(Record::Sent {
                    namespace,
                    event,
                    id,
                })
                .await;
        }
        return Ok(Exit::Ok);
    }
    let started = Instant::now();
    // Its timeout is the namespace's, which with `--retries` is that of each try.
    let answer = socket.emit_with_ack::<_, sockeye::Args>(&event, args);
    let answer = tokio::select! {
        biased;
        answer = answer => answer,
        end = wait_for(options, inbox, &mut fate, printer, false) => return end.map(|()| Exit::Ok),
    };
    let round_trip_ms = milliseconds(started.elapsed());
    match answer {
        Ok(answer) => {
            let args = session::args(&answer);
            if printer.is_json() {
                printer
                    .print(Record::Ack {
                        namespace,
                        event,
                        id: None,
                        args,
                        round_trip_ms,
                    })
                    .await;
            } else {
                for arg in &args {
                    let line = arg.to_json().map_err(|error| {
                        Failure::new(Exit::Output, format!("cannot print the answer: {error}"))
                    })?;
                    printer.text(line).await;
                }
            }
            Ok(Exit::Ok)
        }
        Err(error) => {
            if printer.is_json() {
                let (reason, message) = (session::ack_reason(&error), error.to_string());
                let event = event.clone();
                printer
                    .print(Record::AckError {
                        namespace,
                        event,
                        id: None,
                        reason,
                        message,
                    })
                    .await;
            }
            if matches!(error, AckError::Disconnected { .. }) {
                // Why is about to be told.
                let why = wait_for(options, inbox, &mut fate, printer, false);
                if let Ok(Err(failure)) = tokio::time::timeout(session::CLOSING, why).await {
                    return Err(failure);
                }
            }
            let event = human::tame(&event);
            Err(match error {
                AckError::Timeout { .. } => {
                    let waited = options.connection.timeout;
                    let tries = match options.connection.retries {
                        Some(more) if more > 0 => {
                            format!(" of each of {} tries", u64::from(more) + 1)
                        }
                        _ => String::new(),
                    };
                    let hint = "does the server answer this event? --timeout waits longer";
                    Failure::new(
                        Exit::AckTimeout,
                        format!("no acknowledgement of {event} within {waited:?}{tries} ({hint})"),
                    )
                }
                AckError::NotSent(error) => Failure::usage(format!("cannot send {event}: {error}")),
                error => Failure::new(
                    Exit::Lost,
                    format!("no acknowledgement of {event}: {error}"),
                ),
            })
        }
    }
}

/// For scripts: the event has been accepted.
async fn queued(printer: &Printer, namespace: &str, event: &str) {
    if printer.is_json() {
        let (namespace, event) = (namespace.to_owned(), event.to_owned());
        let id = None;
        printer
            .print(Record::Queued {
                namespace,
                event,
                id,
            })
            .await;
    }
}

/// Follows the connection: until it is there (`join`), or for ever; an error when it is over.
async fn wait_for(
    options: &Emit,
    inbox: &mut Inbox,
    fate: &mut Fate,
    printer: &Printer,
    join: bool,
) -> Result<(), Failure> {
    loop {
        let Some((namespace, happening)) = inbox.recv().await else {
            return std::future::pending().await;
        };
        match happening {
            Happening::Event(event) if printer.is_json() => {
                let record = Record::Event {
                    namespace,
                    name: event.name().to_owned(),
                    args: session::args(event.args()),
                    ack: None,
                };
                printer.print(record).await;
            }
            Happening::Event(_) | Happening::Answered(_) => {}
            Happening::Notice(notice) => {
                if printer.is_json()
                    && let Some(record) = session::record(&namespace, &notice)
                {
                    printer.print(record).await;
                }
                let given_up = session::unsent(&notice);
                if let Some(failure) = given_up.or_else(|| fate.after(&notice, &options.connection))
                {
                    return Err(failure);
                }
                if join && matches!(notice, sockeye::Notice::Connected { .. }) {
                    return Ok(());
                }
            }
        }
    }
}
