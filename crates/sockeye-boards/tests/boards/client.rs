//! The client on the emulated board against the official Node server: one start of QEMU for each scenario and instruction
//! set. The scenarios themselves are in `firmware/qemu-virt/src/bin/scenarios`; lines `host …` of the board ask for what
//! only this side can do.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use sockeye_boards::FIRMWARE;
use sockeye_boards::node::{self, Node, number};
use sockeye_boards::qemu::{Board, Outcome};
use sockeye_boards::riscv::{Firmware, Target};
use sockeye_testkit::Seeded;
use sockeye_testkit::chaos::{Chaos, End, Fate, Way};
use tokio::runtime::Runtime;

/// Of wall-clock time, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);
const SEED: u64 = 0x50c_4e7e;
/// Guest seconds per second while the link is cut.
const SPEED: u64 = 30;

/// One scenario of the image.
struct Scenario {
    name: &'static str,
    /// For people.
    about: &'static str,
    server: Server,
    /// A proxy stands between board and server, and does this with each connection.
    proxy: Option<Fate>,
    args: &'static [(&'static str, &'static str)],
    /// Words that the board must say.
    says: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Server {
    /// The official one with these options.
    Official(&'static [&'static str]),
    /// `servers/wrong.js`.
    Wrong,
    /// Says this to whoever connects.
    Banner(&'static [u8]),
    /// Nobody listens.
    Nobody,
}

const OFFICIAL: Scenario = Scenario {
    name: "",
    about: "",
    server: Server::Official(&[]),
    proxy: None,
    args: &[],
    says: &[],
};
const WRONG: Scenario = Scenario {
    name: "wrong-server",
    server: Server::Wrong,
    ..OFFICIAL
};

crate::on_both_chips! {
    namespaces: |target| play(target, &Scenario {
        name: "namespaces",
        about: "two namespaces on one connection",
        ..OFFICIAL
    }),
    events: |target| play(target, &Scenario {
        name: "events",
        about: "typed events both ways, in order",
        ..OFFICIAL
    }),
    acks: |target| play(target, &Scenario {
        name: "acks",
        about: "acknowledgements both ways, out of order, too late, too large",
        ..OFFICIAL
    }),
    admin: |target| play(target, &Scenario {
        name: "admin",
        about: "refused by middleware, let in with the right auth",
        ..OFFICIAL
    }),
    heartbeat: |target| play(target, &Scenario {
        name: "heartbeat",
        about: "heartbeats, and their absence",
        server: Server::Official(&["--ping-interval", "300", "--ping-timeout", "200"]),
        proxy: Some(Fate::FAIR),
        ..OFFICIAL
    }),
    binary: |target| play(target, &Scenario {
        name: "binary",
        about: "64 KiB of binary both ways in fragments",
        proxy: Some(Fate { fragments: Some(1000), ..Fate::FAIR }),
        ..OFFICIAL
    }),
    too_large: |target| play(target, &Scenario {
        name: "too-large",
        about: "8 KiB for 2 KiB of buffer are refused, the connection goes on",
        says: &["skipped: "],
        ..OFFICIAL
    }),
    restart: |target| play(target, &Scenario {
        name: "restart",
        about: "the server restarts, both namespaces are joined again",
        ..OFFICIAL
    }),
    recovery: |target| play(target, &Scenario {
        name: "recovery",
        about: "connection state recovery after a cut",
        server: Server::Official(&["--recovery", "60000"]),
        proxy: Some(Fate::FAIR),
        ..OFFICIAL
    }),
    polling: |target| play(target, &Scenario {
        name: "polling",
        about: "polling alone",
        ..OFFICIAL
    }),
    upgrade: |target| play(target, &Scenario {
        name: "upgrade",
        about: "upgrade amidst events, three sockets",
        ..OFFICIAL
    }),
    wrong_server_a_web_page: |target| play(target, &Scenario {
        about: "wrong server: a web page",
        args: &[("path", "/html/")],
        says: &["the server answered with a web page (HTTP 200)"],
        ..WRONG
    }),
    wrong_server_a_redirect: |target| play(target, &Scenario {
        about: "wrong server: a redirect",
        args: &[("path", "/away/")],
        says: &["the server redirects (HTTP 302) to https://elsewhere.test/"],
        ..WRONG
    }),
    wrong_server_nothing_at_this_path: |target| play(target, &Scenario {
        about: "wrong server: nothing at this path",
        args: &[("path", "/nothing/")],
        says: &["no Socket.IO server at this path"],
        ..WRONG
    }),
    wrong_server_socket_io_2: |target| play(target, &Scenario {
        about: "wrong server: Socket.IO 2",
        args: &[("path", "/v2/")],
        says: &["Socket.IO 2"],
        ..WRONG
    }),
    wrong_server_another_websocket_service: |target| play(target, &Scenario {
        about: "wrong server: another WebSocket service",
        args: &[("path", "/chat/")],
        says: &["not an Engine.IO handshake"],
        ..WRONG
    }),
    wrong_server_a_bad_websocket_handshake: |target| play(target, &Scenario {
        about: "wrong server: a bad WebSocket handshake",
        args: &[("path", "/deaf/")],
        says: &["did not accept the WebSocket"],
        ..WRONG
    }),
    wrong_server_silence: |target| play(target, &Scenario {
        about: "wrong server: silence",
        args: &[("path", "/silent/"), ("speed", "10")],
        says: &["no Socket.IO handshake within the connect timeout"],
        ..WRONG
    }),
    wrong_server_not_http: |target| play(target, &Scenario {
        about: "wrong server: not HTTP",
        server: Server::Banner(b"SSH-2.0-OpenSSH_9.2\r\n"),
        says: &["the server does not speak HTTP/1.1"],
        ..WRONG
    }),
    wrong_server_closed_port: |target| play(target, &Scenario {
        about: "wrong server: closed port",
        server: Server::Nobody,
        says: &["could not connect: the attempt was refused or cut off"],
        ..WRONG
    }),
    ten_minutes_of_cuts: cuts,
}

pub(crate) fn image(target: Target) -> Result<PathBuf, String> {
    let firmware = Firmware {
        folder: FIRMWARE,
        target,
        features: &["polling"],
        images: &["scenarios"],
    };
    Ok(firmware.built()?.join("scenarios"))
}

fn play(target: Target, scenario: &Scenario) -> Result<(), String> {
    println!("{}", scenario.about);
    let image = &image(target)?;
    let mut host = Host::new(scenario)?;
    let mut args = vec![
        ("scenario", scenario.name.to_owned()),
        ("port", host.port().to_string()),
    ];
    args.extend(
        scenario
            .args
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    let outcome = run(image, target, &args, |line| host.obey(line))?;
    for words in scenario.says {
        if !outcome.lines.iter().any(|line| line.contains(words)) {
            return Err(format!("the board did not say `{words}`"));
        }
    }
    Ok(())
}

/// Runs the image to its success, and gives its requests to `obey`.
fn run(
    image: &Path,
    target: Target,
    args: &[(&str, String)],
    obey: impl FnMut(&str) -> Result<(), String>,
) -> Result<Outcome, String> {
    run_for(LIMIT, image, target, args, obey)
}

/// The same, for as long as this.
pub(crate) fn run_for(
    limit: Duration,
    image: &Path,
    target: Target,
    args: &[(&str, String)],
    mut obey: impl FnMut(&str) -> Result<(), String>,
) -> Result<Outcome, String> {
    let board = Board {
        image,
        target,
        args,
        blob: &[],
        count: false,
        limit,
    };
    let mut trouble = None;
    let outcome = board.start()?.finish(|line| {
        println!("    | {line}");
        if let Some(request) = line.strip_prefix("host ")
            && let Err(error) = obey(request)
        {
            trouble.get_or_insert(error);
        }
    });
    match trouble {
        Some(error) => Err(error),
        None => outcome?.success(),
    }
}

/// A proxy of the testkit's, and what it runs on.
pub(crate) struct Proxy {
    pub(crate) chaos: Chaos,
    _runtime: Runtime,
}

impl Proxy {
    /// In front of a port of this machine; `fate` is that of each connection, by its number.
    pub(crate) fn start(
        port: u16,
        mut fate: impl FnMut(u64) -> Fate + Send + 'static,
    ) -> Result<Self, String> {
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let chaos = runtime
            .block_on(Chaos::start(server, move |number, _| fate(number)))
            .map_err(|error| format!("cannot listen: {error}"))?;
        Ok(Self {
            chaos,
            _runtime: runtime,
        })
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.chaos.address().port()
    }
}

/// What runs on this side during a scenario.
struct Host {
    server: Option<Node>,
    options: Option<&'static [&'static str]>,
    port: u16,
    proxy: Option<Proxy>,
}

impl Host {
    fn new(scenario: &Scenario) -> Result<Self, String> {
        let mut host = Self {
            server: None,
            options: None,
            port: 0,
            proxy: None,
        };
        match scenario.server {
            Server::Official(options) => {
                host.options = Some(options);
                host.start()?;
            }
            Server::Wrong => {
                let server = Node::start(&format!("{FIRMWARE}/servers/wrong.js"), &[])?;
                host.port = server.port;
                host.server = Some(server);
            }
            Server::Banner(words) => host.port = banner(words)?,
            Server::Nobody => host.port = unused()?,
        }
        if let Some(fate) = scenario.proxy {
            host.proxy = Some(Proxy::start(host.port, move |_| fate)?);
        }
        Ok(host)
    }

    /// The port for the board.
    fn port(&self) -> u16 {
        self.proxy.as_ref().map_or(self.port, Proxy::port)
    }

    fn start(&mut self) -> Result<(), String> {
        let server = Node::scenarios(self.port, self.options.unwrap_or_default())?;
        self.port = server.port;
        self.server = Some(server);
        Ok(())
    }

    fn obey(&mut self, request: &str) -> Result<(), String> {
        let words: Vec<&str> = request.split(' ').collect();
        match words[..] {
            ["stop"] => {
                self.server = None;
                Ok(())
            }
            ["start"] => self.start(),
            ["emit-large"] => {
                self.emit("large", &format!("\"{}\"", "x".repeat(8192)))?;
                self.emit("small", "1")
            }
            ["emit-news", from, to] => {
                let number = |text: &str| {
                    text.parse::<u32>()
                        .map_err(|_| format!("not a number: {text}"))
                };
                (number(from)?..number(to)?)
                    .try_for_each(|news| self.emit("news", &news.to_string()))
            }
            ["cut"] => {
                self.proxy()?.cut();
                self.until_nobody_is_there()
            }
            ["hang"] => self.proxy().map(Chaos::hang),
            ["release"] => self.proxy().map(Chaos::release),
            _ => Err(format!("the board asks for something unknown: {request}")),
        }
    }

    fn proxy(&self) -> Result<&Chaos, String> {
        let proxy = self.proxy.as_ref().map(|proxy| &proxy.chaos);
        proxy.ok_or_else(|| "this scenario has no proxy".to_owned())
    }

    fn server(&mut self) -> Result<&mut Node, String> {
        self.server
            .as_mut()
            .ok_or_else(|| "this scenario has no server".to_owned())
    }

    fn emit(&mut self, event: &str, arg: &str) -> Result<(), String> {
        let command =
            format!("\"cmd\":\"emit\",\"nsp\":\"/\",\"event\":\"{event}\",\"args\":[{arg}]");
        self.server()?.command(&command).map(drop)
    }

    fn until_nobody_is_there(&mut self) -> Result<(), String> {
        for _ in 0..1000 {
            let answer = self
                .server()?
                .command("\"cmd\":\"sockets\",\"nsp\":\"/\"")?;
            if number(&answer, "sockets") == Some(0) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err("the server did not notice the cut within 5 s".to_owned())
    }
}

/// Every fifth connection is cut during its handshake, the others after some events. Of one in eight only the server is
/// told: the board has to find out by its heartbeat.
fn cut(number: u64) -> Fate {
    let mut seeded = Seeded::new(SEED ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
    let way = if seeded.below(2) == 0 {
        Way::Up
    } else {
        Way::Down
    };
    let after = if seeded.below(5) == 0 {
        seeded.below(300)
    } else {
        200 + seeded.below(800)
    };
    let end = if seeded.below(8) == 0 {
        End::Dark(2 * LIMIT)
    } else {
        End::Finish
    };
    Fate::broken(way, after as u64, end)
}

/// Ten minutes of guest time with cuts; then the server's ledger is compared with what the board says.
fn cuts(target: Target) -> Result<(), String> {
    let image = &image(target)?;
    let mut server = Node::start(
        &format!("{FIRMWARE}/servers/ledger.js"),
        &[&node::package(), "20"],
    )?;
    let proxy = Proxy::start(server.port, cut)?;
    let args = [
        ("scenario", "cuts".to_owned()),
        ("port", proxy.port().to_string()),
        ("speed", SPEED.to_string()),
        ("seed", SEED.to_string()),
    ];
    let outcome = run(image, target, &args, |request| match request {
        "calm" => {
            proxy.chaos.calm();
            Ok(())
        }
        _ => Err(format!("the board asks for something unknown: {request}")),
    })?;
    let ledger = server.command("\"cmd\":\"ledger\"")?;
    let entry = |name| entry(&ledger, name);
    let figure = |name| figure(&outcome, name);
    let (puts, cuts) = (figure("puts")?, proxy.chaos.broken());
    println!(
        "{}: {} s of guest time, {cuts} cuts, {puts} events up, each acknowledged once ({} sent again after a cut), {} down, each once; {} of {} joins recovered",
        target.name(),
        figure("guest_seconds")?,
        entry("repeats")?,
        figure("ticks")?,
        figure("recovered")?,
        figure("joins")?,
    );
    if entry("numbers")? != puts || entry("missing")? != 0 || entry("disordered")? != 0 {
        return Err(format!(
            "the board has {puts} acknowledgements, the server says {ledger}"
        ));
    }
    if cuts < 50 {
        return Err(format!("only {cuts} cuts: the scenario shows little"));
    }
    Ok(())
}

/// A number of the server's ledger.
pub(crate) fn entry(ledger: &str, name: &str) -> Result<u64, String> {
    number(ledger, name).ok_or_else(|| format!("the ledger has no `{name}`: {ledger}"))
}

/// A number that the board has reported.
pub(crate) fn figure(outcome: &Outcome, name: &str) -> Result<u64, String> {
    let figure = outcome.metrics().get(name).copied();
    figure.ok_or_else(|| format!("the board did not report {name}"))
}

/// Greets everybody with the same words. It lives until the end of this program.
fn banner(words: &'static [u8]) -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .map_err(|error| format!("cannot listen: {error}"))?;
    let port = listener
        .local_addr()
        .map_err(|error| error.to_string())?
        .port();
    thread::spawn(move || {
        let mut greeted = Vec::new();
        for mut connection in listener.incoming().flatten() {
            // Kept open: whether to go on is the board's decision.
            connection.write_all(words).ok();
            greeted.push(connection);
        }
    });
    Ok(port)
}

/// A port that nobody listens on.
fn unused() -> Result<u16, String> {
    let bound =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    bound
        .map(|address| address.port())
        .map_err(|error| format!("no port is free: {error}"))
}
