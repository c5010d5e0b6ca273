//! A TCP proxy between board and server that misbehaves on purpose: cuts the link after a seeded number of bytes, goes
//! silent, or splits the server's WebSocket frames.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A proxy for one server. It lives until the end of this program.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

/// How it treats what passes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Passes everything on.
    Plain,
    /// Sends the server's frames on as fragments of so many bytes, with a ping in front of every fourth.
    Fragments(usize),
    /// Cuts each connection after a number of bytes that comes from the seed; one in eight falls silent instead.
    Cuts { seed: u64 },
}

struct Shared {
    upstream: u16,
    manner: Manner,
    state: Mutex<State>,
    changed: Condvar,
    /// Connections that were cut or fell silent by themselves.
    cuts: AtomicU32,
    calm: AtomicBool,
}

#[derive(Default)]
struct State {
    live: Vec<TcpStream>,
    /// New connections are closed at once.
    shut: bool,
    /// Nothing passes.
    silent: bool,
    random: u64,
}

impl Proxy {
    /// In front of a port of this machine.
    pub fn start(upstream: u16, manner: Manner) -> Result<Self, String> {
        let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
        let (port, listener) = listening.map_err(|error| format!("cannot listen: {error}"))?;
        let seed = if let Manner::Cuts { seed } = manner {
            seed
        } else {
            0
        };
        let shared = Arc::new(Shared {
            upstream,
            manner,
            state: Mutex::new(State {
                random: seed,
                ..State::default()
            }),
            changed: Condvar::new(),
            cuts: AtomicU32::new(0),
            calm: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for board in listener.incoming().flatten() {
                // The board sees a closed connection and tells.
                accepting.connect(board).ok();
            }
        });
        Ok(Self { port, shared })
    }

    /// Cuts all connections and refuses new ones until [`Self::release`].
    pub fn cut(&self) {
        let mut state = self.shared.state();
        state.shut = true;
        for stream in state.live.drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Lets nothing pass until [`Self::release`]; connections stay.
    pub fn hang(&self) {
        self.shared.state().silent = true;
    }

    /// Behaves again.
    pub fn release(&self) {
        let mut state = self.shared.state();
        (state.shut, state.silent) = (false, false);
        self.shared.changed.notify_all();
    }

    /// No more cuts from now on.
    pub fn calm(&self) {
        self.shared.calm.store(true, Ordering::SeqCst);
    }

    /// How many connections have been cut by the seed.
    pub fn cuts(&self) -> u32 {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

/// One connection, as both of its directions see it.
struct Passage {
    board: TcpStream,
    server: TcpStream,
    /// Bytes that still pass.
    left: AtomicI64,
    /// When nothing is left, the board is left in the dark instead of being told.
    quiet: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(self: &Arc<Self>, board: TcpStream) -> std::io::Result<()> {
        if self.state().shut {
            return board.shutdown(Shutdown::Both);
        }
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.upstream))?;
        board.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (left, quiet) = self.fate();
        {
            let mut state = self.state();
            state.live.push(board.try_clone()?);
            state.live.push(server.try_clone()?);
        }
        let passage = Arc::new(Passage {
            board,
            server,
            left: AtomicI64::new(left),
            quiet,
        });
        for down in [true, false] {
            let (shared, passage) = (Arc::clone(self), Arc::clone(&passage));
            thread::spawn(move || shared.pass(&passage, down));
        }
        Ok(())
    }

    /// How many bytes a new connection may carry, and whether it falls silent then.
    fn fate(&self) -> (i64, bool) {
        if !matches!(self.manner, Manner::Cuts { .. }) {
            return (i64::MAX, false);
        }
        let mut state = self.state();
        // Every fifth is cut during its handshake.
        let bytes = if draw(&mut state.random).is_multiple_of(5) {
            draw(&mut state.random) % 500
        } else {
            400 + draw(&mut state.random) % 1600
        };
        (bytes as i64, draw(&mut state.random).is_multiple_of(8))
    }

    /// Passes bytes in one direction until either side ends or the connection's fate is reached.
    fn pass(&self, passage: &Passage, down: bool) {
        let (mut from, mut to) = if down {
            (&passage.server, &passage.board)
        } else {
            (&passage.board, &passage.server)
        };
        let mut splitter = match self.manner {
            Manner::Fragments(size) if down => Some(Splitter::new(size)),
            _ => None,
        };
        let (mut buf, mut split) = (vec![0; 1 << 14], Vec::new());
        while let Ok(len) = from.read(&mut buf) {
            let mut bytes = &buf[..len];
            if let Some(splitter) = &mut splitter {
                split.clear();
                splitter.push(bytes, &mut split);
                bytes = &split;
            }
            let mut state = self.state();
            while state.silent {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            drop(state);
            let before = if self.calm.load(Ordering::SeqCst) {
                i64::MAX
            } else {
                passage.left.fetch_sub(bytes.len() as i64, Ordering::SeqCst)
            };
            let pass = usize::try_from(before).unwrap_or(0).min(bytes.len());
            let written = to.write_all(&bytes[..pass]);
            if pass < bytes.len() {
                self.cuts
                    .fetch_add(u32::from(before >= 0), Ordering::SeqCst);
                passage.server.shutdown(Shutdown::Both).ok();
                if !passage.quiet {
                    passage.board.shutdown(Shutdown::Both).ok();
                }
                return;
            }
            if len == 0 || written.is_err() {
                break;
            }
        }
        // After a cut by the other direction the quiet ones stay as they are.
        if !(passage.quiet && passage.left.load(Ordering::SeqCst) < 0) {
            to.shutdown(Shutdown::Write).ok();
        }
    }
}

/// SplitMix64.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Splits WebSocket messages of a server into fragments, behind the HTTP head of the handshake.
struct Splitter {
    size: usize,
    pending: Vec<u8>,
    frames: bool,
    count: usize,
}

impl Splitter {
    fn new(size: usize) -> Self {
        Self {
            size,
            pending: Vec::new(),
            frames: false,
            count: 0,
        }
    }

    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.pending.extend(bytes);
        if !self.frames {
            let Some(end) = self.pending.windows(4).position(|four| four == b"\r\n\r\n") else {
                return;
            };
            out.extend(self.pending.drain(..end + 4));
            self.frames = true;
        }
        while let Some((header, len)) = frame(&self.pending) {
            let whole: Vec<u8> = self.pending.drain(..header + len).collect();
            let (first, payload) = (whole[0], &whole[header..]);
            if first & 0x88 != 0x80 || payload.len() <= self.size {
                // Control frames, and what is a fragment already.
                out.extend(&whole);
                continue;
            }
            let pieces = payload.len().div_ceil(self.size);
            for (at, piece) in payload.chunks(self.size).enumerate() {
                self.count += 1;
                if self.count.is_multiple_of(4) {
                    out.extend(b"\x89\x02hi");
                }
                let opcode = if at == 0 { first & 0x0f } else { 0 };
                let end = if at + 1 == pieces { 0x80 } else { 0 };
                out.push(end | opcode);
                if piece.len() < 126 {
                    out.push(piece.len() as u8);
                } else {
                    out.push(126);
                    out.extend((piece.len() as u16).to_be_bytes());
                }
                out.extend(piece);
            }
        }
    }
}

/// The lengths of header and payload, if the whole frame is there.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (header, len) = match *bytes.get(1)? {
        126 => (
            4,
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        ),
        127 => (
            10,
            u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
        ),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= header + len).then_some((header, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_become_fragments_whatever_the_reads() {
        let mut stream = b"HTTP/1.1 101 OK\r\n\r\n\x81\x02ok".to_vec();
        stream.extend(b"\x82\x05abcde\x89\x00");
        let mut whole = Vec::new();
        Splitter::new(2).push(&stream, &mut whole);
        assert_eq!(
            whole,
            b"HTTP/1.1 101 OK\r\n\r\n\x81\x02ok\x02\x02ab\x00\x02cd\x80\x01e\x89\x00"
        );
        let (mut splitter, mut dripped) = (Splitter::new(2), Vec::new());
        for byte in stream.chunks(1) {
            splitter.push(byte, &mut dripped);
        }
        assert_eq!(dripped, whole);
    }

    #[test]
    fn seeds_repeat() {
        let (mut a, mut b) = (7, 7);
        assert_eq!(draw(&mut a), draw(&mut b));
        assert_ne!(draw(&mut a), draw(&mut 7));
    }
}
