//! The prompt: line editing, history, completion of event names; events appear above it.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, ExternalPrinter as _, Helper};
use tokio::sync::mpsc;

use super::{Input, plain};
use crate::output::Above;

/// Names that can be completed: events seen or sent, and namespaces.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Mutex<BTreeSet<String>>>);

/// The most names that are remembered: a server may make up new ones for ever.
const MAX_NAMES: usize = 1000;

impl Names {
    /// Remembers a name that can be typed as one word.
    pub(crate) fn add(&self, name: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let typeable = !name.is_empty()
            && name.len() < 80
            && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"');
        if typeable && names.len() < MAX_NAMES && !names.contains(name) {
            names.insert(name.to_owned());
        }
    }

    /// What a line may continue with at `position`: where the word starts, and the candidates.
    fn complete(&self, line: &str, position: usize) -> (usize, Vec<Pair>) {
        let before = &line[..position];
        let start = before
            .rfind(char::is_whitespace)
            .map_or(0, |space| space + 1);
        let word = &before[start..];
        let first = before[..start].trim().is_empty();
        let pair = |text: &str| Pair {
            display: text.to_owned(),
            replacement: format!("{text} "),
        };
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_names = |namespaces: bool| {
            names
                .iter()
                .filter(|name| name.starts_with('/') == namespaces && name.starts_with(word))
                .map(|name| pair(name))
                .collect::<Vec<_>>()
        };
        let candidates = match (first, word.starts_with('/')) {
            (true, true) => plain::COMMANDS
                .iter()
                .filter(|(command, ..)| command.starts_with(word))
                .map(|(command, ..)| pair(command))
                .collect(),
            (true, false) => of_names(false),
            (false, true) if before.starts_with('/') => of_names(true),
            (false, _) => Vec::new(),
        };
        (start, candidates)
    }
}

struct Completion(Names);

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(self.0.complete(line, position))
    }
}
impl Hinter for Completion {
    type Hint = String;
}
impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {}

/// A running prompt.
pub(crate) struct Prompt {
    pub(crate) lines: mpsc::Receiver<Input>,
    /// Ask for the next line, with this prompt.
    pub(crate) next: std::sync::mpsc::Sender<String>,
    /// Prints above the prompt.
    pub(crate) above: Above,
}

/// Starts the prompt on a thread of its own. It ends when [`Prompt::next`] is dropped.
pub(crate) fn start(names: Names) -> rustyline::Result<Prompt> {
    let config = Config::builder()
        .max_history_size(1000)?
        .history_ignore_dups(true)?
        // As in shells: a line that begins with a space is not kept.
        .history_ignore_space(true)
        .build();
    let mut editor: Editor<Completion, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Completion(names)));
    let history = history_file();
    if let Some(file) = &history {
        forget_secrets(file);
        // The first time there is none.
        let _ = editor.load_history(file);
    }
    let mut printer = editor.create_external_printer()?;
    let above: Above = Box::new(move |line| printer.print(line).map_err(io::Error::other));
    let (to, lines) = mpsc::channel(1);
    let (next, prompts) = std::sync::mpsc::channel::<String>();
    std::thread::spawn(move || {
        while let Ok(prompt) = prompts.recv() {
            let input = match editor.readline(&prompt) {
                Ok(line) => {
                    // A history that cannot be kept is no reason to stop.
                    if !plain::is_secret(&line)
                        && let Ok(true) = editor.add_history_entry(&line)
                        && let Some(file) = &history
                    {
                        let _ = editor.append_history(file);
                    }
                    Input::Line(line)
                }
                Err(ReadlineError::Interrupted | ReadlineError::Eof) => Input::End,
                Err(error) => Input::Broken(error.to_string()),
            };
            if to.blocking_send(input).is_err() {
                return;
            }
        }
    });
    Ok(Prompt { lines, next, above })
}

/// `$XDG_STATE_HOME/sockeye/history`, by default in `~/.local/state`.
fn history_file() -> Option<PathBuf> {
    let state = match std::env::var_os("XDG_STATE_HOME") {
        Some(state) if !state.is_empty() => PathBuf::from(state),
        _ => std::env::home_dir()?.join(".local/state"),
    };
    let directory = state.join("sockeye");
    std::fs::create_dir_all(&directory).ok()?;
    Some(directory.join("history"))
}

/// Takes credentials out of a history that an older version kept.
fn forget_secrets(file: &std::path::Path) {
    let Ok(text) = std::fs::read_to_string(file) else {
        return;
    };
    if text.lines().any(plain::is_secret) {
        let kept: Vec<_> = text
            .lines()
            .filter(|line| !plain::is_secret(line))
            .collect();
        // It stays as it was only if it cannot be written at all.
        let _ = std::fs::write(file, kept.join("\n") + "\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(names: &Names, line: &str) -> Vec<String> {
        names
            .complete(line, line.len())
            .1
            .into_iter()
            .map(|pair| pair.display)
            .collect()
    }

    #[test]
    fn events_commands_and_namespaces_are_completed_in_their_places() {
        let names = Names::default();
        for name in ["led", "log", "/chat", "two words", "a\u{1b}b", ""] {
            names.add(name);
        }
        assert_eq!(candidates(&names, "l"), ["led", "log"]);
        assert_eq!(candidates(&names, ""), ["led", "log"]);
        assert_eq!(candidates(&names, "/con"), ["/connect"]);
        assert_eq!(candidates(&names, "/nsp /c"), ["/chat"]);
        assert!(candidates(&names, "led l").is_empty());
    }

    #[test]
    fn names_have_a_bound() {
        let names = Names::default();
        for n in 0..2 * MAX_NAMES {
            names.add(&n.to_string());
        }
        assert_eq!(names.0.lock().unwrap().len(), MAX_NAMES);
    }

    #[test]
    fn an_old_history_loses_its_secrets() {
        let file = std::env::temp_dir().join(format!("sockeye-history-{}", std::process::id()));
        std::fs::write(
            &file,
            "#V2\ngreet 1\n/auth {\"token\":\"s3cret\"}\n/nsp /a\n",
        )
        .unwrap();
        forget_secrets(&file);
        let kept = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(kept, "#V2\ngreet 1\n/nsp /a\n");
    }
}
