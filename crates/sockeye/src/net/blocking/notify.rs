//! Wakes a thread that waits for sockets.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use rustix::event::PollFd;

use crate::sync::atomic::{AtomicBool, Ordering};
#[cfg(loom)]
use pair::wait;
use pair::{Receiver, Sender, pair};

/// The waiting thread's end.
pub(crate) struct Notifier {
    receiver: Receiver,
    sender: Arc<Bell>,
}

struct Bell {
    /// It has been rung, and the thread has not come yet: one byte is enough.
    rung: AtomicBool,
    sender: Sender,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // It can only fail when bytes lie there already, or the thread is gone.
            let _ = (&self.sender).write(&[1]);
        }
    }
}

impl Notifier {
    pub(crate) fn new() -> io::Result<Self> {
        let (receiver, sender) = pair()?;
        Ok(Self {
            receiver,
            sender: Arc::new(Bell {
                rung: AtomicBool::new(false),
                sender,
            }),
        })
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.sender))
    }

    /// Waits until it is rung, one of these sockets is ready, or the time is up; whether it was rung. What it was rung for
    /// is to be looked at after this.
    pub(crate) fn wait<'s>(
        &'s self,
        fds: &mut Vec<PollFd<'s>>,
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        // The byte is asked for, not the mark: who rings marks first, so the byte may come after the mark was taken with an
        // earlier one. If it were left lying then, every wait would end at once, until the next ring.
        if !wait(&self.receiver, fds, timeout)? {
            return Ok(false);
        }
        let mut bytes = [0; 16];
        while matches!((&self.receiver).read(&mut bytes), Ok(n) if n == bytes.len()) {}
        // Not a plain store: whoever found the mark set, and so wrote no byte, has left something before, which is seen from
        // here on.
        self.sender.rung.swap(false, Ordering::AcqRel);
        Ok(true)
    }
}

#[cfg(loom)]
impl Notifier {
    /// Whether nothing lies in the pipe.
    pub(crate) fn is_silent(&self) -> bool {
        wait(&self.receiver, &[], Some(Duration::ZERO)).is_ok_and(|lies| !lies)
    }
}

/// Waits until something lies in `receiver`, one of these sockets is ready, or the time is up; whether something lies
/// there.
#[cfg(not(loom))]
fn wait<'s>(
    receiver: &'s Receiver,
    fds: &mut Vec<PollFd<'s>>,
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let own = PollFd::from_borrowed_fd(super::socket_ref(receiver), rustix::event::PollFlags::IN);
    fds.push(own);
    let polled = super::poll(fds, timeout);
    let own = fds.pop();
    polled?;
    Ok(own.is_some_and(|own| !own.revents().is_empty()))
}

#[cfg(all(unix, not(target_os = "espidf"), not(loom)))]
mod pair {
    use std::io;
    use std::os::unix::net::UnixStream;

    pub(super) type Receiver = UnixStream;
    pub(super) type Sender = UnixStream;

    pub(super) fn pair() -> io::Result<(Receiver, Sender)> {
        let (receiver, sender) = UnixStream::pair()?;
        receiver.set_nonblocking(true)?;
        sender.set_nonblocking(true)?;
        Ok((receiver, sender))
    }
}

/// Where there are no pairs of sockets: one that sends to itself. It is connected, so that it hears nobody else.
#[cfg(not(any(all(unix, not(target_os = "espidf")), loom)))]
mod pair {
    use std::io::{self, Read, Write};
    use std::net::{Ipv4Addr, UdpSocket};
    use std::sync::Arc;

    #[derive(Clone)]
    pub(super) struct Receiver(Arc<UdpSocket>);
    pub(super) type Sender = Receiver;

    impl Read for &Receiver {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.0.recv(bytes)
        }
    }

    impl Write for &Receiver {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[cfg(unix)]
    impl std::os::fd::AsFd for Receiver {
        fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    #[cfg(windows)]
    impl std::os::windows::io::AsSocket for Receiver {
        fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
            self.0.as_socket()
        }
    }

    pub(super) fn pair() -> io::Result<(Receiver, Sender)> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(socket.local_addr()?)?;
        socket.set_nonblocking(true)?;
        let socket = Receiver(Arc::new(socket));
        Ok((socket.clone(), socket))
    }
}

/// For the models: a pipe of loom's lock and condition. They have no sockets, and time stands still.
#[cfg(loom)]
mod pair {
    use std::io::{self, Read, Write};
    use std::sync::{Arc, PoisonError};
    use std::time::Duration;

    use rustix::event::PollFd;

    use crate::inbox::lock;
    use crate::sync::{Condvar, Mutex};

    #[derive(Default)]
    struct Pipe {
        bytes: Mutex<usize>,
        news: Condvar,
    }

    #[derive(Clone, Default)]
    pub(super) struct Receiver(Arc<Pipe>);
    pub(super) type Sender = Receiver;

    impl Read for &Receiver {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let mut bytes = lock(&self.0.bytes);
            let n = bytes.min(buf.len());
            *bytes -= n;
            if n == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(n)
        }
    }

    impl Write for &Receiver {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            *lock(&self.0.bytes) += buf.len();
            self.0.news.notify_one();
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(super) fn pair() -> io::Result<(Receiver, Sender)> {
        let pipe = Receiver::default();
        Ok((pipe.clone(), pipe))
    }

    pub(super) fn wait(
        receiver: &Receiver,
        fds: &[PollFd<'_>],
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        assert!(fds.is_empty(), "the streams of the models have no sockets");
        let Pipe { bytes, news } = &*receiver.0;
        let mut bytes = lock(bytes);
        while *bytes == 0 && timeout != Some(Duration::ZERO) {
            bytes = news.wait(bytes).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(*bytes > 0)
    }
}
