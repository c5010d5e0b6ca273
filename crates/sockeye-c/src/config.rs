//! The configuration as C sees it, checked and copied once.

use core::ffi::{c_char, c_void};
use core::time::Duration;

use sockeye_core::{Config, Entropy, Limits, NspOptions, Reconnection, Transports, Url, text};

use crate::error::{Failure, INVALID_ARG, Outcome, SOCKEYE_ERR_NOT_SUPPORTED, SOCKEYE_ERR_URI};
use crate::events::{sockeye_auth_t, sockeye_event_t};
use crate::handle::sockeye_client;
use crate::memory::{Heap, Sizes};
use crate::port::{Port, SOCKEYE_LOG_ERROR, sockeye_port_t, sockeye_task_config_t};
use crate::text as texts;

/// Packets begin over HTTP long-polling, and move to a WebSocket where that works: what browsers do.
pub const SOCKEYE_TRANSPORTS_POLLING_FIRST: u8 = 0;
/// WebSocket alone: one socket, no sticky sessions needed. The default of this library.
pub const SOCKEYE_TRANSPORTS_WEBSOCKET: u8 = 1;
/// HTTP long-polling alone.
pub const SOCKEYE_TRANSPORTS_POLLING: u8 = 2;
/// A WebSocket, and HTTP long-polling where that cannot be had.
pub const SOCKEYE_TRANSPORTS_WEBSOCKET_FIRST: u8 = 3;

/// For `reconnect_attempts`: never give up.
pub const SOCKEYE_FOREVER: u32 = u32::MAX;

/// How TLS checks the server, and what it shows to it. The texts are PEM, not copied: they stay valid until the client
/// is destroyed. What a port cannot do, it refuses when it connects.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_tls_config_t {
    /// The authorities that are trusted. Null: those of the platform (the certificate bundle of ESP-IDF, the system's
    /// store on hosts).
    pub ca_pem: *const c_char,
    /// The client's own certificate, for servers that ask for one; null for none.
    pub client_cert_pem: *const c_char,
    /// Its private key; null for none.
    pub client_key_pem: *const c_char,
    /// The name that the server's certificate must have, where that is not the host of the URI; null for the host.
    pub common_name: *const c_char,
    /// Do not compare the certificate's name with the host. The chain is still checked. Only for private networks whose
    /// certificates name nothing useful: with a public authority, anyone with a certificate is then the server.
    pub skip_common_name_check: bool,
}

/// Called on the client's task before each CONNECT, also those after a reconnection: answer with `sockeye_auth_set`
/// before returning. Without an answer the namespace is not joined, which `SOCKEYE_EVENT_CONNECT_ERROR` tells.
pub type sockeye_auth_cb_t = Option<
    unsafe extern "C" fn(
        client: *mut sockeye_client,
        nsp: *const c_char,
        auth: *mut sockeye_auth_t,
        ctx: *mut c_void,
    ),
>;

/// Called on the client's task for everything that happens to the connection.
pub type sockeye_event_cb_t = Option<
    unsafe extern "C" fn(
        client: *mut sockeye_client,
        event: *const sockeye_event_t,
        ctx: *mut c_void,
    ),
>;

/// How to reach the server and how to behave. Begin with `SOCKEYE_CLIENT_CONFIG_DEFAULT()` and set what differs; the
/// defaults are named at each field. Everything is copied, except where it says otherwise.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_client_config_t {
    /// The platform: `&sockeye_port_platform`, the default, or a table of your own that outlives the client.
    pub port: *const sockeye_port_t,
    /// `http://`, `https://`, `ws://` or `wss://`, host, and if needed port, namespace and query. Needed.
    pub uri: *const c_char,
    /// The namespace that is joined by `sockeye_client_start`; null for the URI's path, which is `/` without one.
    pub nsp: *const c_char,
    /// The path of requests; null for `/socket.io/`.
    pub path: *const c_char,
    /// More query, percent-encoded, without `?`; null for none.
    pub query: *const c_char,
    /// More header lines, each ended by CRLF; null for none.
    pub headers: *const c_char,
    /// The `auth` payload of the namespace joined first, a JSON object; null for none.
    pub auth_json: *const c_char,
    /// Asked for the `auth` payload of every namespace at every CONNECT, instead of `auth_json`; null for none.
    pub auth_cb: sockeye_auth_cb_t,
    /// For `auth_cb`.
    pub auth_ctx: *mut c_void,
    /// Told what happens to the connection; null for none.
    pub event_cb: sockeye_event_cb_t,
    /// For `event_cb`.
    pub event_ctx: *mut c_void,
    /// For `https` and `wss`.
    pub tls: sockeye_tls_config_t,
    /// A `SOCKEYE_TRANSPORTS_` number. Default `SOCKEYE_TRANSPORTS_WEBSOCKET`.
    pub transports: u8,
    /// Connect again after a loss or a failure. Default true.
    pub reconnect: bool,
    /// How often in a row before giving up; `SOCKEYE_FOREVER`, the default, never does.
    pub reconnect_attempts: u32,
    /// The first delay; each further one is twice as long. Default 1000 ms.
    pub reconnect_delay_ms: u32,
    /// The longest delay. Default 5000 ms.
    pub reconnect_delay_max_ms: u32,
    /// How far the delays are spread, in thousandths. Default 500: from half to one and a half.
    pub reconnect_jitter_permille: u16,
    /// From dialing to the handshake, in ms; 0 for no limit. Default 20 000.
    pub connect_timeout_ms: u32,
    /// From a CONNECT packet to its answer, in ms; 0 for no limit. Default 20 000.
    pub join_timeout_ms: u32,
    /// For moving from polling to the WebSocket, in ms. Default 10 000.
    pub upgrade_timeout_ms: u32,
    /// For saying goodbye, in ms: the longest that `sockeye_client_stop` takes. Default 2000.
    pub close_timeout_ms: u32,
    /// For acknowledgements whose emit names no timeout, in ms; 0 (the default) waits until the connection is lost.
    pub ack_timeout_ms: u32,
    /// Every packet is sent again, at most so often, until the server acknowledges it, one packet at a time; set
    /// `ack_timeout_ms` with it. Negative (the default): packets are sent once.
    pub retries: i32,
    /// Bytes of the receive buffer: the largest packet, attachments included, is about 190 less. At least 512; default 4096.
    pub rx_buffer: u32,
    /// Bytes of the send buffer, for packets that wait. At least 256; default 4096.
    pub tx_buffer: u32,
    /// Bytes for the head of one HTTP request: path, query and headers. At least 256; default 512.
    pub head_buffer: u32,
    /// Acknowledgements waited for at one time, and events that wait for an answer of ours. Up to 256; default 8. This
    /// and the next two numbers are rounded up together: to 8, 16 and 2; 16, 32 and 4; 64, 128 and 8; or 256, 1024 and 32.
    pub max_acks: u16,
    /// Packets that wait for being sent. Up to 1024; default 16.
    pub max_packets: u16,
    /// Namespaces on the connection. Up to 32; default 2.
    pub max_namespaces: u16,
    /// The client's task.
    pub task: sockeye_task_config_t,
}

/// Tells what is wrong with a field of the configuration.
pub(crate) fn blame(port: Port, failure: Failure, field: &str, must: &str) -> Failure {
    port.log(SOCKEYE_LOG_ERROR, format_args!("config.{field} {must}"));
    failure
}

/// The configuration, copied: what the core's own one and the port borrow. Dropped after the core's client.
pub(crate) struct Settings {
    pub(crate) port: Port,
    host: Heap<[u8]>,
    authority: Heap<[u8]>,
    path: Heap<[u8]>,
    query: Heap<[u8]>,
    headers: Heap<[u8]>,
    pub(crate) nsp: Heap<[u8]>,
    pub(crate) auth: Option<Heap<[u8]>>,
    tls: Option<Heap<sockeye_tls_config_t>>,
    /// `tls` points to it.
    _common_name: Option<Heap<[u8]>>,
    port_number: u16,
    raw: sockeye_client_config_t,
}

impl Settings {
    /// Copies and checks a configuration.
    ///
    /// # Safety
    /// Its texts are null or end with a zero; its port and TLS texts outlive the client.
    pub(crate) unsafe fn new(raw: &sockeye_client_config_t) -> Outcome<Self> {
        // SAFETY: as promised.
        let port = Port(unsafe { raw.port.as_ref() }.ok_or(INVALID_ARG)?);
        // SAFETY: as promised, for all texts of the configuration.
        let (uri, nsp, path, query, headers, auth, common_name) = unsafe {
            let text = |text: *const c_char, field: &str| {
                texts::optional(text)
                    .map_err(|failure| blame(port, failure, field, "must be UTF-8"))
            };
            (
                text(raw.uri, "uri")?
                    .ok_or_else(|| blame(port, INVALID_ARG, "uri", "is missing"))?,
                text(raw.nsp, "nsp")?,
                text(raw.path, "path")?.unwrap_or("/socket.io/"),
                text(raw.query, "query")?.unwrap_or(""),
                text(raw.headers, "headers")?.unwrap_or(""),
                text(raw.auth_json, "auth_json")?,
                text(raw.tls.common_name, "tls.common_name")?,
            )
        };
        let url = Url::parse(uri).map_err(|error| {
            port.log(SOCKEYE_LOG_ERROR, format_args!("{error}"));
            Failure(SOCKEYE_ERR_URI)
        })?;
        let graphic = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        let lines = headers.is_empty()
            || headers.strip_suffix("\r\n").is_some_and(|lines| {
                lines
                    .split("\r\n")
                    .all(|line| line.contains(':') && !line.contains(|c: char| c.is_control()))
            });
        for (good, field, must) in [
            (
                graphic(path) && path.starts_with('/'),
                "path",
                "must begin with a slash and be percent-encoded",
            ),
            (graphic(query), "query", "must be percent-encoded"),
            (
                lines,
                "headers",
                "must be lines with a colon, each ended by CRLF",
            ),
            (
                raw.reconnect_jitter_permille <= 1000,
                "reconnect_jitter_permille",
                "must not be more than 1000",
            ),
            (
                raw.transports <= SOCKEYE_TRANSPORTS_WEBSOCKET_FIRST,
                "transports",
                "must be a SOCKEYE_TRANSPORTS_ number",
            ),
            (raw.rx_buffer >= 512, "rx_buffer", "must be at least 512"),
            (raw.tx_buffer >= 256, "tx_buffer", "must be at least 256"),
            (
                raw.head_buffer >= 256,
                "head_buffer",
                "must be at least 256",
            ),
            (raw.max_acks <= 256, "max_acks", "must not be more than 256"),
            (
                raw.max_packets <= 1024,
                "max_packets",
                "must not be more than 1024",
            ),
            (
                raw.max_namespaces <= 32,
                "max_namespaces",
                "must not be more than 32",
            ),
        ] {
            if !good {
                return Err(blame(port, INVALID_ARG, field, must));
            }
        }
        if let Some(auth) = auth {
            crate::json::object(auth)
                .map_err(|failure| blame(port, failure, "auth_json", "must be one JSON object"))?;
        }
        if !cfg!(feature = "polling") && raw.transports != SOCKEYE_TRANSPORTS_WEBSOCKET {
            let failure = Failure(SOCKEYE_ERR_NOT_SUPPORTED);
            return Err(blame(
                port,
                failure,
                "transports",
                "must be a WebSocket alone: HTTP long-polling is not compiled in",
            ));
        }
        let joined = match (url.query, query) {
            ("", query) | (query, "") => Heap::joined(&[query])?,
            (first, second) => Heap::joined(&[first, "&", second])?,
        };
        let common_name = common_name.map(|name| Heap::joined(&[name])).transpose()?;
        let tls = url
            .tls
            .then(|| {
                Heap::new(sockeye_tls_config_t {
                    common_name: common_name
                        .as_ref()
                        .map_or(core::ptr::null(), |name| name.as_ptr().cast_const().cast()),
                    ..raw.tls
                })
            })
            .transpose()?;
        Ok(Self {
            port,
            host: Heap::joined(&[url.host])?,
            authority: Heap::joined(&[url.authority])?,
            path: Heap::joined(&[path])?,
            query: joined,
            headers: Heap::joined(&[headers])?,
            nsp: Heap::joined(&[nsp.unwrap_or(url.namespace)])?,
            auth: auth.map(|auth| Heap::joined(&[auth])).transpose()?,
            tls,
            _common_name: common_name,
            port_number: url.port,
            raw: *raw,
        })
    }

    pub(crate) const fn sizes(&self) -> Sizes {
        Sizes {
            rx: self.raw.rx_buffer as usize,
            tx: self.raw.tx_buffer as usize,
            head: self.raw.head_buffer as usize,
            acks: self.raw.max_acks as usize,
            packets: self.raw.max_packets as usize,
            namespaces: self.raw.max_namespaces as usize,
        }
    }

    /// The core's configuration.
    ///
    /// # Safety
    /// The client is dropped before `self`.
    pub(crate) unsafe fn core(&self, entropy: Entropy) -> Config<'static> {
        let ms = |ms: u32| Duration::from_millis(u64::from(ms));
        let limit = |value: u32| (value != 0).then(|| ms(value));
        let raw = &self.raw;
        // SAFETY: as promised; nothing borrows the texts mutably.
        let (authority, path, query, headers) = unsafe {
            (
                self.authority.text(),
                self.path.text(),
                self.query.text(),
                self.headers.text(),
            )
        };
        let mut config = Config::new(text(authority), entropy);
        config.path = text(path);
        config.query = text(query);
        config.headers = text(headers);
        config.transports = match raw.transports {
            #[cfg(feature = "polling")]
            SOCKEYE_TRANSPORTS_POLLING_FIRST => Transports::POLLING_FIRST,
            #[cfg(feature = "polling")]
            SOCKEYE_TRANSPORTS_POLLING => Transports::POLLING,
            #[cfg(feature = "polling")]
            SOCKEYE_TRANSPORTS_WEBSOCKET_FIRST => Transports::WEBSOCKET_FIRST,
            _ => Transports::WEBSOCKET,
        };
        #[cfg(feature = "eio3")]
        {
            config.protocol = sockeye_core::Protocol::Detect;
        }
        config.try_all_transports = raw.transports == SOCKEYE_TRANSPORTS_WEBSOCKET_FIRST;
        config.connect_timeout = limit(raw.connect_timeout_ms);
        config.join_timeout = limit(raw.join_timeout_ms);
        config.upgrade_timeout = ms(raw.upgrade_timeout_ms);
        config.close_timeout = ms(raw.close_timeout_ms);
        config.reconnection = Reconnection {
            enabled: raw.reconnect,
            attempts: (raw.reconnect_attempts != SOCKEYE_FOREVER).then_some(raw.reconnect_attempts),
            delay: ms(raw.reconnect_delay_ms),
            delay_max: ms(raw.reconnect_delay_max_ms),
            jitter_permille: raw.reconnect_jitter_permille,
        };
        config.limits = Limits::DEFAULT;
        config
    }

    /// How namespaces behave.
    pub(crate) fn options(&self) -> NspOptions {
        let mut options = NspOptions::default();
        options.auth = self.raw.auth_cb.is_some() || self.auth.is_some();
        options.ack_timeout = (self.raw.ack_timeout_ms != 0)
            .then(|| Duration::from_millis(self.raw.ack_timeout_ms.into()));
        options.retries = u32::try_from(self.raw.retries).ok();
        options
    }

    /// Where to connect to; it borrows from `self`.
    pub(crate) fn target(&self) -> crate::port::sockeye_target_t {
        crate::port::sockeye_target_t {
            host: self.host.as_ptr().cast_const().cast(),
            port: self.port_number,
            tls: self
                .tls
                .as_ref()
                .map_or(core::ptr::null(), |tls| tls.as_ptr().cast_const()),
        }
    }

    pub(crate) const fn raw(&self) -> &sockeye_client_config_t {
        &self.raw
    }
}
