//! Wi-Fi and the network over it: joins, joins again after a loss, and tells what happens.

use core::fmt;

use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_net::{Runner, Stack, StackResources, StaticConfigV4};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Instant, Timer};
use esp_hal::peripherals::WIFI;
use esp_hal::rng::Rng;
use esp_radio::wifi::sta::StationConfig;
use esp_radio::wifi::{
    AuthenticationMethodConfig, Config, ConnectionError, ControllerConfig, DisconnectReason,
    Interface, WifiController, WifiError,
};
use portable_atomic::{AtomicI32, Ordering};
use static_cell::StaticCell;

use crate::config;
use crate::console::say;

/// DHCP, DNS, SNTP, and three TCP sockets: polling with an upgrade needs as many.
const SOCKETS: usize = 6;
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// An access point that has been away is noticed within this time.
const LAST_RETRY: Duration = Duration::from_secs(8);
/// How often signal strength and address are looked at.
const LOOK: Duration = Duration::from_secs(1);

static RSSI: AtomicI32 = AtomicI32::new(0);
/// The board has got its first address.
pub(crate) static UP: Signal<CriticalSectionRawMutex, ()> = Signal::new();
/// What has happened to the network last.
pub(crate) static CHANGED: Signal<CriticalSectionRawMutex, Network> = Signal::new();

/// What has happened to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// The board has no address any more: nothing can be sent.
    Lost,
    /// It is back as it was: connections may have survived.
    SameAddress,
    /// The board has another address, so connections made with the old one are dead.
    OtherAddress,
}

/// The signal strength of the access point in dBm, as of a second ago.
pub(crate) fn rssi() -> i32 {
    RSSI.load(Ordering::Relaxed)
}

/// Starts the radio and the network stack over it. They go on for ever.
pub(crate) fn start(spawner: Spawner, wifi: WIFI<'static>) -> Result<Stack<'static>, WifiError> {
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    let authentication = if config::PASSWORD.is_empty() {
        AuthenticationMethodConfig::Open
    } else {
        // The least that is accepted: WPA3 is used where the access point has it.
        AuthenticationMethodConfig::Wpa2Personal(config::PASSWORD.try_into()?)
    };
    let station = StationConfig::default()
        .with_ssid(config::SSID.try_into()?)
        .with_authentication(authentication);
    let station = Config::Station(station);
    let controller = WifiController::new(
        wifi,
        ControllerConfig::default().with_initial_config(station),
    )?;

    let rng = Rng::new();
    let seed = u64::from(rng.random()) << 32 | u64::from(rng.random());
    let network = embassy_net::Config::dhcpv4(Default::default());
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) = embassy_net::new(Interface::station(), network, resources, seed);
    spawner.spawn(run(runner).expect("started once"));
    spawner.spawn(stay_joined(controller).expect("started once"));
    spawner.spawn(watch_address(stack).expect("started once"));
    Ok(stack)
}

#[embassy_executor::task]
async fn run(mut runner: Runner<'static, Interface>) -> ! {
    runner.run().await
}

/// Joins the network, again and again.
#[embassy_executor::task]
async fn stay_joined(mut controller: WifiController<'static>) -> ! {
    let mut delay = FIRST_RETRY;
    loop {
        let begun = Instant::now();
        say!("Wi-Fi", "joining \"{}\"", config::SSID);
        let trouble = match controller.connect_async().await {
            Ok(joined) => {
                say!(
                    "Wi-Fi",
                    "joined \"{}\", channel {}, {} dBm, after {} ms",
                    config::SSID,
                    joined.channel,
                    look_at_signal(&controller),
                    begun.elapsed().as_millis()
                );
                delay = FIRST_RETRY;
                let reason = until_lost(&controller).await;
                RSSI.store(0, Ordering::Relaxed);
                say!("Wi-Fi", "lost \"{}\": {}", config::SSID, Reason(reason));
                continue;
            }
            Err(ConnectionError::Failed(info)) => Trouble::Refused(info.reason),
            Err(ConnectionError::WifiError(error)) => Trouble::Driver(error),
            Err(_) => Trouble::Driver(WifiError::Other),
        };
        if trouble.was_heard() {
            // It is there, but not ready: starting up, perhaps.
            delay = FIRST_RETRY;
        }
        say!(
            "Wi-Fi",
            "cannot join \"{}\": {trouble}; again in {} s",
            config::SSID,
            delay.as_secs()
        );
        Timer::after(delay).await;
        delay = (delay * 2).min(LAST_RETRY);
    }
}

/// Waits for the end of the association; meanwhile it keeps the signal strength up to date.
async fn until_lost(controller: &WifiController<'static>) -> Option<DisconnectReason> {
    loop {
        match select(controller.wait_for_disconnect_async(), Timer::after(LOOK)).await {
            Either::First(Ok(info)) => return Some(info.reason),
            Either::First(Err(_)) => return None,
            Either::Second(()) => look_at_signal(controller),
        };
    }
}

fn look_at_signal(controller: &WifiController<'static>) -> i32 {
    if let Ok(rssi) = controller.rssi() {
        RSSI.store(rssi, Ordering::Relaxed);
    }
    rssi()
}

/// Tells the address, whenever there is one again or another.
#[embassy_executor::task]
async fn watch_address(stack: Stack<'static>) -> ! {
    let mut last = None;
    loop {
        stack.wait_link_up().await;
        if !stack.is_config_up() {
            say!("network", "waiting for an address");
        }
        stack.wait_config_up().await;
        let mut shown = None;
        while let Some(now) = stack.config_v4() {
            if shown != Some(now.address) {
                say!(
                    "network",
                    "address {}, gateway {}",
                    now.address,
                    Gateway(&now)
                );
                shown = Some(now.address);
                match last.replace(now.address) {
                    None => UP.signal(()),
                    Some(before) if before == now.address => CHANGED.signal(Network::SameAddress),
                    Some(_) => CHANGED.signal(Network::OtherAddress),
                }
            }
            select(stack.wait_config_down(), Timer::after(LOOK)).await;
        }
        say!("network", "no address");
        CHANGED.signal(Network::Lost);
    }
}

struct Gateway<'a>(&'a StaticConfigV4);

impl fmt::Display for Gateway<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.gateway {
            Some(gateway) => gateway.fmt(f),
            None => f.write_str("none"),
        }
    }
}

enum Trouble {
    Refused(DisconnectReason),
    Driver(WifiError),
}

impl Trouble {
    /// Whether the access point is there and the password is not in doubt: then it is worth trying again soon.
    const fn was_heard(&self) -> bool {
        use DisconnectReason as R;
        matches!(
            self,
            Self::Refused(
                R::AuthenticationExpired
                    | R::AuthenticationLeave
                    | R::AssociationLeave
                    | R::AssociationTooMany
                    | R::AssociationFailed
                    | R::BeaconTimeout
            )
        )
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => Reason(Some(*reason)).fmt(f),
            Self::Driver(error) => write!(f, "the radio's driver says {error:?}"),
        }
    }
}

/// Why there is no Wi-Fi, with what to look at.
struct Reason(Option<DisconnectReason>);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use DisconnectReason as R;
        let Some(reason) = self.0 else {
            return f.write_str("no reason known");
        };
        write!(f, "{reason:?}")?;
        f.write_str(match reason {
            R::NoAccessPointFound => " (no such network in range; the chip sees 2.4 GHz only)",
            R::NoAccessPointFoundInAuthmodeThreshold | R::NoAccessPointFoundWithCompatibleSecurity => {
                " (the network has another kind of security: WPA2 or WPA3 want a password, an open one wants SOCKEYE_WIFI_PASSWORD to be empty)"
            }
            R::AuthenticationFailed | R::FourWayHandshakeTimeout | R::HandshakeTimeout | R::MicFailure => {
                " (wrong password?)"
            }
            R::AuthenticationExpired | R::AuthenticationLeave | R::AssociationLeave => {
                " (the access point ended it: restarted, or told to)"
            }
            R::BeaconTimeout => " (the access point is gone or too far away)",
            _ => "",
        })
    }
}
