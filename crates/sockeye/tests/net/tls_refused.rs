//! TLS that must not work: each refusal ends `connect`, though it waits for the server, with one line that names the cause
//! and the remedy.

use sockeye::net::{DialErrorKind, Tls};
use sockeye::{ConnectError, ConnectErrorKind, Transport};
use sockeye_testkit::certificates::{Authority, Leaf};

use crate::peers::{Settings, TlsFront, raw};
use crate::support::{Host, client_at, quick, within};

async fn refused(url: &str, tls: Tls) -> ConnectError {
    let error = within(
        url,
        quick(client_at(url).tls(tls))
            .wait_for_server(true)
            .connect(),
    )
    .await
    .expect_err(url);
    let line = error.to_string();
    assert!(!line.contains('\n') && line.len() < 400, "{line}");
    assert_eq!(error.kind(), ConnectErrorKind::Transport, "{line}");
    println!("{line}");
    error
}

#[tokio::test]
async fn certificates() {
    let (ca, others) = (Authority::new("Test CA"), Authority::new("Other CA"));
    let good = || Leaf::named("localhost");
    let leaf = |change: fn(&mut Leaf)| {
        let mut leaf = good();
        change(&mut leaf);
        ca.issue(&leaf)
    };
    let cases = [
        (
            "other CA",
            others.issue(&good()),
            "not signed by a CA that is trusted here",
            "Tls::ca_pem",
        ),
        (
            "other host",
            ca.issue(&Leaf::of(&["a.test", "10.1.2.3"])),
            "is for a.test, 10.1.2.3, not for localhost",
            "use a host that it names",
        ),
        (
            "expired",
            leaf(|leaf| leaf.valid = [(2020, 1, 1), (2021, 2, 3)]),
            "expired on 2021-02-03 00:00 UTC",
            "renew it",
        ),
        (
            "not yet valid",
            leaf(|leaf| leaf.valid = [(2099, 1, 2), (2100, 1, 1)]),
            "is not valid before 2099-01-02 00:00 UTC, and this machine's clock says 20",
            "set the clock",
        ),
        (
            "a leaf signed by a leaf",
            ca.signed(&Leaf::named("other.test")).issue(&good()),
            "signed by a certificate that is no CA",
            "issue it by a CA",
        ),
        (
            "name in CN alone",
            leaf(|leaf| leaf.names.clear()),
            "names no host at all (a common name alone does not count)",
            "subjectAltName of localhost",
        ),
        (
            "a client's certificate",
            leaf(|leaf| leaf.client = true),
            "is not meant for servers",
            "serverAuth",
        ),
        (
            "a CA's certificate",
            leaf(|leaf| leaf.ca = true),
            "is that of a CA",
            "issue one for the server itself",
        ),
    ];
    let host = Host::start();
    for (name, identity, cause, remedy) in cases {
        let front = TlsFront::start(&host, &Settings::of(&identity)).await;
        let error = refused(&front.url("localhost", "/"), Tls::new().ca_pem(ca.pem())).await;
        let line = error.to_string();
        assert!(
            line.starts_with("could not connect: the certificate of localhost port "),
            "{name}: {line}"
        );
        assert!(
            line.contains(cause) && line.contains(remedy),
            "{name}: {line}"
        );
        assert_eq!(error.dial(), Some(DialErrorKind::Certificate), "{name}");
    }
    // Nothing of all that has reached the server.
    assert_eq!(host.state(|state| state.accepted), 0);
}

/// Nobody has told the system of this CA.
#[tokio::test]
async fn the_system_does_not_know_the_ca() {
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("localhost"));
    let host = Host::start();
    let front = TlsFront::start(&host, &Settings::of(&server)).await;
    let others = Authority::new("Other CA");
    let error = refused(
        &front.url("localhost", "/"),
        Tls::new().ca_pem(others.pem()).system_roots(),
    )
    .await;
    assert!(
        error
            .to_string()
            .contains("not signed by a CA that is trusted here")
    );
}

/// Servers that do not speak TLS as one can today: of TLS 1.0 alone (they answer TLS 1.2's greeting with an alert, or
/// with their own version), plain HTTP, and garbage.
#[tokio::test]
async fn no_tls_that_can_be_spoken() {
    let alert: &[u8] = &[0x15, 3, 1, 0, 2, 2, 70];
    // A ServerHello of TLS 1.0 that selects TLS_RSA_WITH_AES_128_CBC_SHA.
    let mut hello = vec![0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend_from_slice(&[7; 32]);
    hello.extend_from_slice(&[0, 0, 0x2f, 0]);
    let hello: &'static [u8] = hello.leak();
    let failure: &[u8] = &[0x15, 3, 3, 0, 2, 2, 40];
    for (name, answer, cause, remedy) in [
        (
            "protocol_version alert",
            alert,
            "no version of TLS, or no cipher, that is still safe",
            "TLS 1.2 or 1.3",
        ),
        (
            "TLS 1.0",
            hello,
            "no version of TLS, or no cipher, that is still safe",
            "TLS 1.2 or 1.3",
        ),
        (
            "handshake_failure alert",
            failure,
            "ended the TLS handshake",
            "Tls::identity_pem",
        ),
        (
            "plain HTTP",
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            "does not answer in TLS",
            "is it a plain server (http:// or ws://)",
        ),
        (
            "SSH",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            "does not answer in TLS",
            "another port",
        ),
    ] {
        let address = raw(answer).await;
        println!("{name}:");
        let error = refused(
            &format!("https://{address}/"),
            Tls::new().danger_accept_invalid_certs(true),
        )
        .await;
        let line = error.to_string();
        assert!(
            line.contains(cause) && line.contains(remedy),
            "{name}: {line}"
        );
        assert_eq!(error.dial(), Some(DialErrorKind::Tls), "{name}");
    }
}

/// The reverse: a plain URL, and TLS behind it.
#[tokio::test]
async fn tls_behind_a_plain_url() {
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("localhost"));
    let host = Host::start();
    let front = TlsFront::start(&host, &Settings::of(&server)).await;
    for transport in [Transport::Polling, Transport::WebSocket] {
        let url = format!("http://localhost:{}/", front.relay.address().port());
        let error = within(
            "connect",
            quick(client_at(&url))
                .transports([transport])
                .wait_for_server(true)
                .connect(),
        )
        .await
        .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("speaks TLS at this port: use https://"),
            "{error}"
        );
    }
}

/// A connection that is cut within the handshake may come right the next time: it is tried again.
#[tokio::test]
async fn a_cut_is_not_definitive() {
    let address = raw(b"").await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let socket = quick(client_at(format!("https://{address}/")))
        .tls(Tls::new().danger_accept_invalid_certs(true))
        .on_connect_error(move |_: sockeye::Socket, error: ConnectError| {
            let _ = tell.send(error);
        })
        .open()
        .unwrap();
    socket.connect_background();
    for _ in 0..3 {
        let error = within("an attempt", told.recv()).await.unwrap();
        assert!(
            error.active() && error.dial() == Some(DialErrorKind::Unreachable),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .contains("closed the connection in the TLS handshake"),
            "{error}"
        );
    }
}
