//! What goes into the request heads: `User-Agent`, `Authorization`, `Host`, and what may not.

use sockeye::{ConnectErrorKind, Transport};

use crate::peers::join_and_leave;
use crate::support::{Host, client, client_at, polling, within};

/// A value of every request so far.
fn values(host: &Host, name: &str) -> Vec<Option<String>> {
    host.state(|state| {
        let header = |request: &sockeye_testkit::Request| request.header(name).map(Into::into);
        state.requests.iter().map(header).collect()
    })
}

/// A firewall in front asks for a `User-Agent`, as the official client sends one.
#[tokio::test]
async fn user_agent() {
    let host = Host::start();
    join_and_leave("polling", &host, polling(&host)).await;
    join_and_leave("websocket", &host, client(&host)).await;
    let ours = Some(concat!("sockeye/", env!("CARGO_PKG_VERSION")).to_owned());
    let agents = values(&host, "user-agent");
    assert!(
        agents.len() >= 3 && agents.iter().all(|agent| *agent == ours),
        "{agents:?}"
    );

    let host = Host::start();
    within(
        "own",
        client(&host).header("user-agent", "mine/1").connect(),
    )
    .await
    .unwrap();
    assert_eq!(values(&host, "user-agent"), [Some("mine/1".into())]);
    // Computed headers replace those given otherwise, not the client's own.
    let host = Host::start();
    let builder = client(&host).headers_with(|| async { Ok(vec![("X-A".into(), "1".into())]) });
    within("computed", builder.connect()).await.unwrap();
    assert_eq!(values(&host, "user-agent"), [ours]);
    assert_eq!(values(&host, "x-a"), [Some("1".into())]);
}

#[tokio::test]
async fn credentials_in_the_url() {
    let host = Host::start();
    let url = format!("http://user:p%40ss@{}/", host.address());
    let builder = client_at(&url).transports([Transport::WebSocket]);
    within("connect", builder.connect()).await.unwrap();
    let expected = Some("Basic dXNlcjpwQHNz".to_owned());
    assert_eq!(values(&host, "authorization"), [expected]);
    // The application's own header comes first; the URL's credentials do not show in it.
    let host = Host::start();
    let url = format!("http://user:secret@{}/", host.address());
    let builder = client_at(&url)
        .transports([Transport::WebSocket])
        .header("Authorization", "Bearer x");
    assert!(!format!("{builder:?}").contains("secret"));
    within("connect", builder.connect()).await.unwrap();
    assert_eq!(values(&host, "authorization"), [Some("Bearer x".into())]);
}

#[tokio::test]
async fn own_host() {
    let host = Host::start();
    within("connect", client(&host).host("virtual.test:8443").connect())
        .await
        .unwrap();
    assert_eq!(values(&host, "host"), [Some("virtual.test:8443".into())]);
    for bad in ["", "a b", "a/b", "a\r\nX: y", "u@h"] {
        let error = client(&host).host(bad).open().unwrap_err();
        assert!(
            error.to_string().contains("bad host") && !error.to_string().contains('\n'),
            "{error}"
        );
    }
}

/// Headers that would break the protocol are refused before anything is tried, with what to do instead.
#[tokio::test]
async fn headers_that_would_break_the_protocol() {
    let host = Host::start();
    for (name, words) in [
        ("Accept-Encoding", "does not decompress"),
        ("Content-Length", "frames its requests itself"),
        ("Transfer-Encoding", "frames its requests itself"),
        ("Connection", "manages its connections"),
        ("Upgrade", "manages its connections"),
        ("Host", "the option `host`"),
        ("Sec-WebSocket-Key", "makes the WebSocket handshake"),
        ("Sec-WebSocket-Protocol", "the option `protocols`"),
        ("Sec-WebSocket-Extensions", "makes the WebSocket handshake"),
    ] {
        let error = client(&host).header(name, "x").open().unwrap_err();
        assert_eq!(error.kind(), ConnectErrorKind::Config);
        let line = error.to_string();
        assert!(
            line.contains(words) && line.contains("cannot be set"),
            "{line}"
        );
    }
    assert_eq!(host.state(|state| state.accepted), 0);
}

/// Offered where it is asked for. A server that says nothing about it gets everything as it is.
#[cfg(feature = "deflate")]
#[tokio::test]
async fn compression() {
    let host = Host::start();
    let builder = client(&host).compression(sockeye::Compression::DEFAULT);
    let socket = within("connect", builder.connect()).await.unwrap();
    let text = "x".repeat(5000);
    socket.emit("long", (&text,)).unwrap();
    socket.compress(false).emit("long", (&text,)).unwrap();
    socket
        .volatile()
        .compress(false)
        .emit("long", (&text,))
        .unwrap();
    let expected = format!("/ [\"long\",\"{text}\"]");
    assert_eq!(host.received(3).await, [&*expected; 3]);
    assert_eq!(socket.manager().compression(), None);
    let offer = "permessage-deflate, permessage-deflate; client_max_window_bits";
    assert_eq!(
        values(&host, "sec-websocket-extensions"),
        [Some(offer.into())]
    );
    let host = Host::start();
    within("connect", client(&host).connect()).await.unwrap();
    assert_eq!(values(&host, "sec-websocket-extensions"), [None]);
}
