//! TLS: [`sockeye_mbedtls`] with the chip's generator and the clock that [`sntp`](crate::sntp) sets.

use esp_hal::rng::Rng;
use sockeye_embedded::net::EmbassyNet;
use sockeye_mbedtls::{Mbedtls, Options, Unusable};

use crate::config::{self, LINKS};

/// Connects by `tcp` to a server whose certificate the CA of `SOCKEYE_CA` has signed for the host of `SOCKEYE_URL`.
pub(crate) fn connector(
    tcp: EmbassyNet<'static, LINKS>,
) -> Result<Mbedtls<EmbassyNet<'static, LINKS>>, Unusable> {
    Mbedtls::new(tcp, Options::new(config::CA, random))
}

/// The chip's generator; truly random while the radio is on.
pub(crate) fn random(bytes: &mut [u8]) {
    Rng::new().read(bytes);
}
