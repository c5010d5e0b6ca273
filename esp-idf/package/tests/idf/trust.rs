//! `esp-idf/checks` on the `linux` target: events that find the event loop full, and who is trusted by esp-tls: the component's own
//! port, against the official server with certificates of all kinds. Each refusal is told in words.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use sockeye_boards::certificates::Certificates;
use sockeye_boards::node::Node;
use sockeye_boards::run;
use sockeye_component::project::Project;

const LIMIT: Duration = Duration::from_secs(60);

/// One connection, and the line that tells how it ended.
struct Case {
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
    server: &'static str,
    client: &'static [(&'static str, &'static str)],
    said: &'static str,
) -> Case {
    Case {
        server,
        mutual: false,
        client,
        said,
    }
}

const fn mutual(client: &'static [(&'static str, &'static str)], said: &'static str) -> Case {
    Case {
        server: "server",
        mutual: true,
        client,
        said,
    }
}

/// A test for each: `name: Case`.
macro_rules! trust {
    ($($name:ident: $case:expr,)+) => {
        $(
            #[test]
            #[ignore = "needs ESP-IDF: cargo xtask test --part esp-idf"]
            fn $name() {
                trusted(&$case);
            }
        )+
    };
}

trust! {
    a_private_authority: case("server", &[CA], GOOD),
    another_authority: case("server",
        &[("CHECK_CA", "other.pem")],
        "certificate refused: not signed by the authority in tls.ca_pem"),
    the_bundle_does_not_know_it: case("server",
        &[],
        "certificate refused: its authority is not in the certificate bundle"),
    another_name: case("elsewhere",
        &[CA],
        "certificate refused: it is not for 127.0.0.1"),
    another_name_by_common_name: case("elsewhere",
        &[CA, NAME],
        GOOD),
    a_common_name_that_is_not_there: case("server",
        &[CA, NAME],
        "certificate refused: it is not for elsewhere.example"),
    skip_common_name_check: case("elsewhere", &[CA, SKIP], GOOD),
    the_chain_without_the_name: case("elsewhere",
        &[("CHECK_CA", "other.pem"), SKIP],
        "certificate refused: not signed by the authority in tls.ca_pem"),
    expired: case("expired", &[CA], "certificate refused: expired"),
    not_valid_yet: case("early",
        &[CA],
        "certificate refused: not valid yet"),
    the_certificate_of_a_client: case("client",
        &[CA, SKIP],
        "certificate refused: not made for a TLS server"),
    a_pem_that_is_none: case("server",
        &[("CHECK_CA", "server.key")],
        "tls.ca_pem"),
    mutual_tls: mutual(&[CA, CERT, KEY], GOOD),
    mutual_tls_without_a_certificate: mutual(&[CA],
        // Whether the server's alert or its end comes first is chance.
        "if it wants a client certificate, set tls.client_cert_pem"),
    mutual_tls_by_a_stranger: mutual(&[
            CA,
            ("CHECK_CERT", "stranger.pem"),
            ("CHECK_KEY", "stranger.key"),
        ],
        "trust the authority of tls.client_cert_pem?"),
    mutual_tls_without_the_key: mutual(&[CA, CERT],
        "tls.client_cert_pem needs tls.client_key_pem"),
    mutual_tls_with_another_key: mutual(&[CA, CERT, ("CHECK_KEY", "stranger.key")],
        "tls.client_cert_pem"),
}

#[test]
#[ignore = "needs ESP-IDF: cargo xtask test --part esp-idf"]
fn events_without_room_are_told() {
    if let Some(program) = program() {
        ran(&mut Command::new(program), "lost");
    }
}

/// The program, built once. It takes an ESP-IDF with Mbed TLS in it, its submodule; where there is none, each test says so.
fn program() -> Option<&'static Path> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let idf = crate::idf()?;
    let tls = idf.join("components/mbedtls/mbedtls/CMakeLists.txt");
    if !tls.exists() {
        println!(
            "skipped: this ESP-IDF has no Mbed TLS (`git submodule update --init --recursive`), so that TLS was not tried"
        );
        return None;
    }
    let build = || {
        let project = Project {
            idf: &idf,
            folder: "esp-idf/checks",
            target: "linux",
            build: run::root().join("target/esp-idf/checks"),
            options: "",
            environment: &[],
        };
        project.build("all").unwrap();
        project.build.join("sockeye_checks.elf")
    };
    Some(BUILT.get_or_init(build))
}

fn trusted(case: &Case) {
    let Some(program) = program() else { return };
    let certificates = Certificates::new().unwrap();
    let folder = certificates.folder();
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
    let server = Node::scenarios(0, &options).unwrap();
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
    ran(&mut command, case.said);
}

fn ran(command: &mut Command, said: &str) {
    let output = run::run(command, LIMIT).unwrap();
    assert!(output.success(), "it exited with an error");
    let told = output.lines.iter().any(|line| line.contains(said));
    assert!(told, "it did not say `{said}`");
}
