//! Redirects of the handshake: what the core leaves to the driver, and what it does with the answer.

use sockeye_core::{
    Client, Config, Event, Instant, Link, Memory, NspOptions, Output, Server, Transports,
};
use sockeye_testkit::{Request, config, response};

const NOW: Instant = Instant::ZERO;
const OPEN: &[u8] = b"0{\"sid\":\"E1\",\"upgrades\":[]}";

/// A client with its outputs written down, and a driver's judgement of redirects.
struct Driver {
    client: Client<'static>,
    judge: fn(&mut Client<'static>, Link),
    log: Vec<String>,
    sent: Vec<u8>,
}

fn following(transports: Transports) -> Config<'static> {
    let mut config = config(transports);
    config.follow_redirects = true;
    config.query = sockeye_core::text("a=1");
    config.headers = sockeye_core::text("Authorization: x\r\n");
    config
}

fn elsewhere(same_origin: bool) -> Server {
    Server {
        host: "there:1".into(),
        path: "/other/".into(),
        query: "b=2".into(),
        headers: "X: y\r\n".into(),
        same_origin,
    }
}

impl Driver {
    fn new(config: Config<'static>, judge: fn(&mut Client<'static>, Link)) -> Self {
        let memory = Memory::growable(&config.limits);
        let mut driver = Self {
            client: Client::new(config, memory),
            judge,
            log: Vec::new(),
            sent: Vec::new(),
        };
        let nsp = driver
            .client
            .namespace("/", NspOptions::default())
            .expect("room");
        driver.client.connect(NOW, nsp);
        driver.drain();
        driver
    }

    fn drain(&mut self) {
        loop {
            match self.client.poll_output() {
                Output::Open(link) => {
                    self.log.push(format!("open {link:?}"));
                    if let Some(redirect) = self.client.redirect() {
                        let (status, to) = (redirect.status, redirect.location.len());
                        self.log.push(format!("redirect {status}, {to} bytes"));
                        (self.judge)(&mut self.client, link);
                    }
                    self.client.handle_opened(NOW, link);
                }
                Output::Transmit(link) => {
                    let bytes = self.client.transmit(link);
                    self.sent.extend_from_slice(bytes);
                    let n = bytes.len();
                    self.client.transmitted(link, n);
                }
                Output::Close(link) => self.log.push(format!("close {link:?}")),
                Output::Event(Event::Closed { details, .. }) => {
                    self.log.push(format!("closed: {details}"));
                }
                Output::Event(Event::Opened { .. }) => self.log.push("opened".into()),
                Output::Event(_) => (),
                Output::Idle(_) => return,
            }
        }
    }

    fn reply(&mut self, link: Link, bytes: &[u8]) {
        for piece in bytes.chunks(7) {
            let buf = self.client.receive_buf(link);
            let n = piece.len().min(buf.len());
            buf[..n].copy_from_slice(&piece[..n]);
            self.client.handle_received(NOW, link, n);
            self.drain();
        }
    }

    /// The last request, written anew: its target and what matters of its headers.
    fn request(&mut self) -> String {
        let (request, len) = Request::parse(&self.sent).expect("a request");
        self.sent.drain(..len);
        let header = |name: &str| request.header(name).unwrap_or("-").to_owned();
        format!(
            "{} {} host={} x={} authorization={} cookie={}",
            request.method(),
            request.target(),
            header("host"),
            header("x"),
            header("authorization"),
            header("cookie"),
        )
    }

    fn take_log(&mut self) -> String {
        core::mem::take(&mut self.log).join("\n")
    }
}

fn redirect(headers: &str) -> Vec<u8> {
    // More of a body than anyone waits for.
    format!("HTTP/1.1 302 Found\r\n{headers}Content-Length: 99999999\r\n\r\nmoved").into_bytes()
}

/// The session lives at the new server, and the next attempt begins at the old one, with its cookies.
#[test]
fn the_session_lives_where_it_was_sent() {
    let mut driver = Driver::new(following(Transports::POLLING), |client, _| {
        client.follow_redirect(elsewhere(false));
    });
    let first = driver.request();
    assert!(
        first.starts_with("GET /socket.io/?EIO=4&transport=polling&a=1 host=h ")
            && first.ends_with(" x=- authorization=x cookie=-"),
        "{first}"
    );
    driver.reply(
        Link::Poll,
        &redirect("Set-Cookie: old=1\r\nLocation: http://there:1/other/\r\n"),
    );
    assert_eq!(
        driver.take_log(),
        "open Poll\nclose Poll\nopen Poll\nredirect 302, 21 bytes"
    );
    let second = driver.request();
    assert!(
        second.starts_with("GET /other/?EIO=4&transport=polling&b=2 host=there:1 ")
            && second.ends_with(" x=y authorization=- cookie=-"),
        "{second}"
    );
    driver.reply(
        Link::Poll,
        &response("200 OK", "Set-Cookie: new=1\r\n", OPEN),
    );
    assert_eq!(driver.take_log(), "opened\nopen Post");
    // The next poll and the CONNECT packet, on the link for POSTs.
    for method in ["GET", "POST"] {
        let request = driver.request();
        assert!(
            request.starts_with(&format!("{method} /other/?EIO=4"))
                && request.contains("sid=E1&b=2 host=there:1 x=y authorization=- cookie=new=1"),
            "{request}"
        );
    }
    driver.client.handle_closed(NOW, Link::Poll, Some("cut"));
    driver.drain();
    driver.sent.clear();
    let log = driver.take_log();
    assert!(
        log.starts_with("close Poll") && log.contains("closed: "),
        "{log}"
    );
    let later = Instant::from_millis(60_000);
    driver.client.handle_timeout(later);
    driver.drain();
    let third = driver.request();
    assert!(
        third.starts_with("GET /socket.io/?EIO=4")
            && third.ends_with("&a=1 host=h x=- authorization=x cookie=old=1"),
        "{third}"
    );
}

/// Cookies go along within an origin: a gateway sets one, and sends the client to where it was.
#[test]
fn cookies_stay_within_their_origin() {
    let mut driver = Driver::new(following(Transports::WEBSOCKET), |client, _| {
        client.follow_redirect(elsewhere(true));
    });
    driver.request();
    driver.reply(
        Link::WebSocket,
        &redirect("Location: /other/\r\nSet-Cookie: gate=1\r\n"),
    );
    let second = driver.request();
    assert!(
        second.starts_with("GET /other/?EIO=4&transport=websocket&b=2 host=there:1")
            && second.ends_with("cookie=gate=1"),
        "{second}"
    );
    assert_eq!(
        driver.take_log(),
        "open WebSocket\nclose WebSocket\nopen WebSocket\nredirect 302, 7 bytes"
    );
}

#[test]
fn what_the_driver_refuses_is_told() {
    for judge in [
        (|client, link| client.refuse_redirect(NOW, link)) as fn(&mut Client<'static>, Link),
        // A driver that does not look must not go round and round.
        |_, _| (),
    ] {
        let mut driver = Driver::new(following(Transports::WEBSOCKET), judge);
        driver.reply(Link::WebSocket, &redirect("Location: http://b/\r\n"));
        let log = driver.take_log();
        assert!(
            log.ends_with("closed: the server redirects (HTTP 302) to http://b/: use that address"),
            "{log}"
        );
        assert!(driver.client.redirect().is_none());
        driver.client.follow_redirect(elsewhere(true));
        // The next attempt begins at the configured server.
        driver.sent.clear();
        driver.client.handle_timeout(Instant::from_millis(60_000));
        driver.drain();
        assert!(driver.request().starts_with("GET /socket.io/?EIO=4"));
    }
}

/// No redirect of the handshake, or not asked for: an error as before.
#[test]
fn what_is_not_followed() {
    let unasked = || {
        let mut config = following(Transports::POLLING);
        config.follow_redirects = false;
        config
    };
    for (config, answer, log) in [
        (
            unasked(),
            redirect("Location: /x\r\n"),
            // The rest of the body is waited for.
            "open Poll",
        ),
        (
            following(Transports::POLLING),
            response("302 Found", "", b""),
            "open Poll\nclose Poll\nclosed: the server redirects (HTTP 302) to : use that address",
        ),
        (
            following(Transports::POLLING),
            response("304 Not Modified", "Location: /x\r\n", b""),
            "open Poll\nclose Poll\nclosed: the server redirects (HTTP 304) to /x: use that address",
        ),
    ] {
        let mut driver = Driver::new(config, |_, _| panic!("nothing to judge"));
        driver.reply(Link::Poll, &answer);
        assert_eq!(driver.take_log(), log);
    }
    // A poll of a session that is open.
    let mut driver = Driver::new(following(Transports::POLLING), |_, _| panic!("none"));
    driver.reply(Link::Poll, &response("200 OK", "", OPEN));
    driver.take_log();
    driver.reply(Link::Poll, &response("302 Found", "Location: /x\r\n", b""));
    let log = driver.take_log();
    assert!(
        log.contains("closed: the server redirects (HTTP 302) to /x"),
        "{log}"
    );
}
