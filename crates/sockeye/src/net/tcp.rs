//! TCP: names to addresses, and the quickest of these (RFC 8305).

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, Sleep};

use super::connector::Connector;
use super::error::{DialError, DialErrorKind, reason};
use super::target::Target;

/// The next address is tried when the one before has not answered for so long (RFC 8305 section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

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
    resolve: Vec<(Arc<str>, Arc<[IpAddr]>)>,
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

    /// Uses these addresses for a host name, in this order, without asking the resolver. Later calls for the same name
    /// replace earlier ones.
    #[must_use]
    pub fn resolve(self, host: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.with(|options| {
            options
                .resolve
                .retain(|(name, _)| !name.eq_ignore_ascii_case(host));
            let addresses = addresses.into_iter().collect();
            options.resolve.push((host.into(), addresses));
        })
    }

    fn local(&self) -> Option<IpAddr> {
        self.options.as_ref()?.local
    }

    /// The addresses of a target in the order in which they are tried.
    ///
    /// # Errors
    /// A name that cannot be resolved, or no address of the local address's family.
    pub(crate) async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, DialError> {
        let found = match self.known(target) {
            Some(found) => found,
            None => tokio::net::lookup_host(lookup(target))
                .await
                .map_err(|error| DialError::unresolved(Some(&error), target))?
                .collect(),
        };
        self.ordered(found, target)
    }

    /// The addresses that need no resolver: those given for the name, or the target's own.
    fn known(&self, target: &Target) -> Option<Vec<SocketAddr>> {
        let given = self.options.as_ref().and_then(|options| {
            options
                .resolve
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(target.host()))
        });
        let port = target.port();
        match (given, target.ip(), target.zone()) {
            (Some((_, ips)), _, _) => {
                Some(ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect())
            }
            (None, Some(ip), None) => Some(vec![SocketAddr::new(ip, port)]),
            _ => None,
        }
    }

    /// The usable ones of the addresses found, in the order in which they are tried.
    fn ordered(
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

    /// Connects to the quickest of the addresses of a target.
    pub(crate) async fn connect_to(
        &self,
        addresses: &[SocketAddr],
        target: &Target,
    ) -> Result<TcpStream, DialError> {
        match *addresses {
            // The ordinary case of an address, or a name with one: no timer, no list.
            [address] => self
                .attempt(address)
                .await
                .map_err(|error| DialError::from_io(&error, target)),
            _ => race(addresses, ATTEMPT_DELAY, |address| self.attempt(address))
                .await
                .map_err(|failures| none_answers(target, &failures)),
        }
    }

    async fn attempt(&self, address: SocketAddr) -> io::Result<TcpStream> {
        tracing::debug!(%address, "trying");
        let stream = match self.local() {
            None => TcpStream::connect(address).await?,
            Some(local) => {
                let socket = if address.is_ipv4() {
                    TcpSocket::new_v4()?
                } else {
                    TcpSocket::new_v6()?
                };
                socket.bind(SocketAddr::new(local, 0)).map_err(|error| {
                    io::Error::new(
                        error.kind(),
                        format!("the local address {local} cannot be used: {error}"),
                    )
                })?;
                socket.connect(address).await?
            }
        };
        // Small packets should leave at once; a failure only costs time.
        let _ = stream.set_nodelay(true);
        if let Some(idle) = self.options.as_ref().and_then(|options| options.keepalive) {
            let keepalive = socket2::TcpKeepalive::new().with_time(idle);
            socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        }
        Ok(stream)
    }
}

impl Connector for TcpConnector {
    type Stream = TcpStream;

    /// Connects by TCP, whatever the scheme.
    async fn connect(&self, target: &Target) -> Result<TcpStream, DialError> {
        let addresses = self.addresses(target).await?;
        self.connect_to(&addresses, target).await
    }
}

/// What the system's resolver is asked: it turns the name of a zone into its number too.
fn lookup(target: &Target) -> (String, u16) {
    let host = match target.zone() {
        Some(zone) => format!("{}%{zone}", target.host()),
        None => target.host().to_owned(),
    };
    (host, target.port())
}

/// Every attempt, and how it failed.
fn none_answers(target: &Target, failures: &[(SocketAddr, io::Error)]) -> DialError {
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

/// Tries the addresses in their order, each next one after `delay` or when one fails; the first success is taken and the
/// other attempts are dropped. The failures of all otherwise.
async fn race<T, F: Future<Output = io::Result<T>>>(
    addresses: &[SocketAddr],
    delay: Duration,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<(SocketAddr, io::Error)>> {
    let mut waiting = addresses.iter().copied();
    let mut running: Vec<(SocketAddr, Pin<Box<F>>)> = Vec::new();
    let mut failures = Vec::new();
    let mut pause: Pin<&mut Sleep> = pin!(tokio::time::sleep(delay));
    let mut due = true;
    std::future::poll_fn(move |cx| {
        loop {
            if due && let Some(address) = waiting.next() {
                running.push((address, Box::pin(attempt(address))));
                pause.as_mut().reset(Instant::now() + delay);
            }
            due = false;
            let mut i = 0;
            while let Some((address, future)) = running.get_mut(i) {
                match future.as_mut().poll(cx) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        tracing::debug!(%address, %error, "failed");
                        failures.push((*address, error));
                        drop(running.swap_remove(i));
                        due = true;
                    }
                    Poll::Pending => i += 1,
                }
            }
            let more = waiting.len() > 0;
            if running.is_empty() && !more {
                return Poll::Ready(Err(std::mem::take(&mut failures)));
            }
            due |= more && pause.as_mut().poll(cx).is_ready();
            if !(due && more) {
                return Poll::Pending;
            }
        }
    })
    .await
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
    fn families_take_turns() {
        let mixed = addresses(&["::1", "::2", "::3", "1.1.1.1", "2.2.2.2"]);
        let order = addresses(&["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"]);
        assert_eq!(in_turn(mixed), order);
        let one = addresses(&["1.1.1.1", "2.2.2.2"]);
        assert_eq!(in_turn(one.clone()), one);
    }

    /// What each address does after how long: an answer, a refusal, or nothing ever.
    async fn outcome(address: SocketAddr) -> io::Result<IpAddr> {
        let IpAddr::V4(ip) = address.ip() else {
            return std::future::pending().await;
        };
        let [kind, a, b, _] = ip.octets();
        tokio::time::sleep(Duration::from_millis(u64::from(a) * 100 + u64::from(b))).await;
        match kind {
            1 => Ok(address.ip()),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    async fn run(list: &[&str]) -> (u128, Result<String, usize>) {
        let start = Instant::now();
        let result = race(&addresses(list), ATTEMPT_DELAY, outcome).await;
        let result = result
            .map(|ip| ip.to_string())
            .map_err(|failures| failures.len());
        (start.elapsed().as_millis(), result)
    }

    /// Dead addresses cost a quarter of a second each, failures nothing, and the first answer wins.
    #[tokio::test(start_paused = true)]
    async fn the_quickest_address_wins() {
        // The address is dead: the next one is tried after the delay.
        assert_eq!(
            run(&["::1", "1.0.10.0"]).await,
            (260, Ok("1.0.10.0".into()))
        );
        assert_eq!(
            run(&["::1", "::2", "1.0.0.0"]).await,
            (500, Ok("1.0.0.0".into()))
        );
        // A refusal: the next one at once.
        assert_eq!(
            run(&["2.0.5.0", "1.0.5.0"]).await,
            (10, Ok("1.0.5.0".into()))
        );
        // Slow, and the next is slower still: the first is not given up.
        assert_eq!(
            run(&["1.4.0.0", "1.9.0.0"]).await,
            (400, Ok("1.4.0.0".into()))
        );
        // A refusal while another is still at work: no waiting for the timer.
        assert_eq!(
            run(&["::1", "2.0.10.0", "1.0.1.0"]).await,
            (261, Ok("1.0.1.0".into()))
        );
        assert_eq!(run(&["2.0.1.0", "2.0.1.0", "2.0.1.0"]).await, (3, Err(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn all_attempts_are_told() {
        let failures = race(&addresses(&["2.0.0.0", "2.0.1.0"]), ATTEMPT_DELAY, outcome)
            .await
            .unwrap_err();
        let target = Target::new(false, "dual.test", 80);
        assert_eq!(
            none_answers(&target, &failures).message(),
            "none of the 2 addresses of dual.test port 80 answers: 2.0.0.0 connection refused, 2.0.1.0 connection refused"
        );
    }

    #[tokio::test]
    async fn a_local_address_of_the_other_family_is_told() {
        let connector = TcpConnector::new().local_address("::1".parse().unwrap());
        let error = connector
            .addresses(&Target::new(false, "127.0.0.1", 80))
            .await
            .unwrap_err();
        assert!(error.is_definitive());
        assert!(
            error
                .message()
                .contains("is of IPv6, but 127.0.0.1 has only IPv4")
        );
    }

    #[tokio::test]
    async fn names_can_be_fixed() {
        let ips: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        let connector = TcpConnector::new().resolve("Any.Test", ips);
        let found = connector
            .addresses(&Target::new(false, "any.test", 7))
            .await;
        assert_eq!(found.unwrap(), ips.map(|ip| SocketAddr::new(ip, 7)));
        let none = TcpConnector::new().resolve("any.test", []);
        let error = none.addresses(&Target::new(false, "any.test", 7)).await;
        assert_eq!(error.unwrap_err().kind(), DialErrorKind::Resolve);
    }
}
