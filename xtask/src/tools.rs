//! Programs that the tests need beside cargo: looked for, installed with apt-get where that is possible, asked for otherwise.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::run;

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
    if is_root() && Path::new("/usr/bin/apt-get").exists() {
        apt_get(&["update", "-q"])?;
        apt_get(
            &[
                &["install", "-q", "-y", "--no-install-recommends"],
                packages.as_slice(),
            ]
            .concat(),
        )?;
        missing.retain(|tool| !works(tool.probe));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.what).collect();
    Err(format!(
        "missing: {}. On Debian or Ubuntu: sudo apt-get install {}",
        names.join(", "),
        packages.join(" ")
    ))
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
