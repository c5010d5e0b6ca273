//! Proxies of all kinds, named by option or by the environment.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use sockeye::Transport;
use sockeye::net::{DialErrorKind, Tls};
use sockeye_testkit::certificates::{Authority, Leaf};
use sockeye_testkit::relay::Relay;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::peers::{Lines, Settings, TlsFront, head, join_and_leave, listener};
use crate::support::{Host, client_at, quick, within};

/// An HTTP proxy for one server, whatever is asked for; the heads that it gets.
async fn http_proxy(server: SocketAddr, answer: &'static str) -> (Relay, Lines) {
    let lines = Lines::default();
    let notes = Arc::clone(&lines);
    let relay = Relay::start(listener().await, move |mut stream: TcpStream| {
        let notes = Arc::clone(&notes);
        async move {
            tunnel(&mut stream, &notes, answer).await?;
            Ok((stream, server))
        }
    });
    (relay, lines)
}

async fn tunnel<S>(stream: &mut S, lines: &Lines, answer: &str) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let head = head(stream).await?;
    lines.lock().expect("sound").push(head);
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await?;
    if answer.contains(" 200 ") {
        return Ok(());
    }
    stream.shutdown().await?;
    Err(io::ErrorKind::ConnectionRefused.into())
}

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// Plain connections and TLS through CONNECT, with credentials; the name is the proxy's to resolve.
#[tokio::test]
async fn connect_with_credentials() {
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("example.test"));
    let host = Host::start();
    let front = TlsFront::start(&host, &Settings::of(&server)).await;
    for (scheme, port, address) in [
        ("ws", 80, host.address()),
        ("wss", 443, front.relay.address()),
    ] {
        let (proxy, heads) = http_proxy(address, ESTABLISHED).await;
        let builder = client_at(format!("{scheme}://example.test/"))
            .proxy(format!("http://user:p%40ss@{}", proxy.address()))
            .tls(Tls::new().ca_pem(ca.pem()))
            .transports([Transport::WebSocket]);
        join_and_leave("connect", &host, builder).await;
        let expected = format!(
            "CONNECT example.test:{port} HTTP/1.1\r\nHost: example.test:{port}\r\nUser-Agent: sockeye/{}\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n\r\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(*heads.lock().unwrap(), [expected]);
    }
    // The proxy's credentials are not the server's.
    host.state(|state| {
        assert!(
            state
                .requests
                .iter()
                .all(|request| request.header("proxy-authorization").is_none())
        );
    });
}

/// What a proxy refuses, and what is no proxy: told, and tried again.
#[tokio::test]
async fn refusals() {
    let host = Host::start();
    for (answer, words) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "it wants credentials",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "(HTTP 403 Forbidden): it does not allow",
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "it cannot reach the server",
        ),
        ("220 ready\r\n", "does not answer in HTTP"),
        ("", "closed the connection before it answered"),
    ] {
        let (proxy, _) = http_proxy(host.address(), answer).await;
        let builder = client_at("http://example.test/")
            .proxy(proxy.address().to_string())
            .reconnection(false);
        let error = within("connect", builder.connect()).await.unwrap_err();
        let line = error.to_string();
        assert!(
            line.contains(words)
                && line.contains("the proxy 127.0.0.1 port")
                && !line.contains('\n'),
            "{line}"
        );
        assert_eq!(error.dial(), Some(DialErrorKind::Proxy));
    }
    let closed = crate::support::closed_port();
    let builder = client_at("http://example.test/")
        .proxy(closed.to_string())
        .reconnection(false);
    let error = within("connect", builder.connect()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the proxy cannot be reached: connection refused"),
        "{error}"
    );
    for (bad, words) in [
        ("ftp://h", "scheme ftp"),
        ("http://u:secret@", "bad proxy URL"),
    ] {
        let error = client_at("http://example.test/")
            .proxy(bad)
            .open()
            .unwrap_err();
        assert!(
            error.to_string().contains(words) && !error.to_string().contains("secret"),
            "{error}"
        );
    }
}

/// TLS to the proxy, and TLS to the server within.
#[tokio::test]
async fn https_proxy() {
    let ca = Authority::new("Test CA");
    let server = ca.issue(&Leaf::named("example.test"));
    let identity = ca.issue(&Leaf::named("localhost"));
    let host = Host::start();
    let front = TlsFront::start(&host, &Settings::of(&server)).await;
    for (url, address) in [
        ("http://example.test/", host.address()),
        ("https://example.test/", front.relay.address()),
    ] {
        let acceptor = tokio_rustls::TlsAcceptor::from(Settings::of(&identity).config());
        let lines = Lines::default();
        let notes = Arc::clone(&lines);
        let proxy = Relay::start(listener().await, move |stream: TcpStream| {
            let (acceptor, notes) = (acceptor.clone(), Arc::clone(&notes));
            async move {
                let mut stream = acceptor.accept(stream).await?;
                tunnel(&mut stream, &notes, ESTABLISHED).await?;
                Ok((stream, address))
            }
        });
        let builder = client_at(url)
            .proxy(format!("https://localhost:{}", proxy.address().port()))
            .tls(Tls::new().ca_pem(ca.pem()));
        let socket = within("connect", builder.connect()).await.unwrap();
        let text = "z".repeat(1 << 20);
        let before = host.state(|state| state.server.received.len());
        socket.emit("big", (&text,)).unwrap();
        let received = host.received(before + 1).await;
        assert!(received[before] == format!(r#"/ ["big","{text}"]"#));
        socket.disconnect();
        host.empty().await;
        // The certificate of the proxy is checked as the server's is.
        let builder = client_at(url)
            .proxy(format!("https://127.0.0.1:{}", proxy.address().port()))
            .tls(Tls::new().ca_pem(ca.pem()));
        let error = within("connect", quick(builder).connect())
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("is for localhost, not for 127.0.0.1"),
            "{error}"
        );
    }
}

/// SOCKS 5 with the name left to the proxy, and with an address.
#[tokio::test]
async fn socks() {
    let host = Host::start();
    for (scheme, credentials, address) in [
        (
            "socks5h",
            "",
            [&[3, 12], b"example.test".as_slice()].concat(),
        ),
        ("socks5", "u:pw@", vec![1, 10, 1, 2, 3]),
    ] {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (server, notes) = (host.address(), Arc::clone(&asked));
        let len = address.len();
        let proxy = Relay::start(listener().await, move |mut stream: TcpStream| {
            let notes = Arc::clone(&notes);
            async move {
                let mut greeting = [0; 2];
                stream.read_exact(&mut greeting).await?;
                let mut methods = vec![0; greeting[1].into()];
                stream.read_exact(&mut methods).await?;
                if credentials.is_empty() {
                    stream.write_all(&[5, 0]).await?;
                } else {
                    assert!(methods.contains(&2));
                    stream.write_all(&[5, 2]).await?;
                    let mut message = [0; 6];
                    stream.read_exact(&mut message).await?;
                    assert_eq!(&message, b"\x01\x01u\x02pw");
                    stream.write_all(&[1, 0]).await?;
                }
                let mut request = vec![0; 3 + len + 2];
                stream.read_exact(&mut request).await?;
                notes.lock().unwrap().push(request);
                stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
                Ok((stream, server))
            }
        });
        let builder = client_at("http://example.test:8000/")
            .resolve("example.test", ["10.1.2.3".parse().unwrap()])
            .proxy(format!("{scheme}://{credentials}{}", proxy.address()))
            .transports([Transport::WebSocket]);
        join_and_leave(scheme, &host, builder).await;
        let expected = [[5, 1, 0].as_slice(), &address, &8000_u16.to_be_bytes()].concat();
        assert_eq!(*asked.lock().unwrap(), [expected]);
    }
}

/// Runs in a process of its own, by tests that set its environment.
#[tokio::test]
#[ignore = "run by the tests that need an environment of their own"]
async fn environment_child() {
    let Ok(url) = std::env::var("SOCKEYE_TEST_URL") else {
        return;
    };
    let mut builder = client_at(url).transports([Transport::WebSocket]);
    if std::env::var_os("SOCKEYE_TEST_NO_PROXY").is_some() {
        builder = builder.no_proxy();
    }
    if let Ok(words) = std::env::var("SOCKEYE_TEST_ERROR") {
        let error = builder.open().unwrap_err().to_string();
        assert!(
            error.contains(&words) && !error.contains("secret"),
            "{error}"
        );
        return;
    }
    let refused = std::env::var("SOCKEYE_TEST_REFUSED").unwrap_or_default();
    match within("connect", builder.connect()).await {
        Ok(_) => assert_eq!(refused, ""),
        Err(error) => assert!(
            !refused.is_empty() && error.to_string().contains(&refused),
            "{error}"
        ),
    }
}

/// The environment's proxy is used by default, and not for hosts of `NO_PROXY` nor against `no_proxy()`.
#[cfg(feature = "proxy")]
#[tokio::test]
async fn environment() {
    let host = Host::start();
    let (proxy, heads) = http_proxy(host.address(), ESTABLISHED).await;
    let local = host.url("/");
    for (url, variable, extra, through) in [
        ("http://example.test/", "HTTP_PROXY", ("X", ""), true),
        ("http://example.test/", "all_proxy", ("X", ""), true),
        (
            local.as_str(),
            "HTTP_PROXY",
            ("NO_PROXY", "127.0.0.0/8"),
            false,
        ),
        (
            local.as_str(),
            "HTTP_PROXY",
            ("SOCKEYE_TEST_NO_PROXY", "1"),
            false,
        ),
        (local.as_str(), "HTTPS_PROXY", ("X", ""), false),
        // What cannot be used is told, and not gone around; hosts that need no proxy do not care.
        (
            "http://h.test/",
            "HTTP_PROXY=http://u:secret@",
            ("SOCKEYE_TEST_ERROR", "HTTP_PROXY"),
            false,
        ),
        (
            "http://h.test/",
            "all_proxy=socks4://h",
            ("SOCKEYE_TEST_ERROR", "ALL_PROXY"),
            false,
        ),
        (
            local.as_str(),
            "HTTP_PROXY=http://u:secret@",
            ("NO_PROXY", "127.0.0.1"),
            false,
        ),
    ] {
        let proxy = format!("http://{}", proxy.address());
        let (variable, value) = variable.split_once('=').unwrap_or((variable, &proxy));
        heads.lock().unwrap().clear();
        let child = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "proxies::environment_child", "--include-ignored"])
            .env_clear()
            .env("SOCKEYE_TEST_URL", url)
            .env(variable, value)
            .env(extra.0, extra.1)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = within("the child", child).await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{url} {variable}: {text}"
        );
        assert_eq!(
            heads.lock().unwrap().len(),
            usize::from(through),
            "{url} {variable} {extra:?}"
        );
        host.empty().await;
    }
}
