//! Lines on the serial console, each with the time since boot.

use core::fmt::{self, Write};

use esp_println::Printer;

/// Prints one line: `say!("Wi-Fi", "joined {}", ssid)`.
macro_rules! say {
    ($topic:literal, $($arg:tt)*) => {
        $crate::console::line($topic, format_args!($($arg)*))
    };
}
pub(crate) use say;

/// Bytes that are printed at once. Interrupts are off meanwhile: at 115200 baud for less than 1.5 ms, which the radio does
/// not notice.
const PIECE: usize = 16;

pub(crate) fn line(topic: &str, text: fmt::Arguments<'_>) {
    let now = embassy_time::Instant::now().as_millis();
    let (seconds, ms) = (now / 1000, now % 1000);
    // The console takes everything.
    let _ = writeln!(Pieces, "[{seconds:>6}.{ms:03}] {topic:<9} {text}");
}

struct Pieces;

impl Write for Pieces {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().chunks(PIECE) {
            Printer::write_bytes(piece);
        }
        Ok(())
    }
}
