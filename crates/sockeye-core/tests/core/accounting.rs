//! What was accepted is delivered or told, through all kinds of trouble: generated runs.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_core::packet::BinRef;
use sockeye_core::{
    AckId, Config, EmitError, EmitOptions, Link, NamespaceId, NspOptions, Transport, Transports,
};
use sockeye_testkit::{Opening, Rig, Server, Settings, config};

use crate::properties::{Roomy, proptest_config};

const NAMES: [&str; 2] = ["/", "/room"];

/// What happens between emits.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Nothing,
    Pass(u16),
    Cut(u8),
    Break,
    Refuse(bool),
    Write(u8, u8),
    Reconnect,
    Leave(bool, u16),
    Sleep(u8),
    Kick(bool, u16),
    Cancel(u8),
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        4 => Just(Trouble::Nothing),
        3 => (0u16..4000).prop_map(Trouble::Pass),
        2 => (0u8..3).prop_map(Trouble::Cut),
        1 => Just(Trouble::Break),
        1 => any::<bool>().prop_map(Trouble::Refuse),
        3 => (0u8..3, 0u8..60).prop_map(|(link, most)| Trouble::Write(link, most)),
        1 => Just(Trouble::Reconnect),
        1 => (any::<bool>(), 0u16..3000).prop_map(|(which, ms)| Trouble::Leave(which, ms)),
        1 => any::<u8>().prop_map(Trouble::Sleep),
        1 => (any::<bool>(), 0u16..300).prop_map(|(which, ms)| Trouble::Kick(which, ms)),
        1 => any::<u8>().prop_map(Trouble::Cancel),
    ]
}

/// One emitted event.
struct Emitted {
    nsp: usize,
    ack: Option<AckId>,
}

struct Run {
    emitted: BTreeMap<usize, Emitted>,
    cancelled: Vec<AckId>,
    mark: u64,
    /// Something was refused because there was no room.
    full: bool,
    log: String,
}

impl Run {
    /// The marks only grow, and never pass what was accepted.
    fn check_marks(&mut self, rig: &mut Rig<'_>) -> Result<(), TestCaseError> {
        let (written, sent) = (rig.client.written_mark(), rig.client.send_mark());
        prop_assert!(self.mark <= written && written <= sent);
        prop_assert_eq!(rig.client.send_queue_len() == 0, written == sent);
        self.mark = written;
        self.log.push_str(&rig.take_log());
        Ok(())
    }
}

/// Events are emitted on a network that loses nothing that was written whole. The server judges: the first packet of a
/// session is CONNECT, none names a namespace before the reply to that. Each event arrives at most once, in the order of
/// its namespace; one that does not arrive was told: by its acknowledgement, or by `Unsent`.
fn play(
    config: &Config<'static>,
    rig: &mut Rig<'_>,
    script: &[(u8, Trouble)],
    latency: u64,
    max_payload: usize,
    retries: Option<u32>,
) -> Result<Run, TestCaseError> {
    let settings = Settings {
        ping_interval: 2_000,
        ping_timeout: 1_500,
        max_payload,
        ..Settings::default()
    };
    rig.server = Some(Server::new(settings));
    rig.latency = Duration::from_millis(latency);
    let mut options = NspOptions::default();
    options.retries = retries;
    options.ack_timeout = retries.map(|_| Duration::from_millis(700));
    let nsps: [NamespaceId; 2] = [
        rig.namespace("/", options),
        rig.namespace("/room", NspOptions::default()),
    ];
    for nsp in nsps {
        rig.client.connect(rig.now(), nsp);
    }
    rig.drain();
    let mut run = Run {
        emitted: BTreeMap::new(),
        cancelled: Vec::new(),
        mark: 0,
        full: false,
        log: String::new(),
    };
    for (i, (kind, trouble)) in script.iter().enumerate() {
        let bytes = vec![i as u8; usize::from(kind >> 3) * 10];
        let which = usize::from(kind & 4 > 0);
        let options = if kind & 1 > 0 {
            EmitOptions::ACK
        } else {
            EmitOptions::PLAIN
        };
        let name = format!("e{i}");
        let result = if kind & 2 > 0 {
            rig.emit(
                nsps[which],
                &name,
                &(BinRef(&bytes), i, BinRef(b"x")),
                options,
            )
        } else {
            rig.emit(nsps[which], &name, &(bytes.len(),), options)
        };
        match result {
            Ok(ack) => {
                run.emitted.insert(i, Emitted { nsp: which, ack });
            }
            Err(error) => {
                prop_assert!(
                    matches!(error, EmitError::Full | EmitError::TooManyAcks),
                    "{error:?}"
                );
                run.full = true;
            }
        }
        match *trouble {
            Trouble::Nothing => (),
            Trouble::Pass(ms) => rig.pass(ms.into()),
            Trouble::Cut(link) => rig.cut(Link::ALL[usize::from(link)]),
            Trouble::Break => rig.break_all(),
            Trouble::Refuse(refuse) => {
                rig.opening = if refuse {
                    Opening::Refuse
                } else {
                    Opening::Accept
                }
            }
            Trouble::Write(link, 0) => rig.write[usize::from(link)] = 0,
            Trouble::Write(link, most) => rig.writable(Link::ALL[usize::from(link)], most.into()),
            Trouble::Reconnect => {
                rig.client.reconnect(rig.now());
                rig.drain();
            }
            Trouble::Leave(which, ms) => {
                let nsp = nsps[usize::from(which)];
                rig.disconnect(nsp);
                rig.pass(ms.into());
                rig.client.connect(rig.now(), nsp);
                rig.drain();
            }
            // Packets may be under way to a namespace that does not exist any more: nobody's fault.
            Trouble::Kick(which, ms) if latency == 0 && !rig.write.contains(&0) => {
                let which = usize::from(which);
                rig.serve(|server| server.kick(NAMES[which]));
                rig.pass(ms.into());
                rig.client.connect(rig.now(), nsps[which]);
                rig.drain();
            }
            Trouble::Kick(..) => (),
            Trouble::Cancel(n) => {
                let acks = run.emitted.values().filter_map(|emitted| emitted.ack);
                if let Some(id) = acks.clone().nth(usize::from(n) % acks.count().max(1)) {
                    rig.client.cancel_ack(id);
                    run.cancelled.push(id);
                }
            }
            Trouble::Sleep(n) => rig.sleep(u64::from(n) * 20),
        }
        run.check_marks(rig)?;
    }
    rig.opening = Opening::Accept;
    for link in Link::ALL {
        rig.writable(link, usize::MAX);
    }
    rig.pass(120_000);
    run.check_marks(rig)?;
    let log = &run.log;
    let server = rig.server.as_ref().unwrap();
    prop_assert_eq!(&server.violations, &Vec::<String>::new(), "{}", log);
    prop_assert!(
        nsps.iter().all(|nsp| rig.client.is_connected(*nsp)),
        "{}",
        log
    );
    prop_assert_eq!(
        (rig.client.send_queue_len(), rig.client.send_queue_bytes()),
        (0, 0),
        "{}",
        log
    );
    // A server that ended the session while a POST was under way may have read it: nobody can tell.
    let unclear = config.transports.allows(Transport::Polling) && server.unknown > 0;
    for (which, name) in NAMES.iter().enumerate() {
        let numbers = server.received.iter().filter_map(|line| {
            let event = line.strip_prefix(&format!("{name} [\"e"))?;
            event.split('"').next()?.parse::<usize>().ok()
        });
        let numbers: Vec<usize> = numbers.collect();
        let mut order = numbers.clone();
        if which == 0 && retries.is_some() {
            // Each may arrive several times, until it is answered.
            order.dedup();
            prop_assert!(
                numbers.len() <= order.len() * (retries.unwrap_or(0) as usize + 1),
                "{}",
                log
            );
        }
        prop_assert!(
            order.is_sorted_by(|a, b| a < b),
            "{} {:?}\n{}",
            name,
            numbers,
            log
        );
        for (number, emitted) in run.emitted.iter().filter(|(_, one)| one.nsp == which) {
            let arrived = order.binary_search(number).is_ok();
            let unsent = log.contains(&format!("unsent {name} e{number} of"));
            let line = emitted.ack.map(|id| format!("ack #{} ", id.get()));
            let cancelled = emitted.ack.is_some_and(|id| run.cancelled.contains(&id));
            let lines: Vec<&str> = log
                .lines()
                .filter(|one| line.as_ref().is_some_and(|line| one.starts_with(line)))
                .collect();
            let told = usize::from(emitted.ack.is_some());
            prop_assert!(
                if cancelled {
                    lines.len() <= 1
                } else {
                    lines.len() == told
                },
                "{}: {:?}\n{}",
                number,
                lines,
                log
            );
            let failed = lines.iter().any(|line| !line.contains('['));
            prop_assert!(
                arrived || failed || cancelled || unsent || unclear && emitted.ack.is_none(),
                "{} {} is neither delivered nor told\n{}",
                name,
                number,
                log
            );
            prop_assert!(
                !(unsent && emitted.ack.is_some() && !cancelled),
                "{} told twice\n{}",
                number,
                log
            );
            prop_assert!(
                failed || cancelled || emitted.ack.is_none() || arrived,
                "{}",
                log
            );
        }
    }
    Ok(run)
}

proptest! {
    #![proptest_config(proptest_config(64))]

    #[test]
    fn every_event_arrives_once_in_order_or_is_told(
        script in vec((any::<u8>(), trouble()), 1..40),
        latency in prop_oneof![2 => Just(0u64), 1 => 1u64..60],
        // Packets are as large as that, larger, or fit in by the dozen.
        max_payload in 15usize..500,
        retries in prop_oneof![3 => Just(None), 1 => (0u32..3).prop_map(Some)],
        transports in prop_oneof![
            Just(Transports::WEBSOCKET),
            Just(Transports::POLLING),
            Just(Transports::POLLING_FIRST),
        ],
    ) {
        let config = config(transports);
        // A POST that is under way when its connection ends may have been read: it is sent again all the same.
        let latency = if config.transports.allows(Transport::Polling) { 0 } else { latency };
        let mut storage = Box::new(Roomy::new());
        let mut rig = Rig::new(config.clone(), storage.memory());
        let fixed = play(&config, &mut rig, &script, latency, max_payload, retries)?;
        let mut storage = Box::new(crate::Small::new());
        let mut rig = Rig::new(config.clone(), storage.memory());
        rig.detached = true;
        play(&config, &mut rig, &script, latency, max_payload, retries)?;
        let _ = &fixed.full;
        #[cfg(feature = "alloc")]
        {
            let memory = sockeye_core::Memory::growable(&config.limits);
            let mut rig = Rig::new(config.clone(), memory);
            let growable = play(&config, &mut rig, &script, latency, max_payload, retries)?;
            prop_assert!(!growable.full);
            // Memory of either kind tells the same story, as long as there is enough of it.
            if !fixed.full {
                prop_assert_eq!(&fixed.log, &growable.log);
            }
        }
    }
}
