//! C programs over the library and `port_posix.c`: compiled with every warning, run under sanitizers and valgrind, against
//! the scripted server, one that dies at every byte, and the official one.
//!
//! What a machine lacks (clang, valgrind, the packages of the official server) is said, and skipped.

mod build;
mod host;
mod tls;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use build::{ADDRESS, CLANG, Kit, PLAIN, THREAD, WRAPPED, bounded, compile, compile_cpp, has, run};
use host::{Host, dying};

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

fn online(kit: Kit, uri: &str, which: &str) {
    if has(kit.compiler) {
        run(bounded(240, &compile(kit, "online", &[])).args([uri, which]));
    }
}

#[test]
fn scenarios_with_the_scripted_server() {
    let host = Host::start();
    online(ADDRESS, &host.uri, "scripted");
    online(CLANG, &host.uri, "scripted");
    host.check();
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

#[test]
fn four_threads() {
    for kit in [THREAD, ADDRESS] {
        let host = Host::start();
        let program = compile(kit, "stress", &[]);
        run(bounded(240, &program).args(["threads", &host.uri, "400"]));
        host.check();
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
    let host = Host::start();
    let program = compile(WRAPPED, "stress", &[]);
    let said = run(bounded(240, &program).args(["memory", &host.uri, "500"]));
    assert!(said.contains("allocations in one life"), "{said}");
    host.check();
}

#[test]
fn no_leak_over_many_connections_and_events() {
    if !has("valgrind") {
        return;
    }
    let host = Host::start();
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
        .args(["cycles", &host.uri, &rounds()]);
    run(&mut valgrind);
    host.check();
}
