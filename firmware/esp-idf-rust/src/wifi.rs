//! Wi-Fi: joins the network, and joins again when it was lost.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use esp_idf_svc::eventloop::EspSystemEventLoop;
use esp_idf_svc::hal::modem::Modem;
use esp_idf_svc::nvs::EspDefaultNvsPartition;
use esp_idf_svc::sys::EspError;
use esp_idf_svc::wifi::{AuthMethod, BlockingWifi, ClientConfiguration, Configuration, EspWifi};

const SSID: &str = env!("SOCKEYE_WIFI_SSID");
const PASSWORD: &str = env!("SOCKEYE_WIFI_PASSWORD");
/// How often Wi-Fi is looked after.
const LOOK: Duration = Duration::from_secs(2);

/// Joins, and leaves a thread behind that keeps it so and writes the strength of the signal. Gives the board's name.
pub(crate) fn start(
    modem: Modem<'static>,
    events: EspSystemEventLoop,
    signal: &Arc<AtomicI32>,
) -> Result<String, Box<dyn Error>> {
    let nvs = EspDefaultNvsPartition::take()?;
    let wifi = EspWifi::new(modem, events.clone(), Some(nvs))?;
    let mut wifi = BlockingWifi::wrap(wifi, events)?;
    configure(&mut wifi)?;
    join(&mut wifi);
    let name = name(&wifi)?;
    let seen = Arc::clone(signal);
    // It waits for events, and says a few words: 4 KB do.
    thread::Builder::new()
        .name("wifi".into())
        .stack_size(4096)
        .spawn(move || stay_joined(&mut wifi, &seen))?;
    Ok(name)
}

fn configure(wifi: &mut BlockingWifi<EspWifi<'static>>) -> Result<(), Box<dyn Error>> {
    let auth_method = if PASSWORD.is_empty() {
        AuthMethod::None
    } else {
        AuthMethod::WPA2Personal
    };
    wifi.set_configuration(&Configuration::Client(ClientConfiguration {
        ssid: SSID
            .try_into()
            .map_err(|_| "SOCKEYE_WIFI_SSID has more than 32 bytes")?,
        password: PASSWORD
            .try_into()
            .map_err(|_| "SOCKEYE_WIFI_PASSWORD has more than 64 bytes")?,
        auth_method,
        ..Default::default()
    }))?;
    wifi.start()?;
    Ok(())
}

/// Joins the network, however long it takes.
fn join(wifi: &mut BlockingWifi<EspWifi<'static>>) {
    loop {
        log::info!("joining {SSID:?}");
        match wifi.connect().and_then(|()| wifi.wait_netif_up()) {
            Ok(()) => break,
            Err(error) => log::warn!("cannot join {SSID:?}: {error}"),
        }
        thread::sleep(LOOK);
    }
    match wifi.wifi().sta_netif().get_ip_info() {
        Ok(info) => log::info!("address {}", info.ip),
        Err(error) => log::warn!("no address: {error}"),
    }
}

/// The client reconnects by itself; that there is a network again is seen to here.
fn stay_joined(wifi: &mut BlockingWifi<EspWifi<'static>>, signal: &AtomicI32) -> ! {
    loop {
        thread::sleep(LOOK);
        if wifi.is_up().unwrap_or(false) {
            signal.store(wifi.wifi().get_rssi().unwrap_or(0), Ordering::Relaxed);
        } else {
            signal.store(0, Ordering::Relaxed);
            join(wifi);
        }
    }
}

/// The chip and the last three bytes of its MAC address.
fn name(wifi: &BlockingWifi<EspWifi<'static>>) -> Result<String, EspError> {
    let [.., x, y, z] = wifi.wifi().sta_netif().get_mac()?;
    Ok(format!("esp32c3-{x:02x}{y:02x}{z:02x}"))
}
