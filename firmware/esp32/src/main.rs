//! An ESP32 board as a Socket.IO client: it joins Wi-Fi, connects, sends telemetry every second with an
//! acknowledgement, and obeys `led`. It talks to the demo server (`sockeye demo`) as to any other.
#![no_std]
#![no_main]

mod client;
mod config;
mod console;
mod led;
#[cfg(feature = "tls")]
mod sntp;
#[cfg(feature = "tls")]
mod tls;
mod wifi;

use console::say;
use embassy_executor::Spawner;
use esp_backtrace as _;
use esp_hal::clock::CpuClock;
use esp_hal::delay::Delay;
use esp_hal::ram;
use esp_hal::timer::timg::TimerGroup;
use led::Led;

// Espressif's bootloader looks for this.
esp_bootloader_esp_idf::esp_app_desc!();

/// The heap is the radio's, and that of Mbed TLS; the client itself has none.
const HEAP_SIZE: usize = if config::TLS { 72 } else { 36 } * 1024;

#[esp_rtos::main]
async fn main(spawner: Spawner) {
    let peripherals = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    // RAM that only the bootloader used, and some more.
    esp_alloc::heap_allocator!(#[ram(reclaimed)] size: 64 * 1024);
    esp_alloc::heap_allocator!(size: HEAP_SIZE);
    esp_rtos::start(
        TimerGroup::new(peripherals.TIMG0).timer0,
        peripherals.FROM_CPU_INTR0,
    );

    let version = env!("CARGO_PKG_VERSION");
    say!(
        "boot",
        "sockeye-esp32 {version} on {}, LED at GPIO{}",
        config::CHIP,
        config::LED_GPIO
    );
    let led = Led::new(
        config::LED,
        config::led_pin!(peripherals).into(),
        peripherals.RMT,
    );
    let stack = match wifi::start(spawner, peripherals.WIFI) {
        Ok(stack) => stack,
        Err(error) => panic!("cannot start the radio: {error:?}"),
    };
    wifi::UP.wait().await;
    #[cfg(feature = "tls")]
    sntp::start(spawner, stack).await;
    client::run(spawner, stack, led).await;
}

/// After a panic has been printed: starts again, late enough to be read.
#[unsafe(no_mangle)]
#[allow(unsafe_code, reason = "esp-backtrace calls it by this name")]
extern "Rust" fn custom_halt() -> ! {
    Delay::new().delay_millis(5_000);
    esp_hal::system::software_reset()
}
