//! Over real sockets and the clock of `embassy-time`, with handles on other threads.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use sockeye_embedded::net::Tokio;
use sockeye_embedded::{
    AnswerError, BinRef, Config, Event, Socket, Storage, Text, Transport, Transports,
};
use support::peer::{self, Frame};
use support::{config, storage};

type AnyThread = CriticalSectionRawMutex;
/// 64 KiB in (polling carries it as base64), 64 KiB out.
type Large = Storage<{ 96 << 10 }, { 96 << 10 }, AnyThread, 4, 256, 16, 3, 512, 1024, 3>;

const PATIENCE: Duration = Duration::from_secs(20);

fn assert_send<T: Send>(value: T) -> T {
    value
}

/// Runs a client on a thread of its own until the test ends; its events come as lines.
fn start(config: Config) -> (Socket<AnyThread>, mpsc::Receiver<String>) {
    let (events, log) = mpsc::channel();
    let (socket, mut runner) =
        sockeye_embedded::new(config, storage(Large::new())).expect("a valid namespace");
    assert_send(&socket);
    thread::spawn(move || {
        let handler = move |socket: &Socket<AnyThread>, event: &Event<'_>| {
            let line = match event {
                Event::Message(message) => {
                    if message.ack.is_some() {
                        // Passes the arguments on, binary included.
                        socket.reply(message, message.args).expect("room");
                    }
                    format!("{} {}", message.name, message.args.json())
                }
                Event::Connected { .. } => socket.name(|name| format!("connect {name}")),
                Event::Disconnected { reason, .. } => format!("disconnect {reason}"),
                Event::ConnectError(refusal) => {
                    format!("refused {} {:?}", refusal.message, refusal.data)
                }
                Event::Upgraded => "upgraded".into(),
                Event::MessageTooLarge { bytes, limit } => format!("too large: {bytes} of {limit}"),
                _ => return,
            };
            // Nobody listens any more at the end of a test.
            let _ = events.send(line);
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(runner.run(Tokio, handler));
    });
    (socket, log)
}

fn expect(log: &mpsc::Receiver<String>, line: &str) {
    assert_eq!(log.recv_timeout(PATIENCE).expect("an event in time"), line);
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, future)
            .await
            .expect("done in time")
    })
}

#[test]
fn handles_on_other_threads_and_a_server_that_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url: &'static str = format!("http://{}", listener.local_addr().unwrap()).leak();
    let mut config = config(url);
    config.core.reconnection.delay = Duration::from_millis(20);
    let (socket, log) = start(config);
    let server = |stream: &mut TcpStream, bytes: &mut Vec<u8>| {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let answer = loop {
            fill(stream, bytes);
            if let Some((answer, end)) = peer::upgrade(bytes) {
                bytes.drain(..end);
                break answer;
            }
        };
        stream.write_all(answer.as_bytes()).unwrap();
        stream.write_all(&peer::text(peer::OPEN)).unwrap();
        assert_eq!(frame(stream, bytes), Frame::Text("40".into()));
        stream.write_all(&peer::text(r#"40{"sid":"s"}"#)).unwrap();
    };
    let (mut stream, _) = listener.accept().unwrap();
    let mut bytes = Vec::new();
    server(&mut stream, &mut bytes);
    expect(&log, "connect /");
    // Four threads emit and wait for answers at the same time.
    let tasks: Vec<_> = (0..4u32)
        .map(|n| {
            thread::spawn(move || {
                for i in 0..50u32 {
                    let answer = block_on(socket.emit_with_ack::<_, (u32, u32)>("q", (n, i)));
                    assert_eq!(answer, Ok((n, i)));
                }
            })
        })
        .collect();
    for _ in 0..200 {
        let Frame::Text(text) = frame(&mut stream, &mut bytes) else {
            panic!("a text")
        };
        let (id, args) = text[2..]
            .split_once("[\"q\",")
            .expect("an event with an id");
        stream
            .write_all(&peer::text(&format!("43{id}[{args}")))
            .unwrap();
    }
    for task in tasks {
        task.join().unwrap();
    }
    // The server vanishes and comes back.
    drop(stream);
    expect(&log, "disconnect transport close");
    socket.emit("kept", (1,)).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    bytes.clear();
    server(&mut stream, &mut bytes);
    expect(&log, "connect /");
    assert_eq!(
        frame(&mut stream, &mut bytes),
        Frame::Text(r#"42["kept",1]"#.into())
    );
    socket.stop();
    assert_eq!(frame(&mut stream, &mut bytes), Frame::Text("41".into()));
    expect(&log, "disconnect io client disconnect");
}

fn fill(stream: &mut TcpStream, bytes: &mut Vec<u8>) {
    let mut chunk = [0; 4096];
    let n = stream.read(&mut chunk).expect("bytes in time");
    assert_ne!(n, 0, "the client has closed the connection");
    bytes.extend(&chunk[..n]);
}

fn frame(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Frame {
    loop {
        if let Some(frame) = peer::take_frame(bytes) {
            return frame;
        }
        fill(stream, bytes);
    }
}

/// The official server, as `cargo xtask servers` installs it.
struct Node(Child, BufReader<std::process::ChildStdout>);

impl Node {
    fn start(port: u16) -> (Self, u16) {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../sockeye-testkit/servers/node"
        );
        let mut command = Command::new("node");
        command
            .arg("server.js")
            .args(["--package", "v4", "--port", &port.to_string()])
            .current_dir(folder);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        let port = line
            .trim()
            .strip_prefix("{\"port\":")
            .and_then(|s| s.strip_suffix('}'))
            .expect("the port");
        let port = port.parse().expect("a number");
        (Self(child, lines), port)
    }

    fn command(&mut self, json: &str) {
        writeln!(self.0.stdin.as_mut().expect("piped"), "{json}").expect("the server listens");
        let mut line = String::new();
        self.1.read_line(&mut line).expect("an answer");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It has ended by itself where this fails.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn official_server(transports: Transports) {
    let (mut node, port) = Node::start(0);
    let mut config = config(format!("http://127.0.0.1:{port}").leak());
    config.core.transports = transports;
    config.core.reconnection.delay = Duration::from_millis(50);
    config.core.reconnection.delay_max = Duration::from_millis(200);
    let (socket, log) = start(config);
    expect(&log, "connect /");
    // The answer to the first event and the upgrade may come in either order.
    let mut upgraded = transports.first() == Transport::WebSocket;
    let mut expect = |line: &str| loop {
        match log.recv_timeout(PATIENCE).expect("an event in time") {
            seen if seen == "upgraded" && !upgraded => upgraded = true,
            seen => break assert_eq!(seen, line),
        }
    };
    expect(r#"welcome ["/"]"#);
    let chat = socket.namespace("/chat").unwrap();
    expect("connect /chat");
    expect(r#"welcome ["/chat"]"#);
    let admin = socket.namespace("/admin").unwrap();
    expect(r#"refused not authorized Some("{\"code\":401}")"#);
    assert!(!admin.active());

    // Typed arguments both ways, acknowledgements both ways.
    let answer =
        block_on(chat.emit_with_ack::<_, (u8, bool, [f32; 2])>("ack", (7, true, [0.5, -1.0])));
    assert_eq!(answer, Ok((7, true, [0.5, -1.0])));
    let text = block_on(socket.emit_with_ack_read("ack", ("\u{e6}\"\n",), |args| {
        args.parse()
            .map(|(text,): (Text<'_>,)| text == "\u{e6}\"\n")
    }));
    assert_eq!(text, Ok(true));
    socket.emit("ask", (1, BinRef(&[1, 2, 3]))).unwrap();
    expect(r#"question [1,{"_placeholder":true,"num":0}]"#);
    expect(r#"answered [1,{"_placeholder":true,"num":0}]"#);
    let silence = block_on(
        socket
            .emit_with_ack::<_, ()>("silence", ())
            .timeout(Duration::from_millis(100)),
    );
    assert!(matches!(silence, Err(AnswerError::Ack(_))));

    // 64 KiB of binary there, and back as an event.
    let blob: Vec<u8> = (0..64 << 10).map(|i| (i % 251) as u8).collect();
    let sum: u64 = blob.iter().map(|byte| u64::from(*byte)).sum();
    let size = block_on(
        socket.emit_with_ack_read("size", (BinRef(&blob),), |args| Ok(args.json().to_owned())),
    );
    let size = size.unwrap();
    assert!(
        size.contains("65536") && size.contains(&sum.to_string()),
        "{size}"
    );
    block_on(socket.flush());
    socket.emit("echo", (BinRef(&blob),)).unwrap();
    expect(r#"echo [{"_placeholder":true,"num":0}]"#);

    // The server restarts: both namespaces join again, and what was emitted meanwhile arrives.
    node.command(r#"{"id":1,"cmd":"stop"}"#);
    drop(node);
    let mut gone = [
        log.recv_timeout(PATIENCE).unwrap(),
        log.recv_timeout(PATIENCE).unwrap(),
    ];
    gone.sort();
    assert!(
        gone.iter().all(|line| line.starts_with("disconnect ")),
        "{gone:?}"
    );
    let kept = thread::spawn(move || block_on(chat.emit_with_ack::<_, (u8,)>("ack", (9,))));
    let (_node, again) = Node::start(port);
    assert_eq!(again, port);
    if gone
        .iter()
        .any(|line| line.contains("io server disconnect"))
    {
        // An orderly stop takes the sockets out: then it is the application that connects again.
        socket.connect();
        chat.connect();
    }
    assert_eq!(kept.join().unwrap(), Ok((9,)));
    block_on(socket.ready());
    assert!(socket.connected() && chat.connected());
    assert!(socket.transport().is_some());
}

#[test]
#[ignore = "needs Node and `cargo xtask servers`"]
fn official_server_on_websocket() {
    official_server(Transports::WEBSOCKET);
}

#[test]
#[ignore = "needs Node and `cargo xtask servers`"]
fn official_server_on_polling() {
    official_server(Transports::POLLING);
}

#[test]
#[ignore = "needs Node and `cargo xtask servers`"]
fn official_server_with_upgrade() {
    official_server(Transports::POLLING_FIRST);
}
