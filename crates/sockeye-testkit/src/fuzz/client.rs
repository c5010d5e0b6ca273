//! A whole client between a server, a network that fails, and an application, all of which follow the bytes.

use super::*;

/// A whole client between a server, a network that fails, and an application, all of which follow the bytes.
pub fn client(data: &[u8]) {
    client_of(data, false);
}

pub(super) fn client_of(data: &[u8], packs: bool) {
    let mut script = Script(data);
    let transports = match script.next() % 4 {
        0 => Transports::WEBSOCKET,
        1 => Transports::POLLING,
        2 => Transports::WEBSOCKET_FIRST,
        _ => Transports::POLLING_FIRST,
    };
    let flags = script.next();
    let mut config = config(transports);
    config.try_all_transports = flags & 1 > 0;
    config.remember_upgrade = flags & 2 > 0;
    config.force_base64 = flags & 4 > 0;
    config.limits.receive = if flags & 8 > 0 { 200 } else { 1 << 16 };
    config.limits.send = 4096;
    config.limits.packets = 24;
    config.limits.acks = 6;
    config.limits.namespaces = 2;
    config.reconnection.attempts = (flags & 16 > 0).then_some(2);
    config.request_timeout = (flags & 32 > 0).then_some(Duration::from_secs(7));
    #[cfg(feature = "msgpack")]
    if packs {
        config.parser = sockeye_core::Parser::MessagePack;
    }
    let rest = script.0;
    let detached = flags & 64 > 0;
    let meddle = (flags & 128 > 0).then(|| Seeded::new(rest.len() as u64));
    memories(&config, |mut rig| {
        rig.detached = detached;
        rig.meddle.clone_from(&meddle);
        play(&mut rig, Script(rest), packs);
    });
    #[cfg(feature = "alloc")]
    both_ways(&config, |rig| {
        rig.strict = false;
        rig.detached = detached;
        rig.meddle.clone_from(&meddle);
        play(rig, Script(rest), packs);
    });
}

#[derive(Clone, Copy)]
pub(super) struct Script<'d>(pub(super) &'d [u8]);

impl<'d> Script<'d> {
    pub(super) fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub(super) fn take(&mut self, n: usize) -> &'d [u8] {
        let (front, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        front
    }
}

fn link(n: u8) -> Link {
    Link::ALL[usize::from(n) % 3]
}

/// Plays the script, then ends everything, and checks what must hold in the end.
fn play(rig: &mut Rig<'_>, mut script: Script<'_>, packs: bool) {
    const NAMES: [&str; 2] = ["/", "/chat"];
    let kind = script.next();
    let settings = Settings {
        ping_interval: 3_000,
        ping_timeout: 2_000,
        max_payload: [400, 20, 60, 150][usize::from(kind >> 2) % 4],
        // Some answers stay away.
        mute_acks: usize::from(kind >> 5),
        #[cfg(feature = "msgpack")]
        msgpack: packs,
        ..Settings::default()
    };
    let _ = packs;
    rig.server = Some(Server::new(settings));
    rig.latency = Duration::from_millis(u64::from(kind % 4) * 7);
    // Every ack that was given out, and how often it has been resolved.
    let mut acks: BTreeMap<u64, u32> = BTreeMap::new();
    let mut cancelled: Vec<u64> = Vec::new();
    let mut nsps: [Option<NamespaceId>; 2] = [None; 2];
    let mut ids = Vec::new();
    let mut mark = 0;
    while !script.0.is_empty() {
        let op = script.next();
        let arg = script.next();
        let which = usize::from(arg & 1);
        let now = rig.now();
        match op % 24 {
            0 | 1 => {
                if let Ok(nsp) = rig.client.namespace(NAMES[which], NspOptions::default()) {
                    rig.namespace(NAMES[which], NspOptions::default());
                    nsps[which] = Some(nsp);
                    rig.client.connect(now, nsp);
                }
            }
            2 => {
                if let Some(nsp) = nsps[which] {
                    rig.client.disconnect(now, nsp);
                }
            }
            3..=6 => {
                if let Some(nsp) = nsps[which] {
                    let mut options = if arg & 2 > 0 {
                        EmitOptions::ACK
                    } else {
                        EmitOptions::PLAIN
                    };
                    options.volatile = arg & 0x1c == 0x1c;
                    if arg & 32 > 0 {
                        options = options.timeout(Duration::from_millis(u64::from(arg) * 10));
                    }
                    let name = if arg & 64 > 0 { "echo" } else { "e" };
                    let bytes = script.take(usize::from(arg >> 3));
                    let result = match op % 24 {
                        3 => rig.client.emit(now, nsp, name, &(arg,), options),
                        4 => rig.client.emit(
                            now,
                            nsp,
                            name,
                            &(BinRef(bytes), 1, BinRef(b"x")),
                            options,
                        ),
                        5 => rig.client.emit(
                            now,
                            nsp,
                            name,
                            &(String::from_utf8_lossy(bytes).as_ref(),),
                            options,
                        ),
                        _ => rig.client.emit(now, nsp, name, &[BinRef(b"y"); 3], options),
                    };
                    if let Ok(Some(id)) = result {
                        assert!(acks.insert(id.get(), 0).is_none(), "an ack id twice");
                        ids.push(id);
                    }
                }
            }
            7 | 8 => rig.pass(u64::from(arg)),
            9 => rig.pass(u64::from(arg) * 100),
            10 => rig.sleep(u64::from(arg) * 50),
            11 => rig.cut(link(arg)),
            12 => rig.break_link(link(arg), "gone"),
            13 => rig.feed(link(arg), script.take(usize::from(arg >> 2))),
            14 => {
                rig.opening = [
                    Opening::Accept,
                    Opening::Refuse,
                    Opening::Hold,
                    Opening::Accept,
                ][usize::from(arg % 4)];
                if arg & 16 > 0 {
                    rig.opened(link(arg >> 5));
                } else {
                    rig.refused(link(arg >> 5));
                }
            }
            15 => {
                let most = [0, 1, 5, 20, 100, usize::MAX][usize::from(arg % 6)];
                if most == 0 {
                    rig.write[link(arg >> 4).index()] = 0;
                } else {
                    rig.writable(link(arg >> 4), most);
                }
            }
            16 => {
                let raw = String::from_utf8_lossy(script.take(usize::from(arg >> 3))).into_owned();
                let valid = [
                    "42[\"s\",1]",
                    "420[\"q\"]",
                    "6",
                    "2",
                    "1",
                    "41",
                    "41/chat,",
                    "42/chat,[\"c\"]",
                ];
                match arg % 9 {
                    8 => rig.serve(|server| server.send_raw(&raw)),
                    n => rig.serve(|server| server.send_raw(valid[usize::from(n)])),
                }
            }
            17 => {
                let bytes = script.take(usize::from(arg >> 3));
                rig.serve(|server| {
                    server.emit(
                        NAMES[which],
                        "[\"b\",{\"_placeholder\":true,\"num\":0}]",
                        &[bytes],
                    )
                });
            }
            18 => {
                if !rig.wanted.is_empty() {
                    let _ = rig.answer(&(BinRef(script.take(usize::from(arg >> 4))), arg));
                }
            }
            19 => match arg % 4 {
                0 => rig.client.reconnect(now),
                1 => rig.client.disconnect_all(now),
                2 => rig.serve(Server::drop_session),
                _ => rig.client.reconnection_mut().enabled = arg & 8 == 0,
            },
            20 => {
                if let Some(nsp) = nsps[which] {
                    if arg & 4 > 0 {
                        rig.client.clear_send_buffer(nsp);
                    } else {
                        rig.client.forget(now, nsp);
                        nsps[which] = None;
                    }
                }
            }
            21 => {
                if let Some(id) = ids.get(usize::from(arg)).or(ids.last()) {
                    rig.client.cancel_ack(*id);
                    cancelled.push(id.get());
                }
            }
            22 => {
                if let Some(nsp) = nsps[which] {
                    let mut options = NspOptions::default();
                    options.retries = (arg & 2 > 0).then_some(u32::from(arg >> 5));
                    options.ack_timeout =
                        (arg & 4 > 0).then_some(Duration::from_millis(u64::from(arg)));
                    options.auth = arg & 8 > 0;
                    rig.client.set_options(nsp, options);
                    rig.auth = (arg & 16 > 0).then(|| "{\"a\":1}".to_owned());
                }
            }
            _ => match arg % 8 {
                0 => rig.pause_reading(arg & 8 > 0),
                1 => {
                    if let Some(nsp) = nsps[which] {
                        let _ = rig.client.provide_auth(now, nsp, "{\"late\":true}");
                    }
                }
                2 => rig.client.report_outgoing(arg & 8 > 0),
                3 => {
                    if let Some(nsp) = nsps[which] {
                        rig.client.refuse_auth(now, nsp);
                    }
                }
                4 => {
                    rig.client.set_query(text("room=1"));
                    rig.client
                        .set_headers(text("Cookie: own=1\r\nX-Own: 1\r\n"));
                }
                5 => {
                    if let Some(nsp) = nsps[which] {
                        let packet = RawPacket {
                            json: b"[\"raw\",1]",
                            attachments: Attachments::EMPTY,
                        };
                        let _ = rig.client.emit_raw(now, nsp, packet, EmitOptions::PLAIN);
                    }
                }
                6 => {
                    if let Some(request) = rig.wanted.pop_front() {
                        let packet = RawPacket {
                            json: b"[1]",
                            attachments: Attachments::EMPTY,
                        };
                        let _ = rig.client.ack_raw(now, request, packet);
                    }
                }
                _ => rig.serve(|server| server.kick(NAMES[which])),
            },
        }
        // (What is emitted and not looked at leaves with the next deadline; of those one client may know fewer.)
        if op & 0x80 == 0 || rig.history.is_some() {
            rig.drain();
        }
        count(rig, &mut acks);
        let (written, sent) = (rig.client.written_mark(), rig.client.send_mark());
        assert!(mark <= written && written <= sent, "marks only grow");
        mark = written;
    }
    rig.pause_reading(false);
    // Everything is forgotten: what was still waited for resolves now.
    rig.meddle = None;
    for nsp in nsps.into_iter().flatten() {
        let now = rig.now();
        rig.client.forget(now, nsp);
    }
    rig.write = [usize::MAX; 3];
    rig.drain();
    rig.pass(30_000);
    count(rig, &mut acks);
    for (id, times) in acks {
        if cancelled.contains(&id) {
            assert!(times <= 1, "ack #{id} was resolved {times} times");
        } else {
            assert_eq!(times, 1, "ack #{id}");
        }
    }
    assert!(rig.client.is_down(), "nothing is wanted any more");
    assert_eq!(
        (rig.client.send_queue_len(), rig.client.send_queue_bytes()),
        (0, 0),
        "nothing is kept"
    );
}

fn count(rig: &mut Rig<'_>, acks: &mut BTreeMap<u64, u32>) {
    acks.extend(rig.meddled.drain(..).map(|id| (id.get(), 0)));
    let log = rig.take_log();
    for line in log.lines() {
        let id = line
            .strip_prefix("ack #")
            .and_then(|rest| rest.split(' ').next())
            .and_then(|id| id.parse().ok());
        if let Some(times) = id.and_then(|id: u64| acks.get_mut(&id)) {
            *times += 1;
        }
    }
}
