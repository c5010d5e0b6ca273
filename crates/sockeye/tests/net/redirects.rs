//! Redirects of the handshake: which are followed, where the session lives then, and what goes along.

use sockeye::net::{DialErrorKind, Tls};
use sockeye::{Cause, ClientBuilder, ConnectError, Socket, Transport};
use sockeye_testkit::certificates::{Authority, Leaf};
use sockeye_testkit::{Request, response};

use crate::peers::{Settings, TlsFront};
use crate::support::{Host, client, client_at, eventually, polling, quick, within};

/// Answers every request that `which` picks by a redirect to the place that it gives.
fn redirect(host: &Host, which: impl Fn(&Request) -> Option<String> + Send + 'static) {
    host.answer_with(move |request| {
        let headers = format!("Location: {}\r\nSet-Cookie: before=1\r\n", which(request)?);
        Some(response("307 Temporary Redirect", &headers, b"moved"))
    });
}

fn to(place: String) -> impl Fn(&Request) -> Option<String> + Send + 'static {
    move |_| Some(place.clone())
}

fn base(host: &Host) -> String {
    format!("http://{}", host.address())
}

async fn connect(builder: ClientBuilder) -> Socket {
    within("connect", builder.connect()).await.unwrap()
}

async fn refused(builder: ClientBuilder) -> ConnectError {
    within("connect", builder.connect()).await.unwrap_err()
}

/// Everything of the session, the upgrade included, goes to the other server; the next one begins at the first again.
#[tokio::test]
async fn the_session_lives_at_the_other_server() {
    for transports in [
        vec![Transport::Polling, Transport::WebSocket],
        vec![Transport::WebSocket],
    ] {
        let (first, second) = (Host::start(), Host::start());
        let place = format!(
            "{}/elsewhere/?EIO=4&transport=x&sid=x&t=x&shard=7",
            base(&second)
        );
        redirect(&first, to(place));
        let builder =
            quick(client_at(format!("{}/?room=1", base(&first)))).transports(transports.clone());
        let socket = connect(builder).await;
        eventually("websocket", || {
            socket.transport() == Some(Transport::WebSocket)
        })
        .await;
        socket.emit("hello", ()).unwrap();
        assert_eq!(second.received(1).await, [r#"/ ["hello"]"#]);
        let requests = second.state(|state| {
            assert!(state.server.violations.is_empty());
            core::mem::take(&mut state.requests)
        });
        for request in &requests {
            assert!(
                request.target().starts_with("/elsewhere/?EIO=4&"),
                "{request:?}"
            );
            for (key, value) in [("shard", "7"), ("room", "1")] {
                assert_eq!(request.query(key), Some(value));
            }
            assert_ne!(request.query("sid"), Some("x"));
            assert_ne!(request.query("transport"), Some("x"));
            assert_eq!(request.header("host"), Some(&*second.address().to_string()));
        }
        assert_eq!(first.state(|state| state.requests.len()), 1);
        // The first server has mended its ways.
        first.answer_with(|_| None);
        second.cut();
        first.joined(&["/"]).await;
        let again = first.state(|state| state.requests[1].target().to_owned());
        assert!(
            again.starts_with("/socket.io/?EIO=4")
                && again.contains("room=1")
                && !again.contains("shard"),
            "{again}"
        );
    }
}

/// A relative one stays at the server, with everything that belongs to it: a gateway that sets a cookie does so.
#[tokio::test]
async fn within_one_origin() {
    let host = Host::start();
    redirect(&host, |request| {
        let known = request.header("cookie") == Some("own=1; before=1");
        (!known).then(|| "gate/?EIO=4".to_owned())
    });
    let url = format!("http://user:secret@{}/", host.address());
    let builder = client_at(url)
        .transports([Transport::WebSocket])
        .header("Cookie", "own=1")
        .header("X-Key", "secret");
    connect(builder).await;
    let requests = host.state(|state| core::mem::take(&mut state.requests));
    let paths: Vec<_> = requests.iter().map(|r| &r.target()[..20]).collect();
    assert_eq!(paths, ["/socket.io/?EIO=4&tr", "/socket.io/gate/?EIO"]);
    for request in &requests {
        assert_eq!(
            request.header("authorization"),
            Some("Basic dXNlcjpzZWNyZXQ=")
        );
        assert_eq!(request.header("x-key"), Some("secret"));
    }
}

/// Credentials of whatever kind stay with the origin that they were given for; computed ones, too.
#[tokio::test]
async fn credentials_stay_at_their_origin() {
    let (first, second, third) = (Host::start(), Host::start(), Host::start());
    redirect(&first, to(format!("{}/socket.io/", base(&second))));
    // Back to where they may go: what is gone is gone.
    redirect(&second, to(format!("{}/socket.io/", base(&third))));
    let secrets = || {
        [
            ("Authorization", "Bearer s3cret"),
            ("Cookie", "s=s3cret"),
            ("X-Api-Key", "s3cret"),
            ("Accept-Language", "de"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let mut given = polling(&first).upgrade(false);
    for (name, value) in secrets() {
        given = given.header(name, value);
    }
    let computed = polling(&first)
        .upgrade(false)
        .headers_with(move || async move { Ok(secrets().to_vec()) });
    let url = format!("http://user:s3cret@{}/", first.address());
    let in_url = quick(client_at(url)).header("Accept-Language", "de");
    for builder in [given, computed, in_url] {
        let socket = connect(builder).await;
        let requests = first.state(|state| core::mem::take(&mut state.requests));
        assert!(requests[0].header("authorization").is_some());
        for host in [&second, &third] {
            for request in host.state(|state| core::mem::take(&mut state.requests)) {
                assert_eq!(request.header("accept-language"), Some("de"));
                assert!(request.header("user-agent").is_some());
                for name in ["authorization", "x-api-key"] {
                    assert_eq!(request.header(name), None, "{name}");
                }
                // (The third one has cookies of its own by then.)
                let cookie = request.header("cookie").unwrap_or_default();
                assert!(
                    !cookie.contains("s3cret") && !cookie.contains("before"),
                    "{cookie}"
                );
            }
        }
        socket.disconnect();
        third.empty().await;
    }
}

#[tokio::test]
async fn to_https_and_never_back() {
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("localhost"));
    let (plain, secure) = (Host::start(), Host::start());
    let front = TlsFront::start(&secure, &Settings::of(&server)).await;
    redirect(&plain, to(front.url("localhost", "/socket.io/")));
    let trusting = |url: String| {
        quick(client_at(url))
            .transports([Transport::WebSocket])
            .tls(Tls::new().ca_pem(ca.pem()))
    };
    let socket = connect(trusting(base(&plain))).await;
    socket.emit("hello", ()).unwrap();
    assert_eq!(secure.received(1).await, [r#"/ ["hello"]"#]);
    assert_eq!(front.seen().len(), 1);
    // The certificate is checked as it would be without a redirect.
    let error = refused(client(&plain)).await;
    assert_eq!(error.dial(), Some(DialErrorKind::Certificate), "{error}");
    socket.disconnect();
    secure.empty().await;

    let accepted = plain.state(|state| state.accepted);
    redirect(&secure, to(format!("{}/?token=s3cret", base(&plain))));
    let error = refused(trusting(front.url("localhost", "/"))).await;
    let line = error.to_string();
    assert_eq!(error.dial(), Some(DialErrorKind::Redirect));
    assert_eq!(error.cause(), Some(Cause::Redirect(307)));
    assert!(
        line.starts_with(&format!(
            "the server redirects (HTTP 307) to {}/?…: from https to http",
            base(&plain)
        )),
        "{line}"
    );
    assert_eq!(plain.state(|state| state.accepted), accepted);
}

#[tokio::test]
async fn loops_and_long_ways_have_an_end() {
    let (first, second) = (Host::start(), Host::start());
    redirect(&first, to(format!("{}/socket.io/", base(&second))));
    redirect(&second, to(format!("{}/socket.io/", base(&first))));
    let error = refused(client(&first)).await.to_string();
    assert!(
        error.contains("5 redirects have led there and back already, it is a loop"),
        "{error}"
    );
    let accepted = |host: &Host| host.state(|state| state.accepted);
    assert_eq!((accepted(&first), accepted(&second)), (3, 3));

    let host = Host::start();
    redirect(&host, |request| {
        Some(format!("x{}", request.target().split('?').next()?))
    });
    let error = refused(client(&host).redirects(2)).await.to_string();
    assert!(error.contains("2 have been followed already"), "{error}");
    assert_eq!(accepted(&host), 3);

    // None at all.
    let error = refused(client(&first).redirects(0)).await;
    assert_eq!(error.cause(), Some(Cause::Redirect(307)));
    assert_eq!(error.dial(), None);
    let line = error.to_string();
    assert!(
        line.contains(&base(&second)) && line.contains("use that address"),
        "{line}"
    );
    assert_eq!(accepted(&first), 4);
}

/// What answers there may be anything else: the error names the place.
#[tokio::test]
async fn to_something_else() {
    let (first, second) = (Host::start(), Host::start());
    redirect(&first, to(format!("{}/login?next=s3cret", base(&second))));
    second.answer_with(|_| {
        Some(response(
            "200 OK",
            "Content-Type: text/html\r\n",
            b"<html>Log in</html>",
        ))
    });
    let error = refused(polling(&first)).await.to_string();
    let place = format!("(after a redirect to {}/login)", base(&second));
    assert!(
        error.contains("web page") && error.ends_with(&place),
        "{error}"
    );
    // Nobody there.
    let closed = crate::support::closed_port();
    redirect(&first, to(format!("http://{closed}/socket.io/")));
    let error = refused(polling(&first)).await.to_string();
    let place = format!("(after a redirect to http://{closed}/socket.io/)");
    assert!(
        error.contains("connection refused") && error.ends_with(&place),
        "{error}"
    );
}

/// A connector is asked for the place that the redirect names.
#[tokio::test]
async fn connectors_get_the_new_target() {
    let host = Host::start();
    redirect(&host, |request| {
        let first = request.header("host") == Some("first.test");
        first.then(|| "http://second.test:81/x/".to_owned())
    });
    let address = host.address();
    let (targets, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let builder = sockeye::Client::builder("http://first.test/")
        .transports([Transport::WebSocket])
        .connector(move |target: sockeye::net::Target| {
            targets.send(target.to_string()).unwrap();
            tokio::net::TcpStream::connect(address)
        });
    connect(builder).await;
    assert_eq!(seen.recv().await.unwrap(), "first.test port 80");
    assert_eq!(seen.recv().await.unwrap(), "second.test port 81");
}
