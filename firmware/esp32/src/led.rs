//! The LED of the board: a plain one on a GPIO, or an addressable one (WS2812) as Espressif's own boards have.

use esp_hal::Blocking;
use esp_hal::gpio::{AnyPin, Level, Output, OutputConfig};
use esp_hal::peripherals::RMT;
use esp_hal::rmt::{Channel, PulseCode, Rmt, Tx, TxChannelConfig, TxChannelCreator};
use esp_hal::time::Rate;

/// How the LED is lit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "one image has one kind of LED")]
pub(crate) enum Kind {
    /// By a high level.
    ActiveHigh,
    /// By a low level.
    ActiveLow,
    /// By a message of three bytes.
    Rgb,
}

/// The LED, and what it shows.
pub(crate) struct Led {
    driver: Driver,
    on: bool,
}

enum Driver {
    Plain {
        pin: Output<'static>,
        lit: Level,
    },
    /// The channel is away only while a message is being sent.
    Rgb(Option<Channel<'static, Blocking, Tx>>),
}

impl Led {
    /// The LED at `pin`, dark.
    pub(crate) fn new(kind: Kind, pin: AnyPin<'static>, rmt: RMT<'static>) -> Self {
        let plain = |pin, lit: Level| Driver::Plain {
            pin: Output::new(pin, !lit, OutputConfig::default()),
            lit,
        };
        let driver = match kind {
            Kind::ActiveHigh => plain(pin, Level::High),
            Kind::ActiveLow => plain(pin, Level::Low),
            Kind::Rgb => {
                let config = TxChannelConfig::default().with_clk_divider(1);
                let rmt = Rmt::new(rmt, Rate::from_mhz(80)).expect("every chip's RMT takes 80 MHz");
                let channel = rmt
                    .channel0
                    .configure_tx(&config)
                    .expect("a divider of 1 is valid");
                Driver::Rgb(Some(channel.with_pin(pin)))
            }
        };
        let mut led = Self { driver, on: false };
        led.set(false);
        led
    }

    /// Lights or darkens it.
    pub(crate) fn set(&mut self, on: bool) {
        self.on = on;
        match &mut self.driver {
            Driver::Plain { pin, lit } => pin.set_level(if on { *lit } else { !*lit }),
            Driver::Rgb(channel) => {
                // A quarter of an eighth of full power: these LEDs dazzle.
                let message = rgb(if on { [0, 8, 8] } else { [0; 3] });
                if let Some(idle) = channel.take() {
                    *channel = Some(match idle.transmit(&message) {
                        Ok(sending) => sending.wait().unwrap_or_else(|(_, idle)| idle),
                        Err((_, idle)) => idle,
                    });
                }
            }
        }
    }

    /// Whether it is lit.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }
}

/// A colour as WS2812 LEDs take it: green, red, blue, the highest bit first; lengths in 1/80 µs.
fn rgb([red, green, blue]: [u8; 3]) -> [PulseCode; 25] {
    let zero = PulseCode::new(Level::High, 32, Level::Low, 68);
    let one = PulseCode::new(Level::High, 64, Level::Low, 36);
    let mut message = [PulseCode::end_marker(); 25];
    let colour = u32::from_be_bytes([0, green, red, blue]);
    for (bit, pulse) in (0..24).rev().zip(&mut message) {
        *pulse = if colour >> bit & 1 == 1 { one } else { zero };
    }
    message
}
