//! `sockeye connect`: a full client driven by a person at a prompt, or by JSON lines.

pub(crate) mod command;
mod driver;
mod plain;
mod prompt;
mod stdin;
mod unsent;

use std::io::{self, IsTerminal as _};

use crate::exit::{Exit, Failure};
use crate::options::{Color, Connect};
use crate::output::{self, Printer, Style};
use crate::value;

use self::driver::Driver;
use self::prompt::Names;

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
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    if options.json || !terminal {
        // Stdin is where the commands come from.
        value::claim_stdin().map_err(Failure::usage)?;
        let style = if options.json {
            Style::Json
        } else {
            let color = output::colors(color);
            Style::Human { color }
        };
        let (printer, thread) = Printer::start(style, None);
        let end = Driver::new(options, printer, None)
            .run(stdin::lines(), None)
            .await;
        return thread.finish(end).await;
    }
    let names = Names::default();
    let prompt = prompt::start(names.clone()).map_err(|error| {
        Failure::usage(format!("cannot use this terminal: {error}; try --json"))
    })?;
    let color = output::colors(color);
    let (printer, thread) = Printer::start(Style::Prompt { color }, Some(prompt.above));
    let end = Driver::new(options, printer, Some(names))
        .run(prompt.lines, Some(prompt.next))
        .await;
    thread.finish(end).await
}
