//! One Engine.IO session with the namespaces that its client has joined.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, Weak};

use serde_json::{Value, json};
use sockeye_core::packet::{Args as ArgsRef, Attachments, EmitArgs, Kind, Packet};
use tokio::sync::{Notify, mpsc, oneshot};

use super::peer::{Membership, Peer, Received};
use super::{Inner, lock};
use crate::client::args::Args;
use crate::inbox::encode;

/// Attachments of one packet, both ways.
const ATTACHMENTS: u16 = 1000;

/// One Engine.IO packet: with its type if it is text, a bare attachment if it is not.
pub(super) enum EnginePacket {
    Text(String),
    Binary(Vec<u8>),
}

/// A packet whose attachments are still coming.
struct Partial {
    text: String,
    left: usize,
    count: usize,
    records: Vec<u8>,
}

struct Joined {
    membership: Arc<Membership>,
    events: mpsc::UnboundedSender<Received>,
    /// Questions of the server by their ids.
    asked: HashMap<u64, oneshot::Sender<Args>>,
    next_id: u64,
}

struct SessionState {
    /// `None` when the session has ended.
    out: Option<VecDeque<EnginePacket>>,
    partial: Option<Partial>,
    joined: HashMap<String, Joined>,
}

pub(super) struct Session {
    sid: String,
    server: Weak<Inner>,
    state: Mutex<SessionState>,
    /// There is something to write, or nothing any more.
    changed: Notify,
    /// The client has answered a ping.
    pong: Notify,
}

impl Session {
    /// A new session; the handshake is the first thing it says.
    pub(super) fn begin(server: &Arc<Inner>) -> Arc<Self> {
        let sid = format!("session-{}", server.number());
        let (interval, timeout) = {
            let state = lock(&server.state);
            (state.ping_interval, state.ping_timeout)
        };
        let open = json!({
            "sid": sid,
            "upgrades": [],
            "pingInterval": interval.as_millis() as u64,
            "pingTimeout": timeout.as_millis() as u64,
            "maxPayload": 1_000_000,
        });
        let session = Arc::new(Self {
            sid: sid.clone(),
            server: Arc::downgrade(server),
            state: Mutex::new(SessionState {
                out: Some(VecDeque::from([EnginePacket::Text(format!("0{open}"))])),
                partial: None,
                joined: HashMap::new(),
            }),
            changed: Notify::new(),
            pong: Notify::new(),
        });
        lock(&server.state)
            .sessions
            .insert(sid, Arc::clone(&session));
        let beat = Arc::downgrade(&session);
        server.runtime.spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                let Some(session) = beat.upgrade() else {
                    return;
                };
                session.say("2".into());
                let answered = tokio::time::timeout(timeout, session.pong.notified()).await;
                let silent = answered.is_err() && !session.is_stalled();
                if silent || lock(&session.state).out.is_none() {
                    return session.end();
                }
            }
        });
        session
    }

    /// Waits for something to write; `None` when the session has ended.
    pub(super) async fn take(&self) -> Option<Vec<EnginePacket>> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let stalled = self.is_stalled();
            {
                let mut state = lock(&self.state);
                let out = state.out.as_mut()?;
                if !stalled && !out.is_empty() {
                    return Some(out.drain(..).collect());
                }
            }
            changed.await;
        }
    }

    fn is_stalled(&self) -> bool {
        let server = self.server.upgrade();
        server.is_some_and(|server| lock(&server.state).stalled)
    }

    /// Has the connection look for something to write.
    pub(super) fn look(&self) {
        self.changed.notify_waiters();
    }

    fn put(&self, messages: impl IntoIterator<Item = EnginePacket>) {
        if let Some(out) = &mut lock(&self.state).out {
            out.extend(messages);
        }
        self.changed.notify_waiters();
    }

    fn say(&self, text: String) {
        self.put([EnginePacket::Text(text)]);
    }

    /// Ends the session without a word: its connections break.
    pub(super) fn end(&self) {
        if let Some(server) = self.server.upgrade() {
            lock(&server.state).sessions.remove(&self.sid);
        }
        let joined = {
            let mut state = lock(&self.state);
            state.out = None;
            std::mem::take(&mut state.joined)
        };
        drop(joined);
        self.changed.notify_waiters();
    }

    /// Sends an event, or with `id` an acknowledgement.
    pub(super) fn send<A: EmitArgs>(
        &self,
        namespace: &str,
        event: Option<&str>,
        id: Option<u64>,
        args: &A,
    ) {
        let encoded = encode(event, args, (ATTACHMENTS, false), |json, records, count| {
            let json = String::from_utf8_lossy(json).into_owned();
            let records = records.to_vec();
            Ok((json, records, count))
        });
        let (json, records, count) = match encoded {
            Ok(encoded) => encoded,
            Err(error) => panic!("these arguments cannot be sent: {error}"),
        };
        let kind = match (event.is_some(), count > 0) {
            (true, false) => Kind::Event,
            (true, true) => Kind::BinaryEvent,
            (false, false) => Kind::Ack,
            (false, true) => Kind::BinaryAck,
        };
        let mut text = format!("4{}", char::from(kind.digit()));
        if count > 0 {
            text.push_str(&format!("{count}-"));
        }
        if namespace != "/" {
            text.push_str(&format!("{namespace},"));
        }
        if let Some(id) = id {
            text.push_str(&id.to_string());
        }
        text.push_str(&json);
        let attachments = Attachments::from_records(&records, count).unwrap_or(Attachments::EMPTY);
        let attachments = attachments
            .iter()
            .map(|bytes| EnginePacket::Binary(bytes.to_vec()));
        self.put([EnginePacket::Text(text)].into_iter().chain(attachments));
    }

    /// Asks the client; its answer comes by the receiver.
    pub(super) fn ask<A: EmitArgs>(
        &self,
        namespace: &str,
        event: &str,
        args: &A,
    ) -> oneshot::Receiver<Args> {
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut state = lock(&self.state);
            let Some(joined) = state.joined.get_mut(namespace) else {
                return receiver;
            };
            let id = joined.next_id;
            joined.next_id += 1;
            joined.asked.insert(id, sender);
            id
        };
        self.send(namespace, Some(event), Some(id), args);
        receiver
    }

    /// Throws the client out of a namespace.
    pub(super) fn leave(&self, namespace: &str) {
        if lock(&self.state).joined.remove(namespace).is_some() {
            self.say(match namespace {
                "/" => "41".into(),
                name => format!("41{name},"),
            });
        }
    }

    // ---- from the client ----

    /// One Engine.IO packet of the client.
    pub(super) fn receive(self: &Arc<Self>, message: EnginePacket) {
        match message {
            EnginePacket::Binary(bytes) => self.attachment(&bytes),
            EnginePacket::Text(text) => match text.as_bytes().first() {
                Some(b'1') => self.end(),
                Some(b'3') => self.pong.notify_one(),
                Some(b'4') => self.header(&text[1..]),
                _ => (),
            },
        }
    }

    /// A Socket.IO packet, whose attachments may be to come.
    fn header(self: &Arc<Self>, text: &str) {
        let Ok(packet) = Packet::parse(text, ATTACHMENTS) else {
            // As the official server does.
            return self.end();
        };
        if packet.attachments == 0 {
            return self.packet(packet, &[], 0);
        }
        lock(&self.state).partial = Some(Partial {
            text: text.to_owned(),
            left: packet.attachments as usize,
            count: packet.attachments as usize,
            records: Vec::new(),
        });
    }

    fn attachment(self: &Arc<Self>, bytes: &[u8]) {
        let whole = {
            let mut state = lock(&self.state);
            let Some(partial) = &mut state.partial else {
                drop(state);
                return self.end();
            };
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            partial.records.extend_from_slice(&len.to_le_bytes());
            partial.records.extend_from_slice(bytes);
            partial.left -= 1;
            if partial.left > 0 {
                return;
            }
            state.partial.take()
        };
        if let Some(whole) = whole
            && let Ok(packet) = Packet::parse(&whole.text, ATTACHMENTS)
        {
            self.packet(packet, &whole.records, whole.count);
        }
    }

    fn packet(self: &Arc<Self>, packet: Packet<'_>, records: &[u8], count: usize) {
        let attachments = Attachments::from_records(records, count).unwrap_or(Attachments::EMPTY);
        match packet.kind {
            Kind::Connect => self.connect(packet.nsp, packet.data),
            Kind::Disconnect => drop(lock(&self.state).joined.remove(packet.nsp)),
            Kind::Event | Kind::BinaryEvent => {
                let Ok(mut all) = ArgsRef::new(packet.data, attachments) else {
                    return;
                };
                let rest: Vec<&str> = all.iter_raw().skip(1).collect();
                let json = format!("[{}]", rest.join(","));
                let (Ok(name), Ok(args)) = (all.next_text(), ArgsRef::new(&json, attachments))
                else {
                    return;
                };
                self.event(packet.nsp, &name.to_cow(), Args::from_ref(&args), packet.id);
            }
            Kind::Ack | Kind::BinaryAck => {
                let asked = packet.id.and_then(|id| {
                    let mut state = lock(&self.state);
                    state.joined.get_mut(packet.nsp)?.asked.remove(&id)
                });
                if let Some(asked) = asked
                    && let Ok(args) = ArgsRef::new(packet.data, attachments)
                {
                    let _ = asked.send(Args::from_ref(&args));
                }
            }
            Kind::ConnectError => self.end(),
        }
    }

    fn connect(self: &Arc<Self>, namespace: &str, auth: &str) {
        let Some(server) = self.server.upgrade() else {
            return;
        };
        let prefix = match namespace {
            "/" => String::new(),
            name => format!("{name},"),
        };
        let refusal = lock(&server.state).refusals.get(namespace).cloned();
        if let Some(refusal) = refusal {
            let mut error = json!({ "message": refusal.message });
            if let Some(data) = refusal.data {
                error["data"] = data;
            }
            return self.say(format!("44{prefix}{error}"));
        }
        let id = format!("socket-{}", server.number());
        let (events, receiver) = mpsc::unbounded_channel();
        let membership = Arc::new(Membership {
            session: Arc::downgrade(self),
            namespace: namespace.to_owned(),
            id: id.clone(),
            auth: serde_json::from_str(auth).unwrap_or(Value::Null),
        });
        lock(&self.state).joined.insert(
            namespace.to_owned(),
            Joined {
                membership: Arc::clone(&membership),
                events,
                asked: HashMap::new(),
                next_id: 0,
            },
        );
        self.say(format!("40{prefix}{}", json!({ "sid": id })));
        let peer = Peer::new(membership, receiver);
        lock(&server.state)
            .joined
            .entry(namespace.to_owned())
            .or_default()
            .push_back(peer);
        server.changed.notify_waiters();
    }

    fn event(&self, namespace: &str, name: &str, args: Args, id: Option<u64>) {
        let Some(server) = self.server.upgrade() else {
            return;
        };
        let (membership, events) = {
            let state = lock(&self.state);
            let Some(joined) = state.joined.get(namespace) else {
                drop(state);
                // A packet for a namespace that is not joined: the official server closes the connection.
                return self.end();
            };
            (Arc::clone(&joined.membership), joined.events.clone())
        };
        let event = Received::new(membership, name, args, id);
        let handler = lock(&server.state).handlers.get(name).cloned();
        match handler {
            Some(handler) => handler(&event),
            None => drop(events.send(event)),
        }
    }
}
