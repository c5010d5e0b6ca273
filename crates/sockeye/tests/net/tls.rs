//! TLS that works: names, addresses, versions, client certificates, resumption, goodbyes, large messages.

use serde_json::json;
use sockeye::Transport;
use sockeye::net::{DialErrorKind, TcpConnector, Tls};
use sockeye_testkit::certificates::{Authority, Leaf};
use std::sync::Arc;
use std::time::Duration;

use crate::peers::{Seen, Settings, TlsFront, join_and_leave};
use crate::support::{Host, client_at, quick, within};

/// Both transports, the upgrade included, over TLS 1.3, with the name sent along and HTTP/1.1 agreed upon.
#[tokio::test]
async fn both_transports() {
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("localhost"));
    for transports in [
        vec![Transport::WebSocket],
        vec![Transport::Polling],
        vec![Transport::Polling, Transport::WebSocket],
    ] {
        let host = Host::start();
        let front = TlsFront::start(&host, &Settings::of(&server)).await;
        let builder = client_at(front.url("localhost", "/chat"))
            .tls(Tls::new().ca_pem(ca.pem()))
            .transports(transports.clone());
        let socket = within("connect", builder.connect()).await.unwrap();
        if transports.len() == 2 {
            crate::support::eventually("upgrade", || {
                socket.transport() == Some(Transport::WebSocket)
            })
            .await;
        }
        socket.emit("hello", ("world",)).unwrap();
        assert_eq!(host.received(1).await, [r#"/chat ["hello","world"]"#]);
        let expected = Seen {
            sni: Some("localhost".into()),
            alpn: Some(b"http/1.1".to_vec()),
            version: "1.3",
            resumed: false,
        };
        assert_eq!(front.seen()[0], expected);
        assert!(
            front
                .seen()
                .iter()
                .all(|seen| seen.sni == expected.sni && seen.alpn == expected.alpn)
        );
    }
}

/// The address stands in the certificate; none is sent as a name.
#[tokio::test]
async fn an_address_in_the_certificate() {
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::of(&["server.test", "127.0.0.1"]));
    let host = Host::start();
    let front = TlsFront::start(&host, &Settings::of(&server)).await;
    let builder = client_at(front.url("127.0.0.1", "/"))
        .tls(Tls::new().ca_der(ca.der()))
        .transports([Transport::WebSocket]);
    within("connect", builder.connect()).await.unwrap();
    assert_eq!(front.seen()[0].sni, None);
}

/// Without any option the system's CAs are trusted; in a process of its own, for which the test's CA is one of them.
#[cfg(all(feature = "platform-verifier", target_os = "linux"))]
#[tokio::test]
async fn the_systems_cas_by_default() {
    let (ca, others) = (Authority::new("Test CA"), Authority::new("Other CA"));
    let server = ca.issue(&Leaf::named("localhost"));
    let host = Host::start();
    let front = TlsFront::start(&host, &Settings::of(&server)).await;
    let file = std::env::temp_dir().join(format!("sockeye-{}.pem", std::process::id()));
    for (trusted, words) in [
        (&ca, ""),
        (&others, "not signed by a CA that is trusted here"),
    ] {
        std::fs::write(&file, trusted.pem()).unwrap();
        let child = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "proxies::environment_child", "--include-ignored"])
            .env_clear()
            .env("SOCKEYE_TEST_URL", front.url("localhost", "/"))
            .env("SOCKEYE_TEST_REFUSED", words)
            .env("SSL_CERT_FILE", &file)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = within("the child", child).await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
        host.empty().await;
    }
    let _ = std::fs::remove_file(&file);
}

/// A chain with an intermediate CA, and a server of TLS 1.2 alone.
#[tokio::test]
async fn intermediate_and_tls_1_2() {
    let ca = Authority::new("Test CA");
    let mut intermediate = Leaf::of(&[]);
    (intermediate.ca, intermediate.common_name) = (true, "Intermediate".into());
    let server = ca.signed(&intermediate).issue(&Leaf::named("localhost"));
    let host = Host::start();
    let mut settings = Settings::of(&server);
    settings.only_tls12 = true;
    let front = TlsFront::start(&host, &settings).await;
    let builder = client_at(front.url("localhost", "/")).tls(Tls::new().ca_pem(ca.pem()));
    let socket = within("connect", builder.connect()).await.unwrap();
    assert!(socket.connected());
    assert_eq!(front.seen()[0].version, "1.2");
}

/// Mutual TLS: with the certificate, without one, and with one of another CA; in both versions of TLS.
#[tokio::test]
async fn mutual() {
    let (ca, others) = (Authority::new("Test CA"), Authority::new("Other CA"));
    let server = ca.issue(&Leaf::named("localhost"));
    let device = ca.issue(&Leaf::client("device-1"));
    let stranger = others.issue(&Leaf::client("device-2"));
    for only_tls12 in [false, true] {
        let host = Host::start();
        let mut settings = Settings::of(&server);
        (settings.only_tls12, settings.clients) = (only_tls12, Some(&ca));
        let front = TlsFront::start(&host, &settings).await;
        let client = |tls: Tls| {
            quick(client_at(front.url("localhost", "/")).tls(tls))
                .transports([Transport::WebSocket])
                .wait_for_server(true)
        };
        let trust = Tls::new().ca_pem(ca.pem());

        let tls = trust
            .clone()
            .identity_pem(device.chain_pem(), device.key_pem());
        join_and_leave("with", &host, client(tls)).await;
        let tls = trust.clone().identity_der(device.chain(), device.key());
        join_and_leave("in DER", &host, client(tls)).await;

        let error = within("without", client(trust.clone()).connect())
            .await
            .unwrap_err();
        let line = error.to_string();
        assert!(
            line.contains("certificate of the client") && line.contains("Tls::identity_pem"),
            "{line}"
        );
        assert!(
            !line.contains('\n') && error.dial().is_some_and(DialErrorKind::is_definitive),
            "{error:?}"
        );

        // The same by a connector that the application has put together.
        // (Its streams are tokio's, and so is the driver.)
        let builder = sockeye::Client::builder(front.url("localhost", "/"))
            .connector(trust.over(TcpConnector::new()));
        let error = within("over", builder.connect()).await.unwrap_err();
        assert!(
            error.to_string().contains("certificate of the client"),
            "{error}"
        );

        let tls = trust
            .clone()
            .identity_pem(stranger.chain_pem(), stranger.key_pem());
        let error = within("stranger", client(tls).connect()).await.unwrap_err();
        let line = error.to_string();
        assert!(
            line.contains("does not accept the client's certificate"),
            "{line}"
        );
        assert_eq!(error.dial(), Some(DialErrorKind::Certificate));
    }
}

/// The pinned key is the server's: in addition to all other checks.
#[tokio::test]
async fn pinned_key() {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("localhost"));
    let host = Host::start();
    let front = TlsFront::start(&host, &Settings::of(&server)).await;
    let sha256 = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256
        .tls13()
        .expect("a suite of TLS 1.3")
        .common
        .hash_provider;
    let pin = BASE64_STANDARD.encode(sha256.hash(&server.public_key()).as_ref());
    let other = BASE64_STANDARD.encode([7; 32]);
    let client = |tls: Tls| {
        quick(client_at(front.url("localhost", "/")).tls(tls)).transports([Transport::WebSocket])
    };
    let tls = Tls::new()
        .ca_pem(ca.pem())
        .pin(&other)
        .pin(format!("sha256//{pin}"));
    join_and_leave("pinned", &host, client(tls)).await;

    let error = within(
        "another",
        client(Tls::new().ca_pem(ca.pem()).pin(&other)).connect(),
    )
    .await
    .unwrap_err();
    let line = error.to_string();
    // The key is told, so that it can be pinned.
    assert!(
        line.contains(&format!("sha256//{pin}")) && line.contains("not pinned"),
        "{line}"
    );
    assert_eq!(error.dial(), Some(DialErrorKind::Certificate));

    // A pin does not stand in for trust.
    let strangers = Authority::new("Other CA");
    let tls = Tls::new().ca_pem(strangers.pem()).pin(&pin);
    let error = within("untrusted", client(tls).connect())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not signed by a CA"), "{error}");
}

/// Verification skipped by its loud name; and a whole configuration of the application's.
#[tokio::test]
async fn no_verification_and_own_configuration() {
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("elsewhere.test"));
    let host = Host::start();
    let front = TlsFront::start(&host, &Settings::of(&server)).await;
    let builder =
        client_at(front.url("localhost", "/")).tls(Tls::new().danger_accept_invalid_certs(true));
    join_and_leave("no verification", &host, builder).await;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.der().to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = client_at(front.url("elsewhere.test", "/"))
        .resolve("elsewhere.test", ["127.0.0.1".parse().unwrap()])
        .tls(Tls::rustls_config(config));
    join_and_leave("own configuration", &host, builder).await;
    assert!(
        front
            .seen()
            .iter()
            .all(|seen| seen.alpn.as_deref() == Some(b"http/1.1"))
    );
}

/// A reconnection resumes the session, so that no certificate is sent or checked again.
#[tokio::test]
async fn resumed() {
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("localhost"));
    for only_tls12 in [false, true] {
        let host = Host::start();
        let mut settings = Settings::of(&server);
        settings.only_tls12 = only_tls12;
        let front = TlsFront::start(&host, &settings).await;
        let builder = quick(client_at(front.url("localhost", "/")))
            .tls(Tls::new().ca_pem(ca.pem()))
            .transports([Transport::WebSocket]);
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let builder =
            builder.on_disconnect(move |_: sockeye::Socket, left: sockeye::Disconnected| {
                let _ = tell.send(left);
            });
        let socket = within("connect", builder.connect()).await.unwrap();
        let first = socket.id();
        front.relay.cut();
        // Cut without a goodbye: told, and made again.
        let left = within("disconnect", told.recv()).await.unwrap();
        assert!(
            left.will_reconnect && left.details.contains("without a goodbye"),
            "{left}"
        );
        crate::support::eventually("again", || socket.connected() && socket.id() != first).await;
        let seen = front.seen();
        let resumed: Vec<_> = seen.iter().map(|seen| seen.resumed).collect();
        assert_eq!(resumed, [false, true], "TLS 1.2 alone: {only_tls12}");
    }
}

/// The client says goodbye by TLS too; a connection that is cut without one is an error, and is made again.
#[tokio::test]
async fn goodbyes() {
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("localhost"));
    for transport in [Transport::WebSocket, Transport::Polling] {
        let host = Host::start();
        let front = TlsFront::start(&host, &Settings::of(&server)).await;
        let builder = client_at(front.url("localhost", "/"))
            .tls(Tls::new().ca_pem(ca.pem()))
            .transports([transport]);
        let socket = within("connect", builder.connect()).await.unwrap();
        socket.disconnect();
        let accepted = front.relay.accepted();
        let (clean, unclean) = within(
            "goodbye",
            front.relay.until(|relay| {
                let (clean, unclean) = relay.ended();
                (clean + unclean == accepted).then_some((clean, unclean))
            }),
        )
        .await;
        assert_eq!((clean, unclean), (accepted, 0), "{transport:?}");
    }
}

/// Messages far larger than a TLS record, a socket's buffer and rustls' own: what waits in a buffer is moved on.
#[tokio::test]
async fn large_messages() {
    const SIZE: usize = 3 << 20;
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("localhost"));
    for transport in [Transport::WebSocket, Transport::Polling] {
        let host = Host::start();
        host.state(|state| state.stalled = true);
        let front = TlsFront::start(&host, &Settings::of(&server)).await;
        let socket = client_at(front.url("localhost", "/"))
            .tls(Tls::new().ca_pem(ca.pem()))
            .transports([transport])
            .connect_background()
            .unwrap();
        let text = "x".repeat(SIZE);
        socket.emit("big", (&text,)).unwrap();
        host.state(|state| state.stalled = false);
        let received = host.received(1).await;
        assert!(received == [format!(r#"/ ["big","{text}"]"#)]);
        let mut events = socket.events();
        host.emit("/", &json!(["back", text]).to_string());
        let event = within("back", events.next()).await.unwrap();
        let (back,): (String,) = event.args().parse().unwrap();
        assert!(back == text);
        // The last word is small: nothing of it stays behind.
        for i in 0..50 {
            socket.emit("n", (i,)).unwrap();
        }
        assert_eq!(host.received(51).await.len(), 51);
    }
}

/// What a resumption saves. (Printed with `--nocapture`; the assertion is in `resumed`.)
#[tokio::test]
async fn time_saved_by_resumption() {
    let ca = Authority::new("Test CA");
    let mut intermediate = Leaf::of(&[]);
    (intermediate.ca, intermediate.common_name) = (true, "Intermediate".into());
    let server = ca.signed(&intermediate).issue(&Leaf::named("localhost"));
    let host = Host::start();
    let front = TlsFront::start(&host, &Settings::of(&server)).await;
    let mut times = [Duration::ZERO; 2];
    const ROUNDS: u32 = 10;
    for _ in 0..ROUNDS {
        let builder = quick(client_at(front.url("localhost", "/")))
            .tls(Tls::new().ca_pem(ca.pem()))
            .transports([Transport::WebSocket]);
        let socket = builder.open().unwrap();
        for time in &mut times {
            let start = std::time::Instant::now();
            within("connect", socket.connect()).await.unwrap();
            *time += start.elapsed();
            socket.disconnect();
            host.empty().await;
        }
    }
    println!(
        "joined after {:?} with a full handshake, {:?} with a resumed one",
        times[0] / ROUNDS,
        times[1] / ROUNDS
    );
    let resumed = front.seen().iter().filter(|seen| seen.resumed).count();
    assert_eq!(resumed, ROUNDS as usize);
}
