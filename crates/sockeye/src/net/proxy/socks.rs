//! SOCKS 5 (RFC 1928), with user and password (RFC 1929).

use std::net::IpAddr;

use super::Step;
use crate::net::error::DialError;
use crate::net::headers::Credentials;
use crate::net::target::Target;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Greet,
    Method,
    Credentials,
    Reply,
}

pub(crate) struct Handshake {
    proxy: String,
    target: Target,
    address: Option<IpAddr>,
    credentials: Option<Credentials>,
    state: State,
}

const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NOTHING_ACCEPTABLE: u8 = 0xff;

impl Handshake {
    pub(super) const fn new(
        proxy: String,
        target: Target,
        address: Option<IpAddr>,
        credentials: Option<Credentials>,
    ) -> Self {
        Self {
            proxy,
            target,
            address,
            credentials,
            state: State::Greet,
        }
    }

    fn error(&self, why: &str) -> DialError {
        DialError::proxy(format!("{} {why}", self.proxy))
    }

    pub(super) fn step(&mut self, received: &mut Vec<u8>) -> Result<Step, DialError> {
        match self.state {
            State::Greet => {
                self.state = State::Method;
                Ok(Step::Send(match self.credentials {
                    None => vec![5, 1, NO_AUTHENTICATION],
                    Some(_) => vec![5, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
                }))
            }
            State::Method => {
                if received.first().is_some_and(|version| *version != 5) {
                    return Err(
                        self.error("does not speak SOCKS 5: check its address, or use http://")
                    );
                }
                let Some(&[_, method]) = received.first_chunk() else {
                    return Ok(Step::Receive);
                };
                received.drain(..2);
                match (method, &self.credentials) {
                    (NO_AUTHENTICATION, _) => self.connect(),
                    (USER_AND_PASSWORD, Some(Credentials { user, password })) => {
                        let mut message = vec![1];
                        for text in [user, password] {
                            // Checked when the proxy was given.
                            let Ok(len) = u8::try_from(text.len()) else {
                                return Err(
                                    self.error("takes 255 bytes of user and password at most")
                                );
                            };
                            message.push(len);
                            message.extend_from_slice(text.as_bytes());
                        }
                        self.state = State::Credentials;
                        Ok(Step::Send(message))
                    }
                    (NOTHING_ACCEPTABLE, None) => {
                        Err(self.error("wants credentials: socks5h://user:password@proxy:port"))
                    }
                    (NOTHING_ACCEPTABLE, Some(_)) => {
                        Err(self.error("takes neither user and password nor nobody's"))
                    }
                    _ => Err(self.error("asks for an authentication that was not offered")),
                }
            }
            State::Credentials => {
                let Some(&[_, status]) = received.first_chunk() else {
                    return Ok(Step::Receive);
                };
                received.drain(..2);
                if status != 0 {
                    return Err(self.error("does not accept user or password"));
                }
                self.connect()
            }
            State::Reply => self.reply(received),
        }
    }

    fn connect(&mut self) -> Result<Step, DialError> {
        let mut message = vec![5, 1, 0];
        match self.address {
            Some(IpAddr::V4(ip)) => {
                message.push(1);
                message.extend_from_slice(&ip.octets());
            }
            Some(IpAddr::V6(ip)) => {
                message.push(4);
                message.extend_from_slice(&ip.octets());
            }
            None => {
                let host = self.target.host().as_bytes();
                let Ok(len) = u8::try_from(host.len()) else {
                    return Err(DialError::config(
                        "the host name is longer than the 255 bytes that SOCKS can carry",
                    ));
                };
                message.extend_from_slice(&[3, len]);
                message.extend_from_slice(host);
            }
        }
        message.extend_from_slice(&self.target.port().to_be_bytes());
        self.state = State::Reply;
        Ok(Step::Send(message))
    }

    fn reply(&self, received: &mut Vec<u8>) -> Result<Step, DialError> {
        if let Some(&[version, status]) = received.first_chunk() {
            if version != 5 {
                return Err(self.error("broke the SOCKS 5 protocol"));
            }
            if status != 0 {
                let why = match status {
                    2 => "it does not allow this host and port",
                    3 => "its network cannot reach the server",
                    4 => "the host cannot be reached or resolved",
                    5 => "connection refused by the server (is it running?)",
                    6 => "no answer from the server",
                    7 => "it makes no connections",
                    8 => {
                        "it does not take this kind of address: try socks5:// instead of socks5h://, or the reverse"
                    }
                    _ => "it failed; see its log",
                };
                return Err(self.error(&format!("cannot connect to {}: {why}", self.target)));
            }
        }
        // The address that the proxy uses follows; it is of no interest.
        let length = match *received.as_slice() {
            [_, _, _, 1, ..] => 10,
            [_, _, _, 4, ..] => 22,
            [_, _, _, 3, len, ..] => 7 + usize::from(len),
            [_, _, _, kind, ..] if kind != 3 => {
                return Err(self.error("broke the SOCKS 5 protocol"));
            }
            _ => return Ok(Step::Receive),
        };
        if received.len() < length {
            return Ok(Step::Receive);
        }
        if received.len() > length {
            return Err(self.error("sends bytes that nobody asked for after its answer"));
        }
        received.clear();
        Ok(Step::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::net::proxy::{Proxy, Step};
    use crate::net::target::Target;

    /// Answers with `answers` in turn, byte by byte; what was sent, and how it ended.
    fn talk(url: &str, host: &str, answers: &[&[u8]]) -> (Vec<Vec<u8>>, Result<(), String>) {
        let target = Target::new(false, host, 0x1234);
        let mut handshake = Proxy::parse(url).unwrap().handshake(&target, None);
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        let mut bytes = answers.concat().into_iter();
        loop {
            match handshake.step(&mut received) {
                Ok(Step::Send(message)) => sent.push(message),
                Ok(Step::Receive) => match bytes.next() {
                    Some(byte) => received.push(byte),
                    None => return (sent, Err("waits".into())),
                },
                Ok(Step::Done) => return (sent, Ok(())),
                Err(error) => return (sent, Err(error.to_string())),
            }
        }
    }

    const DONE: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

    #[test]
    fn conversations() {
        let (sent, result) = talk("socks5h://p", "h.test", &[&[5, 0], DONE]);
        assert_eq!(result, Ok(()));
        assert_eq!(
            sent,
            [
                b"\x05\x01\0".to_vec(),
                b"\x05\x01\0\x03\x06h.test\x12\x34".to_vec()
            ]
        );
        let (sent, result) = talk("socks5h://u:pw@p", "1.2.3.4", &[&[5, 2], &[1, 0], DONE]);
        assert_eq!(result, Ok(()));
        assert_eq!(
            sent,
            [
                b"\x05\x02\0\x02".to_vec(),
                b"\x01\x01u\x02pw".to_vec(),
                b"\x05\x01\0\x01\x01\x02\x03\x04\x12\x34".to_vec()
            ]
        );
        // Credentials that the proxy does not want.
        let (sent, result) = talk("socks5h://u:pw@p", "::1", &[&[5, 0], DONE]);
        assert_eq!((sent.len(), result), (2, Ok(())));
        // An address of the other kinds in the answer.
        let six = [[5, 0, 0, 4].as_slice(), &[0; 18]].concat();
        assert_eq!(talk("socks5h://p", "::1", &[&[5, 0], &six]).1, Ok(()));
        let name = [5, 0, 0, 3, 2, b'a', b'b', 0, 80];
        assert_eq!(talk("socks5h://p", "::1", &[&[5, 0], &name]).1, Ok(()));
    }

    #[test]
    fn refusals() {
        for (url, answers, words) in [
            (
                "socks5h://p",
                vec![b"HT".as_slice()],
                "does not speak SOCKS 5",
            ),
            ("socks5h://p", vec![&[5, 0xff]], "wants credentials"),
            ("socks5h://p", vec![&[5, 2]], "not offered"),
            ("socks5h://u:secret@p", vec![&[5, 0xff]], "neither"),
            (
                "socks5h://u:secret@p",
                vec![&[5, 2], &[1, 1]],
                "does not accept",
            ),
            (
                "socks5h://p",
                vec![&[5, 0], &[5, 5, 0, 1]],
                "connection refused by the server",
            ),
            ("socks5h://p", vec![&[5, 0], &[5, 2]], "does not allow"),
            ("socks5h://p", vec![&[5, 0], &[4, 0]], "broke"),
            ("socks5h://p", vec![&[5, 0], &[5, 0, 0, 9]], "broke"),
        ] {
            let error = talk(url, "h.test", &answers).1.unwrap_err();
            assert!(
                error.contains(words)
                    && error.contains("the proxy p port 1080")
                    && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
