//! What the environment said at build time; `build.rs` reads and checks it.

use crate::led::Kind;
use sockeye_embedded::Transports;

include!(concat!(env!("OUT_DIR"), "/config.rs"));
