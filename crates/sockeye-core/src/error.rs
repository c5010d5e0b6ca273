//! Why things ended: disconnect reasons, causes, and the errors of commands.

use core::fmt;

use crate::features::MESSAGES;
use crate::limits::NOTE_LEN;
use crate::message::message;
use crate::packet::{EncodeError, PacketError};
use crate::short::Short;
use crate::wire::http1::HttpError;
use crate::wire::ws::WsError;

/// Why a namespace was left. The texts are those of the official client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DisconnectReason {
    /// The server disconnected the namespace. The client stays away until told to connect.
    IoServerDisconnect,
    /// The application disconnected the namespace.
    IoClientDisconnect,
    /// No ping came within `pingInterval` + `pingTimeout`.
    PingTimeout,
    /// The connection was closed.
    TransportClose,
    /// The connection failed.
    TransportError,
    /// The server sent something that is not a Socket.IO packet.
    ParseError,
    /// The application asked for a new connection.
    ForcedClose,
}

impl DisconnectReason {
    /// The official client's text for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IoServerDisconnect => "io server disconnect",
            Self::IoClientDisconnect => "io client disconnect",
            Self::PingTimeout => "ping timeout",
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::ParseError => "parse error",
            Self::ForcedClose => "forced close",
        }
    }

    /// Whether the client connects again by itself, if reconnection is enabled.
    pub const fn reconnects(self) -> bool {
        !matches!(self, Self::IoServerDisconnect | Self::IoClientDisconnect)
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What exactly went wrong on the way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The application ended it.
    Local,
    /// The driver could not connect (DNS, TCP, TLS): the text is the driver's.
    Dial,
    /// No handshake within the connect timeout.
    ConnectTimeout,
    /// No answer to one polling request within the request timeout.
    RequestTimeout,
    /// The connection was closed by the other side.
    Eof,
    /// The connection broke: the text is the driver's.
    Io,
    /// The server closed the Engine.IO session (packet `1`).
    EngineClose,
    /// No ping within `pingInterval` + `pingTimeout`.
    PingTimeout,
    /// The server answered with this HTTP status; `code` is Engine.IO's error code, if it gave one and bodies are read (not
    /// without the feature `polling`): 0 transport
    /// unknown, 1 session id unknown, 2 bad handshake method, 3 bad request, 4 forbidden, 5 unsupported protocol version.
    Http {
        /// The HTTP status.
        status: u16,
        /// Engine.IO's error code.
        code: Option<u8>,
    },
    /// The server redirects: the text is the new address.
    Redirect(u16),
    /// The server sent a web page.
    Html(u16),
    /// The response is not HTTP/1.1 as the client understands it.
    BadHttp(&'static str),
    /// The handshake is not Engine.IO's.
    NotEngineIo,
    /// The server speaks Engine.IO 3 (Socket.IO 2).
    OldServer,
    /// The session id of the handshake is longer than [`ID_MAX`](crate::ID_MAX).
    IdTooLong,
    /// The WebSocket handshake was not accepted as RFC 6455 asks.
    WebSocketHandshake,
    /// The request for a WebSocket was answered with HTTP status 400.
    WebSocketRefused,
    /// The server violated RFC 6455.
    WebSocketProtocol(&'static str),
    /// The WebSocket was closed with this status code; the text is the server's reason.
    WebSocketClose(u16),
    /// The server's compressed data was not accepted: the text says why.
    #[cfg(feature = "deflate")]
    Compression(&'static str),
    /// A packet could not be read.
    Packet(PacketError),
    /// The server disconnected the namespace.
    ServerDisconnect,
    /// The server did not answer the CONNECT within the join timeout.
    JoinTimeout,
    /// The request head does not fit its buffer: shorten path, query or headers, or enlarge the storage.
    HeadTooLong,
}

/// A [`Cause`] and the words that came with it, kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) cause: Cause,
    text: Words,
}

/// With a heap there is memory only for words that there are: connections may be many.
#[cfg(feature = "alloc")]
type Words = Option<alloc::boxed::Box<Short<NOTE_LEN>>>;
#[cfg(not(feature = "alloc"))]
type Words = Short<NOTE_LEN>;

impl Fault {
    /// Without words.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) const fn of(cause: Cause) -> Self {
        Self {
            cause,
            #[cfg(feature = "alloc")]
            text: None,
            #[cfg(not(feature = "alloc"))]
            text: Short::EMPTY,
        }
    }

    fn text_mut(&mut self) -> &mut Short<NOTE_LEN> {
        #[cfg(feature = "alloc")]
        return self.text.get_or_insert_default();
        #[cfg(not(feature = "alloc"))]
        return &mut self.text;
    }

    /// With the other side's words, or the driver's: cut, and without control characters.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn quoting(cause: Cause, words: &[u8]) -> Self {
        let mut fault = Self::of(cause);
        fault.text_mut().set_lossy(words);
        fault
    }

    /// The same, in an event of this name.
    pub(crate) fn in_event(mut self, name: crate::packet::Text<'_>) -> Self {
        use core::fmt::Write as _;
        // What does not fit is cut.
        let text = self.text_mut();
        let _ = write!(text, "in event \"{name}\"");
        text.no_control();
        self
    }

    /// The words that came with `cause`, if it is this one.
    pub(crate) fn text_for(&self, cause: Cause) -> &str {
        if self.cause != cause {
            return "";
        }
        #[cfg(feature = "alloc")]
        return self.text.as_ref().map_or("", |text| text.as_str());
        #[cfg(not(feature = "alloc"))]
        return self.text.as_str();
    }
}

impl From<HttpError> for Cause {
    fn from(error: HttpError) -> Self {
        Self::BadHttp(match error {
            HttpError::StatusLine => {
                message!(
                    "H1",
                    "the server does not speak HTTP/1.1 (is the port right? is it TLS?)"
                )
            }
            HttpError::Head => message!("H2", "the HTTP response head is too long"),
            HttpError::Length => message!("H3", "bad Content-Length in the HTTP response"),
            HttpError::Coding => {
                message!(
                    "H4",
                    "unsupported Transfer-Encoding or Content-Encoding in the HTTP response"
                )
            }
            HttpError::Chunk => message!("H5", "malformed chunk in the HTTP response"),
        })
    }
}

impl From<WsError> for Cause {
    fn from(error: WsError) -> Self {
        Self::WebSocketProtocol(match error {
            WsError::Reserved => {
                message!(
                    "W1",
                    "frame with reserved bits or opcode, though no extension was offered"
                )
            }
            WsError::Masked => message!("W2", "masked frame from the server"),
            WsError::Control => message!("W3", "fragmented or over-long control frame"),
            WsError::Fragment => message!("W4", "fragments out of order"),
            WsError::Length => message!("W5", "frame length over 2^63"),
            WsError::Close => {
                message!("W6", "close frame with a code or text that may not be sent")
            }
        })
    }
}

/// A [`Cause`] with the text that came with it. Displays as one line with the cause and, where there is one, the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Details<'c> {
    /// What went wrong.
    pub cause: Cause,
    /// The server's or the driver's own words, cut at [`NOTE_LEN`](crate::NOTE_LEN); often empty.
    pub text: &'c str,
}

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !MESSAGES {
            return self.code(f);
        }
        let text = self.text;
        match self.cause {
            Cause::Local => f.write_str("closed by the application"),
            Cause::Dial if text.is_empty() => f.write_str("could not connect"),
            Cause::Dial => write!(f, "could not connect: {text}"),
            Cause::ConnectTimeout => f.write_str("no Socket.IO handshake within the connect timeout"),
            Cause::RequestTimeout => f.write_str("a polling request was not answered in time"),
            Cause::Eof => f.write_str("the connection was closed by the other side"),
            Cause::Io if text.is_empty() => f.write_str("the connection broke"),
            Cause::Io => write!(f, "the connection broke: {text}"),
            Cause::EngineClose => f.write_str("transport closed by the server"),
            Cause::PingTimeout => f.write_str("no ping from the server within pingInterval + pingTimeout"),
            Cause::Http { status, code } => {
                write!(f, "the server answered HTTP {status}")?;
                if !text.is_empty() {
                    write!(f, ": {text}")?;
                }
                f.write_str(match (status, code) {
                    (_, Some(0)) => " (transport not enabled on the server: try another transport)",
                    (_, Some(1)) => " (session unknown: behind a load balancer, sticky sessions are needed)",
                    (_, Some(5)) => " (the server speaks another Engine.IO version)",
                    (401 | 403, _) | (_, Some(4)) => " (check auth, headers and the server's CORS or allowRequest)",
                    (404, _) => " (no Socket.IO server at this path: check the path option)",
                    (413, _) => " (the message is larger than the server's maxHttpBufferSize)",
                    (504, _) => " (a proxy in front gave up waiting: its read timeout must be longer than the server's pingInterval)",
                    (502 | 503, _) => " (the proxy in front cannot reach the server)",
                    _ => "",
                })
            }
            Cause::Redirect(status) => {
                write!(f, "the server redirects (HTTP {status}) to {text}: use that address")
            }
            Cause::Html(status) => write!(
                f,
                "the server answered with a web page (HTTP {status}), not a Socket.IO handshake: check URL and path"
            ),
            Cause::BadHttp(what) => f.write_str(what),
            Cause::NotEngineIo => {
                f.write_str("the answer is not an Engine.IO handshake: check URL and path")?;
                if text.is_empty() { Ok(()) } else { write!(f, " (got {text})") }
            }
            Cause::OldServer => f.write_str(if cfg!(feature = "eio3") {
                "the server speaks Socket.IO 2 (Engine.IO 3), and protocol 4 was chosen: choose 3, or have it detected"
            } else {
                "the server speaks Socket.IO 2 (Engine.IO 3): Sockeye needs Socket.IO 3 or later on the server"
            }),
            Cause::WebSocketHandshake => {
                f.write_str("the server did not accept the WebSocket as RFC 6455 asks: a proxy in between may block upgrades")
            }
            Cause::IdTooLong => write!(
                f,
                "the server's session id is longer than {} bytes, the most that can be kept here",
                crate::ID_MAX
            ),
            Cause::WebSocketRefused => {
                f.write_str("the server refused the WebSocket (HTTP 400")?;
                if !text.is_empty() {
                    write!(f, ": {text}")?;
                }
                f.write_str("): a proxy in between may not pass upgrades on (nginx: proxy_http_version 1.1, Upgrade and Connection headers), or the session is on another server")
            }
            Cause::WebSocketProtocol(what) => write!(f, "WebSocket protocol error: {what}"),
            #[cfg(feature = "deflate")]
            Cause::Compression(what) => f.write_str(what),
            Cause::WebSocketClose(code) => {
                match code {
                    // Not on the wire: it stands for none (RFC 6455 section 7.1.5).
                    1005 => f.write_str("the WebSocket was closed without a code")?,
                    _ => write!(f, "the WebSocket was closed with code {code}")?,
                }
                if !text.is_empty() {
                    write!(f, ": {text}")?;
                }
                f.write_str(match code {
                    1009 => " (a message was larger than the server's maxHttpBufferSize)",
                    _ => "",
                })
            }
            Cause::Packet(error) => {
                write!(f, "bad packet from the server: {error}")?;
                if text.is_empty() { Ok(()) } else { write!(f, " ({text})") }
            }
            Cause::ServerDisconnect => f.write_str("the server disconnected the namespace"),
            Cause::JoinTimeout => f.write_str("the server did not answer the CONNECT packet in time"),
            Cause::HeadTooLong => {
                f.write_str("the request head does not fit its buffer: shorten path, query or headers, or enlarge HEAD")
            }
        }
    }
}

impl Details<'_> {
    /// The cause as a code, with the number that belongs to it, and the text behind it: what is shown without the feature
    /// `messages`. `docs/messages.md` says what each stands for.
    fn code(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut number = None;
        let code = match self.cause {
            Cause::Local => "C1",
            Cause::Dial => "C2",
            Cause::ConnectTimeout => "C3",
            Cause::RequestTimeout => "C4",
            Cause::Eof => "C5",
            Cause::Io => "C6",
            Cause::EngineClose => "C7",
            Cause::PingTimeout => "C8",
            Cause::Http { status, .. } => {
                number = Some(status);
                "C9"
            }
            Cause::Redirect(status) => {
                number = Some(status);
                "C10"
            }
            Cause::Html(status) => {
                number = Some(status);
                "C11"
            }
            // They have codes of their own.
            Cause::BadHttp(what) | Cause::WebSocketProtocol(what) => what,
            #[cfg(feature = "deflate")]
            Cause::Compression(what) => what,
            Cause::NotEngineIo => "C12",
            Cause::OldServer => "C13",
            Cause::WebSocketHandshake => "C14",
            Cause::IdTooLong => "C15",
            Cause::WebSocketRefused => "C16",
            Cause::WebSocketClose(code) => {
                number = Some(code);
                "C17"
            }
            Cause::Packet(_) => "C18",
            Cause::ServerDisconnect => "C19",
            Cause::JoinTimeout => "C20",
            Cause::HeadTooLong => "C21",
        };
        f.write_str(code)?;
        if let Some(number) = number {
            write!(f, " {number}")?;
        }
        if let Cause::Http {
            code: Some(code), ..
        } = self.cause
        {
            write!(f, "/{code}")?;
        }
        if let Cause::Packet(error) = self.cause {
            write!(f, " {error}")?;
        }
        if self.text.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.text)
    }
}

/// Why a packet was not accepted for sending.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EmitError {
    /// The send buffer is full: wait until packets have been written.
    Full,
    /// The packet can never fit the send buffer.
    TooLarge,
    /// Too many acknowledgements are being waited for.
    TooManyAcks,
    /// The event name is reserved: connect, connect_error, disconnect, disconnecting, newListener, removeListener.
    Reserved,
    /// More attachments than [`Limits::attachments`](crate::Limits::attachments).
    TooManyAttachments,
    /// The namespace handle is not of this client, or was forgotten.
    UnknownNamespace,
    /// The client has ended: its driver, or the runtime under it, is gone.
    Closed,
    /// An answer for a connection that is gone, or for an event that wanted none.
    Stale,
    /// The event has been answered before: it has one acknowledgement.
    AlreadyAnswered,
    /// A volatile packet, and the connection is not ready to take it at once.
    NotWritable,
    /// The `auth` payload is not a JSON object.
    Auth,
    /// The arguments could not be written as JSON.
    Encode(EncodeError),
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str(message!(
                "E1",
                "the send buffer is full: wait until packets have been written"
            )),
            Self::TooLarge => f.write_str(message!(
                "E2",
                "the packet is larger than the whole send buffer: raise the limit or send less"
            )),
            Self::TooManyAcks => f.write_str(message!(
                "E3",
                "too many acknowledgements are being waited for: raise the limit"
            )),
            Self::Reserved => f.write_str(message!(
                "E4",
                "the event name is reserved by Socket.IO: choose another"
            )),
            Self::TooManyAttachments => f.write_str(message!(
                "E5",
                "more attachments than the limit: official servers accept 10 in one packet"
            )),
            Self::UnknownNamespace => {
                f.write_str(message!("E6", "the namespace is not known to this client"))
            }
            Self::Closed => f.write_str(message!(
                "E7",
                "the client has ended: nothing can be sent any more"
            )),
            Self::Stale => f.write_str(message!(
                "E8",
                "the event to answer came over a connection that is gone"
            )),
            Self::AlreadyAnswered => f.write_str(message!(
                "E9",
                "the event has been answered already: it has one acknowledgement"
            )),
            Self::NotWritable => f.write_str(message!(
                "E10",
                "the connection is not ready, so that the volatile packet was dropped"
            )),
            Self::Auth => f.write_str(message!(
                "E11",
                "the auth payload is not a JSON object: give one, or nothing"
            )),
            Self::Encode(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for EmitError {}

impl From<EncodeError> for EmitError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::TooManyAttachments { .. } => Self::TooManyAttachments,
            error => Self::Encode(error),
        }
    }
}

/// Why an acknowledgement did not arrive.
///
/// # What `sent` means
/// Whether the server may have got the event. `true`: all of it has been handed to the network at least once, or it was
/// on its way out just then. Nobody knows what the server did. `false`: the server cannot have got it whole, and never
/// will: it may be emitted again without being there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AckError {
    /// Not within its timeout. If the packet was still unsent, it is not sent any more.
    Timeout {
        /// Whether the server may have got the event.
        sent: bool,
    },
    /// The namespace was left, or the connection lost, before the answer.
    Disconnected {
        /// Whether the server may have got the event. `false` if the connection broke twice in the midst of it, if the
        /// server refused its size, or if it was volatile and had not left.
        sent: bool,
    },
    /// The packet was given up: it was volatile, the send buffer was cleared or needed its room, or the namespace was
    /// forgotten.
    Dropped {
        /// Whether the server may have got the event.
        sent: bool,
    },
}

impl AckError {
    /// Whether the server may have got the event: see [above](Self#what-sent-means).
    #[must_use]
    pub const fn sent(self) -> bool {
        match self {
            Self::Timeout { sent } | Self::Disconnected { sent } | Self::Dropped { sent } => sent,
        }
    }
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout { sent: true } => message!("A1", "no acknowledgement within the timeout"),
            Self::Timeout { sent: false } => {
                message!("A4", "not sent within the timeout")
            }
            Self::Disconnected { sent: true } => message!(
                "A2",
                "the socket has been disconnected before the acknowledgement"
            ),
            Self::Disconnected { sent: false } => {
                message!("A5", "disconnected before it was sent")
            }
            Self::Dropped { .. } => message!(
                "A3",
                "the packet was dropped, so that no acknowledgement can come"
            ),
        })
    }
}

impl core::error::Error for AckError {}
