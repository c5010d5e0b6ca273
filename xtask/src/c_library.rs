//! The C library: its tests at full length, and the component for ESP-IDF on its `linux` target.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::node::Node;
use crate::part::Report;
use crate::run::{self, cargo};
use crate::servers;
use crate::tools::{Tool, need, works};

const TOOLS: &[Tool] = &[
    Tool {
        what: "gcc and g++",
        probe: &["g++", "--version"],
        packages: &["gcc", "g++", "libc6-dev"],
    },
    Tool {
        what: "clang",
        probe: &["clang++", "--version"],
        packages: &["clang"],
    },
    Tool {
        what: "valgrind",
        probe: &["valgrind", "--version"],
        packages: &["valgrind"],
    },
    Tool {
        what: "OpenSSL with its headers",
        probe: &["pkg-config", "--exists", "openssl"],
        packages: &["libssl-dev", "openssl", "pkg-config"],
    },
];

/// C programs under sanitizers and valgrind, with 1000 connections and 100 000 events.
pub(crate) fn checks(report: &mut Report) -> Result<(), String> {
    need(TOOLS)?;
    servers::install()?;
    report.tests(cargo("test -p sockeye-c --no-fail-fast").env("SOCKEYE_C_ROUNDS", "1000"))
}

/// Builds the component's example for the `linux` target, and runs it against the official server. Where ESP-IDF is not
/// installed, this says so, and is no failure.
pub(crate) fn esp_idf(report: &mut Report) -> Result<(), String> {
    let Some(idf) = std::env::var_os("IDF_PATH").map(PathBuf::from) else {
        println!("skipped: IDF_PATH is not set, so that nothing of ESP-IDF was built");
        report.skipped(1);
        return Ok(());
    };
    servers::install()?;
    let build = run::root().join("target/esp-idf-linux");
    let (configured, built) = build_example(&idf, &build)?;
    report.record("configure for the linux target", configured);
    report.record("build for the linux target", built);
    let program = build.join("sockeye_linux.elf");
    if program.exists() {
        report.record("run for the linux target", run_example(&program));
    }
    Ok(())
}

type Step = Result<(), String>;

/// With cmake itself, so that it also works where `idf.py` has not been set up.
fn build_example(idf: &Path, build: &Path) -> Result<(Step, Step), String> {
    if !works(&["ninja", "--version"]) {
        return Err("ninja is missing: ESP-IDF's install.sh brings it".to_owned());
    }
    let example = run::root().join("esp-idf/sockeye/examples/linux");
    let limit = Duration::from_secs(20 * 60);
    let mut configure = Command::new("cmake");
    configure.args([
        "-G",
        "Ninja",
        "-DIDF_TARGET=linux",
        "-DPYTHON_DEPS_CHECKED=1",
    ]);
    configure
        .arg(format!("-DSDKCONFIG={}", build.join("sdkconfig").display()))
        .arg("-B")
        .arg(build)
        .arg("-S")
        .arg(example);
    configure.env("IDF_PATH", idf).env("IDF_TARGET", "linux");
    let configured = ended_well(run::run(&mut configure, limit)?.success());
    if configured.is_err() {
        return Ok((configured, Err("it is not configured".to_owned())));
    }
    let mut ninja = Command::new("ninja");
    ninja.arg("-C").arg(build).env("IDF_PATH", idf);
    let built = ended_well(run::run(&mut ninja, limit)?.success());
    Ok((configured, built))
}

fn run_example(program: &Path) -> Step {
    let server = Node::scenarios(0, &[])?;
    let mut example = Command::new(program);
    example.env("SOCKEYE_URI", format!("http://127.0.0.1:{}", server.port));
    let output = run::run(&mut example, Duration::from_secs(60))?;
    ended_well(output.success())?;
    for wanted in [
        "joined / as",
        "acknowledged: SOCKEYE_OK [1,2,3]",
        "answered [\"the answer\"]",
    ] {
        if !output.lines.iter().any(|line| line.contains(wanted)) {
            return Err(format!("it did not say `{wanted}`"));
        }
    }
    Ok(())
}

fn ended_well(success: bool) -> Step {
    success
        .then_some(())
        .ok_or_else(|| "it exited with an error".to_owned())
}
