//! Scenarios of connections: what they carry at their beginning, how they are lost, and how they come back.

use std::time::Duration;

use super::super::{Driver, Log, WAYS};
use super::Stage;
use crate::Settings;
use crate::host::Host;

fn lost(log: &Log) {
    log.expect_start("left / transport ");
}

pub(super) fn query_headers_and_auth_reach_the_server(driver: &dyn Driver) {
    for way in WAYS {
        let host = Host::start(Settings::default());
        let mut stage = Stage::with(driver, host, |options| {
            options.url.push_str("?token=7");
            options.header = Some(("X-Name", "value"));
            options.counted_auth = true;
            options.way = way;
        });
        stage.log.expect(&["joined /"]);
        stage.host.state(|state| {
            assert_eq!(state.server.auths, [r#"{"n":1}"#]);
            for request in &state.requests {
                assert_eq!(request.query("token"), Some("7"), "{request:?}");
                assert_eq!(request.header("x-name"), Some("value"), "{request:?}");
            }
        });
        // The payload is computed anew for every join.
        stage.leave("/");
        stage.log.expect(&["left / io client disconnect"]);
        stage.join("/");
        stage.log.expect(&["joined /"]);
        stage.host.cut();
        lost(&stage.log);
        stage.log.expect(&["joined /"]);
        let auths = stage.host.state(|state| state.server.auths.clone());
        assert_eq!(auths.len(), 3, "{auths:?}");
        assert_eq!(auths[2], r#"{"n":3}"#);
        stage.close();
    }
}

pub(super) fn comes_back_after_a_cut(driver: &dyn Driver) {
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        stage.on("/", "echo", None);
        for round in 1..=3 {
            stage.host.cut();
            lost(&stage.log);
            stage.log.expect(&["joined /"]);
            assert!(stage.emit("/", "echo", format!("[{round}]").as_str().into()));
            stage.log.expect(&[format!("event / echo [{round}]")]);
        }
        stage.close();
    }
}

pub(super) fn what_is_emitted_while_away_is_sent_in_order(driver: &dyn Driver) {
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        stage.host.away(true);
        stage.host.cut();
        lost(&stage.log);
        for n in 0..10 {
            assert!(stage.emit("/", "kept", format!("[{n}]").as_str().into()));
        }
        stage.ask("/", "asked", "[]".into(), 1, None);
        stage.host.away(false);
        stage.log.expect(&["joined /", r#"answer 1 ["asked"]"#]);
        let mut wanted: Vec<_> = (0..10).map(|n| format!(r#"/ ["kept",{n}]"#)).collect();
        wanted.push(r#"/ ["asked"]"#.into());
        assert_eq!(stage.host.received(11), wanted);
        stage.close();
    }
}

pub(super) fn a_cut_ends_the_wait_for_an_answer(driver: &dyn Driver) {
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        stage
            .host
            .state(|state| state.server.settings.mute_acks = 1);
        stage.ask("/", "silence", "[]".into(), 1, None);
        stage.host.received(1);
        stage.host.cut();
        // When that of the answer is told is the driver's matter: who waits for it may be a thread of its own, which runs late.
        let lines = [stage.log.next(), stage.log.next(), stage.log.next()];
        let (answers, others): (Vec<_>, Vec<_>) =
            lines.iter().partition(|line| line.starts_with("no answer"));
        assert_eq!(answers, ["no answer 1 disconnected"], "{lines:?}");
        assert!(others[0].starts_with("left / transport "), "{lines:?}");
        assert_eq!(others[1], "joined /");
        stage.close();
    }
}

pub(super) fn what_cannot_wait_is_dropped(driver: &dyn Driver) {
    let host = Host::start(Settings::default());
    host.away(true);
    let mut stage = Stage::with(driver, host, |_| ());
    assert!(!stage.emit_volatile("/", "gone", "[1]".into()));
    assert!(stage.emit("/", "kept", "[2]".into()));
    assert!(!stage.emit_volatile("/", "gone", "[3]".into()));
    stage.host.away(false);
    stage.log.expect(&["joined /"]);
    assert_eq!(stage.host.received(1), [r#"/ ["kept",2]"#]);
    stage.ask("/", "ask", "[]".into(), 1, None);
    stage.log.expect(&[r#"answer 1 ["ask"]"#]);
    assert!(stage.emit_volatile("/", "now", "[4]".into()));
    assert_eq!(
        stage.host.received(3),
        [r#"/ ["kept",2]"#, r#"/ ["ask"]"#, r#"/ ["now",4]"#]
    );
    stage.close();
}

pub(super) fn a_server_that_is_not_there_yet(driver: &dyn Driver) {
    for way in WAYS {
        let host = Host::start(Settings::default());
        host.away(true);
        let mut stage = Stage::with(driver, host, |options| options.way = way);
        stage.log.expect(&["failed", "failed"]);
        assert!(!stage.is_connected("/"));
        stage.host.away(false);
        stage.log.expect(&["joined /"]);
        stage.close();
    }
}

pub(super) fn without_reconnection_a_cut_is_the_end(driver: &dyn Driver) {
    let host = Host::start(Settings::default());
    let mut stage = Stage::with(driver, host, |options| options.reconnection = false);
    stage.log.expect(&["joined /"]);
    stage.host.cut();
    lost(&stage.log);
    assert!(!stage.is_connected("/"));
    stage.host.empty();
    // Until it is told to.
    stage.join("/");
    stage.log.expect(&["joined /"]);
    assert_eq!(stage.host.state(|state| state.server.sessions()), 2);
    stage.close();
}

pub(super) fn retries_until_there_is_an_answer(driver: &dyn Driver) {
    let host = Host::start(Settings {
        mute_acks: 2,
        ..Settings::default()
    });
    let mut stage = Stage::with(driver, host, |options| {
        options.retries = Some((10, Duration::from_millis(50)));
    });
    stage.log.expect(&["joined /"]);
    stage.ask("/", "first", "[]".into(), 1, None);
    stage.ask("/", "second", "[]".into(), 2, None);
    stage
        .log
        .expect_in_any_order(&[r#"answer 1 ["first"]"#, r#"answer 2 ["second"]"#]);
    let received = stage.host.received(4);
    // Three times, for two answers were left out; the next one waits for its turn.
    let first = r#"/ ["first"]"#;
    assert_eq!(received[..3], [first, first, first]);
    assert_eq!(received[received.len() - 1], r#"/ ["second"]"#);
    stage.close();
}

pub(super) fn the_heartbeat_is_answered(driver: &dyn Driver) {
    for way in WAYS {
        let host = Host::start(Settings {
            ping_interval: 20,
            ping_timeout: 10_000,
            ..Settings::default()
        });
        let stage = Stage::with(driver, host, |options| options.way = way);
        stage.log.expect(&["joined /"]);
        // Each ping follows the answer to the one before.
        stage
            .host
            .until("pings", |state| (state.server.pongs >= 5).then_some(()));
        assert_eq!(stage.host.state(|state| state.server.sessions()), 1);
        stage.close();
    }
}

pub(super) fn a_silent_server_is_noticed(driver: &dyn Driver) {
    for way in WAYS {
        let host = Host::start(Settings {
            ping_interval: 100,
            ping_timeout: 150,
            ..Settings::default()
        });
        let stage = Stage::with(driver, host, |options| options.way = way);
        stage.log.expect(&["joined /"]);
        stage.host.state(|state| state.silent = true);
        stage.log.expect(&["left / ping timeout"]);
        stage.host.state(|state| {
            // It has seen nothing of the end.
            let _ = state.server.drop_session();
            state.server.settings.ping_interval = 25_000;
            state.silent = false;
        });
        stage.host.cut();
        stage.log.expect(&["joined /"]);
        stage.close();
    }
}

pub(super) fn a_session_is_recovered(driver: &dyn Driver) {
    for way in WAYS {
        let host = Host::start(Settings {
            recovery: true,
            ..Settings::default()
        });
        let mut stage = Stage::with(driver, host, |options| options.way = way);
        stage.log.expect(&["joined /"]);
        stage.on("/", "news", None);
        stage.host.emit_kept(r#"["news",1]"#);
        stage.log.expect(&[r#"event / news [1,"0"]"#]);
        stage.host.away(true);
        stage.host.cut();
        lost(&stage.log);
        stage.host.emit_kept(r#"["news",2]"#);
        stage.host.emit_kept(r#"["news",3]"#);
        stage.host.away(false);
        stage.log.expect(&[
            "joined / recovered",
            r#"event / news [2,"1"]"#,
            r#"event / news [3,"2"]"#,
        ]);
        stage.close();
    }
}

pub(super) fn close_sends_what_was_emitted_before(driver: &dyn Driver) {
    for way in WAYS {
        let mut stage = Stage::joined(driver, way);
        for n in 0..20 {
            assert!(stage.emit("/", "last", format!("[{n}]").as_str().into()));
        }
        let client = stage.client.take().expect("not closed yet");
        client.close();
        stage.log.expect(&["left / io client disconnect"]);
        let wanted: Vec<_> = (0..20).map(|n| format!(r#"/ ["last",{n}]"#)).collect();
        assert_eq!(stage.host.received(20), wanted);
        stage.host.empty();
    }
}
