//! Printing: which style, and a thread that writes.

pub(crate) mod human;
pub(crate) mod record;

use std::io::{self, IsTerminal as _};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, watch};

use self::human::Channel;
use self::record::Record;
use crate::exit::{Exit, Failure};
use crate::options::Color;

/// Lines that wait for a slow reader of stdout before the connection feels it.
const QUEUE: usize = 256;

/// How records look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// One JSON object per line, all on stdout.
    Json,
    /// For people: events on stdout, the state of the connection on stderr.
    Human { color: bool },
    /// For people at a prompt: everything on one stream, also what is sent.
    Prompt { color: bool },
}

/// Whether to use colours on stdout, by the option, `NO_COLOR` and the terminal.
pub(crate) fn colors(choice: Color) -> bool {
    let unwanted = |name: &str, value: &str| {
        std::env::var(name).is_ok_and(|is| {
            if value.is_empty() {
                !is.is_empty()
            } else {
                is == value
            }
        })
    };
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            io::stdout().is_terminal() && !unwanted("NO_COLOR", "") && !unwanted("TERM", "dumb")
        }
    }
}

enum Line {
    Record(Record),
    /// Plain text for stdout.
    Text(String),
}

/// Prints from a thread of its own: a reader of stdout that is slow or gone never blocks the connection.
#[derive(Clone)]
pub(crate) struct Printer {
    lines: mpsc::Sender<Line>,
    closed: watch::Receiver<bool>,
    style: Style,
}

/// The printing thread; [`Self::finish`] waits until everything is printed.
pub(crate) struct PrinterThread(JoinHandle<io::Result<()>>);

/// A place for lines above a prompt.
pub(crate) type Above = Box<dyn FnMut(String) -> io::Result<()> + Send>;

impl Printer {
    /// Starts printing. With `above`, all lines go there; otherwise to stdout and stderr.
    pub(crate) fn start(style: Style, above: Option<Above>) -> (Self, PrinterThread) {
        let (lines, mut queue) = mpsc::channel(QUEUE);
        let (close, closed) = watch::channel(false);
        let mut above = above;
        let thread = std::thread::spawn(move || {
            while let Some(line) = queue.blocking_recv() {
                if let Err(error) = write(line, style, above.as_mut()) {
                    close.send_replace(true);
                    return Err(error); // the queue closes: later lines go nowhere
                }
            }
            Ok(())
        });
        (
            Self {
                lines,
                closed,
                style,
            },
            PrinterThread(thread),
        )
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    pub(crate) fn is_json(&self) -> bool {
        self.style == Style::Json
    }

    /// Prints a record, waiting while the queue is full.
    pub(crate) async fn print(&self, record: Record) {
        let _ = self.lines.send(Line::Record(record)).await;
    }

    /// Prints a line of text on stdout.
    pub(crate) async fn text(&self, text: String) {
        let _ = self.lines.send(Line::Text(text)).await;
    }

    /// Completes when stdout takes no more; [`PrinterThread::finish`] tells why.
    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.clone();
        if closed.wait_for(|closed| *closed).await.is_err() && !*closed.borrow() {
            std::future::pending::<()>().await;
        }
    }
}

impl PrinterThread {
    /// Waits until all lines are printed, and turns the end of a command into what its exit code says: a reader that left
    /// is no failure, any other error of writing is. All printers must be dropped before.
    pub(crate) async fn finish(self, end: Result<Exit, Failure>) -> Result<Exit, Failure> {
        let written = tokio::select! {
            biased;
            written = tokio::task::spawn_blocking(move || self.0.join()) => written,
            // A reader that reads nothing (a pager) holds the last lines up for as long as it likes.
            _ = tokio::signal::ctrl_c() => return Err(interrupted()),
        };
        match (end, written) {
            (Err(failure), _) => Err(failure),
            (Ok(exit), Ok(Ok(written))) => outcome(written).map(|()| exit),
            (Ok(_), _) => Err(Failure::new(Exit::Output, "the printing thread panicked")),
        }
    }
}

/// What the result of writing to stdout means for the exit code.
pub(crate) fn outcome(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            Exit::Output,
            format!("cannot write the output: {error}"),
        )),
        _ => Ok(()),
    }
}

/// The end of a command whose work was not done when Ctrl-C came.
pub(crate) fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted")
}

fn write(line: Line, style: Style, above: Option<&mut Above>) -> io::Result<()> {
    let (channel, text) = match line {
        Line::Text(text) => (Channel::Event, text),
        Line::Record(record) => match style {
            Style::Json => (Channel::Event, serde_json::to_string(&record)?),
            Style::Human { color } | Style::Prompt { color } => human::line(&record, color),
        },
    };
    match (above, channel) {
        (Some(above), _) => above(format!("{text}\n")),
        (None, Channel::Event) => write_line(&mut io::stdout().lock(), &text),
        // Nobody reads stderr: no reason to stop.
        (None, Channel::State) => write_line(&mut io::stderr().lock(), &text).or(Ok(())),
    }
}

fn write_line(to: &mut impl io::Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.write_all(b"\n")?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn the_option_decides_about_colours() {
        assert!(colors(Color::Always) && !colors(Color::Never));
    }

    #[tokio::test]
    async fn lines_come_out_in_order_and_a_gone_reader_is_noticed() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let above: Above = Box::new(move |line| {
            let mut seen = sink.lock().unwrap();
            if seen.len() == 3 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            seen.push(line);
            Ok(())
        });
        let (printer, thread) = Printer::start(Style::Json, Some(above));
        for attempt in 1..=4 {
            printer.print(Record::ReconnectAttempt { attempt }).await;
        }
        printer.closed().await;
        printer.text("nowhere".into()).await;
        drop(printer);
        assert!(matches!(thread.finish(Ok(Exit::Ok)).await, Ok(Exit::Ok)));
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[2], "{\"type\":\"reconnect_attempt\",\"attempt\":3}\n");
    }
    #[tokio::test]
    async fn a_disk_that_is_full_is_a_failure() {
        let above: Above = Box::new(|_| Err(io::ErrorKind::StorageFull.into()));
        let (printer, thread) = Printer::start(Style::Json, Some(above));
        printer.print(Record::ReconnectFailed).await;
        drop(printer);
        let failure = thread.finish(Ok(Exit::Ok)).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Output);
    }
}
