//! What a client is told once: where to connect, how, and with which patience.

use core::time::Duration;

pub(crate) use crate::features::{BINARY, EIO3, EXTRAS, POLLING, RECOVERY, RETRIES};
use crate::limits::Limits;

/// Text in a [`Config`]: owned or borrowed with `alloc`, borrowed without.
#[cfg(feature = "alloc")]
pub type Str<'a> = alloc::borrow::Cow<'a, str>;
/// Text in a [`Config`]: owned or borrowed with `alloc`, borrowed without.
#[cfg(not(feature = "alloc"))]
pub type Str<'a> = &'a str;

/// Helper that turns a borrowed text into a [`Str`] in every tier.
pub const fn text(s: &str) -> Str<'_> {
    #[cfg(feature = "alloc")]
    return alloc::borrow::Cow::Borrowed(s);
    #[cfg(not(feature = "alloc"))]
    return s;
}

/// An Engine.IO transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Transport {
    /// HTTP long-polling: one GET waits for packets, POSTs carry packets out.
    Polling,
    /// RFC 6455 WebSocket.
    WebSocket,
}

impl Transport {
    /// The name on the wire: `polling` or `websocket`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

/// Which transports may be used, in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Transports {
    first: Transport,
    second: bool,
}

impl Transports {
    /// Start on polling, upgrade to WebSocket: what the official client does.
    #[cfg(feature = "polling")]
    pub const POLLING_FIRST: Self = Self {
        first: Transport::Polling,
        second: true,
    };
    /// Start on WebSocket; polling is tried when WebSocket fails, if [`Config::try_all_transports`].
    #[cfg(feature = "polling")]
    pub const WEBSOCKET_FIRST: Self = Self {
        first: Transport::WebSocket,
        second: true,
    };
    /// Polling alone.
    #[cfg(feature = "polling")]
    pub const POLLING: Self = Self {
        first: Transport::Polling,
        second: false,
    };
    /// WebSocket alone: one socket, no sticky sessions needed, the smallest choice for devices.
    pub const WEBSOCKET: Self = Self {
        first: Transport::WebSocket,
        second: false,
    };

    /// The transport tried first.
    pub const fn first(self) -> Transport {
        if POLLING {
            self.first
        } else {
            Transport::WebSocket
        }
    }

    /// Whether `transport` may be used at all.
    pub fn allows(self, transport: Transport) -> bool {
        if POLLING {
            self.second || self.first == transport
        } else {
            transport == Transport::WebSocket
        }
    }
}

/// When requests carry a time stamp in the query, against caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Timestamp {
    /// On polling requests: the default.
    Polling,
    /// On the WebSocket request as well.
    Always,
    /// Never.
    Never,
}

/// Where random numbers come from: WebSocket masks and keys, jitter.
#[derive(Clone, Copy)]
pub enum Entropy {
    /// The platform's generator: fills the whole slice with unpredictable bytes (RFC 6455 section 5.3 asks for that).
    Fn(fn(&mut [u8])),
    /// A seeded generator, **for tests only**.
    Seed(u64),
}

impl core::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Fn(_) => "Entropy::Fn",
            Self::Seed(_) => "Entropy::Seed",
        })
    }
}

/// The reconnection policy of the Manager.
///
/// The delay before attempt `n` (from 0) is drawn evenly from `[d·(1−f), min(d·(1+f), delay_max)]` with
/// `d = min(delay·2ⁿ, delay_max)`, saturating. The official client applies the jitter *before* the cap, so that a
/// whole fleet ends up waiting exactly `delay_max`, and overflows to zero delays after about a thousand attempts;
/// Sockeye does neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reconnection {
    /// Whether a lost or failed connection is tried again. Default true.
    pub enabled: bool,
    /// How many attempts before giving up; `None` (the default) never gives up, `Some(0)` makes none.
    pub attempts: Option<u32>,
    /// The first delay. Default 1 s.
    pub delay: Duration,
    /// The longest delay. Default 5 s.
    pub delay_max: Duration,
    /// `randomizationFactor` in thousandths: 0 (none) to 1000. Default 500.
    pub jitter_permille: u16,
}

impl Reconnection {
    /// The defaults named at each field.
    pub const DEFAULT: Self = Self {
        enabled: true,
        attempts: None,
        delay: Duration::from_secs(1),
        delay_max: Duration::from_secs(5),
        jitter_permille: 500,
    };
}

impl Default for Reconnection {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How WebSocket messages are compressed (permessage-deflate, RFC 7692), if the server agrees: [`Config::compression`].
///
/// It takes memory: some 300 KB for compressing from the first message on that is compressed, given back when the
/// connection is idle, and 43 KB for inflating.
#[cfg(feature = "deflate")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Compression {
    /// Messages of so many bytes or more are compressed, smaller ones are not. Default 1024, as the official client.
    /// (What the server compresses is its own choice.)
    pub threshold: usize,
    /// The client compresses each message without what earlier ones taught. Default false. The server may ask for it, too.
    pub client_no_context_takeover: bool,
    /// The server has to do the same, which spares this side the memory between messages; the connection fails if it does
    /// not agree. Default false.
    pub server_no_context_takeover: bool,
}

#[cfg(feature = "deflate")]
impl Compression {
    /// The defaults named at each field.
    pub const DEFAULT: Self = Self {
        threshold: 1024,
        client_no_context_takeover: false,
        server_no_context_takeover: false,
    };

    /// The same for messages of so many bytes or more.
    #[must_use]
    pub const fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// The same with or without the client's context takeover.
    #[must_use]
    pub const fn client_no_context_takeover(mut self, on: bool) -> Self {
        self.client_no_context_takeover = on;
        self
    }

    /// The same with or without the server's context takeover.
    #[must_use]
    pub const fn server_no_context_takeover(mut self, on: bool) -> Self {
        self.server_no_context_takeover = on;
        self
    }
}

#[cfg(feature = "deflate")]
impl Default for Compression {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What server and client have agreed on: [`Client::compression`](crate::Client::compression).
#[cfg(feature = "deflate")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct AgreedCompression {
    /// The client's messages are compressed. False if the server allows a smaller window only than the compressor has
    /// (`client_max_window_bits` below 15): the server's messages alone are compressed then.
    pub sending: bool,
    /// The client begins each message anew.
    pub client_no_context_takeover: bool,
    /// The server begins each message anew.
    pub server_no_context_takeover: bool,
}

/// How packets are written: [`Config::parser`]. Both sides have to use the same; nothing on the wire says which.
#[cfg(feature = "msgpack")]
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Parser {
    /// Text with JSON, and binary messages behind it: what every server does unless it is told otherwise.
    #[default]
    Json,
    /// One MessagePack map for a packet, binary values in place: `socket.io-msgpack-parser`. On a WebSocket they are
    /// binary messages, by long-polling base64.
    MessagePack,
    /// One of your own: see [`PacketParser`](crate::packet::PacketParser). It lives in a `static`.
    Custom(&'static dyn crate::packet::PacketParser),
}

/// Parsers of the application's own are equal if they are one.
#[cfg(feature = "msgpack")]
impl PartialEq for Parser {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Json, Self::Json) | (Self::MessagePack, Self::MessagePack) => true,
            (Self::Custom(a), Self::Custom(b)) => core::ptr::addr_eq(*a, *b),
            _ => false,
        }
    }
}

#[cfg(feature = "msgpack")]
impl Eq for Parser {}

#[cfg(all(feature = "msgpack", feature = "defmt"))]
impl defmt::Format for Parser {
    fn format(&self, f: defmt::Formatter<'_>) {
        let name = match self {
            Self::Json => "Json",
            Self::MessagePack => "MessagePack",
            Self::Custom(_) => "Custom",
        };
        defmt::write!(f, "{=str}", name);
    }
}

#[cfg(feature = "msgpack")]
impl Parser {
    /// Whether packets become one message each, and are no text with attachments behind it.
    pub(crate) const fn packs(self) -> bool {
        !matches!(self, Self::Json)
    }

    /// Binary values that one packet may have, where `limit` is [`Limits::attachments`]. In one message they are values
    /// among others, and no server counts them: there, at least 1024.
    pub fn attachments(self, limit: u16) -> u16 {
        match self {
            Self::Json => limit,
            Self::MessagePack | Self::Custom(_) => limit.max(1024),
        }
    }
}

/// Which version of the protocol is spoken: [`Config::protocol`].
///
/// In Engine.IO 3 the server joins the main namespace by itself, CONNECT takes no `auth` payload (but a query behind
/// the namespace's name: `/chat?token=…`), the client sends the pings, and nothing is recovered.
#[cfg(feature = "eio3")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Protocol {
    /// Engine.IO 4: Socket.IO 3, 4 and later. An older server is an error that says so.
    #[default]
    V4,
    /// Engine.IO 3: Socket.IO 2 and 1. A newer server is an error, unless it has `allowEIO3`.
    V3,
    /// Engine.IO 4 is asked for, and the answer tells. A server of Engine.IO 3 that is met by long-polling is served over
    /// the same connection: its payloads look different. On a WebSocket nothing differs but that it joins the main
    /// namespace unasked: the connection is then made anew, with Engine.IO 3 from the start.
    ///
    /// With `force_base64` nothing is detected, because older servers do not agree on how lengths are counted then.
    Detect,
}

/// How to reach the server and how to behave: the Manager and Engine.IO options.
///
/// Its `Debug` shows no query and no headers: they carry tokens more often than not.
#[derive(Clone)]
pub struct Config<'a> {
    /// The `Host` header: host name and, if not the scheme's default, port. IPv6 addresses in brackets.
    pub host: Str<'a>,
    /// The request path. Default `/socket.io/`.
    pub path: Str<'a>,
    /// Extra query, already percent-encoded, without a leading `?` or `&`. Fixed for a session: see
    /// `Client::set_query` (feature `extras`) for changes at the next connection.
    pub query: Str<'a>,
    /// Extra header lines, each ended by CRLF, sent with every request (polling and the WebSocket upgrade). Several lines
    /// `Cookie` become one, with the server's cookies; without the feature `polling` there are none of those, and lines
    /// are written as they are: give one.
    pub headers: Str<'a>,
    /// WebSocket sub-protocols as in `Sec-WebSocket-Protocol`; empty for none.
    pub protocols: Str<'a>,
    /// Offers the server to compress WebSocket messages. Default `None`. Long-polling is never compressed.
    /// Without growable memory nothing is offered.
    #[cfg(feature = "deflate")]
    pub compression: Option<Compression>,
    /// How packets are written. Default [`Parser::Json`].
    #[cfg(feature = "msgpack")]
    pub parser: Parser,
    /// Which version of the protocol is spoken. Default [`Protocol::V4`].
    #[cfg(feature = "eio3")]
    pub protocol: Protocol,
    /// Which transports to use. Default `POLLING_FIRST`; [`Transports::WEBSOCKET`] without the feature `polling`.
    pub transports: Transports,
    /// Whether a polling session probes for WebSocket. Default true.
    pub upgrade: bool,
    /// Start with WebSocket once a WebSocket has worked; forgotten at any transport error. Default false.
    pub remember_upgrade: bool,
    /// When the first transport fails before the handshake, try the other at once. Default false.
    pub try_all_transports: bool,
    /// Send binary as base64 text even on WebSocket, and ask the server for the same. Default false. (Packets in
    /// MessagePack stay binary on a WebSocket, which servers take as well; and so does what is sent in Engine.IO 3.)
    #[cfg(feature = "polling")]
    pub force_base64: bool,
    /// Time stamps in queries. Default [`Timestamp::Polling`].
    pub timestamp: Timestamp,
    /// The name of the time stamp parameter. Default `t`.
    pub timestamp_param: Str<'a>,
    /// Keep cookies the server sets and send them back (sticky sessions). Default true.
    #[cfg(feature = "polling")]
    pub cookies: bool,
    /// Whether the driver judges redirects of the handshake, and goes where they lead: see
    /// [`Client::redirect`](crate::Client::redirect). Default false: a redirect is an error that names the address.
    #[cfg(feature = "redirects")]
    pub follow_redirects: bool,
    /// From dialing to the Engine.IO handshake; `None` waits for ever. Default 20 s.
    pub connect_timeout: Option<Duration>,
    /// From sending a CONNECT to its reply. The official client has no such limit. Default 20 s.
    pub join_timeout: Option<Duration>,
    /// For one polling request; `None` (the default) leaves it to the heartbeat.
    pub request_timeout: Option<Duration>,
    /// For the upgrade, from dialing to the probe's answer. Default 10 s, as the server's `upgradeTimeout`.
    pub upgrade_timeout: Duration,
    /// For saying goodbye before the link is cut. Default 2 s.
    pub close_timeout: Duration,
    /// The reconnection policy.
    pub reconnection: Reconnection,
    /// The source of random numbers.
    pub entropy: Entropy,
    /// Bounds.
    pub limits: Limits,
}

impl core::fmt::Debug for Config<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        /// Whether there is any, and how much.
        struct Hidden(usize);
        impl core::fmt::Debug for Hidden {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "({} bytes, not shown)", self.0)
            }
        }
        let mut all = f.debug_struct("Config");
        #[cfg(feature = "deflate")]
        all.field("compression", &self.compression);
        #[cfg(feature = "msgpack")]
        all.field("parser", &self.parser);
        #[cfg(feature = "eio3")]
        all.field("protocol", &self.protocol);
        #[cfg(feature = "redirects")]
        all.field("follow_redirects", &self.follow_redirects);
        all.field("host", &self.host)
            .field("path", &self.path)
            .field("query", &Hidden(self.query.len()))
            .field("headers", &Hidden(self.headers.len()))
            .field("protocols", &self.protocols)
            .field("transports", &self.transports)
            .field("upgrade", &self.upgrade)
            .field("remember_upgrade", &self.remember_upgrade)
            .field("try_all_transports", &self.try_all_transports)
            .field("force_base64", &self.base64())
            .field("timestamp", &self.timestamp)
            .field("timestamp_param", &self.timestamp_param)
            .field("cookies", &self.keeps_cookies())
            .field("connect_timeout", &self.connect_timeout)
            .field("join_timeout", &self.join_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("upgrade_timeout", &self.upgrade_timeout)
            .field("close_timeout", &self.close_timeout)
            .field("reconnection", &self.reconnection)
            .field("entropy", &self.entropy)
            .field("limits", &self.limits)
            .finish()
    }
}

impl<'a> Config<'a> {
    /// The defaults, for the server named by `host` (the `Host` header), with random numbers from `entropy`.
    pub const fn new(host: Str<'a>, entropy: Entropy) -> Self {
        Self {
            host,
            path: text("/socket.io/"),
            query: text(""),
            headers: text(""),
            protocols: text(""),
            #[cfg(feature = "deflate")]
            compression: None,
            #[cfg(feature = "msgpack")]
            parser: Parser::Json,
            #[cfg(feature = "eio3")]
            protocol: Protocol::V4,
            #[cfg(feature = "polling")]
            transports: Transports::POLLING_FIRST,
            #[cfg(not(feature = "polling"))]
            transports: Transports::WEBSOCKET,
            upgrade: true,
            remember_upgrade: false,
            try_all_transports: false,
            #[cfg(feature = "polling")]
            force_base64: false,
            timestamp: Timestamp::Polling,
            timestamp_param: text("t"),
            #[cfg(feature = "polling")]
            cookies: true,
            #[cfg(feature = "redirects")]
            follow_redirects: false,
            connect_timeout: Some(Duration::from_secs(20)),
            join_timeout: Some(Duration::from_secs(20)),
            request_timeout: None,
            upgrade_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(2),
            reconnection: Reconnection::DEFAULT,
            entropy,
            limits: Limits::DEFAULT,
        }
    }

    /// [`Self::force_base64`], where there is polling.
    pub(crate) const fn base64(&self) -> bool {
        #[cfg(feature = "polling")]
        return self.force_base64;
        #[cfg(not(feature = "polling"))]
        return false;
    }

    /// Whether attachments are accepted as base64 text: not for Engine.IO 3, where they leave as they are.
    pub(crate) const fn sends_base64(&self) -> bool {
        self.base64() && !self.begins_with_v3()
    }

    /// Whether Engine.IO 3 is spoken from the start.
    pub(crate) const fn begins_with_v3(&self) -> bool {
        #[cfg(feature = "eio3")]
        return matches!(self.protocol, Protocol::V3);
        #[cfg(not(feature = "eio3"))]
        return false;
    }

    /// Whether the server's answer tells the version.
    #[cfg(feature = "eio3")]
    pub(crate) const fn detects(&self) -> bool {
        matches!(self.protocol, Protocol::Detect) && !self.base64()
    }

    /// [`Self::follow_redirects`], where that is built in.
    pub(crate) const fn follows_redirects(&self) -> bool {
        #[cfg(feature = "redirects")]
        return self.follow_redirects;
        #[cfg(not(feature = "redirects"))]
        return false;
    }

    /// [`Self::cookies`], where there is polling.
    pub(crate) const fn keeps_cookies(&self) -> bool {
        #[cfg(feature = "polling")]
        return self.cookies;
        #[cfg(not(feature = "polling"))]
        return false;
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn debug_shows_no_secret() {
        let mut config = Config::new(text("h:1"), Entropy::Seed(1));
        config.query = text("token=s3cret");
        config.headers = text("Authorization: s3cret\r\n");
        let debug = format!("{config:?}");
        assert!(!debug.contains("s3cret"), "{debug}");
        assert!(
            debug.contains("query: (12 bytes, not shown)") && debug.contains("h:1"),
            "{debug}"
        );
    }
}

/// What gives way when an event is emitted while its namespace is not joined.
#[cfg(feature = "offline")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Offline {
    /// Nothing: without room the emit is refused, with [`EmitError::Full`](crate::EmitError::Full).
    #[default]
    Refuse,
    /// The oldest events of the namespace that wait, as many as it takes. They are told by
    /// [`Event::Dropped`](crate::Event::Dropped), and their acknowledgements fail with
    /// [`AckError::Dropped`](crate::AckError::Dropped). In fixed memory an event that is larger than all of it takes the
    /// place of everything before that is known, and is refused.
    DropOldest,
    /// The event of the same name that waits already, told likewise: of each event the latest is kept. Without room the
    /// emit is refused. An emit takes a look at each event that waits, of which there is one for each name.
    KeepLatest,
}
