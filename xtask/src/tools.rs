//! Programs that the tests need beside cargo: looked for, installed with apt-get where that is possible, asked for otherwise.
//!
//! A person is asked before anything is installed, unless `--yes` was given; `CI=true` and a run without a terminal are not
//! asked. Nothing that is installed is ever removed for it.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::run;

/// Set by `--yes`.
static YES: AtomicBool = AtomicBool::new(false);

/// Installs without asking from now on.
pub(crate) fn say_yes() {
    YES.store(true, Ordering::Relaxed);
}

/// A program, how to see that it works, and the Debian packages that bring it.
pub(crate) struct Tool {
    pub(crate) what: &'static str,
    pub(crate) probe: &'static [&'static str],
    pub(crate) packages: &'static [&'static str],
}

pub(crate) const NODE: Tool = Tool {
    what: "Node.js 14 or newer",
    probe: &["node", "--version"],
    packages: &["nodejs"],
};
pub(crate) const NPM: Tool = Tool {
    what: "npm",
    probe: &["npm", "--version"],
    packages: &["npm"],
};
pub(crate) const PYTHON: Tool = Tool {
    what: "Python 3.10 or newer with venv and pip",
    probe: &[
        "python3",
        "-c",
        "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))",
    ],
    packages: &["python3", "python3-venv"],
};

/// Whether the command starts and ends well.
pub(crate) fn works(probe: &[&str]) -> bool {
    let [program, args @ ..] = probe else {
        return false;
    };
    let silent = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    silent.is_ok_and(|status| status.success())
}

/// Sees to it that all of them work.
pub(crate) fn need(tools: &[Tool]) -> Result<(), String> {
    let mut missing: Vec<&Tool> = tools.iter().filter(|tool| !works(tool.probe)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|tool| tool.packages)
        .copied()
        .collect();
    let names = |missing: &[&Tool]| {
        let names: Vec<&str> = missing.iter().map(|tool| tool.what).collect();
        names.join(", ")
    };
    if is_root()
        && Path::new("/usr/bin/apt-get").exists()
        && may_install(&names(&missing), &packages)
    {
        apt_get(&["update", "-q"])?;
        apt_get(&[INSTALL, packages.as_slice()].concat())?;
        missing.retain(|tool| !works(tool.probe));
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "missing: {}. On Debian or Ubuntu: sudo apt-get install {}",
        names(&missing),
        packages.join(" ")
    ))
}

/// How packages are installed: an installation that would remove another package fails instead.
const INSTALL: &[&str] = &[
    "install",
    "-q",
    "-y",
    "--no-remove",
    "--no-install-recommends",
];

/// Says what is missing and what would bring it; asks, where somebody can answer.
fn may_install(what: &str, packages: &[&str]) -> bool {
    println!(
        "Missing: {what}. To install with apt-get: {}",
        packages.join(" ")
    );
    let unattended = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
    let input = std::io::stdin();
    if YES.load(Ordering::Relaxed) || unattended || !input.is_terminal() {
        return true;
    }
    print!("Install now? (`--yes` does not ask) [y/N] ");
    let mut answer = String::new();
    let asked = std::io::stdout().flush().is_ok() && input.lock().read_line(&mut answer).is_ok();
    asked && is_yes(&answer)
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}

fn apt_get(args: &[&str]) -> Result<(), String> {
    let mut command = Command::new("apt-get");
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    let output = run::run(&mut command, Duration::from_secs(15 * 60))?;
    if output.success() {
        Ok(())
    } else {
        Err(format!("`{}` failed", run::shown(&command)))
    }
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_installs() {
        assert!(is_yes("y\n") && is_yes(" Yes \n"));
        assert!(!is_yes("\n") && !is_yes("") && !is_yes("no\n") && !is_yes("yeah\n"));
    }

    #[test]
    fn nothing_is_removed_for_it() {
        assert!(INSTALL.contains(&"--no-remove"));
    }
}
