//! The image: network, pins and TLS of an ESP32 board for the application of [`sockeye_board`].

#[cfg(feature = "openeth")]
mod ethernet;
#[cfg(not(feature = "openeth"))]
mod wifi;

use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use esp_idf_svc::eventloop::EspSystemEventLoop;
use esp_idf_svc::hal::gpio::{Input, Output, PinDriver, Pull};
use esp_idf_svc::hal::peripherals::Peripherals;
use esp_idf_svc::log::EspLogger;
use esp_idf_svc::sntp::{EspSntp, SntpConf, SyncStatus};
use esp_idf_svc::sys::{
    ESP_TLS_ERR_SSL_WANT_READ, ESP_TLS_ERR_SSL_WANT_WRITE, EspError, esp_get_free_heap_size,
};
use esp_idf_svc::tls::{self, EspTls, X509};
use sockeye::net::{DialError, DialErrorKind};
use sockeye_board::app::{self, Board, Options};
use sockeye_board::connect::{Handshake, Net, Session};

const URL: &str = env!("SOCKEYE_URL");
/// Whom `https` trusts in place of ESP-IDF's bundle, PEM and a zero; empty for the bundle. See `build.rs`.
const AUTHORITY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ca.pem"));
/// Who tells the time; without it, those of ESP-IDF's configuration do.
const NTP: Option<&str> = option_env!("SOCKEYE_NTP");
/// How long the first connection waits for SNTP.
const SYNC: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Without this call some patches of ESP-IDF's runtime would not be linked.
    esp_idf_svc::sys::link_patches();
    EspLogger::initialize_default();

    let peripherals = Peripherals::take()?;
    let events = EspSystemEventLoop::take()?;
    let signal = Arc::new(AtomicI32::new(0));
    #[cfg(not(feature = "openeth"))]
    let name = wifi::start(peripherals.modem, events, &signal)?;
    #[cfg(feature = "openeth")]
    let name = ethernet::start(peripherals.mac, events)?;

    // Certificates have dates, so that the clock comes first.
    let clock = URL.starts_with("https").then(start_clock).transpose()?;
    if let Some(clock) = &clock {
        wait_for_time(clock);
    }

    let board = Arc::new(Esp {
        led: Mutex::new(PinDriver::output(peripherals.pins.gpio8)?),
        lit: AtomicBool::new(false),
        button: PinDriver::input(peripherals.pins.gpio9, Pull::Up)?,
        signal,
    });
    board.set_led(false);
    let options = Options {
        url: URL.into(),
        name,
        chip: "ESP32-C3".into(),
    };
    let socket = app::start(&board, Net(EspHandshake), options)?;
    app::run(&*board, &socket);
    Ok(())
}

fn start_clock() -> Result<EspSntp<'static>, EspError> {
    let mut config = SntpConf::default();
    if let (Some(server), Some(first)) = (NTP, config.servers.first_mut()) {
        *first = server;
    }
    EspSntp::new(&config)
}

/// Waits for the time, but not for ever: without it the server's certificate is refused, which is told, and the client tries
/// again until the time has come.
fn wait_for_time(clock: &EspSntp) {
    log::info!("waiting for the time");
    let begun = Instant::now();
    while clock.get_sync_status() != SyncStatus::Completed {
        if begun.elapsed() >= SYNC {
            log::error!(
                "no time after {} s: does the network let NTP (UDP, port 123) out, and does DNS work? \
                 Certificates are refused until the clock is set; SNTP goes on trying",
                SYNC.as_secs()
            );
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The pins of an ESP32-C3 board: other boards have others.
struct Esp {
    led: Mutex<PinDriver<'static, Output>>,
    lit: AtomicBool,
    button: PinDriver<'static, Input>,
    signal: Arc<AtomicI32>,
}

impl Board for Esp {
    fn set_led(&self, on: bool) {
        // The LED of the SuperMini is lit by a low level.
        let mut led = self
            .led
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        match led.set_level((!on).into()) {
            Ok(()) => self.lit.store(on, Ordering::Relaxed),
            Err(error) => log::error!("LED: {error}"),
        }
    }

    fn led(&self) -> bool {
        self.lit.load(Ordering::Relaxed)
    }

    fn pressed(&self) -> bool {
        self.button.is_low()
    }

    #[allow(
        unsafe_code,
        reason = "a function of ESP-IDF's that only reads a counter"
    )]
    fn free_heap(&self) -> u32 {
        // SAFETY: it takes nothing, and may be called from any task.
        unsafe { esp_get_free_heap_size() }
    }

    fn rssi(&self) -> i32 {
        self.signal.load(Ordering::Relaxed)
    }

    fn say(&self, topic: &str, line: &str) {
        log::info!("{topic}: {line}");
    }
}

/// esp-tls, with ESP-IDF's bundle of certificates.
struct EspHandshake;

/// A socket that esp-tls closes. (It is given its number only, and so must not be closed here as well.)
struct Lent(Arc<ManuallyDrop<TcpStream>>);

impl tls::Socket for Lent {
    fn handle(&self) -> i32 {
        self.0.as_raw_fd()
    }

    fn release(&mut self) -> Result<(), EspError> {
        Ok(())
    }
}

struct EspSession {
    tls: EspTls<Lent>,
    socket: Arc<ManuallyDrop<TcpStream>>,
}

impl Handshake for EspHandshake {
    type Session = EspSession;

    fn shake(
        &self,
        socket: TcpStream,
        host: &str,
        limit: Duration,
    ) -> Result<EspSession, DialError> {
        let socket = Arc::new(ManuallyDrop::new(socket));
        let mut tls = match EspTls::adopt(Lent(Arc::clone(&socket))) {
            Ok(tls) => tls,
            Err(error) => {
                // Nobody else closes it then.
                drop(Arc::into_inner(socket).map(ManuallyDrop::into_inner));
                let why = format!("no memory for TLS: {error}");
                return Err(DialError::new(DialErrorKind::Other, why));
            }
        };
        let config = tls::Config {
            common_name: Some(host),
            timeout_ms: u32::try_from(limit.as_millis()).unwrap_or(u32::MAX),
            ca_cert: (!AUTHORITY.is_empty()).then(|| X509::pem_until_nul(AUTHORITY)),
            // esp-tls looks at the bundle alone where both are given.
            use_crt_bundle_attach: AUTHORITY.is_empty(),
            ..tls::Config::new()
        };
        tls.negotiate(host, &config).map_err(|error| {
            let why = format!(
                "TLS with {host} failed ({error}): is its authority trusted, the name its own, and the clock set?"
            );
            // Not told apart from a connection that is cut, so that it is tried again.
            DialError::new(DialErrorKind::Other, why)
        })?;
        Ok(EspSession { tls, socket })
    }
}

impl Session for EspSession {
    fn socket(&self) -> &TcpStream {
        &self.socket
    }
}

fn told(error: EspError) -> io::Error {
    match error.code() {
        ESP_TLS_ERR_SSL_WANT_READ | ESP_TLS_ERR_SSL_WANT_WRITE => io::ErrorKind::WouldBlock.into(),
        _ => io::Error::other(error.to_string()),
    }
}

impl Read for EspSession {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.tls.read(bytes).map_err(told)
    }
}

impl Write for EspSession {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tls.write(bytes).map_err(told)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
