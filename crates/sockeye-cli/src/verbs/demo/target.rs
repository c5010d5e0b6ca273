//! The server that the demo's devices use.

use std::net::{IpAddr, SocketAddr};

use super::contract;
use crate::exit::Failure;
use crate::session;

/// The server that the devices use.
pub(super) struct Target {
    /// `http` or `https`.
    scheme: &'static str,
    /// With the namespace.
    pub(super) url: String,
    /// `host:port`, for the relay.
    pub(super) server: String,
    /// What follows the port: namespace and query.
    rest: String,
}

impl Target {
    pub(super) fn local(address: SocketAddr, tls: bool) -> Self {
        let scheme = if tls { "https" } else { "http" };
        // Devices run here even if the server listens on all addresses.
        let ip = match address.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        let server = SocketAddr::new(ip, address.port()).to_string();
        Self {
            scheme,
            url: format!("{scheme}://{server}{}", contract::NAMESPACE),
            server,
            rest: contract::NAMESPACE.to_owned(),
        }
    }

    pub(super) fn parse(url: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!(
                "--connect {}: {why}; write http://host:port or https://host:port",
                session::public(url)
            ))
        };
        let (scheme, usual, after) =
            match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
                (Some(after), _) => ("http", 80, after),
                (_, Some(after)) => ("https", 443, after),
                _ => return Err(wrong("only http:// and https:// work here")),
            };
        let split = after.find(['/', '?']).unwrap_or(after.len());
        let (authority, rest) = after.split_at(split);
        if authority.is_empty() || authority.contains('@') {
            return Err(wrong("the host is missing or not usable"));
        }
        let port = authority
            .rsplit_once(':')
            .filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
        let server = match port {
            Some((_, port)) if port.parse::<u16>().is_err() => {
                return Err(wrong("the port is not a number up to 65535"));
            }
            Some(_) => authority.to_owned(),
            None => format!("{authority}:{usual}"),
        };
        // The devices' namespace, unless the URL names one.
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let path = if path.is_empty() || path == "/" {
            contract::NAMESPACE
        } else {
            path
        };
        let rest = format!("{path}{query}");
        Ok(Self {
            scheme,
            url: format!("{scheme}://{server}{rest}"),
            server,
            rest,
        })
    }

    /// The same through a relay.
    pub(super) fn url_through(&self, relay: SocketAddr) -> String {
        format!("{}://{relay}{}", self.scheme, self.rest)
    }

    /// With the colon.
    pub(super) fn port(&self) -> &str {
        self.server.rfind(':').map_or("", |at| &self.server[at..])
    }

    pub(super) fn page(&self) -> String {
        format!("{}://{}", self.scheme, self.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn outside_servers() {
        let target = Target::parse("http://example.com").unwrap();
        assert_eq!(
            (target.url.as_str(), target.server.as_str()),
            ("http://example.com:80/devices", "example.com:80")
        );
        let target = Target::parse("http://[::1]:3000/fleet?k=v").unwrap();
        assert_eq!(
            (target.url.as_str(), target.server.as_str()),
            ("http://[::1]:3000/fleet?k=v", "[::1]:3000")
        );
        assert_eq!(
            target.url_through(([127, 0, 0, 1], 9).into()),
            "http://127.0.0.1:9/fleet?k=v"
        );
        assert_eq!(Target::parse("http://[::1]").unwrap().server, "[::1]:80");
        let target = Target::parse("https://x").unwrap();
        assert_eq!(
            target.url_through(([127, 0, 0, 1], 9).into()),
            "https://127.0.0.1:9/devices"
        );
        assert_eq!(target.server, "x:443");
        for wrong in [
            "ftp://x",
            "x:3000",
            "http://",
            "http://u@h",
            "http://h:99999",
            "http://h:",
        ] {
            assert_eq!(
                Target::parse(wrong).err().map(|failure| failure.exit),
                Some(Exit::Usage),
                "{wrong}"
            );
        }
    }

    #[test]
    fn devices_on_this_machine_reach_a_server_on_all_addresses() {
        assert_eq!(
            Target::local(([0, 0, 0, 0], 80).into(), false).server,
            "127.0.0.1:80"
        );
        assert_eq!(
            Target::local("[::]:80".parse().unwrap(), false).server,
            "[::1]:80"
        );
    }
}
