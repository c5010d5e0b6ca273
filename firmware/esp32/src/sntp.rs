//! The wall clock, by SNTP: certificates cannot be checked without.

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Timer};
use sockeye_mbedtls::{clock, sntp};

use crate::config;
use crate::console::say;
use crate::tls::random;

const RETRY: Duration = Duration::from_secs(5);
/// The chip's clock is off by less than a second after this.
const REFRESH: Duration = Duration::from_secs(6 * 3600);

static SET: Signal<CriticalSectionRawMutex, ()> = Signal::new();

/// Keeps the clock right from now on, and waits until it is set.
pub(crate) async fn start(spawner: Spawner, stack: Stack<'static>) {
    spawner.spawn(keep(stack).expect("started once"));
    SET.wait().await;
}

#[embassy_executor::task]
async fn keep(stack: Stack<'static>) -> ! {
    loop {
        stack.wait_config_up().await;
        match sntp::ask(stack, config::SNTP, random).await {
            Ok(unix) => {
                clock::set(unix);
                say!("clock", "{unix} s since 1970, by {}", config::SNTP);
                SET.signal(());
                Timer::after(REFRESH).await;
            }
            Err(error) => {
                say!(
                    "clock",
                    "no time from {}: {error} (SOCKEYE_SNTP); again in {} s",
                    config::SNTP,
                    RETRY.as_secs()
                );
                Timer::after(RETRY).await;
            }
        }
    }
}
