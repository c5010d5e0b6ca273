//! TCP on tokio: the quickest of the addresses of a name (RFC 8305).

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, Sleep};

use super::connector::Connector;
use super::error::DialError;
use super::target::Target;
use super::tcp::{ATTEMPT_DELAY, TcpConnector, lookup, none_answers};

impl TcpConnector {
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
        if let Some(idle) = self.probing() {
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
    use std::net::IpAddr;

    use super::*;
    use crate::net::DialErrorKind;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter()
            .map(|ip| SocketAddr::new(ip.parse().unwrap(), 80))
            .collect()
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
