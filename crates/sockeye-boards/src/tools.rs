//! Programs that the tests need beside cargo: looked for, installed with apt-get where that is possible, asked for otherwise.
//!
//! A person is asked before anything is installed, unless `--yes` was given; `CI=true` and a run without a terminal are not
//! asked. Nothing that is installed is ever removed for it: what cannot be installed without that is unpacked below
//! `target/` where a program can run from there ([`beside`]).

pub mod beside;

use std::io::{BufRead, IsTerminal as _, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::run;

/// Set by `--yes`.
static YES: AtomicBool = AtomicBool::new(false);

/// The same for a program that another one starts.
pub const SAID_YES: &str = "SOCKEYE_SAID_YES";

/// Installs without asking from now on.
pub fn say_yes() {
    YES.store(true, Ordering::Relaxed);
}

/// Whether that has been said, here or by who started this program.
pub fn said_yes() -> bool {
    YES.load(Ordering::Relaxed) || std::env::var_os(SAID_YES).is_some()
}

/// Set where nobody is to be surprised: in single tests.
static NOTHING: AtomicBool = AtomicBool::new(false);

/// Installs nothing from now on: what is missing is an error.
pub fn install_nothing() {
    NOTHING.store(true, Ordering::Relaxed);
}

/// A program, how to see that it works, and the Debian packages that bring it.
pub struct Tool {
    pub what: &'static str,
    pub probe: &'static [&'static str],
    pub packages: &'static [&'static str],
}

/// At the other end of TLS alone.
pub const OPENSSL: Tool = Tool {
    what: "OpenSSL's command",
    probe: &["openssl", "version"],
    packages: &["openssl"],
};
pub const NODE: Tool = Tool {
    what: "Node.js 14 or newer",
    probe: &["node", "--version"],
    packages: &["nodejs"],
};
pub const NPM: Tool = Tool {
    what: "npm",
    probe: &["npm", "--version"],
    packages: &["npm"],
};
pub const PYTHON: Tool = Tool {
    what: "Python 3.10 or newer with venv and pip",
    probe: &[
        "python3",
        "-c",
        "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))",
    ],
    packages: &["python3", "python3-venv"],
};
pub const CHROMIUM: Tool = Tool {
    what: "Chromium",
    probe: &[
        "sh",
        "-c",
        "chromium --version || chromium-browser --version || google-chrome --version",
    ],
    packages: &["chromium"],
};

pub const REDIS: Tool = Tool {
    what: "Redis",
    probe: &["redis-server", "--version"],
    packages: &["redis-server"],
};
pub const NGINX: Tool = Tool {
    what: "nginx",
    // The folder of system programs is not on everybody's path.
    probe: &["sh", "-c", "PATH=$PATH:/usr/sbin nginx -v"],
    packages: &["nginx"],
};

pub const VALGRIND: Tool = Tool {
    what: "valgrind",
    probe: &["valgrind", "--version"],
    packages: &["valgrind"],
};

/// Whether the command starts and ends well.
pub fn works(probe: &[&str]) -> bool {
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
pub fn need(tools: &[Tool]) -> Result<(), String> {
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
    if is_root() && has_apt_get() && may_install(&names(&missing), &packages) {
        apt_get(&["update", "-q"])?;
        apt_get(&[INSTALL, packages.as_slice()].concat())?;
        missing.retain(|tool| !works(tool.probe));
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(missing_tools(&names(&missing), &packages))
}

/// Sees to it that a program works that also runs from a folder: installed where that is possible, else unpacked below
/// `target/`. `works` says whether it works, wherever it lies.
pub fn need_somewhere(what: &str, package: &str, works: impl Fn() -> bool) -> Result<(), String> {
    if works() {
        return Ok(());
    }
    if !has_apt_get() || !may_install(what, &[package]) {
        return Err(missing_tools(what, &[package]));
    }
    if is_root() {
        apt_get(&["update", "-q"])?;
        // A refusal is printed by apt-get itself, and is not the end.
        apt_get(&[INSTALL, &[package]].concat()).ok();
    }
    if works() {
        return Ok(());
    }
    beside::unpack(package)
        .map_err(|error| format!("{}; {error}", missing_tools(what, &[package])))?;
    if works() {
        Ok(())
    } else {
        Err(format!(
            "{}; unpacked below target/tools it does not start",
            missing_tools(what, &[package])
        ))
    }
}

fn missing_tools(what: &str, packages: &[&str]) -> String {
    format!(
        "missing: {what}. On Debian or Ubuntu: sudo apt-get install {}",
        packages.join(" ")
    )
}

fn has_apt_get() -> bool {
    works(&["apt-get", "--version"])
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
    if NOTHING.load(Ordering::Relaxed) {
        return false;
    }
    let unattended = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
    let input = std::io::stdin();
    let nobody = said_yes() || unattended || !input.is_terminal();
    let mut input = input.lock();
    let somebody: Option<&mut dyn BufRead> = if nobody { None } else { Some(&mut input) };
    agreed(what, packages, somebody, &mut std::io::stdout())
}

/// The same, with the person (`None`: nobody is there to be asked) and the screen given.
fn agreed(
    what: &str,
    packages: &[&str],
    somebody: Option<&mut dyn BufRead>,
    screen: &mut dyn Write,
) -> bool {
    let packages = packages.join(" ");
    // A screen that cannot be written cannot show the question either: that is a no.
    let told = writeln!(
        screen,
        "Missing: {what}. To install with apt-get: {packages}"
    );
    let Some(person) = somebody else {
        return true;
    };
    let asked = told
        .and_then(|()| write!(screen, "Install now? (`--yes` does not ask) [y/N] "))
        .and_then(|()| screen.flush());
    let mut answer = String::new();
    asked.is_ok() && person.read_line(&mut answer).is_ok() && is_yes(&answer)
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
    fn a_person_is_asked_and_nobody_else() {
        let ask = |answer: Option<&str>| {
            let mut screen = Vec::new();
            let mut input = answer.map(str::as_bytes);
            let somebody = input.as_mut().map(|input| input as &mut dyn BufRead);
            let agreed = agreed("QEMU", &["qemu"], somebody, &mut screen);
            (agreed, String::from_utf8_lossy(&screen).into_owned())
        };
        for (answer, wanted) in [("y\n", true), ("n\n", false), ("\n", false), ("", false)] {
            let (agreed, screen) = ask(Some(answer));
            assert_eq!(agreed, wanted, "{answer:?}");
            assert!(
                screen.contains("Missing: QEMU") && screen.contains("Install now?"),
                "{screen}"
            );
        }
        let (agreed, screen) = ask(None);
        assert!(agreed && screen.contains("Missing: QEMU") && !screen.contains("Install now?"));
    }

    #[test]
    fn nothing_is_removed_for_it() {
        assert!(INSTALL.contains(&"--no-remove"));
    }
}
