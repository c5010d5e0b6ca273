//! What clients do: scenarios as programs, a list of operations with jumps.

mod file;
mod step;
mod words;

use std::time::Duration;

use super::template::Template;
use crate::exit::Failure;
use crate::options::Load;

/// A scenario that runs against the demo.
pub(crate) const EXAMPLE: &str = include_str!("example.toml");

/// All scenarios of a run.
#[derive(Debug)]
pub(crate) struct Scenarios {
    programs: Vec<Program>,
    /// The index of a program for each client in turn: as often as its weight says, and as evenly as that allows.
    turns: Vec<usize>,
}

/// What one kind of client does.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) ops: Vec<Op>,
    /// Namespaces: the first one is that of the URL.
    pub(crate) namespaces: Vec<Place>,
}

/// A namespace of a program.
#[derive(Debug)]
pub(crate) struct Place {
    /// Empty: that of the URL.
    pub(crate) name: String,
    /// Instead of the credentials on the command line.
    pub(crate) auth: Option<Template>,
    pub(crate) heard: Vec<Heard>,
}

/// An event that is listened to.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) event: String,
    /// Whether it is counted and timed; else it is only waited for.
    pub(crate) counted: bool,
    /// Where it has the sender's time.
    pub(crate) sent_at: Option<String>,
}

/// One operation.
#[derive(Debug)]
pub(crate) enum Op {
    /// Connects, and joins the first namespace.
    Connect,
    /// Joins another namespace.
    Join(usize),
    Emit(Emit),
    /// Waits for an event of a namespace: index of both.
    Wait {
        place: usize,
        heard: usize,
        timeout: Duration,
    },
    /// A think time from a range.
    Pause(Duration, Duration),
    /// A random part of this time: so that clients do not march in step.
    Offset(Duration),
    /// Until the end of the run.
    Stay,
    Disconnect,
    LoopBegin(Loop),
    /// Back to the operation behind this [`Op::LoopBegin`], if it is to be done again.
    LoopEnd(usize),
}

/// An event to send.
#[derive(Debug)]
pub(crate) struct Emit {
    pub(crate) place: usize,
    pub(crate) event: String,
    pub(crate) args: Template,
    pub(crate) ack: Ack,
    /// Of the acknowledgement.
    pub(crate) timeout: Duration,
}

/// Whether an acknowledgement is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    No,
    /// The next step comes after it.
    Wait,
    /// The next step does not wait for it.
    Later,
}

/// How often, and by what timetable, steps are repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loop {
    pub(crate) times: Option<u64>,
    /// No round begins after this time.
    pub(crate) during: Option<Duration>,
    /// Rounds begin by this timetable, however long one takes.
    pub(crate) every: Option<Duration>,
}

impl Scenarios {
    /// From the options.
    ///
    /// # Errors
    /// A file that cannot be read or is wrong; arguments that are wrong.
    pub(crate) fn new(options: &Load) -> Result<Self, Failure> {
        let programs = match &options.scenario {
            Some(path) => {
                let shown = path.display();
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Failure::usage(format!("--scenario {shown}: {error}")))?;
                let json = path
                    .extension()
                    .is_some_and(|end| end.eq_ignore_ascii_case("json"));
                let timeout = options.connection.timeout;
                file::read(&text, json, timeout)
                    .map_err(|why| Failure::usage(format!("--scenario {shown}: {why}")))?
            }
            None => vec![(1, single(options)?)],
        };
        let (weights, programs): (Vec<u32>, Vec<Program>) = programs.into_iter().unzip();
        Ok(Self {
            turns: turns(&weights),
            programs,
        })
    }

    /// What a client does, by its number from 1.
    pub(crate) fn of(&self, client: u64) -> &Program {
        let turn = (client - 1) % self.turns.len() as u64;
        &self.programs[self.turns[turn as usize]]
    }

    pub(crate) fn programs(&self) -> &[Program] {
        &self.programs
    }
}

/// Indices as often as their weights say, each spread evenly among the others (the smooth weighted round robin).
fn turns(weights: &[u32]) -> Vec<usize> {
    let total: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
    let mut credit = vec![0i64; weights.len()];
    let next = |_| {
        for (credit, weight) in credit.iter_mut().zip(weights) {
            *credit += i64::from(*weight);
        }
        let mut best = 0;
        for at in 1..credit.len() {
            if credit[at] > credit[best] {
                best = at;
            }
        }
        credit[best] -= total;
        best
    };
    (0..total).map(next).collect()
}

/// The program of the command line's options.
fn single(options: &Load) -> Result<Program, Failure> {
    let args = match &options.args {
        None => Template::none(),
        Some(word) => {
            let text =
                text_or_file(word).map_err(|why| Failure::usage(format!("--args: {why}")))?;
            Template::arguments(&text)
                .map_err(|why| Failure::usage(format!("--args: {why} (see sockeye load --help)")))?
        }
    };
    let sent_at = options
        .sent_at
        .clone()
        .or_else(|| args.sent_at().map(str::to_owned));
    let heard = options.listen.iter().map(|event| Heard {
        event: event.clone(),
        counted: true,
        sent_at: sent_at.clone(),
    });
    let home = Place {
        name: String::new(),
        auth: None,
        heard: heard.collect(),
    };
    let mut ops = vec![Op::Connect];
    if let Some(event) = &options.event {
        let every = Duration::from_secs_f64(1.0 / options.rate);
        ops.push(Op::Offset(every));
        let begin = ops.len();
        ops.push(Op::LoopBegin(Loop {
            every: Some(every),
            ..Loop::default()
        }));
        ops.push(Op::Emit(Emit {
            place: 0,
            event: event.clone(),
            args,
            ack: if options.ack { Ack::Later } else { Ack::No },
            timeout: options.connection.timeout,
        }));
        ops.push(Op::LoopEnd(begin));
    } else {
        ops.push(Op::Stay);
    }
    Ok(Program {
        name: "options".to_owned(),
        ops,
        namespaces: vec![home],
    })
}

/// A word, or what is in the file behind its `@`.
pub(super) fn text_or_file(word: &str) -> Result<String, String> {
    let Some(path) = word.strip_prefix('@') else {
        return Ok(word.to_owned());
    };
    let path = path.strip_prefix("json:").unwrap_or(path);
    if path == "-" {
        crate::value::claim_stdin()?;
        return std::io::read_to_string(std::io::stdin())
            .map_err(|error| format!("cannot read stdin: {error}"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_kept_and_spread() {
        assert_eq!(turns(&[1]), [0]);
        assert_eq!(turns(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(turns(&[3, 1]), [0, 0, 1, 0]);
        let many = turns(&[70, 30]);
        assert_eq!(many.iter().filter(|index| **index == 0).count(), 70);
        assert!(many.windows(3).all(|three| three != [1, 1, 1]));
    }
}
