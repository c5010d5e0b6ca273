//! TLS on the board: [`sockeye_mbedtls`] with the board's generator and clock.

use core::ffi::CStr;

use sockeye_embedded::net::EmbassyNet;
use sockeye_mbedtls::{Mbedtls, Options};
use static_cell::ConstStaticCell;

use crate::board::{self, args, entropy, rtc};
use crate::println;

/// A date before this project existed comes from a clock that was not set.
const FIRST: u64 = 1_700_000_000;

/// The connector of an image.
pub type Connector = Mbedtls<EmbassyNet<'static, 1>>;

static NAME: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);

/// Connects over `tcp` to servers whose certificate the CA of the argument `blob` (DER) has signed for the name of the
/// argument `host`, by default `sockeye.test`. What cannot be used ends the board, with words that say why. Only one may
/// exist.
pub fn connector(tcp: EmbassyNet<'static, 1>) -> Connector {
    let host = args::get("host").unwrap_or("sockeye.test");
    let name = NAME.take();
    if let Some(place) = name.get_mut(..host.len()) {
        place.copy_from_slice(host.as_bytes());
    }
    let Some(name) = CStr::from_bytes_until_nul(name)
        .ok()
        .filter(|name| name.to_bytes().len() == host.len())
    else {
        println!("the host's name is too long");
        board::exit(2);
    };
    let mut options = Options::new(args::blob(), entropy::fill);
    options.server_name = Some(name);
    options.unix_time = || Some(rtc::unix_seconds()).filter(|now| *now >= FIRST);
    match Mbedtls::new(tcp, options) {
        Ok(connector) => connector,
        Err(failure) => {
            println!("{failure}");
            board::exit(1);
        }
    }
}
