//! `esp-idf/checks` on the `linux` target: events that find the event loop full, and who is trusted by esp-tls: the component's own
//! port, against the official server with certificates of all kinds. Each refusal is told in words.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Project;
use crate::node::Node;
use crate::part::Report;
use crate::run;
use sockeye_boards::certificates::Certificates;

const LIMIT: Duration = Duration::from_secs(60);

/// One connection, and the line that tells how it ended.
struct Case {
    what: &'static str,
    /// The server's certificate and key.
    server: &'static str,
    /// Whether it wants a certificate of the authority's from the client.
    mutual: bool,
    /// For the program, beside the URI: certificates and keys are files of the folder.
    client: &'static [(&'static str, &'static str)],
    /// Part of what it must say.
    said: &'static str,
}

const CA: (&str, &str) = ("CHECK_CA", "authority.pem");
const CERT: (&str, &str) = ("CHECK_CERT", "client.pem");
const KEY: (&str, &str) = ("CHECK_KEY", "client.key");
const NAME: (&str, &str) = ("CHECK_NAME", "elsewhere.example");
const SKIP: (&str, &str) = ("CHECK_SKIP_NAME", "1");
const GOOD: &str = "told: answered: SOCKEYE_OK";

const fn case(
    what: &'static str,
    server: &'static str,
    client: &'static [(&'static str, &'static str)],
    said: &'static str,
) -> Case {
    Case {
        what,
        server,
        mutual: false,
        client,
        said,
    }
}

const fn mutual(
    what: &'static str,
    client: &'static [(&'static str, &'static str)],
    said: &'static str,
) -> Case {
    Case {
        what,
        server: "server",
        mutual: true,
        client,
        said,
    }
}

const CASES: &[Case] = &[
    case("a private authority", "server", &[CA], GOOD),
    case(
        "another authority",
        "server",
        &[("CHECK_CA", "other.pem")],
        "certificate refused: not signed by the authority in tls.ca_pem",
    ),
    case(
        "the bundle does not know it",
        "server",
        &[],
        "certificate refused: its authority is not in the certificate bundle",
    ),
    case(
        "another name",
        "elsewhere",
        &[CA],
        "certificate refused: it is not for 127.0.0.1",
    ),
    case(
        "another name by common_name",
        "elsewhere",
        &[CA, NAME],
        GOOD,
    ),
    case(
        "a common_name that is not there",
        "server",
        &[CA, NAME],
        "certificate refused: it is not for elsewhere.example",
    ),
    case("skip_common_name_check", "elsewhere", &[CA, SKIP], GOOD),
    case(
        "the chain without the name",
        "elsewhere",
        &[("CHECK_CA", "other.pem"), SKIP],
        "certificate refused: not signed by the authority in tls.ca_pem",
    ),
    case("expired", "expired", &[CA], "certificate refused: expired"),
    case(
        "not valid yet",
        "early",
        &[CA],
        "certificate refused: not valid yet",
    ),
    case(
        "a client's certificate",
        "client",
        &[CA, SKIP],
        "certificate refused: not made for a TLS server",
    ),
    case(
        "a PEM that is none",
        "server",
        &[("CHECK_CA", "server.key")],
        "tls.ca_pem",
    ),
    mutual("mutual TLS", &[CA, CERT, KEY], GOOD),
    mutual(
        "mutual TLS without a certificate",
        &[CA],
        // Whether the server's alert or its end comes first is chance.
        "if it wants a client certificate, set tls.client_cert_pem",
    ),
    mutual(
        "mutual TLS by a stranger",
        &[
            CA,
            ("CHECK_CERT", "stranger.pem"),
            ("CHECK_KEY", "stranger.key"),
        ],
        "trust the authority of tls.client_cert_pem?",
    ),
    mutual(
        "mutual TLS without the key",
        &[CA, CERT],
        "tls.client_cert_pem needs tls.client_key_pem",
    ),
    mutual(
        "mutual TLS with another key",
        &[CA, CERT, ("CHECK_KEY", "stranger.key")],
        "tls.client_cert_pem",
    ),
];

/// How many checks these are.
pub(super) fn count() -> u32 {
    u32::try_from(CASES.len() + 1).unwrap_or(u32::MAX)
}

/// Builds the program and runs every case. It takes an ESP-IDF with Mbed TLS in it, its submodule.
pub(super) fn checks(idf: &Path, report: &mut Report) {
    if !idf
        .join("components/mbedtls/mbedtls/CMakeLists.txt")
        .exists()
    {
        println!(
            "skipped: this ESP-IDF has no Mbed TLS (`git submodule update --init --recursive`), so that TLS was not tried"
        );
        report.skipped(count());
        return;
    }
    let project = Project {
        idf,
        folder: "esp-idf/checks",
        target: "linux",
        build: run::root().join("target/esp-idf/checks"),
        options: "",
        environment: &[],
    };
    let built = project.build("all").and_then(|()| Certificates::new());
    let certificates = match built {
        Ok(certificates) => certificates,
        Err(why) => return report.record("linux target, the checks", Err(why)),
    };
    let program = project.build.join("sockeye_checks.elf");
    report.record(
        "linux target, events without room",
        ran(&mut Command::new(&program), "lost"),
    );
    for case in CASES {
        report.record(
            &format!("linux target, {}", case.what),
            trusted(case, &program, certificates.folder()),
        );
    }
}

fn trusted(case: &Case, program: &Path, folder: &Path) -> super::Step {
    let file = |name: &str| folder.join(name).display().to_string();
    let (cert, key, ca) = (
        file(&format!("{}.pem", case.server)),
        file(&format!("{}.key", case.server)),
        file("authority.pem"),
    );
    let mut options = vec!["--cert", &cert, "--key", &key];
    if case.mutual {
        options.extend(["--client-ca", &*ca]);
    }
    let server = Node::scenarios(0, &options)?;
    let mut command = Command::new(program);
    command.env("CHECK_URI", format!("https://127.0.0.1:{}", server.port));
    for (name, value) in case.client {
        let is_file = Path::new(value)
            .extension()
            .is_some_and(|end| end == "pem" || end == "key");
        command.env(
            name,
            if is_file {
                file(value)
            } else {
                (*value).to_owned()
            },
        );
    }
    ran(&mut command, case.said)
}

fn ran(command: &mut Command, said: &str) -> super::Step {
    let output = run::run(command, LIMIT)?;
    if !output.success() {
        return Err("it exited with an error".to_owned());
    }
    if output.lines.iter().any(|line| line.contains(said)) {
        Ok(())
    } else {
        Err(format!("it did not say `{said}`"))
    }
}
