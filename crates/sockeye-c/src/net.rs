//! The core's network over the port's connections.

use core::ffi::c_void;
use core::ptr::NonNull;

use sockeye_core::drive::{Net, Ready, Received};
use sockeye_core::{Instant, Link};

use crate::port::{
    Port, SOCKEYE_IO_AGAIN, SOCKEYE_WAIT_OPEN, SOCKEYE_WAIT_READ, SOCKEYE_WAIT_WRITE,
    sockeye_target_t, sockeye_wait_t,
};
use crate::text::Line;

/// A port's text about an error.
pub(crate) type Trouble = Line<160>;

struct Conn {
    raw: NonNull<c_void>,
    /// Not connected yet.
    opening: bool,
    /// The last write took nothing.
    stalled: bool,
    /// What the last wait found and nobody has looked at yet.
    ready: u8,
}

/// Up to three connections, and what they are waited for with.
pub(crate) struct PortNet {
    port: Port,
    raw: NonNull<c_void>,
    target: sockeye_target_t,
    conns: [Option<Conn>; 3],
    /// Connections that failed at once: told by the next wait.
    failed: [Option<Trouble>; 3],
    /// Which link is looked at first: each gets its turn.
    turn: usize,
}

impl PortNet {
    /// `target` and `raw` outlive it.
    pub(crate) const fn new(port: Port, raw: NonNull<c_void>, target: sockeye_target_t) -> Self {
        Self {
            port,
            raw,
            target,
            conns: [const { None }; 3],
            failed: [const { None }; 3],
            turn: 0,
        }
    }

    /// What is known without waiting: in turn, one thing of one link.
    fn next_ready(&mut self) -> Option<Ready<Trouble>> {
        self.turn = (self.turn + 1) % 3;
        for i in (self.turn..3).chain(0..self.turn) {
            let link = Link::ALL[i];
            if let Some(trouble) = self.failed[i].take() {
                return Some(Ready::Opened(link, Err(trouble)));
            }
            let Some(conn) = &mut self.conns[i] else {
                continue;
            };
            if conn.ready & SOCKEYE_WAIT_OPEN != 0 {
                conn.ready = 0;
                let mut trouble = Trouble::new();
                let (text, size) = trouble.buffer();
                // SAFETY: the connection is open, on the client's task; the text has that size.
                let result = unsafe { (self.port.0.conn_continue)(conn.raw.as_ptr(), text, size) };
                trouble.find_end();
                match result {
                    0 => continue,
                    1 => {
                        conn.opening = false;
                        return Some(Ready::Opened(link, Ok(())));
                    }
                    _ => {
                        self.close(link);
                        return Some(Ready::Opened(link, Err(trouble)));
                    }
                }
            }
            if conn.ready & SOCKEYE_WAIT_WRITE != 0 {
                conn.ready &= !SOCKEYE_WAIT_WRITE;
                conn.stalled = false;
                return Some(Ready::Writable(link));
            }
            if conn.ready & SOCKEYE_WAIT_READ != 0 {
                conn.ready &= !SOCKEYE_WAIT_READ;
                return Some(Ready::Readable(link));
            }
        }
        None
    }
}

impl Net for PortNet {
    type Error = Trouble;

    fn now(&mut self) -> Instant {
        self.port.now()
    }

    fn open(&mut self, link: Link) {
        self.close(link);
        let mut trouble = Trouble::new();
        let (text, size) = trouble.buffer();
        // SAFETY: the target outlives the connection; the text has that size; this is the client's task.
        let raw = unsafe {
            (self.port.0.conn_open)(self.raw.as_ptr(), &raw const self.target, text, size)
        };
        trouble.find_end();
        match NonNull::new(raw) {
            Some(raw) => {
                self.conns[link.index()] = Some(Conn {
                    raw,
                    opening: true,
                    stalled: false,
                    // Some ports are connected already.
                    ready: SOCKEYE_WAIT_OPEN,
                });
            }
            None => self.failed[link.index()] = Some(trouble),
        }
    }

    fn read(&mut self, link: Link, buf: &mut [u8]) -> Result<Received, Trouble> {
        let Some(conn) = &self.conns[link.index()] else {
            return Ok(Received::Nothing);
        };
        let mut trouble = Trouble::new();
        let (text, size) = trouble.buffer();
        let (at, len) = (buf.as_mut_ptr(), buf.len());
        // SAFETY: the connection is open, on the client's task; both buffers have their sizes.
        let n = unsafe { (self.port.0.conn_read)(conn.raw.as_ptr(), at, len, text, size) };
        match n {
            0 => Ok(Received::End),
            SOCKEYE_IO_AGAIN => Ok(Received::Nothing),
            n => match usize::try_from(n) {
                // A port that claims more than there was room for is broken: no more is taken than that.
                Ok(n) => Ok(Received::Bytes(n.min(len))),
                Err(_) => {
                    trouble.find_end();
                    Err(trouble)
                }
            },
        }
    }

    fn write(&mut self, link: Link, bytes: &[u8]) -> Result<usize, Trouble> {
        let Some(conn) = &mut self.conns[link.index()] else {
            return Ok(0);
        };
        let mut trouble = Trouble::new();
        let (text, size) = trouble.buffer();
        let (at, len) = (bytes.as_ptr(), bytes.len());
        // SAFETY: the connection is open, on the client's task; both buffers have their sizes.
        let n = unsafe { (self.port.0.conn_write)(conn.raw.as_ptr(), at, len, text, size) };
        if n == SOCKEYE_IO_AGAIN || n == 0 {
            conn.stalled = true;
            return Ok(0);
        }
        match usize::try_from(n) {
            Ok(n) => Ok(n.min(len)),
            Err(_) => {
                trouble.find_end();
                Err(trouble)
            }
        }
    }

    fn close(&mut self, link: Link) {
        self.failed[link.index()] = None;
        if let Some(conn) = self.conns[link.index()].take() {
            // SAFETY: it is open, on the client's task, and forgotten by this.
            unsafe { (self.port.0.conn_close)(conn.raw.as_ptr()) };
        }
    }

    fn wait(&mut self, until: Option<Instant>) -> Ready<Trouble> {
        if let Some(ready) = self.next_ready() {
            return ready;
        }
        let timeout = until.map_or(-1, |until| {
            let micros = until
                .as_micros()
                .saturating_sub(self.port.now().as_micros());
            i64::try_from(micros).unwrap_or(i64::MAX)
        });
        let mut waits = [const {
            sockeye_wait_t {
                conn: core::ptr::null_mut(),
                want: 0,
                ready: 0,
            }
        }; 3];
        let mut count = 0;
        for conn in self.conns.iter().flatten() {
            let want = match (conn.opening, conn.stalled) {
                (true, _) => SOCKEYE_WAIT_OPEN,
                (false, false) => SOCKEYE_WAIT_READ,
                (false, true) => SOCKEYE_WAIT_READ | SOCKEYE_WAIT_WRITE,
            };
            waits[count] = sockeye_wait_t {
                conn: conn.raw.as_ptr(),
                want,
                ready: 0,
            };
            count += 1;
        }
        // SAFETY: the first `count` are connections that are open; this is the client's task.
        unsafe { (self.port.0.net_wait)(self.raw.as_ptr(), waits.as_mut_ptr(), count, timeout) };
        for (conn, wait) in self.conns.iter_mut().flatten().zip(&waits) {
            conn.ready = wait.ready & wait.want;
        }
        self.next_ready().unwrap_or(Ready::Woken)
    }
}

impl Drop for PortNet {
    fn drop(&mut self) {
        for link in Link::ALL {
            self.close(link);
        }
    }
}
