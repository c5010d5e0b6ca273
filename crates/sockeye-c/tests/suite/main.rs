//! C programs over the library and `port_posix.c`: compiled with every warning, run under sanitizers and valgrind, against
//! the scripted server, one that dies at every byte, and the official one.
//!
//! What a machine lacks (clang, valgrind, the packages of the official server) is said, and skipped.

mod build;
mod host;
mod scenarios;
mod tls;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use build::{ADDRESS, CLANG, Kit, PLAIN, THREAD, WRAPPED, bounded, compile, compile_cpp, has, run};
use host::{dying, scripted};

/// How often the long tests go round: `SOCKEYE_C_ROUNDS=1000` is the full number, which takes minutes under valgrind.
fn rounds() -> String {
    std::env::var("SOCKEYE_C_ROUNDS").unwrap_or_else(|_| "30".to_owned())
}

#[test]
fn the_header_in_cpp17() {
    for (c, cpp) in [("gcc", "g++"), ("clang", "clang++")] {
        if has(cpp) {
            run(&mut bounded(60, &compile_cpp(c, cpp, "headers")));
        }
    }
}

#[test]
fn without_a_server() {
    for kit in [ADDRESS, CLANG] {
        if has(kit.compiler) {
            run(&mut bounded(120, &compile(kit, "offline", &[])));
        }
    }
}

/// The events of the ESP-IDF component, over as much of ESP-IDF as they need: what finds no room in the queue is told.
#[test]
fn events_on_the_loop_of_esp_idf() {
    let component = build::root().join("../../esp-idf/sockeye");
    let idf = build::root().join("tests/c/esp_idf").display().to_string();
    let include = component.join("include").display().to_string();
    let source = component.join("src/sockeye_esp.c").display().to_string();
    for kit in [ADDRESS, CLANG] {
        if has(kit.compiler) {
            let more = ["-I", &idf, "-I", &include, &source];
            run(&mut bounded(60, &compile(kit, "esp_events", &more)));
        }
    }
}

fn online(kit: Kit, uri: &str, which: &str) {
    if has(kit.compiler) {
        run(bounded(240, &compile(kit, "online", &[])).args([uri, which]));
    }
}

#[test]
fn scenarios_with_the_scripted_server() {
    let host = scripted();
    online(ADDRESS, &host.url(""), "scripted");
    online(CLANG, &host.url(""), "scripted");
}

/// The scenario server on the official package; ends with its input.
struct Official(Child, String);

impl Official {
    fn start() -> Option<Self> {
        let folder = build::root().join("../sockeye-testkit/servers/node");
        let package = folder.join("v4");
        if !package.join("node_modules").exists() {
            println!("skipped: the official server is not installed; `cargo xtask servers` does");
            return None;
        }
        let mut node = Command::new("node");
        node.arg(folder.join("server.js"))
            .arg("--package")
            .arg(package)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = node.spawn().expect("node starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe"))
            .read_line(&mut line)
            .expect("the server says its port");
        let port: String = line.chars().filter(char::is_ascii_digit).collect();
        Some(Self(child, format!("http://127.0.0.1:{port}")))
    }
}

impl Drop for Official {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It ends by itself; this only keeps a broken one from staying.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn scenarios_with_the_official_server() {
    if let Some(server) = Official::start() {
        for kit in [ADDRESS, THREAD, CLANG] {
            online(kit, &server.1, "official");
        }
    }
}

/// The official client and the C library tell and send the same in random sessions, whatever a server and a program do:
/// `crates/sockeye-testkit/servers/differential`, whose `main.js` plays more of them.
#[test]
fn random_sessions_beside_the_official_client() {
    let folder = build::root().join("../sockeye-testkit/servers/differential");
    if !folder.join("node_modules").exists() {
        println!("skipped: the official client is not installed; `cargo xtask servers` does");
        return;
    }
    let mut node = bounded(400, Path::new("node"));
    node.arg(folder.join("main.js"))
        .args(["--driver", "c", "--sessions", "60", "--sockeye"])
        .arg(compile(ADDRESS, "session", &[]));
    run(&mut node);
}

#[test]
fn four_threads() {
    for kit in [THREAD, ADDRESS] {
        let host = scripted();
        let program = compile(kit, "stress", &[]);
        run(bounded(240, &program).args(["threads", &host.url(""), "400"]));
    }
}

#[test]
fn a_server_that_dies_at_every_byte() {
    let program = compile(ADDRESS, "stress", &[]);
    // The number is that of the transports: WebSocket alone.
    run(bounded(240, &program).args(["dying", &dying(), "1"]));
}

#[test]
fn no_memory_at_the_nth_allocation() {
    let host = scripted();
    let program = compile(WRAPPED, "stress", &[]);
    let said = run(bounded(240, &program).args(["memory", &host.url(""), "500"]));
    assert!(said.contains("allocations in one life"), "{said}");
}

#[test]
fn no_leak_over_many_connections_and_events() {
    if !has("valgrind") {
        return;
    }
    let host = scripted();
    let program = compile(PLAIN, "stress", &[]);
    let mut valgrind = Command::new("timeout");
    valgrind
        .args(["--signal=ABRT", "1500", "valgrind", "--quiet"])
        .args(["--error-exitcode=9", "--leak-check=full"])
        .args([
            "--errors-for-leak-kinds=definite,possible",
            "--fair-sched=try",
        ])
        .arg(&program)
        .args(["cycles", &host.url(""), &rounds()]);
    run(&mut valgrind);
}

/// The example of the README, as a reader would compile it.
#[test]
fn the_example_of_the_readme() {
    let readme = std::fs::read_to_string(build::root().join("README.md")).expect("a README");
    let example = readme
        .split("```c\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let source = build::output().join("readme.c");
    std::fs::create_dir_all(build::output()).expect("a folder");
    std::fs::write(&source, example.expect("an example in C")).expect("a file");
    let mut compiler = Command::new("gcc");
    compiler
        .args(["-std=c99", "-Wall", "-Werror", "-fsyntax-only", "-I"])
        .arg(build::root().join("include"))
        .arg(source);
    run(&mut compiler);
}

/// What `menuconfig` begins with is what the header has where there is no menuconfig.
#[test]
fn the_defaults_of_kconfig_are_those_of_the_header() {
    let kconfig = std::fs::read_to_string(build::root().join("../../esp-idf/sockeye/Kconfig"))
        .expect("the component");
    let header =
        std::fs::read_to_string(build::root().join("include/sockeye.h")).expect("the header");
    let mut compared = 0;
    for entry in kconfig.split("config SOCKEYE_").skip(1) {
        let name = entry.split_whitespace().next().unwrap_or("");
        let ends = |line: &&str| {
            !matches!(line.trim(), "endmenu" | "endchoice") && !line.trim().starts_with("choice ")
        };
        let last = entry
            .lines()
            .take_while(ends)
            .filter_map(|line| line.trim().strip_prefix("default "))
            .last();
        let (Some(kconfig), Some((_, rest))) = (
            last,
            header.split_once(&format!("#define CONFIG_SOCKEYE_{name} ")),
        ) else {
            continue;
        };
        let header = rest.lines().next().unwrap_or("").trim();
        match name {
            // A name there; 0 takes the port's own, and the port's own is that of menuconfig.
            "TRANSPORTS" => assert_eq!((kconfig, header), ("1", "SOCKEYE_TRANSPORTS_WEBSOCKET")),
            "TASK_STACK" | "TASK_PRIORITY" => assert_eq!(header, "0"),
            _ => assert_eq!(kconfig, header, "{name}"),
        }
        compared += 1;
    }
    assert_eq!(compared, 21, "as many as the header has");
}
