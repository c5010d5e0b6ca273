//! The command `sockeye`, as a program, where its options need a server that only others have: MessagePack, compression,
//! older servers, and certificates of clients.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use sockeye_testkit::certificates::{Authority, Leaf};
use tokio::process::Command;

use crate::link::Link;
use crate::server::{Kind, Server};
use crate::tls::{self, PemFile};
use crate::wait::within;

/// The command, built beside this program.
pub(crate) fn sockeye() -> PathBuf {
    let own = std::env::current_exe().expect("a program has a path");
    let folder = own.ancestors().nth(2).expect("a target folder");
    let command = folder.join(format!("sockeye{}", std::env::consts::EXE_SUFFIX));
    assert!(
        command.exists(),
        "the command is not built; run `cargo build -p sockeye-cli` once"
    );
    command
}

/// Runs the command to its end.
async fn run(args: &[&str]) -> Output {
    let mut command = Command::new(sockeye());
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    within("the command's end", command.output())
        .await
        .expect("the command starts")
}

/// What a run that went well has printed, an argument of the answer a line.
async fn answer(args: &[&str]) -> Vec<Value> {
    let output = run(args).await;
    let (out, err) = texts(&output);
    assert!(output.status.success() && err.is_empty(), "{args:?}: {err}");
    let lines = out.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("lines of JSON")
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

scenario!(packets_are_message_pack on node_4_8_msgpack Node48Msgpack);
async fn packets_are_message_pack(kind: Kind) {
    let server = Server::start(kind).await;
    let url = server.url("/");
    let bytes = "{\"_bin\":\"AQL/\"}";
    for transport in ["polling", "websocket", "both"] {
        let args = [
            "emit",
            &url,
            "inspect",
            bytes,
            "{\"n\":[1,null]}",
            "--ack",
            "-t",
            transport,
        ];
        let seen = answer(&[&args[..], &["--parser", "msgpack"]].concat()).await;
        assert_eq!(
            seen,
            [json!([{"$bin": "0102ff"}, {"n": [1, null]}])],
            "{transport}"
        );
    }
    // The server does not understand JSON, and does not say so either.
    let args = [
        "emit",
        &url,
        "ack",
        "1",
        "--ack",
        "--no-reconnect",
        "--connect-timeout",
        "2s",
    ];
    assert!(!run(&args).await.status.success());
}

scenario!(a_listener_reads_message_pack on node_4_8_msgpack Node48Msgpack);
async fn a_listener_reads_message_pack(kind: Kind) {
    let server = Server::start(kind).await;
    let url = server.url("/chat");
    let args = [
        "listen", &url, "welcome", "--count", "1", "--json", "--parser", "msgpack",
    ];
    let events = answer(&args).await;
    let event = events.iter().find(|record| record["type"] == "event");
    assert_eq!(event.expect("an event")["args"], json!(["/chat"]));
}

scenario!(messages_are_compressed on node_4_8 Node48, node_4_8_tls Node48Tls);
async fn messages_are_compressed(kind: Kind) {
    let server = Server::start_with(kind, &["--deflate", "0"]).await;
    let (url, authority) = (server.url("/"), PemFile::authority());
    let args = [
        "emit",
        &url,
        "describe",
        "--ack",
        "-t",
        "websocket",
        "--cacert",
        authority.path(),
    ];
    let plain = answer(&args).await;
    assert_eq!(plain[0]["extensions"], json!(""));
    let agreed = answer(&[&args[..], &["--compress"]].concat()).await;
    assert_eq!(agreed[0]["extensions"], json!("permessage-deflate"));
}

// What goes over the wire, both ways, is a small part of what it was.
scenario!(compression_saves_bytes on node_4_8 Node48);
async fn compression_saves_bytes(kind: Kind) {
    let server = Server::start_with(kind, &["--deflate", "0"]).await;
    let text = format!("{:?}", "sockeye ".repeat(10_000));
    let mut forwarded = Vec::new();
    for more in [&[][..], &["--compress"]] {
        let link = Link::to(server.port).await;
        let url = link.url("/");
        let args = ["emit", &url, "ack", &text, "--ack", "-t", "websocket"];
        let same = answer(&[&args[..], more].concat()).await;
        assert_eq!(same[0].to_string(), text);
        forwarded.push(link.forwarded());
    }
    let [plain, compressed] = forwarded[..] else {
        unreachable!("there are two runs")
    };
    assert!(plain > 160_000 && compressed < 10_000, "{forwarded:?}");
}

scenario!(a_certificate_lets_in on node_4_8_tls Node48Tls);
async fn a_certificate_lets_in(kind: Kind) {
    let authority = PemFile::authority();
    let server = Server::start_with(kind, &["--client-ca", authority.path()]).await;
    let identity = tls::client();
    let (certificate, key) = (PemFile::certificate(&identity), PemFile::key(&identity));
    let both = PemFile::both(&identity);
    let url = server.url("/");
    for transport in ["polling", "websocket", "both"] {
        let args = [
            "emit",
            &url,
            "describe",
            "--ack",
            "--no-reconnect",
            "-t",
            transport,
            "--cacert",
            authority.path(),
        ];
        for own in [
            &["--cert", certificate.path(), "--key", key.path()][..],
            &["--cert", both.path()],
        ] {
            let me = answer(&[&args[..], own].concat()).await;
            assert_eq!(me[0]["peer"], "somebody", "{transport}");
        }
        // Without one, and with one of somebody else's. Node's alert may be overtaken by the reset of the connection, so
        // that nothing can be expected of the words.
        let stranger = Authority::new("strangers").issue(&Leaf::client("somebody"));
        let stranger = PemFile::both(&stranger);
        for own in [&[][..], &["--cert", stranger.path()]] {
            let output = run(&[&args[..], own].concat()).await;
            let (out, err) = texts(&output);
            assert!(
                !output.status.success() && out.is_empty() && !err.is_empty(),
                "{transport} {own:?}: {out}"
            );
        }
    }
}

scenario!(older_servers_by_the_command on node_2_5 Node25, node_1_7 Node17);
async fn older_servers_by_the_command(kind: Kind) {
    let server = Server::start(kind).await;
    let url = server.url("/?color=blue");
    let args = ["emit", &url, "describe", "--ack", "--no-reconnect"];
    for transport in ["polling", "websocket", "both"] {
        for own in [&[][..], &["--eio", "auto"], &["--eio", "3"]] {
            let me = answer(&[&args[..], &["-t", transport], own].concat()).await;
            assert_eq!(me[0]["query"]["color"], "blue", "{transport} {own:?}");
        }
    }
    for (own, said) in [
        (&["--eio", "4"][..], "Socket.IO 2"),
        (&["--auth", "{\"token\":1}"], "query"),
    ] {
        let output = run(&[&args[..], own].concat()).await;
        let (out, err) = texts(&output);
        assert!(
            !output.status.success() && out.is_empty() && err.contains(said),
            "{own:?}: {err}"
        );
    }
}
