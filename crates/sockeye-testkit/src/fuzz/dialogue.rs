//! A client and the scripted server in conversation: both do what they should, the network loses no byte but whole
//! connections, and the bytes say in which order everything happens. The server judges the client; what a session owes
//! is checked at every step. The same conversation is had once more with a client that takes no short way.

use std::collections::BTreeMap;
use std::time::Duration;

use sockeye_core::packet::BinRef;
use sockeye_core::{EmitOptions, NspOptions, Storage, Transports};

use super::Script;
use crate::rig::{Pieces, Rig, config};
use crate::server::{Server, Settings};
use crate::{Seeded, words};

/// Enough of everything: that there is room is what a conversation is about.
type Roomy = Storage<8192, 8192, 16, 64, 4, 1024>;

const NAMES: [&str; 2] = ["/", "/chat"];

/// See the module.
pub fn dialogue(data: &[u8]) {
    let mut script = Script(data);
    let flags = script.next();
    let transports = match flags % 3 {
        0 => Transports::WEBSOCKET,
        1 => Transports::POLLING,
        _ => Transports::POLLING_FIRST,
    };
    let mut config = config(transports);
    config.limits.send = 4096;
    config.limits.packets = 48;
    config.limits.acks = 8;
    config.limits.namespaces = 4;
    let rest = script.0;
    let play = |rig: &mut Rig<'_>| {
        rig.strict = false;
        rig.detached = flags & 64 > 0;
        if flags & 128 > 0 {
            rig.pieces = Pieces::Random(Seeded::new(rest.len() as u64));
        }
        talk(rig, Script(rest), flags & 32 > 0);
    };
    let mut storage = Box::new(Roomy::new());
    play(&mut Rig::new(config.clone(), storage.memory()));
    #[cfg(feature = "alloc")]
    super::both_ways(&config, play);
}

/// What the server has sent in this session, per namespace, and how far it has come.
#[derive(Default)]
struct Sent {
    next: u32,
    came: u32,
    /// It has been left or lost, and is not joined again: some of what was under way is lost, and what comes while the
    /// client waits for the consent is kept for it, as the official client does.
    between: bool,
}

fn talk(rig: &mut Rig<'_>, mut script: Script<'_>, recovery: bool) {
    let kind = script.next();
    // Some answers stay away; then each is waited for a time.
    let mute_acks = usize::from(kind >> 4);
    rig.server = Some(Server::new(Settings {
        ping_interval: 2_000,
        ping_timeout: 1_500,
        max_payload: [600, 20, 60, 180][usize::from(kind >> 2) % 4],
        recovery,
        leaves_later: true,
        mute_acks,
        ..Settings::default()
    }));
    // Longer than the server's tick: a sign that it has read on comes back after it has worked.
    rig.latency = Duration::from_millis(2 + u64::from(kind % 3) * 10);
    let nsps = NAMES.map(|name| rig.namespace(name, NspOptions::default()));
    let mut sent = [Sent::default(), Sent::default()];
    let mut acks: BTreeMap<u64, u32> = BTreeMap::new();
    let now = rig.now();
    nsps.iter().for_each(|nsp| rig.client.connect(now, *nsp));
    rig.drain();
    rig.pass(200);
    let mut n = 0u32;
    while !script.0.is_empty() {
        let (op, arg) = (script.next(), script.next());
        let which = usize::from(arg & 1);
        n += 1;
        match op % 12 {
            0..=2 => {
                let options = match arg & 2 {
                    0 => EmitOptions::PLAIN,
                    _ if mute_acks > 0 => {
                        let patience = 50 + u64::from(arg) * 4;
                        EmitOptions::ACK.timeout(Duration::from_millis(patience))
                    }
                    _ => EmitOptions::ACK,
                };
                let bytes = script.take(usize::from(arg >> 3));
                let result = if arg & 4 > 0 {
                    rig.client
                        .emit(rig.now(), nsps[which], "b", &(n, BinRef(bytes)), options)
                } else {
                    rig.client.emit(
                        rig.now(),
                        nsps[which],
                        "t",
                        &(n, words::hex(bytes).as_str()),
                        options,
                    )
                };
                if let Ok(Some(id)) = result {
                    acks.insert(id.get(), 0);
                }
            }
            3..=5 => {
                // What is sent to a client that is away is lost; what it has been told is looked at first.
                rig.drain();
                look(rig, &mut sent, &mut acks);
                if !rig.client.is_connected(nsps[which]) {
                    continue;
                }
                let number = sent[which].next;
                let bytes = script.take(usize::from(arg >> 4));
                let mut on_its_way = false;
                rig.serve(|server| {
                    on_its_way = server.joined().contains(&NAMES[which]);
                    if arg & 2 > 0 {
                        let json = format!("[\"s\",{number},{{\"_placeholder\":true,\"num\":0}}]");
                        server.emit(NAMES[which], &json, &[bytes])
                    } else {
                        server.emit(NAMES[which], &format!("[\"s\",{number}]"), &[])
                    }
                });
                sent[which].next += u32::from(on_its_way);
            }
            6 => rig.pass(u64::from(arg) * 20),
            7 => {
                if !rig.wanted.is_empty() {
                    let _ = rig.answer(&(n,));
                }
            }
            8 => {
                let question = if which == 0 {
                    "427[\"q\"]"
                } else {
                    "42/chat,7[\"q\"]"
                };
                rig.serve(|server| {
                    if server.joined().contains(&NAMES[which]) {
                        server.send_raw(question)
                    } else {
                        Vec::new()
                    }
                });
            }
            9 if arg & 0x18 == 0 => {
                rig.drain();
                look(rig, &mut sent, &mut acks);
                rig.break_all();
                sent.iter_mut().for_each(|sent| sent.between = true);
            }
            10 if arg & 0x18 == 0 => {
                rig.drain();
                look(rig, &mut sent, &mut acks);
                sent[which].between = true;
                rig.client.disconnect(rig.now(), nsps[which]);
                rig.drain();
                rig.client.connect(rig.now(), nsps[which]);
            }
            _ => rig.pass(u64::from(arg)),
        }
        // (What is emitted and not looked at leaves with the next deadline; of those one client may know fewer.)
        if op & 0x80 == 0 || rig.history.is_some() {
            rig.drain();
        }
        look(rig, &mut sent, &mut acks);
    }
    rig.pass(30_000);
    look(rig, &mut sent, &mut acks);
    let server = rig.server.as_ref().expect("a server");
    assert_eq!(server.violations, Vec::<String>::new());
    for (name, nsp) in NAMES.iter().zip(nsps) {
        assert!(rig.client.is_connected(nsp), "{name} is joined again");
    }
    for (id, times) in acks {
        assert_eq!(times, 1, "ack #{id}");
    }
    assert_eq!(
        (rig.client.send_queue_len(), rig.client.pending_acks()),
        (0, 0)
    );
}

/// Events of a session come in order and without a gap; each acknowledgement is told once.
fn look(rig: &mut Rig<'_>, sent: &mut [Sent; 2], acks: &mut BTreeMap<u64, u32>) {
    for line in rig.take_log().lines() {
        if let Some(rest) = line.strip_prefix("ack #") {
            let id = rest.split(' ').next().and_then(|id| id.parse().ok());
            if let Some(times) = id.and_then(|id: u64| acks.get_mut(&id)) {
                *times += 1;
            }
        }
        for (name, sent) in NAMES.iter().zip(sent.iter_mut()) {
            if let Some(rest) = line.strip_prefix(&format!("message {name} s [")) {
                let number = rest
                    .split([',', ']'])
                    .next()
                    .and_then(|n| n.parse::<u32>().ok());
                let number = number.expect("a number");
                let gap = sent.between && number > sent.came;
                assert!(gap || number == sent.came, "{line}, after {}", sent.came);
                sent.came = number + 1;
            } else if line.starts_with(&format!("connected {name}"))
                && (line.len() == 10 + name.len() || line[10 + name.len()..].starts_with(' '))
            {
                // What a lost session still owed is not told.
                sent.came = sent.next;
                sent.between = false;
            }
        }
    }
}
