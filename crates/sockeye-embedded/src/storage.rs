//! The memory of one client: every size in one place.

use core::mem::MaybeUninit;

use embassy_sync::blocking_mutex::raw::{NoopRawMutex, RawMutex};
use sockeye_core::{Memory as CoreMemory, NamespaceId};

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
/// Sizes beyond the first two are better given by their names: [`storage!`](crate::storage).
///
/// Empty storage is all zeroes: such a static takes nothing of the flash. (A `StaticCell` with `init_with` works too, but
/// compilers put the new storage on the stack first.)
///
/// | parameter | default | what it sizes |
/// |---|---|---|
/// | `RX` | | receive buffer, bytes: a text message may have `RX` − 16, a packet with its attachments together `RX` − 176. Larger ones are skipped and reported by [`Event::MessageTooLarge`](crate::Event::MessageTooLarge). With polling, up to 2 KiB of it serve other purposes. At least 512, with `LINKS` = 3 at least 1536 |
/// | `TX` | | send buffer, bytes: what is emitted while offline or faster than the network waits here, framing included: see [`packets_of`](Self::packets_of). At least 256; a CONNECT packet with its `auth` payload must fit |
/// | `M` | `NoopRawMutex` | how handles on other executors or cores are kept apart: see [`Socket`](crate::Socket) |
/// | `ACKS` | 4 | acknowledgements waited for at one time |
/// | `ANSWERS` | 256 | bytes of answers that have arrived and whose tasks have not run yet. A larger answer fails with [`AnswerError::NoRoom`](crate::AnswerError::NoRoom), or is read by [`Handler::on_ack`](crate::Handler::on_ack), which has no such limit |
/// | `PACKETS` | 16 | packets waiting in the send buffer; one with attachments counts once |
/// | `NAMESPACES` | 2 | namespaces on the connection |
/// | `HEAD` | 512 | bytes of one HTTP request head: path, query, headers, cookies, session id. At least 256 |
/// | `CHUNK` | 256 | bytes moved by one read or write on a link; there are two such buffers for each link. At least 32 |
/// | `LINKS` | 1 | 1: WebSocket alone. 3: polling as well, with the feature `polling` (one socket each for GET, POST and WebSocket) |
///
/// Sizes that cannot work do not compile:
/// ```compile_fail,E0080
/// # use sockeye_embedded::storage;
/// // The answers to POSTs would not fit.
/// static STORAGE: storage!(rx: 1024, tx: 1024, links: 3) = sockeye_embedded::Storage::new();
/// ```
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
    core: sockeye_core::Storage<RX, TX, ACKS, PACKETS, NAMESPACES, HEAD>,
    waiters: MaybeUninit<[Waiter; ACKS]>,
    auths: [Option<NamespaceId>; NAMESPACES],
    answers: [u8; ANSWERS],
    reads: [[u8; CHUNK]; LINKS],
    writes: [[u8; CHUNK]; LINKS],
    shared: MaybeUninit<Shared<M>>,
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
            assert!(
                LINKS == 1 || RX >= 1536,
                "Storage: RX must be at least 1536 bytes with polling (LINKS = 3)"
            );
            assert!(CHUNK >= 32, "Storage: CHUNK must be at least 32 bytes");
        }
        Self {
            core: sockeye_core::Storage::new(),
            waiters: MaybeUninit::uninit(),
            auths: [const { None }; NAMESPACES],
            answers: [0; ANSWERS],
            reads: [[0; CHUNK]; LINKS],
            writes: [[0; CHUNK]; LINKS],
            shared: MaybeUninit::uninit(),
        }
    }

    /// How many packets can wait in the send buffer, at least: `bytes` is the length of one's JSON, `["name",arguments…]`.
    /// (One with attachments counts once, with the attachments' bytes.)
    ///
    /// Each takes 12 bytes more than its JSON. For CONNECT packets one place and 48 bytes are kept free (when one has had
    /// an `auth` payload: 48 bytes and the payload's), and from `PACKETS` 8 on another place and a sixteenth of `TX` for
    /// answers to events.
    ///
    /// ```
    /// # use sockeye_embedded::storage;
    /// type Memory = storage!(tx: 4096, packets: 64);
    /// // A minute without the server, at one reading a second.
    /// const { assert!(Memory::packets_of(48) >= 60) }
    /// ```
    pub const fn packets_of(bytes: usize) -> usize {
        let answers = if TX / 16 < 1024 { TX / 16 } else { 1024 };
        let (reserve, kept) = if PACKETS < 8 {
            (RESERVE, 1)
        } else {
            (RESERVE + answers, 2)
        };
        let (room, places) = ((TX - reserve) / (bytes + FRAMING), PACKETS - kept);
        if room < places { room } else { places }
    }
}

/// Bytes of the send buffer that are kept free for a CONNECT packet without payload.
const RESERVE: usize = 48;
/// Bytes that a packet takes beside its JSON: its own header, and what WebSocket puts in front.
const FRAMING: usize = 12;

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

/// A [`Storage`] of any sizes, for [`new`](crate::new). `M` and `LINKS` are those of the storage.
pub trait Memory<M: RawMutex + 'static, const LINKS: usize> {
    #[doc(hidden)]
    fn parts(&'static mut self) -> Parts<M, LINKS>;
}

/// A storage taken apart. Only this crate can make one, so [`Memory`] is for [`Storage`] alone.
#[doc(hidden)]
#[allow(missing_debug_implementations, reason = "nobody can get hold of one")]
pub struct Parts<M: RawMutex + 'static, const LINKS: usize> {
    pub(crate) core: CoreMemory<'static>,
    pub(crate) waiters: &'static mut [Waiter],
    pub(crate) auths: &'static mut [Option<NamespaceId>],
    pub(crate) answers: &'static mut [u8],
    pub(crate) reads: [&'static mut [u8]; LINKS],
    pub(crate) writes: [&'static mut [u8]; LINKS],
    pub(crate) shared: &'static mut MaybeUninit<Shared<M>>,
    /// Packets and bytes that the send buffer holds.
    pub(crate) room: (usize, usize),
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
> Memory<M, LINKS> for Storage<RX, TX, M, ACKS, ANSWERS, PACKETS, NAMESPACES, HEAD, CHUNK, LINKS>
{
    fn parts(&'static mut self) -> Parts<M, LINKS> {
        Parts {
            core: self.core.memory(),
            waiters: self.waiters.write([const { Waiter::EMPTY }; ACKS]),
            auths: &mut self.auths,
            answers: &mut self.answers,
            reads: self.reads.each_mut().map(|chunk| &mut chunk[..]),
            writes: self.writes.each_mut().map(|chunk| &mut chunk[..]),
            shared: &mut self.shared,
            room: (PACKETS, TX),
        }
    }
}

/// The sizes of a [`Storage`] by their names, which are those of its parameters: see [`storage!`](crate::storage).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sizes {
    #[doc(hidden)]
    pub rx: usize,
    #[doc(hidden)]
    pub tx: usize,
    #[doc(hidden)]
    pub acks: usize,
    #[doc(hidden)]
    pub answers: usize,
    #[doc(hidden)]
    pub packets: usize,
    #[doc(hidden)]
    pub namespaces: usize,
    #[doc(hidden)]
    pub head: usize,
    #[doc(hidden)]
    pub chunk: usize,
    #[doc(hidden)]
    pub links: usize,
}

macro_rules! sizes {
    ($($name:ident: $what:literal,)*) => {
        impl Sizes {
            $(
                #[doc = $what]
                #[must_use]
                pub const fn $name(mut self, $name: usize) -> Self {
                    self.$name = $name;
                    self
                }
            )*
        }
    };
}

sizes! {
    rx: "Bytes of the receive buffer. Default 2048.",
    tx: "Bytes of the send buffer. Default 1024.",
    acks: "Acknowledgements waited for at one time. Default 4.",
    answers: "Bytes of answers whose tasks have not run yet. Default 256.",
    packets: "Packets in the send buffer. Default 16.",
    namespaces: "Namespaces on the connection. Default 2.",
    head: "Bytes of an HTTP request head. Default 512.",
    chunk: "Bytes moved by one read or write. Default 256.",
    links: "Sockets: 1 (WebSocket alone) or 3 (polling as well). Default 1.",
}

impl Sizes {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            rx: 2048,
            tx: 1024,
            acks: 4,
            answers: 256,
            packets: 16,
            namespaces: 2,
            head: 512,
            chunk: 256,
            links: 1,
        }
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self::new()
    }
}

/// The type of a [`Storage`] whose sizes are given by name. What is left out has its default, as [`Sizes`] lists them.
///
/// ```
/// use sockeye_embedded::{Storage, storage};
/// use static_cell::ConstStaticCell;
///
/// type Memory = storage!(rx: 4096, tx: 2048, namespaces: 1);
/// static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Storage::new());
/// ```
/// Handles that are used in interrupts or on another core need another lock, which is named first:
/// ```
/// # use sockeye_embedded::{Storage, storage};
/// use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
///
/// type Memory = storage!(CriticalSectionRawMutex; rx: 4096, acks: 8);
/// # let _: fn() -> Memory = Storage::new;
/// ```
#[macro_export]
macro_rules! storage {
    ($($name:ident: $value:expr),* $(,)?) => {
        $crate::storage!($crate::DefaultMutex; $($name: $value),*)
    };
    ($mutex:ty; $($name:ident: $value:expr),* $(,)?) => {
        $crate::Storage<
            { $crate::Sizes::new()$(.$name($value))*.rx },
            { $crate::Sizes::new()$(.$name($value))*.tx },
            $mutex,
            { $crate::Sizes::new()$(.$name($value))*.acks },
            { $crate::Sizes::new()$(.$name($value))*.answers },
            { $crate::Sizes::new()$(.$name($value))*.packets },
            { $crate::Sizes::new()$(.$name($value))*.namespaces },
            { $crate::Sizes::new()$(.$name($value))*.head },
            { $crate::Sizes::new()$(.$name($value))*.chunk },
            { $crate::Sizes::new()$(.$name($value))*.links },
        >
    };
}
