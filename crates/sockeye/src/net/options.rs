//! The options of the network, as the builder collects them, and what is made of them once they are known to be good.

use std::sync::{Arc, OnceLock};

use crate::client::error::ConnectError;
use crate::client::options::is_token;
use crate::client::url::Address;

use super::TlsChoice;
#[cfg(feature = "blocking")]
use super::blocking;
#[cfg(feature = "tokio")]
use super::connector::AnyConnector;
use super::headers::Credentials;
use super::network::{Network, Way};
use super::proxy::Proxy;
use super::target::Target;
use super::tcp::TcpConnector;

/// Which proxy to use.
#[derive(Clone, Debug, Default)]
pub(crate) enum ProxyOption {
    /// The environment says, if the feature `proxy` is on.
    #[default]
    Environment,
    None,
    /// (Boxed: most connections of many have none.)
    Fixed(Box<Result<Proxy, String>>),
}

/// What the builder's methods for the network collect.
#[derive(Debug, Default)]
pub(crate) struct NetworkOptions {
    #[cfg(feature = "tokio")]
    pub(crate) connector: Option<AnyConnector>,
    #[cfg(feature = "blocking")]
    pub(crate) blocking_connector: Option<blocking::AnyConnector>,
    pub(crate) tcp: TcpConnector,
    /// Made when it is needed, if nobody has set it.
    pub(crate) tls: OnceLock<Box<TlsChoice>>,
    pub(crate) proxy: ProxyOption,
    /// The `Host` header, instead of the URL's.
    pub(crate) host: Option<String>,
}

impl NetworkOptions {
    /// Makes the network of a client. What cannot work is told here, before anything is tried.
    pub(crate) fn build(self, address: &Address) -> Result<Network, ConnectError> {
        let authorization = address
            .credentials
            .as_ref()
            .map(Credentials::basic)
            .map(String::into_boxed_str);
        Network::new(address.target(), authorization, Arc::new(self)).map_err(ConnectError::config)
    }

    /// The way to a target.
    pub(super) fn way(&self, target: &Target) -> Result<Way, String> {
        #[cfg(feature = "tokio")]
        if let Some(connector) = &self.connector {
            // A connector of the application's knows its own way.
            return Ok(Way::Connector(connector.clone()));
        }
        #[cfg(feature = "blocking")]
        if let Some(connector) = &self.blocking_connector {
            return Ok(Way::Blocking(connector.clone()));
        }
        let proxy = match &self.proxy {
            ProxyOption::None => None,
            ProxyOption::Fixed(proxy) => Some(proxy.as_ref().clone()?),
            #[cfg(feature = "proxy")]
            ProxyOption::Environment => Proxy::from_environment(target)?,
            #[cfg(not(feature = "proxy"))]
            ProxyOption::Environment => None,
        };
        let secure = target.secure() || proxy.as_ref().is_some_and(|proxy| proxy.at.secure());
        let tls = if secure {
            Some(self.tls.get_or_init(Box::default).client()?)
        } else {
            None
        };
        Ok(Way::Tcp {
            tcp: self.tcp.clone(),
            tls,
            proxy: proxy.map(Box::new),
        })
    }

    /// The `Host` header.
    pub(crate) fn authority(&self, address: &Address) -> Result<String, ConnectError> {
        let Some(host) = &self.host else {
            return Ok(address.authority());
        };
        let name = host.split_once(':').map_or(host.as_str(), |(name, _)| name);
        let literal = host.starts_with('[') && host.contains(']');
        let clean = host
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"/?#@\\\"<>".contains(&b));
        if !clean || !(literal || is_token(name)) {
            return Err(ConnectError::config(format!(
                "bad host {host:?}: a name and, if need be, a port, as in example.test:8443"
            )));
        }
        Ok(host.clone())
    }
}
