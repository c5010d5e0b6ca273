//! `cargo xtask bench`: builds the clients and the load server in `benches`, runs every row with every client in turn, and
//! prints what an event costs. What is measured, and how, is in `benches/README.md`.

mod clients;
mod pages;
mod rows;
mod table;

use std::io::{BufRead, BufReader};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::certificates::Certificates;
use crate::{flags, run, tools};
use clients::{CLIENTS, Client, Program, build, program};
use pages::{between_marks, summary, whole};
use rows::{ROWS, Row};
use table::{json, table};

/// No run takes nearly as long; a client that hangs is a bug to report, not to wait for.
const RUN_LIMIT: &str = "60";

struct Options {
    quick: bool,
    rounds: usize,
    count: Option<u32>,
    valgrind: bool,
    rows: Vec<&'static Row>,
    clients: Vec<&'static Client>,
    json: Option<PathBuf>,
    profiles: Option<PathBuf>,
}

/// What the runs of one client in one row gave.
struct Figures {
    row: &'static Row,
    client: &'static Client,
    count: u32,
    /// Wall clock and processor time of a whole round, in nanoseconds.
    nanos: Vec<u64>,
    cpu: Vec<u64>,
    /// Growth of resident memory, in the idle row.
    bytes: Vec<u64>,
    instructions: Option<f64>,
    allocations: Option<f64>,
    /// The most bytes on the heap at any time.
    peak: Option<f64>,
    /// Why there are no (more) figures.
    failure: Option<String>,
}

/// The command `cargo xtask bench`.
pub(crate) fn run(flags: flags::Bench) -> Result<(), String> {
    if let Some(file) = &flags.readme {
        return write_readme(file);
    }
    let mut options = Options::of(flags)?;
    if options.rows.iter().any(|row| row.name.starts_with("idle")) {
        check_room(options.count.unwrap_or(1_000))?;
    }
    build("load-server")?;
    let mut skipped = Vec::new();
    let mut clients = Vec::new();
    for client in options.clients {
        match tools::need(client.needs).and_then(|()| client.prepare()) {
            Ok(()) => clients.push(client),
            // What belongs to this repository has to build.
            Err(why) if client.needs.is_empty() => return Err(why),
            Err(why) => skipped.push(format!("{} is skipped: {why}", client.name)),
        }
    }
    options.clients = clients;

    let certificates = Certificates::new()?;
    let servers = Servers {
        free: Server::start(&[], &certificates)?,
        pinned: Server::start(pin(), &certificates)?,
        authority: certificates.folder().join("authority.pem"),
    };
    let mut figures = measure(&options, &servers)?;
    if options.valgrind && tools::works(&["valgrind", "--version"]) {
        count(&options, &servers, &mut figures)?;
    } else if options.valgrind {
        skipped.push(
            "instructions are not counted: valgrind is not installed (sudo apt-get install valgrind)"
                .to_owned(),
        );
    }
    print!("\n{}", table(&figures));
    for line in skipped {
        println!("{line}");
    }
    if let Some(file) = &options.json {
        std::fs::write(file, json(&figures))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    let failures: Vec<&str> = figures
        .iter()
        .filter_map(|one| one.failure.as_deref())
        .collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n"))
    }
}

/// Makes the tables of the documents of a run's figures.
fn write_readme(figures: &Path) -> Result<(), String> {
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let figures = read(figures)?;
    for (name, table) in [
        ("README.md", summary as fn(&str) -> Result<String, String>),
        ("docs/performance.md", whole),
    ] {
        let path = run::root().join(name);
        let page = between_marks(&read(&path)?, &table(&figures)?)?;
        std::fs::write(&path, page)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

impl Options {
    fn of(flags: flags::Bench) -> Result<Self, String> {
        let rounds = if flags.quick { 1 } else { 5 };
        let rows = flags.rows.map(|names| choose(&names, ROWS, |row| row.name));
        let clients = flags.clients;
        let clients = clients.map(|names| choose(&names, CLIENTS, |client| client.name));
        Ok(Self {
            quick: flags.quick,
            rounds: flags.rounds.map_or(rounds, NonZeroUsize::get),
            count: flags.count.map(NonZeroU32::get),
            valgrind: !flags.no_valgrind,
            rows: rows.unwrap_or_else(|| Ok(ROWS.iter().collect()))?,
            clients: clients.unwrap_or_else(|| Ok(CLIENTS.iter().collect()))?,
            json: flags.json,
            profiles: flags.profile,
        })
    }
}

/// The members of `all` with these names, in the order of `all`.
fn choose<T>(
    names: &str,
    all: &'static [T],
    name: fn(&T) -> &str,
) -> Result<Vec<&'static T>, String> {
    let names: Vec<&str> = names.split(',').collect();
    if let Some(unknown) = names
        .iter()
        .find(|wanted| !all.iter().any(|one| name(one) == **wanted))
    {
        return Err(format!(
            "there is no {unknown:?}; `--help` lists what there is"
        ));
    }
    Ok(all
        .iter()
        .filter(|one| names.contains(&name(one)))
        .collect())
}

/// A command that may open so many files as the hard limit allows.
fn roomy(prefix: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            r#"ulimit -n "$(ulimit -H -n)" 2>/dev/null; exec "$@""#,
            "sh",
        ])
        .args(prefix);
    command
}

/// Whether so many connections in one process are allowed here.
///
/// # Errors
/// They are not: what to do.
fn check_room(connections: u32) -> Result<(), String> {
    let limit = Command::new("sh")
        .args(["-c", "ulimit -H -n"])
        .output()
        .map_err(|error| format!("cannot ask for the limit of open files: {error}"))?;
    match String::from_utf8_lossy(&limit.stdout).trim().parse::<u32>() {
        // (Anything but a number is no limit.)
        Ok(limit) if limit < connections + SPARE => Err(format!(
            "{connections} connections need {} open files, and the hard limit is {limit}: raise it for this shell by \
             `sudo prlimit --pid $$ --nofile={}`, or for good in /etc/security/limits.conf (nofile)",
            connections + SPARE,
            connections + SPARE,
        )),
        _ => Ok(()),
    }
}

/// Files that a process with many connections has open beside them.
const SPARE: u32 = 64;

/// The prefix that keeps a command on one processor, where that can be done.
fn pin() -> &'static [&'static str] {
    if tools::works(&["taskset", "-c", "0", "true"]) {
        &["taskset", "-c", "0"]
    } else {
        &[]
    }
}

/// The load server; it ends when its standard input does.
struct Server {
    child: Child,
    port: String,
    secure_port: String,
    /// What clients are started with too.
    prefix: &'static [&'static str],
}

impl Server {
    fn start(prefix: &'static [&'static str], certificates: &Certificates) -> Result<Self, String> {
        let mut child = roomy(prefix)
            .arg(program("load-server"))
            .arg(certificates.folder().join("server.pem"))
            .arg(certificates.folder().join("server.key"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the load server: {error}"))?;
        let mut ports = String::new();
        let stdout = child.stdout.take().ok_or("the load server has no output")?;
        BufReader::new(stdout)
            .read_line(&mut ports)
            .map_err(|error| format!("the load server says no port: {error}"))?;
        let (port, secure_port) = ports
            .trim()
            .split_once(' ')
            .ok_or_else(|| format!("the load server says {ports:?} instead of its ports"))?;
        Ok(Self {
            child,
            port: port.to_owned(),
            secure_port: secure_port.to_owned(),
            prefix,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

struct Servers {
    free: Server,
    pinned: Server,
    /// A file: who has signed their certificate.
    authority: PathBuf,
}

impl Servers {
    fn of(&self, row: &Row) -> &Server {
        if row.together {
            &self.pinned
        } else {
            &self.free
        }
    }
}

/// The timed rounds, A B C A B C …, so that a disturbance hits all clients alike.
fn measure(options: &Options, servers: &Servers) -> Result<Vec<Figures>, String> {
    let mut figures = Vec::new();
    for &row in &options.rows {
        for &client in &options.clients {
            if client.has(row) {
                let count = if let Some(count) = options.count {
                    count
                } else if options.quick && row.counted > 0 {
                    row.count / 10
                } else {
                    row.count
                };
                let count = client.share(count).max(row.batch);
                figures.push(Figures {
                    row,
                    client,
                    count,
                    nanos: Vec::new(),
                    cpu: Vec::new(),
                    bytes: Vec::new(),
                    instructions: None,
                    allocations: None,
                    peak: None,
                    failure: None,
                });
            }
        }
    }
    for round in 1..=options.rounds {
        println!("round {round} of {}", options.rounds);
        for one in &mut figures {
            if one.failure.is_some() {
                continue;
            }
            let line = match client_run(&[], one, servers, one.count) {
                Ok((line, _)) => line,
                Err(why) => {
                    println!("{why}");
                    one.failure = Some(why);
                    continue;
                }
            };
            for (name, to) in [
                ("nanos=", &mut one.nanos),
                ("cpu=", &mut one.cpu),
                ("bytes=", &mut one.bytes),
            ] {
                let word = line
                    .split_ascii_whitespace()
                    .find_map(|word| word.strip_prefix(name));
                to.extend(word.and_then(|number| number.parse::<u64>().ok()));
            }
        }
    }
    Ok(figures)
}

/// Instructions and allocations per event: what a run with 2N events needs more than one with N, divided by N.
fn count(options: &Options, servers: &Servers, figures: &mut [Figures]) -> Result<(), String> {
    if let Some(dir) = &options.profiles {
        std::fs::create_dir_all(dir)
            .map_err(|error| format!("cannot create {}: {error}", dir.display()))?;
    }
    for one in figures.iter_mut() {
        let counts = matches!(one.client.program, Program::Rust(_));
        if !counts || one.row.counted == 0 || one.failure.is_some() {
            continue;
        }
        println!("counting: {} {}", one.row.name, one.client.name);
        let n = if options.quick {
            (one.row.counted / 4).max(one.row.batch)
        } else {
            one.row.counted
        };
        let profile = match &options.profiles {
            Some(dir) => dir.join(format!("{}.{}.callgrind", one.row.name, one.client.name)),
            None => PathBuf::from("/dev/null"),
        };
        let out = format!("--callgrind-out-file={}", profile.display());
        let callgrind = ["--tool=callgrind", "--dump-line=yes", &out];
        match per_event(one, servers, n, &callgrind, "Collected :") {
            Ok(number) => one.instructions = Some(number),
            Err(why) => {
                println!("{why}");
                one.failure = Some(why);
                continue;
            }
        }
        if one.row.peak {
            let dhat = ["--tool=dhat", "--dhat-out-file=/dev/null"];
            one.peak = Some(valgrind(one, servers, n, &dhat, "At t-gmax:")?);
        }
        if !options.quick {
            let memcheck = [
                "--tool=memcheck",
                "--leak-check=no",
                "--undef-value-errors=no",
            ];
            one.allocations = Some(per_event(one, servers, n, &memcheck, "total heap usage:")?);
        }
    }
    Ok(())
}

/// The number behind `marker` in valgrind's output, as a difference of two runs.
fn per_event(
    one: &Figures,
    servers: &Servers,
    n: u32,
    tool: &[&str],
    marker: &str,
) -> Result<f64, String> {
    let total = |count| valgrind(one, servers, count, tool, marker);
    Ok((total(2 * n)? - total(n)?) / f64::from(n))
}

/// The number behind `marker` in valgrind's output, of one run.
fn valgrind(
    one: &Figures,
    servers: &Servers,
    count: u32,
    tool: &[&str],
    marker: &str,
) -> Result<f64, String> {
    let log = client_run(&[&["valgrind"], tool].concat(), one, servers, count)?.1;
    let number = log.lines().find_map(|line| {
        let (_, behind) = line.split_once(marker)?;
        behind
            .split_ascii_whitespace()
            .next()?
            .replace(',', "")
            .parse::<f64>()
            .ok()
    });
    number.ok_or_else(|| format!("valgrind did not print {marker:?}:\n{log}"))
}

/// Runs the client, with `wrapper` in front; its output and its error output.
fn client_run(
    wrapper: &[&str],
    one: &Figures,
    servers: &Servers,
    count: u32,
) -> Result<(String, String), String> {
    let (row, client, server) = (one.row.name, one.client, servers.of(one.row));
    let port = if one.row.secure {
        &server.secure_port
    } else {
        &server.port
    };
    let mut command = roomy(server.prefix);
    command.args(["timeout", RUN_LIMIT]).args(wrapper);
    command
        .args(client.command())
        .args([row, port, &count.to_string()])
        .env("BENCH_AUTHORITY", &servers.authority);
    if !wrapper.is_empty() {
        // Valgrind counts `rep movsb` and `rep stosb` as one instruction a byte: by vector moves instead.
        command.env(
            "GLIBC_TUNABLES",
            "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824",
        );
    }
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start `{}`: {error}", run::shown(&command)))?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok((String::from_utf8_lossy(&output.stdout).into_owned(), log));
    }
    let why = match output.status.code() {
        Some(124) => format!("it did not end within {RUN_LIMIT} s"),
        _ => format!("{}: {}", output.status, log.trim_end()),
    };
    Err(format!("{} failed in row {row}: {why}", client.name))
}
