//! `sockeye listen`: print what a server sends.

use crate::exit::{Exit, Failure};
use crate::options::Listen;
use crate::output::record::Record;
use crate::output::{self, Printer};
use crate::session::{self, Fate, Happening};

/// Listens until the count is reached, the connection is over, or Ctrl-C.
pub(crate) async fn run(options: Listen, printer: &Printer) -> Result<Exit, Failure> {
    let connection = &options.connection;
    let socket = session::open(connection)?;
    let (sender, mut inbox) = session::inbox();
    session::forward(&socket, sender);
    socket.connect_background();
    let (mut fate, mut count) = (Fate::default(), 0);
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let end = loop {
        let (namespace, happening) = tokio::select! {
            biased;
            // Listening until Ctrl-C is the work, unless a count was asked for.
            _ = &mut interrupt => break match options.count {
                None => Ok(Exit::Ok),
                Some(_) => Err(output::interrupted()),
            },
            () = printer.closed() => break Ok(Exit::Ok),
            happening = inbox.recv() => match happening {
                Some(happening) => happening,
                None => break Ok(Exit::Ok),
            },
        };
        match happening {
            Happening::Event(event) => {
                let args = session::args(event.args());
                let reply = event.responder();
                if reply.is_requested()
                    && let Some(answer) = options.answers.to(event.name(), &args)
                    && let Err(error) = reply.ack(answer.as_slice())
                {
                    let message = format!("cannot answer {}: {error}", event.name());
                    printer
                        .print(Record::Error {
                            line: None,
                            message,
                            id: None,
                        })
                        .await;
                }
                if !options.events.is_empty()
                    && !options.events.iter().any(|name| name == event.name())
                {
                    continue;
                }
                printer
                    .print(Record::Event {
                        namespace,
                        name: event.name().to_owned(),
                        args,
                        ack: None,
                    })
                    .await;
                count += 1;
                if options.count == Some(count) {
                    break Ok(Exit::Ok);
                }
            }
            // Nothing is asked here.
            Happening::Answered(_) => {}
            Happening::Notice(notice) => {
                let end = fate.after(&notice, connection);
                // The last error is told once: by the line that ends the command, unless a script reads.
                if let Some(record) = session::record(&namespace, &notice)
                    && (end.is_none() || printer.is_json())
                {
                    printer.print(record).await;
                }
                if let Some(failure) = end {
                    break Err(failure);
                }
            }
        }
    };
    // Nothing was sent that could be given up.
    let _ = session::leave_one(socket, inbox, printer).await;
    end
}
