//! Builds the static library and the C programs, and runs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// A C compiler with its flags.
#[derive(Clone, Copy)]
pub(crate) struct Kit {
    pub(crate) compiler: &'static str,
    pub(crate) flags: &'static [&'static str],
    pub(crate) name: &'static str,
}

const STRICT: &[&str] = &["-g", "-Wall", "-Wextra", "-Werror", "-pedantic"];

pub(crate) const ADDRESS: Kit = Kit {
    compiler: "gcc",
    flags: &[
        "-O1",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
    ],
    name: "address",
};
pub(crate) const THREAD: Kit = Kit {
    compiler: "gcc",
    flags: &["-O1", "-fsanitize=thread"],
    name: "thread",
};
pub(crate) const CLANG: Kit = Kit {
    compiler: "clang",
    flags: &["-O2"],
    name: "clang",
};
pub(crate) const PLAIN: Kit = Kit {
    compiler: "gcc",
    flags: &["-O1"],
    name: "plain",
};
/// Every allocation goes through the test program.
pub(crate) const WRAPPED: Kit = Kit {
    compiler: "gcc",
    flags: &[
        "-O1",
        "-fsanitize=address",
        "-DWRAP_MALLOC",
        "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=posix_memalign",
    ],
    name: "wrapped",
};

/// The port for hosts.
const PORT: [&str; 3] = ["port_posix.c", "port_sockets.c", "port_openssl.c"];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn output() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("sockeye-c")
}

/// The static library as hosts get it, in a target folder of its own: the outer cargo's belongs to the outer cargo.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = output().join("library");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--lib", "--manifest-path"]);
    cargo.arg(root().join("Cargo.toml"));
    cargo.arg("--target-dir").arg(&target);
    run(&mut cargo);
    target.join("debug/libsockeye_c.a")
});

/// Whether a program can be started.
pub(crate) fn has(program: &str) -> bool {
    let mut probe = Command::new(program);
    probe
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let found = probe.status().is_ok_and(|status| status.success());
    if !found {
        println!("skipped: there is no {program} on this machine");
    }
    found
}

/// Runs a command to its end. What it wrote is shown when it fails.
pub(crate) fn run(command: &mut Command) -> String {
    let result = command.stdin(Stdio::null()).output();
    let output = result.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{out}\n{err}",
        output.status
    );
    out
}

/// Tests that run side by side share programs: each is compiled once.
static COMPILED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Compiles a test program with the port.
pub(crate) fn compile(kit: Kit, source: &str, more: &[&str]) -> PathBuf {
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let program = output().join(format!("{source}-{}", kit.name));
    if compiled.contains(&program) {
        return program;
    }
    // Another process may run the same program meanwhile: it keeps the old file.
    let fresh = program.with_extension(std::process::id().to_string());
    let mut compiler = Command::new(kit.compiler);
    compiler
        .arg("-std=c99")
        .args(STRICT)
        .args(kit.flags)
        .args(more)
        .arg("-I")
        .arg(root().join("include"))
        .arg("-I")
        .arg(root().join("port"))
        .arg(root().join(format!("tests/c/{source}.c")))
        .args(PORT.map(|file| root().join("port").join(file)))
        .arg(&*LIBRARY)
        .args(["-lpthread", "-lm", "-ldl", "-o"])
        .arg(&fresh);
    if more.contains(&"-DSOCKEYE_POSIX_OPENSSL") {
        compiler.args(["-lssl", "-lcrypto"]);
    }
    run(&mut compiler);
    std::fs::rename(&fresh, &program).expect("the program can be put in place");
    compiled.push(program.clone());
    program
}

/// Compiles a C++ program; the port stays C.
pub(crate) fn compile_cpp(c: &str, cpp: &str, source: &str) -> PathBuf {
    let program = output().join(format!("{source}-{c}"));
    let library = &*LIBRARY;
    let include = |command: &mut Command| {
        command.args(STRICT);
        for folder in ["include", "port"] {
            command.arg("-I").arg(root().join(folder));
        }
    };
    let objects = PORT.map(|file| {
        let object = output().join(format!("{file}-{c}.o"));
        let mut compiler = Command::new(c);
        include(compiler.arg("-std=c99"));
        compiler.arg("-c").arg(root().join("port").join(file));
        run(compiler.arg("-o").arg(&object));
        object
    });
    let mut compiler = Command::new(cpp);
    include(compiler.arg("-std=c++17"));
    compiler
        .arg(root().join(format!("tests/c/{source}.cpp")))
        .args(objects)
        .arg(library)
        .args(["-lpthread", "-lm", "-ldl", "-o"])
        .arg(&program);
    run(&mut compiler);
    program
}

/// A program under a limit of time, so that one that hangs fails.
pub(crate) fn bounded(seconds: u32, program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command
        .arg("--signal=ABRT")
        .arg(seconds.to_string())
        .arg(program);
    // Reports at the end, with an exit code; signals at once.
    command.env("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0");
    command.env("TSAN_OPTIONS", "halt_on_error=1:second_deadlock_stack=1");
    command
}
