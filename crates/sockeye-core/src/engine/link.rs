//! The byte streams of a session, and what each is doing.

use core::ops::{Index, IndexMut};

use crate::config::POLLING;
use crate::time::Instant;
use crate::wire::http1::HttpDecoder;

/// One of the byte streams that a session may use. Drivers connect, read, write and close them; which bytes travel is
/// the core's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Link {
    /// Polling: GET requests.
    Poll,
    /// Polling: POST requests.
    Post,
    /// The WebSocket.
    WebSocket,
}

impl Link {
    /// All links, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Poll, Self::Post, Self::WebSocket];

    /// Those that are ever opened.
    pub(super) const USED: &[Self] = if POLLING {
        &Self::ALL
    } else {
        &[Self::WebSocket]
    };

    /// The same link, known to the compiler where there is but one.
    pub(super) const fn narrow(self) -> Self {
        if POLLING { self } else { Self::WebSocket }
    }

    /// Its place among those that are used.
    const fn slot(self) -> usize {
        if POLLING { self.index() } else { 0 }
    }

    pub(super) const fn is_used(self) -> bool {
        POLLING || matches!(self, Self::WebSocket)
    }

    /// 0, 1 or 2: for drivers that keep an array of sockets.
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Closed,
    /// To be opened: the driver has not been told yet.
    Wanted,
    /// The driver is connecting.
    Opening,
    Open,
    /// To be closed, and then to be opened again if so: the driver has not been told yet.
    Closing {
        reopen: bool,
    },
}

/// What a link is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Idle,
    /// A request is being written.
    Sending,
    /// A response is awaited; on a WebSocket: a close frame has been sent.
    Waiting,
    /// The WebSocket handshake is done: frames travel.
    Frames,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct LinkState {
    pub(super) phase: Phase,
    pub(super) job: Job,
    /// The last write took nothing: wait for the driver's word.
    pub(super) blocked: bool,
    /// A request has been answered on this connection before.
    pub(super) reused: bool,
    /// The server closes the idle connection about then: do not use it any more.
    pub(super) stale_at: Option<Instant>,
    pub(super) deadline: Option<Instant>,
}

impl LinkState {
    pub(super) const fn new(phase: Phase) -> Self {
        Self {
            phase,
            job: Job::Idle,
            blocked: false,
            reused: false,
            stale_at: None,
            deadline: None,
        }
    }
}

/// The responses that are being read, one of each link.
#[cfg(not(feature = "alloc"))]
#[derive(Debug)]
struct Responses([HttpDecoder; Link::USED.len()]);

#[cfg(not(feature = "alloc"))]
impl Responses {
    const NONE: Self = Self([HttpDecoder::new(); Link::USED.len()]);

    const fn get_mut(&mut self, link: Link) -> &mut HttpDecoder {
        &mut self.0[link.slot()]
    }

    const fn get(&self, link: Link) -> &HttpDecoder {
        &self.0[link.slot()]
    }

    const fn forget(&mut self, link: Link) {
        self.0[link.slot()].reset();
    }
}

/// The responses that are being read, one of each link. With a heap there is memory only while there is one: a WebSocket
/// needs none after its handshake.
#[cfg(feature = "alloc")]
#[derive(Debug)]
struct Responses {
    read: [Option<alloc::boxed::Box<HttpDecoder>>; Link::USED.len()],
    /// Those that have switched to WebSocket: one bit each.
    switched: u8,
}

#[cfg(feature = "alloc")]
impl Responses {
    const NONE: Self = Self {
        read: [const { None }; Link::USED.len()],
        switched: 0,
    };

    const fn is_switched(&self, link: Link) -> bool {
        self.switched & 1 << link.slot() != 0
    }

    fn get_mut(&mut self, link: Link) -> &mut HttpDecoder {
        let switched = self.is_switched(link);
        self.read[link.slot()].get_or_insert_with(|| {
            let decoder = if switched {
                HttpDecoder::SWITCHED
            } else {
                HttpDecoder::new()
            };
            decoder.into()
        })
    }

    fn get(&self, link: Link) -> &HttpDecoder {
        static FRESH: HttpDecoder = HttpDecoder::new();
        static SWITCHED: HttpDecoder = HttpDecoder::SWITCHED;
        match &self.read[link.slot()] {
            Some(decoder) => decoder,
            None if self.is_switched(link) => &SWITCHED,
            None => &FRESH,
        }
    }

    fn switch(&mut self, link: Link) {
        self.read[link.slot()] = None;
        self.switched |= 1 << link.slot();
    }

    fn forget(&mut self, link: Link) {
        self.read[link.slot()] = None;
        self.switched &= !(1 << link.slot());
    }
}

/// All links of a session.
#[derive(Debug)]
pub(super) struct Links {
    states: [LinkState; Link::USED.len()],
    http: Responses,
    /// Links on which bytes have arrived that may make a step possible: one bit each.
    inputs: u8,
    /// Some link is to be opened or closed.
    pub(super) changed: bool,
}

impl Links {
    pub(super) const CLOSED: Self = Self {
        states: [LinkState::new(Phase::Closed); Link::USED.len()],
        http: Responses::NONE,
        inputs: 0,
        changed: false,
    };

    #[cfg_attr(not(feature = "alloc"), inline(always))]
    pub(super) fn http(&mut self, link: Link) -> &mut HttpDecoder {
        self.http.get_mut(link)
    }

    #[cfg_attr(not(feature = "alloc"), inline(always))]
    pub(super) fn response(&self, link: Link) -> &HttpDecoder {
        self.http.get(link)
    }

    /// Nothing of a response on the link is left.
    #[cfg_attr(not(feature = "alloc"), inline(always))]
    pub(super) fn forget_response(&mut self, link: Link) {
        self.http.forget(link);
    }

    /// The response on the link has switched to WebSocket.
    #[cfg(feature = "alloc")]
    pub(super) fn switched(&mut self, link: Link) {
        self.http.switch(link);
    }

    pub(super) const fn set_input(&mut self, link: Link, there: bool) {
        if there {
            self.inputs |= 1 << link.index();
        } else {
            self.inputs &= !(1 << link.index());
        }
    }

    pub(super) const fn has_input(&self, link: Link) -> bool {
        self.inputs & 1 << link.index() != 0
    }

    pub(super) const fn has_inputs(&self) -> bool {
        self.inputs != 0
    }

    pub(super) fn is_open(&self, link: Link) -> bool {
        self[link].phase == Phase::Open
    }

    /// The earliest deadline of a request.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.states.iter().filter_map(|state| state.deadline).min()
    }

    /// Asks for a link to be opened; one that is still to be closed is closed first.
    pub(super) fn want(&mut self, link: Link) {
        let phase = match self[link].phase {
            Phase::Closing { .. } => Phase::Closing { reopen: true },
            _ => Phase::Wanted,
        };
        self[link] = LinkState::new(phase);
        self.set_input(link, false);
        self.forget_response(link);
        self.changed = true;
    }

    /// Has a link closed, if it is open or about to be.
    pub(super) fn close(&mut self, link: Link) {
        let phase = match self[link].phase {
            Phase::Closed | Phase::Wanted => Phase::Closed,
            Phase::Opening | Phase::Open | Phase::Closing { .. } => {
                Phase::Closing { reopen: false }
            }
        };
        self[link] = LinkState::new(phase);
        self.set_input(link, false);
        self.changed = true;
    }

    /// The next link that the driver is to close.
    pub(super) fn next_close(&mut self) -> Option<Link> {
        if !self.changed {
            return None;
        }
        for &link in Link::USED {
            let state = &mut self[link];
            if let Phase::Closing { reopen } = state.phase {
                state.phase = if reopen { Phase::Wanted } else { Phase::Closed };
                return Some(link);
            }
        }
        None
    }

    /// The next link that the driver is to open.
    pub(super) fn next_open(&mut self) -> Option<Link> {
        if !self.changed {
            return None;
        }
        for &link in Link::USED {
            let state = &mut self[link];
            if state.phase == Phase::Wanted {
                state.phase = Phase::Opening;
                return Some(link);
            }
        }
        self.changed = false;
        None
    }
}

impl Index<Link> for Links {
    type Output = LinkState;

    fn index(&self, link: Link) -> &LinkState {
        &self.states[link.slot()]
    }
}

impl IndexMut<Link> for Links {
    fn index_mut(&mut self, link: Link) -> &mut LinkState {
        &mut self.states[link.slot()]
    }
}
