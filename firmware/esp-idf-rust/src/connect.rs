//! Connections: TCP by the standard library, TLS by whatever [`Handshake`] the board has.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::task::Waker;
use std::time::Duration;

use sockeye::blocking::{Attempt, Connector, SocketRef, Stream};
use sockeye::net::{DialError, DialErrorKind, Target};

/// When a client has no limit, one attempt at one address has this one.
const LIMIT: Duration = Duration::from_secs(20);

/// An encrypted stream over a socket, which it closes when it is dropped.
pub trait Session: Read + Write + Send + 'static {
    /// What to wait on. Once it does not block, `read` and `write` give [`WouldBlock`](io::ErrorKind::WouldBlock).
    fn socket(&self) -> &TcpStream;
}

/// Makes an encrypted stream out of a connected socket.
pub trait Handshake: Send + Sync + 'static {
    /// The encrypted stream.
    type Session: Session;

    /// Shakes hands with the server of that name, and checks its certificate. It blocks for `limit` at most.
    ///
    /// # Errors
    /// Why there is no encrypted stream.
    fn shake(
        &self,
        socket: TcpStream,
        host: &str,
        limit: Duration,
    ) -> Result<Self::Session, DialError>;
}

struct Secure<S>(S);

impl<S: Session> Read for Secure<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl<S: Session> Write for Secure<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Session> Stream for Secure<S> {
    fn start(&mut self, _: &Waker) -> io::Result<()> {
        self.0.socket().set_nonblocking(true)
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        Stream::socket(self.0.socket())
    }
}

/// Connects a client: `http` over TCP, `https` by the handshake.
#[derive(Debug)]
pub struct Net<H>(pub H);

impl<H: Handshake> Connector for Net<H> {
    type Stream = Box<dyn Stream>;

    fn connect(&self, target: &Target, attempt: &Attempt) -> Result<Box<dyn Stream>, DialError> {
        let socket = dial(target, attempt)?;
        if !target.secure() {
            return Ok(Box::new(socket));
        }
        let session = self.0.shake(socket, target.host(), left(attempt)?)?;
        Ok(Box::new(Secure(session)))
    }
}

fn left(attempt: &Attempt) -> Result<Duration, DialError> {
    match attempt.remaining() {
        None => Ok(LIMIT),
        Some(Duration::ZERO) => Err(DialError::new(
            DialErrorKind::Unreachable,
            "no connection in time: is the server running, and the network up?",
        )),
        Some(left) => Ok(left),
    }
}

/// One address after the other, until one answers.
fn dial(target: &Target, attempt: &Attempt) -> Result<TcpStream, DialError> {
    let addresses = (target.host(), target.port())
        .to_socket_addrs()
        .map_err(|error| {
            DialError::new(
                DialErrorKind::Resolve,
                format!(
                    "{}: the name was not found ({error}): is the network up?",
                    target.host()
                ),
            )
        })?;
    let mut trouble = None;
    for address in addresses {
        match dial_one(address, left(attempt)?) {
            Ok(socket) => return Ok(socket),
            Err(error) => trouble = Some((address, error)),
        }
    }
    Err(match trouble {
        Some((address, error)) => DialError::new(
            DialErrorKind::Unreachable,
            format!("{address}: {error}: is the server running there?"),
        ),
        None => DialError::new(
            DialErrorKind::Resolve,
            format!("{}: the name has no address", target.host()),
        ),
    })
}

fn dial_one(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, limit)?;
    socket.set_nodelay(true)?;
    // A handshake blocks, and must not for ever.
    socket.set_read_timeout(Some(limit))?;
    socket.set_write_timeout(Some(limit))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Encryption that anybody can read; it insists on the name it knows.
    struct Plain(&'static str);
    struct Open(TcpStream);

    impl Handshake for Plain {
        type Session = Open;

        fn shake(&self, socket: TcpStream, host: &str, _: Duration) -> Result<Open, DialError> {
            if host != self.0 {
                return Err(DialError::new(DialErrorKind::Certificate, "another name"));
            }
            Ok(Open(socket))
        }
    }

    impl Session for Open {
        fn socket(&self) -> &TcpStream {
            &self.0
        }
    }

    impl Read for Open {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.0.read(bytes)
        }
    }

    impl Write for Open {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    fn client(
        url: &str,
        knows: &'static str,
    ) -> Result<sockeye::blocking::Socket, sockeye::ConnectError> {
        sockeye::blocking::Client::builder(url)
            .transports([sockeye::Transport::WebSocket])
            .connector(Net(Plain(knows)))
            .connect()
    }

    #[test]
    fn https_goes_through_the_handshake() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", server.local_addr().unwrap());
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut head = [0; 16];
            stream.read_exact(&mut head).unwrap();
            stream
                .write_all(b"HTTP/1.1 418 I'm a teapot\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
            head
        });
        let error = client(&url, "127.0.0.1").unwrap_err();
        assert!(error.to_string().contains("418"), "{error}");
        assert_eq!(&heard.join().unwrap(), b"GET /socket.io/?");
    }

    #[test]
    fn what_the_handshake_says_is_the_error() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", server.local_addr().unwrap());
        let error = client(&url, "example.org").unwrap_err();
        assert!(error.to_string().contains("another name"), "{error}");
    }

    #[test]
    fn nobody_there_is_an_error_with_the_next_step() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        drop(server);
        let error = client(&url, "").unwrap_err();
        assert!(
            error.to_string().contains("is the server running there?"),
            "{error}"
        );
    }
}
