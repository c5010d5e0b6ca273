//! TCP: names to addresses, and the quickest of these (RFC 8305).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::error::{DialError, DialErrorKind, reason};
use super::target::Target;

/// The next address is tried when the one before has not answered for so long (RFC 8305 section 5).
pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects by TCP: what the client uses by itself, for connectors that are built on it.
///
/// A name with several addresses is tried by "happy eyeballs" (RFC 8305): both families in turn, the next address
/// after 250 ms without an answer or at once after a failure; the first that answers is used.
#[derive(Clone, Debug, Default)]
pub struct TcpConnector {
    /// Most clients have none of them, and there may be many clients.
    options: Option<Box<Options>>,
}

#[derive(Clone, Debug, Default)]
struct Options {
    local: Option<IpAddr>,
    keepalive: Option<Duration>,
    resolve: Vec<Given>,
}

/// Addresses that the application gives for a name.
#[derive(Clone, Debug)]
struct Given {
    name: Arc<str>,
    /// For this port only.
    port: Option<u16>,
    addresses: Arc<[IpAddr]>,
}

impl Given {
    fn is_for(&self, name: &str, port: Option<u16>) -> bool {
        self.port == port && self.name.eq_ignore_ascii_case(name)
    }
}

/// `name:port` taken apart; an IPv6 address has more colons, and is a name as it is.
fn with_port(host: &str) -> (&str, Option<u16>) {
    match host.split_once(':') {
        Some((name, port)) => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (host, None),
        },
        None => (host, None),
    }
}

impl TcpConnector {
    /// With the defaults named at each option.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(self.options.get_or_insert_default());
        self
    }

    /// The local address to connect from: only server addresses of the same family are used then. Default: the
    /// system's choice.
    #[must_use]
    pub fn local_address(self, address: IpAddr) -> Self {
        self.with(|options| options.local = Some(address))
    }

    /// Probes an idle connection after this time (`SO_KEEPALIVE`). Default none: the heartbeat of Engine.IO finds dead
    /// connections.
    #[must_use]
    pub fn keepalive(self, idle: Duration) -> Self {
        self.with(|options| options.keepalive = Some(idle))
    }

    /// Uses these addresses for a host name, in this order, without asking the resolver; with a port, as in
    /// `example.test:8443`, for that port only, which goes before a name without one. Later calls for the same name and
    /// port replace earlier ones.
    #[must_use]
    pub fn resolve(self, host: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let (name, port) = with_port(host);
        self.with(|options| {
            options.resolve.retain(|given| !given.is_for(name, port));
            options.resolve.push(Given {
                name: name.into(),
                port,
                addresses: addresses.into_iter().collect(),
            });
        })
    }

    /// Probes begin after this time.
    pub(super) fn probing(&self) -> Option<Duration> {
        self.options.as_ref()?.keepalive
    }

    pub(super) fn local(&self) -> Option<IpAddr> {
        self.options.as_ref()?.local
    }

    /// The addresses that need no resolver: those given for the name, or the target's own.
    pub(super) fn known(&self, target: &Target) -> Option<Vec<SocketAddr>> {
        let port = target.port();
        let given = self.options.as_ref().and_then(|options| {
            let find = |port| {
                let mut all = options.resolve.iter();
                all.find(|given| given.is_for(target.host(), port))
            };
            find(Some(port)).or_else(|| find(None))
        });
        match (given, target.ip(), target.zone()) {
            (Some(given), _, _) => {
                let addresses = given.addresses.iter();
                Some(addresses.map(|ip| SocketAddr::new(*ip, port)).collect())
            }
            (None, Some(ip), None) => Some(vec![SocketAddr::new(ip, port)]),
            _ => None,
        }
    }

    /// The usable ones of the addresses found, in the order in which they are tried.
    pub(super) fn ordered(
        &self,
        mut found: Vec<SocketAddr>,
        target: &Target,
    ) -> Result<Vec<SocketAddr>, DialError> {
        if found.is_empty() {
            return Err(DialError::unresolved(None, target));
        }
        if let Some(local) = self.local() {
            found.retain(|address| address.is_ipv4() == local.is_ipv4());
            if found.is_empty() {
                let family = |v4: bool| if v4 { "IPv4" } else { "IPv6" };
                return Err(DialError::config(format!(
                    "the local address {local} is of {}, but {} has only {} addresses: choose another local address",
                    family(local.is_ipv4()),
                    target.host(),
                    family(!local.is_ipv4()),
                )));
            }
        }
        Ok(in_turn(found))
    }
}

/// What the system's resolver is asked: it turns the name of a zone into its number too.
pub(super) fn lookup(target: &Target) -> (String, u16) {
    let host = match target.zone() {
        Some(zone) => format!("{}%{zone}", target.host()),
        None => target.host().to_owned(),
    };
    (host, target.port())
}

/// Every attempt, and how it failed.
pub(super) fn none_answers(target: &Target, failures: &[(SocketAddr, io::Error)]) -> DialError {
    let mut message = format!(
        "none of the {} addresses of {target} answers",
        failures.len()
    );
    // A line is for reading: the rest is in the log.
    for (i, (address, error)) in failures.iter().take(8).enumerate() {
        message.push_str(if i == 0 { ": " } else { ", " });
        message.push_str(&format!("{} {}", address.ip(), reason(error)));
    }
    if failures.len() > 8 {
        message.push_str(", …");
    }
    DialError::new(DialErrorKind::Unreachable, message)
}

/// The families in turn, beginning with that of the first address (RFC 8305 section 4).
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let total = addresses.len();
    let (a, b): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == first_is_v4);
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    let mut order = Vec::with_capacity(total);
    while order.len() < total {
        order.extend(a.next());
        order.extend(b.next());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter()
            .map(|ip| SocketAddr::new(ip.parse().unwrap(), 80))
            .collect()
    }

    #[test]
    fn addresses_given_for_a_name_and_a_port() {
        let [a, b, c]: [IpAddr; 3] =
            ["10.0.0.1", "10.0.0.2", "::3"].map(|text| text.parse().unwrap());
        let tcp = TcpConnector::new()
            .resolve("Example.test", [a])
            .resolve("example.test:8443", [b])
            .resolve("example.test:8443", [c, b])
            .resolve("::1", [a]);
        let known = |host, port| tcp.known(&Target::new(false, host, port));
        let at =
            |ips: &[IpAddr], port| Some(ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect());
        assert_eq!(known("example.test", 80), at(&[a], 80));
        assert_eq!(known("EXAMPLE.test", 8443), at(&[c, b], 8443));
        assert_eq!(known("::1", 80), at(&[a], 80));
        assert_eq!(known("other.test", 80), None);
    }

    #[test]
    fn families_take_turns() {
        let mixed = addresses(&["::1", "::2", "::3", "1.1.1.1", "2.2.2.2"]);
        let order = addresses(&["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"]);
        assert_eq!(in_turn(mixed), order);
        let one = addresses(&["1.1.1.1", "2.2.2.2"]);
        assert_eq!(in_turn(one.clone()), one);
    }
}
