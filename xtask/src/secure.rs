//! The client over TLS on the emulated board: Mbed TLS below `sockeye-embedded`, the official Node server behind TLS of Node.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::board::{FOLDER, certificates};
use crate::certificates::Certificates;
use crate::node::Node;
use crate::part::Report;
use crate::qemu::Board;
use crate::riscv::{C_TOOLS, Firmware, Target};
use crate::run::cargo;
use crate::tools;

const LIMIT: Duration = Duration::from_secs(90);
/// How the image ends when it could not connect.
const REFUSED: i32 = 3;
const DAY: i64 = 86_400;

/// What the server shows, what the board expects, and what must come of it.
struct Case {
    what: &'static str,
    /// The server's certificate; none: it does not speak TLS.
    leaf: Option<&'static str>,
    /// What the server sends along.
    chain: Option<&'static str>,
    /// The name that the board expects.
    host: &'static str,
    /// The board's clock, in days from now.
    days: i64,
    /// Why there is no connection; none: there is one.
    refused: Option<&'static str>,
}

const GOOD: Case = Case {
    what: "wss, good certificate",
    leaf: Some("good"),
    chain: None,
    host: "sockeye.test",
    days: 0,
    refused: None,
};

const CASES: &[Case] = &[
    GOOD,
    Case {
        what: "wss, good address instead of a name",
        host: "10.0.2.2",
        ..GOOD
    },
    Case {
        what: "wss, good chain of two",
        leaf: Some("below"),
        chain: Some("intermediate"),
        ..GOOD
    },
    Case {
        what: "wss refused, another CA",
        leaf: Some("foreign"),
        refused: Some("certificate refused: not signed by the trusted CA"),
        ..GOOD
    },
    Case {
        what: "wss refused, another host",
        host: "other.test",
        refused: Some("certificate refused: not for this host name"),
        ..GOOD
    },
    Case {
        what: "wss refused, expired",
        days: 11,
        refused: Some("certificate refused: expired, or the clock is wrong"),
        ..GOOD
    },
    Case {
        what: "wss refused, not valid yet",
        days: -1,
        refused: Some("certificate refused: not valid yet, or the clock is wrong"),
        ..GOOD
    },
    Case {
        what: "wss refused, signed by a certificate that is no CA",
        leaf: Some("forged"),
        chain: Some("good"),
        refused: Some("certificate refused: not signed by the trusted CA"),
        ..GOOD
    },
    Case {
        what: "wss refused, a server without TLS",
        leaf: None,
        refused: Some("the TLS handshake failed: does the server speak TLS on that port?"),
        ..GOOD
    },
];

/// The connector alone, on a computer. It is no member of the workspace, because Mbed TLS is compiled along.
pub(crate) const CONNECTOR: &str = "--manifest-path crates/sockeye-mbedtls/Cargo.toml --target-dir target/mbedtls --features embassy-net,sntp,tokio,log";

/// The tests of the connector.
pub(crate) fn on_a_computer(report: &mut Report) -> Result<(), String> {
    tools::need(C_TOOLS)?;
    report.tests(&mut cargo(&format!("test --quiet {CONNECTOR}")))
}

/// Clippy on the connector.
pub(crate) fn lint(report: &mut Report) -> Result<(), String> {
    tools::need(C_TOOLS)?;
    report.check(&mut cargo(&format!(
        "clippy --quiet {CONNECTOR} --all-targets -- -D warnings"
    )))
}

/// Runs all cases for one instruction set.
pub(crate) fn checks(report: &mut Report, target: Target) -> Result<(), String> {
    let firmware = Firmware {
        folder: FOLDER,
        target,
        features: &["tls"],
        images: &["secure"],
    };
    let image = firmware.build()?.join("secure");
    let certificates = certificates()?;
    for case in CASES {
        println!("\n--- {}, {}", case.what, target.name());
        let started = Instant::now();
        let result = play(&image, target, &certificates, case);
        report.timed(
            &format!("{}, {}", case.what, target.name()),
            started.elapsed(),
            result,
        );
    }
    Ok(())
}

fn play(
    image: &Path,
    target: Target,
    certificates: &Certificates,
    case: &Case,
) -> Result<(), String> {
    let server = Node::scenarios(0, &[])?;
    let front = case
        .leaf
        .map(|leaf| front(certificates, leaf, case.chain, server.port))
        .transpose()?;
    let port = front.as_ref().map_or(server.port, |front| front.port);
    let now = SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs());
    let args = [
        ("port", port.to_string()),
        ("host", case.host.to_owned()),
        (
            "time",
            now.saturating_add_signed(case.days * DAY).to_string(),
        ),
    ];
    let board = Board {
        image,
        target,
        args: &args,
        blob: &certificates.der("ca")?,
        count: false,
        limit: LIMIT,
    };
    let outcome = board.run()?;
    let Some(words) = case.refused else {
        return outcome.success().map(drop);
    };
    let expected = format!("closed: could not connect: {words}");
    let outcome = outcome.ended(REFUSED)?;
    if outcome.lines.contains(&expected) {
        Ok(())
    } else {
        Err(format!("the board did not say `{expected}`"))
    }
}

/// TLS in front of a port, with a certificate and what is sent along with it.
fn front(
    certificates: &Certificates,
    leaf: &str,
    chain: Option<&str>,
    port: u16,
) -> Result<Node, String> {
    let file = |name: &str| certificates.folder().join(name);
    let read = |name: &str| {
        let path = file(&format!("{name}.pem"));
        std::fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let mut all = read(leaf)?;
    if let Some(chain) = chain {
        all += &read(chain)?;
    }
    let bundle = file(&format!("{leaf}.chain"));
    std::fs::write(&bundle, all)
        .map_err(|error| format!("cannot write {}: {error}", bundle.display()))?;
    let (key, bundle) = (
        file(&format!("{leaf}.key")),
        bundle.to_string_lossy().into_owned(),
    );
    Node::start(
        &format!("{FOLDER}/servers/tls.js"),
        &[&key.to_string_lossy(), &bundle, &port.to_string()],
    )
}
