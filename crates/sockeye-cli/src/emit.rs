//! `sockeye emit`: send one event, and print its answer.

use std::time::Instant;

use sockeye::{AckError, Socket};

use crate::cli::Emit;
use crate::exit::{Exit, Failure};
use crate::human;
use crate::output::Printer;
use crate::record::{self, Record};
use crate::session::{self, Happening, Inbox};

/// Connects, sends, waits for what was asked, disconnects.
pub(crate) async fn run(options: Emit, printer: &Printer) -> Result<Exit, Failure> {
    let connection = &options.connection;
    let socket = session::open(connection)?;
    let (sender, mut inbox) = session::inbox();
    session::forward(&socket, sender);
    socket.connect_background();
    let end = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "interrupted")),
        () = printer.closed() => Ok(Exit::Ok),
        end = send(&options, &socket, &mut inbox, printer) => end,
    };
    session::leave(&socket);
    session::flush(&socket).await;
    end
}

async fn send(
    options: &Emit,
    socket: &Socket,
    inbox: &mut Inbox,
    printer: &Printer,
) -> Result<Exit, Failure> {
    wait_for(options, inbox, printer, true).await?;
    let (namespace, event) = (socket.name().to_owned(), options.event.clone());
    let cannot = |error: sockeye::EmitError| {
        Failure::usage(format!(
            "cannot send {}: {error}",
            human::tame(&options.event)
        ))
    };
    if !options.ack {
        if options.volatile {
            socket.volatile().emit(&event, options.args.as_slice())
        } else {
            socket.emit(&event, options.args.as_slice())
        }
        .map_err(cannot)?;
        if printer.is_json() {
            printer
                .print(Record::Sent {
                    namespace,
                    event,
                    id: None,
                })
                .await;
        }
        return tokio::select! {
            () = socket.flush() => Ok(Exit::Ok),
            end = wait_for(options, inbox, printer, false) => end.map(|()| Exit::Ok),
        };
    }
    let started = Instant::now();
    let answer = socket
        .emit_with_ack::<sockeye::Args, _>(&event, options.args.as_slice())
        .timeout(options.connection.timeout);
    let answer = tokio::select! {
        biased;
        answer = answer => answer,
        end = wait_for(options, inbox, printer, false) => return end.map(|()| Exit::Ok),
    };
    let round_trip_ms = started.elapsed().as_secs_f64() * 1e3;
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
                    printer.text(record::json(arg)).await;
                }
            }
            Ok(Exit::Ok)
        }
        Err(error) => {
            let message = match error {
                AckError::Timeout => format!(
                    "no acknowledgement of {} within {:?}; does the server answer this event? (--timeout waits longer)",
                    human::tame(&event),
                    options.connection.timeout
                ),
                ref other => format!("no acknowledgement of {}: {other}", human::tame(&event)),
            };
            if printer.is_json() {
                printer
                    .print(Record::AckError {
                        namespace,
                        event,
                        id: None,
                        reason: session::ack_reason(&error),
                        message: message.clone(),
                    })
                    .await;
            }
            let exit = match error {
                AckError::Timeout => Exit::AckTimeout,
                AckError::Disconnected => Exit::Lost,
                _ => Exit::Usage,
            };
            Err(Failure::new(exit, message))
        }
    }
}

/// Follows the connection: until it is there (`join`), or for ever; an error when it is over.
async fn wait_for(
    options: &Emit,
    inbox: &mut Inbox,
    printer: &Printer,
    join: bool,
) -> Result<(), Failure> {
    let mut joined = !join;
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
            Happening::Event(_) => {}
            Happening::Notice(notice) => {
                if printer.is_json()
                    && let Some(record) = session::record(&namespace, &notice)
                {
                    printer.print(record).await;
                }
                if let Some(failure) = session::ends(&notice, joined, &options.connection) {
                    return Err(failure);
                }
                if matches!(notice, sockeye::Notice::Connected { .. }) {
                    joined = true;
                    if join {
                        return Ok(());
                    }
                }
            }
        }
    }
}
