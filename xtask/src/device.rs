//! `cargo xtask device`: an emulated board as one more device of the demo, beside the simulated ones.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::board::FOLDER;
use crate::part::Report;
use crate::qemu::{Board, Outcome};
use crate::riscv::{Firmware, Target};
use crate::run;

/// Longer than a cold build takes.
const BUILD: Duration = Duration::from_secs(30 * 60);
/// How long the demo may take to start.
const PATIENCE: Duration = Duration::from_secs(30);
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

const HELP: &str = "\
cargo xtask device [--connect URL] [--duration SECONDS] [--chip c3|c6]
  Attaches an emulated RISC-V board to a demo that runs (`--connect http://127.0.0.1:PORT`), or to one that is started
  along with it. `--chip` is the instruction set: c3 (imc, the default) or c6 (imac).";

struct Options {
    connect: Option<String>,
    duration: Option<u64>,
    target: Target,
}

fn options(args: &[&str]) -> Result<Options, String> {
    let mut options = Options {
        connect: None,
        duration: None,
        target: Target::Imc,
    };
    let mut args = args.iter();
    while let Some(&arg) = args.next() {
        let mut value = || {
            args.next()
                .copied()
                .ok_or_else(|| format!("{arg} needs a value\n{HELP}"))
        };
        match arg {
            "--connect" => options.connect = Some(value()?.to_owned()),
            "--duration" => {
                let text = value()?;
                let seconds = text
                    .trim_end_matches('s')
                    .parse()
                    .ok()
                    .filter(|seconds| *seconds > 0);
                options.duration = Some(
                    seconds.ok_or_else(|| format!("--duration {text}: write seconds, as in 30"))?,
                );
            }
            "--chip" => {
                options.target = match value()? {
                    "c3" => Target::Imc,
                    "c6" => Target::Imac,
                    other => return Err(format!("--chip {other}: there are c3 and c6")),
                };
            }
            _ => return Err(format!("unknown argument `{arg}`\n{HELP}")),
        }
    }
    Ok(options)
}

/// Runs it until `--duration` is over or somebody ends it.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    if let ["--help" | "-h"] = args {
        println!("{HELP}");
        return Ok(());
    }
    let options = options(args)?;
    let image = build(options.target)?;
    let demo = match &options.connect {
        Some(_) => None,
        None => Some(Demo::start(&[])?),
    };
    let url = match (&options.connect, &demo) {
        (Some(url), _) => url.clone(),
        (None, Some(demo)) => demo.url.clone(),
        (None, None) => return Err("no demo".to_owned()),
    };
    println!("The board joins the demo at {url}; Ctrl-C ends it.");
    let outcome = attach(&image, options.target, &url, options.duration, |line| {
        println!("    | {line}");
    })?;
    outcome.success().map(drop)
}

fn build(target: Target) -> Result<std::path::PathBuf, String> {
    let firmware = Firmware {
        folder: FOLDER,
        target,
        features: &[],
        images: &["device"],
    };
    Ok(firmware.build()?.join("device"))
}

fn name(target: Target) -> (&'static str, &'static str) {
    match target {
        Target::Imc => ("emulated-c3", "RISC-V rv32imc, as ESP32-C3"),
        Target::Imac => ("emulated-c6", "RISC-V rv32imac, as ESP32-C6"),
    }
}

/// Runs the board against the demo at `url` to its end.
fn attach(
    image: &std::path::Path,
    target: Target,
    url: &str,
    duration: Option<u64>,
    on_line: impl FnMut(&str),
) -> Result<Outcome, String> {
    let (name, chip) = name(target);
    let mut args = vec![
        ("url", guest_url(url)?),
        ("name", name.to_owned()),
        ("chip", chip.to_owned()),
    ];
    args.extend(duration.map(|seconds| ("duration", seconds.to_string())));
    let limit = duration.map_or(FOREVER, |seconds| Duration::from_secs(seconds + 60));
    let board = Board {
        image,
        target,
        args: &args,
        blob: &[],
        count: false,
        limit,
    };
    board.start()?.finish(on_line)
}

/// The URL as the board has to call it: this machine's loopback is 10.0.2.2 there. Without a path it is the namespace of
/// the devices.
fn guest_url(url: &str) -> Result<String, String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| format!("{url}: write http://host:port"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, format!(":{port}")),
        _ => (authority, String::new()),
    };
    let host = if ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"].contains(&host) {
        "10.0.2.2"
    } else {
        host
    };
    let path = if path.len() > 1 { path } else { "/devices" };
    Ok(format!("http://{host}{port}{path}"))
}

/// A demo that was started here. Dropping it ends it.
struct Demo {
    child: Child,
    url: String,
}

impl Demo {
    fn start(args: &[&str]) -> Result<Self, String> {
        let mut cargo = run::cargo("build --package sockeye-cli --bin sockeye");
        if !run::run(&mut cargo, BUILD)?.success() {
            return Err("the demo does not build".to_owned());
        }
        // It lies beside this program; by way of `cargo run` it would outlive its end.
        let beside = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
        let mut command =
            Command::new(beside.with_file_name(format!("sockeye{}", std::env::consts::EXE_SUFFIX)));
        command
            .arg("demo")
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let spawned = command.spawn();
        let mut child =
            spawned.map_err(|error| format!("cannot start `{}`: {error}", run::shown(&command)))?;
        let output = child.stdout.take();
        let mut demo = Self {
            child,
            url: String::new(),
        };
        let lines = lines(output.ok_or("the demo has no output")?);
        let end = Instant::now() + PATIENCE;
        loop {
            let line = lines.recv_timeout(end.saturating_duration_since(Instant::now()));
            let line = line.map_err(|_| {
                format!(
                    "the demo did not say where it is within {} s",
                    PATIENCE.as_secs()
                )
            })?;
            println!("{line}");
            let url = line
                .split_whitespace()
                .find(|word| word.starts_with("http://"));
            if let Some(url) = url {
                demo.url = url.trim_end_matches('/').to_owned();
                break;
            }
        }
        thread::spawn(move || {
            for line in lines {
                println!("{line}");
            }
        });
        Ok(demo)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The board appears in the demo's feed with its chip, its telemetry is acknowledged, its LED obeys, its console is shown.
pub(crate) fn checks(report: &mut Report) -> Result<(), String> {
    let images = Target::ALL.map(|target| build(target).map(|image| (target, image)));
    let demo = Demo::start(&["--no-devices"])?;
    for built in images {
        let (target, image) = built?;
        let started = Instant::now();
        let result = check(&image, target, &demo.url);
        report.timed(
            &format!("the board in the demo, {}", target.name()),
            started.elapsed(),
            result,
        );
    }
    Ok(())
}

fn check(image: &std::path::Path, target: Target, url: &str) -> Result<(), String> {
    let (name, chip) = name(target);
    let address = url.strip_prefix("http://").unwrap_or(url).to_owned();
    let mut feed = request(
        &address,
        "GET /api/feed HTTP/1.1\r\nHost: demo\r\nAccept: text/event-stream\r\n\r\n",
    )?;
    let feed_lines = {
        let stream = feed.try_clone().map_err(|error| error.to_string())?;
        lines(stream)
    };
    let mut switched = Err("the board never acknowledged a telemetry".to_owned());
    let outcome = attach(image, target, url, Some(5), |line| {
        println!("    | {line}");
        if line.starts_with("telemetry 1 acknowledged") {
            switched = switch(&address, name);
        }
    })?;
    let outcome = outcome.success()?;
    switched?;
    if !outcome.lines.iter().any(|line| line == "LED on") {
        return Err("the board's LED did not go on".to_owned());
    }
    feed.flush().ok();
    let mut seen: Vec<String> = feed_lines.try_iter().collect();
    seen.retain(|line| line.contains(name));
    for wanted in [chip, "joined as", "\"counter\"", "LED on"] {
        if !seen.iter().any(|line| line.contains(wanted)) {
            return Err(format!(
                "the demo's feed does not show `{wanted}` for {name}"
            ));
        }
    }
    feed.shutdown(std::net::Shutdown::Both).ok();
    Ok(())
}

/// Switches the LED as the page does, and expects the demo to have the board's answer.
fn switch(address: &str, name: &str) -> Result<(), String> {
    let body = "{\"on\":true}";
    let head = format!(
        "POST /api/boards/{name}/led HTTP/1.1\r\nHost: demo\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    let read = request(address, &head)?.read_to_string(&mut answer);
    read.map_err(|error| format!("no answer to the LED command: {error}"))?;
    if answer.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(format!(
            "the LED command was answered by {}",
            answer.lines().next().unwrap_or_default()
        ))
    }
}

fn request(address: &str, head: &str) -> Result<TcpStream, String> {
    let port = address
        .rsplit(':')
        .next()
        .and_then(|port| port.parse::<u16>().ok())
        .unwrap_or(80);
    let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(head.as_bytes())?;
        Ok(stream)
    });
    connected.map_err(|error| format!("no connection to the demo at {address}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::guest_url;

    #[test]
    fn urls_as_the_board_calls_them() {
        for (url, guest) in [
            ("http://127.0.0.1:3000", "http://10.0.2.2:3000/devices"),
            ("http://localhost:3000/", "http://10.0.2.2:3000/devices"),
            ("http://[::1]:3000/fleet", "http://10.0.2.2:3000/fleet"),
            ("http://192.168.1.7", "http://192.168.1.7/devices"),
        ] {
            assert_eq!(guest_url(url).as_deref(), Ok(guest));
        }
        assert!(guest_url("https://x").is_err());
    }
}
