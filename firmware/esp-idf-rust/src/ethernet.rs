//! The Ethernet of QEMU's ESP32-C3, which has no Wi-Fi. No chip has it.

use std::error::Error;

use esp_idf_svc::eth::{BlockingEth, EspEth, EthDriver};
use esp_idf_svc::eventloop::EspSystemEventLoop;
use esp_idf_svc::hal::mac::MAC;

/// Waits for an address, for ever: the emulator gives one at once. Gives the board's name.
pub(crate) fn start(
    mac: MAC<'static>,
    events: EspSystemEventLoop,
) -> Result<String, Box<dyn Error>> {
    let driver = EthDriver::new_openeth(mac, events.clone())?;
    let mut ethernet = BlockingEth::wrap(EspEth::wrap(driver)?, events)?;
    ethernet.start()?;
    while let Err(error) = ethernet.wait_netif_up() {
        log::warn!("no address yet: {error}");
    }
    let netif = ethernet.eth().netif();
    log::info!("address {}", netif.get_ip_info()?.ip);
    let [.., x, y, z] = netif.get_mac()?;
    // It runs as long as the program does.
    Box::leak(Box::new(ethernet));
    Ok(format!("esp32c3-{x:02x}{y:02x}{z:02x}"))
}
