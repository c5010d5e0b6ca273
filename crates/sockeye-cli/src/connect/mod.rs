//! `sockeye connect`: a full client driven by a person at a prompt, or by JSON lines.

pub(crate) mod command;
mod driver;
mod prompt;
mod stdin;

use std::io::{self, IsTerminal as _};

use crate::cli::{Color, Connect};
use crate::exit::{Exit, Failure};
use crate::output::{self, Printer, Style};

use self::driver::Driver;
use self::prompt::Names;

/// `sockeye connect --help`: the manual of the line protocol.
pub(crate) const LONG_ABOUT: &str = include_str!("manual.txt");

/// One line of input.
pub(crate) enum Input {
    /// A line, and whether somebody waits for the next prompt.
    Line(String),
    /// The end of stdin, Ctrl-D, or Ctrl-C at an empty prompt.
    End,
    /// Stdin cannot be read any further.
    Broken(String),
}

/// Runs until the input ends.
pub(crate) async fn run(options: Connect, color: Color) -> Result<Exit, Failure> {
    if options.json {
        let (printer, thread) = Printer::start(Style::Json, None);
        let end = Driver::new(options, printer, None)
            .run(stdin::lines(), None)
            .await;
        thread.finish().await;
        return end;
    }
    let color = output::colors(color);
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        let (printer, thread) = Printer::start(Style::Human { color }, None);
        let end = Driver::new(options, printer, None)
            .run(stdin::lines(), None)
            .await;
        thread.finish().await;
        return end;
    }
    let names = Names::default();
    let prompt = prompt::start(names.clone()).map_err(|error| {
        Failure::usage(format!("cannot use this terminal: {error}; try --json"))
    })?;
    let (printer, thread) = Printer::start(Style::Prompt { color }, Some(prompt.above));
    let end = Driver::new(options, printer, Some(names))
        .run(prompt.lines, Some(prompt.next))
        .await;
    thread.finish().await;
    end
}
