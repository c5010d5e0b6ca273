//! Result codes, and what they mean for people.

use core::ffi::{CStr, c_char};

use sockeye_core::packet::{ArgsError, EncodeError};
use sockeye_core::{AckError, EmitError, NamespaceError};

/// What a function says: `SOCKEYE_OK`, or why it failed. The general codes have the numbers of `esp_err_t`, so that a
/// `sockeye_err_t` can be returned where ESP-IDF expects one; `sockeye_err_to_name` knows them all.
pub type sockeye_err_t = i32;

/// Done.
pub const SOCKEYE_OK: sockeye_err_t = 0;
/// No memory. Nothing of what was asked for has been done. (`ESP_ERR_NO_MEM`)
pub const SOCKEYE_ERR_NO_MEM: sockeye_err_t = 0x101;
/// A pointer is null, a number out of its bounds, or a text malformed. (`ESP_ERR_INVALID_ARG`)
pub const SOCKEYE_ERR_INVALID_ARG: sockeye_err_t = 0x102;
/// Not possible now: started already, not started yet, or it would wait for itself. (`ESP_ERR_INVALID_STATE`)
pub const SOCKEYE_ERR_INVALID_STATE: sockeye_err_t = 0x103;
/// There is no such namespace, handler, argument, field or attachment. (`ESP_ERR_NOT_FOUND`)
pub const SOCKEYE_ERR_NOT_FOUND: sockeye_err_t = 0x105;
/// Not compiled in. (`ESP_ERR_NOT_SUPPORTED`)
pub const SOCKEYE_ERR_NOT_SUPPORTED: sockeye_err_t = 0x106;
/// Not within the time. (`ESP_ERR_TIMEOUT`)
pub const SOCKEYE_ERR_TIMEOUT: sockeye_err_t = 0x107;
/// The URI is malformed, or its scheme is not `http`, `https`, `ws` or `wss`.
pub const SOCKEYE_ERR_URI: sockeye_err_t = 0x7E01;
/// The send buffer is full: wait until packets have been written, see `sockeye_client_flush`.
pub const SOCKEYE_ERR_FULL: sockeye_err_t = 0x7E02;
/// The packet is larger than the whole send buffer.
pub const SOCKEYE_ERR_TOO_LARGE: sockeye_err_t = 0x7E03;
/// As many acknowledgements are being waited for as the configuration allows.
pub const SOCKEYE_ERR_TOO_MANY_ACKS: sockeye_err_t = 0x7E04;
/// More than ten attachments in one packet: official servers close the connection then.
pub const SOCKEYE_ERR_TOO_MANY_ATTACHMENTS: sockeye_err_t = 0x7E05;
/// The event name is reserved by Socket.IO.
pub const SOCKEYE_ERR_RESERVED: sockeye_err_t = 0x7E06;
/// The event to answer has been answered, came over a connection that is gone, or lies too far back.
pub const SOCKEYE_ERR_STALE: sockeye_err_t = 0x7E07;
/// The connection is not ready, so that the volatile packet was dropped.
pub const SOCKEYE_ERR_NOT_WRITABLE: sockeye_err_t = 0x7E08;
/// The text is not valid JSON, or not of the kind that is asked for: arguments are an array, `auth` is an object.
pub const SOCKEYE_ERR_JSON: sockeye_err_t = 0x7E09;
/// The text is not UTF-8.
pub const SOCKEYE_ERR_UTF8: sockeye_err_t = 0x7E0A;
/// The value is of another type, or a number does not fit.
pub const SOCKEYE_ERR_TYPE: sockeye_err_t = 0x7E0B;
/// The caller's buffer is too small.
pub const SOCKEYE_ERR_BUFFER: sockeye_err_t = 0x7E0C;
/// The connection was lost, or the namespace left, after the packet had been sent or while it was on its way out: whether
/// the server took it is not known.
pub const SOCKEYE_ERR_DISCONNECTED: sockeye_err_t = 0x7E0D;
/// The packet was dropped before all of it was sent, and will not be sent any more: the server cannot have got it.
pub const SOCKEYE_ERR_DROPPED: sockeye_err_t = 0x7E0E;
/// The client has been stopped or destroyed.
pub const SOCKEYE_ERR_CLOSED: sockeye_err_t = 0x7E0F;
/// As many namespaces are in use as the configuration allows.
pub const SOCKEYE_ERR_TOO_MANY_NAMESPACES: sockeye_err_t = 0x7E10;
/// No acknowledgement within the time, and the event has not been sent, nor will it be: the server cannot have got it.
/// (`SOCKEYE_ERR_TIMEOUT`: it has been sent, or was on its way out.)
pub const SOCKEYE_ERR_UNSENT: sockeye_err_t = 0x7E11;
/// A bug in this library: its log says more.
pub const SOCKEYE_ERR_INTERNAL: sockeye_err_t = 0x7EFF;

/// The name of a code, for logs: `SOCKEYE_ERR_FULL`. Static text; any task may call it.
///
/// Errors: none; a code that is none has a text too.
/// Threads: any task, and callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn sockeye_err_to_name(code: sockeye_err_t) -> *const c_char {
    let name: &CStr = match code {
        SOCKEYE_OK => c"SOCKEYE_OK",
        SOCKEYE_ERR_NO_MEM => c"SOCKEYE_ERR_NO_MEM",
        SOCKEYE_ERR_INVALID_ARG => c"SOCKEYE_ERR_INVALID_ARG",
        SOCKEYE_ERR_INVALID_STATE => c"SOCKEYE_ERR_INVALID_STATE",
        SOCKEYE_ERR_NOT_FOUND => c"SOCKEYE_ERR_NOT_FOUND",
        SOCKEYE_ERR_NOT_SUPPORTED => c"SOCKEYE_ERR_NOT_SUPPORTED",
        SOCKEYE_ERR_TIMEOUT => c"SOCKEYE_ERR_TIMEOUT",
        SOCKEYE_ERR_URI => c"SOCKEYE_ERR_URI",
        SOCKEYE_ERR_FULL => c"SOCKEYE_ERR_FULL",
        SOCKEYE_ERR_TOO_LARGE => c"SOCKEYE_ERR_TOO_LARGE",
        SOCKEYE_ERR_TOO_MANY_ACKS => c"SOCKEYE_ERR_TOO_MANY_ACKS",
        SOCKEYE_ERR_TOO_MANY_ATTACHMENTS => c"SOCKEYE_ERR_TOO_MANY_ATTACHMENTS",
        SOCKEYE_ERR_RESERVED => c"SOCKEYE_ERR_RESERVED",
        SOCKEYE_ERR_STALE => c"SOCKEYE_ERR_STALE",
        SOCKEYE_ERR_NOT_WRITABLE => c"SOCKEYE_ERR_NOT_WRITABLE",
        SOCKEYE_ERR_JSON => c"SOCKEYE_ERR_JSON",
        SOCKEYE_ERR_UTF8 => c"SOCKEYE_ERR_UTF8",
        SOCKEYE_ERR_TYPE => c"SOCKEYE_ERR_TYPE",
        SOCKEYE_ERR_BUFFER => c"SOCKEYE_ERR_BUFFER",
        SOCKEYE_ERR_DISCONNECTED => c"SOCKEYE_ERR_DISCONNECTED",
        SOCKEYE_ERR_DROPPED => c"SOCKEYE_ERR_DROPPED",
        SOCKEYE_ERR_CLOSED => c"SOCKEYE_ERR_CLOSED",
        SOCKEYE_ERR_TOO_MANY_NAMESPACES => c"SOCKEYE_ERR_TOO_MANY_NAMESPACES",
        SOCKEYE_ERR_UNSENT => c"SOCKEYE_ERR_UNSENT",
        SOCKEYE_ERR_INTERNAL => c"SOCKEYE_ERR_INTERNAL",
        _ => c"unknown to Sockeye",
    };
    name.as_ptr()
}

/// A code that is not `SOCKEYE_OK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) sockeye_err_t);

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

pub(crate) const NO_MEM: Failure = Failure(SOCKEYE_ERR_NO_MEM);
pub(crate) const INVALID_ARG: Failure = Failure(SOCKEYE_ERR_INVALID_ARG);
pub(crate) const INVALID_STATE: Failure = Failure(SOCKEYE_ERR_INVALID_STATE);
pub(crate) const NOT_FOUND: Failure = Failure(SOCKEYE_ERR_NOT_FOUND);

impl From<EmitError> for Failure {
    fn from(error: EmitError) -> Self {
        Self(match error {
            EmitError::Full => SOCKEYE_ERR_FULL,
            EmitError::TooLarge => SOCKEYE_ERR_TOO_LARGE,
            EmitError::TooManyAcks => SOCKEYE_ERR_TOO_MANY_ACKS,
            EmitError::Reserved => SOCKEYE_ERR_RESERVED,
            EmitError::TooManyAttachments => SOCKEYE_ERR_TOO_MANY_ATTACHMENTS,
            EmitError::UnknownNamespace => SOCKEYE_ERR_NOT_FOUND,
            EmitError::Closed => SOCKEYE_ERR_CLOSED,
            EmitError::Stale => SOCKEYE_ERR_STALE,
            EmitError::NotWritable => SOCKEYE_ERR_NOT_WRITABLE,
            EmitError::Auth => SOCKEYE_ERR_JSON,
            EmitError::Encode(EncodeError::BufferTooSmall) => SOCKEYE_ERR_FULL,
            EmitError::Encode(_) => SOCKEYE_ERR_JSON,
            _ => SOCKEYE_ERR_INTERNAL,
        })
    }
}

impl From<ArgsError> for Failure {
    fn from(error: ArgsError) -> Self {
        Self(match error {
            ArgsError::Missing { .. } => SOCKEYE_ERR_NOT_FOUND,
            ArgsError::Invalid { .. } => SOCKEYE_ERR_TYPE,
            _ => SOCKEYE_ERR_JSON,
        })
    }
}

impl From<NamespaceError> for Failure {
    fn from(error: NamespaceError) -> Self {
        Self(match error {
            NamespaceError::Name => SOCKEYE_ERR_INVALID_ARG,
            NamespaceError::Full => SOCKEYE_ERR_TOO_MANY_NAMESPACES,
            // `Query`, which there is only where the core speaks to Socket.IO 2: this library does not ask for that, but is
            // compiled together with crates that do.
            #[allow(unreachable_patterns)]
            _ => SOCKEYE_ERR_INVALID_ARG,
        })
    }
}

impl From<AckError> for Failure {
    fn from(error: AckError) -> Self {
        Self(match error {
            AckError::Timeout { sent: true } => SOCKEYE_ERR_TIMEOUT,
            AckError::Timeout { sent: false } => SOCKEYE_ERR_UNSENT,
            // What the server made of it is not known in either case.
            AckError::Disconnected { sent: true } | AckError::Dropped { sent: true } => {
                SOCKEYE_ERR_DISCONNECTED
            }
            AckError::Disconnected { sent: false } | AckError::Dropped { sent: false } => {
                SOCKEYE_ERR_DROPPED
            }
        })
    }
}

/// The code of an outcome.
pub(crate) fn code(outcome: Outcome) -> sockeye_err_t {
    outcome.map_or_else(|failure| failure.0, |()| SOCKEYE_OK)
}

/// Runs the body of an exported function: on hosts a panic becomes `SOCKEYE_ERR_INTERNAL`, elsewhere it ends the program.
pub(crate) fn guarded(body: impl FnOnce() -> Outcome) -> sockeye_err_t {
    #[cfg(feature = "std")]
    {
        let body = std::panic::AssertUnwindSafe(body);
        std::panic::catch_unwind(body).map_or(SOCKEYE_ERR_INTERNAL, code)
    }
    #[cfg(not(feature = "std"))]
    code(body())
}
