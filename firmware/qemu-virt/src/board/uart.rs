//! The 16550 UART as standard output and as the `log` backend.
#![allow(
    unsafe_code,
    reason = "device registers, and a logger set before interrupts run"
)]

use core::fmt::{self, Write};
use embassy_time::Instant;
use log::{Level, LevelFilter, Log, Metadata, Record};

const UART: usize = 0x1000_0000;
const LINE_STATUS: usize = UART + 5;
const TRANSMIT_EMPTY: u8 = 1 << 5;

struct Uart;

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: byte-wide 16550 registers of `virt`; polling the status and writing the
            // holding register touch no memory.
            unsafe {
                while (LINE_STATUS as *const u8).read_volatile() & TRANSMIT_EMPTY == 0 {}
                (UART as *mut u8).write_volatile(byte);
            }
        }
        Ok(())
    }
}

/// Writes one line. Lines of the main loop and of interrupt handlers do not mix.
pub fn print(line: fmt::Arguments<'_>) {
    critical_section::with(|_| {
        // Writing to the UART cannot fail; a failing `Display` of the caller loses the rest of its line.
        let _ = Uart.write_fmt(line);
        let _ = Uart.write_str("\n");
    });
}

/// Prints one line on the UART.
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => { $crate::board::uart::print(format_args!($($arg)*)) };
}

/// Prints `metric <name> <value>`, the form the host reads figures in.
#[macro_export]
macro_rules! metric {
    ($name:literal, $value:expr) => {
        $crate::println!(concat!("metric ", $name, " {}"), $value)
    };
}

struct Logger;

impl Log for Logger {
    /// Drivers of the emulated hardware tell each negotiated feature; only their warnings matter.
    fn enabled(&self, what: &Metadata<'_>) -> bool {
        what.level() <= Level::Warn || !what.target().starts_with("virtio_drivers")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let us = Instant::now().as_micros();
        let (ms, us) = (us / 1000, us % 1000);
        print(format_args!(
            "[{ms:6}.{us:03}] {:5} {}: {}",
            record.level(),
            record.target(),
            record.args()
        ));
    }

    fn flush(&self) {}
}

pub(super) fn init_log(level: Option<LevelFilter>) {
    // SAFETY: called once from `init`, before interrupts are on, so nothing races.
    unsafe {
        // An error would mean that a logger is set already, which nothing else here does.
        let _ = log::set_logger_racy(&Logger);
        log::set_max_level_racy(level.unwrap_or(LevelFilter::Info));
    }
}
