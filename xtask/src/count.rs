//! Reads the closing lines of test runners, so that their own counts add up to ours.

use std::ops::AddAssign;

/// How many tests did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Whether the line closes a run of `cargo nextest`.
pub(crate) fn is_summary(line: &str) -> bool {
    line.trim_start().starts_with("Summary [")
}

/// The counts of one line of output, if it closes a run of `cargo test` or `cargo nextest`, or is our own plain form.
pub(crate) fn closing_line(line: &str) -> Option<Counts> {
    let line = line.trim();
    let list = if let Some(rest) = line.strip_prefix("test result: ") {
        rest.split_once(". ")?.1
    } else if is_summary(line) {
        line.split_once(" run: ")?.1
    } else {
        // `N passed, M failed` alone on its line: nothing but such pairs.
        let plain = line
            .split(", ")
            .all(|pair| number(pair, "passed").or(number(pair, "failed")).is_some());
        (plain && line.contains("passed")).then_some(line)?
    };
    let mut counts = Counts::default();
    for pair in list.split([',', ';']).map(str::trim) {
        if let Some(n) = number(pair, "passed") {
            counts.passed = n;
        } else if let Some(n) = number(pair, "failed")
            .or(number(pair, "timed out"))
            .or(number(pair, "exec failed"))
        {
            counts.failed += n;
        } else if let Some(n) = number(pair, "ignored").or(number(pair, "skipped")) {
            counts.skipped = n;
        }
    }
    Some(counts)
}

/// `3 passed` and `3 passed (1 slow)` are 3 of `passed`.
fn number(pair: &str, what: &str) -> Option<u32> {
    let (n, rest) = pair.trim().split_once(' ')?;
    let named = rest.strip_prefix(what)?;
    if named.is_empty() || named.starts_with(" (") {
        n.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u32, failed: u32, skipped: u32) -> Option<Counts> {
        Some(Counts {
            passed,
            failed,
            skipped,
        })
    }

    #[test]
    fn closing_lines_of_each_runner() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        assert_eq!(closing_line(line), counts(5, 2, 1));
        let line = "     Summary [   0.123s] 12 tests run: 12 passed (1 slow), 3 skipped";
        assert_eq!(closing_line(line), counts(12, 0, 3));
        let line =
            "     Summary [  10.0s] 9/12 tests run: 6 passed, 2 failed, 1 timed out, 0 skipped";
        assert_eq!(closing_line(line), counts(6, 3, 0));
        assert_eq!(closing_line("7 passed, 0 failed"), counts(7, 0, 0));
    }

    #[test]
    fn other_lines_are_not_counted() {
        for line in [
            "running 5 tests",
            "test a ... ok",
            "5 passed on the way",
            "2 failed",
            "",
            "warning: 3 passed, 1 failed x",
        ] {
            assert_eq!(closing_line(line), None, "{line}");
        }
    }
}
