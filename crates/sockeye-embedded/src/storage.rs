//! The memory of one client: every size in one place.

use core::mem::MaybeUninit;

use embassy_sync::blocking_mutex::raw::{NoopRawMutex, RawMutex};

use crate::shared::Shared;
use crate::waiters::Waiter;

/// All the memory that one client will ever use, besides the sockets' own buffers. Put it into a
/// `ConstStaticCell`:
///
/// ```
/// use sockeye_embedded::Storage;
/// use static_cell::ConstStaticCell;
///
/// /// Messages up to 2 KiB in, 1 KiB waiting to go out.
/// static STORAGE: ConstStaticCell<Storage<2048, 1024>> = ConstStaticCell::new(Storage::new());
/// let storage = STORAGE.take();
/// # let _ = storage;
/// ```
/// Empty storage is all zeroes: such a static takes nothing of the flash. (A `StaticCell` with `init_with` works too, but
/// compilers put the new storage on the stack first.)
///
/// | parameter | default | what it sizes |
/// |---|---|---|
/// | `RX` | | receive buffer, bytes: the largest message with its attachments is about `RX` − 16. Larger ones are skipped and reported by [`Event::MessageTooLarge`](crate::Event::MessageTooLarge). With polling, up to 2 KiB of it serve other purposes. At least 512 |
/// | `TX` | | send buffer, bytes: what is emitted while offline or faster than the network waits here, framing (6 to 14 bytes a packet) included. At least 256; a CONNECT packet with its `auth` payload must fit |
/// | `M` | `NoopRawMutex` | how handles on other executors or cores are kept apart: see [`Socket`](crate::Socket) |
/// | `ACKS` | 4 | acknowledgements waited for at one time |
/// | `ANSWERS` | 256 | bytes of answers that have arrived and whose tasks have not run yet. A larger answer fails with [`AnswerError::NoRoom`](crate::AnswerError::NoRoom), or is read by [`Handler::on_ack`](crate::Handler::on_ack), which has no such limit |
/// | `PACKETS` | 16 | packets waiting in the send buffer; each attachment counts as one |
/// | `NAMESPACES` | 2 | namespaces on the connection |
/// | `HEAD` | 512 | bytes of one HTTP request head: path, query, headers, cookies, session id. At least 256 |
/// | `CHUNK` | 256 | bytes moved by one read or write on a link; there are two such buffers for each link |
/// | `LINKS` | 1 | 1: WebSocket alone. 3: polling as well, with the feature `polling` (one socket each for GET, POST and WebSocket) |
#[derive(Debug)]
pub struct Storage<
    const RX: usize,
    const TX: usize,
    M: RawMutex + 'static = NoopRawMutex,
    const ACKS: usize = 4,
    const ANSWERS: usize = 256,
    const PACKETS: usize = 16,
    const NAMESPACES: usize = 2,
    const HEAD: usize = 512,
    const CHUNK: usize = 256,
    const LINKS: usize = 1,
> {
    pub(crate) core: sockeye_core::Storage<RX, TX, ACKS, PACKETS, NAMESPACES, HEAD>,
    pub(crate) waiters: MaybeUninit<[Waiter; ACKS]>,
    pub(crate) answers: [u8; ANSWERS],
    pub(crate) reads: [[u8; CHUNK]; LINKS],
    pub(crate) writes: [[u8; CHUNK]; LINKS],
    pub(crate) shared: MaybeUninit<Shared<M>>,
}

impl<
    const RX: usize,
    const TX: usize,
    M: RawMutex + 'static,
    const ACKS: usize,
    const ANSWERS: usize,
    const PACKETS: usize,
    const NAMESPACES: usize,
    const HEAD: usize,
    const CHUNK: usize,
    const LINKS: usize,
> Storage<RX, TX, M, ACKS, ANSWERS, PACKETS, NAMESPACES, HEAD, CHUNK, LINKS>
{
    /// Empty storage.
    pub const fn new() -> Self {
        const {
            assert!(
                LINKS == 1 || LINKS == 3,
                "Storage: LINKS is 1 (WebSocket alone) or 3 (polling as well)"
            );
            assert!(CHUNK >= 32, "Storage: CHUNK must be at least 32 bytes");
        }
        Self {
            core: sockeye_core::Storage::new(),
            waiters: MaybeUninit::uninit(),
            answers: [0; ANSWERS],
            reads: [[0; CHUNK]; LINKS],
            writes: [[0; CHUNK]; LINKS],
            shared: MaybeUninit::uninit(),
        }
    }
}

impl<
    const RX: usize,
    const TX: usize,
    M: RawMutex + 'static,
    const ACKS: usize,
    const ANSWERS: usize,
    const PACKETS: usize,
    const NAMESPACES: usize,
    const HEAD: usize,
    const CHUNK: usize,
    const LINKS: usize,
> Default for Storage<RX, TX, M, ACKS, ANSWERS, PACKETS, NAMESPACES, HEAD, CHUNK, LINKS>
{
    fn default() -> Self {
        Self::new()
    }
}
