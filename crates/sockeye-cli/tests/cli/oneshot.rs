//! `emit`, `listen` and `demo`.

use serde_json::json;

use crate::{Talk, server, sockeye};

#[tokio::test]
async fn an_answer_is_printed_one_argument_a_line() {
    let server = server::start().await;
    for transport in ["both", "polling", "websocket"] {
        let outcome = sockeye(&[
            "emit",
            &server.url("/"),
            "echo",
            "\"hi é\"",
            "{\"n\": [1, null]}",
            "--ack",
            "-t",
            transport,
        ])
        .await;
        assert_eq!(
            (outcome.code, outcome.out.as_str(), outcome.err.as_str()),
            (Some(0), "\"hi é\"\n{\"n\":[1,null]}\n", ""),
            "{transport}"
        );
    }
}

#[tokio::test]
async fn a_file_is_sent_as_binary_and_binary_is_printed_as_base64() {
    let server = server::start().await;
    let file = std::env::temp_dir().join(format!("sockeye-cli-{}.bin", std::process::id()));
    std::fs::write(&file, [1, 2, 3]).unwrap();
    let argument = format!("@{}", file.display());
    let url = server.url("/");
    for more in [
        &[][..],
        &["--force-base64", "-t", "polling"],
        &["-t", "websocket"],
    ] {
        let args = [&["emit", &url, "turn", &argument, "--ack"], more].concat();
        let outcome = sockeye(&args).await;
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (Some(0), "3\n{\"_bin\":\"AwIB\"}\n"),
            "{more:?} {}",
            outcome.err
        );
    }
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn without_ack_nothing_is_printed_and_the_event_arrives() {
    let server = server::start().await;
    let mut listener = Talk::start(&[
        "listen",
        &server.url("/"),
        "--json",
        "--count",
        "1",
        "welcome",
    ]);
    listener.of("event").await;
    assert_eq!(listener.end().await.0, Some(0));
    let outcome = sockeye(&["emit", &server.url("/"), "silent", "1"]).await;
    assert_eq!(
        (outcome.code, outcome.out.as_str(), outcome.err.as_str()),
        (Some(0), "", "")
    );
    for (volatile, wanted) in [
        (&[][..], &["queued", "sent"][..]),
        (&["--volatile"], &["queued"]),
    ] {
        let url = server.url("/");
        let outcome = sockeye(&[&["emit", &url, "silent", "--json"], volatile].concat()).await;
        assert_eq!(outcome.code, Some(0));
        let told: Vec<_> = outcome
            .records()
            .into_iter()
            .filter(|record| record["event"] == "silent")
            .collect();
        let wanted: Vec<_> = wanted
            .iter()
            .map(|kind| json!({"type": kind, "namespace": "/", "event": "silent"}))
            .collect();
        // It may have come amidst the upgrade to WebSocket: then its end is told.
        let (sure, dropped) = told.split_at(wanted.len().min(told.len()));
        assert_eq!(sure, wanted, "{volatile:?}");
        let may_drop = usize::from(!volatile.is_empty());
        assert!(dropped.len() <= may_drop, "{dropped:?}");
        for record in dropped {
            assert_eq!(record["type"], "unsent");
        }
    }
}

#[tokio::test]
async fn exit_codes_tell_what_went_wrong() {
    let server = server::start().await;
    let outcome = sockeye(&[
        "emit",
        &server.url("/"),
        "silent",
        "--ack",
        "--timeout",
        "200ms",
    ])
    .await;
    assert_eq!(outcome.code, Some(3));
    assert!(
        outcome.complaint().contains("no acknowledgement of silent"),
        "{outcome:?}"
    );

    let outcome = sockeye(&[
        "emit",
        &server.url("/secret"),
        "echo",
        "--auth",
        "{\"token\":\"bad\"}",
    ])
    .await;
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.complaint().contains("wrong token"), "{outcome:?}");
    let outcome = sockeye(&[
        "emit",
        &server.url("/secret"),
        "sum",
        "2",
        "3",
        "--ack",
        "--auth",
        "{\"token\":\"good\"}",
    ])
    .await;
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), "5\n"));

    let outcome = sockeye(&["emit", &server.url("/"), "kick me", "--ack"]).await;
    assert_eq!(outcome.code, Some(4), "{outcome:?}");

    let outcome = sockeye(&["emit", &server.url("/"), "disconnect"]).await;
    assert_eq!(outcome.code, Some(2), "a reserved name: {outcome:?}");
    assert!(outcome.complaint().contains("disconnect"));

    // A port that is taken, and refuses connections.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let free = closed.local_addr().unwrap();
    let outcome = sockeye(&["listen", &format!("http://{free}")]).await;
    assert_eq!(outcome.code, Some(1));
    outcome.complaint();
    let attempts = [
        "--reconnect-attempts",
        "2",
        "--reconnect-delay",
        "10ms",
        "--json",
    ];
    let outcome = sockeye(&[&["listen", &format!("http://{free}")], &attempts[..]].concat()).await;
    assert_eq!(outcome.code, Some(1));
    let kinds: Vec<_> = outcome
        .records()
        .iter()
        .map(|record| record["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| *kind == "reconnect_attempt")
            .count(),
        2,
        "{kinds:?}"
    );
    assert_eq!(kinds.last().map(String::as_str), Some("reconnect_failed"));
}

#[tokio::test]
async fn servers_of_another_kind_are_named_in_one_line() {
    let pages = [
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<html>hi</html>",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "",
    ];
    for page in pages {
        let server = server::other(page).await;
        for transport in ["polling", "websocket"] {
            let outcome = sockeye(&["emit", &server.url("/"), "x", "-t", transport]).await;
            assert_eq!(outcome.code, Some(1), "{page:?} {outcome:?}");
            outcome.complaint();
        }
    }
    for url in [
        "",
        "not a url",
        "http://",
        "ftp://host",
        "http://host:99999",
        "http://[::1",
    ] {
        let outcome = sockeye(&["emit", url, "x"]).await;
        assert_eq!(outcome.code, Some(2), "{url}: {outcome:?}");
        outcome.complaint();
    }
    // The library's advice names methods that nobody has here.
    for header in ["Host: other", "Sec-WebSocket-Protocol: other"] {
        let outcome = sockeye(&["emit", "http://localhost:1", "x", "-H", header]).await;
        assert_eq!(outcome.code, Some(2), "{header}: {outcome:?}");
        assert!(!outcome.complaint().contains("builder"), "{outcome:?}");
    }
}

#[tokio::test]
async fn listen_prints_answers_and_ends() {
    let server = server::start().await;
    let url = server.url("/chat?from=url");
    let outcome = sockeye(&[
        "listen",
        &url,
        "welcome",
        "--count",
        "1",
        "-H",
        "X-Test: yes",
        "-q",
        "k=v",
        "--auth",
        "{\"a\": 1}",
    ])
    .await;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(
        outcome.out.starts_with("< /chat welcome {"),
        "{}",
        outcome.out
    );
    for part in [
        "\"header\": \"yes\"",
        "k=v",
        "from=url",
        "\"auth\": {\"a\": 1}",
    ] {
        assert!(outcome.out.contains(part), "{part}: {}", outcome.out);
    }
    assert!(outcome.err.contains("joined /chat"), "{}", outcome.err);
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_command_quietly() {
    let server = server::start().await;
    let mut talk = Talk::start(&["connect", &server.url("/"), "--json"]);
    talk.of("connect").await;
    let Talk {
        mut child,
        mut stdin,
        stdout,
        ..
    } = talk;
    drop(stdout);
    // Whatever is printed next finds nobody.
    let line = b"{\"cmd\":\"status\"}\n";
    let ended = async {
        loop {
            if let Some(stdin) = &mut stdin {
                let _ = tokio::io::AsyncWriteExt::write_all(stdin, line).await;
            }
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let status = tokio::time::timeout(crate::LIMIT, ended)
        .await
        .expect("the command ends");
    assert_eq!(status.code(), Some(0));
}

#[cfg(feature = "demo")]
#[tokio::test]
async fn the_demo_checks_itself() {
    let outcome = sockeye(&["demo", "--duration", "3s", "--port", "0"]).await;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let (first, last) = ("Sockeye demo: open http://127.0.0.1:", "All of it worked.");
    assert!(
        outcome.out.starts_with(first) && outcome.out.trim_end().ends_with(last),
        "{}",
        outcome.out
    );
    assert!(
        outcome.out.contains("5 of 5 joined") && outcome.out.contains("1 (links cut: 1)"),
        "{}",
        outcome.out
    );
}

#[tokio::test]
async fn arguments_from_stdin_and_words_that_are_texts() {
    let server = server::start().await;
    let url = server.url("/");
    let mut talk = Talk::start(&["emit", &url, "turn", "@-", "--ack", "--json"]);
    let stdin = talk.stdin.as_mut().unwrap();
    tokio::io::AsyncWriteExt::write_all(stdin, &[1, 2, 3])
        .await
        .unwrap();
    drop(talk.stdin.take());
    assert_eq!(talk.of("ack").await["args"], json!([3, {"_bin": "AwIB"}]));
    assert_eq!(talk.end().await.0, Some(0));

    let outcome = sockeye(&["emit", &url, "echo", "hello you", "5", "--text", "--ack"]).await;
    assert_eq!(outcome.out, "\"hello you\"\n5\n", "{}", outcome.err);
    let outcome = sockeye(&["emit", &url, "echo", "hello"]).await;
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.complaint().contains("--text"), "{outcome:?}");
    // Two readers of stdin, one of them the commands.
    for args in [
        &["emit", &url, "echo", "@-", "@-"][..],
        &["connect", &url, "--json", "--auth", "@-"],
    ] {
        let outcome = sockeye(args).await;
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.complaint().contains("stdin"), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_used() {
    let folder = std::env::temp_dir().join(format!("sockeye-cacert-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("no.pem");
    let path = file.to_str().unwrap();
    let args = ["emit", "https://localhost:1", "x", "--cacert", path];
    let outcome = sockeye(&args).await;
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.complaint().contains(path), "{outcome:?}");
    std::fs::write(&file, "no certificate").unwrap();
    let outcome = sockeye(&args).await;
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.complaint().contains("BEGIN CERTIFICATE"),
        "{outcome:?}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
    let outcome = sockeye(&[&args[..], &["--insecure"]].concat()).await;
    assert_eq!(outcome.code, Some(2));
}

#[tokio::test]
async fn the_way_to_the_server() {
    let server = server::start().await;
    let port = server.url("").rsplit(':').next().unwrap().to_owned();
    let port = port.trim_end_matches('/').to_owned();
    // A name that no DNS knows, and an environment's proxy that is not there.
    let url = format!("http://nowhere.invalid:{port}/");
    let given = format!("nowhere.invalid:{port}:127.0.0.1");
    let args = [
        "emit",
        &url,
        "echo",
        "\"hi\"",
        "7",
        "--ack",
        "--resolve",
        &given,
    ];
    let outcome = sockeye(&[&args[..], &["--no-proxy"]].concat()).await;
    assert_eq!(
        (outcome.code, outcome.out.as_str()),
        (Some(0), "\"hi\"\n7\n"),
        "{outcome:?}"
    );
    // A proxy that does not answer is asked, and told; its password is not.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://user:s3cret@{}", free.local_addr().unwrap());
    drop(free);
    let outcome = sockeye(&[&args[..], &["--proxy", &proxy]].concat()).await;
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(!outcome.err.contains("s3cret"), "{outcome:?}");
    // What cannot be is told before anything is tried.
    for (args, part) in [
        (&["emit", &url, "x", "--key", "k.pem"][..], "--cert"),
        (
            &["emit", &url, "x", "--cert", "no-such.pem"],
            "--cert no-such.pem",
        ),
        (
            &["emit", &url, "x", "--resolve", "nowhere"],
            "HOST:PORT:ADDRESS",
        ),
        (&["emit", &url, "x", "--proxy", "gopher://h"], "proxy"),
        (&["load", &url, "--proxy", &proxy], "directly"),
    ] {
        let outcome = sockeye(args).await;
        assert_eq!(outcome.code, Some(2), "{args:?} {outcome:?}");
        assert!(outcome.complaint().contains(part), "{args:?} {outcome:?}");
        assert!(!outcome.err.contains("s3cret"), "{outcome:?}");
    }
}

#[tokio::test]
async fn secrets_are_in_no_complaint() {
    let server = server::start().await;
    let url = server.url("/secret");
    for args in [
        &["--auth", "{\"token\":\"s3cret\""][..],
        &["-H", "Authorization s3cret"],
        &["-q", "s3cret"],
        &["--auth", "{\"token\":\"s3cret\"}"],
        &["--auth", "\"s3cret\""],
        &["--auth", "[\"s3cret\"]"],
        &["--auth", "{\"token\":\"s3cret\"}", "-vvv"],
        &["-H", "Authorization: Bearer s3cret", "-vvv"],
    ] {
        let outcome = sockeye(&[&["emit", &url, "x"], args].concat()).await;
        assert_ne!(outcome.code, Some(0), "{args:?}");
        assert!(
            !outcome.err.contains("s3cret") && !outcome.out.contains("s3cret"),
            "{args:?}: {outcome:?}"
        );
    }
    for url in [
        "http://me:s3cret@127.0.0.1:99999/",
        "http://host:99999/?token=s3cret",
        "ftp://me:s3cret@host/",
    ] {
        for verb in [&["emit", url, "x"][..], &["listen", url]] {
            let outcome = sockeye(verb).await;
            assert_eq!(outcome.code, Some(2), "{verb:?}");
            assert!(!outcome.err.contains("s3cret"), "{outcome:?}");
        }
        #[cfg(feature = "demo")]
        assert!(
            !sockeye(&["demo", "--connect", url])
                .await
                .err
                .contains("s3cret")
        );
    }
}

#[tokio::test]
async fn odd_values_are_printed_as_they_came() {
    let server = server::by_heart(
        "42[\"odd\",1e400,\"\\ud83d\",\n{\"n\": 12345678901234567890123, \"f\":1.50}]",
    )
    .await;
    let args = ["listen", &server.url("/"), "-t", "polling", "--count", "1"];
    let outcome = sockeye(&[&args[..], &["--json"]].concat()).await;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let wanted = r#""args":[1e400,"�",{"n":12345678901234567890123,"f":1.50}]}"#;
    assert!(outcome.out.contains(wanted), "{}", outcome.out);
    let outcome = sockeye(&args).await;
    let wanted = r#"< odd 1e400 "�" {"n": 12345678901234567890123, "f": 1.50}"#;
    assert_eq!(outcome.out.trim_end(), wanted);
}

#[cfg(feature = "demo")]
#[tokio::test]
async fn the_demo_over_tls() {
    let file = std::env::temp_dir().join(format!("sockeye-ca-{}.pem", std::process::id()));
    let ca = file.to_str().unwrap();
    let args = [
        "demo",
        "--duration",
        "3s",
        "--port",
        "0",
        "--tls",
        "--tls-ca",
        ca,
    ];
    let outcome = sockeye(&args).await;
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(
        outcome.out.contains("open https://127.0.0.1:"),
        "{outcome:?}"
    );
    assert!(outcome.out.contains(ca), "{outcome:?}");
    assert!(outcome.out.contains("All of it worked."), "{outcome:?}");
    let pem = std::fs::read_to_string(&file).unwrap();
    assert!(
        pem.contains("BEGIN CERTIFICATE") && !pem.contains("KEY"),
        "{pem}"
    );
    std::fs::remove_file(&file).unwrap();
}

/// Also when the server says so while the command takes its leave.
#[tokio::test]
async fn an_event_that_was_given_up_is_a_failure() {
    for round in 0..20 {
        let server = server::by_heart("42[\"welcome\"]").await;
        let url = server.url("/");
        let outcome = sockeye(&["emit", "-t", "polling", "--text", &url, "large", "x"]).await;
        assert_eq!(outcome.code, Some(5), "round {round}: {outcome:?}");
        assert!(outcome.err.contains("large was not sent"), "{outcome:?}");
    }
}

#[tokio::test]
async fn completions_and_manual_pages() {
    for (shell, part) in [
        ("bash", "--reconnect-delay-max"),
        ("zsh", "#compdef sockeye"),
        ("fish", "complete -c sockeye"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let outcome = sockeye(&["completions", shell]).await;
        assert_eq!(outcome.code, Some(0), "{shell}: {}", outcome.err);
        assert!(outcome.out.contains(part), "{shell}");
    }
    let folder = std::env::temp_dir().join(format!("sockeye-man-{}", std::process::id()));
    let outcome = sockeye(&["man", folder.to_str().unwrap()]).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    for page in ["sockeye.1", "sockeye-connect.1"] {
        let text = std::fs::read_to_string(folder.join(page)).expect(page);
        assert!(text.contains(".TH"), "{page}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_an_error() {
    let server = server::start().await;
    let url = server.url("/");
    for args in [
        &["emit", &url, "sum", "1", "2", "--ack"][..],
        &["listen", &url, "--json"],
        &["connect", &url, "--json"],
        &["completions", "bash"],
        &["--help"],
        #[cfg(feature = "demo")]
        &["demo", "--duration", "3s", "--devices", "3", "--port", "0"],
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let child = crate::command(args).stdout(full).spawn().unwrap();
        let output = tokio::time::timeout(crate::LIMIT, child.wait_with_output())
            .await
            .expect("an end")
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(7), "{args:?}: {err}");
        assert!(err.contains("cannot write the output"), "{args:?}: {err}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_before_the_count_is_130_and_without_a_count_0() {
    let server = server::start().await;
    for (count, code) in [(&["--count", "1000"][..], 130), (&[], 0)] {
        let url = server.url("/");
        let mut talk = Talk::start(&[&["listen", &url, "--json"], count].concat());
        talk.of("connect").await;
        let id = talk.child.id().expect("it runs").to_string();
        let kill = tokio::process::Command::new("kill")
            .args(["-INT", &id])
            .status();
        assert!(kill.await.unwrap().success());
        assert_eq!(talk.end().await.0, Some(code), "{count:?}");
    }
}
