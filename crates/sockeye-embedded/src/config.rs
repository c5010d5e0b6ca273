//! What a client is told once.

use sockeye_core::{Entropy, NspOptions, Transports, text};

pub use sockeye_core::Config as CoreConfig;

use sockeye_core::{Url, UrlError};

/// Where to connect and how to behave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The options of all Sockeye clients: path, transports, timeouts, reconnection and so on. The transports are
    /// [`Transports::WEBSOCKET`] at first: one socket. Others need the feature `polling` and a
    /// storage with `LINKS` = 3.
    pub core: CoreConfig<'static>,
    /// The host to connect to, without port.
    pub host: &'static str,
    /// Its port.
    pub port: u16,
    /// Whether TLS is wanted. The connector must have it then.
    pub tls: bool,
    /// The namespace of the first [`Socket`](crate::Socket).
    pub namespace: &'static str,
    /// Options of that namespace: what gives way while it is not joined (feature `offline`), the room kept for its
    /// join, the timeout of acknowledgements, the `retries` queue. (`auth` has no effect: the [`Handler`](crate::Handler) is always asked.)
    pub options: NspOptions,
    /// Connect as soon as the runner runs; otherwise by [`Socket::connect`](crate::Socket::connect). Default true.
    pub auto_connect: bool,
}

impl Config {
    /// The defaults for a URL: host, port, TLS or not, namespace (the path) and query come from it.
    ///
    /// `entropy` fills a slice with unpredictable bytes: the chip's random number generator.
    ///
    /// # Errors
    /// The URL cannot be read.
    ///
    /// ```
    /// # use sockeye_embedded::Config;
    /// fn random(bytes: &mut [u8]) { /* the chip's generator */ }
    /// let mut config = Config::new("http://192.168.1.10:3000/board", random)?;
    /// config.core.reconnection.delay_max = core::time::Duration::from_secs(60);
    /// # Ok::<(), sockeye_embedded::UrlError>(())
    /// ```
    pub fn new(url: &'static str, entropy: fn(&mut [u8])) -> Result<Self, UrlError> {
        let url = Url::parse(url)?;
        let mut core = CoreConfig::new(text(url.authority), Entropy::Fn(entropy));
        core.query = text(url.query);
        core.transports = Transports::WEBSOCKET;
        Ok(Self {
            core,
            host: url.host,
            port: url.port,
            tls: url.tls,
            namespace: url.namespace,
            options: NspOptions::default(),
            auto_connect: true,
        })
    }
}
