//! `sockeye`: talk to Socket.IO servers from a terminal or a script. `sockeye --help` is the manual.

mod exit;
mod options;
mod output;
mod session;
mod value;
mod verbs;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

use crate::exit::{Exit, Failure};
use crate::options::{Action, Cli, Color};
use crate::output::{Printer, Style, human};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    trace(&cli);
    let threads = match &cli.command {
        Action::Load(options) => options.threads(),
        _ => 2,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return end(&Failure::new(Exit::Usage, format!("cannot start: {error}"))),
    };
    let result = runtime.block_on(run(cli));
    // A read of stdin may still be going on in a thread: nothing to wait for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match result {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => end(&failure),
    }
}

async fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Action::Listen(options) => {
            let (printer, thread) = Printer::start(style(options.json, cli.color), None);
            let end = verbs::listen::run(options, &printer).await;
            drop(printer);
            thread.finish(end).await
        }
        Action::Emit(options) => {
            let (printer, thread) = Printer::start(style(options.json, cli.color), None);
            let end = verbs::emit::run(options, &printer).await;
            drop(printer);
            thread.finish(end).await
        }
        Action::Connect(options) => verbs::connect::run(options, cli.color).await,
        Action::Load(options) => {
            let (printer, thread) = Printer::start(style(options.json, cli.color), None);
            let end = verbs::load::run(*options, &printer).await;
            drop(printer);
            thread.finish(end).await
        }
        #[cfg(feature = "demo")]
        Action::Demo(options) => verbs::demo::run(options).await,
        Action::Completions(options) => verbs::completions::run(&options),
        Action::Man(options) => verbs::man::run(&options),
    }
}

fn style(json: bool, color: Color) -> Style {
    if json {
        Style::Json
    } else {
        Style::Human {
            color: output::colors(color),
        }
    }
}

/// Diagnostics on stderr, by `-v` or `RUST_LOG`.
fn trace(cli: &Cli) {
    let level = match cli.verbose {
        0 => None,
        1 => Some("sockeye=info,sockeye_core=info"),
        2 => Some("sockeye=debug,sockeye_core=debug"),
        _ => Some("trace"),
    };
    let filter = match level {
        Some(level) => EnvFilter::new(level),
        None if std::env::var_os("RUST_LOG").is_some() => EnvFilter::from_default_env(),
        None => return,
    };
    let color = cli.color == Color::Always
        || (cli.color == Color::Auto
            && std::io::IsTerminal::is_terminal(&std::io::stderr())
            && output::colors(Color::Auto));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(color)
        .init();
}

/// The one line that ends a command that could not do its work.
fn end(failure: &Failure) -> ExitCode {
    let _ = writeln!(
        std::io::stderr(),
        "sockeye: {}",
        human::tame(&failure.to_string())
    );
    ExitCode::from(failure.exit as u8)
}

/// Help goes out as it is; mistakes become one line that says where to look.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return match output::outcome(error.print()) {
            Err(failure) => end(&failure),
            Ok(()) if error.use_stderr() => ExitCode::from(Exit::Usage as u8),
            Ok(()) => ExitCode::from(Exit::Ok as u8),
        };
    }
    let text = error.to_string();
    let words: Vec<&str> = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let line = words.join(" ").replace(" tip: ", "; tip: ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    let command = std::env::args().nth(1).filter(|word| {
        ["listen", "emit", "connect", "load", "demo", "completions"].contains(&word.as_str())
    });
    let help = command.map_or("sockeye --help".to_owned(), |command| {
        format!("sockeye {command} --help")
    });
    end(&Failure::usage(format!("{line} (see {help})")))
}
