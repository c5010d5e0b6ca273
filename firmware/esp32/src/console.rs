//! Lines on the serial console, each with the time since boot.

/// Prints one line: `say!("Wi-Fi", "joined {}", ssid)`.
macro_rules! say {
    ($topic:literal, $($arg:tt)*) => {
        $crate::console::line($topic, format_args!($($arg)*))
    };
}
pub(crate) use say;

pub(crate) fn line(topic: &str, text: core::fmt::Arguments<'_>) {
    let now = embassy_time::Instant::now().as_millis();
    esp_println::println!(
        "[{:>6}.{:03}] {:<9} {}",
        now / 1000,
        now % 1000,
        topic,
        text
    );
}
