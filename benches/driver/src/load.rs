//! `cargo xtask load`: the load tester beside Artillery, and with many clients; the table of the guide.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::certificates::Certificates;
use crate::node::Node;
use crate::{flags, run, servers};

/// Clients a second that come; with TLS, whose handshakes take the server's only thread longer, half as many.
const ARRIVALS: u64 = 250;
const ARRIVALS_TLS: u64 = ARRIVALS / 2;
/// After the last client has come: until the processors are looked at, and between the two looks.
const SETTLE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(15);
/// The longest start of a tester, before its first client.
const START: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// What a tester took and reported.
struct Row {
    tester: &'static str,
    clients: u64,
    /// Acknowledged, as the tester counts them.
    acks: u64,
    errors: u64,
    /// Processors in use while all clients were there.
    processors: f64,
    /// The most memory, in bytes.
    memory: u64,
    p50: String,
    p99: String,
}

/// Runs all of it.
pub(crate) fn run(flags: &flags::Load) -> Result<(), String> {
    let sizes = flags.beside.as_deref().unwrap_or("500,5000").split(',');
    let sizes = sizes.map(|number| number.parse().ok().filter(|number| *number > 0));
    let sizes: Option<Vec<u64>> = sizes.collect();
    let sizes = sizes.ok_or("--beside needs numbers with commas between")?;
    let many = flags.many.map_or(10_000, |many| many.get().into());
    servers::install()?;
    let artillery = run::root().join("benches/artillery");
    servers::npm(&artillery)?;
    let mut build = run::cargo("build --quiet --release -p sockeye-cli");
    if !run::run(&mut build, LIMIT)?.success() {
        return Err("the command did not build".to_owned());
    }
    let mut rows = Vec::new();
    for clients in sizes {
        rows.push(sockeye(clients, false)?);
        rows.push(beside(&artillery, clients)?);
    }
    rows.push(sockeye(many, false)?);
    rows.push(sockeye(many, true)?);
    let table = table(&rows);
    println!("\n{table}");
    if flags.write {
        write(&table)?;
    }
    Ok(())
}

fn ramp(clients: u64, arrivals: u64) -> Duration {
    Duration::from_secs(clients.div_ceil(arrivals))
}

/// How long events go on after the last client has come.
fn length() -> Duration {
    SETTLE + LOOK + Duration::from_secs(5)
}

fn sockeye(clients: u64, tls: bool) -> Result<Row, String> {
    let name = if tls {
        "`sockeye load`, TLS"
    } else {
        "`sockeye load`"
    };
    let arrivals = if tls { ARRIVALS_TLS } else { ARRIVALS };
    println!("--- {name}, {clients} clients");
    let certificates = tls.then(Certificates::new).transpose()?;
    let file = |name: &str| {
        let folder = certificates
            .as_ref()
            .map_or(Path::new(""), Certificates::folder);
        folder.join(name).to_string_lossy().into_owned()
    };
    let (cert, key, authority) = (
        file("server.pem"),
        file("server.key"),
        file("authority.pem"),
    );
    let mut server_options = Vec::new();
    if tls {
        server_options.extend(["--cert", &cert, "--key", &key]);
    }
    let server = Node::scenarios(0, &server_options)?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| run::root().join("target"), Into::into);
    let mut command = Command::new(target.join("release/sockeye"));
    let scheme = if tls { "https" } else { "http" };
    command
        .args([
            "load",
            &format!("{scheme}://127.0.0.1:{}", server.port),
            "--json",
        ])
        .args([
            "--clients",
            &clients.to_string(),
            "--ramp",
            &format!("{arrivals}/s"),
        ])
        .args(["--duration", &format!("{}s", length().as_secs())])
        .args([
            "--event",
            "ack",
            "--args",
            "\"x\"",
            "--ack",
            "--transport",
            "websocket",
            "--timeout",
            "30s",
        ]);
    if tls {
        command.args(["--cacert", &authority]);
    }
    let (output, processors, memory) =
        watched(command, ramp(clients, arrivals) + SETTLE, &|_| true)?;
    let result = output.lines().last().unwrap_or_default();
    let ack = result.split_once("\"ack\":{").map_or("", |(_, ack)| ack);
    let errors = result
        .split_once("\"errors\":{")
        .map_or("", |(_, errors)| errors);
    let errors = errors
        .split_once("},\"tester\"")
        .map_or("", |(errors, _)| errors);
    Ok(Row {
        tester: name,
        clients,
        acks: field(result, "acks")?
            .parse()
            .map_err(|_| "acks are a number".to_owned())?,
        errors: errors.split("\"count\":").skip(1).filter_map(leading).sum(),
        processors,
        memory,
        p50: field(ack, "p50_ms")?,
        p99: field(ack, "p99_ms")?,
    })
}

/// The number at the beginning of a text.
fn leading(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The number behind a name in JSON without white space.
fn field(json: &str, name: &str) -> Result<String, String> {
    let (_, rest) = json
        .split_once(&format!("\"{name}\":"))
        .ok_or_else(|| format!("no {name:?} in what the tester reported: {json:.300}"))?;
    let end = rest.find([',', '}']).unwrap_or(rest.len());
    Ok(rest[..end].to_owned())
}

fn beside(folder: &Path, clients: u64) -> Result<Row, String> {
    println!("--- Artillery, {clients} clients");
    let server = Node::scenarios(0, &[])?;
    let (script, report) = (
        folder.join("node_modules/.script.json"),
        folder.join("node_modules/.report.json"),
    );
    let ramp = ramp(clients, ARRIVALS);
    // Artillery's clients count their own rounds: the first ones stay until the last ones go.
    let (seconds, rounds) = (ramp.as_secs(), (ramp + length()).as_secs());
    let text = format!(
        r#"{{"config":{{"target":"http://127.0.0.1:{}","socketio":{{"transports":["websocket"]}},
        "phases":[{{"duration":{seconds},"arrivalCount":{clients}}}]}},
        "scenarios":[{{"engine":"socketio","flow":[{{"loop":[{{"emit":{{"channel":"ack","data":"x"}},"acknowledge":{{}}}},{{"think":1}}],"count":{rounds}}}]}}]}}"#,
        server.port
    );
    fs::write(&script, text)
        .map_err(|error| format!("cannot write {}: {error}", script.display()))?;
    let mut command = Command::new("node");
    command
        .arg(folder.join("node_modules/artillery/bin/run"))
        .args(["run", "--quiet", "--output"])
        .arg(&report)
        .arg(&script)
        .env("ARTILLERY_DISABLE_TELEMETRY", "true");
    // Its start takes seconds, and its clients come after that.
    let connected = move |server: &mut Node| {
        let answer = server.command("\"cmd\":\"sockets\",\"nsp\":\"/\"");
        answer.is_ok_and(|answer| crate::node::number(&answer, "sockets").is_some_and(|n| n > 0))
    };
    let server = std::cell::RefCell::new(server);
    let began = |_: &mut Child| connected(&mut server.borrow_mut());
    let (_, processors, memory) = watched(command, ramp + SETTLE, &began)?;
    let mut json = fs::read_to_string(&report)
        .map_err(|error| format!("Artillery left no report: {error}"))?;
    json.retain(|c| !c.is_ascii_whitespace());
    let (_, aggregate) = json
        .split_once("\"aggregate\":")
        .ok_or("Artillery's report has no aggregate")?;
    let (_, times) = aggregate
        .split_once("\"socketio.response_time\":{")
        .ok_or("Artillery reports no response times")?;
    Ok(Row {
        tester: "Artillery 2.0.21",
        clients,
        acks: field(times, "count")?
            .parse()
            .map_err(|_| "a count is a number".to_owned())?,
        errors: field(aggregate, "vusers.failed")
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0),
        processors,
        memory,
        p50: field(times, "p50")?,
        p99: field(times, "p99")?,
    })
}

/// Runs a tester to its end: its output, the processors that it used while all clients were there (so long after it
/// `began`), and its most memory.
fn watched(
    mut command: Command,
    wait: Duration,
    began: &dyn Fn(&mut Child) -> bool,
) -> Result<(String, f64, u64), String> {
    command
        .current_dir(run::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let spawned = command.spawn();
    let mut child =
        spawned.map_err(|error| format!("cannot start `{}`: {error}", run::shown(&command)))?;
    let mut stdout = child.stdout.take().ok_or("no output")?;
    let reader = thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut text).map(|_| text)
    });
    let start = Instant::now();
    while !began(&mut child) && start.elapsed() < START {
        thread::sleep(Duration::from_millis(100));
    }
    thread::sleep(wait);
    let (before, from) = (cpu_ticks(child.id()), Instant::now());
    thread::sleep(LOOK);
    let (after, took) = (cpu_ticks(child.id()), from.elapsed().as_secs_f64());
    let memory = peak_memory(child.id());
    let status = child.wait().map_err(|error| error.to_string())?;
    let output = reader
        .join()
        .map_err(|_| "the reading thread panicked".to_owned())?
        .map_err(|error| error.to_string())?;
    let (Some(before), Some(after), Some(memory)) = (before, after, memory) else {
        return Err(format!(
            "`{}` ended too early ({status}): {output:.500}",
            run::shown(&command)
        ));
    };
    // Linux counts in hundredths of a second for everybody.
    let processors = (after - before) as f64 / 100.0 / took;
    Ok((output, processors, memory))
}

/// Processor time of a process with its threads.
fn cpu_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may have spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let (user, system): (u64, u64) = (fields.get(11)?.parse().ok()?, fields.get(12)?.parse().ok()?);
    Some(user + system)
}

fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| tester | clients | acknowledged | errors | processors used | clients a processor | memory | KB a client | p50 | p99 |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {:.2} | {:.0} | {:.0} MB | {:.1} | {} ms | {} ms |",
            row.tester,
            row.clients,
            row.acks,
            row.errors,
            row.processors,
            row.clients as f64 / row.processors.max(0.01),
            row.memory as f64 / 1e6,
            row.memory as f64 / 1e3 / row.clients as f64,
            row.p50,
            row.p99
        );
    }
    out
}

const PAGE: &str = "docs/load-testing.md";
const BEGIN: &str = "<!-- cargo xtask load --write: begin -->\n";
const END: &str = "<!-- end -->\n";

/// Puts the table into the guide.
fn write(table: &str) -> Result<(), String> {
    let path = run::root().join(PAGE);
    let text = fs::read_to_string(&path).map_err(|error| format!("{PAGE}: {error}"))?;
    fs::write(path, placed(&text, table)?).map_err(|error| format!("{PAGE}: {error}"))
}

fn placed(text: &str, table: &str) -> Result<String, String> {
    let (before, rest) = text
        .split_once(BEGIN)
        .ok_or("the page has no place for the table")?;
    let (_, after) = rest
        .split_once(END)
        .ok_or("the place of the table has no end")?;
    Ok(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_its_place() {
        let page = format!("a\n{BEGIN}old\n{END}b\n");
        assert_eq!(
            placed(&page, "new").unwrap(),
            format!("a\n{BEGIN}\nnew\n{END}b\n")
        );
        assert!(placed("a", "new").is_err());
    }

    #[test]
    fn figures_are_found() {
        let json = r#"{"count":12,"p50_ms":0.5,"max":1}"#;
        assert_eq!(field(json, "p50_ms").as_deref(), Ok("0.5"));
        assert_eq!(field(json, "max").as_deref(), Ok("1"));
        assert!(field(json, "min").is_err());
        assert_eq!(leading("12,x"), Some(12));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_of_a_process() {
        assert!(cpu_ticks(std::process::id()).is_some());
        assert!(peak_memory(std::process::id()).is_some_and(|bytes| bytes > 100_000));
    }
}
