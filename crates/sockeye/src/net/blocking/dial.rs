//! From a network's options to a stream, on a thread of its own.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::connector::Attempt;
use super::open::{Kind as StreamKind, Open};
use super::patient::Patient;
use super::tls::MaybeTls;
use super::{poll, socket_ref};
use crate::client::options::PairsFn;
use crate::driver::threads::{Threads, block_on};
use crate::inbox::lock;
use crate::net::error::{DialError, DialErrorKind, reason};
use crate::net::network::{Network, Stage, Way};
use crate::net::proxy::{ANSWER, Handshake, Kind, Proxy, Step};
use crate::net::target::Target;
use crate::net::tcp::{ATTEMPT_DELAY, TcpConnector, lookup, none_answers};
use crate::net::{Computed, TlsClient, compute};
use crate::sync::Mutex;

/// The core gives an attempt up by itself; the attempt's own limit comes later, so that it is the core that tells why.
const SLACK: Duration = Duration::from_secs(1);

/// What a finished dial brings.
pub(super) struct Dialed {
    pub(super) open: Open,
    pub(super) computed: Computed,
}

type Outcome = Result<Dialed, DialError>;

/// Where a link leads, and what is computed for the first one of a session.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) network: Arc<Network>,
    pub(super) query: Option<PairsFn>,
    pub(super) headers: Option<PairsFn>,
    /// For one attempt.
    pub(super) timeout: Option<Duration>,
}

/// A link that is being connected. Dropped, the attempt is given up: its thread ends at the next step, or when its time is
/// up.
pub(super) struct Dial {
    attempt: Attempt,
    outcome: Arc<Mutex<Option<Outcome>>>,
}

impl Drop for Dial {
    fn drop(&mut self) {
        self.attempt.give_up();
    }
}

/// Tells what an attempt has come to, whatever becomes of its thread.
struct Teller {
    outcome: Arc<Mutex<Option<Outcome>>>,
    waker: Waker,
}

impl Drop for Teller {
    fn drop(&mut self) {
        lock(&self.outcome).get_or_insert_with(|| {
            Err(DialError::new(
                DialErrorKind::Other,
                "the thread that connects has ended before it was done",
            ))
        });
        self.waker.wake_by_ref();
    }
}

impl Dial {
    /// Begins to connect. `fresh`: the first link of a session, for which query and headers are computed anew.
    pub(super) fn start(
        route: &Route,
        fresh: bool,
        threads: &Threads,
        waker: &Waker,
    ) -> Result<Self, DialError> {
        let attempt = Attempt::new(route.timeout.map(|limit| limit.saturating_add(SLACK)));
        let outcome = Arc::<Mutex<Option<Outcome>>>::default();
        let dial = Self {
            attempt: attempt.clone(),
            outcome: Arc::clone(&outcome),
        };
        let mut route = route.clone();
        if !fresh {
            (route.query, route.headers) = (None, None);
        }
        let teller = Teller {
            outcome,
            waker: waker.clone(),
        };
        let task = async move {
            let result = route.dial(&attempt, &teller.waker);
            *lock(&teller.outcome) = Some(result);
        };
        threads.spawn(Box::pin(task)).map_err(|error| {
            DialError::new(
                DialErrorKind::Other,
                format!("no thread to connect could be started: {error}"),
            )
        })?;
        Ok(dial)
    }

    /// What it has come to, once it has.
    pub(super) fn take(&self) -> Option<Outcome> {
        lock(&self.outcome).take()
    }
}

impl Route {
    fn dial(self, attempt: &Attempt, waker: &Waker) -> Outcome {
        let Self {
            network,
            query,
            headers,
            ..
        } = self;
        network.begin();
        let computed = block_on(compute(&network, query, headers))?;
        let mut stream = network.connect_blocking(attempt)?;
        stream
            .start(waker)
            .map_err(|error| DialError::from_io(&error, &network.target))?;
        Ok(Dialed {
            open: Open::new(stream),
            computed,
        })
    }
}

impl Network {
    fn connect_blocking(&self, attempt: &Attempt) -> Result<StreamKind, DialError> {
        let target = &self.target;
        let (tcp, tls, proxy) = match &self.way {
            // (Only the builder for tokio sets one.)
            #[cfg(feature = "tokio")]
            Way::Connector(_) => {
                return Err(DialError::config(
                    "a connector for tokio cannot serve a blocking client",
                ));
            }
            Way::Blocking(connector) => {
                self.reached(Stage::Connecting);
                return Ok(StreamKind::Other(connector.connect(target, attempt)?));
            }
            Way::Tcp { tcp, tls, proxy } => (tcp, tls.as_ref(), proxy.as_deref()),
        };
        // A server of the application's tests, in memory.
        #[cfg(feature = "testing")]
        if let Some(stream) = crate::testing::connect_blocking(target.host()) {
            let stream = stream.map_err(|error| DialError::from_io(&error, target))?;
            return Ok(StreamKind::Other(stream));
        }
        let Some(proxy) = proxy else {
            let stream = self.tcp_blocking(tcp, target, attempt)?;
            return Ok(StreamKind::Direct(
                self.encrypt_blocking(tls, stream, attempt)?,
            ));
        };
        tracing::debug!(%proxy, "through a proxy");
        let mut stream = self
            .tcp_blocking(tcp, &proxy.at, attempt)
            .map_err(|error| DialError::proxy(format!("the proxy cannot be reached: {error}")))?;
        self.reached(Stage::Proxy);
        // Names are resolved here for proxies that take addresses.
        let address = match proxy.kind {
            Kind::Socks5 => tcp.addresses_blocking(target)?.first().map(SocketAddr::ip),
            Kind::Http | Kind::Socks5Names => None,
        };
        let handshake = proxy.handshake(target, address);
        match tls {
            Some(tls) if proxy.at.secure() => {
                let mut stream = tls.encrypt(stream, &proxy.at, attempt)?;
                pass(&mut stream, handshake, proxy, attempt)?;
                if !target.secure() {
                    return Ok(StreamKind::Direct(stream));
                }
                self.reached(Stage::Tls);
                let stream = tls.encrypt(stream, target, attempt)?;
                Ok(StreamKind::Other(Box::new(stream)))
            }
            _ => {
                pass(&mut stream, handshake, proxy, attempt)?;
                Ok(StreamKind::Direct(
                    self.encrypt_blocking(tls, stream, attempt)?,
                ))
            }
        }
    }

    fn tcp_blocking(
        &self,
        tcp: &TcpConnector,
        target: &Target,
        attempt: &Attempt,
    ) -> Result<TcpStream, DialError> {
        self.reached(Stage::Resolving);
        let addresses = tcp.addresses_blocking(target)?;
        self.reached(Stage::Connecting);
        tcp.connect_blocking(&addresses, target, attempt)
    }

    fn encrypt_blocking(
        &self,
        tls: Option<&TlsClient>,
        stream: TcpStream,
        attempt: &Attempt,
    ) -> Result<MaybeTls<TcpStream>, DialError> {
        match tls {
            Some(tls) if self.target.secure() => {
                self.reached(Stage::Tls);
                tls.encrypt(stream, &self.target, attempt)
            }
            _ => Ok(MaybeTls::plain(stream)),
        }
    }
}

/// Gets through a proxy.
fn pass(
    stream: &mut impl super::Stream,
    mut handshake: Handshake,
    proxy: &Proxy,
    attempt: &Attempt,
) -> Result<(), DialError> {
    let cut = |error: io::Error| DialError::proxy(format!("{proxy}: {}", reason(&error)));
    let mut stream = Patient::new(stream, attempt).map_err(cut)?;
    let mut received = Vec::new();
    let mut buf = [0; 512];
    loop {
        match handshake.step(&mut received)? {
            Step::Send(message) => {
                stream.write_all(&message).map_err(cut)?;
                stream.flush().map_err(cut)?;
            }
            Step::Receive if received.len() >= ANSWER => {
                return Err(DialError::proxy(format!(
                    "the answer of {proxy} has no end"
                )));
            }
            Step::Receive => match stream.read(&mut buf).map_err(cut)? {
                0 => {
                    return Err(DialError::proxy(format!(
                        "{proxy} closed the connection before it answered: check its kind, address and credentials"
                    )));
                }
                n => received.extend_from_slice(&buf[..n]),
            },
            Step::Done => return Ok(()),
        }
    }
}

impl TcpConnector {
    /// The addresses of a target in the order in which they are tried.
    fn addresses_blocking(&self, target: &Target) -> Result<Vec<SocketAddr>, DialError> {
        let found = match self.known(target) {
            Some(found) => found,
            None => lookup(target)
                .to_socket_addrs()
                .map_err(|error| DialError::unresolved(Some(&error), target))?
                .collect(),
        };
        self.ordered(found, target)
    }

    /// Connects to the quickest of the addresses of a target. The stream does not block.
    fn connect_blocking(
        &self,
        addresses: &[SocketAddr],
        target: &Target,
        attempt: &Attempt,
    ) -> Result<TcpStream, DialError> {
        let stream =
            race(addresses, attempt, |address| self.begin(address)).map_err(|mut failures| {
                match failures.pop() {
                    Some((_, error)) if addresses.len() == 1 => DialError::from_io(&error, target),
                    Some(last) => {
                        failures.push(last);
                        none_answers(target, &failures)
                    }
                    None => DialError::unresolved(None, target),
                }
            })?;
        // Small packets should leave at once; a failure only costs time.
        let _ = stream.set_nodelay(true);
        if let Some(idle) = self.probing() {
            let keepalive = socket2::TcpKeepalive::new().with_time(idle);
            socket2::SockRef::from(&stream)
                .set_tcp_keepalive(&keepalive)
                .map_err(|error| DialError::from_io(&error, target))?;
        }
        Ok(stream)
    }

    /// Begins to connect.
    fn begin(&self, address: SocketAddr) -> io::Result<Socket> {
        tracing::debug!(%address, "trying");
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if let Some(local) = self.local() {
            socket
                .bind(&SocketAddr::new(local, 0).into())
                .map_err(|error| {
                    io::Error::new(
                        error.kind(),
                        format!("the local address {local} cannot be used: {error}"),
                    )
                })?;
        }
        match socket.connect(&address.into()) {
            Err(error)
                if error.kind() != io::ErrorKind::WouldBlock
                    && Errno::from_io_error(&error) != Some(Errno::INPROGRESS) =>
            {
                Err(error)
            }
            _ => Ok(socket),
        }
    }
}

/// Tries the addresses in their order, each next one after a delay or when one fails; the first success is taken and the
/// other attempts are dropped. The failures of all otherwise.
fn race(
    addresses: &[SocketAddr],
    attempt: &Attempt,
    begin: impl Fn(SocketAddr) -> io::Result<Socket>,
) -> Result<TcpStream, Vec<(SocketAddr, io::Error)>> {
    let mut waiting = addresses.iter().copied();
    let mut running: Vec<(SocketAddr, Socket)> = Vec::new();
    let mut failures = Vec::new();
    let mut next = Instant::now();
    loop {
        let now = Instant::now();
        if now >= next
            && let Some(address) = waiting.next()
        {
            match begin(address) {
                Ok(socket) => {
                    running.push((address, socket));
                    next = now + ATTEMPT_DELAY;
                }
                Err(error) => {
                    tracing::debug!(%address, %error, "failed");
                    failures.push((address, error));
                    continue;
                }
            }
        }
        let more = waiting.len() > 0;
        if running.is_empty() && !more {
            return Err(failures);
        }
        if let Err(error) = attempt.check() {
            // The time is up for all of them alike.
            let late = running.drain(..).map(|(address, _)| address);
            failures.extend(late.map(|address| (address, error.kind().into())));
            return Err(failures);
        }
        let mut time = attempt
            .remaining()
            .map_or(ATTEMPT_DELAY, |left| left.min(ATTEMPT_DELAY));
        if more {
            time = time.min(next.saturating_duration_since(now));
        }
        let mut fds: Vec<_> = running
            .iter()
            .map(|(_, socket)| PollFd::from_borrowed_fd(socket_ref(socket), PollFlags::OUT))
            .collect();
        let polled = poll(&mut fds, Some(time));
        let found: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        if let Err(error) = polled {
            failures.extend(running.drain(..).map(|(at, _)| (at, error.kind().into())));
            return Err(failures);
        }
        // From the last one, so that those before it keep their places.
        for i in (0..found.len()).rev().filter(|i| found[*i]) {
            let (address, socket) = running.swap_remove(i);
            let error = match socket.take_error() {
                Ok(None) => return Ok(socket.into()),
                Ok(Some(error)) | Err(error) => error,
            };
            tracing::debug!(%address, %error, "failed");
            failures.push((address, error));
            // The next one at once.
            next = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn attempt(millis: u64) -> Attempt {
        Attempt::new(Some(Duration::from_millis(millis)))
    }

    fn closed_port() -> SocketAddr {
        // Bound and never listening: nobody else gets the port, and connections are refused.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        std::mem::forget(socket);
        address
    }

    #[test]
    fn the_first_that_answers_is_taken_and_refusals_cost_no_time() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = server.local_addr().unwrap();
        let tcp = TcpConnector::new();
        let start = Instant::now();
        let list = [closed_port(), closed_port(), open];
        let stream = race(&list, &attempt(20_000), |address| tcp.begin(address)).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert!(start.elapsed() < ATTEMPT_DELAY, "{:?}", start.elapsed());
    }

    #[test]
    fn all_failures_are_told() {
        let tcp = TcpConnector::new();
        let list = [closed_port(), closed_port()];
        let target = Target::new(false, "dual.test", 80);
        let error = tcp
            .connect_blocking(&list, &target, &attempt(20_000))
            .unwrap_err();
        assert_eq!(
            error.message(),
            "none of the 2 addresses of dual.test port 80 answers: 127.0.0.1 connection refused, 127.0.0.1 connection refused"
        );
        let error = tcp
            .connect_blocking(&list[..1], &target, &attempt(20_000))
            .unwrap_err();
        assert!(
            error.message().contains("is the server running?"),
            "{error}"
        );
    }

    #[test]
    fn an_attempt_ends_with_its_time_or_when_it_is_given_up() {
        // A socket that never becomes writable: it is not connected to anything.
        let pending = |_| Ok(Socket::new(Domain::IPV4, Type::STREAM, None).unwrap());
        let list = [closed_port()];
        let short = attempt(0);
        let failures = race(&list, &short, pending).unwrap_err();
        assert_eq!(failures[0].1.kind(), io::ErrorKind::TimedOut);
        let given_up = attempt(20_000);
        given_up.give_up();
        let failures = race(&list, &given_up, pending).unwrap_err();
        assert_eq!(failures[0].1.kind(), io::ErrorKind::TimedOut);
    }
}
