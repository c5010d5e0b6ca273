//! TLS of `port_posix.c`, against a relay on Node that ends TLS in front of the scripted server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::build::{ADDRESS, bounded, compile, has, output, run};
use sockeye_testkit::host::Host;

use crate::host::scripted;

const RELAY: &str = r#"
const [key, cert, ca, target] = process.argv.slice(1), fs = require("fs");
const options = { key: fs.readFileSync(key), cert: fs.readFileSync(cert) };
if (ca !== "-") Object.assign(options, { ca: fs.readFileSync(ca), requestCert: true, rejectUnauthorized: true });
const server = require("tls").createServer(options, (from) => {
  const to = require("net").connect(Number(target), "127.0.0.1");
  from.pipe(to).pipe(from);
  from.on("error", () => to.destroy());
  to.on("error", () => from.destroy());
});
server.on("tlsClientError", () => {});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume().on("end", () => process.exit(0));
"#;

struct Relay(Child, String);

impl Relay {
    fn start(key: &Path, certificate: &Path, ca: Option<&Path>, host: &Host) -> Self {
        let mut node = Command::new("node");
        node.args(["-e", RELAY])
            .arg(key)
            .arg(certificate)
            .arg(ca.unwrap_or(Path::new("-")))
            .arg(host.address().port().to_string());
        let spawned = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.expect("node starts");
        let mut port = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe"))
            .read_line(&mut port)
            .expect("the relay says its port");
        Self(child, port.trim().to_owned())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Keys and certificates, made anew: two authorities, and leaves signed by the first.
struct Certificates(PathBuf);

impl Certificates {
    fn make(of: &str) -> Self {
        let folder = output().join(format!("certificates-{of}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let made = Self(folder);
        for authority in ["ca", "other"] {
            made.openssl(&[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                &format!("/CN={authority}"),
                "-keyout",
                &format!("{authority}.key"),
                "-out",
                &format!("{authority}.pem"),
            ]);
        }
        for (leaf, names) in [
            ("local", "DNS:localhost,IP:127.0.0.1"),
            ("far", "DNS:far.example"),
            ("client", "DNS:client"),
        ] {
            std::fs::write(
                made.path(&format!("{leaf}.ext")),
                format!("subjectAltName={names}\n"),
            )
            .expect("a file");
            made.openssl(&[
                "req",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                &format!("/CN={leaf}"),
                "-keyout",
                &format!("{leaf}.key"),
                "-out",
                &format!("{leaf}.csr"),
            ]);
            made.sign(leaf, leaf, "2");
        }
        // From today on, but only until yesterday.
        made.sign("local", "expired", "-1");
        made
    }

    /// The authority's certificate for the key of `leaf`, for so many days.
    fn sign(&self, leaf: &str, name: &str, days: &str) {
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &format!("{leaf}.csr"),
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            days,
            "-extfile",
            &format!("{leaf}.ext"),
            "-out",
            &format!("{name}.pem"),
        ]);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn openssl(&self, args: &[&str]) {
        run(Command::new("openssl").args(args).current_dir(&self.0));
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn who_is_trusted() {
    let headers = Command::new("pkg-config")
        .args(["--exists", "openssl"])
        .status();
    if !has("node") || !headers.is_ok_and(|status| status.success()) {
        println!("skipped: this test takes node, openssl and its headers");
        return;
    }
    let files = Certificates::make("trust");
    let program = compile(ADDRESS, "secure", &["-DSOCKEYE_POSIX_OPENSSL"]);
    let host = scripted();
    let relay_with = |key: &str, leaf: &str, ca: Option<&Path>| {
        Relay::start(
            &files.path(&format!("{key}.key")),
            &files.path(&format!("{leaf}.pem")),
            ca,
            &host,
        )
    };
    let relay = |leaf: &str, ca: Option<&Path>| relay_with(leaf, leaf, ca);
    let said = |relay: &Relay, server: &str, ca: &str, client: &str, name: &str, skip: &str| {
        let of = |name: &str| {
            if name == "-" {
                PathBuf::from("-")
            } else {
                files.path(name)
            }
        };
        let mut command = bounded(120, &program);
        command
            .arg(format!("https://{server}:{}", relay.1))
            .arg(of(ca))
            .arg(if client == "-" {
                of("-")
            } else {
                of(&format!("{client}.pem"))
            })
            .arg(if client == "-" {
                of("-")
            } else {
                of(&format!("{client}.key"))
            })
            .args([name, skip]);
        run(&mut command)
    };
    let local = relay("local", None);
    assert_eq!(
        said(&local, "localhost", "ca.pem", "-", "-", "-"),
        "joined /\n"
    );
    assert_eq!(
        said(&local, "127.0.0.1", "ca.pem", "-", "-", "-"),
        "joined /\n"
    );
    let refused = "connect error: could not connect: certificate refused: ";
    for (server, ca, name, why) in [
        (
            "localhost",
            "other.pem",
            "-",
            "not signed by the authority in tls.ca_pem",
        ),
        (
            "localhost",
            "-",
            "-",
            "its authority is not in the system's certificates; set tls.ca_pem",
        ),
        (
            "localhost",
            "ca.pem",
            "far.example",
            "it is not for far.example; connect by a name that it has",
        ),
    ] {
        let text = said(&local, server, ca, "-", name, "-");
        assert!(
            text.starts_with(&format!("{refused}{why}")),
            "{server}, {ca}, {name}: {text}"
        );
    }
    let expired = relay_with("local", "expired", None);
    let text = said(&expired, "localhost", "ca.pem", "-", "-", "-");
    let why = "expired; the server needs a new one, unless the clock is wrong: it says 20";
    assert!(text.starts_with(&format!("{refused}{why}")), "{text}");
    let far = relay("far", None);
    let text = said(&far, "127.0.0.1", "ca.pem", "-", "-", "-");
    let why = "it is not for 127.0.0.1; ";
    assert!(text.starts_with(&format!("{refused}{why}")), "{text}");
    assert_eq!(
        said(&far, "127.0.0.1", "ca.pem", "-", "far.example", "-"),
        "joined /\n"
    );
    assert_eq!(
        said(&far, "127.0.0.1", "ca.pem", "-", "-", "skip"),
        "joined /\n"
    );
    // Without the name the chain still counts.
    assert!(said(&far, "127.0.0.1", "other.pem", "-", "-", "skip").starts_with(refused));
    let mutual = relay("local", Some(&files.path("ca.pem")));
    assert_eq!(
        said(&mutual, "localhost", "ca.pem", "client", "-", "-"),
        "joined /\n"
    );
    let text = said(&mutual, "localhost", "ca.pem", "-", "-", "-");
    assert!(
        text.contains("if it wants a client certificate, set tls.client_cert_pem"),
        "{text}"
    );
}

/// What is wrong with our own side, or is no TLS at all.
#[test]
fn what_cannot_become_tls_says_why() {
    let headers = Command::new("pkg-config")
        .args(["--exists", "openssl"])
        .status();
    if !headers.is_ok_and(|status| status.success()) {
        println!("skipped: this test takes openssl and its headers");
        return;
    }
    let files = Certificates::make("own");
    let program = compile(ADDRESS, "secure", &["-DSOCKEYE_POSIX_OPENSSL"]);
    // What an HTTP server says to a TLS handshake.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let said = |ca: &str, certificate: &str, key: &str| {
        let mut command = bounded(120, &program);
        command.arg(format!("https://localhost:{port}"));
        for name in [ca, certificate, key] {
            command.arg(if name == "-" {
                PathBuf::from("-")
            } else {
                files.path(name)
            });
        }
        run(command.args(["-", "-"]))
    };
    for (ca, certificate, key, why) in [
        (
            "ca.pem",
            "-",
            "-",
            "what answers there is not TLS; use http://",
        ),
        (
            "local.ext",
            "-",
            "-",
            "tls.ca_pem cannot be read; it must be PEM",
        ),
        (
            "ca.pem",
            "client.pem",
            "-",
            "tls.client_cert_pem and client_key_pem cannot be read",
        ),
        (
            "ca.pem",
            "client.pem",
            "local.key",
            "tls.client_cert_pem and client_key_pem cannot be read",
        ),
    ] {
        let text = said(ca, certificate, key);
        let wanted = format!("connect error: could not connect: {why}");
        assert!(
            text.starts_with(&wanted),
            "{ca}, {certificate}, {key}: {text}"
        );
    }
}
