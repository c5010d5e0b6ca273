//! Parts: named groups of checks, run one after the other and summed up in one closing line.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::count::{Counts, closing_line, is_summary};
use crate::run;

/// A named group of checks.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// An error is one failure more, with its text as the reason.
    pub(crate) run: fn(&mut Report) -> Result<(), String>,
}

/// What a part found.
#[derive(Default)]
pub(crate) struct Report {
    counts: Counts,
    closing: Vec<String>,
}

/// Longer than a cold build of everything takes on two cores; a command that reaches it hangs.
const LIMIT: Duration = Duration::from_secs(30 * 60);

impl Report {
    /// Runs a test runner and adds what its closing lines count. One that fails without saying so is one failure.
    pub(crate) fn tests(&mut self, command: &mut Command) -> Result<(), String> {
        let output = run::run(command, LIMIT)?;
        let mut counts = Counts::default();
        let closing =
            |line: &&String| closing_line(line).is_some_and(|found| found != Counts::default());
        let mut lines: Vec<&String> = output.lines.iter().filter(closing).collect();
        // cargo-nextest shows what failing tests printed, the closing lines of their own runners among it.
        if lines.iter().any(|line| is_summary(line)) {
            lines.retain(|line| is_summary(line));
        }
        for line in lines {
            counts += closing_line(line).unwrap_or_default();
            self.closing.push(line.trim().to_owned());
        }
        // To its runner a test has passed that said what this machine lacks for it. (Dots may stand before that.)
        let skipped = output.lines.iter().filter_map(|line| {
            line.trim_matches([' ', '.'])
                .strip_prefix("skipped: ")
                .map(str::to_owned)
        });
        let mut reasons = BTreeMap::new();
        skipped.for_each(|why| *reasons.entry(why).or_insert(0) += 1);
        for (why, tests) in reasons {
            let tests = counts.passed.min(tests);
            counts.passed -= tests;
            counts.skipped += tests;
            self.closing.push(format!("skipped, {tests}: {why}"));
        }
        if !output.success() {
            self.closing.extend(panics(&output.lines));
        }
        if !output.success() && counts.failed == 0 {
            counts.failed = 1;
            self.closing
                .push(format!("failed: {}", run::shown(command)));
        }
        self.counts += counts;
        Ok(())
    }

    /// Runs a command whose exit code is the result.
    pub(crate) fn check(&mut self, command: &mut Command) -> Result<(), String> {
        let success = run::run(command, LIMIT)?.success();
        self.record(
            &run::shown(command),
            success
                .then_some(())
                .ok_or_else(|| "it exited with an error".to_owned()),
        );
        Ok(())
    }

    /// As [`Self::record`], with the time that it took, told at once.
    pub(crate) fn timed(&mut self, what: &str, took: Duration, result: Result<(), String>) {
        let verdict = result
            .as_ref()
            .map_or_else(|error| format!("FAILED: {error}"), |()| "ok".to_owned());
        println!("{what}: {verdict} ({:.1} s)", took.as_secs_f32());
        self.record(what, result);
    }

    /// A check could not be run here: why.
    pub(crate) fn skipped(&mut self, why: &str) {
        println!("skipped: {why}");
        self.closing.push(format!("skipped, 1: {why}"));
        self.counts.skipped += 1;
    }

    /// Records the result of a check that is not a command.
    pub(crate) fn record(&mut self, what: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.counts.passed += 1,
            Err(error) => {
                self.counts.failed += 1;
                self.closing.push(format!("failed: {what}: {error}"));
            }
        }
    }
}

/// What failing tests said, the beginning of it: where, and the lines below that.
fn panics(lines: &[String]) -> Vec<String> {
    const TESTS: usize = 10;
    const LINES: usize = 4;
    let places = (0..lines.len()).filter(|at| lines[*at].contains(" panicked at "));
    let said = places.take(TESTS).map(|at| {
        let below = lines[at + 1..].iter().map(|line| line.trim());
        let below = below.filter(|line| !line.is_empty()).take(LINES);
        let below = below.take_while(|line| !line.starts_with("stack backtrace"));
        let place = lines[at].trim();
        let mut said = format!("failed: {place}");
        below.for_each(|line| said += &format!("\n        {line}"));
        said
    });
    said.collect()
}

/// Runs the parts with these names, or all, prints the results, and ends with `N passed, M failed`. Those of `by_name` run
/// only where they are named.
pub(crate) fn main(parts: &[Part], by_name: &[Part], list: bool, names: &[String]) -> ExitCode {
    let known = || parts.iter().chain(by_name);
    if list {
        known().for_each(|part| println!("{:<12} {}", part.name, part.about));
        return ExitCode::SUCCESS;
    }
    let mut wanted: Vec<&Part> = Vec::new();
    for name in names {
        match known().find(|part| part.name == name) {
            Some(part) => wanted.push(part),
            None => return crate::fail("`--part` needs the name of a part; `--list` shows them"),
        }
    }
    if wanted.is_empty() {
        wanted.extend(parts);
    }

    let mut total = Counts::default();
    let mut table = Vec::new();
    for part in wanted {
        println!("\n=== {}: {}", part.name, part.about);
        let started = Instant::now();
        let mut report = Report::default();
        if let Err(error) = (part.run)(&mut report) {
            eprintln!("error: {error}");
            report.record(part.name, Err(error));
        }
        let Counts {
            passed,
            failed,
            skipped,
        } = report.counts;
        let result = if failed > 0 { "FAILED" } else { "ok" };
        let seconds = started.elapsed().as_secs_f32();
        table.push(format!("{:<12} {result:<6} {passed:>5} passed {failed:>3} failed {skipped:>4} not run {seconds:>7.1} s", part.name));
        table.extend(report.closing.into_iter().map(|line| format!("    {line}")));
        total += report.counts;
    }
    println!("\n{}\n", table.join("\n"));
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 && total.passed + total.skipped > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
