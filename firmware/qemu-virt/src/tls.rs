//! TLS on the board: [`sockeye_mbedtls`] with the board's generator and clock.

use core::ffi::CStr;

use sockeye_embedded::net::EmbassyNet;
use sockeye_mbedtls::{Mbedtls, Options, Unusable};

use crate::board::{entropy, rtc};

/// A date before this project existed comes from a clock that was not set.
const FIRST: u64 = 1_700_000_000;

/// The connector of an image.
pub type Connector = Mbedtls<EmbassyNet<'static, 1>>;

/// Connects over `tcp` to servers whose certificate the CA `ca` (DER) has signed for `name`. Only one may exist.
///
/// # Errors
/// See [`Unusable`].
pub fn connector(
    tcp: EmbassyNet<'static, 1>,
    ca: &'static [u8],
    name: &'static CStr,
) -> Result<Connector, Unusable> {
    let mut options = Options::new(ca, entropy::fill);
    options.server_name = Some(name);
    options.unix_time = || Some(rtc::unix_seconds()).filter(|now| *now >= FIRST);
    Mbedtls::new(tcp, options)
}
