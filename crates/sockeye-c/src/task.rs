//! The client's task: the core's loop, and the telling of what happens.

use alloc::vec::Vec;
use core::ffi::c_char;
use core::fmt::Write as _;

use sockeye_core::drive::{App, Idle, run as drive};
use sockeye_core::packet::Text;
use sockeye_core::{Client, Event, Instant, Message, NamespaceId, Transport};

use crate::args::sockeye_args_t;
use crate::error::{Failure, SOCKEYE_ERR_FULL, SOCKEYE_OK};
use crate::events::{
    SOCKEYE_EVENT_CLOSED, SOCKEYE_EVENT_CONNECT_ERROR, SOCKEYE_EVENT_CONNECTED_HTTP,
    SOCKEYE_EVENT_CONNECTED_WS, SOCKEYE_EVENT_DISCONNECTED, SOCKEYE_EVENT_JOINED,
    SOCKEYE_EVENT_NO_MEM, SOCKEYE_EVENT_PING, SOCKEYE_EVENT_READY, SOCKEYE_EVENT_RECEIVED,
    SOCKEYE_EVENT_RECONNECT_FAILED, SOCKEYE_EVENT_RECONNECTED, SOCKEYE_EVENT_RECONNECTING,
    SOCKEYE_EVENT_STOPPED, SOCKEYE_EVENT_TOO_LARGE, SOCKEYE_EVENT_UNSENT,
    SOCKEYE_EVENT_UPGRADE_ERROR, sockeye_auth_t, sockeye_event_t, sockeye_message_t,
};
use crate::handle::{State, sockeye_client};
use crate::json::sockeye_json_t;
use crate::net::PortNet;
use crate::port::SOCKEYE_LOG_WARN;
use crate::text::Line;

/// A line for people about an event.
type Words = Line<320>;
/// The name of a namespace: up to 48 bytes.
type NspName = Line<64>;

/// Runs the client until it is stopped.
pub(crate) fn run(client: &sockeye_client) {
    client.begin();
    let mut task = Task { client };
    task.tell(&sockeye_event_t::new(SOCKEYE_EVENT_READY));
    let mut net = PortNet::new(client.port, client.net, client.settings.target());
    drive(&mut task, &mut net);
    drop(net);
    task.tell(&sockeye_event_t::new(SOCKEYE_EVENT_STOPPED));
}

struct Task<'c> {
    client: &'c sockeye_client,
}

impl App<'static> for Task<'_> {
    fn with<R>(&mut self, use_client: impl FnOnce(&mut Client<'static>) -> R) -> R {
        use_client(&mut self.client.lock().core)
    }

    fn event(&mut self, now: Instant, event: Event<'_>) {
        let mut words = Words::new();
        match event {
            Event::Opened { transport, .. } => self.tell(&sockeye_event_t::new(match transport {
                Transport::Polling => SOCKEYE_EVENT_CONNECTED_HTTP,
                Transport::WebSocket => SOCKEYE_EVENT_CONNECTED_WS,
            })),
            Event::Upgraded => self.tell(&sockeye_event_t::new(SOCKEYE_EVENT_CONNECTED_WS)),
            Event::UpgradeFailed(details) => {
                let _ = write!(words, "{details}");
                self.log(SOCKEYE_LOG_WARN, &words);
                self.tell(&sockeye_event_t {
                    text: words.as_c().as_ptr(),
                    ..sockeye_event_t::new(SOCKEYE_EVENT_UPGRADE_ERROR)
                });
            }
            Event::Auth(nsp) => self.auth(now, nsp),
            Event::Connected { nsp, recovered } => {
                let _ = words.write_str(self.client.lock().core.id(nsp).unwrap_or(""));
                self.tell_of(
                    nsp,
                    sockeye_event_t {
                        text: words.as_c().as_ptr(),
                        recovered,
                        ..sockeye_event_t::new(SOCKEYE_EVENT_JOINED)
                    },
                );
            }
            Event::ConnectError(refusal) => {
                let _ = write!(words, "{}", refusal.message);
                self.refused(refusal.nsp, &words, refusal.data);
            }
            Event::Message(message) => self.message(&message),
            Event::Ack { id, result } => {
                let waiter = self.client.lock().take_waiter(id);
                let Some((Some(call), ctx)) = waiter else {
                    return;
                };
                let client = core::ptr::from_ref(self.client).cast_mut();
                match result {
                    Ok(args) => {
                        let args = sockeye_args_t(args);
                        // SAFETY: the application's own function; what it is given lives as long as the call.
                        unsafe { call(client, SOCKEYE_OK, &raw const args, ctx) };
                    }
                    Err(error) => {
                        // SAFETY: as above.
                        unsafe { call(client, Failure::from(error).0, core::ptr::null(), ctx) };
                    }
                }
            }
            Event::Disconnected {
                nsp,
                reason,
                details,
            } => {
                self.client.lock().forget_questions(nsp);
                let _ = write!(words, "{details}");
                let reason = reason_text(reason.as_str());
                self.tell_of(
                    nsp,
                    sockeye_event_t {
                        text: words.as_c().as_ptr(),
                        reason,
                        ..sockeye_event_t::new(SOCKEYE_EVENT_DISCONNECTED)
                    },
                );
            }
            Event::Closed {
                reason,
                details,
                opened,
                retry,
            } => {
                let _ = write!(words, "{details}");
                if retry || !opened {
                    self.log(SOCKEYE_LOG_WARN, &words);
                }
                let id = if opened {
                    SOCKEYE_EVENT_CLOSED
                } else {
                    SOCKEYE_EVENT_CONNECT_ERROR
                };
                self.tell(&sockeye_event_t {
                    text: words.as_c().as_ptr(),
                    reason: if opened {
                        reason_text(reason.as_str())
                    } else {
                        core::ptr::null()
                    },
                    will_retry: retry,
                    ..sockeye_event_t::new(id)
                });
            }
            Event::Reconnecting { attempt, delay } => self.tell(&sockeye_event_t {
                attempt,
                delay_ms: u32::try_from(delay.as_millis()).unwrap_or(u32::MAX),
                ..sockeye_event_t::new(SOCKEYE_EVENT_RECONNECTING)
            }),
            Event::Reconnected(attempt) => self.tell(&sockeye_event_t {
                attempt,
                ..sockeye_event_t::new(SOCKEYE_EVENT_RECONNECTED)
            }),
            Event::ReconnectFailed => {
                self.tell(&sockeye_event_t::new(SOCKEYE_EVENT_RECONNECT_FAILED));
            }
            Event::MessageTooLarge { bytes, limit } => {
                let _ = write!(
                    words,
                    "a packet of {bytes} bytes was skipped: rx_buffer has room for {limit}"
                );
                self.log(SOCKEYE_LOG_WARN, &words);
                self.tell(&sockeye_event_t {
                    text: words.as_c().as_ptr(),
                    bytes,
                    limit: limit as u64,
                    ..sockeye_event_t::new(SOCKEYE_EVENT_TOO_LARGE)
                });
            }
            Event::Unsent(unsent) => {
                let _ = write!(words, "{} was not sent: {}", unsent.event, unsent.cause);
                self.log(SOCKEYE_LOG_WARN, &words);
                self.tell_of(
                    unsent.nsp,
                    sockeye_event_t {
                        text: words.as_c().as_ptr(),
                        bytes: unsent.bytes as u64,
                        ..sockeye_event_t::new(SOCKEYE_EVENT_UNSENT)
                    },
                );
            }
            Event::Ping => self.tell(&sockeye_event_t::new(SOCKEYE_EVENT_PING)),
            // The attempt itself has been told by its delay; outgoing packets are not reported to C.
            _ => (),
        }
    }

    fn idle(&mut self, now: Instant, down: bool) -> Idle {
        let again = {
            let mut state = self.client.lock();
            if state.core.send_queue_len() == 0 {
                state.flushed(self.client.port);
            }
            if state.is_stopping() && down {
                return Idle::End;
            }
            let State { names, .. } = &mut *state;
            names.iter_mut().find(|entry| entry.ask).map(|entry| {
                entry.ask = false;
                entry.id
            })
        };
        if let Some(nsp) = again {
            self.auth(now, nsp);
            // Where there is still no room, the wait below gives the network a chance to make some.
            let waits = self.client.lock().entry(nsp).is_some_and(|entry| entry.ask);
            return if waits { Idle::Wait } else { Idle::Again };
        }
        Idle::Wait
    }
}

/// The official client's words as a C string: they are few, and static.
fn reason_text(reason: &str) -> *const c_char {
    const ALL: [&core::ffi::CStr; 7] = [
        c"io server disconnect",
        c"io client disconnect",
        c"ping timeout",
        c"transport close",
        c"transport error",
        c"parse error",
        c"forced close",
    ];
    let found = ALL.iter().find(|text| text.to_bytes() == reason.as_bytes());
    found.map_or(core::ptr::null(), |text| text.as_ptr())
}

impl Task<'_> {
    fn log(&self, level: i32, words: &Words) {
        self.client
            .port
            .log(level, format_args!("{}", words.as_str()));
    }

    /// The name of a namespace, kept apart: another task may leave it while it is told.
    fn name(&self, nsp: NamespaceId) -> NspName {
        let mut name = NspName::new();
        let _ = name.write_str(self.client.lock().core.name(nsp));
        name
    }

    fn tell_of(&self, nsp: NamespaceId, event: sockeye_event_t) {
        let name = self.name(nsp);
        // One that has made room for another has no name any more.
        let known = name.len() > 0;
        self.tell(&sockeye_event_t {
            nsp: if known {
                name.as_c().as_ptr()
            } else {
                core::ptr::null()
            },
            ..event
        });
    }

    fn tell(&self, event: &sockeye_event_t) {
        if self.client.lock().is_orphan() {
            return;
        }
        let raw = self.client.settings.raw();
        if let Some(call) = raw.event_cb {
            let client = core::ptr::from_ref(self.client).cast_mut();
            // SAFETY: the application's own function; what it is given lives as long as the call.
            unsafe { call(client, event, raw.event_ctx) };
        }
    }

    fn refused(&self, nsp: NamespaceId, words: &Words, data: Option<&str>) {
        let name = self.name(nsp);
        self.client.port.log(
            SOCKEYE_LOG_WARN,
            format_args!("{}: {}", name.as_str(), words.as_str()),
        );
        self.tell(&sockeye_event_t {
            nsp: name.as_c().as_ptr(),
            text: words.as_c().as_ptr(),
            data: data.map_or(sockeye_json_t::NONE, sockeye_json_t::new),
            ..sockeye_event_t::new(SOCKEYE_EVENT_CONNECT_ERROR)
        });
    }

    fn auth(&self, now: Instant, nsp: NamespaceId) {
        let client = self.client;
        let raw = client.settings.raw();
        let outcome = if let Some(call) = raw.auth_cb {
            if client.lock().is_orphan() {
                return;
            }
            let name = self.name(nsp);
            let mut question = sockeye_auth_t {
                client,
                nsp,
                outcome: None,
            };
            let handle = core::ptr::from_ref(client).cast_mut();
            // SAFETY: the application's own function; what it is given lives as long as the call.
            unsafe {
                call(
                    handle,
                    name.as_c().as_ptr(),
                    &raw mut question,
                    raw.auth_ctx,
                );
            }
            question.outcome
        } else {
            let first = client.lock().is_first(nsp);
            let auth = match &client.settings.auth {
                // SAFETY: borrowed only here.
                Some(auth) if first => unsafe { auth.text() },
                _ => "",
            };
            Some(crate::error::code(client.provide_auth(nsp, auth)))
        };
        match outcome {
            Some(SOCKEYE_OK) => (),
            Some(SOCKEYE_ERR_FULL) => {
                if let Some(entry) = client.lock().entry(nsp) {
                    entry.ask = true;
                }
            }
            _ => {
                client.lock().core.refuse_auth(now, nsp);
                let mut words = Words::new();
                let _ = words.write_str(if outcome.is_none() {
                    "the auth callback gave no payload"
                } else {
                    "the auth payload is not a JSON object, or does not fit tx_buffer"
                });
                self.refused(nsp, &words, None);
            }
        }
    }

    fn message(&self, message: &Message<'_>) {
        let name = self.name(message.nsp);
        let mut short = Line::<128>::new();
        let mut long = Vec::new();
        let Some((event, len)) = unescaped(&message.name, &mut short, &mut long) else {
            let mut words = Words::new();
            let _ = words.write_str("no memory for the long name of an event: it is not told");
            self.log(SOCKEYE_LOG_WARN, &words);
            self.tell(&sockeye_event_t {
                nsp: name.as_c().as_ptr(),
                text: words.as_c().as_ptr(),
                ..sockeye_event_t::new(SOCKEYE_EVENT_NO_MEM)
            });
            return;
        };
        let ack = message
            .ack
            .map_or(0, |request| self.client.lock().question(request));
        self.tell(&sockeye_event_t {
            nsp: name.as_c().as_ptr(),
            text: event,
            ..sockeye_event_t::new(SOCKEYE_EVENT_RECEIVED)
        });
        let args = sockeye_args_t(message.args);
        let told = sockeye_message_t {
            nsp: name.as_c().as_ptr(),
            event,
            event_len: len,
            args: &raw const args,
            ack,
        };
        let client = core::ptr::from_ref(self.client).cast_mut();
        // Handlers come and go while others run: each step looks for the next one by its number. Those that are added
        // meanwhile are for the events after this one.
        let (mut last, newest) = (0, self.client.lock().newest_handler());
        loop {
            let next = {
                let state = self.client.lock();
                if state.is_orphan() {
                    return;
                }
                let from = state
                    .handlers
                    .partition_point(|handler| handler.number <= last);
                let meant = state.handlers[from..].iter().find(|handler| {
                    handler.number <= newest
                        && handler.nsp == message.nsp
                        && handler.event.as_ref().is_none_or(|name| {
                            // SAFETY: borrowed only here, under the lock.
                            message.name == unsafe { name.text() }
                        })
                });
                meant.map(|handler| (handler.number, handler.call, handler.ctx))
            };
            let Some((number, call, ctx)) = next else {
                return;
            };
            last = number;
            if let Some(call) = call {
                // SAFETY: the application's own function; what it is given lives as long as the call.
                unsafe { call(client, &raw const told, ctx) };
            }
        }
    }
}

/// The name of an event, unescaped and ended by a zero, in one of two places; `None` if there is no memory.
fn unescaped(
    text: &Text<'_>,
    short: &mut Line<128>,
    long: &mut Vec<u8>,
) -> Option<(*const c_char, usize)> {
    if write!(short, "{text}").is_ok() {
        return Some((short.as_c().as_ptr(), short.len()));
    }
    let len = text.chars().map(char::len_utf8).sum::<usize>();
    long.try_reserve_exact(len + 1).ok()?;
    for c in text.chars() {
        let mut utf8 = [0; 4];
        long.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
    }
    long.push(0);
    Some((long.as_ptr().cast(), len))
}
