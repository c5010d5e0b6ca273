//! The scenarios: of packets here, of connections in `connection`.

mod connection;

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::{Args, Client, Driver, Log, Options, Scenario, WAYS, Way};
use crate::Settings;
use crate::host::Host;
use connection::{
    a_cut_ends_the_wait_for_an_answer, a_server_that_is_not_there_yet, a_session_is_recovered,
    a_silent_server_is_noticed, close_sends_what_was_emitted_before, comes_back_after_a_cut,
    query_headers_and_auth_reach_the_server, retries_until_there_is_an_answer,
    the_heartbeat_is_answered, what_cannot_wait_is_dropped,
    what_is_emitted_while_away_is_sent_in_order, without_reconnection_a_cut_is_the_end,
};

/// Makes the list, and the macro that makes tests of it.
macro_rules! scenarios {
    ($d:tt $($name:ident)+) => {
        /// Every scenario, in the order of their reading.
        pub const ALL: &[Scenario] = &[$(Scenario { name: stringify!($name), play: $name }),+];

        /// One test for each scenario, and one of what the driver lacks: `scenarios!(MyDriver)`.
        #[macro_export]
        macro_rules! scenarios {
            ($d driver:expr) => {
                $(
                    #[test]
                    fn $name() {
                        $d crate::scenarios::play(&$d driver, stringify!($name));
                    }
                )+

                #[test]
                fn every_scenario_is_played_or_left_out_with_a_reason() {
                    $d crate::scenarios::check_lacks(&$d driver);
                }
            };
        }
    };
}

scenarios! { $
    joins_and_says_goodbye
    events_both_ways
    any_text_passes
    pieces_of_one_byte
    what_is_emitted_at_once_is_kept_until_the_join
    events_keep_their_order
    answers_reach_the_client
    answers_of_the_client
    an_answer_comes_after_the_events_before_it
    a_missing_answer_times_out
    binary_both_ways
    namespaces_share_one_connection
    a_refused_namespace
    leaves_and_joins_again
    the_server_throws_it_out
    query_headers_and_auth_reach_the_server
    comes_back_after_a_cut
    what_is_emitted_while_away_is_sent_in_order
    a_cut_ends_the_wait_for_an_answer
    what_cannot_wait_is_dropped
    a_server_that_is_not_there_yet
    without_reconnection_a_cut_is_the_end
    retries_until_there_is_an_answer
    the_heartbeat_is_answered
    a_silent_server_is_noticed
    a_session_is_recovered
    close_sends_what_was_emitted_before
}

/// A client, what it was told, and its server. The client goes first.
struct Stage {
    client: Option<Box<dyn Client>>,
    log: Log,
    host: Host,
}

impl Deref for Stage {
    type Target = Box<dyn Client>;

    fn deref(&self) -> &Self::Target {
        self.client.as_ref().expect("it was not closed")
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.client.as_mut().expect("it was not closed")
    }
}

impl Stage {
    /// A client that connects to `host`, as `change` wants it.
    fn with(driver: &dyn Driver, host: Host, change: impl FnOnce(&mut Options)) -> Self {
        let log = Log::default();
        let mut options = Options::new(host.url("/"), Way::WebSocket);
        change(&mut options);
        let client = Some(driver.open(options, log.clone()));
        Self { client, log, host }
    }

    /// A client that has joined `/` over this way.
    fn joined(driver: &dyn Driver, way: Way) -> Self {
        let stage = Self::with(driver, Host::start(Settings::default()), |options| {
            options.way = way;
        });
        stage.log.expect(&["joined /"]);
        stage
    }

    /// The end: the client closes, and nothing is left over on either side.
    fn close(mut self) {
        self.client.take().expect("closed once").close();
        self.log.expect(&["left / io client disconnect"]);
        self.log.is_read();
        self.host.empty();
    }
}

fn joins_and_says_goodbye(driver: &dyn Driver) {
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        stage.host.joined(&["/"]);
        assert!(stage.is_connected("/"));
        stage.leave("/");
        stage.log.expect(&["left / io client disconnect"]);
        assert!(!stage.is_connected("/"));
        stage.host.joined(&[]);
        // The connection ends with its last namespace, and begins with the next.
        stage.host.empty();
        stage.join("/");
        stage.log.expect(&["joined /"]);
        stage.close();
    }
}

fn events_both_ways(driver: &dyn Driver) {
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        stage.on("/", "news", None);
        for args in [r"[]", r#"[1,"two",null,-2.5,[true,{"a":[]}]]"#] {
            assert!(stage.emit("/", "hello", args.into()));
            let rest = &args[1..];
            let comma = if args == "[]" { "" } else { "," };
            stage.host.emit("/", &format!(r#"["news"{comma}{rest}"#));
            stage.log.expect(&[format!("event / news {args}")]);
        }
        // (Nobody listens to this one.)
        stage.host.emit("/", r#"["other"]"#);
        assert_eq!(
            stage.host.received(2),
            [
                r#"/ ["hello"]"#,
                r#"/ ["hello",1,"two",null,-2.5,[true,{"a":[]}]]"#
            ]
        );
        stage.close();
    }
}

fn any_text_passes(driver: &dyn Driver) {
    const TEXTS: [&str; 5] = [
        r#"["æøå ÅÄÖ ß 漢字 かな 한글"]"#,
        r#"["🐟 👩‍👩‍👧"]"#,
        r#"["quote \" backslash \\ newline \n tab \t zero \u0000"]"#,
        r#"["separator \u001e"]"#,
        r#"["451-[\"x\",{\"_placeholder\":true,\"num\":0}]"]"#,
    ];
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        stage.on("/", "echo", None);
        for text in TEXTS {
            assert!(stage.emit("/", "echo", text.into()));
            stage.log.expect(&[format!("event / echo {text}")]);
        }
        stage.close();
    }
}

fn pieces_of_one_byte(driver: &dyn Driver) {
    for way in WAYS {
        let host = Host::start(Settings::default());
        host.state(|state| state.drips = true);
        let mut stage = Stage::with(driver, host, |options| options.way = way);
        stage.log.expect(&["joined /"]);
        stage.on("/", "echo", None);
        let bytes: Vec<u8> = (0..=255).collect();
        let args = Args {
            json: r#"["dripping",{"_placeholder":true,"num":0}]"#,
            attachments: &[&bytes],
        };
        assert!(stage.emit("/", "echo", args));
        let line = stage.log.next();
        assert!(
            line.starts_with(&format!("event / echo {} <000102", args.json)),
            "{line}"
        );
        assert!(line.contains("(256 bytes, "), "{line}");
        stage.close();
    }
}

fn what_is_emitted_at_once_is_kept_until_the_join(driver: &dyn Driver) {
    for way in WAYS {
        let host = Host::start(Settings::default());
        let mut stage = Stage::with(driver, host, |options| options.way = way);
        for n in 0..10 {
            assert!(stage.emit("/", "n", format!("[{n}]").as_str().into()));
        }
        let wanted: Vec<_> = (0..10).map(|n| format!(r#"/ ["n",{n}]"#)).collect();
        assert_eq!(stage.host.received(10), wanted);
        stage.log.expect(&["joined /"]);
        stage.close();
    }
}

fn events_keep_their_order(driver: &dyn Driver) {
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        stage.on("/", "echo", None);
        // Enough to be under way while polling moves to a WebSocket, and no more than small buffers hold.
        for round in 0..10 {
            let all: Vec<_> = (round * 10..round * 10 + 10).collect();
            for n in &all {
                assert!(stage.emit("/", "echo", format!("[{n}]").as_str().into()));
            }
            for n in &all {
                stage.log.expect(&[format!("event / echo [{n}]")]);
            }
        }
        let wanted: Vec<_> = (0..100).map(|n| format!(r#"/ ["echo",{n}]"#)).collect();
        assert_eq!(stage.host.received(100), wanted);
        stage.close();
    }
}

fn answers_reach_the_client(driver: &dyn Driver) {
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        for question in 1..=3 {
            let args = format!("[{question}]");
            stage.ask("/", "save", args.as_str().into(), question, None);
            // (The server's answer is what it was asked, with the name.)
            stage
                .log
                .expect(&[format!(r#"answer {question} ["save",{question}]"#)]);
        }
        stage.close();
    }
}

fn answers_of_the_client(driver: &dyn Driver) {
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        stage.on("/", "question", Some(r#"["yes",4]"#));
        stage.on("/", "none", Some("[]"));
        stage.host.send(r#"427["question",1]"#);
        stage.host.send(r#"428["none"]"#);
        // Nobody wants an answer to this one.
        stage.host.emit("/", r#"["question",2]"#);
        stage.log.expect(&[
            "event / question [1]",
            "event / none []",
            "event / question [2]",
        ]);
        assert_eq!(
            stage.host.received(2),
            [r#"/ ack 7 ["yes",4]"#, "/ ack 8 []"]
        );
        stage.close();
    }
}

fn an_answer_comes_after_the_events_before_it(driver: &dyn Driver) {
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        stage.on("/", "echo", None);
        for round in 1..=5 {
            for n in 0..4 {
                assert!(stage.emit("/", "echo", format!("[{n}]").as_str().into()));
            }
            stage.ask("/", "ask", "[]".into(), round, None);
            for n in 0..4 {
                stage.log.expect(&[format!("event / echo [{n}]")]);
            }
            stage.log.expect(&[format!(r#"answer {round} ["ask"]"#)]);
        }
        stage.close();
    }
}

fn a_missing_answer_times_out(driver: &dyn Driver) {
    let mut stage = Stage::joined(driver, Way::WebSocket);
    stage
        .host
        .state(|state| state.server.settings.mute_acks = 1);
    let short = Duration::from_millis(30);
    stage.ask("/", "silence", "[]".into(), 1, Some(short));
    stage.log.expect(&["no answer 1 timeout"]);
    // One that comes late belongs to nobody: the next question gets its own.
    stage.host.send(r#"430["late"]"#);
    stage.ask("/", "ask", "[]".into(), 2, Some(super::PATIENCE));
    stage.log.expect(&[r#"answer 2 ["ask"]"#]);
    stage.close();
}

fn binary_both_ways(driver: &dyn Driver) {
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        stage.on("/", "echo", None);
        let json =
            r#"[{"_placeholder":true,"num":0},"x",{"deep":[{"_placeholder":true,"num":1}]}]"#;
        let args = Args {
            json,
            attachments: &[&[0, 1, 255], &[]],
        };
        assert!(stage.emit("/", "echo", args));
        stage
            .log
            .expect(&[format!("event / echo {json} <0001ff> <>")]);
        let whole = format!(r#"["echo",{}"#, &json[1..]);
        assert_eq!(stage.host.received(1), [format!("/ {whole} <0001ff> <>")]);
        // (An answer is what was asked, with the name.)
        let one = Args {
            json: r#"[{"_placeholder":true,"num":0}]"#,
            attachments: &[b"abc"],
        };
        stage.ask("/", "save", one, 1, None);
        stage
            .log
            .expect(&[r#"answer 1 ["save",{"_placeholder":true,"num":0}] <616263>"#]);
        stage.close();
    }
}

fn namespaces_share_one_connection(driver: &dyn Driver) {
    let mut stage = Stage::joined(driver, Way::WebSocket);
    stage.join("/chat");
    stage.log.expect(&["joined /chat"]);
    stage.on("/chat", "news", None);
    stage.on("/", "news", None);
    stage.host.joined(&["/", "/chat"]);
    stage.host.emit("/chat", r#"["news",1]"#);
    stage.log.expect(&["event /chat news [1]"]);
    stage.host.emit("/", r#"["news",2]"#);
    stage.log.expect(&["event / news [2]"]);
    assert!(stage.emit("/chat", "hello", "[3]".into()));
    stage.ask("/chat", "ask", "[]".into(), 1, None);
    stage.log.expect(&[r#"answer 1 ["ask"]"#]);
    stage.leave("/chat");
    stage.log.expect(&["left /chat io client disconnect"]);
    stage.host.joined(&["/"]);
    assert!(stage.is_connected("/") && !stage.is_connected("/chat"));
    assert_eq!(stage.host.state(|state| state.accepted), 1);
    assert_eq!(
        stage.host.received(2),
        [r#"/chat ["hello",3]"#, r#"/chat ["ask"]"#]
    );
    stage.close();
}

fn a_refused_namespace(driver: &dyn Driver) {
    let host = Host::start(Settings {
        refused: vec!["/admin"],
        ..Settings::default()
    });
    let mut stage = Stage::with(driver, host, |_| ());
    stage.log.expect(&["joined /"]);
    stage.join("/admin");
    stage.log.expect(&[r#"refused /admin refused {"code":7}"#]);
    assert!(stage.is_connected("/") && !stage.is_connected("/admin"));
    // It is not asked for again by itself, but may be.
    stage
        .host
        .state(|state| state.server.settings.refused.clear());
    stage.join("/admin");
    stage.log.expect(&["joined /admin"]);
    stage.leave("/admin");
    stage.log.expect(&["left /admin io client disconnect"]);
    stage.close();
}

fn leaves_and_joins_again(driver: &dyn Driver) {
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        stage.join("/chat");
        stage.log.expect(&["joined /chat"]);
        for question in 1..=5 {
            stage.leave("/chat");
            stage.join("/chat");
            stage
                .log
                .expect(&["left /chat io client disconnect", "joined /chat"]);
            stage.ask("/chat", "ask", "[]".into(), question, None);
            stage.log.expect(&[format!(r#"answer {question} ["ask"]"#)]);
        }
        assert_eq!(stage.host.state(|state| state.server.sessions()), 1);
        stage.leave("/chat");
        stage.log.expect(&["left /chat io client disconnect"]);
        stage.close();
    }
}

fn the_server_throws_it_out(driver: &dyn Driver) {
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        stage.join("/chat");
        stage.log.expect(&["joined /chat"]);
        stage.host.kick("/chat");
        stage.log.expect(&["left /chat io server disconnect"]);
        // It does not come back by itself; the others are left alone.
        assert!(stage.is_connected("/") && !stage.is_connected("/chat"));
        stage.ask("/", "ask", "[]".into(), 1, None);
        stage.log.expect(&[r#"answer 1 ["ask"]"#]);
        stage.host.joined(&["/"]);
        stage.join("/chat");
        stage.log.expect(&["joined /chat"]);
        stage.host.joined(&["/", "/chat"]);
        stage.leave("/chat");
        stage.log.expect(&["left /chat io client disconnect"]);
        stage.close();
    }
}
