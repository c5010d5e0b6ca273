//! The operating system's TLS library in the place of rustls.

use sockeye::net::{DialErrorKind, Tls};
use sockeye::{Client, Transport};
use sockeye_testkit::certificates::{Authority, Leaf};

use crate::peers::{Settings, TlsFront, raw};
use crate::support::{Host, quick, within};

fn trusting(ca: &Authority) -> Tls {
    let ca = native_tls::Certificate::from_pem(ca.pem().as_bytes()).unwrap();
    Tls::native(
        native_tls::TlsConnector::builder()
            .disable_built_in_roots(true)
            .add_root_certificate(ca)
            .build()
            .unwrap(),
    )
}

#[tokio::test]
async fn good_and_refused() {
    let (ca, others) = (Authority::new("Test CA"), Authority::new("Other CA"));
    let server = ca.issue(&Leaf::named("localhost"));
    let host = Host::start();
    let front = TlsFront::start(&host, &Settings::of(&server)).await;
    for transports in [[Transport::WebSocket], [Transport::Polling]] {
        let builder = Client::builder(front.url("localhost", "/"))
            .tls(trusting(&ca))
            .transports(transports);
        let socket = within("connect", builder.connect()).await.unwrap();
        let before = host.state(|state| state.server.received.len());
        let text = "x".repeat(1 << 20);
        socket.emit("big", (&text,)).unwrap();
        assert_eq!(
            host.received(before + 1).await[before].len(),
            text.len() + 12
        );
        socket.disconnect();
        host.empty().await;
    }
    for (tls, url) in [
        (trusting(&others), front.url("localhost", "/")),
        (trusting(&ca), front.url("127.0.0.1", "/")),
    ] {
        let error = within("refused", quick(Client::builder(&url).tls(tls)).connect())
            .await
            .unwrap_err();
        assert_eq!(error.dial(), Some(DialErrorKind::Certificate), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    let address = raw(b"").await;
    let builder = Client::builder(format!("https://{address}/"))
        .tls(trusting(&ca))
        .reconnection(false);
    let error = within("cut", builder.connect()).await.unwrap_err();
    assert_eq!(error.dial(), Some(DialErrorKind::Unreachable), "{error}");
}
