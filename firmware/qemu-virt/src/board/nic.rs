//! The virtio network card as an `embassy-net` driver, woken by interrupts.
#![allow(
    unsafe_code,
    reason = "buffers that the device reads and writes while it owns them"
)]

use super::virtio::{Dma, Transport};
use core::cell::RefCell;
use core::task::Context;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;
use portable_atomic::{AtomicBool, Ordering};
use static_cell::StaticCell;
use virtio_drivers::device::net::VirtIONetRaw;

/// Frames that may wait in each direction.
const QUEUE: usize = 8;
/// The device refuses less than 1526 bytes for a received frame with its header.
const FRAME: usize = 1536;
/// An Ethernet frame without its checksum.
const MTU: usize = 1514;

type Frame = [u8; FRAME];

static BUFFERS: StaticCell<[Frame; 2 * QUEUE]> = StaticCell::new();
static WAKER: AtomicWaker = AtomicWaker::new();
static CABLE: AtomicBool = AtomicBool::new(true);

pub(super) fn wake() {
    WAKER.wake();
}

/// Pulls or plugs the cable: while out, the link is down and frames are lost both ways.
pub fn set_cable(plugged: bool) {
    CABLE.store(plugged, Ordering::Relaxed);
    WAKER.wake();
}

fn plugged() -> bool {
    CABLE.load(Ordering::Relaxed)
}

/// The network card.
pub struct Nic {
    // Both tokens of one `receive` need it; neither borrows it while the stack's closure runs.
    rings: RefCell<Rings>,
    mac: [u8; 6],
}

struct Rings {
    device: VirtIONetRaw<Dma, Transport, QUEUE>,
    /// Buffers that the device is filling, by descriptor.
    receiving: [Option<&'static mut Frame>; QUEUE],
    /// Buffers that the device is sending and their lengths, by descriptor.
    sending: [Option<(&'static mut Frame, usize)>; QUEUE],
    /// Buffers to send with.
    free: [Option<&'static mut Frame>; QUEUE],
}

impl Nic {
    pub(super) fn new(transport: Transport) -> Self {
        let device =
            VirtIONetRaw::new(transport).expect("QEMU's network device follows its specification");
        let mac = device.mac_address();
        let (receive, send) = BUFFERS
            .init_with(|| [[0; FRAME]; 2 * QUEUE])
            .split_at_mut(QUEUE);
        let mut send = send.iter_mut();
        let mut rings = Rings {
            device,
            receiving: [const { None }; QUEUE],
            sending: [const { None }; QUEUE],
            free: core::array::from_fn(|_| send.next()),
        };
        for frame in receive {
            rings.refill(frame);
        }
        Self {
            rings: RefCell::new(rings),
            mac,
        }
    }
}

impl Rings {
    fn refill(&mut self, frame: &'static mut Frame) {
        // SAFETY: the frame moves to `receiving`, from where only `received` takes it, after completion.
        let token =
            unsafe { self.device.receive_begin(frame) }.expect("as many frames as descriptors");
        self.receiving[usize::from(token)] = Some(frame);
    }

    /// The next received frame, with the place of its contents.
    fn received(&mut self) -> Option<(&'static mut Frame, usize, usize)> {
        let token = self.device.poll_receive()?;
        let frame = self.receiving[usize::from(token)].take()?;
        // SAFETY: the very buffer that `refill` gave for this token.
        let (header, len) = unsafe { self.device.receive_complete(token, frame) }.ok()?;
        Some((frame, header, len))
    }

    /// Takes sent frames back.
    fn reclaim(&mut self) {
        while let Some(token) = self.device.poll_transmit() {
            let Some((frame, len)) = self.sending[usize::from(token)].take() else {
                return;
            };
            // SAFETY: the very buffer that `send` gave for this token. The only error is a wrong token.
            let _ = unsafe { self.device.transmit_complete(token, &frame[..len]) };
            self.give_back(frame);
        }
    }

    fn give_back(&mut self, frame: &'static mut Frame) {
        if let Some(slot) = self.free.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(frame);
        }
    }

    fn can_send(&self) -> bool {
        self.device.can_send() && self.free.iter().any(Option::is_some)
    }

    fn send(&mut self, frame: &'static mut Frame, len: usize) {
        // SAFETY: the frame moves to `sending`, from where only `reclaim` takes it, after completion.
        match unsafe { self.device.transmit_begin(&frame[..len]) } {
            Ok(token) => self.sending[usize::from(token)] = Some((frame, len)),
            Err(_) => self.give_back(frame),
        }
    }
}

/// A received frame, not yet taken from the device.
pub struct Rx<'a>(&'a RefCell<Rings>);

/// Room to send one frame.
pub struct Tx<'a>(&'a RefCell<Rings>);

impl RxToken for Rx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, handle: F) -> R {
        let Some((frame, header, len)) = self.0.borrow_mut().received() else {
            // `receive` saw a frame, so only a device that breaks the protocol ends here.
            return handle(&mut []);
        };
        let contents = &mut frame[header..header + len.min(FRAME - header)];
        let result = if plugged() {
            handle(contents)
        } else {
            handle(&mut [])
        };
        self.0.borrow_mut().refill(frame);
        result
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut rings = self.0.borrow_mut();
        let frame = rings
            .free
            .iter_mut()
            .find_map(Option::take)
            .expect("a token stands for a free frame");
        let header = rings
            .device
            .fill_buffer_header(frame)
            .expect("a frame has room for the header");
        drop(rings);
        let end = header + len.min(FRAME - header);
        let result = fill(&mut frame[header..end]);
        let mut rings = self.0.borrow_mut();
        if plugged() {
            rings.send(frame, end);
        } else {
            rings.give_back(frame);
        }
        result
    }
}

impl Driver for Nic {
    type RxToken<'a> = Rx<'a>;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Rx<'_>, Tx<'_>)> {
        WAKER.register(cx.waker());
        let rings = self.rings.get_mut();
        rings.reclaim();
        (rings.device.poll_receive().is_some() && rings.can_send())
            .then_some((Rx(&self.rings), Tx(&self.rings)))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Tx<'_>> {
        WAKER.register(cx.waker());
        let rings = self.rings.get_mut();
        rings.reclaim();
        rings.can_send().then_some(Tx(&self.rings))
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        WAKER.register(cx.waker());
        if plugged() {
            LinkState::Up
        } else {
            LinkState::Down
        }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MTU;
        capabilities.max_burst_size = Some(QUEUE);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
    }
}
