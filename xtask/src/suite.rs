//! The parts of `cargo xtask test`.

use crate::board;
use crate::c_library;
use crate::esp32;
use crate::fuzz;
use crate::part::{Part, Report};
use crate::riscv::{Firmware, Target};
use crate::run::{self, cargo};
use crate::secure;
use crate::servers;
use crate::tools::{self, CHROMIUM, NGINX, NODE, NPM, REDIS, VALGRIND, works};

pub(crate) const PARTS: &[Part] = &[
    Part {
        name: "unit",
        about: "tests that need no server, no network and no real time",
        run: unit,
    },
    Part {
        name: "features",
        about: "sockeye-core with and without its features",
        run: features,
    },
    Part {
        name: "bare-metal",
        about: "sockeye-core with alloc builds for RISC-V chips",
        run: bare_metal,
    },
    Part {
        name: "interop",
        about: "the host client against Node 4.8, 3.1, 2.5 and 1.7, python-socketio 5 and 4, Flask-SocketIO 4 and socketioxide",
        run: interop,
    },
    Part {
        name: "c",
        about: "the C library: gcc, clang, sanitizers, valgrind, no memory, the official server",
        run: c_library::checks,
    },
    Part {
        name: "esp-idf",
        about: "if IDF_PATH is set: the component and its package build and run on the linux target, and it builds for the ESP32-C3",
        run: esp_idf,
    },
    Part {
        name: "fuzz",
        about: "every fuzz target for a few seconds, with coverage feedback",
        run: fuzz::checks,
    },
    Part {
        name: "demo",
        about: "the demo, without a browser: boards, a server, a link that is cut",
        run: demo,
    },
    Part {
        name: "report",
        about: "the load tester's page in a browser: Chromium without a window",
        run: report_page,
    },
    Part {
        name: "tls",
        about: "the TLS connector of devices on a computer, against rustls",
        run: secure::on_a_computer,
    },
    Part {
        name: "board",
        about: "an emulated RISC-V board: network, repeatable counts, TLS and its refusals",
        run: board::machine,
    },
    Part {
        name: "board-client",
        about: "the client on the emulated RISC-V board against the official Node server",
        run: board::client,
    },
    Part {
        name: "board-device",
        about: "the emulated board as a device of the demo: telemetry, LED, console",
        run: board::device,
    },
    Part {
        name: "size",
        about: "flash, RAM, stack and instructions of the client on a chip, held against budgets",
        run: board::sizes,
    },
    Part {
        name: "instructions",
        about: "instructions of an event on a host, held against a budget, where valgrind is installed",
        run: instructions,
    },
    Part {
        name: "frames",
        about: "no function of the C library or of the board's firmware has a large stack frame",
        run: board::frames,
    },
    Part {
        name: "esp32",
        about: "the images for ESP32-C3 and ESP32-C6 build",
        run: esp32::checks,
    },
];

/// Parts that are not in the whole: `--part` has to name them. The cluster takes most of a minute, and two services of the
/// system that Debian starts when it installs them.
pub(crate) const BY_NAME: &[Part] = &[Part {
    name: "cluster",
    about: "500 clients and two emulated boards, three Node servers, Redis and nginx in troubles (runs only when it is named)",
    run: cluster,
}];

fn unit(report: &mut Report) -> Result<(), String> {
    run_tests(report, "--workspace --tests", "")?;
    report.tests(&mut cargo(
        "test --workspace --exclude sockeye-interleavings --doc --no-fail-fast",
    ))
}

fn features(report: &mut Report) -> Result<(), String> {
    run_tests(report, "-p sockeye-core --no-default-features --tests", "")?;
    for features in [
        "",
        "polling",
        "alloc",
        "redirects",
        "deflate",
        "eio3",
        "eio3,polling",
        "log",
        "defmt",
        "alloc,polling,log,defmt",
    ] {
        let mut build = cargo("build --quiet -p sockeye-core --no-default-features --features");
        report.check(build.arg(features))?;
    }
    Ok(())
}

/// With its default features; the board's firmware is what builds it without `alloc`.
fn bare_metal(report: &mut Report) -> Result<(), String> {
    for target in Target::ALL {
        let folder = "crates/sockeye-core";
        let library = Firmware {
            folder,
            target,
            features: &[],
            images: &[],
        };
        report.record(
            &format!("sockeye-core, {}", target.name()),
            library.build().map(drop),
        );
    }
    Ok(())
}

fn interop(report: &mut Report) -> Result<(), String> {
    servers::install()?;
    // The load tester is run as a program.
    report.check(&mut cargo("build --quiet -p sockeye-cli"))?;
    run_tests(report, "-p sockeye-interop --test interop", "--ignored")
}

/// One test, whose figures are wanted.
fn cluster(report: &mut Report) -> Result<(), String> {
    tools::need(&[NODE, NPM, REDIS, NGINX])?;
    servers::npm(&run::root().join("crates/sockeye-testkit/servers/cluster"))?;
    board::prepare(&["member"])?;
    let mut tests =
        cargo("test --quiet -p sockeye-interop --test cluster -- --ignored --nocapture");
    report.tests(tests.env(sockeye_boards::PREPARED, "1"))?;
    let prepared = ("SOCKEYE_CLUSTER_PREPARED", "1");
    run_tests_with(
        report,
        "-p sockeye-cli --test cli",
        "",
        "cluster::",
        &[prepared],
    )
}

fn report_page(report: &mut Report) -> Result<(), String> {
    tools::need(&[CHROMIUM])?;
    run_tests(report, "-p sockeye-cli --test cli", "--ignored")
}

/// One build after the other, each with the processors to itself.
fn esp_idf(report: &mut Report) -> Result<(), String> {
    if std::env::var_os("IDF_PATH").is_none() {
        report.skipped("IDF_PATH is not set, so that nothing of ESP-IDF was built");
        return Ok(());
    }
    servers::install()?;
    report.tests(&mut cargo(
        "test --quiet -p sockeye-component --test idf -- --ignored --nocapture --test-threads 1",
    ))
}

/// In release mode. The figures are wanted, which nextest would not show.
fn instructions(report: &mut Report) -> Result<(), String> {
    if let Err(why) = tools::need(&[VALGRIND]) {
        report.skipped(&why);
        return Ok(());
    }
    report.tests(&mut cargo(
        "test --quiet --release -p bench-instructions --test budget -- --ignored --nocapture",
    ))
}

fn demo(report: &mut Report) -> Result<(), String> {
    report.check(&mut cargo(
        "run --quiet -p sockeye-cli --bin sockeye -- demo --duration 10s --port 0",
    ))?;
    report.check(&mut cargo(
        "run --quiet -p sockeye-cli --bin sockeye -- demo --duration 5s --port 0 --tls --tls-ca target/demo-ca.pem",
    ))
}

fn run_tests(report: &mut Report, targets: &str, harness: &str) -> Result<(), String> {
    run_tests_with(report, targets, harness, "", &[])
}

/// With cargo-nextest where it is installed: it runs test binaries side by side and names slow tests. Only tests whose names
/// contain `filter`; with these variables in their environment.
pub(crate) fn run_tests_with(
    report: &mut Report,
    targets: &str,
    harness: &str,
    filter: &str,
    variables: &[(&str, &str)],
) -> Result<(), String> {
    let mut command = if works(&["cargo", "nextest", "--version"]) {
        let ignored = if harness.is_empty() {
            ""
        } else {
            "--run-ignored only"
        };
        // Tests with real servers and short heartbeats can be starved on a busy machine: one more try, which is shown.
        let quiet = "--retries 1 --status-level retry --final-status-level flaky --no-fail-fast --cargo-quiet";
        // Many tests mostly wait (for a heartbeat, for a server that comes back): one more than there are cores runs.
        let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get() + 1);
        cargo(&format!(
            "nextest run {targets} {ignored} {quiet} --test-threads {threads} {filter}"
        ))
    } else {
        cargo(&format!(
            "test --quiet --no-fail-fast {targets} -- {harness} {filter}"
        ))
    };
    report.tests(command.envs(variables.iter().copied()))
}
