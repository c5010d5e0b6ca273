//! Wakes a thread that waits for sockets.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use super::SocketRef;
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

    /// What becomes readable when it is rung.
    pub(super) fn socket(&self) -> SocketRef<'_> {
        super::socket_ref(&self.receiver)
    }

    /// Whether it has been rung since this was last asked. What it was rung for is looked at after this.
    pub(super) fn take(&self) -> bool {
        if !self.sender.rung.load(Ordering::Acquire) {
            return false;
        }
        let mut bytes = [0; 16];
        while matches!((&self.receiver).read(&mut bytes), Ok(n) if n == bytes.len()) {}
        self.sender.rung.store(false, Ordering::Release);
        true
    }
}

#[cfg(all(unix, not(target_os = "espidf")))]
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
#[cfg(not(all(unix, not(target_os = "espidf"))))]
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
