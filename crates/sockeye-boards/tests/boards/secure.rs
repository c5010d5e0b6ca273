//! The client over TLS on the emulated board: Mbed TLS below `sockeye-embedded`, the official Node server behind TLS of Node.

use std::time::{Duration, SystemTime};

use sockeye_boards::FIRMWARE;
use sockeye_boards::node::Node;
use sockeye_boards::qemu::Board;
use sockeye_boards::riscv::{Firmware, Target};

use crate::certificates::Certificates;

const LIMIT: Duration = Duration::from_secs(90);
/// How the image ends when it could not connect.
const REFUSED: i32 = 3;

/// What the server shows, what the board expects, and what must come of it.
struct Case {
    what: &'static str,
    /// The server's certificate, with what it sends along; none: it does not speak TLS.
    leaf: Option<&'static str>,
    /// The name that the board expects.
    host: &'static str,
    /// Why there is no connection; none: there is one.
    refused: Option<&'static str>,
}

const GOOD: Case = Case {
    what: "wss, good certificate",
    leaf: Some("good"),
    host: "sockeye.test",
    refused: None,
};

crate::on_both_chips! {
    wss_good_certificate: |target| play(target, &GOOD),
    wss_good_address_instead_of_a_name: |target| play(target, &Case {
        what: "wss, good address instead of a name",
        host: "10.0.2.2",
        ..GOOD
    }),
    wss_good_chain_of_two: |target| play(target, &Case {
        what: "wss, good chain of two",
        leaf: Some("below"),
        ..GOOD
    }),
    wss_refused_another_ca: |target| play(target, &Case {
        what: "wss refused, another CA",
        leaf: Some("foreign"),
        refused: Some("certificate refused: not signed by the trusted CA"),
        ..GOOD
    }),
    wss_refused_another_host: |target| play(target, &Case {
        what: "wss refused, another host",
        host: "other.test",
        refused: Some("certificate refused: not for this host name"),
        ..GOOD
    }),
    wss_refused_expired: |target| play(target, &Case {
        what: "wss refused, expired",
        leaf: Some("expired"),
        refused: Some("certificate refused: expired, or the clock is wrong"),
        ..GOOD
    }),
    wss_refused_not_valid_yet: |target| play(target, &Case {
        what: "wss refused, not valid yet",
        leaf: Some("early"),
        refused: Some("certificate refused: not valid yet, or the clock is wrong"),
        ..GOOD
    }),
    wss_refused_signed_by_a_certificate_that_is_no_ca: |target| play(target, &Case {
        what: "wss refused, signed by a certificate that is no CA",
        leaf: Some("forged"),
        refused: Some("certificate refused: not signed by the trusted CA"),
        ..GOOD
    }),
    wss_refused_a_server_without_tls: |target| play(target, &Case {
        what: "wss refused, a server without TLS",
        leaf: None,
        refused: Some("the TLS handshake failed: does the server speak TLS on that port?"),
        ..GOOD
    }),
}

fn play(target: Target, case: &Case) -> Result<(), String> {
    println!("{}", case.what);
    let firmware = Firmware {
        folder: FIRMWARE,
        target,
        features: &["tls"],
        images: &["secure"],
    };
    let image = &firmware.built()?.join("secure");
    let certificates = &Certificates::new()?;
    let server = Node::scenarios(0, &[])?;
    let front = case
        .leaf
        .map(|leaf| front(certificates, leaf, server.port))
        .transpose()?;
    let port = front.as_ref().map_or(server.port, |front| front.port);
    let now = SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs());
    let args = [
        ("port", port.to_string()),
        ("host", case.host.to_owned()),
        ("time", now.to_string()),
    ];
    let board = Board {
        image,
        target,
        args: &args,
        blob: certificates.ca(),
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
fn front(certificates: &Certificates, leaf: &str, port: u16) -> Result<Node, String> {
    let file = |kind: &str| certificates.folder().join(format!("{leaf}.{kind}"));
    let [key, bundle] = ["key", "pem"].map(|kind| file(kind).to_string_lossy().into_owned());
    Node::start(
        &format!("{FIRMWARE}/servers/tls.js"),
        &[&key, &bundle, &port.to_string()],
    )
}
