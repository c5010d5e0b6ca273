//! The board itself: its network, repeatable counts, TLS alone.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use sockeye_boards::FIRMWARE;
use sockeye_boards::image;
use sockeye_boards::qemu::{Board, Outcome};
use sockeye_boards::riscv::{Firmware, Target};

use crate::certificates::Certificates;

const LIMIT: Duration = Duration::from_secs(60);
/// How the firmware ends when it refused a certificate.
const REFUSED: i32 = 3;

fn netcheck(target: Target) -> Result<PathBuf, String> {
    let firmware = Firmware {
        folder: FIRMWARE,
        target,
        features: &[],
        images: &["netcheck"],
    };
    Ok(firmware.built()?.join("netcheck"))
}

fn tlscheck(target: Target) -> Result<PathBuf, String> {
    let firmware = Firmware {
        folder: FIRMWARE,
        target,
        features: &["tls"],
        images: &["tlscheck"],
    };
    Ok(firmware.built()?.join("tlscheck"))
}

fn run(
    image: &Path,
    target: Target,
    args: &[(&str, String)],
    blob: &[u8],
    count: bool,
) -> Result<Outcome, String> {
    let board = Board {
        image,
        target,
        args,
        blob,
        count,
        limit: LIMIT,
    };
    board.run()
}

/// Address by DHCP, one MiB echoed over TCP by a server of the host, a datagram too, and TCP again after the cable was
/// out. The image has no allocator, so it could not link if anything wanted a heap.
fn network(image: &Path, target: Target) -> Result<(), String> {
    let args = [
        ("port", echo_server()?.to_string()),
        ("udp", datagram_echo_server()?.to_string()),
    ];
    let outcome = run(image, target, &args, &[], false)?.success()?;
    let sizes = image::sizes(image)?;
    let metrics = outcome.metrics();
    let figure = |name| {
        metrics
            .get(name)
            .copied()
            .ok_or_else(|| format!("the board did not report {name}"))
    };
    println!(
        "{}: flash {} B, static RAM {} B, stack {} B, heap 0; address after {} us, 1 MiB echoed in {} us",
        target.name(),
        sizes.flash,
        sizes.ram,
        figure("stack_bytes")?,
        figure("dhcp_us")?,
        figure("echo_us")?
    );
    Ok(())
}

/// The same work takes the same number of instructions in every run, so that budgets can be exact.
fn repeatable(image: &Path, target: Target) -> Result<(), String> {
    let count = || {
        let args = [
            ("port", echo_server()?.to_string()),
            ("bytes", "1024".to_owned()),
            ("seed", "1".to_owned()),
        ];
        let outcome = run(image, target, &args, &[], true)?.success()?;
        let metrics = outcome.metrics();
        let count = metrics.get("checksum_instructions").copied();
        count.ok_or_else(|| "the board did not report checksum_instructions".to_owned())
    };
    let (first, second) = (count()?, count()?);
    if first == second && first > 10_000 {
        Ok(())
    } else {
        Err(format!(
            "{first} instructions in the first run, {second} in the second"
        ))
    }
}

/// Sends back what comes. It lives until the end of this program.
fn echo_server() -> Result<u16, String> {
    fn echo(mut connection: TcpStream) -> std::io::Result<()> {
        connection.set_nodelay(true)?;
        let mut buf = vec![0; 1 << 16];
        loop {
            match connection.read(&mut buf)? {
                0 => return Ok(()),
                len => connection.write_all(&buf[..len])?,
            }
        }
    }
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
    let (port, listener) = listening.map_err(|error| format!("cannot listen: {error}"))?;
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // The board sees a broken connection and tells.
            thread::spawn(move || echo(connection).ok());
        }
    });
    Ok(port)
}

/// Sends datagrams back. It lives until the end of this program.
fn datagram_echo_server() -> Result<u16, String> {
    let listening = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|socket| Ok((socket.local_addr()?.port(), socket)));
    let (port, socket) = listening.map_err(|error| format!("cannot listen: {error}"))?;
    thread::spawn(move || {
        let mut buf = [0; 2048];
        // The board waits five seconds for an answer and tells when none comes.
        while let Ok((len, from)) = socket.recv_from(&mut buf) {
            socket.send_to(&buf[..len], from).ok();
        }
    });
    Ok(port)
}

/// What a server shows, what the board expects, and what must come of it.
struct Case {
    what: &'static str,
    /// The server's certificate.
    leaf: &'static str,
    /// The server sends along what is above it.
    chain: bool,
    /// The name that the board expects.
    host: &'static str,
    /// The board's clock was set.
    clock: bool,
    options: &'static [&'static str],
    /// What the board says, and how it ends.
    result: (&'static str, i32),
}

const GOOD: Case = Case {
    what: "good certificate, TLS 1.3",
    leaf: "good",
    chain: false,
    host: "sockeye.test",
    clock: true,
    options: &["-tls1_3"],
    result: ("ok", 0),
};

crate::on_both_chips! {
    the_network: |target| network(&netcheck(target)?, target),
    repeatable_counts: |target| repeatable(&netcheck(target)?, target),
    tls_good_certificate_1_3: |target| tls(target, &GOOD),
    tls_good_certificate_1_2: |target| tls(target, &Case {
        what: "good certificate, TLS 1.2",
        options: &["-tls1_2"],
        ..GOOD
    }),
    tls_good_address_instead_of_a_name: |target| tls(target, &Case {
        what: "good address instead of a name",
        host: "10.0.2.2",
        ..GOOD
    }),
    tls_good_chain_of_two: |target| tls(target, &Case {
        what: "good chain of two",
        leaf: "below",
        chain: true,
        ..GOOD
    }),
    tls_another_ca: |target| tls(target, &Case {
        what: "another CA",
        leaf: "foreign",
        result: ("not signed by the trusted CA", REFUSED),
        ..GOOD
    }),
    tls_another_host: |target| tls(target, &Case {
        what: "another host",
        host: "other.test",
        result: ("not for this host name", REFUSED),
        ..GOOD
    }),
    tls_expired: |target| tls(target, &Case {
        what: "expired",
        leaf: "expired",
        result: ("expired", REFUSED),
        ..GOOD
    }),
    tls_not_valid_yet: |target| tls(target, &Case {
        what: "not valid yet",
        leaf: "early",
        result: ("not valid yet", REFUSED),
        ..GOOD
    }),
    tls_clock_never_set: |target| tls(target, &Case {
        what: "clock never set",
        clock: false,
        result: ("the time is not known", 1),
        ..GOOD
    }),
    tls_signed_by_a_certificate_that_is_no_ca: |target| tls(target, &Case {
        what: "signed by a certificate that is no CA",
        leaf: "forged",
        chain: true,
        result: ("not signed by the trusted CA", REFUSED),
        ..GOOD
    }),
}

fn tls(target: Target, case: &Case) -> Result<(), String> {
    println!("{}", case.what);
    let image = tlscheck(target)?;
    let certificates = Certificates::new()?;
    let server = TlsServer::start(&certificates, case)?;
    let now = SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs());
    let time = if case.clock { now } else { 0 };
    let args = [
        ("port", server.port.to_string()),
        ("host", case.host.to_owned()),
        ("time", time.to_string()),
    ];
    let (said, code) = case.result;
    let outcome = run(&image, target, &args, certificates.ca(), false)?.ended(code)?;
    if outcome.lines.iter().any(|line| line.contains(said)) {
        Ok(())
    } else {
        Err(format!("the board did not say `{said}`"))
    }
}

/// `openssl s_server` for one connection: it reverses each line.
struct TlsServer {
    child: Child,
    port: u16,
}

impl TlsServer {
    fn start(certificates: &Certificates, case: &Case) -> Result<Self, String> {
        let mut command = Command::new("openssl");
        command
            .args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-rev",
                "-naccept",
                "1",
            ])
            .args(case.options);
        command.args([
            "-cert",
            &format!("{}.pem", case.leaf),
            "-key",
            &format!("{}.key", case.leaf),
        ]);
        if case.chain {
            command.args(["-cert_chain", &format!("{}.chain", case.leaf)]);
        }
        command.current_dir(certificates.folder());
        let spawned = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut server = Self {
            child: spawned.map_err(|error| format!("cannot start openssl: {error}"))?,
            port: 0,
        };
        let output = server.child.stdout.take().ok_or("openssl has no output")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        while server.port == 0 {
            line.clear();
            if output.read_line(&mut line).unwrap_or(0) == 0 {
                return Err("openssl s_server ended before it listened".to_owned());
            }
            if let Some(address) = line.trim().strip_prefix("ACCEPT ") {
                let port = address
                    .rsplit(':')
                    .next()
                    .and_then(|port| port.parse().ok());
                server.port =
                    port.ok_or_else(|| format!("openssl s_server listens on `{address}`"))?;
            }
        }
        // It writes on; a full pipe would stop it.
        thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()).ok());
        Ok(server)
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
